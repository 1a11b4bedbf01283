"""The attack: find the most significant inputs, perturb them, repeat until the prediction turns."""

import dataclasses
import time
import warnings
from typing import Any, ClassVar

import numpy as np
from keras import ops

from isi_keras import (
    _component,
    backend,
    compiling,
    goals,
    indicators,
    models,
    norms,
    recording,
    slots,
)
from isi_keras.inputs import as_batch_size, as_classes, as_inputs, check_bounds
from isi_keras.results import AttackResult

_CODE = {reason: code for code, reason in enumerate(AttackResult.STOPS, slots.RUNNING + 1)}
_UNKNOWN = -1


@dataclasses.dataclass(frozen=True, eq=False)
class Attack(_component.Component):
    """The input significance indicator attack (ISI).

    Each step computes the logits and, by one backward pass, the significance of every input; the
    norm turns score and direction into a change. A sample ends when its goal is reached.

    Args:
        indicator: `"relevance"`, `"sensitivity"` or an `Indicator`.
        norm: `"l0"` (fewest inputs), `"l2"`, `"linf"` or a `Norm`.
        max_steps: how many steps a sample may take, at least 1. Under `L0` no more than
            `max_steps * features` inputs change.
        bounds: the least and the greatest value of an input, as a pair of numbers or of arrays
            that broadcast to one sample.
        objective: `"logit"` moves the logit of the attacked class (as published), `"margin"` its
            distance from the greatest other logit.

    Raises:
        ValueError: for an unknown name (the text gives the nearest), bounds that are not a pair
            with low < high, or `max_steps` below 1.

    Source: Qiu and Zhou, Neurocomputing 2020, doi 10.1016/j.neucom.2020.01.040.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> attack = isi.Attack("relevance", "l0", max_steps=30, bounds=(-1, 1))
        >>> result = attack(model, x[:8], y=y[:8])
        >>> result.success.tolist()
        [True, True, True, True, True, True, True, True]
    """

    kind: ClassVar[str] = "attack"
    indicator: Any = "relevance"
    norm: Any = "l0"
    max_steps: int = 100
    bounds: Any = (-1.0, 1.0)
    objective: str = "logit"

    def __post_init__(self):
        object.__setattr__(self, "indicator", indicators.get(self.indicator))
        object.__setattr__(self, "norm", norms.get(self.norm))
        object.__setattr__(self, "bounds", _pair(self.bounds))
        if isinstance(self.max_steps, bool) or not isinstance(self.max_steps, int | np.integer):
            raise ValueError(
                f"Expected max_steps to be an integer. Received: max_steps={self.max_steps!r}."
            )
        if self.max_steps < 1:
            raise ValueError(
                f"Expected max_steps to be at least 1. Received: max_steps={self.max_steps}."
            )
        object.__setattr__(self, "max_steps", int(self.max_steps))
        if self.objective not in goals.OBJECTIVES:
            raise ValueError(_component.unknown("objective", self.objective, goals.OBJECTIVES))

    def __call__(
        self,
        model,
        x,
        *,
        y=None,
        target=None,
        batch_size: int = 128,
        trajectory: bool = False,
        verbose: int = 0,
    ) -> AttackResult:
        """Attacks each sample.

        Args:
            model: a built Keras model, or what `logits` made of one. It is not altered.
            x: the inputs, `(N, ...)`, within the bounds.
            y: the true labels, `(N,)`. Samples that are misclassified to begin with are then
                reported as such and left alone. Without it the clean prediction is the label.
            target: the class to reach, one for all samples or `(N,)`. `None` for any other class.
            batch_size: how many samples are computed at once.
            trajectory: whether to keep the logits of every step.
            verbose: 1 shows a progress bar.

        Returns:
            An `AttackResult`.

        Raises:
            TypeError: if the model or an array is of the wrong kind.
            ValueError: if shapes, values or classes are wrong, or `target` is what every sample is
                predicted as already.
        """
        began = time.perf_counter()
        source = models.logits(model)
        model = source.model
        inputs = as_inputs(model, x)
        low, high = self.bounds
        check_bounds(inputs, low, high, getattr(x, "dtype", inputs.dtype))
        if (low == -1).all() and (high == 1).all() and (inputs >= 0).all():
            warnings.warn(
                "No value of x is below 0, while the bounds are -1..1. If your data are in 0..1, "
                "pass bounds=(0, 1).",
                stacklevel=2,
            )
        count = source.plan(inputs).classes
        truth = None if y is None else as_classes("y", y, len(inputs), count)
        aim = None if target is None else as_classes("target", target, len(inputs), count)
        run = compiling.cached(
            model,
            (self._trace_key(), aim is not None, source.from_logits),
            lambda: self._compile(source, inputs, aim is not None),
        )
        limits = tuple(slots.tensor(bound) for bound in self.bounds)
        max_steps = slots.tensor(np.asarray(self.max_steps, "int32"))
        record = recording.Record(inputs, count, self.max_steps, trajectory, verbose)
        unknown = np.full(len(inputs), _UNKNOWN, "int32")
        slots.drive(
            lambda state: run(state, limits, max_steps),
            {
                "origin": inputs,
                "target": unknown if aim is None else aim,
                "truth": unknown if truth is None else truth,
            },
            _start,
            _refill,
            record.finished,
            min(as_batch_size(batch_size), len(inputs)),
            record.watch if trajectory else None,
        )
        if aim is not None and (record.stop == "already_target").all():
            raise ValueError(
                f"Every sample is already predicted as its target ({sorted(set(aim.tolist()))}), "
                "so there is nothing to attack. `target` is the class to reach; true labels go "
                "into `y`."
            )
        return record.result(truth, aim, self.get_config(), time.perf_counter() - began)

    def _trace_key(self):
        """What a trace depends on; bounds and `max_steps` are arguments of it."""
        return (self.indicator, self.norm, self.objective)

    def _compile(self, source, sample, targeted: bool) -> compiling.Compiled:
        forward = indicators.forward(source, self.indicator, sample)

        def run(model, state, limits, max_steps):
            return self._step(lambda x: forward(model, x), targeted, state, limits, max_steps)

        return compiling.compiled(run, source.model)

    def _step(self, forward, targeted: bool, state, limits, max_steps):
        """One pure step of all slots; those that do not run stay as they are."""
        x, steps = state["x"], state["steps"]
        running = state["status"] == slots.RUNNING
        logits, pullback = backend.vjp(forward, x)
        prediction = ops.cast(ops.argmax(logits, axis=-1), "int32")
        fresh = ops.logical_and(running, state["label"] == _UNKNOWN)
        label = ops.where(fresh, prediction, state["label"])
        goal = (
            goals.Targeted(state["target"], self.objective)
            if targeted
            else goals.Untargeted(label, self.objective)
        )
        centre = (limits[0] + limits[1]) / 2
        score, direction, _ = self.indicator.significance(x, logits, pullback, goal, centre)
        move = self.norm.step(x, state["origin"], score, direction, state["order"], limits)

        magnitude = ops.sum(ops.abs(_flat(score)), axis=-1)
        total = magnitude + ops.sum(logits, axis=-1)  # NaN or infinite if any of them is
        reached = goal.reached(logits)
        wrong = ops.logical_and(state["truth"] != _UNKNOWN, prediction != state["truth"])
        status = _first_of(
            (ops.logical_not(ops.isfinite(total)), _CODE["not_finite"]),
            (ops.logical_and(fresh, wrong), _CODE["misclassified"]),
            (ops.logical_and(fresh, reached), _CODE["already_target"]),
            (reached, _CODE["success"]),
            (steps >= max_steps, _CODE["max_steps"]),
            (magnitude == 0, _CODE["no_gradient"]),
            (ops.logical_not(ops.any(_flat(move.picked), axis=-1)), _CODE[self.norm.stuck]),
        )
        status = ops.where(running, status, state["status"])
        go = ops.logical_and(running, status == slots.RUNNING)
        after = steps + ops.cast(go, "int32")
        first_picked = ops.logical_and(
            _rows_like(go, x), ops.logical_and(move.picked, state["order"] == 0)
        )
        return {
            **state,
            "x": ops.where(_rows_like(go, x), move.x, x),
            "order": ops.where(first_picked, _rows_like(after, x), state["order"]),
            "label": label,
            "prediction": ops.where(running, prediction, state["prediction"]),
            "steps": after,
            "status": status,
        }, logits


def _start(samples) -> slots.State:
    """The state of samples that enter the batch."""
    x = samples["origin"]
    zeros = ops.zeros(x.shape[:1], "int32")
    return {
        **samples,
        "x": x,
        "order": ops.zeros(x.shape, "int32"),
        "label": zeros + _UNKNOWN,
        "prediction": zeros,
        "steps": zeros,
        "status": zeros + slots.RUNNING,
    }


@backend.jit
def _refill(state: slots.State, samples, fresh) -> slots.State:
    """The state with the fresh slots holding samples at their start."""
    return {
        name: ops.where(_rows_like(fresh, rows), rows, state[name])
        for name, rows in _start(samples).items()
    }


def _pair(bounds: Any) -> tuple[np.ndarray, np.ndarray]:
    try:
        low, high = (np.array(bound, "float32") for bound in bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected bounds to be a pair (low, high) of numbers or arrays. Received: {bounds!r}."
        ) from error
    if not (np.isfinite(low).all() and np.isfinite(high).all() and np.all(low < high)):
        raise ValueError(
            f"Expected bounds to be finite with low < high everywhere. Received: {bounds!r}."
        )
    low.flags.writeable = high.flags.writeable = False
    return low, high


def _first_of(*cases):
    """The code of the first case that holds, `RUNNING` if none does, `(N,)` int32."""
    status = ops.zeros(cases[0][0].shape, "int32") + slots.RUNNING
    for holds, code in reversed(cases):
        status = ops.where(holds, code, status)
    return status


def _flat(tensor):
    return ops.reshape(tensor, (tensor.shape[0], -1))


def _rows_like(values, x):
    """`(N,)` reshaped to broadcast over `x`."""
    return ops.reshape(values, (-1, *[1] * (len(x.shape) - 1)))
