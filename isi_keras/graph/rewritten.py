"""Operations that are written with simpler ones, so that relevance knows them."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from isi_keras.graph.nodes import Called, Own


def operation(op: Any, args: tuple, kwargs: dict) -> Any:
    """What an operation returns, made of simpler ones; `None` if it stays as it is."""
    make = _OPERATIONS.get(type(op).__name__)
    return None if make is None else make(op, *args, **kwargs)


def _separable(op, inputs, depthwise_kernel, pointwise_kernel):
    options = {"data_format": op.data_format}
    inner = ops.depthwise_conv(
        inputs, depthwise_kernel, op.strides, op.padding, dilation_rate=op.dilation_rate, **options
    )
    return ops.conv(inner, pointwise_kernel, 1, "valid", **options)


def _gated(op, x):
    signal, gate = ops.split(x, 2, axis=op.axis)
    return ops.multiply(signal, ops.sigmoid(gate))


def _transposed(op, inputs, kernel):
    """Keras 3.15 mixes up the arguments when it runs the operation."""
    (spec,) = keras.tree.flatten(op.compute_output_spec(inputs, kernel))
    names = ("strides", "padding", "output_padding", "data_format", "dilation_rate")
    options = {name: getattr(op, name) for name in names}
    function = Called(ops.conv_transpose, options)
    return Own("ConvTranspose", function, spec.shape, spec.dtype, **options)(inputs, kernel)


def _reshaped(op, x):
    """With an open number of samples, which Keras writes as None."""
    (spec,) = keras.tree.flatten(op.compute_output_spec(x))
    if None not in op.newshape:
        return None
    return ops.reshape(x, [-1 if size is None else size for size in spec.shape])


def _softmax_over(op, x):
    """Over several axes, which the operation itself cannot run."""
    if isinstance(op.axis, int):
        return None
    if len(op.axis) == 1:
        return ops.softmax(x, axis=op.axis[0])
    function = Called(ops.softmax, {"axis": op.axis})
    return Own("Softmax", function, x.shape, x.dtype, axis=op.axis)(x)


def _length(op, x):
    """With axes that can be hashed, which JAX needs."""
    if not isinstance(op.axis, list):
        return None
    (spec,) = keras.tree.flatten(op.compute_output_spec(x))
    axis = op.axis[0] if len(op.axis) == 1 else tuple(op.axis)
    options = {"ord": op.ord, "axis": axis, "keepdims": op.keepdims}
    return Own("Norm", Called(ops.norm, options), spec.shape, spec.dtype, **options)(x)


def _several_hot(op, x):
    """The greatest of the rows of its indices, as the operation has it."""
    options = {"axis": op.axis, "dtype": op.dtype}
    hot = ops.one_hot(x, op.num_classes, **options)
    return ops.max(hot, axis=min(1, len(x.shape) - 1))


def _weighted(op, x, weights: Any = None):
    """By weights that may depend on the input, as a product and its sum."""
    if not isinstance(weights, keras.KerasTensor):
        return None
    dtype = keras.backend.result_type(x.dtype, weights.dtype, float)
    x, weights = ops.cast(x, dtype), ops.cast(weights, dtype)
    if len(weights.shape) != len(x.shape):
        shape = [1] * len(x.shape)
        shape[op.axis] = -1
        weights = ops.reshape(weights, shape)
    return ops.sum(x * weights, axis=op.axis) / ops.sum(weights, axis=op.axis)


def _selected(op, conditions, choices, default=0):
    """One condition after another; the first that holds decides."""
    chosen = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        chosen = ops.where(condition, choice, chosen)
    return chosen


_OPERATIONS: dict[str, Callable] = {
    "Average": _weighted,
    "MultiHot": _several_hot,
    "Norm": _length,
    "Select": _selected,
    "Softmax": _softmax_over,
    "SeparableConv": _separable,
    "Glu": _gated,
    "ConvTranspose": _transposed,
    "Reshape": _reshaped,
}
