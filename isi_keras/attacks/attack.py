"""The attack: find the most significant inputs, perturb them, repeat until the prediction turns."""

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
from keras import ops

from isi_keras import _checks, aims, axes, indicators, norms
from isi_keras.attacks.base import BaseAttack, Plan
from isi_keras.attacks.state import State, first_of
from isi_keras.results import Stop

STOP_WHEN = ("target", "turned")
SCALES = ("range", "reach")


@dataclasses.dataclass(frozen=True, eq=False)
class Attack(BaseAttack):
    """The input significance indicator attack (ISI).

    Each step computes the logits and, by one backward pass, the significance of every input; the
    norm turns score and direction into a change. A sample ends when its goal is reached.

    Args:
        indicator: a name such as `"relevance"` or `"sensitivity"`, an `Indicator`, or a `Rule` or
            `Composite` of relevance.
        norm: `"l0"` (fewest inputs), `"l2"`, `"linf"` or a `Norm`.
        max_steps: how many steps a sample may take, at least 1. Under `L0` no more than
            `max_steps * features` inputs change.
        bounds: the least and the greatest value of an input, as a pair of numbers or of arrays
            that broadcast to one sample; or a `Domain`, which says more.
        objective: `"logit"` moves the logit of the attacked class (as published), `"margin"` its
            distance from the greatest other logit.
        stop_when: when an attack with a target ends: `"target"`, once that is the prediction, or
            `"turned"`, once any other class than the clean prediction is.
        scale: what scores are multiplied by before inputs are ranked: `"range"`, the width of the
            range of each; `"reach"`, how far it is to the bound it would be moved to; or numbers
            above 0 that broadcast to one sample, such as deviations. `None`, as published, ranks
            derivatives by one unit of each input, whatever its unit is. With a derivative, `L0` and
            `"reach"` a linear model is turned by the fewest inputs there are.
            Scores of relevance are shares of the logit, whatever the unit, and take none.
        max_inputs: how many inputs may be picked in all, for the norm `Salient`; `None` for any.

    Raises:
        ValueError: for an unknown name (the text gives the nearest), bounds that are not a pair
            with low <= high, `max_steps` or `max_inputs` below 1, or a `scale` that is not above 0
            or whose indicator takes none.

    Source: Qiu and Zhou, Neurocomputing 2020, doi 10.1016/j.neucom.2020.01.040.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> attack = isi.Attack("relevance", "l0", max_steps=30, bounds=(-1, 1))
        >>> result = attack(model, x[:8], y=y[:8])
        >>> result.success.tolist()
        [True, True, True, True, True, True, True, True]
    """

    arguments: ClassVar[tuple[str, ...]] = ("max_steps", "bounds", "max_inputs")
    indicator: Any = "relevance"
    norm: Any = "l0"
    max_steps: int = 100
    bounds: Any = (-1.0, 1.0)
    objective: str = "logit"
    stop_when: str = "target"
    scale: Any = None
    max_inputs: int | None = None

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "indicator", indicators.get(self.indicator))
        object.__setattr__(self, "norm", norms.get(self.norm))
        _checks.one_of("objective", self.objective, aims.OBJECTIVES)
        _checks.one_of("stop_when", self.stop_when, STOP_WHEN)
        if self.scale is not None:
            object.__setattr__(self, "scale", self._as_scale())
        if self.max_inputs is not None:
            most = _checks.integer("max_inputs", self.max_inputs, 1)
            object.__setattr__(self, "max_inputs", most)
            if not isinstance(self.norm, norms.Salient):
                raise ValueError(
                    "max_inputs belongs to the norm Salient. Received: it with "
                    f"{type(self.norm).__name__}. Under L0, max_steps says how many inputs change."
                )

    def _as_scale(self) -> Any:
        if not self.indicator.per_unit:
            raise ValueError(
                f"The scores of {type(self.indicator).__name__} have no unit of the input, so "
                f"there is nothing to scale. Received: scale={_checks.shown(self.scale)}. Leave "
                "it out, or use "
                "the indicator 'sensitivity'."
            )
        if isinstance(self.scale, str):
            if self.scale == "reach" and isinstance(self.norm, norms.Salient):
                raise ValueError(
                    "scale='reach' does not go with the norm Salient, as inputs are moved both "
                    "ways. Pass Salient(scaled=True) (of JSMA: the variant 'tjsma')."
                )
            return _checks.one_of("scale", self.scale, SCALES)
        scale = np.asarray(self.scale, "float32")
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise ValueError(
                "Expected scale to be 'range', 'reach' or numbers above 0 that broadcast to one "
                f"sample. Received: scale={_checks.shown(self.scale)}."
            )
        return scale

    @property
    def unit(self) -> str:
        """What the norm counts: `"feature"` or `"position"`."""
        return self.norm.unit

    def within(self, budget, shape, data_format):  # noqa: D102
        share = self.norm.share(shape, data_format)
        if share is None:
            return self, None
        share *= axes.count(self.unit, shape, data_format)
        share /= self.domain.count(self.unit, shape, data_format)
        steps = max(1, math.floor(budget / share + 1e-9))
        return dataclasses.replace(self, max_steps=steps), share

    def limits(self):  # noqa: D102
        most = 0 if self.max_inputs is None else self.max_inputs
        return super().limits()._replace(max_inputs=np.asarray(most, "int32"))

    def check(self, fitted, x):  # noqa: D102
        self.norm.check(self.domain, fitted, x)
        if self.indicator.centred:
            what = f"{type(self.indicator).__name__} is measured from the middle of the range"
            fitted.expect_finite(x, what, "use the indicator 'sensitivity'", width=True)
        if isinstance(self.scale, str):
            what = f"scale={_checks.shown(self.scale)} is measured by the range"
            fitted.expect_finite(x, what, "pass a scale for each column", width=True)

    def check_goal(self, goal):  # noqa: D102
        if self.stop_when == "turned" and getattr(goal, "margin", 0):
            raise ValueError(
                "stop_when='turned' ends a sample as soon as any other class is predicted, without "
                f"a margin. Received: {_checks.shown(goal)}. Leave stop_when out."
            )

    def plan(self, planned, sample, targeted):  # noqa: D102
        differentiable = self.indicator.prepare(planned, sample, centred=True)
        cost = self.indicator.cost(planned.classes)
        channel_axis = axes.channel_axis(sample.ndim, planned.data_format)

        plain, groups = self.domain.plain, self.domain.fit(sample.shape).arrays()

        def step(model, samples, state, limits):
            point = indicators.at(differentiable, model, state.x)
            state = state.observed(point.logits, cost)
            goal = state.goal(samples, targeted, self.objective)
            centre = samples.centre if plain else samples.finite_centre
            significance = self.indicator.significance(point, goal, centre)
            significance = self._scaled(significance, samples, state.x, groups)
            stop = self._stop(samples, state, goal, point.logits, significance, limits.max_steps)
            active = state.running & (stop == int(Stop.RUNNING))
            move = self.norm.move(
                significance,
                norms.Step(
                    x=state.x,
                    origin=samples.x,
                    order=state.order,
                    number=state.steps + 1,
                    active=active,
                    bounds=(samples.low, samples.high),
                    channel_axis=channel_axis,
                    constraints=None
                    if plain
                    else norms.Constraints(samples.floor, samples.ceiling, samples.grid, groups),
                    max_inputs=None if self.max_inputs is None else limits.max_inputs,
                ),
            )
            stuck = active & ~move.moved
            stop = ops.where(stuck, int(self.norm.stuck), stop)
            moved = ops.cast(active & move.moved, "int32")
            return state._replace(
                x=move.x,  # a norm leaves those that do not run as they are
                order=move.order,
                steps=state.steps + moved,
                stop=ops.where(state.running, stop, state.stop),
            ), point.logits

        return Plan(State.begin, step)

    def _scaled(self, significance, samples, x, groups):
        """The significance of moving each input by its scale, in place of by one unit."""
        if self.scale is None:
            return significance
        scale = samples.ceiling - samples.floor
        if not isinstance(self.scale, str):
            scale = ops.convert_to_tensor(self.scale)
        elif self.scale == "reach":
            scale = ops.where(significance.direction > 0, samples.high - x, x - samples.low)
        if groups is not None:  # a member of a group moves by 1
            scale = ops.where(ops.reshape(groups.member, (1, *x.shape[1:])), 1.0, scale)
        # Of what cannot move the range may be infinite.
        scale = ops.where(ops.isfinite(scale), scale, 0.0)
        factors = significance.factors
        if factors is not None:
            aside = scale[:, None] if len(scale.shape) == len(x.shape) else scale
            factors = factors._replace(u=factors.u * aside, v=factors.v * aside)
        return significance._replace(score=significance.score * scale, factors=factors)

    def trace_key(self):  # noqa: D102
        return *super().trace_key(), self.max_inputs is None

    def _stop(self, samples, state, goal, logits, significance, max_steps):
        """Why each sample ends before it takes a step, or that it goes on, `(S,)`."""
        magnitude = significance.magnitude()
        total = magnitude + ops.sum(logits, axis=-1)  # NaN or infinite if any of them is
        nowhere = magnitude == 0
        if self.indicator.centred:  # under a first-layer rule, an input at the centre goes no way
            way = significance.direction
            axes_ = tuple(range(1, len(way.shape)))
            nowhere = ops.max(ops.abs(way), axis=axes_) == 0
        reached = goal.reached(logits)
        turned = state.prediction != state.clean_prediction
        return first_of(
            (~ops.isfinite(total), Stop.NOT_FINITE),
            *state.unneeded(samples, reached),
            (turned if self.stop_when == "turned" else reached, Stop.SUCCESS),
            (state.steps >= max_steps, Stop.MAX_STEPS),
            ((magnitude == 0) | nowhere, Stop.NO_GRADIENT),
        )
