"""Rules that give relevance to inputs of 0 as well: for the first linear layer."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from isi_keras import _component
from isi_keras.rules.base import Rule
from isi_keras.rules.linear import negative, positive


@dataclasses.dataclass(frozen=True, eq=False)
class Flat(Rule):
    r"""The flat rule: every input of an output gets the same share. For the first layer.

    $$R_j = \sum_k \frac{1}{|\{i : i \text{ feeds } k\}|} R_k$$

    Args:
        epsilon: stabilises the denominator, at least 0.
        bias: has no effect, as biases take no part.

    Raises:
        ValueError: if `epsilon` is negative.

    Source: Lapuschkin 2019, as in Zennit.

    Example:
        >>> from isi_keras.composites import Composite
        >>> from isi_keras.rules import Flat
        >>> Composite("epsilon", first=Flat()).first
        Flat(epsilon=1e-06, bias=True)
    """

    proportional: ClassVar[bool] = False
    epsilon: float = 1e-6
    bias: bool = True

    def parts(self, linear):  # noqa: D102
        return [(1.0, linear.run(linear.ones, ops.ones_like(linear.kernel)))]


@dataclasses.dataclass(frozen=True, eq=False)
class WSquare(Rule):
    r"""The w-square rule: shares by the squared weights alone. For the first layer.

    $$R_j = \sum_k \frac{w_{jk}^2}{\sum_i w_{ik}^2 + b_k^2} R_k$$

    Args:
        epsilon: stabilises the denominator, at least 0.
        bias: whether the biases keep their share, as in Zennit; the source has none.

    Raises:
        ValueError: if `epsilon` is negative.

    Source: Montavon et al. 2017, equation 12.

    Example:
        >>> from isi_keras.rules import WSquare
        >>> WSquare(bias=False).get_config()
        {'epsilon': 1e-06, 'bias': False}
    """

    proportional: ClassVar[bool] = False
    epsilon: float = 1e-6
    bias: bool = True

    def parts(self, linear):  # noqa: D102
        return [(1.0, linear.run(linear.ones, linear.kernel**2, ops.square))]


@dataclasses.dataclass(frozen=True, eq=False)
class ZBox(Rule):
    r"""The z-box rule, for a first layer whose inputs lie in a box.

    $$R_j = \sum_k \frac{x_j w_{jk} - l_j w_{jk}^+ - h_j w_{jk}^-}
    {\sum_i (x_i w_{ik} - l_i w_{ik}^+ - h_i w_{ik}^-)} R_k$$

    Args:
        low: the least value $l$ of an input of the model, a number or nested lists that broadcast
            to one sample. `Rescaling` and `Normalization` before the layer are applied to it.
        high: the greatest value $h$, likewise.
        epsilon: stabilises the denominator, at least 0.
        bias: has no effect, as the biases cancel.

    Raises:
        ValueError: if `low` is not below `high`, or `epsilon` is negative.

    Source: Montavon et al. 2017, equation 15.

    Example:
        >>> from isi_keras.rules import ZBox
        >>> ZBox(low=0, high=255).get_config()
        {'low': 0, 'high': 255, 'epsilon': 1e-06, 'bias': True}
    """

    proportional: ClassVar[bool] = False
    low: Any = -1.0
    high: Any = 1.0
    epsilon: float = 1e-6
    bias: bool = True

    def __post_init__(self):
        super().__post_init__()
        _component.check_box(self.low, self.high)

    def parts(self, linear):  # noqa: D102
        kernel, ends = linear.kernel, (linear.bound(self.low), linear.bound(self.high))
        low, high = ops.minimum(*ends), ops.maximum(*ends)  # what is scaled by less than 0 turns
        part = linear.run(linear.x * linear.ones, kernel)
        part = part - linear.run(low * linear.ones, positive(kernel))
        return [(1.0, part - linear.run(high * linear.ones, negative(kernel)))]
