"""Goals about a label, of which a model says for each whether it holds."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks
from isi_keras.goals.base import Asked, Goal, leads, margin_of
from isi_keras.goals.views import OneOutput
from isi_keras.models.inputs import as_classes

_CLASSES = {"Softmax", "LogSoftmax"}


class OfLabels(Goal):
    """Base of the goals about labels: one holds where its logit is above 0."""

    margin: float

    def __post_init__(self):
        object.__setattr__(self, "margin", margin_of(self.margin))

    def outputs_of(self, planned) -> np.ndarray:
        """Where the logit of each label is among those of the model."""
        name = planned.model.name
        if planned.as_values:
            raise ValueError(
                f"The outputs of the model {name!r} are taken as values, of which 0 says nothing. "
                f"Received: {_checks.shown(self)}. Pass the model itself or "
                "isi_keras.logits(model); or the "
                "probability to reach, goal=isi_keras.goals.Above(0.5, output=k)."
            )
        if planned.graphs.removed & _CLASSES:
            raise ValueError(
                f"The model {name!r} ends in a softmax, so that one class holds and no set of "
                f"labels. Received: {_checks.shown(self)}. Use goal=isi_keras.goals.Target(k)."
            )
        return np.arange(planned.classes) if planned.graphs.units > 1 else np.array([1])


class _OfOneLabel(OfLabels):
    """Base of the goals about one label."""

    each: ClassVar[str | None] = "label"
    on: ClassVar[bool]
    label: Any

    def asked(self, planned, count, clean):
        outputs = self.outputs_of(planned)
        label = as_classes("label", self.label, count, len(outputs))
        numbers = {"output": outputs[label].astype("int32"), "value": np.zeros(count, "float32")}
        margin = leads(self.margin, count, doubled=True)
        return Asked(np.full(count, self.on, "int32"), margin, None, OneOutput(), numbers)

    def truth(self, y, asked, planned, count, clean):
        y = np.asarray(y)
        known = len(self.outputs_of(planned))
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
        ValueError: if the margin is not a finite number, at least 0; when used, if the model has no
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
