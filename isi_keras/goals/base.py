"""What a goal is."""

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from isi_keras import _checks, _component
from isi_keras.models.inputs import as_classes


class Asked(NamedTuple):
    """A goal as it is for `N` samples of a model.

    Args:
        target: the classes to reach, `(N,)` int32, of what the view shows; `None` for any but the
            predicted one.
        margin: by how much it has to lead, `(N,)` float32; `None` for what predicts it.
        among: which classes will do, `(N, K)` bool; `None` for others.
        view: from the logits of the model and `numbers` to those of two classes, such as
            `views.OneOutput`; `None` where the goal is about classes.
        numbers: what the view needs to know of each sample, arrays of `N` rows.
    """

    target: np.ndarray | None = None
    margin: np.ndarray | None = None
    among: np.ndarray | None = None
    view: Any = None
    numbers: Mapping[str, np.ndarray] = {}


class Goal(_component.Component, abc.ABC):
    """Base of the goals."""

    kind: ClassVar[str] = "goal"
    each: ClassVar[str | None] = None
    """The field that may have an entry for each sample."""
    each_rank: ClassVar[int] = 1
    """How many axes it has then."""
    of_values: ClassVar[bool] = False
    """Whether it is about values, as those of a regression, which are never right or wrong."""

    @abc.abstractmethod
    def asked(self, planned, count: int, clean: Callable[[], np.ndarray]) -> Asked:
        """The goal for some samples of a model.

        Args:
            planned: the model, a `models.Planned`.
            count: how many samples there are, `N`.
            clean: returns the logits of the model for them, `(N, K)`.

        Raises:
            TypeError: if what is asked is of the wrong kind.
            ValueError: if the model has no such class, label or value.
        """

    def truth(self, y, asked: Asked, planned, count: int, clean) -> np.ndarray:
        """The true labels as those of what the view shows, `(N,)` int32.

        Args:
            y: the true labels, as the goal takes them.
            asked: the goal for these samples.
            planned: as of `asked`.
            count: as of `asked`.
            clean: as of `asked`.
        """
        return as_classes("y", y, count, planned.classes)

    def recorded(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """The configuration, and what it says of each sample, which results cut and join."""
        entry = _component.serialize(self)
        if self.each is None or np.ndim(getattr(self, self.each)) < self.each_rank:
            return entry, None
        own = np.asarray(getattr(self, self.each))
        return {**entry, "config": {**entry["config"], self.each: None}}, own


def margin_of(margin: Any) -> float:
    """A margin, a finite number that is at least 0.

    Raises:
        ValueError: if it is none.
    """
    if not _checks.is_number(margin) or not 0 <= margin < np.inf:
        raise ValueError(
            "Expected margin to be the lead that is wanted, in logits, a number at least 0. "
            f"Received: margin={_checks.shown(margin)}."
        )
    return float(margin)


def leads(margin: float, count: int, *, doubled: bool) -> np.ndarray | None:
    """The margin of each sample, `(N,)` float32; `None` for none.

    Args:
        margin: in logits.
        count: how many samples there are.
        doubled: whether there are the two logits $(-z, z)$ of one unit, whose odds are those of
            $z$ alone.
    """
    return np.full(count, margin * (2 if doubled else 1), "float32") if margin else None


def as_array(value: Any) -> np.ndarray:
    """A value as an array; one that is ragged as an array of objects, which no goal takes."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.array(None, object)
