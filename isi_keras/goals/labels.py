"""Goals about labels, of which a model says for each whether it holds."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from isi_keras.aims import OneOutput, SetOfLabels
from isi_keras.goals.base import Asked, Goal, leads, margin_of
from isi_keras.models.inputs import as_classes

_CLASSES = {"Softmax", "LogSoftmax"}


class _OfLabels(Goal):
    """Base of the goals about labels: one holds where its logit is above 0."""

    margin: float

    def __post_init__(self):
        object.__setattr__(self, "margin", margin_of(self.margin))

    def _outputs(self, planned) -> np.ndarray:
        """Where the logit of each label is among those of the model."""
        name = planned.model.name
        if planned.as_values:
            raise ValueError(
                f"The outputs of the model {name!r} are taken as values, of which 0 says nothing. "
                f"Received: {self!r}. Pass the model itself or isi_keras.logits(model); or the "
                "probability to reach, goal=isi_keras.goals.Above(0.5, output=k)."
            )
        if planned.graphs.removed & _CLASSES:
            raise ValueError(
                f"The model {name!r} ends in a softmax, so that one class holds and no set of "
                f"labels. Received: {self!r}. Use goal=isi_keras.goals.Target(k)."
            )
        return np.arange(planned.classes) if planned.graphs.units > 1 else np.array([1])


class _OfOneLabel(_OfLabels):
    """Base of the goals about one label."""

    each: ClassVar[str | None] = "label"
    on: ClassVar[bool]
    label: Any

    def asked(self, planned, count, clean):
        outputs = self._outputs(planned)
        label = as_classes("label", self.label, count, len(outputs))
        numbers = {"output": outputs[label].astype("int32"), "value": np.zeros(count, "float32")}
        margin = leads(self.margin, count, doubled=True)
        return Asked(np.full(count, self.on, "int32"), margin, None, OneOutput(), numbers)

    def truth(self, y, asked, planned, count, clean):
        y = np.asarray(y)
        known = len(self._outputs(planned))
        if y.shape == (count, known):
            y = y[np.arange(count), as_classes("label", self.label, count, known)]
        if y.shape != (count,) or not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"Expected y to be the labels that hold, 0 and 1, of shape ({count}, {known}); or "
                f"whether this one does, of shape ({count},). Received: shape {y.shape}."
            )
        return y.astype("int32")


@dataclasses.dataclass(frozen=True, eq=False)
class LabelOn(_OfOneLabel):
    """A label is to hold: its logit is to be above 0, its probability above a half.

    What becomes of the other labels is left open. In the result 1 stands for on and 0 for off, in
    `clean_prediction`, `prediction`, `target` and `y`.

    Args:
        label: its number, one for all samples or `(N,)`.
        margin: by how much its logit has to be above 0, at least 0.

    Raises:
        ValueError: if the margin is no finite number, at least 0; when used, if the model has no
            such label or ends in a softmax, or its outputs are taken as values.
    """

    on: ClassVar[bool] = True
    label: Any
    margin: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class LabelOff(_OfOneLabel):
    """A label is not to hold, as `LabelOn` the other way.

    Args:
        label: its number, one for all samples or `(N,)`.
        margin: by how much its logit has to be below 0, at least 0.

    Raises:
        ValueError: as `LabelOn`.
    """

    on: ClassVar[bool] = False
    label: Any
    margin: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class LabelSet(_OfLabels):
    """The set of labels that hold is to change, or to become another one.

    In the result 1 stands for a set that is as wanted, and 0 for one that is not.

    Args:
        labels: the set to reach, `(K,)` for all samples or `(N, K)`: 1 for a label that is to hold,
            0 for one that is not, -1 for one that does not matter. `None` for any but the present
            set, by which one label is turned on or off.
        margin: by how much each logit that matters (of any change one) has to be on the wanted side
            of 0, at least 0.

    Raises:
        ValueError: if the margin is no finite number, at least 0, or `labels` hold anything else;
            when used, if they are not as many as those of the model, or as for `LabelOn`.
    """

    each: ClassVar[str | None] = "labels"
    each_rank: ClassVar[int] = 2
    labels: Any = None
    margin: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.labels is None:
            return
        labels = np.asarray(self.labels)
        fits = labels.ndim in (1, 2) and labels.dtype.kind in "biuf"
        if not fits or not np.isin(labels, (-1, 0, 1)).all() or (labels < 0).all(-1).any():
            raise ValueError(
                "Expected labels to be 1 (to hold), 0 (not to hold) or -1 (does not matter) for "
                f"each label, (K,) or (N, K). Received: labels={self.labels!r}. For one label use "
                "LabelOn or LabelOff."
            )
        object.__setattr__(self, "labels", labels.astype("int32"))

    def asked(self, planned, count, clean):  # noqa: D102
        outputs = self._outputs(planned)
        wanted = np.zeros((count, planned.classes), "float32")
        if self.labels is None:
            wanted[:, outputs] = np.where(clean()[:, outputs] > 0, 1, -1)
        else:
            if self.labels.shape not in ((len(outputs),), (count, len(outputs))):
                raise ValueError(
                    f"Expected labels of shape ({len(outputs)},) or ({count}, {len(outputs)}), as "
                    f"the model has {len(outputs)} labels. Received: shape {self.labels.shape}."
                )
            wanted[:, outputs] = np.where(self.labels < 0, 0, 2 * self.labels - 1)
        margin = leads(self.margin, count, doubled=True)
        view = SetOfLabels(leaves=self.labels is None)
        return Asked(np.ones(count, "int32"), margin, None, view, {"wanted": wanted})

    def truth(self, y, asked, planned, count, clean):  # noqa: D102
        outputs, y = self._outputs(planned), np.asarray(y)
        if y.shape != (count, len(outputs)) or not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"Expected y to be the labels that hold, 0 and 1, of shape ({count}, "
                f"{len(outputs)}). Received: shape {y.shape}."
            )
        present = clean()[:, outputs] > 0
        wanted = asked.numbers["wanted"][:, outputs]
        there = ((wanted == 0) | ((wanted > 0) == present)).all(axis=1) & (self.labels is not None)
        right = (present == (y > 0)).all(axis=1)
        return np.where(right, there, ~there).astype("int32")


def expect_a_goal(planned, goal: Any) -> None:
    """Raises if the last layer leaves open what is to change, and nobody said so.

    Args:
        planned: the model.
        goal: what it would be otherwise.

    Raises:
        ValueError: if there are several sigmoids, or the outputs are taken as values.
    """
    name, units = planned.model.name, planned.graphs.units
    if planned.as_values:
        raise ValueError(
            f"The outputs of the model {name!r} are taken as values, of which the greatest is no "
            "prediction. Say what is to change: goal=isi_keras.goals.Above(value, output=k) or "
            f"Below. If they are scores of classes, say so by goal=isi_keras.goals.{goal!r}."
        )
    if units > 1 and planned.graphs.removed == {"Sigmoid"}:
        raise ValueError(
            f"The model {name!r} ends in {units} sigmoids: each is a label of its own, and the "
            "greatest of them is no prediction. Say what is to change: goal=isi_keras.goals."
            "LabelOn(k), LabelOff(k) or LabelSet() for any change of the set. If they exclude each "
            f"other, so that they are classes, say so by goal=isi_keras.goals.{goal!r}."
        )
