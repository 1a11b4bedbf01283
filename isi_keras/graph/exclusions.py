"""Masks that are added: `scores + (1 - mask) * -1e9` rules places out, and takes no relevance.

Where nothing is ruled out the summand is 0, `1 - 1`: its parts would get shares of a billion of
either sign.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph.facts import Facts
from isi_keras.graph.forward import as_array
from isi_keras.graph.nodes import Graph, Node, Tensor

_LARGE = 1e4  # the least that masks are multiplied by
_COMPARING = {"Amax", "Amin", "LogSoftmax", "Max", "MaxPool", "Min", "Softmax", "TopK"}


def excludes(graph: Graph, facts: Facts, tensor: Tensor, node: Node) -> bool:
    """Whether a summand of a node is a mask.

    It is an input of the model times at least 10,000, perhaps shifted and moved. If that holds real
    numbers, the sum has to enter a softmax or a maximum: it may be a tiny quantity, scaled.
    """
    source, factor = _origin(graph, facts, tensor)
    if factor < _LARGE:
        return False
    return not keras.backend.is_float_dtype(source.dtype) or _is_compared(graph, node)


def _origin(graph: Graph, facts: Facts, tensor: Tensor) -> tuple[Tensor, float]:
    """What a tensor was made of by constants, and what it was multiplied by."""
    factor = 1.0
    node = graph.producers.get(id(tensor))
    while node is not None and node.kind in table.MOVES | table.AFFINE:
        relevant = facts.relevant(node)
        if len(relevant) != 1:
            break
        (tensor,) = relevant
        if node.kind in table.AFFINE:
            factor *= _factor(node, tensor)
        node = graph.producers.get(id(tensor))
    inputs = map(id, keras.tree.flatten(graph.inputs))
    return tensor, factor if id(tensor) in inputs else 0.0


def _factor(node: Node, tensor: Tensor) -> float:
    """What an affine node multiplies a tensor by, at least, as far as that is a constant."""
    others = [_size(v) for v in node.args if not isinstance(v, Tensor)]
    if node.kind == "Multiply":
        return math.prod(others)
    if node.kind in table.QUOTIENTS:
        return 1 / math.prod(others) if node.args[0] is tensor and all(others) else 0.0
    return 1.0


def _size(value: Any) -> float:
    numbers = as_array(value) if ops.is_tensor(value) else value
    return float(np.abs(np.asarray(numbers, "float64")).min())


def _is_compared(graph: Graph, node: Node) -> bool:
    stack, seen = [node], set()
    while stack:
        for user in graph.users.get(id(stack.pop().outputs[0]), []):
            if user.kind in _COMPARING:
                return True
            if id(user) not in seen and user.kind in table.MOVES | table.AFFINE:
                seen.add(id(user))
                stack.append(user)
    return False
