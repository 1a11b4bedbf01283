"""`Salient`: the one input, or the pair of inputs, of the greatest saliency."""

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
from keras import ops

from isi_keras import _checks, axes
from isi_keras.norms import offers, pair_search, steps
from isi_keras.norms.base import Move, Norm
from isi_keras.results import Stop
from isi_keras.rows import flat, rows_like


@dataclasses.dataclass(frozen=True, eq=False)
class Salient(Norm):
    r"""The input, or the pair of inputs, whose saliency is greatest, changed by a fixed amount.

    Of the factors $u$ and $v$ of `JacobianSaliency` a step takes the pair

    $$\arg\max_{p \ne q}\; (u_p + u_q)(v_p + v_q) \quad \text{with both sums positive},$$

    or the input with the greatest $u_p v_p$, among those still in the search domain. The search is
    exact and needs no table of pairs. A sample without such a pair stops, unchanged.

    Args:
        features: 2 for pairs, as published, or 1.
        step_size: by how much an input changes, as a share of the width of its range; it ends at
            the bound.
        unit: `"feature"` counts every channel by itself; `"position"` (or `"pixel"`) takes all
            channels of a pixel or time step at once, by the sums of their factors.
        once: whether an input leaves the search domain once it was changed. As published it
            leaves when it has reached a bound; with a step as wide as the bounds that is the same.
        skip_saturated: whether inputs that are at the bound already leave the domain at the
            start. As published they can be taken, without effect, and leave then.
        scaled: whether both factors are multiplied by the distance of the input from the bound.
        relative: whether `step_size` is such a share; `False` for one in the units of the data.

    In a `Domain` an input that may not go a way is never taken for it. Of a one-hot group each
    member is one to be entered, with the factors $u_j - u_i$ of the change from the present one
    $i$; a pair never has two of one group, and a group moves once.

    Raises:
        ValueError: if an argument is out of its range; when used, if the indicator has no factors.

    Source: Papernot et al. 2016, algorithm 3; scaled: Combey et al. 2020.
    """

    stuck: ClassVar[Stop] = Stop.INADMISSIBLE
    features: int = 2
    step_size: float = 1.0
    unit: str = "feature"
    once: bool = False
    skip_saturated: bool = False
    scaled: bool = False
    relative: bool = True

    def __post_init__(self):
        if self.features not in (1, 2) or isinstance(self.features, bool):
            raise ValueError(
                f"Expected features to be 1, or 2 for pairs. Received: features={self.features!r}."
            )
        object.__setattr__(self, "features", int(self.features))
        object.__setattr__(self, "step_size", float(_checks.positive("step_size", self.step_size)))
        object.__setattr__(self, "unit", axes.as_unit(self.unit))

    def check(self, domain, fitted, x):  # noqa: D102
        steps.by_position(self.unit, domain)
        steps.expect_widths(self.relative, "step_size (of JSMA: theta)", fitted, x)
        if self.scaled:
            fitted.expect_finite(x, "Factors are scaled by the distance to the bound", "do not")

    def share(self, shape, data_format):  # noqa: D102
        return self.features / axes.count(self.unit, shape, data_format)

    def move(self, significance, step):  # noqa: D102
        if significance.factors is None:
            raise ValueError(
                "The norm Salient searches the two factors of a saliency, which this indicator "
                "does not have. Use the indicator JacobianSaliency, or the norm L0."
            )
        u, v, ways = significance.factors
        x, shape = step.x, ops.shape(step.x)
        groups = None if step.constraints is None else step.constraints.groups
        low, high = step.bounds
        reach = ops.stack([(high if way > 0 else low) - x for way in ways], axis=1)  # (N, M, ...)
        if groups is not None:
            reach = ops.where(ops.reshape(groups.member, (1, 1, *x.shape[1:])), 1.0, reach)
            u, v = (offers.gained(factor, ways, step) for factor in (u, v))
        if self.scaled:
            u, v = (factor * ops.abs(reach) for factor in (u, v))
        values, free = self._offers(ways, step)
        free = free & self._domain(reach, step)
        apart = () if groups is None else (groups.number[None],)
        axis = step.channel_axis if self.unit == "position" else None
        used = step.order > 0
        if axis is not None:
            inside = axis if axis < 0 else axis + 1
            u, v = (ops.sum(ops.where(free, part, 0.0), axis=inside) for part in (u, v))
            free, used = ops.any(free, axis=inside), ops.any(used, axis=axis)
        if step.max_inputs is not None:
            free, new = _within(step.max_inputs, free, flat(used), groups)
            apart += (new,)
        found, way = self._search(u, v, free, ways, apart)
        columns = ops.arange(flat(u[:, 0]).shape[1], dtype="int32")
        chosen = (columns == found.first[:, None]) | (columns == found.second[:, None])
        chosen = ops.reshape(chosen & found.admissible[:, None], (-1, *u.shape[2:]))
        if axis is not None:
            chosen = ops.broadcast_to(ops.expand_dims(chosen, axis), shape)
        value = values[0]
        if len(values) > 1:
            value = ops.where(rows_like(way, x) > 0, *values)
        moved, touched = offers.Offer(None, value, None, step).taken(chosen)
        return Move(
            x=moved,
            order=ops.where(touched & (step.order == 0), rows_like(step.number, x), step.order),
            moved=found.admissible,
        )

    def _offers(self, ways, step) -> tuple[list, Any]:
        """Where inputs would be moved upwards and downwards, and what is free in each alternative.

        If all go one way there is one such value.
        """
        far = step.amount(self.step_size, self.relative)
        each = {
            way: step.offer(
                ops.ones_like(step.x), ops.zeros_like(step.x) + way, step.x + far * way, every=True
            )
            for way in sorted(set(ways), reverse=True)
        }
        free = ops.stack([each[way].free for way in ways], axis=1)
        return [offer.value for offer in each.values()], free

    def _domain(self, reach, step):
        """Which inputs may be taken in each alternative, `(N, M, ...)` bool."""
        untouched = (step.order == 0)[:, None]
        if self.once:
            free = ops.broadcast_to(untouched, ops.shape(reach))
        else:
            free = untouched | (reach != 0)
        if self.skip_saturated:
            free = free & (reach != 0)
        if (
            step.constraints is not None and step.constraints.groups is not None
        ):  # which move but once
            others = ops.reshape(~step.constraints.groups.member, (1, 1, *step.x.shape[1:]))
            free = free & (untouched | others)
        return free & rows_like(step.active, reach)

    def _search(self, u, v, free, ways, apart=()) -> tuple[pair_search.Found, Any]:
        """The best of all alternatives, `(N,)` each, and the way its inputs move."""
        rows = ops.shape(u)[:2]
        parts = [ops.reshape(part, (-1, math.prod(u.shape[2:]))) for part in (u, v, free)]
        if self.features == 2:
            apart = tuple(
                part if isinstance(part, np.ndarray) else ops.repeat(part, rows[1], axis=0)
                for part in apart
            )
            found = pair_search.best_pair(*parts, apart=apart)
        else:
            found = pair_search.best_single(*parts)
        if rows[1] == 1:
            return found, ops.zeros(rows[:1], "float32") + ways[0]
        each = [ops.reshape(part, rows) for part in found]  # (N, M)
        value = ops.where(each[3], each[2], -float("inf"))
        best = ops.argmax(value, axis=1, keepdims=True)
        chosen = pair_search.Found(
            *(ops.take_along_axis(part, best, axis=1)[:, 0] for part in each)
        )
        return chosen, ops.take(ops.convert_to_tensor(ways, "float32"), best[:, 0])


def _within(most, free, used, groups) -> tuple[Any, Any]:
    """What is free if no more than `most` inputs may be picked in all, and which are one too many.

    The latter is `(N, D)` int32, 0 for an input of which only one may be picked anew, else -1.
    """
    count = ops.cast(used, "int32")
    if groups is not None:  # all members of a group count once
        first = np.ones(len(groups.member), "int32")
        first[groups.index[groups.valid & (np.arange(groups.valid.shape[1]) > 0)]] = 0
        count = count * ops.convert_to_tensor(first)
    left = most - ops.sum(count, axis=1, keepdims=True)  # (N, 1)
    open_ = used | (left > 0)  # (N, D)
    free = free & ops.reshape(open_, (-1, 1, *free.shape[2:]))
    last = ~used & (left == 1)
    return free, ops.where(last, 0, -1)
