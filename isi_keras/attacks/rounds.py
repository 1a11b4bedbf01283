"""The rounds of an attack: samples that ended one may go on in a later one, in slots of its own."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from isi_keras.attacks import slots
from isi_keras.attacks.state import Samples, State


class Round(NamedTuple):
    """A further round of an attack, for samples that ended the ones before.

    Args:
        takes: from a `State` of arrays, of samples that have ended, and `max_steps` to which of
            them go on, `(N,)` bool.
        begin: from `Samples` and the `State` they ended with to the one they go on with, tensors.
        step: as that of a `Plan`.
        rows: how many rows of the model a step computes of each sample.
    """

    takes: Callable[[State, int], np.ndarray]
    begin: Callable[[Samples, State], State]
    step: Callable[..., tuple[State, Any]]
    rows: int = 1

    def entered(self, given: tuple[Samples, State]) -> tuple[Samples, State]:
        """The samples and the state they go on with, from those they ended with."""
        samples, state = given
        return samples, self.begin(samples, state)


def drive(
    first: Callable,
    further: Sequence[tuple[Round, Callable]],
    start: Callable[[Samples], State],
    samples: Samples,
    finished: Callable[[np.ndarray, State], None],
    batch_size: int,
    max_steps: int,
    watch: Callable[[np.ndarray, Any], None] | None = None,
    *,
    fixed: int = 0,
) -> None:
    """Runs the rounds of an attack one after another; each keeps its own batch full.

    Args:
        first: the step of the first round, as `slots.drive` takes it.
        further: the later rounds and their steps, as `slots.drive` takes these.
        start: makes a state from samples, all tensors.
        samples: all there are, arrays of `N` rows.
        finished: is handed the indices of samples that no later round takes, and their state.
        batch_size: how many rows of the model are computed at once.
        max_steps: how many steps a sample may take.
        watch: as `slots.drive` takes it.
        fixed: likewise.
    """
    rounds = [each for each, _ in further]
    waiting: list[list[tuple[np.ndarray, State]]] = [[] for _ in rounds]

    def hand_on(index: np.ndarray, state: State, done: int) -> None:
        """Each goes to the next round that takes it: till then nothing of it changes."""
        left = np.ones(len(index), bool)
        for number in range(done, len(rounds)):
            taken = left & rounds[number].takes(state, max_steps)
            if taken.any():
                waiting[number].append((index[taken], _rows(state, taken)))
            left &= ~taken
        if left.any():
            finished(index[left], _rows(state._replace(memory=()), left))

    slots.drive(
        first,
        lambda fresh: (fresh, start(fresh)),
        samples,
        lambda index, state: hand_on(index, state, 0),
        batch_size,
        max_steps + 1,
        watch,
        fixed=fixed,
    )
    for number, (each, step) in enumerate(further):
        if not waiting[number]:
            continue
        index = np.concatenate([one for one, _ in waiting[number]])
        states = keras.tree.map_structure(
            lambda *parts: np.concatenate(parts), *[state for _, state in waiting[number]]
        )
        waiting[number].clear()
        slots.drive(
            step,
            each.entered,
            (_rows(samples, index), states),
            lambda among, state, index=index, done=number + 1: hand_on(index[among], state, done),
            max(1, batch_size // each.rows),
            max_steps + 1,
            None
            if watch is None
            else lambda held, seen, index=index: watch(np.where(held < 0, -1, index[held]), seen),
            fixed=fixed,
        )


def _rows(structure: Any, index: np.ndarray) -> Any:
    return keras.tree.map_structure(lambda part: part[index], structure)
