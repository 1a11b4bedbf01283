"""Masks that are added: `scores + (1 - mask) * -1e9` rules places out, and takes no relevance.

Where nothing is ruled out the summand is 0, `1 - 1`: its parts would get shares of a billion of
either sign.
"""

import math
from typing import Any

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

    That is `a * (m - 1)` of an input `m` and a number `a` of at least 10,000, perhaps with
    constants added to it, and the sum enters a softmax or a maximum, or is what
    the model returns. What is a large multiple of an
    input otherwise, such as days in seconds, is a quantity.
    """
    return _is_zero_at_one(graph, facts, tensor) and _is_compared(graph, node)


def _is_zero_at_one(graph: Graph, facts: Facts, tensor: Tensor) -> bool:
    """Whether a tensor is a large multiple of an input less 1, besides what is added to it."""
    steps, node = [], graph.producers.get(id(tensor))
    while node is not None and node.kind in table.MOVES | table.AFFINE:
        relevant = facts.relevant(node)
        if len(relevant) != 1:
            return False
        steps.append((node, relevant[0]))
        node = graph.producers.get(id(relevant[0]))
    if node is not None:
        return False
    factor, term = 1.0, 0.0
    for node, given in reversed(steps):
        if node.kind == "Negative":
            factor, term = -factor, -term
        elif node.kind in table.AFFINE:
            number = next((_number(v) for v in node.args if v is not given), None)
            if number is None and (node.kind not in ("Add", "Subtract") or abs(factor) < _LARGE):
                return False
            factor, term = _after(node, node.args[0] is given, number or 0.0, factor, term)
    return _LARGE <= abs(factor) < math.inf and abs(factor + term) <= 1e-6 * abs(factor)


def _after(node: Node, first: bool, number: float, factor: float, term: float):
    """The factor and the term of an affine function after one node more."""
    if node.kind in ("Add", "Subtract"):
        sign = 1 if node.kind == "Add" or first else -1
        return sign * factor, sign * term + (
            -number if node.kind == "Subtract" and first else number
        )
    if node.kind == "Multiply":
        return factor * number, term * number
    return (factor / number, term / number) if first and number else (0.0, 0.0)


def _number(value: Any) -> float | None:
    """A constant of one number."""
    if isinstance(value, Tensor):
        return None
    array = np.asarray(as_array(value) if ops.is_tensor(value) else value)
    return float(array.ravel()[0]) if array.size == 1 else None


def _is_compared(graph: Graph, node: Node) -> bool:
    stack, seen = [node], set()
    while stack:
        for user in graph.users.get(id(stack.pop().outputs[0]), []):
            if user is None or user.kind in _COMPARING:  # what is returned are logits
                return True
            if id(user) not in seen and user.kind in table.MOVES | table.AFFINE:
                seen.add(id(user))
                stack.append(user)
    return False
