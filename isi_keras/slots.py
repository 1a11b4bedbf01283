"""A batch that stays full: finished samples leave their slots and the next ones take them.

Samples need very different numbers of steps. A fixed batch would compute finished samples for
nothing, a shrinking one would be compiled for every size anew.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops

from isi_keras import backend

EMPTY, RUNNING = -1, 0
_SMALLEST_SHARE = 8

State = dict[str, Any]


def drive(
    step: Callable[[State], tuple[State, Any]],
    samples: Mapping[str, np.ndarray],
    start: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]],
    finished: Callable[[np.ndarray, dict[str, np.ndarray]], None],
    batch_size: int,
    watch: Callable[[np.ndarray, dict[str, np.ndarray], Any], None] | None = None,
) -> None:
    """Runs `step` until every sample has ended.

    Args:
        step: takes and returns a dictionary of tensors with one row a slot. Its entry `"status"`
            says who is `RUNNING`. The second thing it returns goes to `watch`.
        samples: what is known of the samples, arrays of `N` rows.
        start: makes the rows of a state from rows of `samples`.
        finished: is handed the indices of samples that ended, and their rows.
        batch_size: the number of slots. When no sample waits and half of them are empty, the
            number is halved, down to an eighth.
        watch: is called after each step with the sample in each slot (-1 for none), the number of
            steps each had taken before, and the second thing `step` returned.
    """
    total = len(next(iter(samples.values())))
    size = smallest = min(batch_size, total)
    smallest = max(1, size // _SMALLEST_SHARE)
    slots, waiting, state = np.full(size, -1), 0, None
    while True:
        free = np.flatnonzero(slots < 0)
        fresh = free[: total - waiting]
        if len(fresh):
            slots[fresh] = np.arange(waiting, waiting + len(fresh))
            waiting += len(fresh)
            rows = _rows(samples, start, slots, fresh)
            state = rows if state is None else _refill(state, rows, _mask(size, fresh))
        elif len(free) == size:
            return
        elif len(free) >= size - size // 2 and size // 2 >= smallest:
            size //= 2
            keep = np.argsort(slots < 0, kind="stable")[:size]
            slots = slots[keep]
            state = {name: tensor(ops.convert_to_numpy(rows)[keep]) for name, rows in state.items()}  # pyright: ignore[reportOptionalMemberAccess]
        before = state
        state, seen = step(state)  # pyright: ignore[reportArgumentType]
        if watch is not None:
            watch(slots, before, seen)  # pyright: ignore[reportArgumentType]
        ended = np.flatnonzero((ops.convert_to_numpy(state["status"]) != RUNNING) & (slots >= 0))
        if len(ended):
            finished(
                slots[ended],
                {name: ops.convert_to_numpy(rows)[ended] for name, rows in state.items()},
            )
            slots[ended] = -1


def tensor(array: np.ndarray):
    """An array as a tensor of the same dtype."""
    return ops.convert_to_tensor(array, dtype=str(array.dtype))


def _rows(samples, start, slots, fresh) -> State:
    """A state in which the fresh slots hold their samples and the others nothing of use."""
    known = {
        name: np.zeros((len(slots), *rows.shape[1:]), rows.dtype) for name, rows in samples.items()
    }
    for name, rows in samples.items():
        known[name][fresh] = rows[slots[fresh]]
    state = start(known)
    status = np.full(len(slots), EMPTY, "int32")
    status[fresh] = RUNNING
    return {name: tensor(rows) for name, rows in {**state, "status": status}.items()}


def _mask(size: int, fresh: np.ndarray):
    mask = np.zeros(size, bool)
    mask[fresh] = True
    return tensor(mask)


@backend.jit
def _refill(state: State, rows: State, mask) -> State:
    return {
        name: ops.where(ops.reshape(mask, (-1, *[1] * (len(old.shape) - 1))), rows[name], old)
        for name, old in state.items()
    }
