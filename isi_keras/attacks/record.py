"""What becomes of each sample of an attack, collected on the host."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.domain import Domain
from isi_keras.results import AttackResult, Stop

_LABELS = np.array([stop.label for stop in Stop])
_AT_ONCE = 256
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
        self._classes = classes
        self._seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] | None = (
            [] if trajectory else None
        )
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
        self._seen.append((index[held], steps, logits))  # pyright: ignore[reportOptionalMemberAccess]

    def trajectory(self) -> np.ndarray | None:
        """The logits of each step, `(N, T + 1, K)`, `T` the most that a sample took; NaN after."""
        if self._seen is None:
            return None
        shape = len(self.x), int(self.counts["steps"].max()) + 1, self._classes
        found = np.full(shape, np.nan, "float32")
        for index, steps, logits in self._seen:
            kept = steps < shape[1]
            found[index[kept], steps[kept]] = logits[kept]
        self._seen.clear()
        return found

    def check(self, attack: str, domain: Domain, max_steps: int) -> None:
        """Raises if a plan did not keep what is asked of it.

        Raises:
            RuntimeError: if it ended samples without `State.observed`, left the domain or took more
                than `max_steps`.
        """
        unseen = (self.counts["clean_prediction"] < 0) | (self.counts["forward"] == 0)
        known = self.stop != Stop.NOT_FINITE
        outside = {kind: where & known for kind, where in self._broken(domain).items()}
        for wrong, what in (
            (unseen, "ended without their logits: call state.observed(logits, cost) in each step"),
            *((rows, _BROKEN[kind]) for kind, rows in outside.items()),
            (self.counts["steps"] > max_steps, f"took more than max_steps={max_steps} steps"),
        ):
            if wrong.any():
                raise RuntimeError(
                    f"The plan of {attack} is wrong: {wrong.sum()} of {len(wrong)} samples {what}."
                )

    def _broken(self, domain: Domain) -> dict[str, np.ndarray]:
        """By what is broken which samples are impossible, `(N,)`; some are looked at at a time."""
        count, rank = len(self.x), self.x.ndim
        if not domain.plain:
            broken = domain.violations(self.x, self.adversarial)
            return {k: np.asarray(w.reshape(count, -1).any(axis=1)) for k, w in broken.items()}
        found = np.zeros(count, bool)
        for begin in range(0, count, _AT_ONCE):
            rows = np.arange(begin, min(begin + _AT_ONCE, count))
            part = self.adversarial[rows]
            fitted = domain.rows(rows, rank).fit(part.shape)
            inside = (part >= fitted.low) & (part <= fitted.high)
            found[rows] = ~inside.reshape(len(rows), -1).all(axis=1)
        return {"range": found}

    def result(self, **known: Any) -> AttackResult:
        """The record as the user gets it; `known` are the fields that are not counted here."""
        return AttackResult(
            x=self.x,
            adversarial=self.adversarial,
            success=self.stop == Stop.SUCCESS,
            stop_reason=_LABELS[self.stop - Stop.EMPTY],
            order=self.order,
            trajectory=self.trajectory(),
            **self.counts,
            **known,
        )
