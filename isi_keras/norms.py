"""Norms: what one step of an attack may change, given a score and a direction."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from isi_keras import _component

UNITS = ("feature", "pixel")


class Move(NamedTuple):
    """What a step did.

    Args:
        x: the inputs after the step, `(N, ...)`.
        picked: the inputs the step chose, of the shape of `x`, bool. A sample with none is stuck.
    """

    x: Any
    picked: Any


class Norm(_component.Component, abc.ABC):
    """Base of the norms. `stuck` is the stop reason of a sample that no step can move."""

    kind: ClassVar[str] = "norm"
    stuck: ClassVar[str] = "no_change"

    @abc.abstractmethod
    def step(self, x, origin, score, direction, order, bounds) -> Move:
        """One step for a batch.

        Args:
            x: the inputs, `(N, ...)`.
            origin: the inputs before the attack, of the same shape.
            score: how urgent it is to move each input, of the same shape.
            direction: which way, -1, 0 or +1, of the same shape.
            order: the step in which each input was picked first, 0 if never, of the same shape.
            bounds: the least and the greatest value, tensors that broadcast to `x`.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class L0(Norm):
    """Few inputs, changed as far as the bounds allow, each at most once.

    Args:
        features: how many inputs a step changes, at least 1.
        unit: `"feature"` counts every channel of a pixel by itself; `"pixel"` takes all channels
            of a pixel at once, by the sum of their scores. The channel axis is that of
            `keras.config.image_data_format()`; inputs of one axis have no channels.
        skip_saturated: whether inputs that already are at the bound they would be moved to are
            passed over. The published attack lets them use up a step; passing over them makes
            the same changes in fewer steps.

    Raises:
        ValueError: if `features` is not a positive integer or `unit` is unknown.

    Source: Qiu and Zhou 2020 (`features=1`, `unit="feature"`, `skip_saturated=False`).
    """

    stuck: ClassVar[str] = "exhausted"
    features: int = 1
    unit: str = "feature"
    skip_saturated: bool = False

    def __post_init__(self):
        _positive_integer("features", self.features)
        if self.unit not in UNITS:
            raise ValueError(_component.unknown("unit", self.unit, UNITS))

    def step(self, x, origin, score, direction, order, bounds):  # noqa: D102
        low, high = bounds
        extreme = ops.where(direction > 0, high, ops.where(direction < 0, low, x))
        free = order == 0
        if self.skip_saturated:
            free = ops.logical_and(free, extreme != x)
        if self.unit == "pixel" and len(x.shape) > 2:
            axis = -1 if keras.config.image_data_format() == "channels_last" else 1
            score = ops.sum(score, axis=axis, keepdims=True)
            free = ops.any(free, axis=axis, keepdims=True)
        picked = ops.logical_and(_greatest(score, free, self.features), ops.ones_like(x, "bool"))
        return Move(ops.where(picked, extreme, x), picked)


@dataclasses.dataclass(frozen=True, eq=False)
class L2(Norm):
    """Several inputs a step, each by the same amount, as often as it takes.

    Args:
        features: how many inputs a step changes, at least 1.
        step_size: by how much, in the units of the data, above 0.

    Raises:
        ValueError: if `features` is not a positive integer or `step_size` not positive.

    Source: Qiu and Zhou 2020; here every step ends inside the bounds.
    """

    features: int = 20
    step_size: float = 0.1

    def __post_init__(self):
        _positive_integer("features", self.features)
        _positive("step_size", self.step_size)

    def step(self, x, origin, score, direction, order, bounds):  # noqa: D102
        chosen = ops.cast(_greatest(score, None, self.features), x.dtype)
        moved = ops.clip(x + self.step_size * chosen * direction, *bounds)
        return Move(moved, moved != x)


@dataclasses.dataclass(frozen=True, eq=False)
class Linf(Norm):
    r"""All inputs, a little each step: $x + s \operatorname{sign}(\text{score})\,\text{direction}$.

    With `Sensitivity` a single step is the fast gradient sign method, and several with `epsilon`
    are projected gradient descent without a random start.

    Args:
        step_size: by how much, in the units of the data, above 0.
        epsilon: how far an input may get from where it began, in the units of the data; `None`
            (as published) for as far as the bounds allow.

    Raises:
        ValueError: if `step_size` or `epsilon` is not positive.

    Source: Qiu and Zhou 2020; Goodfellow et al. 2015; Madry et al. 2018.
    """

    step_size: float = 0.06
    epsilon: float | None = None

    def __post_init__(self):
        _positive("step_size", self.step_size)
        if self.epsilon is not None:
            _positive("epsilon", self.epsilon)

    def step(self, x, origin, score, direction, order, bounds):  # noqa: D102
        moved = x + self.step_size * ops.sign(score) * direction
        if self.epsilon is not None:
            moved = ops.clip(moved, origin - self.epsilon, origin + self.epsilon)
        moved = ops.clip(moved, *bounds)
        return Move(moved, moved != x)


NAMES: dict[str, Callable[[], Norm]] = {"l0": L0, "l2": L2, "linf": Linf}


def get(identifier: Any) -> Norm:
    """Turns `"l0"`, `"l2"`, `"linf"`, a configuration or a `Norm` into a `Norm`."""
    return _component.get(identifier, Norm, NAMES, (L0, L2, Linf))


def _greatest(score, free, count: int):
    """Where the `count` greatest scores of each sample are, among the free ones; bool.

    Of equal scores the lowest index goes first, on every backend.
    """
    shape = score.shape
    score = ops.reshape(score, (shape[0], -1))  # (N, D)
    if free is not None:
        free = ops.reshape(free, score.shape)
        score = ops.where(free, score, -float("inf"))
    count = min(count, score.shape[1])
    if count == 1:
        first = ops.argmax(score, axis=1)
        chosen = ops.arange(score.shape[1], dtype=first.dtype) == first[:, None]
    else:
        least = ops.top_k(score, count, sorted=True)[0][:, -1:]  # (N, 1)
        above, equal = score > least, score == least
        room = count - ops.sum(ops.cast(above, "int32"), axis=1, keepdims=True)
        in_room = ops.cumsum(ops.cast(equal, "int32"), axis=1) <= room
        chosen = ops.logical_or(above, ops.logical_and(equal, in_room))
    if free is not None:
        chosen = ops.logical_and(chosen, free)
    return ops.reshape(chosen, shape)


def _positive_integer(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"Expected {name} to be an integer, at least 1. Received: {name}={value!r}."
        )


def _positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"Expected {name} to be a number above 0. Received: {name}={value!r}.")
