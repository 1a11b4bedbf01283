"""What a rule is."""

import abc
from typing import Any, ClassVar

from isi_keras import _checks, _component
from isi_keras.rules.linear import Linear


class Rule(_component.Component, abc.ABC):
    """Base of the rules: a frozen dataclass with the fields `epsilon` and `bias`."""

    kind: ClassVar[str] = "rule"
    proportional: ClassVar[bool] = True
    """Whether an input of 0 gets no relevance. The other rules serve the first layer only."""
    epsilon: float
    bias: bool

    @abc.abstractmethod
    def parts(self, linear: Linear) -> list[tuple[Any, Any]]:
        """The weighted parts of the pre-activation.

        Args:
            linear: the layer without its activation, at its input.

        Returns:
            Pairs `(weight, part)`, each part of the shape of the pre-activation. The weights, which
            may be tensors, sum to 1.
        """

    def __post_init__(self):
        missing = [name for name in ("epsilon", "bias") if not hasattr(self, name)]
        if missing:
            raise TypeError(
                f"Expected {type(self).__name__} to have the fields epsilon and bias, as every "
                f"rule. Missing: {', '.join(missing)}."
            )
        _checks.not_negative("epsilon", self.epsilon)
