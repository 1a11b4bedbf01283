"""What an attack knows of each sample while it runs: typed tuples of tensors."""

from typing import Any, NamedTuple

import numpy as np
import optree
from keras import ops

from isi_keras import _checks, aims
from isi_keras.results import Stop
from isi_keras.rows import rows_like

UNKNOWN = -1
"""A class that is not known, or not given."""


class Samples(NamedTuple):
    """What is given of each sample, tensors of `S` rows that never change.

    Args:
        x: the inputs before the attack, `(S, ...)` float32.
        truth: the true classes, `(S,)` int32; `UNKNOWN` where none was given.
        target: the classes to reach, `(S,)` int32; `UNKNOWN` for an untargeted attack.
        number: which sample of the run each is, from 0, `(S,)` int32.
        low: the least value that each input may reach, `(S, ...)` float32 that broadcasts to `x`:
            its clean value where a `Domain` holds it there. Bounds are read here and nowhere else.
        high: the greatest.
        floor: the least value of the range of each input, whatever its clean value, likewise.
        ceiling: the greatest. `ceiling - floor` is what step sizes are shares of, and relevance is
            measured from the middle of both.
        grid: the `domain.Grid` of values that inputs may take; `()` for none.
        margin: by how much the goal has to lead, `(S,)` float32; `()` for what predicts it.
        among: which classes will do, `(S, K)` bool; `()` where a goal is one class, or any other.
        beside: what the planned model asks of each sample, inputs that are held and numbers of the
            goal; `()` for nothing. Plans need not look at it.
    """

    x: Any
    truth: Any
    target: Any
    number: Any
    low: Any
    high: Any
    floor: Any
    ceiling: Any
    grid: Any = ()
    margin: Any = ()
    among: Any = ()
    beside: Any = ()

    @property
    def centre(self):
        """The middle of the range of each input."""
        return (self.floor + self.ceiling) / 2

    @property
    def finite_centre(self):
        """The same, or the clean value of what has no middle, as it cannot move."""
        return ops.where(ops.isfinite(self.centre), self.centre, self.x)


class Limits(NamedTuple):
    """What a compiled step is told anew at each call, tensors.

    Args:
        max_steps: after how many steps a sample ends.
        max_inputs: how many inputs may be picked in all, for attacks that have such a budget.
    """

    max_steps: Any
    max_inputs: Any = 0


class State(NamedTuple):
    """What became of each sample so far, tensors of `S` rows.

    Args:
        x: where the attack is; when a sample ends, its adversarial example.
        order: the step in which each input was first changed, 0 if never, of the shape of `x`.
        clean_prediction: the class of the input before the attack, `UNKNOWN` before the first step.
        prediction: the class predicted last.
        steps: how many steps were taken.
        stop: a code of `Stop`; `Stop.RUNNING` while the sample takes steps.
        forward: how many forward passes it took.
        backward: how many backward passes.
        memory: whatever else an attack keeps of each sample, a structure of tensors.
    """

    x: Any
    order: Any
    clean_prediction: Any
    prediction: Any
    steps: Any
    stop: Any
    forward: Any
    backward: Any
    memory: Any = ()

    @classmethod
    def begin(cls, samples: Samples, memory: Any = ()) -> "State":
        """The state before the first step."""
        x = samples.x
        zeros = ops.zeros(ops.shape(x)[:1], "int32")
        return cls(
            x=x,
            order=ops.zeros_like(x, dtype="int32"),
            clean_prediction=zeros + UNKNOWN,
            prediction=zeros,
            steps=zeros,
            stop=zeros + int(Stop.RUNNING),
            forward=zeros,
            backward=zeros,
            memory=memory,
        )

    @property
    def running(self) -> Any:
        """Which samples take steps, `(S,)` bool."""
        return self.stop == int(Stop.RUNNING)

    def observed(self, logits, cost: tuple[int, int]) -> "State":
        """The state with what the logits at `x` say of those that run.

        Args:
            logits: the logits at `x`, `(S, K)`.
            cost: how many forward and backward passes they took, with all that came of them.
        """
        prediction = ops.cast(ops.argmax(logits, axis=-1), "int32")
        running = self.running
        first = running & (self.clean_prediction == UNKNOWN)
        forward, backward = (passes * ops.cast(running, "int32") for passes in cost)
        return self._replace(
            clean_prediction=ops.where(first, prediction, self.clean_prediction),
            prediction=ops.where(running, prediction, self.prediction),
            forward=self.forward + forward,
            backward=self.backward + backward,
        )

    def goal(self, samples: Samples, targeted: bool, objective: str = "logit") -> aims.Aim:
        """What each sample is to reach: its target, or any class but its clean prediction.

        Args:
            samples: what is given.
            targeted: whether there are classes to reach.
            objective: `"logit"` or `"margin"`, what is to grow.
        """
        margin = None if isinstance(samples.margin, tuple) else samples.margin
        if not isinstance(samples.among, tuple):
            return aims.Among(samples.among, objective, margin)
        if targeted:
            return aims.Reaching(samples.target, objective, margin)
        return aims.Leaving(self.clean_prediction, objective, margin)

    def unneeded(self, samples: Samples, reached) -> list[tuple[Any, Stop]]:
        """Whom there is no need to attack, as cases for `first_of`.

        Args:
            samples: what is given.
            reached: whose goal the logits at `x` reach, `(S,)` bool.
        """
        clean = self.steps == 0
        wrong = (samples.truth != UNKNOWN) & (self.prediction != samples.truth)
        return [
            (clean & wrong, Stop.MISCLASSIFIED),
            (clean & reached, Stop.ALREADY_TARGET),
        ]

    def advanced(self, stop, **moved: Any) -> "State":
        """The state after a step: those that end do so, the others have moved.

        Args:
            stop: why each sample ends at the `x` it has; `Stop.RUNNING` for one that goes on.
            moved: `x`, `order` and `memory` after the step, of all samples.
        """
        active = self.running & (stop == int(Stop.RUNNING))

        def chosen(new, old):
            if new is old:
                return old
            return ops.where(rows_like(active, old), new, old)

        old = {name: getattr(self, name) for name in moved}
        return self._replace(
            steps=self.steps + ops.cast(active, "int32"),
            stop=ops.where(self.running, stop, self.stop),
            **optree.tree_map(chosen, moved, old),  # pyright: ignore
        )


def first_of(*cases: tuple[Any, Stop]) -> Any:
    """The code of the first case that holds, `Stop.RUNNING` if none does, `(S,)` int32."""
    stop = ops.zeros_like(cases[0][0], dtype="int32") + int(Stop.RUNNING)
    for holds, code in reversed(cases):
        stop = ops.where(holds, int(code), stop)
    return stop


def numbers_from(first_index: Any, count: int) -> np.ndarray:
    """Which sample of a longer run each is, `(N,)` int32."""
    if isinstance(first_index, np.ndarray):
        numbers = first_index
    else:
        numbers = _checks.integer("first_index", first_index, 0) + np.arange(count)
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu" or numbers.max() >= 2**31:
        raise ValueError(
            f"Expected first_index to be a number below 2**31, or one for each of {count} samples. "
            f"Received: first_index={_checks.shown(first_index)}."
        )
    return numbers.astype("int32")
