r"""Rules of layer-wise relevance propagation: how a linear layer hands relevance to its inputs.

A rule writes the pre-activation as weighted parts. Each part passes on its share of the relevance
in proportion to the terms it is the sum of. Running the layer with the surrogate

$$z_\text{rule} = \sum_p w_p\, p(x) \cdot
\operatorname{stop}\!\left(\frac{z}{\operatorname{stab}(p(x))}\right),
\qquad \operatorname{stab}(p) = p + \epsilon \operatorname{sign}(p)$$

in place of `z` makes the ordinary gradient, times the input, the relevance of that rule.

Notation: $j$ counts the inputs $x_j$ of a layer, $k$ its outputs; $w_{jk}$ and $b_k$ are its
weights and biases, $z_k = \sum_j x_j w_{jk} + b_k$; $u^+ = \max(u, 0)$, $u^- = \min(u, 0)$.
"""

from collections.abc import Callable
from typing import Any

from isi_keras import _component
from isi_keras.rules.base import Rule
from isi_keras.rules.first import Flat, WSquare, ZBox
from isi_keras.rules.proportional import AlphaBeta, Epsilon, Gamma, ZPlus

__all__ = ["AlphaBeta", "Epsilon", "Flat", "Gamma", "Rule", "WSquare", "ZBox", "ZPlus", "get"]

NAMES: dict[str, Callable[[], Rule]] = {
    "z": lambda: Epsilon(epsilon=0.0),
    "epsilon": Epsilon,
    "zplus": ZPlus,
    "alpha2beta1": AlphaBeta,
    "gamma": Gamma,
    "flat": Flat,
    "wsquare": WSquare,
    "zbox": ZBox,
}


def get(identifier: Any) -> Rule:
    """Turns a name, a configuration or a `Rule` into a `Rule`."""
    return _component.get(identifier, Rule, NAMES)
