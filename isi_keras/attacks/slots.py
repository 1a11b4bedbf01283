"""A batch that stays full: finished samples leave their slots and the next ones take them.

Samples need very different numbers of steps. A fixed batch would compute finished samples for
nothing, a shrinking one would be compiled for every size anew.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import optree
from keras import ops

from isi_keras.attacks.state import Samples, State
from isi_keras.backend import COMPILES, rows_of, smaller, tensor
from isi_keras.models.batches import within_memory
from isi_keras.results import Stop
from isi_keras.rows import rows_like

_each: Any = optree.tree_map  # on Torch, Keras' own takes as long as what it maps


def drive(
    step: Callable[[Samples, State, Any, Any], tuple[Samples, State, Any]],
    start: Callable[[Any], tuple[Samples, State]],
    given: Any,
    finished: Callable[[np.ndarray, State], None],
    batch_size: int,
    most: int,
    watch: Callable[[np.ndarray, Any], None] | None = None,
    *,
    fixed: int = 0,
) -> None:
    """Runs `step` until every sample has ended.

    Args:
        step: takes the samples that are in the slots, their state, what is given of those that
            enter anew and which slots they enter (`entered` puts them there): where it is compiled
            as many rows as there are slots and a mask `(S,)`, otherwise theirs and the numbers of
            the slots, both `None` for nobody. It returns the samples and the state after a step.
            `stop` in a state says who is running. The third thing it returns goes to `watch`.
        start: makes samples and their state from what is given of them, all tensors.
        given: all there are, a structure of arrays of `N` rows.
        finished: is handed the indices of samples that ended, and their state, as arrays.
        batch_size: the number of slots. When no sample waits and a fifth of them are empty, these
            go; on JAX, which compiles for seconds, seven eighths in one go, 16 at least.
        most: after how many steps a sample must have ended.
        watch: is called after each step with the sample in each slot (-1 for none) and the second
            thing `step` returned.
        fixed: how many slots there are at least, of which none goes, as the model is traced anew
            for another number of samples or insists on one; 0 if they may go.
    """
    total = len(keras.tree.flatten(given)[0])
    size = max(min(batch_size, total), fixed)
    slots, age, waiting = np.full(size, -1), np.zeros(size, int), 0
    held, state = start(_each(lambda rows: tensor(rows[np.arange(size) % total]), given))
    nobody = _rows(given, slots, slots[:0])
    state = state._replace(stop=ops.full_like(state.stop, int(Stop.EMPTY)))
    while True:
        free = np.flatnonzero(slots < 0)
        fresh = free[: total - waiting]
        if len(fresh):
            slots[fresh] = np.arange(waiting, waiting + len(fresh))
            age[fresh] = 0
            waiting += len(fresh)
            entering = _rows(given, slots, fresh)
        elif len(free) == size:
            return
        elif not fixed and smaller(size, size - len(free)) < size:
            size = smaller(size, size - len(free))
            keep = np.argsort(slots < 0, kind="stable")[:size]
            slots, age = slots[keep], age[keep]
            held, state = _each(lambda part, keep=keep: tensor(rows_of(part, keep)), (held, state))
            entering = nobody = _rows(given, slots, slots[:0])
        else:
            entering = nobody
        with within_memory(size):
            held, state, seen = step(held, state, *entering)
            stop = ops.convert_to_numpy(state.stop)
        if watch is not None:
            watch(slots, seen)
        age += 1
        ended = np.flatnonzero((stop != Stop.RUNNING) & (slots >= 0))
        if len(ended):
            finished(slots[ended], _each(lambda part, ended=ended: rows_of(part, ended), state))
            slots[ended] = -1
        if (age[slots >= 0] >= most).any():
            raise RuntimeError(
                f"A sample has not ended after {most} passes. Let a plan end it with "
                "Stop.MAX_STEPS, once state.steps >= limits.max_steps."
            )


def entered(held, fresh, where):
    """A structure of tensors in which some slots hold the rows of another one, see `drive`."""

    def enter(old, new):
        if not COMPILES:
            return ops.scatter_update(old, where[:, None], new)
        return ops.where(rows_like(where, new), new, old)

    return _each(enter, held, fresh)


def _rows(given: Any, slots: np.ndarray, fresh: np.ndarray) -> tuple[Any, Any]:
    """What a step is given of the slots that samples enter, see `drive`."""
    if not COMPILES:
        if not len(fresh):
            return None, None
        return _each(lambda rows: tensor(rows[slots[fresh]]), given), tensor(fresh)

    def entering(rows):
        found = np.zeros((len(slots), *rows.shape[1:]), rows.dtype)
        found[fresh] = rows[slots[fresh]]
        return tensor(found)

    mask = np.zeros(len(slots), bool)
    mask[fresh] = True
    return _each(entering, given), tensor(mask)
