"""What `MinimalL0` keeps of each sample, and what both halves of it ask of that."""

from typing import Any, NamedTuple

from keras import ops

from isi_keras.rows import flat, rows_like


class Memory(NamedTuple):
    """What the search keeps of each sample, beside the best in `State.x`.

    Args:
        candidate: what is judged next, `(S, ...)`; in taking back, what comes nearest to the goal
            with one change less than the best.
        looked: where the slope is taken next, the candidate or beside it, of the same shape.
        average: of the normalised slopes of the goal, of the same shape.
        slope: the slope of the goal at `State.x`, of the same shape.
        logits: those at `State.x`, `(S, K)`.
        tried: which units stay changed, as taking them back was tried, `(S, ...)` bool.
        trial: how many exchanges were tried since the last that was any good, `(S,)`.
        level: by how much the candidate of taking back misses the goal, `(S,)`.
        best: how many units are changed in `State.x`; more than there are before a success, `(S,)`.
        size: how many are changed in the candidate, at most, `(S,)`.
        stale: how many moves brought nothing better since the first success, `(S,)`.
        move: the number of the move in this round, from 0, `(S,)`.
        round: of the search, from 0, `(S,)`.
        aim: the class that the search leads to, `UNKNOWN` for whichever is nearest, `(S,)`.
    """

    candidate: Any
    looked: Any
    average: Any
    slope: Any
    logits: Any
    tried: Any
    trial: Any
    level: Any
    best: Any
    size: Any
    stale: Any
    move: Any
    round: Any
    aim: Any


def count_of(mask):
    """How many are true in each row, `(S,)` int32."""
    return ops.sum(ops.cast(flat(mask), "int32"), axis=1)


def at_index(index, like):
    """A mask `(S, U)` that is true at one index of each row."""
    return ops.arange(like.shape[1], dtype="int32") == ops.cast(index, "int32")[:, None]


def spent(state):
    """What each sample took, in thirds of a forward and a backward pass."""
    return state.forward + 2 * state.backward


def thirds(cost: tuple[int, int]) -> int:
    """Forward and backward passes in thirds of a pass: a backward one takes as long as two."""
    return cost[0] + 2 * cost[1]


def order_of(x, origin, state):
    """The step in which each changed input last came into `State.x`, of the shape of `x`."""
    number = rows_like(state.steps, x)
    kept = ops.where(state.order > 0, state.order, number)
    return ops.where(x != origin, kept, 0)
