"""What may be moved, and to which value: the one place in which norms ask for it."""

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from isi_keras.domain import Grid, Groups
from isi_keras.rows import rows_like


class Constraints(NamedTuple):
    """What a domain says beyond the bounds of a step; `None` in its place where there is nothing.

    Args:
        floor: the least value of the range of each input, a tensor that broadcasts to `x`.
        ceiling: the greatest.
        grid: the `Grid`, of tensors; `()` for none.
        groups: the one-hot groups as arrays; `None` for none.
    """

    floor: Any
    ceiling: Any
    grid: Any = ()
    groups: Groups | None = None


class Offer(NamedTuple):
    """What may be moved, and what comes of it; all of the shape of `x`.

    Args:
        score: how urgent it is to move each input: what the indicator said, or for a member of a
            one-hot group what it gains to move the one there.
        value: the value each input would be moved to.
        free: which inputs may be moved there. At most one of a group is: the best, unless
            every one was asked for.
        step: of which it is the offer.
    """

    score: Any
    value: Any
    free: Any
    step: Any

    def taken(self, picked) -> tuple[Any, Any]:
        """The inputs after those that are `picked` have moved, and which are done with then.

        The rest of a group goes with the member that is picked: it is 0 and done with as well.
        """
        x = ops.where(picked, self.value, self.step.x)
        constraints = self.step.constraints
        if constraints is None or constraints.groups is None:
            return x, picked
        touched = with_group(picked, constraints.groups)
        return ops.where(touched & ~picked, 0.0, x), touched | picked


def settled(value, x, low, high, grid: Any = ()):
    """The allowed value next to each that is wanted.

    Inside the bounds, and on the grid if there is one. What is as it was stays so.

    Args:
        value: what is wanted, of the shape of `x`.
        x: what is now.
        low: the least value that may be reached.
        high: the greatest.
        grid: a `Grid` of tensors, `()` for none.
    """
    value = ops.clip(value, low, high)
    if not isinstance(grid, Grid):
        return value
    apart = ops.where(grid.step > 0, grid.step, 1.0)
    on_grid = grid.base + ops.round((value - grid.base) / apart) * apart
    on_grid = ops.clip(on_grid, low, high)
    return ops.where((value == x) | (grid.step == 0), value, on_grid)


def amount(size, width, grid: Any = ()):
    """How far a step of a size goes: on a grid whole steps of it, at least one.

    Args:
        size: in the units of the data, or as a share of `width`.
        width: of the range, or `None` if the size is one in the units of the data.
        grid: a `Grid` of tensors, `()` for none.
    """
    far = size if width is None else size * width
    if not isinstance(grid, Grid):
        return far
    apart = ops.where(grid.step > 0, grid.step, 1.0)
    whole = ops.maximum(ops.round(far / apart), 1.0) * apart
    return ops.where(grid.step > 0, whole, far)


def offered(score, direction, value, step, every: bool = False) -> Offer:
    """What may be moved where, of the samples that are active.

    Args:
        score: how urgent it is to move each input, of the shape of `x`.
        direction: which way, -1, 0 or +1.
        value: where it would be moved if there were nothing but bounds.
        step: the `Step`.
        every: whether all members of a group are offered that gain anything, not the best alone.
    """
    x, constraints = step.x, step.constraints
    low, high = step.bounds
    active = rows_like(step.active, x)
    free = ops.broadcast_to(active, ops.shape(x))
    if constraints is None:
        return Offer(score, ops.clip(value, low, high), free, step)
    value = settled(value, x, low, high, constraints.grid)
    # An input at the end of its range may be taken without effect, as in a bare range; one that
    # the domain holds back may not.
    rising, falling = direction > 0, direction < 0
    at_end = ops.where(
        rising, x >= constraints.ceiling, ops.where(falling, x <= constraints.floor, True)
    )
    free = free & (low < high) & ((value != x) | at_end)
    if constraints.groups is None:
        return Offer(score, value, free, step)
    member = _shaped(constraints.groups.member, x)
    gain, possible = _of_groups(score * direction, step, constraints.groups)
    possible = possible & active
    if not every:
        possible = possible & (gain > 0)
        possible = possible & _best(gain, possible, constraints.groups)
    return Offer(
        score=ops.where(member, gain, score),
        value=ops.where(member, 1.0, value),
        free=ops.where(member, possible, free),
        step=step,
    )


def gained(values, ways, step):
    """What moving the one to each member of a group gains, elsewhere the values themselves.

    Args:
        values: by how much what is wanted grows where an input goes its way, `(N, M, ...)`.
        ways: which way inputs go in each alternative, `M` numbers, -1 or +1.
        step: the `Step`.
    """
    groups = step.constraints.groups
    flat = ops.reshape(values, (-1, values.shape[1], math.prod(values.shape[2:])))  # (N, M, D)
    ones = _gathered(ops.reshape(step.x, (-1, 1, flat.shape[-1])), groups)
    each = _gathered(flat, groups)
    there = ops.sum(each * ones, axis=-1, keepdims=True)
    ways = ops.convert_to_tensor(
        np.asarray(ways, "float32")[:, None]
    )  # the one goes no way but its own
    found = ops.where(groups.member, ways * _back(each - there, groups), flat)
    return ops.reshape(found, ops.shape(values))


def with_group(picked, groups: Groups):
    """Which inputs are in a group of which one is picked, of the shape of `picked`."""
    flat = ops.cast(ops.reshape(picked, (-1, len(groups.place))), "float32")
    each = _gathered(flat, groups)
    found = _back(ops.max(each, axis=-1, keepdims=True) + ops.zeros_like(each), groups)
    found = (found > 0) & ops.convert_to_tensor(groups.member)
    return ops.reshape(found, ops.shape(picked))


def _of_groups(slope, step, groups: Groups):
    """What each member gains, and whether the one may move there; of the shape of `x`."""
    x, shape = step.x, ops.shape(step.x)
    low, high = (ops.broadcast_to(bound, shape) for bound in step.bounds)
    gain = gained(slope[:, None], (1.0,), step)[:, 0]
    ones, lows = (_gathered(ops.reshape(t, (-1, len(groups.place))), groups) for t in (x, low))
    may_leave = ops.sum(ones * lows, axis=-1, keepdims=True) == 0
    may_leave = ops.cast(may_leave, "float32") + ops.zeros_like(ones)
    may_leave = ops.reshape(_back(may_leave, groups), shape) > 0
    enter = (x == 0) & (high == 1)
    return gain, enter & may_leave


def _best(gain, possible, groups: Groups):
    """Which member of each group gains most among the possible ones, of the shape of `gain`."""
    gain = ops.where(possible, gain, -np.inf)
    each = _gathered(ops.reshape(gain, (-1, len(groups.place))), groups, -np.inf)
    first = ops.argmax(each, axis=-1)[..., None]
    best = ops.arange(each.shape[-1], dtype=first.dtype) == first
    return ops.reshape(_back(ops.cast(best, "float32"), groups), ops.shape(gain)) > 0


def _gathered(flat, groups: Groups, filling: float = 0.0):
    """The members of each group, `(..., G, M)`, of `(..., D)`."""
    return ops.where(groups.valid, ops.take(flat, groups.index, axis=-1), filling)


def _back(each, groups: Groups):
    """`(..., G, M)` as `(..., D)`; what is in no group has the first entry."""
    before = [-1 if rows is None else rows for rows in each.shape[:-2]]
    flat = ops.reshape(each, (*before, each.shape[-2] * each.shape[-1]))
    return ops.take(flat, groups.place, axis=-1)


def _shaped(array: np.ndarray, x):
    """A flat array of a sample in the shape that broadcasts over `x`."""
    return array.reshape(1, *x.shape[1:])
