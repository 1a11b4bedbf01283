"""What a norm is."""

import abc
import math
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from isi_keras import _checks, _component

UNITS = ("feature", "pixel")


class Step(NamedTuple):
    """What a norm knows of the batch it is to move.

    Args:
        x: the inputs, `(N, ...)`.
        origin: the inputs before the attack, of the same shape; `None` unless the norm is anchored.
        order: the step in which each input was first picked, 0 if never, of the same shape.
        number: the number of this step, from 1, `(N,)`.
        active: which samples are to move, `(N,)` bool. The others stay exactly as they are.
        bounds: the least and the greatest value, tensors that broadcast to `x`.
    """

    x: Any
    origin: Any
    order: Any
    number: Any
    active: Any
    bounds: tuple[Any, Any]


class Move(NamedTuple):
    """What a step did: the new `x` and `order`, and which samples it did anything to, `(N,)`."""

    x: Any
    order: Any
    moved: Any


class Norm(_component.Component, abc.ABC):
    """Base of the norms.

    `stuck` is the stop reason of a sample that no step can move; a norm that is `anchored` needs
    to know where the inputs began.
    """

    kind: ClassVar[str] = "norm"
    stuck: ClassVar[str] = "no_change"

    @property
    def anchored(self) -> bool:
        """Whether steps need to know where the inputs began."""
        return False

    def share(self, shape: tuple) -> float | None:
        """The share of the inputs that a step may change anew; `None` if steps do not say.

        Args:
            shape: that of one sample.
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


def check_count(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"Expected {name} to be an integer, at least 1. Received: {name}={value!r}."
        )


def check_positive(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"Expected {name} to be a number above 0. Received: {name}={value!r}.")


def check_unit(unit: Any) -> None:
    """Raises ValueError unless `unit` is one of `UNITS`."""
    if unit not in UNITS:
        raise ValueError(_checks.unknown("unit", unit, UNITS))


def choices(unit: str, shape: tuple) -> int:
    """How many features or pixels there are in a sample of a shape."""
    count = math.prod(shape)
    by_pixel = unit == "pixel" and len(shape) > 1
    return count // shape[-1 if channel_axis() < 0 else 0] if by_pixel else count


def channel_axis() -> int:
    """Where the channels of images are, in the data format Keras is set to."""
    return -1 if keras.config.image_data_format() == "channels_last" else 1
