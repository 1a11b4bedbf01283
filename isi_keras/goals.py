"""What an attack wants: whether it is reached, and which combination of logits is to grow."""

import abc
import dataclasses
from typing import Any

from keras import ops

from isi_keras import _checks

OBJECTIVES = ("logit", "margin")


@dataclasses.dataclass(frozen=True)
class Goal(abc.ABC):
    """Base of the goals.

    Args:
        classes: the class each sample is moved away from or towards, `(N,)` int32.
        objective: `"logit"` moves the logit of that class alone (Qiu and Zhou 2020); `"margin"`
            moves its distance from the greatest other logit.

    Raises:
        ValueError: for an unknown `objective`.
    """

    classes: Any
    objective: str = "logit"

    def __post_init__(self):
        _checks.one_of("objective", self.objective, OBJECTIVES)

    @abc.abstractmethod
    def reached(self, logits) -> Any:
        """Whether the prediction is where the goal wants it, `(N,)` bool."""

    @abc.abstractmethod
    def seed(self, logits) -> Any:
        """The cotangent of the logits, `(N, K)`: its product with the logits is to grow."""

    def _rise(self, logits):
        own = ops.one_hot(self.classes, logits.shape[-1], dtype="float32")  # (N, K)
        if self.objective == "logit":
            return own
        best_other = ops.argmax(ops.where(own > 0, -float("inf"), logits), axis=-1)
        return own - ops.one_hot(best_other, logits.shape[-1], dtype="float32")


class Untargeted(Goal):
    """Any class but `classes`: the logit of `classes` is to fall."""

    def reached(self, logits):  # noqa: D102
        return ops.argmax(logits, axis=-1) != self.classes

    def seed(self, logits):  # noqa: D102
        return -self._rise(logits)


class Targeted(Goal):
    """The class `classes` and no other: its logit is to rise."""

    def reached(self, logits):  # noqa: D102
        return ops.argmax(logits, axis=-1) == self.classes

    def seed(self, logits):  # noqa: D102
        return self._rise(logits)


@dataclasses.dataclass(frozen=True)
class Contrast(Goal):
    """The class `classes` rather than `others`: the difference of the two logits is to rise.

    Args:
        classes: the classes whose logits are to rise, `(N,)` int32.
        objective: without effect.
        others: the classes whose logits are to fall, `(N,)` int32.
    """

    others: Any = None

    def reached(self, logits):  # noqa: D102
        return ops.argmax(logits, axis=-1) == self.classes

    def seed(self, logits):  # noqa: D102
        rising, falling = (
            ops.one_hot(classes, logits.shape[-1], dtype="float32")
            for classes in (self.classes, self.others)
        )
        return rising - falling
