"""Computing a graph as the model does."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.graph import picks
from isi_keras.graph.nodes import Graph, Node, Weight

HALF = ("float16", "bfloat16")


def forward(graph: Graph, x: Any, wide: bool = False) -> Any:
    """What the model returns for a batch.

    Variables are read as they are now, or as a `keras.StatelessScope` around it says.

    Args:
        graph: the graph.
        x: the inputs, of the structure that was traced.
        wide: whether half precision is widened to single, as for relevance.
    """
    graph, call = (graph.wide, widened) if wide else (graph, called)
    inputs = keras.tree.flatten(graph.inputs)
    values = dict(zip(map(id, inputs), keras.tree.flatten(x), strict=True))
    read = Weights(wide)

    def value(tensor):
        return read(tensor) if isinstance(tensor, Weight) else values[id(tensor)]

    for node, done in zip(graph.nodes, graph.last_uses, strict=True):
        args, kwargs = node.filled(value)
        put(values, node, call(node, args, kwargs))
        for key in done:
            values.pop(key, None)
    return value(graph.output)


def put(values: dict, node: Node, outputs: Any) -> None:
    """Keeps what a node returned under the ids of its tensors."""
    for tensor, made in zip(node.outputs, keras.tree.flatten(outputs), strict=True):
        values[id(tensor)] = made


class Weights:
    """Reads the values of weights.

    Args:
        wide: whether half precision is widened to single.
    """

    def __init__(self, wide: bool):
        self._wide, self._read = wide, {}

    def __call__(self, weight: Weight) -> Any:
        """The value of a weight, of the dtype in which its layer computes."""
        if id(weight) not in self._read:
            value = ops.convert_to_tensor(weight.variable)
            dtype = "float32" if self._wide and weight.dtype in HALF else weight.dtype
            self._read[id(weight)] = ops.cast(value, dtype)
        return self._read[id(weight)]


def widened(node: Node, args: tuple, kwargs: dict) -> Any:
    """What a node returns, in single precision where it says half."""
    if node.kind in ("Cast", "ConvertToTensor") and _half(getattr(node.op, "dtype", None)):
        return ops.cast(args[0], "float32")
    args, kwargs = keras.tree.map_structure(widen, (args, kwargs))
    return keras.tree.map_structure(widen, called(node, args, kwargs))


def called(node: Node, args: tuple, kwargs: dict) -> Any:
    """What the operation of a node returns.

    JAX loses gradients of a greatest or least value and TensorFlow multiplies some, see `picks`.
    Torch's fused attention is spelled out where there is a mask or a bias, which may stand for one:
    on CPUs its gradient is wrong for queries that may look at nothing, as those of padding.
    """
    if node.kind == "DotProductAttention" and keras.config.backend() == "torch":
        return _attended(node.op, *args, **kwargs)
    if node.kind in picks.KINDS and keras.config.backend() == "jax":
        return picks.picked(node.kind, node.op, *args, **kwargs)
    if node.kind in picks.POOLINGS and keras.config.backend() == "tensorflow":
        return picks.pooled(node.kind, node.op, *args, **kwargs)
    return node.op.call(*args, **kwargs)


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


def as_array(constant: Any) -> np.ndarray:
    """A constant as an array; of one number of bfloat16 TensorFlow makes none."""
    return ops.convert_to_numpy(widen(constant))


def widen(value: Any) -> Any:
    """A tensor in single precision, if it is in half."""
    return ops.cast(value, "float32") if ops.is_tensor(value) and _half(value.dtype) else value


def _half(dtype) -> bool:
    return dtype is not None and keras.backend.standardize_dtype(dtype) in HALF
