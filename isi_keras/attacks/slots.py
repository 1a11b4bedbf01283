"""A batch that stays full: finished samples leave their slots and the next ones take them.

Samples need very different numbers of steps. A fixed batch would compute finished samples for
nothing, a shrinking one would be compiled for every size anew.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops

from isi_keras.backend import SHRINK, tensor

EMPTY, RUNNING = -1, 0
# A batch is not shrunk below an eighth, nor below so many: compiling for each size costs more.
_SMALLEST_SHARE, _FEWEST = 8, 16

State = dict[str, Any]


def drive(
    step: Callable[[State, State, Any], tuple[State, Any]],
    start: Callable[[State], State],
    samples: Mapping[str, np.ndarray],
    finished: Callable[[np.ndarray, dict[str, np.ndarray]], None],
    batch_size: int,
    watch: Callable[[np.ndarray, Any], None] | None = None,
) -> None:
    """Runs `step` until every sample has ended.

    Args:
        step: takes a state, rows of `samples` and a mask `(S,)` of the slots that these rows enter
            anew (`entered` puts them there); returns the next state. The entry `"status"` of a
            state says who is `RUNNING`. The second thing it returns goes to `watch`.
        start: makes a state from rows of `samples`, all tensors.
        samples: what is known of the samples, arrays of `N` rows.
        finished: is handed the indices of samples that ended, and their rows.
        batch_size: the number of slots. When no sample waits and half of them are empty, the
            number is halved, down to an eighth or 16; on JAX, which compiles for seconds, in one go
            when an eighth is left, no fewer than 16.
        watch: is called after each step with the sample in each slot (-1 for none) and the second
            thing `step` returned.
    """
    total = len(next(iter(samples.values())))
    size = min(batch_size, total)
    smallest = max(_FEWEST, size // _SMALLEST_SHARE)
    slots, waiting = np.full(size, -1), 0
    rows, mask = nobody = _rows(samples, slots, slots[:0])
    state = start(rows)
    state["status"] = ops.full_like(state["status"], EMPTY)
    while True:
        free = np.flatnonzero(slots < 0)
        fresh = free[: total - waiting]
        if len(fresh):
            slots[fresh] = np.arange(waiting, waiting + len(fresh))
            waiting += len(fresh)
            rows, mask = _rows(samples, slots, fresh)
        elif len(free) == size:
            return
        elif len(free) >= size - size // SHRINK and size // SHRINK >= smallest:
            size //= SHRINK
            keep = np.argsort(slots < 0, kind="stable")[:size]
            slots = slots[keep]
            state = {name: tensor(ops.convert_to_numpy(part)[keep]) for name, part in state.items()}
            rows, mask = nobody = _rows(samples, slots, slots[:0])
        else:
            rows, mask = nobody
        state, seen = step(state, rows, mask)
        if watch is not None:
            watch(slots, seen)
        ended = np.flatnonzero((ops.convert_to_numpy(state["status"]) != RUNNING) & (slots >= 0))
        if len(ended):
            found = {
                name: ops.convert_to_numpy(part)[ended]
                for name, part in state.items()
                if name not in samples
            }
            finished(slots[ended], found)
            slots[ended] = -1


def entered(state: State, started: State, fresh) -> State:
    """The state in which the slots of the mask `fresh` hold the rows of `started`."""
    return {
        name: ops.where(ops.reshape(fresh, (-1, *[1] * (len(rows.shape) - 1))), rows, state[name])
        for name, rows in started.items()
    }


def _rows(samples, slots, fresh) -> tuple[State, Any]:
    """The samples of the fresh slots, zeros in the other rows, and the mask of the fresh."""
    known = {}
    for name, rows in samples.items():
        known[name] = np.zeros((len(slots), *rows.shape[1:]), rows.dtype)
        known[name][fresh] = rows[slots[fresh]]
    mask = np.zeros(len(slots), bool)
    mask[fresh] = True
    return {name: tensor(rows) for name, rows in known.items()}, tensor(mask)
