"""The second half of `MinimalL0`: changes are taken back and exchanged, by forward passes alone."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras.attacks.memory import count_of, order_of, spent
from isi_keras.attacks.units import Units
from isi_keras.models.beside import beside
from isi_keras.results import Stop
from isi_keras.rows import flat, rows_like

NEAR = 12
"""From how many changed units, and how many others, exchanges are made."""

TOGETHER = 4
"""How many trials of a sample are computed at once."""

_SURELY = 1 - 1e-5
"""So much nearer an exchange must come, as rounding is no progress."""

_PAIRS = np.array(
    sorted(((p, q) for p in range(NEAR) for q in range(NEAR)), key=lambda pair: (sum(pair), pair)),
    "int32",
)


class Trials(NamedTuple):
    """What a step tries of each sample, `T` trials.

    Args:
        x: the inputs, `(S * T, ...)`, those of a sample one after another.
        possible: which there are, `(S, T)` bool.
        count: how many units are changed in each, `(S, T)`.
        alone: which units are taken back by themselves, `(S, ...)` bool.
        number: how many exchanges in a row have been made then, `(S,)`.
    """

    x: Any
    possible: Any
    count: Any
    alone: Any
    number: Any


@dataclasses.dataclass(frozen=True)
class TakingBack:
    """Tries to do with one change less than the best, by forward passes alone.

    Each change is taken back by itself, those first that the slope says least of; what is turned
    without it is the best from then on, and all are tried again. Once none can be spared, what
    missed the goal by least is the candidate. One change of it is exchanged for another, those
    first of which the slope says least and most, and what comes nearest to the goal is the
    candidate from then on, until it is reached or many exchanges were no good.

    Args:
        forward: from the model and inputs to logits.
        targeted: whether there are classes to reach.
        unit: what changes together.
        swaps: after how many exchanges in a row that were no good a sample ends.
        together: how many trials of a sample a step makes.
    """

    forward: Callable
    targeted: bool
    unit: Units
    swaps: int
    together: int

    def takes(self, state, max_steps: int) -> np.ndarray:
        """Which samples have something to take back, and room for it, `(N,)` bool."""
        memory = state.memory
        wanted = (memory.best > 1) & (memory.trial <= self.swaps)
        return (state.stop == Stop.SUCCESS) & wanted & (spent(state) < max_steps)

    def begin(self, samples, state):
        """The state to go on with."""
        return state._replace(stop=ops.zeros_like(state.stop) + int(Stop.RUNNING))

    def step(self, model, samples, state, limits):
        """Trials of one change less, or of one for another: is any turned, or nearer to that?"""
        memory, origin, running = state.memory, samples.x, state.running
        changed = self.unit.changed(state.x, origin)
        untried = changed & ~memory.tried
        single = ops.any(flat(untried), axis=1)
        trials = self._trials(samples, state, untried, single)
        together = trials.possible.shape[1]
        room = ops.arange(together, dtype="int32") < (limits.max_steps - spent(state))[:, None]
        possible = running[:, None] & trials.possible & room

        logits, reached, misses = self._seen(model, samples, state, trials.x, together)
        fewer = (trials.count > 0) & (trials.count < memory.best[:, None])
        usable = possible & ops.isfinite(misses) & fewer
        turned = usable & reached
        better = ops.any(turned, axis=1)
        misses = ops.where(usable, misses, float("inf"))
        nearer = (ops.min(misses, axis=1) < memory.level) & ~better
        which = ops.where(better, ops.argmax(turned, axis=1), ops.argmin(misses, axis=1))
        place = ops.cast(which, "int32") + together * ops.arange(ops.shape(which)[0], dtype="int32")
        trial, logits, count, missed = (
            ops.take(part, place, axis=0)
            for part in (
                trials.x,
                logits,
                ops.reshape(trials.count, (-1,)),
                ops.reshape(misses, (-1,)),
            )
        )

        def row(chosen, new, old):
            return ops.where(rows_like(chosen, old), new, old)

        best = ops.where(better, count, memory.best)
        number = ops.where(better | nearer, 0, trials.number)
        number = ops.where(single | ~running, memory.trial, number)
        tried = memory.tried | trials.alone
        tried = tried & rows_like(~better, tried)
        open_ = ops.any(flat(changed & ~tried), axis=1)
        left = open_ | (number < self.swaps)
        forward = state.forward + count_of(possible)
        over = forward + 2 * state.backward >= limits.max_steps
        ended = over | (best == 1) | ~left
        ended = running & ended
        done = running & ~left
        after = memory._replace(
            best=best,
            logits=row(better, logits, memory.logits),
            tried=row(running, tried, memory.tried),
            trial=ops.where(done, self.swaps + 1, ops.where(better, 0, number)),
            candidate=row(nearer, trial, memory.candidate),
            level=ops.where(
                better, float("inf"), ops.where(nearer, missed * _SURELY, memory.level)
            ),
        )
        prediction = ops.cast(ops.argmax(logits, axis=-1), "int32")
        moved = state._replace(
            x=row(better, trial, state.x),
            order=row(better, order_of(trial, origin, state), state.order),
            prediction=ops.where(better, prediction, state.prediction),
            steps=state.steps + ops.cast(running & ~ended, "int32"),
            stop=ops.where(ended, int(Stop.SUCCESS), state.stop),
            forward=forward,
            memory=after,
        )
        return moved, ops.where(ended[:, None], after.logits, memory.logits)

    def _seen(self, model, samples, state, x, together):
        """The logits of trials, `(S * T, K)`, and whether and by how much they miss, `(S, T)`."""

        def each(rows):
            return ops.repeat(rows, together, axis=0)

        with beside(keras.tree.map_structure(each, samples.beside)):
            logits = self.forward(model, x)
        goal = state.goal(samples, self.targeted, "margin")
        margin = None if goal.margin is None else each(goal.margin)
        goal = dataclasses.replace(goal, classes=each(goal.classes), margin=margin)
        misses = -ops.sum(goal.seed(logits) * logits, axis=-1)
        reached, misses = (
            ops.reshape(part, (-1, together)) for part in (goal.reached(logits), misses)
        )
        return logits, reached, misses

    def _trials(self, samples, state, untried, single):
        """What is tried: `untried` units taken back by themselves where `single`, or exchanges."""
        memory, origin = state.memory, samples.x
        base = ops.where(rows_like(single, origin), state.x, memory.candidate)
        value, gain = self.unit.best(memory.slope, samples)
        changed, closed = self.unit.changed(base, origin), self.unit.closed(base, origin)
        held = -flat(self.unit.held(memory.slope, base, origin))
        held = ops.where(flat(changed), held, -float("inf"))
        outer = ops.where(flat(closed), -float("inf"), flat(self.unit.summed(gain)))
        together, alone = min(self.together, held.shape[1]), single[:, None]
        left, first = ops.top_k(ops.where(flat(untried), held, -float("inf")), together)
        goes, comes, there, number = self._exchanges(held, outer, memory.trial, together)
        goes = ops.where(alone, first, goes)
        possible = ops.where(alone, left > -float("inf"), there)
        unit = ops.arange(held.shape[1], dtype=goes.dtype)
        goes = (unit == goes[:, :, None]) & possible[:, :, None]
        comes = (unit == comes[:, :, None]) & (~alone)[:, :, None]
        comes = comes & there[:, :, None]
        taken = ops.any(goes, axis=1) & alone
        base, origin, value, gain = (
            ops.repeat(part, together, axis=0) for part in (base, origin, value, gain)
        )
        shape = (-1, *changed.shape[1:])
        trial = self.unit.put_back(base, ops.reshape(goes, shape), origin)
        comes = ops.reshape(comes, shape) & (gain > 0)
        trial = self.unit.moved(trial, comes, value)
        count = ops.reshape(count_of(self.unit.changed(trial, origin)), (-1, together))
        return Trials(trial, possible, count, ops.reshape(taken, shape), number)

    def _exchanges(self, held, outer, tried, together):
        """What goes and what comes, and whether it is there, `(S, T)`; the number after, `(S,)`."""
        near = min(NEAR, held.shape[1])
        pairs = _PAIRS[(near > _PAIRS).all(axis=1)][: max(self.swaps, together)]
        going, coming = (ops.convert_to_tensor(column) for column in pairs.T)
        least, goes = ops.top_k(held, near, sorted=True)
        most, comes = ops.top_k(outer, near, sorted=True)
        there = (ops.take(least, going, axis=1) > -float("inf")) & (
            ops.take(most, coming, axis=1) > 0
        )
        number = ops.arange(len(pairs), dtype="int32")
        due = (number >= tried[:, None]) & (number < self.swaps)
        falling = ops.where(there & due, len(pairs) - number, 0)
        left, which = ops.top_k(falling, together, sorted=True)
        there = left > 0
        after = ops.max(ops.where(there, ops.cast(which, "int32") + 1, 0), axis=1)
        goes, comes = (
            ops.take_along_axis(places, ops.take(column, which), axis=1)
            for column, places in ((going, goes), (coming, comes))
        )
        return goes, comes, there, ops.where(there[:, 0], after, self.swaps)
