"""Computing a graph as the model does."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.graph.mended import MENDED
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
    """What the operation of a node returns, with a gradient on any backend."""
    mended = MENDED[keras.config.backend()].get(node.kind)
    if mended is not None:
        return mended(node.op, *args, **kwargs)
    return node.op.call(*args, **kwargs)


def as_array(constant: Any) -> np.ndarray:
    """A constant as an array; of one number of bfloat16 TensorFlow makes none."""
    return ops.convert_to_numpy(widen(constant))


def widen(value: Any) -> Any:
    """A tensor in single precision, if it is in half."""
    return ops.cast(value, "float32") if ops.is_tensor(value) and _half(value.dtype) else value


def _half(dtype) -> bool:
    return dtype is not None and keras.backend.standardize_dtype(dtype) in HALF
