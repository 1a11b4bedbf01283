"""A linear layer at its input, to be run with other weights."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from isi_keras import _keras
from isi_keras.models.rewrite import Swap, rewritten


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
        preprocessing: what is done to each entry of the model's input before it is `x`.
        absorbed: by which the relevance that goes to biases is differentiated, zeros `(N,)`.
    """

    x: Any
    z: Any
    contract: Callable[[Any, Any, Any], Any]
    kernel: Any
    bias: Any = None
    biased: bool = True
    nonnegative: bool = False
    ones: Any = None
    preprocessing: Sequence[Callable[[Any], Any]] = ()
    absorbed: Any = None

    def run(self, x, kernel, bias: Callable[[Any], Any] | None = None):
        """The layer at another input, with another kernel, and what `bias` makes of the bias."""
        if bias is None or self.bias is None or not self.biased:
            return self.contract(x, kernel, None)
        z = self.contract(x, kernel, bias(self.bias))
        if self.absorbed is not None:
            share = z - self.contract(x, kernel, None)
            z = z + along(self.absorbed, z) * ops.stop_gradient(share)
        return z

    def plain(self):
        """The pre-activation."""
        if self.absorbed is None and (self.biased or self.bias is None):
            return self.z
        return self.run(self.x, self.kernel, lambda bias: bias)

    def agreeing(self):
        """The sum of its positive terms: of products whose factors have the same sign."""
        return self._terms(positive, negative)

    def opposing(self):
        """The sum of its negative terms."""
        return self._terms(negative, positive)

    def bound(self, value):
        """A bound on the model's input as one on `x`, of the shape of `x`."""
        tensor = ops.broadcast_to(ops.convert_to_tensor(value, self.x.dtype), ops.shape(self.x))
        for function in self.preprocessing:
            tensor = function(tensor)
        return tensor

    def _terms(self, of_positive, of_negative):
        if self.nonnegative:
            return self.run(self.x, of_positive(self.kernel), of_positive)
        terms = self.run(positive(self.x), of_positive(self.kernel), of_positive)
        return terms + self.run(negative(self.x), of_negative(self.kernel))


@dataclasses.dataclass(frozen=True)
class Weights:
    """Where the weights of a kind of layer are.

    Args:
        kernel: the attribute that holds the kernel.
        outputs: the axis of the kernel that counts the output channels; `None` if there is none.
        inputs: the axis that counts the input channels, likewise.
    """

    kernel: str = "kernel"
    outputs: int | None = -1
    inputs: int | None = None


def without_activation(layer, call: Callable) -> Callable:
    """The layer's `call` without its fused activation."""
    if _keras.read(layer, "activation") is None:
        return call
    swap = Swap(layer, "activation", keras.activations.linear)

    def run(*args, **kwargs):
        with rewritten([swap]):
            return call(*args, **kwargs)

    return run


def contraction(layer, kernel: str, call: Callable) -> Callable[[Any, Any, Any], Any]:
    """The layer as a function of input, kernel and bias, without its activation."""
    variable = _keras.kernel(layer, kernel)
    own = _keras.read(layer, "bias")
    bare = without_activation(layer, call)
    low_rank = [Swap(layer, "lora_enabled", False)] if _keras.read(layer, "lora") else []
    removable = _keras.read(layer, "use_bias") is not None
    without_bias = [Swap(layer, "use_bias", False), Swap(layer, "bias", None)]

    def run(x, kernel, bias):
        fits = own is not None and bias is not None and tuple(bias.shape) == tuple(own.shape)
        values, swaps = [(variable, kernel)], list(low_rank)
        if fits:
            values.append((own, bias))
        elif removable:
            swaps += without_bias
        elif own is not None:
            values.append((own, ops.zeros(own.shape, own.dtype)))
        with keras.StatelessScope(values), rewritten(swaps):
            z = bare(x)
        return z if fits or bias is None else z + spread(bias, z, layer)

    return run


def spread(vector, z, layer):
    """A value for each channel, so that it broadcasts to `z`."""
    axis = channel_axis(layer, len(z.shape))
    return vector if len(vector.shape) > 1 else along_axis(vector, axis, len(z.shape))


def channel_axis(layer, rank: int) -> int:
    """The axis of the layer's output that counts its channels."""
    if _keras.read(layer, "data_format") == "channels_first":
        return 1
    return rank - 1


def along(vector, z):
    """One number a sample, `(N,)`, so that it broadcasts to `z`, `(N, ...)`."""
    return along_axis(vector, 0, len(z.shape))


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
