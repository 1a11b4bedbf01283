"""Softmaxes that a model writes out, found in its graph."""

from typing import Any

from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph.nodes import Called, Graph, Node, Own, Tensor
from isi_keras.graph.ranges import sum_of


def with_softmaxes(graph: Graph) -> Graph:
    """The graph with a softmax in place of each `exp(z) / sum(exp(z))` and `exp(log_softmax(z))`.

    What was added to `z` to keep the exponentials small, one number for all of them, is left out,
    as a softmax does not depend on it.
    """
    nodes = [_softmax(graph, node) or node for node in graph.nodes]
    return Graph(graph.inputs, graph.output, nodes, graph.layers)


def _softmax(graph: Graph, node: Node) -> Node | None:
    if node.kind == "Exp":
        inner = graph.producers.get(id(node.args[0]))
        if inner is None or inner.kind != "LogSoftmax":
            return None
        return _made(node, inner.args[0], inner.argument("axis", -1))
    for upper, lower in _shared(graph, node):
        raised = graph.producers.get(id(upper))
        if raised is None or raised.kind != "Exp":
            continue
        z = raised.args[0]
        alike = [n.outputs[0] for n in graph.nodes if n.kind == "Exp" and n.args[0] is z]
        totals = (sum_of(graph.producers, lower, each) for each in alike)
        total = next((each for each in totals if each is not None), None)
        axis = None if total is None else total.argument("axis")
        axes = [axis] if isinstance(axis, int) else list(axis or ())
        if len(axes) == 1:
            return _made(node, _unshifted(graph, z, axes[0]), axes[0])
    return None


def _shared(graph: Graph, node: Node) -> list[tuple[Any, Any]]:
    """What a node may divide, and by what: also where it multiplies by an inverse."""
    if node.kind in table.QUOTIENTS:
        return [(node.args[0], node.args[1])]
    found = []
    for upper, factor in (node.args[:2], node.args[1::-1]) if node.kind == "Multiply" else ():
        inverse = graph.producers.get(id(factor))
        if inverse is None:
            continue
        if inverse.kind == "Reciprocal" or (inverse.kind == "Power" and _is(inverse.args[1], -1)):
            found.append((upper, inverse.args[0]))
        elif inverse.kind in table.QUOTIENTS and _is(inverse.args[0], 1):
            found.append((upper, inverse.args[1]))
    return found


def _is(value: Any, number: int) -> bool:
    """Whether a value is a number, or a tensor of it alone."""
    if isinstance(value, Tensor) or value is None or len(getattr(value, "shape", ())):
        return False
    return bool(value == number)


def _unshifted(graph: Graph, z: Any, axis: int) -> Any:
    """What one number was added to, or subtracted of, all along an axis."""
    node = graph.producers.get(id(z))
    while node is not None and _is_shift(node, axis):
        z = node.args[0]
        node = graph.producers.get(id(z))
    return z


def _is_shift(node: Node, axis: int) -> bool:
    if node.kind not in ("Add", "Subtract"):
        return False
    x, shift = node.args[:2]
    full = isinstance(x, Tensor) and tuple(x.shape) == tuple(node.outputs[0].shape)
    if not full or not hasattr(shift, "shape"):
        return full
    rank = len(x.shape)
    place = axis % rank - rank + len(shift.shape)
    return place < 0 or shift.shape[place] == 1


def _made(node: Node, z: Any, axis: int) -> Node:
    output = node.outputs[0]
    softmax = Called(ops.softmax, {"axis": axis})
    op = Own("Softmax", softmax, output.shape, output.dtype, axis=axis)
    return Node(op, (z,), {}, node.outputs, node.scope)
