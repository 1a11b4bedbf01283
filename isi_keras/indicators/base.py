"""What an indicator is."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from keras import ops

from isi_keras import _component, backend, models
from isi_keras.rows import flat


class Factors(NamedTuple):
    """The two factors of a saliency, which a search for several inputs sums before it multiplies.

    Args:
        u: one factor of each input, `(N, M, ...)` for `M` alternatives of which the best is taken.
        v: the other, likewise.
        ways: which way the inputs move in each alternative, `M` numbers, -1 or +1.
    """

    u: Any
    v: Any
    ways: tuple[float, ...]


class Significance(NamedTuple):
    """What an indicator says of a batch; the first three have the structure and shapes of `x`.

    Args:
        score: how urgent it is to move each input; the greatest is moved first.
        direction: which way to move it, -1, 0 or +1.
        relevance: the map itself, as `explain` returns it.
        factors: the `Factors` of the score, if it is a saliency.
    """

    score: Any
    direction: Any
    relevance: Any
    factors: Any = None

    def magnitude(self):
        """Whether there is anything to say of each sample, `(N,)`: 0 if not, NaN if a part is."""
        parts = [self.score] if self.factors is None else self.factors[:2]
        return sum(ops.sum(ops.abs(flat(part)), axis=-1) for part in parts)


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
    per_unit: ClassVar[bool] = True
    """Whether scores are those of moving an input by one unit of it, so that they can be scaled."""
    centred: ClassVar[bool] = False
    """Whether scores depend on the centre that `significance` is given."""

    def cost(self, classes: int) -> tuple[int, int]:
        """How many forward and backward passes the logits and the significance take together.

        Args:
            classes: how many classes the model has.
        """
        return 1, 1

    @abc.abstractmethod
    def prepare(self, planned: models.Planned, sample, *, centred: bool = False, **wanted) -> Any:
        """What the indicator differentiates of a model: an object like `models.Differentiable`.

        Args:
            planned: the model.
            sample: a batch of its inputs.
            centred: whether `significance` will be given a centre.
            wanted: `layers` and `absorbed`, as `Propagation` takes them.
        """

    @abc.abstractmethod
    def significance(self, point: Point, goal, centre) -> Significance:
        """The significance of each input for the goal.

        Args:
            point: the batch.
            goal: an `Untargeted` or `Targeted`.
            centre: the middle of the bounds, or 0.
        """


def at(differentiable, model, x) -> Point:
    """The point `x` of a model, as seen by what an indicator prepared for it."""
    logits, pullback = backend.vjp(
        lambda variables: differentiable.logits(model, x, variables), differentiable.variables(x)
    )
    return Point(x, logits, pullback, lambda other: at(differentiable, model, other))
