"""Which graphs compute each sample by itself, whatever their values are."""

import math
from typing import Any

import keras

from isi_keras.graph import operations as table
from isi_keras.graph.nodes import Graph, Node, Tensor

_BY_ROWS = {"Softmax", "LogSoftmax", "Sparsemax"}
_OF_ENTRIES = table.ENTRYWISE | (table.ACTIVATIONS - _BY_ROWS) | {"Identity"}
_OF_PLACES = {"AveragePool", "BatchNorm", "Conv", "ConvTranspose", "DepthwiseConv", "MaxPool"}
_OVER_AXES = _BY_ROWS | {"Amax", "Amin", "Concatenate", "Max", "Mean", "Min", "Sum"}


def is_apart(graph: Graph) -> bool:
    """Whether the operations alone say that what becomes of a sample depends on no other.

    It is not said of operations that may take the samples' axis for another: most models of
    convolutions and dense layers are apart, others have to be tried.
    """
    made = {id(tensor) for tensor in keras.tree.flatten(graph.inputs)}
    for node in graph.nodes:
        taken = [t for t in node.tensors if id(t) in made]
        if not taken:
            continue
        if any(len(t.shape) < 2 or t.shape[0] is not None for t in (*taken, *node.outputs)):
            return False
        if not _keeps_apart(node, taken):
            return False
        made.update(map(id, node.outputs))
    return True


def _keeps_apart(node: Node, taken: list[Tensor]) -> bool:
    first, rank = taken[0], len(taken[0].shape)
    if node.kind in _OF_ENTRIES:
        given = {id(tensor) for tensor in taken}
        values = (*node.args, *node.kwargs.values())
        return all(_is_beside(value, rank, id(value) in given) for value in values)
    if node.kind in _OVER_AXES:
        axes = keras.tree.flatten(node.argument("axis"))
        return all(axis is not None and axis % rank != 0 for axis in axes)
    if len(taken) > 1 or node.args[0] is not first:
        return False
    if node.kind in _OF_PLACES:
        return node.argument("axis", -1) % rank != 0
    if node.kind == "Matmul":
        return len(node.args[1].shape) == 2
    if node.kind == "Pad":
        return tuple(node.argument("pad_width")[0]) == (0, 0)
    if node.kind == "Reshape":
        sizes = first.shape[1:], node.outputs[0].shape[1:]
        return None not in (*sizes[0], *sizes[1]) and math.prod(sizes[0]) == math.prod(sizes[1])
    return False


def _is_beside(value: Any, rank: int, taken: bool) -> bool:
    """Whether a value of a broadcast has the samples, or one for all, where the others have."""
    if isinstance(value, list | tuple | dict):
        return False
    shape = list(getattr(value, "shape", ()))
    if taken:
        return len(shape) == rank
    return len(shape) < rank or (len(shape) == rank and shape[0] == 1)
