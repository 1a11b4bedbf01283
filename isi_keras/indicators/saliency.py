"""The saliency of the Jacobian: what helps the target and hurts all other classes."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _component, goals
from isi_keras.indicators import gradients
from isi_keras.indicators.base import Factors, Indicator, Significance

OUTPUTS = ("logits", "probabilities")


@dataclasses.dataclass(frozen=True, eq=False)
class JacobianSaliency(Indicator):
    r"""The saliency of each input for a class $t$, from two vector-Jacobian products.

    $$S_i = \begin{cases} u_i\, v_i & u_i > 0 \text{ and } v_i > 0 \\ 0 & \text{otherwise}
    \end{cases} \qquad u_i = \frac{\partial F_t}{\partial x_i}, \quad
    v_i = -\sum_{j \ne t} w_j \frac{\partial F_j}{\partial x_i}$$

    with $w_j = 1$; to decrease inputs both signs are turned. The sum over the other classes is one
    derivative, that of their sum, so the cost does not depend on the number of classes.

    For an untargeted goal, away from the class $y$: $u_i = \sum_{j \ne y} w_j\, \partial F_j /
    \partial x_i$ and $v_i = -\partial F_y / \partial x_i$. With `objective="margin"` the greatest
    other class stands for all others.

    As significance: the score is $S_i$, and inputs that have one move, all in one way. The norm
    `Salient` finds the pair $(p, q)$ with the greatest $(u_p + u_q)(v_p + v_q)$.

    Args:
        increase: whether inputs are to grow (`False`: to shrink).
        output: what $F$ is: `"logits"`, as published, or `"probabilities"`. As those sum to 1,
            $v = u$ then, and a pair is the two inputs of the greatest derivatives.
        weighted: whether the other classes are weighted by their probabilities, $w_j = p_j$.
        maximal: whether every class and both ways are tried, for an untargeted attack with the norm
            `Salient`: the class that falls is the present one, or any other rises. It takes a
            backward pass for each class, and memory in proportion to their number.

    Raises:
        ValueError: for an unknown `output`, `weighted` together with `maximal`, or, when used, a
            `maximal` saliency of a targeted goal.

    Source: Papernot et al. 2016, equations 8 and 9; weighted: Combey et al. 2020; maximal: Wiyatno
    and Xu 2018.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> saliency = isi.explain(model, x[:1], target=3, indicator=isi.JacobianSaliency())
        >>> bool((saliency.relevance >= 0).all())
        True
    """

    increase: bool = True
    output: str = "logits"
    weighted: bool = False
    maximal: bool = False

    def __post_init__(self):
        if self.output not in OUTPUTS:
            raise ValueError(_component.unknown("output", self.output, OUTPUTS))
        if self.weighted and self.maximal:
            raise ValueError("A saliency is weighted or maximal, not both. Received: both as True.")

    def cost(self, classes: int) -> tuple[int, int]:  # noqa: D102
        return 1, classes if self.maximal else 2

    def passes(self, source, sample, *, centred=False, **wanted):  # noqa: D102
        return gradients.passes(source, sample)

    def significance(self, point, goal, centre):  # noqa: D102
        factors = self._of_all_classes(point, goal) if self.maximal else self._factors(point, goal)
        each = keras.tree.map_structure
        score = each(lambda u, v: ops.maximum(u, 0.0) * ops.maximum(v, 0.0), *factors[:2])
        ways = ops.convert_to_tensor(factors.ways)
        way = each(lambda part: ops.take(ways, ops.argmax(part, axis=1)), score)
        score = each(lambda part: ops.max(part, axis=1), score)
        direction = each(lambda part, one: ops.sign(part) * one, score, way)
        return Significance(score, direction, score, factors)

    def _factors(self, point, goal) -> Factors:
        """What is to rise and what to fall; if the goal names one only, the rest is the other."""
        seed = goal.seed(point.logits)
        rest = 1.0 - ops.abs(seed)
        if self.weighted:
            rest = rest * ops.softmax(point.logits)
        rising, falling = ops.maximum(seed, 0.0), ops.minimum(seed, 0.0)
        rising = ops.where(ops.any(rising > 0, axis=-1, keepdims=True), rising, rest)
        falling = ops.where(ops.any(falling < 0, axis=-1, keepdims=True), falling, -rest)
        way = 1.0 if self.increase else -1.0
        u, v = (
            keras.tree.map_structure(lambda part: way * part[:, None], self._pulled(point, one))
            for one in (rising, falling)
        )
        return Factors(u, v, (way,))

    def _of_all_classes(self, point, goal) -> Factors:
        """One alternative for each class and way, of one input `(N, ...)`."""
        if not isinstance(goal, goals.Untargeted):
            raise ValueError(
                "A maximal saliency chooses the class itself, for an untargeted attack. Use "
                "JacobianSaliency(maximal=False), or pass no target."
            )
        logits = point.logits
        own, zeros = np.eye(logits.shape[-1], dtype="float32"), ops.zeros_like(logits)
        slopes = ops.stack(
            [self._pulled(point, zeros + ops.convert_to_tensor(row)) for row in own], axis=1
        )  # (N, K, ...)
        sign = ops.where(goal.seed(logits) < 0, -1.0, 1.0)
        sign = ops.reshape(sign, (-1, sign.shape[-1], *[1] * (len(slopes.shape) - 2)))
        u, v = sign * slopes, sign * (slopes - ops.sum(slopes, axis=1, keepdims=True))
        count = logits.shape[-1]
        u, v = (ops.concatenate([factor, -factor], axis=1) for factor in (u, v))
        return Factors(u, v, (1.0,) * count + (-1.0,) * count)

    def _pulled(self, point, cotangent) -> Any:
        """The derivative of a combination of the outputs, of the structure of `x`."""
        if self.output == "probabilities":
            shares = ops.softmax(point.logits)
            # A constant changes nothing; this one leaves no great terms that would cancel.
            greatest = ops.argmax(shares, axis=-1)[:, None]
            cotangent = cotangent - ops.take_along_axis(cotangent, greatest, axis=-1)
            cotangent = shares * (cotangent - ops.sum(shares * cotangent, axis=-1, keepdims=True))
        return point.pullback(cotangent)["x"]
