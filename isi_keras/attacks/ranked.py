"""The greatest of each row: so many for each, and the score at a place."""

import functools

from keras import ops

_FEW = (16, 64, 128, 256)  # the greatest 512 of 784 take as long as all


def greatest(score, count):
    """Where the `count[i]` greatest scores of row `i` are, those above 0 alone; `(S, U)` bool.

    Of equal scores the lowest index goes first, on every backend.
    """
    least = at_places(score, count[:, None])
    above, equal = score > least, score == least
    room = count[:, None] - ops.sum(ops.cast(above, "int32"), axis=1, keepdims=True)
    in_room = ops.cumsum(ops.cast(equal, "int32"), axis=1) <= room
    chosen = above | (equal & in_room)
    return chosen & (score > 0) & (count[:, None] > 0)


def renewed(score, held, count, new):
    """Likewise, but at most `new[i]` of them are none that are `held`, `(S, U)` bool."""
    kept = ops.where(held, score, 0.0)
    enough = kept >= at_places(kept, (count - new)[:, None])  # all of equal ones
    kept = enough & (kept > 0) & (count > new)[:, None]
    return greatest(ops.where(kept, float("inf"), score), count)


def at_places(score, places):
    """The scores at some places of each row in falling order, `(S, P)`; the places count from 1.

    Few are sorted where few are asked for.
    """
    sizes = [few for few in _FEW if few < score.shape[1]] + [score.shape[1]]
    farthest = ops.max(places)

    def found(most):
        ordered = ops.top_k(score, most, sorted=True)[0]
        return ops.take_along_axis(ordered, ops.clip(places - 1, 0, most - 1), axis=1)

    enough = sum((ops.cast(farthest > few, "int32") for few in sizes[:-1]), 0)
    return ops.switch(enough, [functools.partial(found, most) for most in sizes])
