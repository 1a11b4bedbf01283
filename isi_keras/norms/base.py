"""What a norm is."""

import abc
from typing import Any, ClassVar, NamedTuple

from keras import ops

from isi_keras import _component
from isi_keras.domain import Domain, Fitted
from isi_keras.norms import offers
from isi_keras.results import Stop


class Step(NamedTuple):
    """What a norm knows of the batch it is to move.

    Args:
        x: the inputs, `(N, ...)`.
        origin: the inputs before the attack, of the same shape.
        order: the step in which each input was first picked, 0 if never, of the same shape.
        number: the number of this step, from 1, `(N,)`.
        active: which samples are to move, `(N,)` bool. The others stay exactly as they are.
        bounds: the least and the greatest value that each input may reach, tensors that broadcast
            to `x`: those of the sample, both its clean value where an input is frozen.
        channel_axis: the axis of `x` that counts channels, `None` if there is none.
        constraints: what a `Domain` says beyond a bare range, as `Constraints`; `None` for a bare
            one.
        max_inputs: how many inputs may be picked in all, `None` for any number.
    """

    x: Any
    origin: Any
    order: Any
    number: Any
    active: Any
    bounds: tuple[Any, Any]
    channel_axis: int | None = None
    constraints: offers.Constraints | None = None
    max_inputs: Any = None

    @property
    def width(self):
        """How wide the range of each input is, a tensor that broadcasts to `x`."""
        low, high = (
            self.bounds
            if self.constraints is None
            else (self.constraints.floor, self.constraints.ceiling)
        )
        return high - low

    @property
    def grid(self) -> Any:
        """The `Grid` of the domain, `()` for none."""
        return () if self.constraints is None else self.constraints.grid

    def amount(self, size: float, relative: bool):
        """How far a step goes: a share of the width, or in the units of the data.

        On a grid it is a whole number of its steps, at least one.
        """
        return offers.amount(size, self.width if relative else None, self.grid)

    def to_bound(self, direction):
        """The value of each input at its bound in a direction, -1, 0 or +1."""
        low, high = self.bounds
        return ops.where(direction > 0, high, ops.where(direction < 0, low, self.x))

    def offer(self, score, direction, value, every: bool = False) -> offers.Offer:
        """What may be moved where: what is free, and the allowed value next to the wanted one.

        Args:
            score: how urgent it is to move each input, of the shape of `x`.
            direction: which way, -1, 0 or +1.
            value: where it would be moved.
            every: whether all members of a one-hot group are offered, not only the best.
        """
        return offers.offered(score, direction, value, self, every)


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

    def check(self, domain: Domain, fitted: Fitted, x: Any) -> None:
        """Raises if steps cannot be made in a domain; by default they can in any.

        Args:
            domain: what an input may become.
            fitted: the same for inputs of this shape.
            x: the inputs, `(N, ...)`, an array.

        Raises:
            ValueError: if they cannot; the text names the column and says what to do.
        """

    @abc.abstractmethod
    def move(self, significance: Any, step: Step) -> Move:
        """One step for a batch.

        Args:
            significance: what an indicator says of each input, a `Significance`.
            step: what there is to move.
        """
