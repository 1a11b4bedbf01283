"""The search of `MinimalL0`: free exchange of the changed inputs under an averaged gradient."""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from isi_keras import indicators
from isi_keras.attacks.state import State, first_of
from isi_keras.norms.base import flat, rows_like
from isi_keras.results import Stop

PLACES = {
    "EM": (1.0, 0.5, 1.0, 0.35, 1.0, 0.65, 1.0, 0.425, 1.0, 0.575),
    "E": (1.0,) * 10,
    "M": (1.0, 0.5, 0.35, 1.0, 0.65, 0.425, 1.0, 0.575, 0.5, 0.5),
}
_FEW = 64


class Memory(NamedTuple):
    """What the search keeps of each sample, beside the best in `State.x`.

    Args:
        candidate: what is judged next, `(S, ...)`.
        average: of the normalised slopes of the goal, of the same shape.
        slope: the slope of the goal at `State.x`, of the same shape.
        logits: those at `State.x`, `(S, K)`.
        tried: which units stay changed, as taking them back was tried, `(S, ...)` bool.
        trial: how many exchanges of two for one were tried since the last success, `(S,)`.
        best: how many units are changed in `State.x`; more than there are before a success, `(S,)`.
        size: how many are changed in the candidate, at most, `(S,)`.
        stale: how many moves brought nothing better since the first success, `(S,)`.
        move: the number of the move in this round, from 0, `(S,)`.
        round: of the search, from 0, `(S,)`.
    """

    candidate: Any
    average: Any
    slope: Any
    logits: Any
    tried: Any
    trial: Any
    best: Any
    size: Any
    stale: Any
    move: Any
    round: Any


def extremes(samples, limits) -> tuple[Any, Any]:
    """The least and the greatest value that each input may take, broadcast to `x`."""
    return limits.low, limits.high


def any_of_unit(changed, channel_axis: int | None):
    """Which units have a changed input, `(S, ...)` bool, 1 along the channels."""
    return changed if channel_axis is None else ops.any(changed, axis=channel_axis, keepdims=True)


def summed(score, channel_axis: int | None):
    """The sum over what changes together, 1 along the channels."""
    return score if channel_axis is None else ops.sum(score, axis=channel_axis, keepdims=True)


def count_of(mask):
    """How many are true in each row, `(S,)` int32."""
    return ops.sum(ops.cast(flat(mask), "int32"), axis=1)


def spent(state):
    """What each sample took, in thirds of a forward and a backward pass."""
    return state.forward + 2 * state.backward


@dataclasses.dataclass(frozen=True)
class Exchange:
    differentiable: Any
    indicator: Any
    cost: tuple[int, int]
    classes: int
    channel_axis: int | None
    units: int
    targeted: bool
    patience: int
    moves: int
    decay: float
    shrink: float
    swap: tuple
    places: np.ndarray

    def start(self, samples) -> State:
        x, none = samples.x, ops.zeros_like(samples.truth)
        zeros = ops.zeros_like(x)
        unit = any_of_unit(zeros > 0, self.channel_axis)
        logits = ops.zeros((ops.shape(x)[0], self.classes), "float32")
        memory = Memory(
            x, zeros, zeros, logits, unit, none, none + self.units + 1, none + 1, none, none, none
        )
        return State.begin(samples, memory)

    def takes(self, state, most) -> np.ndarray:
        goes_on = np.isin(state.stop, (Stop.SUCCESS, Stop.MAX_STEPS, Stop.EXHAUSTED))
        room = spent(state) + 2 * _thirds(self.cost) + _reserve(state.memory.best, most) <= most
        return goes_on & (state.memory.best > 1) & room

    def again(self, samples, state) -> State:
        none = ops.zeros_like(samples.truth)
        return state._replace(
            stop=none + int(Stop.RUNNING),
            memory=state.memory._replace(
                candidate=samples.x,
                average=ops.zeros_like(samples.x),
                size=none + 1,
                stale=none,
                move=none,
                round=state.memory.round + 1,
            ),
        )

    def step(self, model, samples, state, limits):
        memory, origin, total = state.memory, samples.x, self.units
        place = self._place(memory)
        judged, at = place == 1, rows_like(place, origin)
        x = ops.where(at == 1, memory.candidate, origin + at * (memory.candidate - origin))
        point = indicators.at(self.differentiable, model, x)
        before, running = state.prediction, state.running
        clean = ops.logical_and(running, state.steps == 0)
        state = state.observed(point.logits, self.cost)
        goal = state.goal(samples, self.targeted, "margin")
        centre = (limits.low + limits.high) / 2
        found = self.indicator.significance(point, goal, centre)
        slope = found.score * found.direction
        strength = ops.sum(ops.abs(flat(slope)), axis=1)
        finite = ops.isfinite(strength + ops.sum(point.logits, axis=-1))
        slope = ops.where(rows_like(finite, slope), slope, 0.0)
        reached = goal.reached(point.logits)
        changed = any_of_unit(memory.candidate != origin, self.channel_axis)
        count = count_of(changed)
        won = ops.logical_and(reached, ops.logical_and(judged, finite))
        better = ops.logical_and(running, ops.logical_and(won, ops.logical_and(count < memory.best, count > 0)))
        none_yet = ops.logical_and(running, memory.best > total)
        shown = ops.logical_or(better, ops.logical_and(none_yet, ops.logical_or(judged, clean)))
        best = ops.where(better, count, memory.best)
        stop_state = state
        row = lambda new, old: ops.where(rows_like(shown, old), new, old)
        order = order_of(memory.candidate, origin, state)
        state = state._replace(
            prediction=ops.where(shown, state.prediction, before),
            x=row(memory.candidate, state.x),
            order=row(order, state.order),
            memory=memory._replace(
                best=best,
                slope=row(slope, memory.slope),
                logits=row(point.logits, memory.logits),
                tried=ops.logical_and(memory.tried, rows_like(ops.logical_not(better), memory.tried)),
                trial=ops.where(better, 0, memory.trial),
            ),
        )
        grown = ops.maximum(memory.size + 1, 2 * memory.size)
        shrunk = ops.cast(ops.floor(ops.cast(memory.size, "float32") * (1 - self.shrink)), "int32")
        size = ops.where(judged, ops.where(won, shrunk, grown), memory.size)
        size = ops.clip(ops.minimum(size, best - 1), 1, total)
        has_best = best <= total
        stale = ops.where(ops.logical_or(better, ops.logical_not(has_best)), 0, memory.stale + 1)
        slope = slope / ops.maximum(rows_like(strength, slope), 1e-30)
        first = rows_like(memory.move == 0, slope)
        average = ops.where(first, slope, self.decay * memory.average + (1 - self.decay) * slope)
        low, high = extremes(samples, limits)
        value = ops.where(average > 0, high, low)
        gain = average * (value - origin)
        score = summed(gain, self.channel_axis)
        chosen = self._chosen(score, changed, count, size, memory.move)
        candidate = ops.where(ops.logical_and(chosen, gain > 0), value, origin)
        free = ops.any(flat(score) > 0, axis=1)
        most, used = limits.max_steps, spent(state)
        over = used + _thirds(self.cost) + ops.where(has_best, _reserve(best, most), 0) > most
        ended = ops.logical_or(over, ops.logical_or(stale >= self.patience, memory.move + 1 >= self.moves))
        ended = ops.logical_or(ops.logical_or(best == 1, ended), ops.logical_not(ops.logical_and(free, finite)))
        stop = first_of(
            (ops.logical_and(has_best, ended), Stop.SUCCESS),
            (ops.logical_not(finite), Stop.NOT_FINITE),
            *stop_state.unneeded(samples, reached),
            (ops.logical_and(ops.logical_not(free), strength == 0), Stop.NO_GRADIENT),
            (ops.logical_not(free), Stop.EXHAUSTED),
            (ops.logical_and(ended, memory.size >= total), Stop.EXHAUSTED),
            (ended, Stop.MAX_STEPS),
        )
        ends = ops.logical_or(stop != int(Stop.RUNNING), clean)
        logits = ops.where(ends[:, None], state.memory.logits, memory.logits)
        state = state.advanced(
            stop,
            memory=state.memory._replace(
                candidate=candidate, average=average, size=size, stale=stale, move=memory.move + 1
            ),
        )
        return state, logits

    def _place(self, memory):
        table = ops.convert_to_tensor(self.places.reshape(-1))
        rounds, count = self.places.shape
        number = memory.round % rounds * count + memory.move % count
        return ops.take(table, number, axis=0)

    def _chosen(self, score, changed, count, size, move):
        """The best units, of which a share at most is new: linear from one to the other."""
        shape, flat_score, flat_changed = ops.shape(score), flat(score), flat(changed)
        done = ops.minimum(ops.cast(move, "float32") / self.moves, 1.0)
        share = self.swap[0] + (self.swap[1] - self.swap[0]) * done
        new = ops.maximum(1, ops.cast(ops.ceil(share * ops.cast(size, "float32")), "int32"))
        kept = greatest(
            ops.where(flat_changed, flat_score, -1.0), ops.minimum(size - new, count)
        )
        chosen = greatest(ops.where(kept, flat_score + 1e6, flat_score), size)
        return ops.reshape(chosen, shape)


def greatest(score, count):
    """Where the `count[i]` greatest scores of row `i` are, those above 0 alone; `(S, U)` bool.

    Of equal scores the lowest index goes first, on every backend.
    """
    units = score.shape[1]
    few = min(_FEW, units)

    def threshold(most):
        ordered = ops.top_k(score, most, sorted=True)[0]
        place = ops.clip(count - 1, 0, most - 1)
        return ops.take_along_axis(ordered, place[:, None], axis=1)

    if few == units:
        least = threshold(units)
    else:
        least = ops.cond(
            ops.max(count) <= few, lambda: threshold(few), lambda: threshold(units)
        )
    above, equal = score > least, score == least
    room = count[:, None] - ops.sum(ops.cast(above, "int32"), axis=1, keepdims=True)
    in_room = ops.cumsum(ops.cast(equal, "int32"), axis=1) <= room
    chosen = ops.logical_or(above, ops.logical_and(equal, in_room))
    return ops.logical_and(ops.logical_and(chosen, score > 0), count[:, None] > 0)


def _thirds(cost: tuple[int, int]) -> int:
    return cost[0] + 2 * cost[1]


def _reserve(best, most):
    """What is left for taking back, in thirds of a pass: one forward pass for each change."""
    least = np.minimum if isinstance(best, np.ndarray) else ops.minimum
    return least(best, most // 4)


def order_of(x, origin, state):
    """The step in which each changed input last came into `State.x`."""
    number = rows_like(state.steps, x)
    old = ops.where(state.order > 0, state.order, number)
    return ops.where(x != origin, old, 0)
