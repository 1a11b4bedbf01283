r"""Rules of layer-wise relevance propagation: how a linear layer hands relevance to its inputs.

A rule writes the pre-activation as weighted parts. Each part passes on its share of the relevance
in proportion to the terms it is the sum of. Running the layer with the surrogate

$$z_\text{rule} = \sum_p w_p\, p(x) \cdot
\operatorname{stop}\!\left(\frac{z}{\operatorname{stab}(p(x))}\right),
\qquad \operatorname{stab}(p) = p + \epsilon \operatorname{sign}(p)$$

in place of `z` makes the ordinary gradient, times the input, the relevance of that rule.
"""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from keras import ops

from isi_keras import _component


class Rule(_component.Component, abc.ABC):
    """Base of the rules."""

    kind: ClassVar[str] = "rule"
    epsilon: float

    @abc.abstractmethod
    def parts(self, linear: Callable[[Any], Any], x) -> list[tuple[float, Any]]:
        """The weighted parts of the pre-activation.

        Args:
            linear: the layer without its activation, a function of its input.
            x: the layer's input.

        Returns:
            Pairs `(weight, part)`, each part of the shape of the pre-activation.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class Epsilon(Rule):
    r"""The epsilon rule.

    $$R_j = \sum_k \frac{x_j w_{jk}}{z_k + \epsilon \operatorname{sign}(z_k)} R_k$$

    The bias stands in the denominator and keeps its share. With `epsilon=0` this is LRP-0 (the
    LRP-z of Qiu and Zhou 2020): on networks of ReLU and max-pooling it equals gradient x input.

    Args:
        epsilon: what is added to the magnitude of the pre-activation, at least 0, in units of the
            pre-activation. It absorbs relevance where contributions cancel.

    Raises:
        ValueError: if `epsilon` is negative.

    Source: Bach et al. 2015, equation 58; Montavon et al. 2019, section 10.2.1.

    Example:
        >>> from isi_keras import Relevance
        >>> from isi_keras.rules import Epsilon
        >>> Relevance(Epsilon(epsilon=0.25)).rule
        Epsilon(epsilon=0.25)
    """

    epsilon: float = 1e-6

    def __post_init__(self):
        if not self.epsilon >= 0:
            raise ValueError(
                f"Expected epsilon to be 0 or positive. Received: epsilon={self.epsilon!r}."
            )

    def parts(self, linear, x):  # noqa: D102
        return [(1.0, linear(x))]


NAMES: dict[str, Callable[[], Rule]] = {
    "z": lambda: Epsilon(epsilon=0.0),
    "epsilon": Epsilon,
}


def get(identifier: Any) -> Rule:
    """Turns `"z"`, `"epsilon"`, a configuration or a `Rule` into a `Rule`."""
    return _component.get(identifier, Rule, NAMES, (Epsilon,))


def surrogate(rule: Rule, linear: Callable[[Any], Any], x, z):
    """A tensor equal to `z` whose gradient hands relevance on by the rule."""
    total = 0.0
    for weight, part in rule.parts(linear, x):
        total = total + weight * part * ops.stop_gradient(ratio(z, part, rule.epsilon))
    return carrying(z, total)


def carrying(value, gradient_of):
    """A tensor with the value of the first and the gradient of the second, exactly."""
    return ops.stop_gradient(value) + (gradient_of - ops.stop_gradient(gradient_of))


def ratio(numerator, denominator, epsilon: float):
    """`numerator / (denominator + epsilon * sign(denominator))`, sign(0) = +1, and 1 for 0 / 0."""
    sign = ops.where(denominator < 0, -1.0, 1.0)
    sign = ops.cast(sign, denominator.dtype)
    stabilised = denominator + epsilon * sign
    zero = stabilised == 0
    return ops.where(zero, ops.ones_like(stabilised), numerator / ops.where(zero, sign, stabilised))
