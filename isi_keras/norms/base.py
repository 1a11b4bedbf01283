"""What a norm is."""

import abc
import math
from typing import Any, ClassVar, NamedTuple

from keras import ops

from isi_keras import _component
from isi_keras.results import Stop


class Step(NamedTuple):
    """What a norm knows of the batch it is to move.

    Args:
        x: the inputs, `(N, ...)`.
        origin: the inputs before the attack, of the same shape.
        order: the step in which each input was first picked, 0 if never, of the same shape.
        number: the number of this step, from 1, `(N,)`.
        active: which samples are to move, `(N,)` bool. The others stay exactly as they are.
        bounds: the least and the greatest value, tensors that broadcast to `x`.
        channel_axis: the axis of `x` that counts channels, `None` if there is none.
    """

    x: Any
    origin: Any
    order: Any
    number: Any
    active: Any
    bounds: tuple[Any, Any]
    channel_axis: int | None = None


class Move(NamedTuple):
    """What a step did: the new `x` and `order`, and which samples it did anything to, `(N,)`."""

    x: Any
    order: Any
    moved: Any


class Norm(_component.Component, abc.ABC):
    """Base of the norms: each is a rule for one step under that norm.

    `stuck` is why a sample stops that no step can move; `unit` says what the norm counts, one of
    `axes.UNITS`.
    """

    kind: ClassVar[str] = "norm"
    stuck: ClassVar[Stop] = Stop.NO_CHANGE
    unit: Any = "feature"

    def share(self, shape: tuple, data_format: str) -> float | None:
        """The share of the inputs that a step may change anew; `None` if steps do not say.

        Args:
            shape: that of one sample.
            data_format: `"channels_last"` or `"channels_first"`.
        """
        return None

    @abc.abstractmethod
    def move(self, significance: Any, step: Step) -> Move:
        """One step for a batch.

        Args:
            significance: what an indicator says of each input, a `Significance`.
            step: what there is to move.
        """


def flat(tensor):
    """`(N, ...)` as `(N, D)`."""
    return ops.reshape(tensor, (-1, math.prod(tensor.shape[1:])))


def rows_like(values, x):
    """`(N,)` reshaped to broadcast over `x`."""
    return ops.reshape(values, (-1, *[1] * (len(x.shape) - 1)))
