"""A linear layer at its input, to be run with other weights."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from keras import ops


def positive(tensor):
    """The positive part of each entry."""
    return ops.maximum(tensor, 0)


def negative(tensor):
    """The negative part of each entry."""
    return ops.minimum(tensor, 0)


@dataclasses.dataclass(frozen=True)
class Linear:
    """The map `z = contract(x, kernel) + bias` at one input.

    Args:
        x: the input, `(N, ...)`.
        z: the pre-activation there, differentiable by `x`.
        contract: a function of an input, a kernel and a bias or `None`, linear in each.
        kernel: the weights.
        bias: a tensor that broadcasts to the shape of `z`, or `None`.
        biased: whether the bias takes part.
        nonnegative: whether no entry of `x` is below 0.
        ones: a tensor of ones of the shape of `x`, by which the relevance of a first layer is
            differentiated; `None` for another layer.
        bounded: a function from a bound on the model's input to one on `x`; `None` if they are
            the same.
        absorbed: by which the relevance that goes to biases is differentiated, zeros `(N,)`.
        summand: whether a bias is just what is added to `z`; if not, `contract` alone knows.
    """

    x: Any
    z: Any
    contract: Callable[[Any, Any, Any], Any]
    kernel: Any
    bias: Any = None
    biased: bool = True
    nonnegative: bool = False
    ones: Any = None
    bounded: Callable[[Any], Any] | None = None
    absorbed: Any = None
    summand: bool = True

    def run(self, x, kernel, bias: Callable[[Any], Any] | None = None):
        """The layer at another input, with another kernel, and what `bias` makes of the bias."""
        if bias is None or self.bias is None or not self.biased:
            return self.contract(x, kernel, None)
        added = bias(self.bias)
        if self.absorbed is None:
            return self.contract(x, kernel, added)
        z = self.contract(x, kernel, None)
        share = added if self.summand else self.contract(x, kernel, added) - z
        probe = ops.cast(along(self.absorbed, z), z.dtype)
        return z + share + probe * ops.stop_gradient(share)

    def plain(self):
        """The pre-activation."""
        if self.absorbed is None and (self.biased or self.bias is None):
            return self.z
        return self.run(self.x, self.kernel, lambda bias: bias)

    def agreeing(self):
        """The sum of its positive terms: of products whose factors have the same sign."""
        return self._terms(self._kernels, positive)

    def opposing(self):
        """The sum of its negative terms."""
        return self._terms(self._kernels[::-1], negative)

    def bound(self, value):
        """A bound on the model's input as one on `x`, of the shape of `x`."""
        if self.bounded is not None:
            return self.bounded(value)
        return ops.broadcast_to(ops.convert_to_tensor(value, self.x.dtype), ops.shape(self.x))

    def _terms(self, kernels, bias):
        if self.nonnegative:
            return self.run(self.x, kernels[0], bias)
        terms = self.run(self._inputs[0], kernels[0], bias)
        return terms + self.run(self._inputs[1], kernels[1])

    @functools.cached_property
    def _inputs(self):
        return positive(self.x), negative(self.x)

    @functools.cached_property
    def _kernels(self):
        return positive(self.kernel), negative(self.kernel)


def along(vector, z, rank: int | None = None):
    """One number a sample, `(N,)`, so that it broadcasts to `z`, `(N, ...)`.

    Where `z` has several rows for each sample, as windows or time steps have been made samples,
    they follow one another. Where its rows are none of samples, as those of experts are not, each
    gets the mean.

    Args:
        vector: the numbers.
        z: a tensor that has as many rows as the result.
        rank: how many axes the result has, if other than `z`.

    Raises:
        ValueError: if `z` is one number, of all samples.
    """
    if not len(z.shape):
        raise ValueError(
            "There is no account of one number of all samples, as a sum or a maximum over all axes "
            "is. Compute it for each sample (axis=...)."
        )
    rows, samples = z.shape[0], vector.shape[0]
    if rows % samples == 0 and rows > samples:
        vector = ops.repeat(vector, rows // samples)
    elif rows not in (1, samples):
        vector = ops.repeat(ops.mean(vector, keepdims=True), rows)
    return along_axis(vector, 0, len(z.shape) if rank is None else rank)


def along_axis(vector, axis: int, rank: int):
    """A vector, so that it broadcasts to a tensor along one axis."""
    return ops.reshape(vector, [-1 if k == axis else 1 for k in range(rank)])


def scaled(kernel, factors, axis: int):
    """A kernel times one factor for each channel along an axis.

    Where the axis is shorter than the factors (a depthwise kernel, whose outputs are counted by its
    last two axes), they are spread over that axis and the one before it.
    """
    if kernel.shape[axis] != factors.shape[0]:
        return kernel * ops.reshape(factors, kernel.shape[-2:])
    rank = len(kernel.shape)
    return kernel * along_axis(factors, axis % rank, rank)
