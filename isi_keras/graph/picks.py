"""The greatest or the least of many values, with a gradient that always arrives somewhere.

JAX finds what was picked by asking which inputs equal the output. Compiled, XLA may compute both
anew and round otherwise, where it fuses a product and a sum: then none is equal, and the gradient
is lost. Here the first of the greatest gets it where none equals the output. Of equal ones each
gets the same share, as in JAX.
"""

import math
from typing import Any

import keras
from keras import ops

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
