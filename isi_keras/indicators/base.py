"""What an indicator is."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from isi_keras import _component, backend, models


class Significance(NamedTuple):
    """What an indicator says of a batch; every field has the structure and shapes of `x`.

    Args:
        score: how urgent it is to move each input; the greatest is moved first.
        direction: which way to move it, -1, 0 or +1.
        relevance: the map itself, as `explain` returns it.
    """

    score: Any
    direction: Any
    relevance: Any


class Point(NamedTuple):
    """The logits at a batch, and what they can be differentiated by.

    Args:
        x: the inputs, `(N, ...)`, or a structure of them.
        logits: the logits there, `(N, K)`.
        pullback: a function from a cotangent `(N, K)` to a dictionary of derivatives.
        at: a function from other inputs to their `Point`.
    """

    x: Any
    logits: Any
    pullback: Callable
    at: Callable


class Indicator(_component.Component, abc.ABC):
    """Base of the indicators."""

    kind: ClassVar[str] = "indicator"

    @property
    def cost(self) -> tuple[int, int]:
        """How many forward and backward passes the logits and the significance take together."""
        return 1, 1

    @abc.abstractmethod
    def passes(self, source: models.Logits, sample, *, centred: bool = False, **wanted) -> Any:
        """The passes that the indicator wants of a model: an object like `models.Passes`.

        Args:
            source: the model.
            sample: a batch of its inputs.
            centred: whether `significance` will be given a centre.
            wanted: `layers` and `leaks`, as `Propagation` takes them.
        """

    @abc.abstractmethod
    def significance(self, point: Point, goal, centre) -> Significance:
        """The significance of each input for the goal.

        Args:
            point: the batch.
            goal: an `Untargeted` or `Targeted`.
            centre: the middle of the bounds, or 0.
        """


def at(passes, model, x) -> Point:
    """The point `x` of a model, as its passes see it."""
    logits, pullback = backend.vjp(
        lambda variables: passes.logits(model, x, variables), passes.variables(x)
    )
    return Point(x, logits, pullback, lambda other: at(passes, model, other))
