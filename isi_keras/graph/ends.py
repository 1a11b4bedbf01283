"""What models do to probabilities that tells no more than these did."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph.nodes import Graph, Node, Tensor

_BOUNDED = frozenset({"Clip", "Maximum", "Minimum"})
ORDERED = table.AFFINE | _BOUNDED | {"Log"}
_ADDED, _FACTORS = 10, (1e-4, 1e4)  # beyond which float32 makes some of them equal
_LEAST, _MOST = 1e-3, 1 - 1e-3  # bounds of probabilities that leave apart which is the greatest
_LEAST_OF_LABELS = 1e-6  # and of such that do not sum to 1, of which several may be beyond
_ALONE = frozenset(
    {"Reshape", "Squeeze", "ExpandDims", "Cast", "Identity", "GetItem", "Subtract", "Sigmoid"}
)


def is_complement(node: Node) -> bool:
    """Whether a node is `1 - p`."""
    return node.kind == "Subtract" and _number(node.args[0]) == 1


def is_bounded(node: Node, count: float = 1, labels: bool = False) -> bool:
    """Whether a node keeps probabilities off 0, off 1, or both, and tells the greatest still.

    Args:
        node: an operation.
        count: of how many one is the greatest.
        labels: whether they do not sum to 1.
    """
    if node.kind not in _BOUNDED:
        return False
    if node.kind == "Clip":
        least, most = (_number(node.argument(name)) for name in ("x_min", "x_max"))
    else:
        number = next((n for n in map(_number, node.args) if n is not None), None)
        least, most = (number, 1) if node.kind == "Maximum" else (0, number)
    if least is None or most is None:
        return False
    if labels and count > 1:
        return least <= _LEAST_OF_LABELS and most >= 1 - _LEAST_OF_LABELS
    return least <= _LEAST and least * count < 1 and most >= _MOST


class Line(NamedTuple):
    """What was made of probabilities: `factor * p + term`, or a logarithm and what else not."""

    factor: float = 1.0
    term: float = 0.0
    closed: bool = False

    def after(self, node: Node) -> "Line | None":
        """What a node of a single tensor makes of it; `None` if that may lose the order."""
        if self.closed:
            return None
        if node.kind == "Log":
            return None if self.term < 0 else Line(closed=True)  # of less than 0 there is none
        number = next((n for n in map(_number, node.args) if n is not None), None)
        first = isinstance(node.args[0], Tensor)
        factor, term = self.factor, self.term
        if number is None or node.kind not in table.AFFINE:
            return None
        if node.kind == "Add" or (first and node.kind == "Subtract"):
            term += number if node.kind == "Add" else -number
        elif node.kind == "Multiply" or (first and node.kind != "Subtract" and number):
            scale = number if node.kind == "Multiply" else 1 / number
            factor, term = factor * scale, term * scale
        else:
            return None
        kept = _FACTORS[0] <= factor <= _FACTORS[1] and abs(term) <= _ADDED * factor
        return Line(factor, term) if kept else None


def is_pair(graph: Graph, tensor: Tensor) -> bool:
    """Whether a tensor is `[1 - p, p]` or `[p, 1 - p]` of one probability `p` a sample."""
    node = graph.producers.get(id(tensor))
    while node is not None and (is_bounded(node) or node.kind in ("Cast", "Identity")):
        node = graph.producers.get(id(node.tensors[0]))
    if node is None or node.kind not in ("Concatenate", "Stack") or len(node.tensors) != 2:
        return False
    (first, one), (second, other) = (_made(graph, each) for each in node.tensors)
    return tuple(tensor.shape[1:]) == (2,) and one == other and first != second


def _made(graph: Graph, tensor: Tensor) -> tuple[bool, list]:
    """Whether a probability is a complement, and how what it is one of was made."""
    turned, steps = False, []
    node = graph.producers.get(id(tensor))
    while node is not None and node.kind in _ALONE and len(node.tensors) == 1:
        if node.kind == "Sigmoid":  # it may be written twice
            return turned, [*steps, "Sigmoid", id(node.tensors[0])]
        if is_complement(node):
            turned = not turned
        elif node.kind == "Subtract":
            break
        else:
            rest = [v for v in keras.tree.flatten(node.args) if not isinstance(v, Tensor)]
            steps.append((node.kind, tuple(node.outputs[0].shape), str(rest)))
        tensor = node.tensors[0]
        node = graph.producers.get(id(tensor))
    return turned, [*steps, id(tensor)]


def _number(value: Any) -> float | None:
    """A constant of one number."""
    if isinstance(value, Tensor) or not (np.isscalar(value) or hasattr(value, "shape")):
        return None
    array = np.asarray(ops.convert_to_numpy(value))
    return float(array.ravel()[0]) if array.size == 1 and array.dtype.kind in "fiu" else None
