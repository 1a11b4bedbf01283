"""The derivative of the goal by each input, and its means over several places."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _checks
from isi_keras.indicators import gradients
from isi_keras.indicators.base import Indicator, Significance


@dataclasses.dataclass(frozen=True, eq=False)
class Sensitivity(Indicator):
    r"""The derivative $g_i = \partial y / \partial x_i$ of the goal $y$ by each input.

    As significance: the score is $|g_i|$, the direction $\operatorname{sign}(g_i)$.

    Args:
        times_input: whether the map is gradient times input, $x_i g_i$, in place of $g_i$. The
            significance is the same.

    Raises:
        ValueError: when used, if the model takes integers.

    Source: Simonyan et al. 2014, section 3; gradient times input Shrikumar et al. 2016; as an
    indicator Qiu and Zhou 2020.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> gradient = isi.explain(model, x[:2], indicator="sensitivity").relevance
        >>> times_input = isi.explain(model, x[:2], indicator="gradient_x_input").relevance
        >>> bool((abs(times_input - x[:2] * gradient) < 1e-6).all())
        True
    """

    times_input: bool = False

    def prepare(self, planned, sample, *, centred=False, **wanted):  # noqa: D102
        return gradients.prepare(planned, sample)

    def significance(self, point, goal, centre):  # noqa: D102
        gradient = gradients.gradient(point, goal)
        times_input = keras.tree.map_structure(ops.multiply, point.x, gradient)
        return _moving(gradient, times_input if self.times_input else gradient)


@dataclasses.dataclass(frozen=True, eq=False)
class SmoothGrad(Indicator):
    r"""The mean derivative over noisy copies of the input.

    $$g = \frac{1}{n} \sum_{k=1}^{n} \nabla y(x + \sigma \varepsilon_k), \qquad
    \varepsilon_k \sim N(0, 1), \quad \sigma = \text{noise} \cdot (\max x - \min x)$$

    The combination $y$ of logits is chosen at $x$ and is the same for all copies. The draws
    $\varepsilon_k$ are those of `numpy.random.default_rng(seed).standard_normal((samples,
    *shape), dtype="float32")` for the shape of one sample (of several inputs one after another):
    the same for each sample, whatever its batch and on every backend. Copies are not clipped.

    As significance: the score is $|g_i|$, the direction $\operatorname{sign}(g_i)$. A step
    of an attack costs `1 + samples` forward and `samples` backward passes.

    Args:
        samples: the number $n$ of copies, at least 1. On TensorFlow and JAX the draws, `samples`
            times the size of one sample, become part of what is compiled.
        noise: the standard deviation as a share of the range of values, above 0. The range is the
            greatest less the least value of each sample in each input, so a sample of one constant
            value gets no noise.
        seed: of the draws, an integer, at least 0.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if an argument is out of its range; when used, if the model takes integers or
            an input with a single value a sample.

    Source: Smilkov et al. 2017, section 2; their section 3 advises a noise of 0.1 to 0.2.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> isi.explain(model, x[:2], indicator=isi.SmoothGrad(samples=10)).relevance.shape
        (2, 28, 28, 1)
    """

    samples: int = 25
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self):
        _checks.integer("samples", self.samples, 1)
        _checks.integer("seed", self.seed, 0)
        _checks.positive("noise", self.noise)
        if not np.isfinite(self.noise):
            raise ValueError(
                "Expected noise to be finite, a share of the range of a sample. "
                f"Received: noise={_checks.shown(self.noise)}. Try 0.15."
            )

    def cost(self, classes: int) -> tuple[int, int]:  # noqa: D102
        return 1 + self.samples, self.samples

    def prepare(self, planned, sample, *, centred=False, **wanted):  # noqa: D102
        found = gradients.prepare(planned, sample)
        gradients.check_spread(planned, sample)
        return found

    def significance(self, point, goal, centre):  # noqa: D102
        each, x = keras.tree.map_structure, point.x
        draws = gradients.draws(x, self.samples, self.seed)
        sigma = each(lambda rows: self.noise * gradients.spread(rows), x)

        def copy(index):
            return each(lambda rows, width, drawn: rows + width * drawn[index], x, sigma, draws)

        gradient = gradients.mean_gradient(point, goal, self.samples, copy)
        return _moving(gradient, gradient)


@dataclasses.dataclass(frozen=True, eq=False)
class IntegratedGradients(Indicator):
    r"""The derivative's mean on the way from a baseline, times the way: each input's contribution.

    $$R_i = (x_i - x'_i)\, g_i, \qquad g = \frac{1}{m} \sum_{k=1}^{m}
    \nabla y\!\left(x' + \tfrac{k - 1/2}{m} (x - x')\right)$$

    This is the midpoint rule for the integral of the paper. The contributions sum to $y(x) -
    y(x')$, up to an error that falls with the number $m$ of steps. The combination $y$ of logits
    is chosen at $x$ and is the same all the way.

    As significance: the score is $|g_i|$, the direction $\operatorname{sign}(g_i)$. A step of an
    attack costs `1 + steps` forward and `steps` backward passes. On the shipped LeNet the sum is
    within about 1% with 32 steps, within 0.3% with 128.

    Args:
        steps: the number $m$ of points on the way, at least 1; the paper found 20 to 300 enough.
        baseline: the input $x'$ that says nothing, such as a black image: a number, or nested lists
            or an array that broadcast to one sample, in the units of `x`. For a model with several
            inputs a number for all of them, or one for each: a dictionary if the model was built
            with one, otherwise a list in the order of its inputs.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if an argument is out of its range; when used, if the model takes integers or
            the baseline does not broadcast to a sample.

    Source: Sundararajan et al. 2017, equation 1, and proposition 1 on the sum.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> black = isi.IntegratedGradients(steps=64, baseline=-1.0)
        >>> found = isi.explain(model, x[:1], indicator=black)
        >>> empty = isi.explain(model, 0 * x[:1] - 1).logits
        >>> gain = (found.logits - empty)[0, y[0]]
        >>> bool(abs(found.relevance.sum() - gain) < 0.01 * gain)
        True
    """

    steps: int = 32
    baseline: Any = 0.0

    def __post_init__(self):
        _checks.integer("steps", self.steps, 1)
        object.__setattr__(self, "baseline", _nested(self.baseline))
        values = keras.tree.flatten(self.baseline)
        text = (
            "Expected baseline to be a finite number or nested lists of them. "
            f"Received: baseline={_checks.shown(self.baseline)}."
        )
        if not all(map(_checks.is_number, values)):
            raise TypeError(text)
        if not values or not np.isfinite(values).all():
            raise ValueError(text)

    def cost(self, classes: int) -> tuple[int, int]:  # noqa: D102
        return 1 + self.steps, self.steps

    def prepare(self, planned, sample, *, centred=False, **wanted):  # noqa: D102
        gradients.baselines(self.baseline, sample)
        return gradients.prepare(planned, sample)

    def significance(self, point, goal, centre):  # noqa: D102
        each, x = keras.tree.map_structure, point.x
        origin = each(ops.convert_to_tensor, gradients.baselines(self.baseline, x))
        way = each(ops.subtract, x, origin)

        def place(index):
            share = (ops.cast(index, "float32") + 0.5) / self.steps
            return each(lambda begin, whole: begin + share * whole, origin, way)

        gradient = gradients.mean_gradient(point, goal, self.steps, place)
        return _moving(gradient, each(ops.multiply, way, gradient))


def _moving(gradient, relevance) -> Significance:
    """To move each input the way its derivative says, the steepest first."""
    each = keras.tree.map_structure
    return Significance(each(ops.abs, gradient), each(ops.sign, gradient), relevance)


def _nested(value: Any) -> Any:
    """Arrays as nested lists."""
    return keras.tree.map_structure(lambda v: v.tolist() if hasattr(v, "tolist") else v, value)
