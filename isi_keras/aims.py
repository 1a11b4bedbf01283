"""What a goal is for the samples of a batch: whether each has reached it, and what is to grow."""

import abc
import dataclasses
from typing import Any

from keras import ops

from isi_keras import _checks

OBJECTIVES = ("logit", "margin")


@dataclasses.dataclass(frozen=True)
class Aim(abc.ABC):
    """Base of the aims, for those who write an indicator or an attack.

    Args:
        classes: the class each sample is moved away from or towards, `(N,)` int32.
        objective: `"logit"` moves the logit of that class alone (Qiu and Zhou 2020); `"margin"`
            moves its distance from the greatest other logit.
        margin: by how much it has to lead, `(N,)` float32 in logits; `None` for what predicts it.

    Raises:
        ValueError: for an unknown `objective`.
    """

    classes: Any
    objective: str = "logit"
    margin: Any = None

    def __post_init__(self):
        _checks.one_of("objective", self.objective, OBJECTIVES)

    @abc.abstractmethod
    def holds(self, logits) -> Any:
        """Whether the prediction is where the goal wants it, `(N,)` bool."""

    @abc.abstractmethod
    def seed(self, logits) -> Any:
        """The cotangent of the logits, `(N, K)`: its product with the logits is to grow."""

    @abc.abstractmethod
    def lead(self, logits) -> Any:
        """By how much the goal leads, `(N,)` in logits; below 0 where it does not."""

    def reached(self, logits) -> Any:
        """Whether the goal holds, and leads by the margin, `(N,)` bool."""
        if self.margin is None:
            return self.holds(logits)
        return self.holds(logits) & (self.lead(logits) >= self.margin)

    def _own(self, logits):
        """Which classes the goal is about, `(N, K)`, 1 or 0."""
        return ops.one_hot(self.classes, logits.shape[-1], dtype="float32")

    def _rise(self, logits):
        own = self._own(logits)
        if self.objective == "logit":
            return own
        best_other = ops.argmax(ops.where(own > 0, -float("inf"), logits), axis=-1)
        return own - ops.one_hot(best_other, logits.shape[-1], dtype="float32")

    def _ahead(self, logits):
        """The greatest logit of these classes, less that of the others, `(N,)`."""
        return _ahead(self._own(logits) > 0, logits)


class Leaving(Aim):
    """Any class but `classes`: the logit of `classes` is to fall."""

    def holds(self, logits):  # noqa: D102
        return ops.argmax(logits, axis=-1) != self.classes

    def seed(self, logits):  # noqa: D102
        return -self._rise(logits)

    def lead(self, logits):  # noqa: D102
        return -self._ahead(logits)


class Reaching(Aim):
    """The class `classes` and no other: its logit is to rise."""

    def holds(self, logits):  # noqa: D102
        return ops.argmax(logits, axis=-1) == self.classes

    def seed(self, logits):  # noqa: D102
        return self._rise(logits)

    def lead(self, logits):  # noqa: D102
        return self._ahead(logits)


class Among(Aim):
    """Any of several classes: the greatest of their logits is to rise.

    Args:
        classes: which classes these are, `(N, K)` bool.
        objective: as of the others.
        margin: as of the others.
    """

    def holds(self, logits):  # noqa: D102
        predicted = ops.argmax(logits, axis=-1)[:, None]
        return ops.take_along_axis(self.classes, predicted, axis=-1)[:, 0]

    def seed(self, logits):  # noqa: D102
        return self._rise(logits)

    def lead(self, logits):  # noqa: D102
        return _ahead(self.classes, logits)

    def _own(self, logits):
        best = ops.argmax(ops.where(self.classes, logits, -float("inf")), axis=-1)
        return ops.one_hot(best, logits.shape[-1], dtype="float32")

    def _rise(self, logits):
        if self.objective == "logit":
            return self._own(logits)
        best_other = ops.argmax(ops.where(self.classes, -float("inf"), logits), axis=-1)
        return self._own(logits) - ops.one_hot(best_other, logits.shape[-1], dtype="float32")


@dataclasses.dataclass(frozen=True)
class Contrast(Aim):
    """The class `classes` rather than `others`: the difference of the two logits is to rise.

    Args:
        classes: the classes whose logits are to rise, `(N,)` int32.
        objective: without effect.
        margin: as of the others.
        others: the classes whose logits are to fall, `(N,)` int32.
    """

    others: Any = None

    def holds(self, logits):  # noqa: D102
        return ops.argmax(logits, axis=-1) == self.classes

    def seed(self, logits):  # noqa: D102
        rising, falling = (
            ops.one_hot(classes, logits.shape[-1], dtype="float32")
            for classes in (self.classes, self.others)
        )
        return rising - falling

    def lead(self, logits):  # noqa: D102
        return self._ahead(logits)


def _ahead(own, logits):
    """The greatest logit of some classes, `(N, K)` bool, less that of the others, `(N,)`."""
    ours, others = ops.where(own, logits, -float("inf")), ops.where(own, -float("inf"), logits)
    return ops.max(ours, axis=-1) - ops.max(others, axis=-1)
