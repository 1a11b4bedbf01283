"""Masks that are added: `scores + (1 - mask) * -1e9` rules places out, and takes no relevance.

Where nothing is ruled out the summand is 0, `1 - 1`: its parts would get shares of a billion of
either sign.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import backend
from isi_keras.graph import operations as table
from isi_keras.graph.forward import as_array, called, put
from isi_keras.graph.nodes import Graph, Node, Tensor

_BEYOND = 9e3  # what is added to rule out, at least: libraries add -9999 and more
_NODES, _ENTRIES, _ROWS = 50, 2**22, 8  # of what is computed for it, at most; samples
_BESIDE = table.MOVES | {"Add", "Subtract", "Maximum", "Minimum", "Clip", "Where"}
_FACTORS = 1 / 32, 32  # by which what is added is still beyond all scores


def excludes(graph: Graph, tensor: Tensor, node: Node) -> bool:
    """Whether a summand of a node is a mask of attention.

    It is if the sum enters a softmax that weighs something; if the summand is made of the model's
    inputs without weights, but for those that are added; and if it is 0 without them, or beyond
    9,000, of one sign, wherever the inputs are 0 or 1. What is a large multiple of an input
    elsewhere, such as days in seconds, is a quantity.
    """
    return _is_weighing(graph, node) and is_mask(graph, tensor)


def _is_weighing(graph: Graph, node: Node) -> bool:
    reached = _beyond(graph, [node], _keeps)
    added = [t for each in (node, *filter(_keeps, reached)) for t in each.outputs]
    fused = [found.argument("bias") for found in reached if found.kind == "DotProductAttention"]
    if any(bias is tensor for bias in fused for tensor in added):
        return True
    softmaxes = [found for found in reached if found.kind == "Softmax"]
    weighed = _beyond(graph, softmaxes, lambda node: node.kind in table.MOVES)
    return any(found.kind in table.PRODUCTS for found in weighed)


def _keeps(node: Node) -> bool:
    """Whether what is beyond all scores is so still after a node."""
    if node.kind not in {"Multiply", *table.QUOTIENTS}:
        return node.kind in _BESIDE
    numbers = [np.abs(as_array(v)) for v in node.args if not isinstance(v, Tensor)]
    least, greatest = _FACTORS
    return bool(numbers) and numbers[0].min() >= least and numbers[0].max() <= greatest


def _beyond(graph: Graph, nodes: list[Node], passed: Callable[[Node], bool]) -> list[Node]:
    """The nodes that take what others return, or what those make of it that are passed."""
    stack, found = list(nodes), {}
    while stack:
        for user in graph.users.get(id(stack.pop().outputs[0]), []):
            if user is not None and id(user) not in found:
                found[id(user)] = user
                stack += [user] if passed(user) else []
    return list(found.values())


def is_mask(graph: Graph, tensor: Tensor) -> bool:
    """Whether a tensor is one that rules out where it is added."""
    made = graph.with_output(tensor, [])
    entries = [np.prod([n or 1 for n in t.shape]) for node in made.nodes for t in node.outputs]
    if not 0 < len(entries) <= _NODES or max(entries) > _ENTRIES:
        return False
    values = backend.outside(_at_zeros_and_ones, made)
    size = np.abs(values[values != 0])
    one_sign = (values >= 0).all() or (values <= 0).all()
    some = 0 < len(size) < values.size and bool(one_sign)
    return some and bool(size.min() >= _BEYOND) and bool(np.isfinite(size).all())


def _at_zeros_and_ones(graph: Graph) -> np.ndarray:
    """What a graph returns for inputs of zeros and ones, of ones alone in the first sample.

    What is made of weights alone and added is left out; where weights take part otherwise,
    nothing is returned.
    """
    rng = np.random.default_rng(0)

    def drawn(tensor):
        rows = tensor.shape[0] or _ROWS
        values = rng.integers(0, 2, (rows, *tensor.shape[1:]))
        values[: rows - 1][:1] = 1
        return ops.cast(values, tensor.dtype)

    values: dict[int, Any] = {id(t): drawn(t) for t in keras.tree.flatten(graph.inputs)}
    of_inputs = set(values)
    values.update(dict.fromkeys(map(id, graph.weights)))
    for node in graph.nodes:
        weighted = node.kind == "Whole" or any(values[id(t)] is None for t in node.tensors)
        outputs = set(map(id, node.outputs))
        if of_inputs.isdisjoint(map(id, node.tensors)):
            if weighted:
                values.update(dict.fromkeys(outputs))
                continue
        elif weighted and node.kind not in ("Add", "Subtract"):
            return np.zeros(0)
        else:
            of_inputs |= outputs
        args, kwargs = node.filled(lambda t: 0.0 if values[id(t)] is None else values[id(t)])
        try:
            put(values, node, called(node, args, kwargs))
        except Exception:  # it does not take such numbers
            return np.zeros(0)
    return as_array(values[id(graph.output)])
