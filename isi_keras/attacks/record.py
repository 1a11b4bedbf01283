"""What becomes of each sample of an attack, collected on the host."""

import keras
import numpy as np
from keras import ops

from isi_keras.results import AttackResult, Stop

_REASONS = tuple(stop.label for stop in Stop if stop > Stop.RUNNING)


class Record:
    """Collects on the host what becomes of each sample."""

    def __init__(self, x, classes: int, max_steps: int, trajectory: bool, verbose: int):
        n = len(x)
        self.x = x
        self.adversarial = np.empty_like(x)
        self.order = np.zeros(x.shape, "int32")
        self.clean_prediction, self.prediction, self.steps = (
            np.zeros(n, "int32") for _ in range(3)
        )
        self.stop_reason = np.full(n, "", dtype=f"U{max(map(len, _REASONS))}")
        shape = (n, max_steps + 1, classes)
        self.trajectory = np.full(shape, np.nan, "float32") if trajectory else None
        self.bar = keras.utils.Progbar(
            n, verbose=verbose, stateful_metrics=["success"], unit_name="sample"
        )
        self.bar_shown = bool(verbose)
        self.done = 0

    def finished(self, index, rows):
        """Takes the rows of the samples `index`, which have ended."""
        self.adversarial[index] = rows["x"]
        self.order[index] = np.where(rows["x"] != self.x[index], rows["order"], 0)
        for name in ("clean_prediction", "prediction", "steps"):
            getattr(self, name)[index] = rows[name]
        self.stop_reason[index] = np.array(["", *_REASONS])[rows["status"]]
        self.done += len(index)
        if self.bar_shown:
            reasons = self.stop_reason[self.stop_reason != ""]
            attacked = ~np.isin(reasons, ("already_target", "misclassified"))
            rate = (reasons == "success").sum() / max(1, attacked.sum())
            self.bar.update(self.done, [("success", rate)], finalize=self.done == len(self.x))

    def watch(self, index, seen):
        """Notes the logits before a step; `index` is the sample in each slot, -1 for none."""
        held = index >= 0
        steps, logits = (ops.convert_to_numpy(part)[held] for part in seen)
        self.trajectory[index[held], steps] = logits  # pyright: ignore[reportOptionalSubscript]

    def result(self, truth, aim, cost, config: dict, seconds: float) -> AttackResult:
        """The record as the user gets it; `cost` is how many passes a step took, of each kind."""
        forward, backward = ((self.steps + 1) * passes for passes in cost)
        trajectory = self.trajectory
        return AttackResult(
            x=self.x,
            adversarial=self.adversarial,
            clean_prediction=self.clean_prediction,
            prediction=self.prediction,
            target=aim,
            y=truth,
            success=self.stop_reason == "success",
            stop_reason=self.stop_reason,
            steps=self.steps,
            order=self.order,
            forward=forward,
            backward=backward,
            seconds=seconds,
            config=config,
            trajectory=None if trajectory is None else trajectory[:, : self.steps.max() + 1],
            data_format=keras.config.image_data_format(),
        )
