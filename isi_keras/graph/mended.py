"""Operations of which a backend has no gradient, or a wrong one, computed in another way.

JAX loses gradients of a greatest or least value and TensorFlow multiplies some, see `picks`. What
TensorFlow calls to replace a block has none. Torch's fused attention is spelled out where there is
a mask or a bias, which may stand for one: on CPUs its gradient is wrong for queries that may look
at nothing, as those of padding.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from isi_keras.graph import picks


def _updated(op, inputs, start_indices, updates):
    sizes = ops.shape(updates)
    starts = [ops.convert_to_tensor(start_indices[axis], "int32") for axis in range(len(sizes))]
    axes = [ops.arange(size) + start for start, size in zip(starts, sizes, strict=True)]
    places = ops.stack(ops.meshgrid(*axes, indexing="ij"), axis=-1)
    places = ops.reshape(places, (-1, len(axes)))
    return ops.scatter_update(inputs, places, ops.reshape(updates, (-1,)))


def _attended(op, query, key, value, bias=None, mask=None, scale=None):
    if mask is None and (bias is None or op.is_causal):  # Torch takes a bias or causality
        return op.call(query, key, value, bias, mask, scale)
    heads = query.shape[2]
    key, value = (ops.repeat(each, heads // each.shape[2], axis=2) for each in (key, value))
    scores = ops.einsum("nthd,nshd->nhts", query, key)
    scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
    if mask is None:
        scores = scores + ops.cast(bias, scores.dtype)
    else:
        mask = ops.cast(mask, "bool")
        if op.is_causal:
            mask = ops.logical_and(mask, ops.cast(ops.tril(ops.ones(scores.shape[-2:])), "bool"))
        half = keras.backend.standardize_dtype(scores.dtype) == "float16"
        scores = ops.where(mask, scores, -4e4 if half else -2e38)
    return ops.einsum("nhts,nshd->nthd", ops.softmax(scores, axis=-1), value)


MENDED: dict[str, dict[str, Callable[..., Any]]] = {
    "jax": {kind: functools.partial(picks.picked, kind) for kind in picks.KINDS},
    "tensorflow": {
        "SliceUpdate": _updated,
        **{kind: functools.partial(picks.pooled, kind) for kind in picks.POOLINGS},
    },
    "torch": {"DotProductAttention": _attended},
}
"""By backend and kind of node: functions of its operation and what that is given."""
