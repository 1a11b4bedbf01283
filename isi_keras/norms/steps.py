"""`L0`, `L2` and `Linf`: few inputs, several a little, all a little."""

import dataclasses
from typing import ClassVar

from keras import ops

from isi_keras import _checks, axes
from isi_keras.norms.base import Move, Norm, Step, flat, rows_like
from isi_keras.results import Stop

# Up to so many are found one after another: XLA, in which Keras trains on TensorFlow, sorts whole
# rows for `top_k` on CPUs.
_FEW = 8


@dataclasses.dataclass(frozen=True, eq=False)
class L0(Norm):
    """Few inputs, changed as far as the bounds allow, each at most once.

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
        _checks.integer("features", self.features, 1)
        object.__setattr__(self, "unit", axes.as_unit(self.unit))

    def share(self, shape, data_format):  # noqa: D102
        return self.features / axes.count(self.unit, shape, data_format)

    def move(self, significance, step):  # noqa: D102
        score, direction = significance.score, significance.direction
        axis = step.channel_axis if self.unit == "position" else None
        if self.features == 1 and axis is None and not self.skip_saturated:
            return _move_one(score, direction, step)
        low, high = step.bounds
        extreme = ops.where(direction > 0, high, ops.where(direction < 0, low, step.x))
        free = ops.logical_and(step.order == 0, rows_like(step.active, step.x))
        if self.skip_saturated:
            free = ops.logical_and(free, extreme != step.x)
        if axis is not None:
            score = ops.sum(score, axis=axis, keepdims=True)
            free = ops.any(free, axis=axis, keepdims=True)
        picked = ops.logical_and(_greatest(score, free, self.features), step.order == 0)
        return Move(
            x=ops.where(picked, extreme, step.x),
            order=ops.where(picked, rows_like(step.number, step.x), step.order),
            moved=ops.any(flat(picked), axis=1),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class L2(Norm):
    """Several inputs a step, each by the same amount, as often as it takes.

    Args:
        features: how many inputs a step changes, at least 1.
        step_size: by how much, in the units of the data, above 0.

    Raises:
        ValueError: if `features` is not a positive integer or `step_size` not positive.

    Source: Qiu and Zhou 2020; here every step ends inside the bounds.
    """

    features: int = 20
    step_size: float = 0.1

    def __post_init__(self):
        _checks.integer("features", self.features, 1)
        _checks.positive("step_size", self.step_size)

    def move(self, significance, step):  # noqa: D102
        score, direction = significance.score, significance.direction
        free = ops.broadcast_to(rows_like(step.active, step.x), ops.shape(step.x))
        chosen = ops.cast(_greatest(score, free, self.features), step.x.dtype)
        return _moved(step, ops.clip(step.x + self.step_size * chosen * direction, *step.bounds))


@dataclasses.dataclass(frozen=True, eq=False)
class Linf(Norm):
    r"""All inputs, a little each step: $x + s \operatorname{sign}(\text{score})\,\text{direction}$.

    With `Sensitivity` a single step is that of the fast gradient sign method, and several with
    `epsilon` are those of projected gradient descent without a random start, on a logit or margin
    in place of the loss.

    Args:
        step_size: by how much, in the units of the data, above 0.
        epsilon: how far an input may get from where it began, in the units of the data; `None`
            (as published) for as far as the bounds allow.

    Raises:
        ValueError: if `step_size` or `epsilon` is not positive.

    Source: Qiu and Zhou 2020; Goodfellow et al. 2015; Madry et al. 2018.
    """

    step_size: float = 0.06
    epsilon: float | None = None

    def __post_init__(self):
        _checks.positive("step_size", self.step_size)
        if self.epsilon is not None:
            _checks.positive("epsilon", self.epsilon)

    def move(self, significance, step):  # noqa: D102
        score, direction = significance.score, significance.direction
        active = ops.cast(rows_like(step.active, step.x), step.x.dtype)
        x = step.x + (self.step_size * active) * ops.sign(score) * direction
        if self.epsilon is not None:
            x = ops.clip(x, step.origin - self.epsilon, step.origin + self.epsilon)
            x = ops.where(active > 0, x, step.x)
        return _moved(step, ops.clip(x, *step.bounds))


def _move_one(score, direction, step: Step) -> Move:
    """One input for each sample, gathered and scattered: the rest of the batch is not touched."""
    shape = ops.shape(step.x)
    rows = ops.arange(shape[0])
    flat_score, flat_order = flat(score), flat(step.order)
    free_score = ops.where(flat_order == 0, flat_score, -float("inf"))
    index = ops.argmax(free_score, axis=1)
    place = ops.stack([rows, ops.cast(index, rows.dtype)], axis=-1)  # (N, 2)

    def at(tensor):
        return ops.take_along_axis(flat(tensor), index[:, None], axis=1)[:, 0]

    low, high = (at(ops.broadcast_to(b, shape)) if b.shape else b for b in step.bounds)
    here, number, way = at(step.x), at(step.order), at(direction)
    picked = ops.logical_and(step.active, number == 0)
    value = ops.where(way > 0, high, ops.where(way < 0, low, here))
    x = ops.scatter_update(flat(step.x), place, ops.where(picked, value, here))
    order = ops.scatter_update(flat_order, place, ops.where(picked, step.number, number))
    return Move(ops.reshape(x, shape), ops.reshape(order, shape), picked)


def _moved(step: Step, x) -> Move:
    """The move to `x`, of which each changed input counts as picked."""
    changed = x != step.x
    first = ops.logical_and(changed, step.order == 0)
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
        chosen = ops.logical_or(above, ops.logical_and(equal, in_room))
    return ops.reshape(ops.logical_and(chosen, free), shape)


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
