"""Goals about classes, of which a model predicts one."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks
from isi_keras.goals.base import Asked, Goal, leads, margin_of
from isi_keras.models.inputs import as_classes


class OfClasses(Goal):
    """Base of the goals about classes, of which a model predicts one."""

    margin: float

    def __post_init__(self):
        object.__setattr__(self, "margin", margin_of(self.margin))

    def _lead(self, planned, count: int) -> np.ndarray | None:
        if planned.classes == 1:
            raise ValueError(
                f"The model {planned.model.name!r} returns one value, which has no classes. "
                f"Received: {self!r}. Use goal=isi_keras.goals.Above(value) or Below(value)."
            )
        return leads(self.margin, count, doubled=planned.graphs.units == 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Untargeted(OfClasses):
    """Any class but the predicted one, the goal of an attack without another.

    Args:
        margin: by how much the greatest other logit has to lead that of the class that was
            predicted, at least 0: the logarithm of the odds, so 3 means 20 times as likely. Of one
            sigmoid unit it is the unit's own logit.

    Raises:
        ValueError: if the margin is not a finite number, at least 0.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> surely = isi.goals.Untargeted(margin=3.0)
        >>> result = isi.Attack("relevance", "l0")(model, x[:8], y=y[:8], goal=surely)
        >>> logits = isi.logits(model).predict(result.adversarial)
        >>> before = logits[range(8), result.clean_prediction]
        >>> bool((logits.max(-1) - before >= 2.999)[result.success].all())
        True
    """

    margin: float = 0.0

    def asked(self, planned, count, clean):  # noqa: D102
        return Asked(margin=self._lead(planned, count))


@dataclasses.dataclass(frozen=True, eq=False)
class Target(OfClasses):
    """One class, as `target=` has it.

    Args:
        classes: the class to reach, one for all samples or `(N,)`.
        margin: by how much its logit has to lead the greatest other one, as of `Untargeted`.

    Raises:
        ValueError: if the margin is not a finite number, at least 0; when used, if the model has no
            such class.
    """

    each: ClassVar[str | None] = "classes"
    classes: Any
    margin: float = 0.0

    def asked(self, planned, count, clean):  # noqa: D102
        margin = self._lead(planned, count)
        return Asked(as_classes("target", self.classes, count, planned.classes), margin)


@dataclasses.dataclass(frozen=True, eq=False)
class AnyOf(OfClasses):
    """Any of several classes.

    With the objective `"logit"` an attack raises the greatest logit of these.

    Args:
        classes: the classes, of which one is to be predicted, the same for all samples.
        margin: by how much the greatest of their logits has to lead the greatest of the others.

    Raises:
        TypeError: if a class is not an integer.
        ValueError: if there is none, one is negative or comes twice; when used, if the model has no
            such class or no other.
    """

    classes: Any
    margin: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "classes", _several(self.classes))

    def asked(self, planned, count, clean):  # noqa: D102
        margin = self._lead(planned, count)
        return Asked(margin=margin, among=_among(self.classes, planned.classes, count))


@dataclasses.dataclass(frozen=True, eq=False)
class NoneOf(OfClasses):
    """None of several classes: any other will do.

    With the objective `"logit"` an attack raises the greatest logit of the others.

    Args:
        classes: the classes to leave, the same for all samples.
        margin: by how much the greatest other logit has to lead the greatest of theirs.

    Raises:
        TypeError: if a class is not an integer.
        ValueError: if there is none, one is negative or comes twice; when used, if the model has no
            such class or no other.
    """

    classes: Any
    margin: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "classes", _several(self.classes))

    def asked(self, planned, count, clean):  # noqa: D102
        margin = self._lead(planned, count)
        return Asked(margin=margin, among=~_among(self.classes, planned.classes, count))


def _several(classes: Any) -> tuple[int, ...]:
    listed = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str)
    found = tuple(_checks.integer("classes", c, 0) for c in (classes if listed else [classes]))
    if not found:
        raise ValueError("Expected classes to be at least one class. Received: none.")
    twice = [number for number in dict.fromkeys(found) if found.count(number) > 1]
    if twice:
        raise ValueError(
            f"Expected classes that differ, the same for all samples. Received: {twice[0]} more "
            "than once. Leave it out; for a class of each sample use Target."
        )
    return found


def _among(classes: tuple[int, ...], known: int, count: int) -> np.ndarray:
    """Which classes are among those of a goal, for each sample, `(N, K)` bool."""
    if max(classes) >= known:
        raise ValueError(
            f"Expected classes to be from 0 to {known - 1}, as the model has {known} classes. "
            f"Received: {max(classes)}."
        )
    row = np.isin(np.arange(known), classes)
    if row.all():
        raise ValueError(
            f"Expected classes to leave out one at least of the {known} that the model has. "
            f"Received: classes={classes}."
        )
    return np.tile(row, (count, 1))
