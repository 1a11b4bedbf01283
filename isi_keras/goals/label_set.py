"""The goal about a set of labels."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks
from isi_keras.goals.base import Asked, as_array, leads
from isi_keras.goals.labels import OfLabels
from isi_keras.goals.views import SetOfLabels


@dataclasses.dataclass(frozen=True, eq=False)
class LabelSet(OfLabels):
    """The set of labels that hold is to change, or to become another one.

    In the result 1 stands for a set that is as wanted, and 0 for one that is not.

    Args:
        labels: the set to reach, `(K,)` for all samples or `(N, K)`: 1 for a label that is to hold,
            0 for one that is not, -1 for one that does not matter. `None` for any but the present
            set, by which one label is turned on or off.
        margin: by how much each logit that matters (of any change one) has to be on the wanted side
            of 0, at least 0.

    Raises:
        ValueError: if the margin is not a finite number, at least 0, or if `labels` hold anything
            else; when used, if they are not as many as those of the model, or as for `LabelOn`.
    """

    each: ClassVar[str | None] = "labels"
    each_rank: ClassVar[int] = 2
    labels: Any = None
    margin: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.labels is None:
            return
        labels = as_array(self.labels)
        fits = labels.ndim in (1, 2) and labels.dtype.kind in "biuf"
        if not fits or not np.isin(labels, (-1, 0, 1)).all() or (labels < 0).all(-1).any():
            raise ValueError(
                "Expected labels to be 1 (to hold), 0 (not to hold) or -1 (does not matter) for "
                f"each label, (K,) or (N, K). Received: labels={_checks.shown(self.labels)}. For "
                "one label use "
                "LabelOn or LabelOff."
            )
        object.__setattr__(self, "labels", labels.astype("int32"))

    def asked(self, planned, count, clean):  # noqa: D102
        outputs = self.outputs_of(planned)
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
        outputs, y = self.outputs_of(planned), np.asarray(y)
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
