"""Masks that are added: `scores + (1 - mask) * -1e9` rules places out, and takes no relevance.

Where nothing is ruled out the summand is 0, `1 - 1`: its parts would get shares of a billion of
either sign.
"""

import keras
import numpy as np
from keras import ops

from isi_keras import backend
from isi_keras.graph import operations as table
from isi_keras.graph.forward import as_array, forward
from isi_keras.graph.nodes import Graph, Node, Tensor, Weight

_BEYOND = 1e3  # what rules out: its exponential is 0 or infinite
_NODES, _ENTRIES, _ROWS = 50, 2**22, 8  # of what is computed for it, at most; samples
_BESIDE = table.MOVES | {"Add", "Subtract", "Maximum"}


def excludes(graph: Graph, tensor: Tensor, node: Node) -> bool:
    """Whether a summand of a node is a mask of attention.

    It is if the sum enters a softmax that weighs something; if the summand is made of the model's
    inputs without a weight; and if it is 0 or beyond 1,000, of one sign, wherever these
    are 0 or 1. What is a large multiple of an input elsewhere, such as days in seconds, is a
    quantity.
    """
    return _is_weighing(graph, node) and _is_mask(graph, tensor)


def _is_weighing(graph: Graph, node: Node) -> bool:
    softmaxes = [found for found in _beyond(graph, [node], _BESIDE) if found.kind == "Softmax"]
    return any(found.kind in table.PRODUCTS for found in _beyond(graph, softmaxes, table.MOVES))


def _beyond(graph: Graph, nodes: list[Node], passed: frozenset[str]) -> list[Node]:
    """The nodes that take what others return, or what nodes of some kinds make of it."""
    stack, found = list(nodes), {}
    while stack:
        for user in graph.users.get(id(stack.pop().outputs[0]), []):
            if user is not None and id(user) not in found:
                found[id(user)] = user
                stack += [user] if user.kind in passed else []
    return list(found.values())


def _is_mask(graph: Graph, tensor: Tensor) -> bool:
    made = graph.with_output(tensor, [])
    tensors = [t for node in made.nodes for t in (*node.tensors, *node.outputs)]
    entries = [np.prod([n or 1 for n in t.shape]) for t in tensors]
    small = len(made.nodes) <= _NODES and max(entries, default=0) <= _ENTRIES
    if not made.nodes or not small or any(isinstance(t, Weight) for t in tensors):
        return False
    values = backend.outside(_at_zeros_and_ones, made)
    size = np.abs(values[values != 0])
    one_sign = (values >= 0).all() or (values <= 0).all()
    return 0 < len(size) < values.size and bool(one_sign) and bool(size.min() >= _BEYOND)


def _at_zeros_and_ones(graph: Graph) -> np.ndarray:
    """What a graph returns for inputs of zeros and ones, of ones alone in the first sample."""
    rng = np.random.default_rng(0)

    def drawn(tensor):
        rows = tensor.shape[0] or _ROWS
        values = rng.integers(0, 2, (rows, *tensor.shape[1:]))
        values[: rows - 1][:1] = 1
        return ops.cast(values, tensor.dtype)

    try:
        return as_array(forward(graph, keras.tree.map_structure(drawn, graph.inputs)))
    except Exception:  # it does not take such numbers
        return np.zeros(0)
