"""The attack: find the most significant inputs, perturb them, repeat until the prediction turns."""

import dataclasses
import math
from typing import Any, ClassVar

from keras import ops

from isi_keras import _checks, axes, goals, indicators, norms
from isi_keras.attacks.base import BaseAttack, Plan
from isi_keras.attacks.state import State, first_of
from isi_keras.results import Stop

STOP_WHEN = ("target", "turned")


@dataclasses.dataclass(frozen=True, eq=False)
class Attack(BaseAttack):
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

    arguments: ClassVar[tuple[str, ...]] = ("max_steps", "bounds")
    indicator: Any = "relevance"
    norm: Any = "l0"
    max_steps: int = 100
    bounds: Any = (-1.0, 1.0)
    objective: str = "logit"
    stop_when: str = "target"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "indicator", indicators.get(self.indicator))
        object.__setattr__(self, "norm", norms.get(self.norm))
        _checks.one_of("objective", self.objective, goals.OBJECTIVES)
        _checks.one_of("stop_when", self.stop_when, STOP_WHEN)

    @property
    def unit(self) -> str:
        """What the norm counts: `"feature"` or `"position"`."""
        return self.norm.unit

    def within(self, budget, shape, data_format):  # noqa: D102
        share = self.norm.share(shape, data_format)
        if share is None:
            return self, None
        steps = max(1, math.floor(budget / share + 1e-9))
        return dataclasses.replace(self, max_steps=steps), share

    def plan(self, planned, sample, targeted):  # noqa: D102
        differentiable = self.indicator.prepare(planned, sample, centred=True)
        cost = self.indicator.cost(planned.classes)
        channel_axis = axes.channel_axis(sample.ndim, planned.data_format)

        def step(model, samples, state, limits):
            point = indicators.at(differentiable, model, state.x)
            state = state.observed(point.logits, cost)
            goal = state.goal(samples, targeted, self.objective)
            significance = self.indicator.significance(point, goal, (limits.low + limits.high) / 2)
            stop = self._stop(samples, state, goal, point.logits, significance, limits.max_steps)
            active = ops.logical_and(state.running, stop == int(Stop.RUNNING))
            move = self.norm.move(
                significance,
                norms.Step(
                    x=state.x,
                    origin=samples.x,
                    order=state.order,
                    number=state.steps + 1,
                    active=active,
                    bounds=(limits.low, limits.high),
                    channel_axis=channel_axis,
                ),
            )
            stuck = ops.logical_and(active, ops.logical_not(move.moved))
            stop = ops.where(stuck, int(self.norm.stuck), stop)
            moved = ops.cast(ops.logical_and(active, move.moved), "int32")
            return state._replace(
                x=move.x,  # a norm leaves those that do not run as they are
                order=move.order,
                steps=state.steps + moved,
                stop=ops.where(state.running, stop, state.stop),
            ), point.logits

        return Plan(State.begin, step)

    def _stop(self, samples, state, goal, logits, significance, max_steps):
        """Why each sample ends before it takes a step, or that it goes on, `(S,)`."""
        magnitude = significance.magnitude()
        total = magnitude + ops.sum(logits, axis=-1)  # NaN or infinite if any of them is
        reached = goal.reached(logits)
        turned = state.prediction != state.clean_prediction
        return first_of(
            (ops.logical_not(ops.isfinite(total)), Stop.NOT_FINITE),
            *state.unneeded(samples, reached),
            (turned if self.stop_when == "turned" else reached, Stop.SUCCESS),
            (state.steps >= max_steps, Stop.MAX_STEPS),
            (magnitude == 0, Stop.NO_GRADIENT),
        )
