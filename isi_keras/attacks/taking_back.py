"""The second half of `MinimalL0`: changes are taken back, or two exchanged for one, by forwards."""

import dataclasses
from collections.abc import Callable

import numpy as np
from keras import ops

from isi_keras.attacks.memory import any_of_unit, count_of, extremes, order_of, spent, summed
from isi_keras.norms.base import flat, rows_like
from isi_keras.results import Stop

_NEAR = 6
_ALL = sorted(
    ((p, q, o) for o in range(_NEAR) for q in range(1, _NEAR) for p in range(q)),
    key=lambda swap: (sum(swap), swap),
)


@dataclasses.dataclass(frozen=True)
class TakingBack:
    """Tries to do with less than the best, by one forward pass a step.

    Each change is taken back by itself, the one first that the slope says least of; what is still
    turned without it is the best from then on, and all are tried again. Once none can be spared,
    two are taken back for another one.

    Args:
        forward: from the model and inputs to logits.
        targeted: whether there are classes to reach.
        channel_axis: the axis whose inputs change together, `None` if each is a unit.
        swaps: how many exchanges of two for one are tried.
    """

    forward: Callable
    targeted: bool
    channel_axis: int | None
    swaps: int

    def takes(self, state, most) -> np.ndarray:
        """Which samples are worth it, `(N,)` bool."""
        memory = state.memory
        wanted = (memory.best > 1) & (memory.trial <= self.swaps)
        return (state.stop == Stop.SUCCESS) & wanted & (spent(state) < most)

    def begin(self, samples, state):
        """The state to go on with."""
        return state._replace(stop=ops.zeros_like(state.stop) + int(Stop.RUNNING))

    def step(self, model, samples, state, limits):
        """One change less, or two for one: is it still turned?"""
        memory, origin, running = state.memory, samples.x, state.running
        low, high = extremes(samples, limits)
        value = ops.where(memory.slope > 0, high, low)
        gain = memory.slope * (value - origin)
        changed = any_of_unit(state.x != origin, self.channel_axis)
        shape = ops.shape(changed)
        changed, tried = flat(changed), flat(memory.tried)
        held = flat(summed(memory.slope * (state.x - origin), self.channel_axis))
        held = ops.where(changed, -held, -float("inf"))
        outer = flat(summed(gain, self.channel_axis))
        outer = ops.where(changed, -float("inf"), outer)

        untried = ops.logical_and(changed, ops.logical_not(tried))
        single = ops.any(untried, axis=1)
        one = _at(ops.argmax(ops.where(untried, held, -float("inf")), axis=1), untried)
        back, into, number = self._swap(held, outer, memory)
        back = ops.where(single[:, None], one, back)
        into = ops.logical_and(into, ops.logical_not(single)[:, None])
        possible = ops.logical_or(single, number < self.swaps)

        trial = ops.where(ops.reshape(back, shape), origin, state.x)
        trial = ops.where(ops.logical_and(ops.reshape(into, shape), gain > 0), value, trial)
        logits = self.forward(model, trial)
        reached = state.goal(samples, self.targeted, "margin").reached(logits)
        finite = ops.isfinite(ops.sum(logits, axis=-1))
        count = count_of(any_of_unit(trial != origin, self.channel_axis))
        fewer = ops.logical_and(count < memory.best, count > 0)
        better = ops.logical_and(
            ops.logical_and(running, possible), ops.logical_and(reached, finite)
        )
        better = ops.logical_and(better, fewer)
        before, shown = memory.logits, rows_like(better, trial)
        best = ops.where(better, count, memory.best)
        tried = ops.logical_or(tried, ops.logical_and(one, single[:, None]))
        tried = ops.logical_and(tried, ops.logical_not(better)[:, None])
        number = ops.where(better, 0, ops.where(single, memory.trial, number + 1))
        kept = running[:, None]
        forward = state.forward + ops.cast(ops.logical_and(running, possible), "int32")
        used = forward + 2 * state.backward
        left = ops.any(ops.logical_and(changed, ops.logical_not(tried)), axis=1)
        left = ops.logical_or(left, number < self.swaps)
        over = ops.logical_or(used >= limits.max_steps, ops.logical_not(left))
        ended = ops.logical_and(running, ops.logical_or(over, best == 1))
        number = ops.where(ops.logical_not(left), self.swaps + 1, number)
        now = ops.where(better[:, None], logits, before)
        moved = state._replace(
            x=ops.where(shown, trial, state.x),
            order=ops.where(shown, order_of(trial, origin, state), state.order),
            prediction=ops.where(
                better, ops.cast(ops.argmax(logits, -1), "int32"), state.prediction
            ),
            steps=state.steps + ops.cast(ops.logical_and(running, ops.logical_not(ended)), "int32"),
            stop=ops.where(ended, int(Stop.SUCCESS), state.stop),
            forward=forward,
            memory=memory._replace(
                best=best,
                logits=now,
                tried=ops.reshape(ops.where(kept, tried, flat(memory.tried)), shape),
                trial=ops.where(running, number, memory.trial),
            ),
        )
        return moved, ops.where(ended[:, None], now, before)

    def _swap(self, held, outer, memory):
        """What is taken back and what comes in, masks `(S, U)`, and the number of the exchange."""
        near = min(_NEAR, held.shape[1])
        table = np.array([s for s in _ALL if max(s) < near][: self.swaps] or [(0, 0, 0)], "int32")
        least, where = ops.top_k(held, near, sorted=True)
        most, other = ops.top_k(outer, near, sorted=True)
        p, q, o = (ops.convert_to_tensor(column) for column in table.T)
        there = ops.logical_and(
            ops.take(least, q, axis=1) > -float("inf"), ops.take(most, o, axis=1) > 0
        )
        if table[0][1] == 0:
            there = ops.zeros_like(there)
        numbers = ops.arange(len(table), dtype="int32")
        there = ops.logical_and(there, numbers >= memory.trial[:, None])
        number = ops.cast(ops.argmax(there, axis=1), "int32")

        def index(table_column, places):
            return ops.take_along_axis(places, ops.take(table_column, number)[:, None], axis=1)[
                :, 0
            ]

        back = ops.logical_or(_at(index(p, where), held), _at(index(q, where), held))
        into = _at(index(o, other), held)
        return back, into, ops.where(ops.any(there, axis=1), number, self.swaps)


def _at(index, like):
    """A mask `(S, U)` that is true at one index of each row."""
    units = ops.arange(like.shape[1], dtype="int32")
    return units == ops.cast(index, "int32")[:, None]
