"""What becomes of each sample of an attack, collected on the host."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.domain import Domain
from isi_keras.results import AttackResult, Stop

_LABELS = np.array([stop.label for stop in Stop])
_UNATTACKED = (Stop.ALREADY_TARGET, Stop.MISCLASSIFIED)
_BROKEN = {
    "range": "are outside the bounds: clip to samples.low and samples.high",
    "mutable": "changed an input that the domain holds: samples.low and samples.high are equal",
    "direction": "moved an input the wrong way: clip to samples.low and samples.high",
    "grid": "left the grid: use norms.offers.settled with samples.grid",
    "groups": "are not one-hot in a group: use the offer of a norms.Step",
}


class Record:
    """Collects on the host what becomes of each sample."""

    def __init__(self, x, classes: int, max_steps: int, trajectory: bool, verbose: int):
        n = len(x)
        self.x = x
        self.adversarial = np.empty_like(x)
        self.order = np.zeros(x.shape, "int32")
        self.stop = np.full(n, Stop.RUNNING, "int32")
        self.counts = {
            name: np.zeros(n, "int32")
            for name in ("clean_prediction", "prediction", "steps", "forward", "backward")
        }
        shape = (n, max_steps + 1, classes)
        self.trajectory = np.full(shape, np.nan, "float32") if trajectory else None
        self.bar = keras.utils.Progbar(
            n, verbose=verbose, stateful_metrics=["success"], unit_name="sample"
        )
        self.bar_shown = bool(verbose)
        self.done = 0

    def finished(self, index, state) -> None:
        """Takes the rows of the samples `index`, which have ended, of a state of arrays."""
        self.adversarial[index] = state.x
        self.order[index] = np.where(state.x != self.x[index], state.order, 0)
        self.stop[index] = state.stop
        for name, counted in self.counts.items():
            counted[index] = getattr(state, name)
        self.done += len(index)
        if self.bar_shown:
            ended = self.stop[self.stop != Stop.RUNNING]
            rate = (ended == Stop.SUCCESS).sum() / max(1, (~np.isin(ended, _UNATTACKED)).sum())
            self.bar.update(self.done, [("success", rate)], finalize=self.done == len(self.x))

    def watch(self, index, seen) -> None:
        """Notes the logits before a step; `index` is the sample in each slot, -1 for none."""
        held = index >= 0
        steps, logits = (ops.convert_to_numpy(part)[held] for part in seen)
        self.trajectory[index[held], steps] = logits  # pyright: ignore[reportOptionalSubscript]

    def check(self, attack: str, domain: Domain, max_steps: int) -> None:
        """Raises if a plan did not keep what is asked of it.

        Raises:
            RuntimeError: if it ended samples without `State.observed`, left the domain or took more
                than `max_steps`.
        """
        unseen = (self.counts["clean_prediction"] < 0) | (self.counts["forward"] == 0)
        if domain.plain:
            fitted = domain.fit(self.x.shape)
            inside = (self.adversarial >= fitted.low) & (self.adversarial <= fitted.high)
            broken = {"range": ~inside}
        else:
            broken = domain.violations(self.x, self.adversarial)
        count, known = len(self.x), self.stop != Stop.NOT_FINITE
        outside = {
            kind: where.reshape(count, -1).any(axis=1) & known for kind, where in broken.items()
        }
        for wrong, what in (
            (unseen, "ended without their logits: call state.observed(logits, cost) in each step"),
            *((rows, _BROKEN[kind]) for kind, rows in outside.items()),
            (self.counts["steps"] > max_steps, f"took more than max_steps={max_steps} steps"),
        ):
            if wrong.any():
                raise RuntimeError(
                    f"The plan of {attack} is wrong: {wrong.sum()} of {len(wrong)} samples {what}."
                )

    def result(self, **known: Any) -> AttackResult:
        """The record as the user gets it; `known` are the fields that are not counted here."""
        steps, trajectory = self.counts["steps"], self.trajectory
        return AttackResult(
            x=self.x,
            adversarial=self.adversarial,
            success=self.stop == Stop.SUCCESS,
            stop_reason=_LABELS[self.stop - Stop.EMPTY],
            order=self.order,
            trajectory=None if trajectory is None else trajectory[:, : steps.max() + 1],
            **self.counts,
            **known,
        )
