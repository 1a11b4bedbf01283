"""The greatest or the least of many values, with a gradient that always arrives somewhere.

JAX finds what was picked by asking which inputs equal the output. Compiled, XLA may compute both
anew and round otherwise, where it fuses a product and a sum: then none is equal, and the gradient
is lost. Here the first of the greatest gets it where none equals the output. Of equal ones each
gets the same share, as in JAX.

TensorFlow's pooling over three axes hands the whole gradient to each of several equal values, as
those of a black background are: so it goes over two axes and then over the third.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

POOLINGS = "MaxPool", "AdaptiveMaxPool"
KINDS = {"Max": 1, "Amax": 1, "Min": -1, "Amin": -1}


def picked(kind: str, op: Any, x: Any) -> Any:
    """What an operation of one of `KINDS` returns."""
    value, rank = op.call(x), len(x.shape)
    given = getattr(op, "initial", None) is not None
    if given or not rank or not keras.backend.is_float_dtype(value.dtype):
        return value
    axes = range(rank) if op.axis is None else [op.axis] if isinstance(op.axis, int) else op.axis
    axes = [axis % rank for axis in axes]
    others = [axis for axis in range(rank) if axis not in axes]
    sizes = [x.shape[axis] for axis in others]
    rows = ops.transpose(x, (*others, *axes))
    rows = ops.reshape(rows, (*sizes, math.prod(x.shape[axis] for axis in axes)))
    equal = ops.cast(rows == ops.reshape(value, (*sizes, 1)), value.dtype)
    count = ops.sum(equal, axis=-1, keepdims=True)
    first = ops.argmax(KINDS[kind] * rows, axis=-1)
    first = ops.one_hot(first, rows.shape[-1], dtype=value.dtype)
    share = ops.stop_gradient(ops.where(count > 0, equal / ops.maximum(count, 1), first))
    found = ops.sum(ops.where(share > 0, rows * share, 0), axis=-1)
    found = ops.reshape(found - ops.stop_gradient(found), value.shape)
    spoilt = ops.where(ops.isnan(value), float("nan"), 1.0)
    return ops.stop_gradient(value) + spoilt * ops.where(ops.isinf(value), 0, found)


def pooled(kind: str, op: Any, inputs: Any) -> Any:
    """What a max-pooling returns, or one that adapts itself."""
    if len(inputs.shape) != 5:
        return op.call(inputs)
    first = op.data_format == "channels_first"
    x = ops.moveaxis(inputs, 1, -1) if first else inputs
    _, deep, high, wide, channels = ops.shape(x)
    pools = _adaptive(op) if kind == "AdaptiveMaxPool" else _fixed(op)
    x = pools[0](ops.reshape(x, (-1, high, wide, channels)))
    _, high, wide, _ = ops.shape(x)
    x = pools[1](ops.reshape(x, (-1, deep, high * wide, channels)))
    x = ops.reshape(x, (-1, ops.shape(x)[1], high, wide, channels))
    return ops.moveaxis(x, -1, 1) if first else x


def _fixed(op: Any) -> list[Callable]:
    """The pooling over the last two axes, and over the first beside others."""
    sizes = _three(op.pool_size)
    strides = sizes if op.strides is None else _three(op.strides)
    return [
        lambda x: ops.max_pool(x, sizes[1:], strides[1:], op.padding, "channels_last"),
        lambda x: ops.max_pool(x, (sizes[0], 1), (strides[0], 1), op.padding, "channels_last"),
    ]


def _adaptive(op: Any) -> list[Callable]:
    deep, *others = _three(op.output_size)
    size = math.prod(others)
    return [
        lambda x: ops.adaptive_max_pool(x, tuple(others), "channels_last"),
        lambda x: ops.adaptive_max_pool(x, (deep, size), "channels_last"),
    ]


def _three(sizes: Any) -> tuple:
    return (sizes,) * 3 if isinstance(sizes, int) else tuple(sizes)
