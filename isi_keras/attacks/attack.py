"""The attack: find the most significant inputs, perturb them, repeat until the prediction turns."""

import dataclasses
import functools
import time
import warnings
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks, _component, backend, goals, indicators, models, norms
from isi_keras.attacks import record, slots, step
from isi_keras.models import compiling
from isi_keras.models.inputs import as_batch_size, as_classes, as_input, within_bounds
from isi_keras.results import AttackResult

STOP_WHEN = ("target", "turned")


@dataclasses.dataclass(frozen=True, eq=False)
class Attack(_component.Component):
    """The input significance indicator attack (ISI).

    Each step computes the logits and, by one backward pass, the significance of every input; the
    norm turns score and direction into a change. A sample ends when its goal is reached.

    Args:
        indicator: a name such as `"relevance"` or `"sensitivity"`, or an `Indicator`.
        norm: `"l0"` (fewest inputs), `"l2"`, `"linf"` or a `Norm`.
        max_steps: how many steps a sample may take, at least 1. Under `L0` no more than
            `max_steps * features` inputs change.
        bounds: the least and the greatest value of an input, as a pair of numbers or of arrays
            that broadcast to one sample.
        objective: `"logit"` moves the logit of the attacked class (as published), `"margin"` its
            distance from the greatest other logit.
        stop_when: when an attack with a target ends: `"target"`, once that is the prediction, or
            `"turned"`, once any other class than the clean prediction is.

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
    stop_when: str = "target"

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
            raise ValueError(_checks.unknown("objective", self.objective, goals.OBJECTIVES))
        if self.stop_when not in STOP_WHEN:
            raise ValueError(_checks.unknown("stop_when", self.stop_when, STOP_WHEN))

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
        inputs = as_input(model, x)
        low, high = self.bounds
        inputs = within_bounds(inputs, low, high, getattr(x, "dtype", inputs.dtype))
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
            (self._trace_key(), source.from_logits),
            lambda: self._compile(source, inputs),
        )
        limits = step.limits_of(self)
        max_steps = backend.tensor(np.asarray(self.max_steps, "int32"))
        notes = record.Record(inputs, count, self.max_steps, trajectory, verbose)
        known = {"origin": inputs, "target": aim, "truth": truth}
        slots.drive(
            lambda *batch: run(*batch, limits, max_steps),
            functools.partial(step.start, self),
            {name: rows for name, rows in known.items() if rows is not None},
            notes.finished,
            min(as_batch_size(batch_size), len(inputs)),
            notes.watch if trajectory else None,
        )
        if aim is not None and (notes.stop_reason == "already_target").all():
            raise ValueError(
                f"Every sample is already predicted as its target ({sorted(set(aim.tolist()))}), "
                "so there is nothing to attack. `target` is the class to reach; true labels go "
                "into `y`."
            )
        seconds = time.perf_counter() - began
        return notes.result(
            truth, aim, self.indicator.cost(count), _component.serialize(self), seconds
        )

    def _trace_key(self):
        """What a trace depends on; bounds and `max_steps` are arguments of it."""
        return (self.indicator, self.norm, self.objective, self.stop_when)

    def _compile(self, source, sample) -> compiling.Compiled:
        passes = self.indicator.passes(source, sample, centred=True)

        def run(model, state, samples, fresh, limits, max_steps):
            state = slots.entered(state, step.start(self, samples), fresh)
            point = indicators.at(passes, model, state["x"])
            return step.step(self, point, state, limits, max_steps)

        return compiling.compiled(run, source.model)


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
