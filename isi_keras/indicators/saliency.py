"""The saliency of the Jacobian: what helps the target and hurts all other classes."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _checks, aims
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
        summed: whether the derivatives of all classes are computed, one class after another, and
            then summed in single precision, as the paper's adversarial distances seem to be. Of
            probabilities these are $p_j (\partial z_j - \sum_k p_k\, \partial z_k)$ with the logits
            $z$, and nearly cancel: where $p_t$ is some $10^{-7}$ of what other classes have, $v$ is
            rounding error. It takes a backward pass for each class. The default has no such error.
        maximal: whether every class and both ways are tried, for an untargeted attack with the norm
            `Salient`: the class that falls is the present one, or any other rises. It takes a
            backward pass for each class, and memory in proportion to their number.

    Raises:
        ValueError: for an unknown `output`, `weighted` or `summed` together with `maximal`, or,
            when used, a `maximal` saliency of a targeted goal.

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
    summed: bool = False
    maximal: bool = False

    def __post_init__(self):
        _checks.one_of("output", self.output, OUTPUTS)
        for name in ("weighted", "summed"):
            if self.maximal and getattr(self, name):
                raise ValueError(
                    f"A saliency is {name} or maximal, not both. Received: both as True."
                )

    def cost(self, classes: int) -> tuple[int, int]:  # noqa: D102
        return 1, classes if self.maximal or self.summed else 2

    def prepare(self, planned, sample, *, centred=False, **wanted):  # noqa: D102
        if planned.classes == 1:
            raise ValueError(
                "A Jacobian saliency weighs a class against others, and the model returns one "
                "value. Use indicator='sensitivity' or 'relevance'."
            )
        return gradients.prepare(planned, sample)

    def significance(self, point, goal, centre):  # noqa: D102
        factors = self._of_all_classes(point, goal) if self.maximal else self._factors(point, goal)
        each = keras.tree.map_structure
        score = each(lambda u, v: ops.maximum(u, 0.0) * ops.maximum(v, 0.0), *factors[:2])
        ways = ops.convert_to_tensor(factors.ways, "float32")
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
        pulled = self._sums(point) if self.summed else lambda one: self._pulled(point, one)
        u, v = (
            keras.tree.map_structure(lambda part: way * part[:, None], pulled(one))
            for one in (rising, falling)
        )
        return Factors(u, v, (way,))

    def _sums(self, point):
        """A function from a combination of the outputs to the same one of their derivatives."""
        each = keras.tree.map_structure
        slopes = _of_each(point.logits, lambda one: point.pullback(one)["x"])
        if self.output == "probabilities":
            shares = ops.softmax(point.logits)
            slopes = each(
                lambda part: _beside(shares, part) * (part - _combined(shares, part)), slopes
            )
        return lambda one: each(lambda part: _combined(one, part)[:, 0], slopes)

    def _of_all_classes(self, point, goal) -> Factors:
        """One alternative for each class and way, of one input `(N, ...)`."""
        if not isinstance(goal, aims.Leaving):
            raise ValueError(
                "A maximal saliency chooses the class itself, for an untargeted attack. Use "
                "JacobianSaliency(maximal=False), or pass no target."
            )
        logits = point.logits
        slopes = _of_each(logits, lambda one: self._pulled(point, one))  # (N, K, ...)
        sign = ops.cast(ops.where(goal.seed(logits) < 0, -1.0, 1.0), "float32")
        sign = _beside(sign, slopes)
        u = v = sign * slopes  # probabilities sum to 1: what one gains, the others lose
        if self.output == "logits":
            v = sign * (slopes - ops.sum(slopes, axis=1, keepdims=True))
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


def _of_each(logits, pulled):
    """What is pulled back of each class, stacked to `(N, K, ...)`, of the structure of `x`."""
    own, zeros = np.eye(logits.shape[-1], dtype="float32"), ops.zeros_like(logits)
    found = [pulled(zeros + ops.convert_to_tensor(row)) for row in own]
    return keras.tree.map_structure(lambda *parts: ops.stack(parts, axis=1), *found)


def _beside(weights, slopes):
    """Weights `(N, K)` in the shape that multiplies slopes `(N, K, ...)`."""
    return ops.reshape(weights, (-1, weights.shape[-1], *[1] * (len(slopes.shape) - 2)))


def _combined(weights, slopes):
    """The sum over the classes, `(N, 1, ...)`."""
    return ops.sum(_beside(weights, slopes) * slopes, axis=1, keepdims=True)
