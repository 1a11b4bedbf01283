"""`Salient`: the one input, or the pair of inputs, of the greatest saliency."""

import dataclasses
import math
from typing import Any, ClassVar

from keras import ops

from isi_keras import _checks, axes
from isi_keras.norms import pair_search
from isi_keras.norms.base import Move, Norm, flat, rows_like
from isi_keras.results import Stop


@dataclasses.dataclass(frozen=True, eq=False)
class Salient(Norm):
    r"""The input, or the pair of inputs, whose saliency is greatest, changed by a fixed amount.

    Of the factors $u$ and $v$ of `JacobianSaliency` a step takes the pair

    $$\arg\max_{p \ne q}\; (u_p + u_q)(v_p + v_q) \quad \text{with both sums positive},$$

    or the input with the greatest $u_p v_p$, among those still in the search domain. The search is
    exact and needs no table of pairs. A sample without such a pair stops, unchanged.

    Args:
        features: 2 for pairs, as published, or 1.
        step_size: by how much an input changes, in the units of the data; it ends at the bound.
        unit: `"feature"` counts every channel by itself; `"position"` (or `"pixel"`) takes all
            channels of a pixel or time step at once, by the sums of their factors.
        once: whether an input leaves the search domain once it was changed. As published it
            leaves when it has reached a bound; with a step as wide as the bounds that is the same.
        skip_saturated: whether inputs that are at the bound already leave the domain at the
            start. As published they can be taken, without effect, and leave then.
        scaled: whether both factors are multiplied by the distance of the input from the bound.

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

    def __post_init__(self):
        if self.features not in (1, 2) or isinstance(self.features, bool):
            raise ValueError(
                f"Expected features to be 1, or 2 for pairs. Received: features={self.features!r}."
            )
        _checks.positive("step_size", self.step_size)
        object.__setattr__(self, "unit", axes.as_unit(self.unit))

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
        low, high = step.bounds
        reach = ops.stack([(high if way > 0 else low) - x for way in ways], axis=1)  # (N, M, ...)
        if self.scaled:
            u, v = (factor * ops.abs(reach) for factor in (u, v))
        free = self._domain(reach, step)
        axis = step.channel_axis if self.unit == "position" else None
        if axis is not None:
            inside = axis if axis < 0 else axis + 1
            u, v = (ops.sum(ops.where(free, part, 0.0), axis=inside) for part in (u, v))
            free = ops.any(free, axis=inside)
        found, way = self._search(u, v, free, ways)
        columns = ops.arange(flat(u[:, 0]).shape[1], dtype="int32")
        chosen = ops.logical_or(columns == found.first[:, None], columns == found.second[:, None])
        chosen = ops.reshape(ops.logical_and(chosen, found.admissible[:, None]), (-1, *u.shape[2:]))
        if axis is not None:
            chosen = ops.broadcast_to(ops.expand_dims(chosen, axis), shape)
        first_time = ops.logical_and(chosen, step.order == 0)
        moved = ops.clip(x + self.step_size * rows_like(way, x), low, high)
        return Move(
            x=ops.where(chosen, moved, x),
            order=ops.where(first_time, rows_like(step.number, x), step.order),
            moved=found.admissible,
        )

    def _domain(self, reach, step):
        """Which inputs may be taken in each alternative, `(N, M, ...)` bool."""
        untouched = (step.order == 0)[:, None]
        if self.once:
            free = ops.broadcast_to(untouched, ops.shape(reach))
        else:
            free = ops.logical_or(untouched, reach != 0)
        if self.skip_saturated:
            free = ops.logical_and(free, reach != 0)
        return ops.logical_and(free, rows_like(step.active, reach))

    def _search(self, u, v, free, ways) -> tuple[pair_search.Found, Any]:
        """The best of all alternatives, `(N,)` each, and the way its inputs move."""
        rows = ops.shape(u)[:2]
        search = pair_search.best_pair if self.features == 2 else pair_search.best_single
        found = search(*(ops.reshape(part, (-1, math.prod(u.shape[2:]))) for part in (u, v, free)))
        if rows[1] == 1:
            return found, ops.zeros(rows[:1]) + ways[0]
        each = [ops.reshape(part, rows) for part in found]  # (N, M)
        value = ops.where(each[3], each[2], -float("inf"))
        best = ops.argmax(value, axis=1, keepdims=True)
        chosen = pair_search.Found(
            *(ops.take_along_axis(part, best, axis=1)[:, 0] for part in each)
        )
        return chosen, ops.take(ops.convert_to_tensor(ways), best[:, 0])
