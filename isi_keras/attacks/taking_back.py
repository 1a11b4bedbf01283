"""The second half of `MinimalL0`: changes are taken back and exchanged, by forward passes alone."""

import dataclasses
from collections.abc import Callable

import numpy as np
from keras import ops

from isi_keras.attacks.memory import at_index, count_of, order_of, spent
from isi_keras.attacks.units import Units
from isi_keras.norms.base import flat, rows_like
from isi_keras.results import Stop

NEAR = 12
"""From how many changed units, and how many others, exchanges are made."""

_SURELY = 1 - 1e-5
"""So much nearer an exchange must come, as rounding is no progress."""

_PAIRS = np.array(
    sorted(((p, q) for p in range(NEAR) for q in range(NEAR)), key=lambda pair: (sum(pair), pair)),
    "int32",
)


@dataclasses.dataclass(frozen=True)
class TakingBack:
    """Tries to do with one change less than the best, by one forward pass a step.

    Each change is taken back by itself, the one first that the slope says least of; what is turned
    without it is the best from then on, and all are tried again. Once none can be spared, what
    missed the goal by least is the candidate. One change of it is exchanged for another, those
    first of which the slope says least and most, and what is nearer to the goal is the candidate
    from then on, until it is reached or many exchanges were no good.

    Args:
        forward: from the model and inputs to logits.
        targeted: whether there are classes to reach.
        unit: what changes together.
        swaps: after how many exchanges in a row that were no good a sample ends.
    """

    forward: Callable
    targeted: bool
    unit: Units
    swaps: int

    def takes(self, state, max_steps: int) -> np.ndarray:
        """Which samples have something to take back, and room for it, `(N,)` bool."""
        memory = state.memory
        wanted = (memory.best > 1) & (memory.trial <= self.swaps)
        return (state.stop == Stop.SUCCESS) & wanted & (spent(state) < max_steps)

    def begin(self, samples, state):
        """The state to go on with."""
        return state._replace(stop=ops.zeros_like(state.stop) + int(Stop.RUNNING))

    def step(self, model, samples, state, limits):
        """One change less, or one for another: is it turned, or nearer to that?"""
        memory, origin, running = state.memory, samples.x, state.running
        changed = self.unit.changed(state.x, origin)
        untried = ops.logical_and(changed, ops.logical_not(memory.tried))
        single = ops.any(flat(untried), axis=1)
        trial, one, number = self._trial(samples, state, untried, single)
        possible = ops.logical_and(running, ops.logical_or(single, number < self.swaps))

        logits = self.forward(model, trial)
        goal = state.goal(samples, self.targeted, "margin")
        misses = -ops.sum(goal.seed(logits) * logits, axis=-1)
        usable = ops.logical_and(possible, ops.isfinite(ops.sum(logits, axis=-1)))
        count = count_of(self.unit.changed(trial, origin))
        usable = ops.logical_and(usable, ops.logical_and(count > 0, count < memory.best))
        better = ops.logical_and(usable, goal.reached(logits))
        worse = ops.logical_not(better)
        nearer = ops.logical_and(ops.logical_and(usable, worse), misses < memory.level)

        def row(chosen, new, old):
            return ops.where(rows_like(chosen, old), new, old)

        best = ops.where(better, count, memory.best)
        number = ops.where(ops.logical_or(better, nearer), 0, number + 1)
        number = ops.where(ops.logical_or(single, ops.logical_not(running)), memory.trial, number)
        tried = ops.logical_and(ops.logical_or(memory.tried, one), rows_like(worse, one))
        open_ = ops.any(flat(ops.logical_and(changed, ops.logical_not(tried))), axis=1)
        left = ops.logical_or(open_, number < self.swaps)
        forward = state.forward + ops.cast(possible, "int32")
        over = forward + 2 * state.backward >= limits.max_steps
        ended = ops.logical_or(ops.logical_or(over, best == 1), ops.logical_not(left))
        ended = ops.logical_and(running, ended)
        done = ops.logical_and(running, ops.logical_not(left))
        after = memory._replace(
            best=best,
            logits=row(better, logits, memory.logits),
            tried=row(running, tried, memory.tried),
            trial=ops.where(done, self.swaps + 1, ops.where(better, 0, number)),
            candidate=row(nearer, trial, memory.candidate),
            level=ops.where(
                better, float("inf"), ops.where(nearer, misses * _SURELY, memory.level)
            ),
        )
        prediction = ops.cast(ops.argmax(logits, axis=-1), "int32")
        moved = state._replace(
            x=row(better, trial, state.x),
            order=row(better, order_of(trial, origin, state), state.order),
            prediction=ops.where(better, prediction, state.prediction),
            steps=state.steps + ops.cast(ops.logical_and(running, ops.logical_not(ended)), "int32"),
            stop=ops.where(ended, int(Stop.SUCCESS), state.stop),
            forward=forward,
            memory=after,
        )
        return moved, ops.where(ended[:, None], after.logits, memory.logits)

    def _trial(self, samples, state, untried, single):
        """What is tried, the unit taken back by itself, and the number of the exchange."""
        memory, origin = state.memory, samples.x
        base = ops.where(rows_like(single, origin), state.x, memory.candidate)
        value, gain = self.unit.best(memory.slope, samples)
        changed, closed = self.unit.changed(base, origin), self.unit.closed(base, origin)
        held = -flat(self.unit.held(memory.slope, base, origin))
        held = ops.where(flat(changed), held, -float("inf"))
        outer = ops.where(flat(closed), -float("inf"), flat(self.unit.summed(gain)))
        one = at_index(ops.argmax(ops.where(flat(untried), held, -float("inf")), axis=1), held)
        one = ops.logical_and(one, single[:, None])
        back, into, number = self._exchange(held, outer, memory.trial)
        into = ops.logical_and(into, ops.logical_not(single)[:, None])
        shape = ops.shape(changed)
        back = ops.reshape(ops.where(single[:, None], one, back), shape)
        into = ops.logical_and(ops.reshape(into, shape), gain > 0)
        trial = self.unit.moved(self.unit.put_back(base, back, origin), into, value)
        return trial, ops.reshape(one, shape), number

    def _exchange(self, held, outer, tried):
        """What goes and what comes, masks `(S, U)`, and the number of the exchange, `(S,)`."""
        near = min(NEAR, held.shape[1])
        pairs = _PAIRS[(near > _PAIRS).all(axis=1)][: max(self.swaps, 1)]
        going, coming = (ops.convert_to_tensor(column) for column in pairs.T)
        least, goes = ops.top_k(held, near, sorted=True)
        most, comes = ops.top_k(outer, near, sorted=True)
        there = ops.logical_and(
            ops.take(least, going, axis=1) > -float("inf"), ops.take(most, coming, axis=1) > 0
        )
        later = ops.arange(len(pairs), dtype="int32") >= tried[:, None]
        there = ops.logical_and(there, later)
        first = ops.cast(ops.argmax(there, axis=1), "int32")

        def unit(column, places):
            place = ops.take(column, first)[:, None]
            return at_index(ops.take_along_axis(places, place, axis=1)[:, 0], held)

        number = ops.where(ops.any(there, axis=1), first, self.swaps)
        return unit(going, goes), unit(coming, comes), number
