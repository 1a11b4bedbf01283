"""Rules that share relevance in proportion to what each input contributes: for any layer."""

import dataclasses
from typing import Any

from keras import ops

from isi_keras import _checks
from isi_keras.rules.base import Rule


@dataclasses.dataclass(frozen=True, eq=False)
class Epsilon(Rule):
    r"""The epsilon rule.

    $$R_j = \sum_k \frac{x_j w_{jk}}{z_k + \epsilon \operatorname{sign}(z_k)} R_k$$

    With `epsilon=0` this is LRP-0 (the LRP-z of Qiu and Zhou 2020): on networks of ReLU and
    max-pooling it equals gradient x input.

    Args:
        epsilon: what is added to the magnitude of the pre-activation, at least 0, in units of the
            pre-activation. It absorbs relevance where contributions cancel.
        bias: whether the bias stands in the denominator and keeps its share.

    Raises:
        ValueError: if `epsilon` is negative.

    Source: Bach et al. 2015, equation 58; Montavon et al. 2019, section 10.2.1.

    Example:
        >>> from isi_keras import Relevance
        >>> from isi_keras.rules import Epsilon
        >>> Relevance(Epsilon(epsilon=0.25)).rule
        Epsilon(epsilon=0.25, bias=True)
    """

    epsilon: float = 1e-6
    bias: bool = True

    def parts(self, linear):  # noqa: D102
        return [(1.0, linear.plain())]


@dataclasses.dataclass(frozen=True, eq=False)
class ZPlus(Rule):
    r"""The z+ rule: only contributions of positive sign count.

    $$R_j = \sum_k \frac{x_j^+ w_{jk}^+ + x_j^- w_{jk}^-}
    {\sum_i (x_i^+ w_{ik}^+ + x_i^- w_{ik}^-) + b_k^+} R_k$$

    Args:
        epsilon: stabilises the denominator, at least 0.
        bias: whether the positive biases keep their share.

    Raises:
        ValueError: if `epsilon` is negative.

    Source: Montavon et al. 2017, section 4.1; alpha 1, beta 0 of Bach et al. 2015, equation 60.

    Example:
        >>> from isi_keras.rules import ZPlus
        >>> ZPlus(bias=False).get_config()
        {'epsilon': 1e-06, 'bias': False}
    """

    epsilon: float = 1e-6
    bias: bool = True

    def parts(self, linear):  # noqa: D102
        return [(1.0, linear.agreeing())]


@dataclasses.dataclass(frozen=True, eq=False)
class AlphaBeta(Rule):
    r"""The alpha-beta rule: contributions of either sign, weighted apart.

    $$R_j = \sum_k \left(\alpha \frac{x_j^+ w_{jk}^+ + x_j^- w_{jk}^-}{P_k}
    - \beta \frac{x_j^+ w_{jk}^- + x_j^- w_{jk}^+}{N_k}\right) R_k$$

    with $P_k$ and $N_k$ the sums of the numerators over the inputs, and $b_k^+$ or $b_k^-$.

    Args:
        alpha: the weight of the positive contributions, at least 1.
        beta: that of the negative ones, `alpha - 1`.
        epsilon: stabilises the denominators, at least 0.
        bias: whether the biases keep their share.

    Raises:
        ValueError: if `alpha - beta` is not 1, `alpha` is below 1 or `epsilon` is negative.

    Source: Bach et al. 2015, equation 60.

    Example:
        >>> from isi_keras.rules import AlphaBeta
        >>> AlphaBeta(alpha=2, beta=1).get_config()
        {'alpha': 2.0, 'beta': 1.0, 'epsilon': 1e-06, 'bias': True}
    """

    alpha: float = 2.0
    beta: float = 1.0
    epsilon: float = 1e-6
    bias: bool = True

    def __post_init__(self):
        super().__post_init__()
        for name in ("alpha", "beta"):
            _checks.not_negative(name, getattr(self, name))
        if self.alpha < 1 or abs(self.alpha - self.beta - 1) > 1e-9:
            raise ValueError(
                "Expected alpha - beta = 1 with alpha at least 1, so that relevance is conserved. "
                f"Received: alpha={self.alpha}, beta={self.beta}. "
                f"Try AlphaBeta(alpha={max(self.beta, 0) + 1:g}, beta={max(self.beta, 0):g})."
            )
        object.__setattr__(self, "alpha", float(self.alpha))
        object.__setattr__(self, "beta", float(self.beta))

    def parts(self, linear):  # noqa: D102
        parts: list[tuple[Any, Any]] = [(self.alpha, linear.agreeing())]
        return parts if self.beta == 0 else [*parts, (-self.beta, linear.opposing())]


@dataclasses.dataclass(frozen=True, eq=False)
class Gamma(Rule):
    r"""The gamma rule: contributions that agree with the output's sign count more.

    For inputs that are not negative and a positive output it is

    $$R_j = \sum_k \frac{x_j (w_{jk} + \gamma w_{jk}^+)}
    {\sum_i x_i (w_{ik} + \gamma w_{ik}^+) + b_k + \gamma b_k^+} R_k .$$

    In general the terms $x_j w_{jk}$ of the sign of $z_k$ are multiplied by $1 + \gamma$.

    Args:
        gamma: how much more they count, at least 0. 0 is the epsilon rule; as it grows, z+.
        epsilon: stabilises the denominator, at least 0.
        bias: whether the biases keep their share.

    Raises:
        ValueError: if `gamma` or `epsilon` is negative.

    Source: Montavon et al. 2019, section 10.2.1; for inputs and outputs of any sign Andéol et al.
    2021, as in Zennit.

    Example:
        >>> from isi_keras.rules import Gamma
        >>> Gamma(gamma=0.5)
        Gamma(gamma=0.5, epsilon=1e-06, bias=True)
    """

    gamma: float = 0.25
    epsilon: float = 1e-6
    bias: bool = True

    def __post_init__(self):
        super().__post_init__()
        _checks.not_negative("gamma", self.gamma)

    def parts(self, linear):  # noqa: D102
        plain, agreeing = linear.plain(), self.gamma * linear.agreeing()
        rises = ops.cast(linear.z > 0, plain.dtype)
        # The opposing terms are what the agreeing ones leave of the sum.
        return [(rises, plain + agreeing), (1 - rises, (1 + self.gamma) * plain - agreeing)]
