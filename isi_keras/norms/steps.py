"""`L0`, `L2` and `Linf`: few inputs, several a little, all a little."""

import dataclasses
import math
from typing import ClassVar

from keras import ops

from isi_keras import _checks, axes
from isi_keras.domain import Grid
from isi_keras.norms.base import Move, Norm, Step
from isi_keras.results import Stop
from isi_keras.rows import flat, rows_like

# Up to so many are found one after another: XLA, in which Keras trains on TensorFlow, sorts whole
# rows for `top_k` on CPUs.
_FEW = 8
# By how much rounding may miss a whole number of steps of a grid, or the end of a ball.
_ROUNDING = 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class L0(Norm):
    """Few inputs, changed as far as the bounds allow, each at most once.

    In a `Domain` an input that may not go where it is to be moved is never taken, and a one-hot
    group is moved as a whole: the one goes where the score is greatest.

    Args:
        features: how many inputs a step changes, at least 1.
        unit: `"feature"` counts every channel by itself; `"position"` (or `"pixel"`) takes all
            channels of a pixel, voxel or time step at once, by the sum of their scores. Inputs of
            one axis, `(N, D)`, have no channels.
        skip_saturated: whether inputs that already are at the bound they would be moved to are
            passed over. The published attack lets them use up a step; passing over them, with
            `features=1`, makes the same changes in fewer steps.

    Raises:
        ValueError: if `features` is not a positive integer or `unit` is unknown.

    Source: Qiu and Zhou 2020 (`features=1`, `unit="feature"`, `skip_saturated=False`).
    """

    stuck: ClassVar[Stop] = Stop.EXHAUSTED
    features: int = 1
    unit: str = "feature"
    skip_saturated: bool = False

    def __post_init__(self):
        object.__setattr__(self, "features", _checks.integer("features", self.features, 1))
        object.__setattr__(self, "unit", axes.as_unit(self.unit))

    def share(self, shape, data_format):  # noqa: D102
        return self.features / axes.count(self.unit, shape, data_format)

    def check(self, domain, fitted, x):  # noqa: D102
        by_position(self.unit, domain)
        what = "L0 moves an input to its bound"
        fitted.expect_finite(x, what, "use L2 or Linf with relative=False")

    def move(self, significance, step):  # noqa: D102
        score, direction = significance.score, significance.direction
        axis = step.channel_axis if self.unit == "position" else None
        if (
            self.features == 1
            and axis is None
            and not self.skip_saturated
            and step.constraints is None
        ):
            return _move_one(score, direction, step)
        offer = step.offer(score, direction, step.to_bound(direction))
        score, free = offer.score, offer.free & (step.order == 0)
        if self.skip_saturated:
            free = free & (offer.value != step.x)
        if axis is not None:
            if step.constraints is not None:  # what cannot move counts for nothing
                score = ops.where(free, score, 0.0)
            score = ops.sum(score, axis=axis, keepdims=True)
            free = ops.any(free, axis=axis, keepdims=True)
        picked = _greatest(score, free, self.features) & (step.order == 0)
        x, touched = offer.taken(picked)
        return Move(
            x=x,
            order=ops.where(touched, rows_like(step.number, step.x), step.order),
            moved=ops.any(flat(picked), axis=1),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class L2(Norm):
    """Several inputs a step, each by the same share of its range, as often as it takes.

    Args:
        features: how many inputs a step changes, at least 1.
        step_size: by how much, as a share of the width of the range of each input, above 0.
        relative: whether `step_size` is such a share; `False` for one in the units of the data.
        skip_saturated: whether inputs that the step would not move, as they are at their bound,
            are passed over. The published attack takes them all the same (`False`). By default
            they are passed over: where scores do not fall at a bound, as those of `Sensitivity`,
            the published step ends up with nothing but such inputs, and a sample counts as robust
            that is not.

    On a grid an input moves by whole steps of it, at least one, and a one-hot group by its one.

    Raises:
        ValueError: if `features` is not a positive integer or `step_size` not positive.

    Source: Qiu and Zhou 2020 (`skip_saturated=False`); here every step ends inside the bounds.
    """

    features: int = 20
    step_size: float = 0.05
    relative: bool = True
    skip_saturated: bool = True

    def __post_init__(self):
        object.__setattr__(self, "features", _checks.integer("features", self.features, 1))
        object.__setattr__(self, "step_size", float(_checks.positive("step_size", self.step_size)))

    def check(self, domain, fitted, x):  # noqa: D102
        expect_widths(self.relative, "step_size", fitted, x)

    def move(self, significance, step):  # noqa: D102
        score, direction = significance.score, significance.direction
        far = step.amount(self.step_size, self.relative) * direction
        offer = step.offer(score, direction, step.x + far)
        free = offer.free
        if self.skip_saturated:
            free = free & (offer.value != step.x)
        picked = _greatest(offer.score, free, self.features)
        return _moved(step, offer.taken(picked)[0])


@dataclasses.dataclass(frozen=True, eq=False)
class Linf(Norm):
    r"""All inputs, a little each step: $x + s \operatorname{sign}(\text{score})\,\text{direction}$.

    With `Sensitivity` a single step is that of the fast gradient sign method, and several with
    `epsilon` are those of projected gradient descent without a random start, on a logit or margin
    in place of the loss.

    On a grid an input moves by whole steps of it, at least one, as long as `epsilon` lets it. The
    one of a one-hot group moves as a whole, over the width of its range, if that gains anything.

    Args:
        step_size: by how much, as a share of the width of the range of each input, above 0. The
            published 0.06 on data in -1..1 is the share 0.03.
        epsilon: how far an input may get from where it began, as such a share; `None` (as
            published) for as far as the bounds allow.
        relative: whether both are shares; `False` for numbers in the units of the data.

    Raises:
        ValueError: if `step_size` or `epsilon` is not positive.

    Source: Qiu and Zhou 2020; Goodfellow et al. 2015; Madry et al. 2018.
    """

    step_size: float = 0.03
    epsilon: float | None = None
    relative: bool = True

    def __post_init__(self):
        object.__setattr__(self, "step_size", float(_checks.positive("step_size", self.step_size)))
        if self.epsilon is not None:
            object.__setattr__(self, "epsilon", float(_checks.positive("epsilon", self.epsilon)))

    def check(self, domain, fitted, x):  # noqa: D102
        expect_widths(self.relative, "step_size", fitted, x)

    def move(self, significance, step):  # noqa: D102
        score, direction = significance.score, significance.direction
        way = ops.sign(score) * direction
        x = step.x + step.amount(self.step_size, self.relative) * way
        if self.epsilon is not None:
            x = ops.clip(x, *self._ball(step, self.epsilon))
        offer = step.offer(ops.abs(score), way, x)
        free = offer.free
        if self.epsilon is not None and step.constraints is not None:
            free = free & self._inside(offer.value, step, self.epsilon)
        return _moved(step, offer.taken(free)[0])

    def _ball(self, step, epsilon: float):
        """The least and the greatest value within `epsilon` of where an input began."""
        far = step.width * epsilon if self.relative else epsilon
        if isinstance(step.grid, Grid):
            apart = ops.where(step.grid.step > 0, step.grid.step, 1.0)
            whole = ops.floor(far / apart + _ROUNDING) * apart
            far = ops.where(step.grid.step > 0, whole, far)
        return step.origin - far, step.origin + far

    def _inside(self, value, step, epsilon: float):
        """What rounding to the grid, or moving the one of a group, leaves within `epsilon`."""
        far = step.width * epsilon if self.relative else epsilon
        return ops.abs(value - step.origin) <= far * (1 + _ROUNDING)


def _move_one(score, direction, step: Step) -> Move:
    """One input for each sample, gathered and scattered: the rest of the batch is not touched."""
    shape = ops.shape(step.x)
    rows = ops.arange(shape[0], dtype="int32")
    flat_score, flat_order = flat(score), flat(step.order)
    free_score = ops.where(flat_order == 0, flat_score, -float("inf"))
    index = ops.argmax(free_score, axis=1)
    place = ops.stack([rows, ops.cast(index, rows.dtype)], axis=-1)  # (N, 2)

    def at(tensor):
        return ops.take_along_axis(flat(tensor), index[:, None], axis=1)[:, 0]

    def bound(tensor):
        if math.prod(tensor.shape[1:]) == 1:  # one for each sample, or for all
            return ops.reshape(tensor, (-1,))
        return at(ops.broadcast_to(tensor, shape))

    low, high = map(bound, step.bounds)
    here, number, way = at(step.x), at(step.order), at(direction)
    picked = step.active & (number == 0)
    value = ops.where(way > 0, high, ops.where(way < 0, low, here))
    x = ops.scatter_update(flat(step.x), place, ops.where(picked, value, here))
    order = ops.scatter_update(flat_order, place, ops.where(picked, step.number, number))
    return Move(ops.reshape(x, shape), ops.reshape(order, shape), picked)


def by_position(unit: str, domain) -> None:
    """Raises where whole positions are to move that may have members of one-hot groups."""
    if unit == "position" and domain.groups:
        raise ValueError(
            "A norm with unit='position' moves all channels at once, which one-hot groups do not "
            "allow. Use unit='feature': a change within a group counts once anyway."
        )


def expect_widths(relative: bool, word: str, fitted, x) -> None:
    """Raises where a share is to be taken of a range that is not finite."""
    if relative:
        what = f"{word} is a share of the width of the range"
        advice = "pass relative=False and sizes in the units of the data"
        fitted.expect_finite(x, what, advice, width=True)


def _moved(step: Step, x) -> Move:
    """The move to `x`, of which each changed input counts as picked."""
    changed = x != step.x
    first = changed & (step.order == 0)
    return Move(
        x=x,
        order=ops.where(first, rows_like(step.number, x), step.order),
        moved=ops.any(flat(changed), axis=1),
    )


def _greatest(score, free, count: int):
    """Where the `count` greatest scores of each sample are, among the free ones; bool.

    Of equal scores the lowest index goes first, on every backend.
    """
    shape, free = ops.shape(score), flat(free)
    score = ops.where(free, flat(score), -float("inf"))  # (N, D)
    count = min(count, score.shape[1])
    if count == 1:
        first = ops.argmax(score, axis=1)
        chosen = ops.arange(score.shape[1], dtype=first.dtype) == first[:, None]
    else:
        least = _nth_greatest(score, count)  # (N, 1)
        above, equal = score > least, score == least
        room = count - ops.sum(ops.cast(above, "int32"), axis=1, keepdims=True)
        in_room = ops.cumsum(ops.cast(equal, "int32"), axis=1) <= room
        chosen = above | (equal & in_room)
    return ops.reshape(chosen & free, shape)


def _nth_greatest(score, count: int):
    """The score that is `count`-th in each row when equal ones stand side by side, `(N, 1)`."""
    if count > _FEW:
        return ops.top_k(score, count, sorted=True)[0][:, -1:]
    nth = ops.max(score, axis=1, keepdims=True)
    for _ in range(count - 1):
        enough = ops.sum(ops.cast(score >= nth, "int32"), axis=1, keepdims=True) >= count
        below = ops.max(ops.where(score < nth, score, -float("inf")), axis=1, keepdims=True)
        nth = ops.where(enough, nth, below)
    return nth
