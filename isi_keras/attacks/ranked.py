"""The greatest of each row: so many for each, and the score at a place."""

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
    chosen = ops.logical_or(above, ops.logical_and(equal, in_room))
    return ops.logical_and(ops.logical_and(chosen, score > 0), count[:, None] > 0)


def at_places(score, places):
    """The scores at some places of each row in falling order, `(S, P)`; the places count from 1.

    Few are sorted where few are asked for.
    """
    units = score.shape[1]

    def found(most):
        ordered = ops.top_k(score, most, sorted=True)[0]
        return ops.take_along_axis(ordered, ops.clip(places - 1, 0, most - 1), axis=1)

    def among(few):
        if not few or few[0] >= units:
            return found(units)
        farthest = ops.max(places)
        return ops.cond(farthest <= few[0], lambda: found(few[0]), lambda: among(few[1:]))

    return among(_FEW)
