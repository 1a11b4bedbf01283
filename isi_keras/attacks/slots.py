"""A batch that stays full: finished samples leave their slots and the next ones take them.

Samples need very different numbers of steps. A fixed batch would compute finished samples for
nothing, a shrinking one would be compiled for every size anew.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.attacks.state import Samples, State
from isi_keras.backend import smaller, tensor
from isi_keras.models.batches import within_memory
from isi_keras.results import Stop


def drive(
    step: Callable[[Samples, State, Any, Any], tuple[Samples, State, Any]],
    start: Callable[[Any], tuple[Samples, State]],
    given: Any,
    finished: Callable[[np.ndarray, State], None],
    batch_size: int,
    most: int,
    watch: Callable[[np.ndarray, Any], None] | None = None,
    *,
    fixed: bool = False,
) -> None:
    """Runs `step` until every sample has ended.

    Args:
        step: takes the samples that are in the slots, their state, what is given of those that
            enter anew and a mask `(S,)` of the slots they enter (`entered` puts them there);
            returns the samples and the state after a step. `stop` in a state says who is running.
            The third thing it returns goes to `watch`.
        start: makes samples and their state from what is given of them, all tensors.
        given: all there are, a structure of arrays of `N` rows.
        finished: is handed the indices of samples that ended, and their state, as arrays.
        batch_size: the number of slots. When no sample waits and a fifth of them are empty, these
            go; on JAX, which compiles for seconds, seven eighths in one go, down to no fewer than
            16. With `fixed`, none goes.
        most: after how many steps a sample must have ended.
        watch: is called after each step with the sample in each slot (-1 for none) and the second
            thing `step` returned.
        fixed: whether the batch keeps its size, as the model is traced anew for another.
    """
    total = len(keras.tree.flatten(given)[0])
    size = min(batch_size, total)
    slots, age, waiting = np.full(size, -1), np.zeros(size, int), 0
    rows, mask = nobody = _rows(given, slots, slots[:0])
    held, state = start(rows)
    state = state._replace(stop=ops.full_like(state.stop, int(Stop.EMPTY)))
    while True:
        free = np.flatnonzero(slots < 0)
        fresh = free[: total - waiting]
        if len(fresh):
            slots[fresh] = np.arange(waiting, waiting + len(fresh))
            age[fresh] = 0
            waiting += len(fresh)
            rows, mask = _rows(given, slots, fresh)
        elif len(free) == size:
            return
        elif not fixed and smaller(size, size - len(free)) < size:
            size = smaller(size, size - len(free))
            keep = np.argsort(slots < 0, kind="stable")[:size]
            slots, age = slots[keep], age[keep]
            held, state = _rows_of((held, state), keep, tensor)
            rows, mask = nobody = _rows(given, slots, slots[:0])
        else:
            rows, mask = nobody
        with within_memory(size):
            held, state, seen = step(held, state, rows, mask)
            stop = ops.convert_to_numpy(state.stop)
        if watch is not None:
            watch(slots, seen)
        age += 1
        ended = np.flatnonzero((stop != Stop.RUNNING) & (slots >= 0))
        if len(ended):
            finished(slots[ended], _rows_of(state, ended))
            slots[ended] = -1
        if (age[slots >= 0] >= most).any():
            raise RuntimeError(
                f"A sample has not ended after {most} passes. Let a plan end it with "
                "Stop.MAX_STEPS, once state.steps >= limits.max_steps."
            )


def entered(held, fresh, mask):
    """A structure of tensors in which the slots of a mask hold the rows of another one."""

    def enter(old, new):
        return ops.where(ops.reshape(mask, (-1, *[1] * (len(new.shape) - 1))), new, old)

    return keras.tree.map_structure(enter, held, fresh)


def _rows_of(structure, index: np.ndarray, made: Callable = np.asarray):
    """Some rows of each tensor of a structure."""
    return keras.tree.map_structure(lambda part: made(ops.convert_to_numpy(part)[index]), structure)


def _rows(given: Any, slots: np.ndarray, fresh: np.ndarray) -> tuple[Any, Any]:
    """What is given of the fresh slots, zeros in the other rows, and the mask of the fresh."""

    def entering(rows):
        found = np.zeros((len(slots), *rows.shape[1:]), rows.dtype)
        found[fresh] = rows[slots[fresh]]
        return tensor(found)

    mask = np.zeros(len(slots), bool)
    mask[fresh] = True
    return keras.tree.map_structure(entering, given), tensor(mask)
