"""Goals about values: of a regression, or a score."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks
from isi_keras.goals.base import Asked, Goal, as_array
from isi_keras.goals.views import OneOutput
from isi_keras.models.inputs import as_classes


class _OfValues(Goal):
    """Base of the goals about values."""

    each: ClassVar[str | None] = "value"
    of_values: ClassVar[bool] = True
    above: ClassVar[bool]
    value: Any
    output: int

    def __post_init__(self):
        value = as_array(self.value)
        if value.dtype.kind not in "fiu" or value.ndim > 1 or not np.isfinite(value).all():
            raise ValueError(
                "Expected value to be a finite number in the unit of the output, or one for each "
                f"sample, (N,). Received: value={_checks.shown(self.value)}."
            )

        if np.ndim(self.output):
            raise ValueError(
                "Expected output to be the number of one output, the same for all samples. "
                f"Received: output={_checks.shown(self.output)}. Attack the samples of each "
                "output apart."
            )

    def asked(self, planned, count, clean):
        removed = planned.graphs.removed
        if removed and not planned.as_values:
            raise ValueError(
                f"The model {planned.model.name!r} ends in a {', '.join(sorted(removed))}, so it "
                f"is a classifier. Received: {_checks.shown(self)}. For its probabilities as "
                "values attack "
                "isi_keras.outputs(model); for its classes use goal=isi_keras.goals.Target(k)."
            )
        if planned.graphs.units == 1 and not planned.graphs.one_value:
            raise ValueError(
                f"One logit was made two of the output of the model {planned.model.name!r}. "
                f"Received: {_checks.shown(self)}. Attack isi_keras.outputs(model)."
            )
        value = np.asarray(self.value, "float32")
        if value.shape not in ((), (count,)):
            raise ValueError(
                f"Expected value to be one number, or one for each of {count} samples. "
                f"Received: shape {value.shape}."
            )
        output = as_classes("output", self.output, count, planned.classes)
        numbers = {"output": output, "value": np.broadcast_to(value, (count,)).copy()}
        return Asked(np.full(count, self.above, "int32"), None, None, OneOutput(), numbers)

    def truth(self, y, asked, planned, count, clean):
        """Raises ValueError, as no value is right or wrong."""
        raise ValueError(
            "A value is neither right nor wrong, so there are no samples to leave out. "
            "Received: y. Leave it out; attack the samples you want, x[chosen]."
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Above(_OfValues):
    """An output is to be greater than a value, in its unit.

    In the result 1 stands for an output above the value and 0 for one that is not, in
    `clean_prediction`, `prediction` and `target`; the outputs themselves are `clean_logits` and
    `logits`.

    Args:
        value: the value, for all samples or `(N,)`.
        output: which output of the model.

    Raises:
        ValueError: if the value is not a finite number; when used, if the model has no such output,
            or ends in a softmax or sigmoid and is not wrapped by `outputs`.

    Example:
        >>> import keras, numpy as np
        >>> import isi_keras as isi
        >>> price = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> price.set_weights([np.array([[1.0], [2.0], [3.0], [4.0]]), np.zeros(1)])
        >>> attack = isi.Attack("sensitivity", "l0", bounds=(0, 1))
        >>> found = attack(price, np.zeros((1, 4)), goal=isi.goals.Above(6.5))
        >>> found.adversarial.tolist(), found.logits.tolist()
        ([[0.0, 0.0, 1.0, 1.0]], [[7.0]])
    """

    above: ClassVar[bool] = True
    value: Any
    output: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Below(_OfValues):
    """An output is not to be greater than a value, as `Above` the other way.

    Args:
        value: the value, for all samples or `(N,)`.
        output: which output of the model.

    Raises:
        ValueError: as `Above`.
    """

    above: ClassVar[bool] = False
    value: Any
    output: int = 0
