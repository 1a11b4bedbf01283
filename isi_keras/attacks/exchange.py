"""The search of `MinimalL0`: free exchange of the changed inputs under an averaged gradient."""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from isi_keras import aims, indicators
from isi_keras.attacks.memory import Memory, at_index, count_of, order_of, spent, thirds
from isi_keras.attacks.ranked import at_places, renewed
from isi_keras.attacks.state import UNKNOWN, State, first_of
from isi_keras.attacks.units import Units
from isi_keras.results import Stop
from isi_keras.rows import flat, rows_like

RISES = (0.125, 0.175, 0.125)
WIDTHS = ((1, 3, 5, 7), (1, 4, 8, 12), (2, 2, 5, 5))
"""Where the slope is taken in every second move after the first two, three stairs by turns: the
inputs of the greatest gain go a part of their way, a rise for those among the first so many times
`size`."""

_LARGE, _SHRINK, _NEW = 64, (0.6, 0.8), (0.5, 0.05)
_LATE = 0.8
_LEAST, _SLOW, _HOPE = 3, 16, 30


@dataclasses.dataclass(frozen=True)
class Exchange:
    r"""Rebuilds the candidate in each move out of the inputs that promise most.

    $$G \leftarrow \beta G + (1 - \beta)\, g / \lVert g \rVert_1, \qquad
    v_i = \text{high if } G_i > 0 \text{ else low}, \qquad \text{gain}_i = G_i (v_i - x_i)$$

    where $g$ is the slope of the goal at the candidate or, in every second move, where more inputs
    than its own are part of their way (`WIDTHS`). The `size` units of the greatest gain go to $v$,
    all others to $x$; a share of them at most, which falls from a half to a twentieth, is new.
    `size` doubles until the first success and then stays below the best, with which a further
    search begins. $\beta$ rises from `decay` by four fifths of what is left to 1.

    A search for any other class leads towards the one that is nearest at each place; each further
    one towards a single class, the next by the clean logits, in which the best is not.

    Args:
        differentiable: what the indicator prepared.
        indicator: gives the slope: score times direction.
        cost: of the indicator, forward and backward passes.
        classes: how many the model has.
        unit: what changes together.
        units: how many there are.
        targeted: whether there are classes to reach.
        moves: after how many moves a round ends, or fewer where the budget is small.
        patience: after how many moves without anything better it ends, one more for each 16 units.
        decay: the share $\beta$ of what was, in the first move.
        spared: how many forward passes are kept for taking back, beside one for each change.
    """

    differentiable: Any
    indicator: Any
    cost: tuple[int, int]
    classes: int
    unit: Units
    units: int
    targeted: bool
    moves: int
    patience: int
    decay: float
    spared: int

    def start(self, samples) -> State:
        """The state before the first move."""
        x, none = samples.x, ops.zeros_like(samples.truth)
        zeros = ops.zeros_like(x)
        tried = self.unit.changed(x, x)
        logits = ops.zeros((ops.shape(x)[0], self.classes), "float32")
        far = ops.zeros_like(none, dtype="float32") + float("inf")
        memory = Memory(
            candidate=x,
            looked=x,
            average=zeros,
            slope=zeros,
            logits=logits,
            tried=tried,
            trial=none,
            level=far,
            best=none + self.units + 1,
            size=none + 1,
            stale=none,
            move=none,
            round=none,
            aim=none + UNKNOWN,
        )
        return State.begin(samples, memory)

    def takes(self, state, max_steps: int) -> np.ndarray:
        """Which samples search again, `(N,)` bool: those with room for it and something to gain."""
        goes_on = np.isin(state.stop, (Stop.SUCCESS, Stop.MAX_STEPS, Stop.EXHAUSTED))
        needed = 2 * thirds(self.cost) + self._reserve(state.memory.best, max_steps)
        return goes_on & (state.memory.best > 1) & (spent(state) + needed <= max_steps)

    def again(self, samples, state) -> State:
        """The state with which another search begins: from the clean input, one below the best."""
        none = ops.zeros_like(samples.truth)
        return state._replace(
            stop=none + int(Stop.RUNNING),
            memory=state.memory._replace(
                candidate=samples.x,
                looked=samples.x,
                average=ops.zeros_like(samples.x),
                size=ops.maximum(state.memory.best - 1, 1),
                stale=none,
                move=none,
                round=state.memory.round + 1,
                aim=none + UNKNOWN,
            ),
        )

    def step(self, model, samples, state, limits):
        """One move: a look at the candidate or on a stair, and the next candidate."""
        old, origin = state, samples.x
        judged = _judged(old.memory.move)
        point = indicators.at(self.differentiable, model, old.memory.looked)
        seen = old.observed(point.logits, self.cost)
        goal = seen.goal(samples, self.targeted, "margin")
        seen, aim = self._aimed(old, seen, goal, point.logits)
        found = self.indicator.significance(point, aim, samples.finite_centre)
        slope = found.score * found.direction
        strength = ops.sum(ops.abs(flat(slope)), axis=1)
        finite = ops.isfinite(strength + ops.sum(point.logits, axis=-1))
        slope = ops.where(rows_like(finite, slope), slope, 0.0)
        strength = ops.where(finite, strength, 0.0)
        sound = finite | ~judged
        reached = goal.reached(point.logits)
        won = reached & finite & judged
        state = self._with_best(seen, old, origin, point.logits, slope, judged, won)
        size = self._size(old.memory, state.memory.best, judged, won)
        slope = slope / ops.maximum(rows_like(strength, slope), 1e-30)
        done = self._done(state.memory, limits.max_steps)
        after, best = self._exchanged(state.memory, slope, size, done, samples)
        free = ops.any(flat(best[1]) > 0, axis=1)
        all_changed, hope = after.best > self.units, max(self.patience, _HOPE)  # nobody has turned
        stop = first_of(
            (self._ends(state, free, sound, limits.max_steps), Stop.SUCCESS),
            (~sound, Stop.NOT_FINITE),
            *seen.unneeded(samples, reached),
            (~(free | (strength > 0)), Stop.NO_GRADIENT),
            (~free, Stop.EXHAUSTED),
            ((after.stale >= hope) & all_changed, Stop.EXHAUSTED),
            (self._over(state, limits.max_steps), Stop.MAX_STEPS),
        )
        shown = (stop != int(Stop.RUNNING)) | (old.clean_prediction == UNKNOWN)
        logits = ops.where(shown[:, None], state.memory.logits, old.memory.logits)
        climbs = state.running & (stop == int(Stop.RUNNING)) & ~_judged(after.move)
        after = after._replace(looked=self._looked_at(samples.x, after, best, climbs))
        return state.advanced(stop, memory=after), logits

    def _with_best(self, seen, old, origin, logits, slope, judged, won):
        """The state with the candidate in it, where it is the best or there is none yet."""
        memory, candidate, running = old.memory, old.memory.candidate, old.running
        count = count_of(self.unit.changed(candidate, origin))
        fewer = (count < memory.best) & (count > 0)
        better = running & won & fewer
        none = (memory.best > self.units) & judged
        shown = better | (running & none)

        def row(new, kept):
            return ops.where(rows_like(shown, kept), new, kept)

        worse = rows_like(~better, memory.tried)
        stale = ops.where(better | self._growing(memory), 0, memory.stale + 1)
        return seen._replace(
            prediction=row(seen.prediction, old.prediction),
            x=row(candidate, old.x),
            order=row(order_of(candidate, origin, old), old.order),
            memory=memory._replace(
                best=ops.where(better, count, memory.best),
                slope=row(slope, memory.slope),
                logits=row(logits, memory.logits),
                tried=memory.tried & worse,
                trial=ops.where(better, 0, memory.trial),
                level=ops.where(better, float("inf"), memory.level),
                stale=ops.where(running, stale, memory.stale),
            ),
        )

    def _growing(self, memory):
        """Who has no success so far, and not changed all there is either."""
        return (memory.best > self.units) & (memory.size < self.units)

    def _size(self, memory, best, judged, won):
        """How many units the next candidate may change, `(S,)`."""
        shrink = ops.where(memory.size > _LARGE, *_SHRINK)
        shrunk = ops.cast(ops.floor(ops.cast(memory.size, "float32") * shrink), "int32")
        size = ops.where(judged, ops.where(won, shrunk, 2 * memory.size), memory.size)
        return ops.clip(ops.minimum(size, best - 1), 1, self.units)

    def _exchanged(self, memory, slope, size, done, samples):
        """The memory with the next candidate; where inputs go best, and what units gain by it."""
        origin = samples.x
        kept = self.decay + _LATE * (1 - self.decay) * rows_like(done, slope)
        mean = kept * memory.average + (1 - kept) * slope
        average = ops.where(rows_like(memory.move == 0, slope), slope, mean)
        best = value, gain = self.unit.best(average, samples)
        score = self.unit.summed(gain)
        changed = self.unit.changed(memory.candidate, origin)
        share = _NEW[0] + (_NEW[1] - _NEW[0]) * done
        new = ops.maximum(1, ops.cast(ops.ceil(share * ops.cast(size, "float32")), "int32"))
        chosen = renewed(flat(score), flat(changed), size, new)
        chosen = ops.reshape(chosen, ops.shape(score)) & (gain > 0)
        after = memory._replace(
            candidate=self.unit.moved(origin, chosen, value),
            average=average,
            size=size,
            move=memory.move + 1,
        )
        return after, best

    def _over(self, state, max_steps):
        """Whether there is no room for another move: in the round, or in the budget."""
        best = state.memory.best
        reserve = ops.where(best <= self.units, self._reserve(best, max_steps), 0)
        over = spent(state) + thirds(self.cost) + reserve > max_steps
        return over | (state.memory.move + 1 >= self._moves(max_steps))

    def _ends(self, state, free, finite, max_steps):
        """Whose best is the last of this round."""
        memory = state.memory
        patience = self.patience + memory.best // _SLOW
        ended = (memory.stale >= patience) | self._over(state, max_steps)
        stuck = ~(free & finite)
        ended = ended | stuck | (memory.best == 1)
        return (memory.best <= self.units) & ended

    def _reserve(self, best, max_steps):
        """What is left for taking back, in thirds of a pass, a quarter of the budget at most."""
        least = np.minimum if isinstance(best, np.ndarray) else ops.minimum
        return least(best + self.spared, max_steps // 4)

    def _moves(self, max_steps):
        """How many moves a round has, three quarters of the passes of the budget at most."""
        return ops.clip(max_steps // 4, _LEAST, self.moves)

    def _done(self, memory, max_steps):
        """The share of the moves of a round that each sample has made, `(S,)`."""
        moves = ops.cast(self._moves(max_steps), "float32")
        return ops.minimum(ops.cast(memory.move, "float32") / moves, 1.0)

    def _looked_at(self, origin, memory, best, climbs):
        """Where the slope is taken next: the candidate, or a stair for those who climb."""
        candidate = memory.candidate
        return ops.cond(
            ops.any(climbs),
            lambda: ops.where(
                rows_like(climbs, candidate), self._stair(origin, memory, *best), candidate
            ),
            lambda: candidate,
        )

    def _stair(self, origin, memory, value, gain):
        """Where the slope is taken beside the candidate, of the shape of `x`."""
        score = self.unit.summed(gain)
        shape = ops.shape(score)
        which = memory.move // 2 % len(RISES)
        rise = rows_like(ops.take(ops.convert_to_tensor(RISES, "float32"), which), origin)
        width = ops.take(ops.convert_to_tensor(WIDTHS, "int32"), which, axis=0)  # (S, 4)
        score = flat(score)
        least = at_places(score, ops.minimum(width * memory.size[:, None], score.shape[1]))
        stairs = 0.0  # how many each input has climbed
        for step in range(len(WIDTHS[0])):
            chosen = ops.reshape(score >= least[:, step, None], shape)
            stairs = stairs + ops.cast(self.unit.with_group(chosen), "float32")
        far = self.unit.moved(origin, gain > 0, value) - origin
        return origin + rise * stairs * far

    def _aimed(self, old, seen, goal, logits):
        """The state with the class to aim at, and what to climb: the goal, or nearer to a class."""
        if not isinstance(goal, aims.Leaving) or self.classes < 3:
            return seen, goal
        memory = seen.memory
        others = ops.where(at_index(seen.clean_prediction, logits), -float("inf"), logits)
        new = (memory.move == 0) & (memory.round > 0)
        new = new & (memory.round <= self.classes - 2)

        def following():
            rest = ops.where(at_index(old.prediction, logits), -float("inf"), others)
            ranked = ops.top_k(rest, self.classes, sorted=True)[1]
            number = ops.clip(memory.round - 1, 0, self.classes - 1)[:, None]
            ranked = ops.cast(ops.take_along_axis(ranked, number, axis=1)[:, 0], "int32")
            return ops.where(new, ranked, memory.aim)

        aim = ops.cond(ops.any(new), following, lambda: memory.aim)
        nearest = ops.cast(ops.argmax(others, axis=-1), "int32")
        wanted = aims.Reaching(ops.where(aim == UNKNOWN, nearest, aim), "margin")
        return seen._replace(memory=memory._replace(aim=aim)), wanted


def _judged(move):
    """Who looks at the candidate in a move: in every second one, and in the first two."""
    return (move % 2 == 0) | (move == 1)
