"""Softmaxes that a model writes out, found in its graph."""

from typing import Any

from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph.nodes import Called, Graph, Node, Own, Tensor
from isi_keras.graph.ranges import sum_of

_OPERATIONS = {"Softmax": ops.softmax, "LogSoftmax": ops.log_softmax}
_SCALES = frozenset({"Cast", "Multiply", *table.QUOTIENTS})
_SMALL = 1e-6  # beside a sum that is at least 1


def with_softmaxes(graph: Graph) -> Graph:
    """The graph with a softmax in place of each `exp(z) / sum(exp(z))` and `exp(log_softmax(z))`.

    The greatest `z`, which is subtracted to keep the exponentials small, is left out, as a softmax
    does not depend on it.
    """
    nodes = []
    for node in graph.nodes:
        nodes += _softmax(graph, node) or [node]
    return Graph(graph.inputs, graph.output, nodes, graph.layers)


def is_below_greatest(graph: Graph, z: Any) -> bool:
    """Whether a tensor is something less what is greatest, so that 0 is in it, or a multiple."""
    node = graph.producers.get(id(z))
    while node is not None and node.kind in _SCALES | table.MOVES | {"Negative"} and node.tensors:
        node = graph.producers.get(id(node.tensors[0]))
    if node is None or node.kind not in ("Add", "Subtract"):
        return False
    taken = [part for part in node.args if _is_greatest(graph, part)]
    if node.kind == "Add":
        taken = [part for part in taken if graph.producers[id(part)].kind == "Negative"]
    return any(not _is_whole(part, node.outputs[0]) for part in taken)


def _softmax(graph: Graph, node: Node) -> list[Node]:
    """What takes the place of a node, a softmax at the end; nothing if it is none."""
    if node.kind in _OPERATIONS:
        axis = node.argument("axis", -1)
        z, nodes = _unshifted(graph, node.args[0], axis)
        return [] if z is node.args[0] else [*nodes, _made(node, z, axis, node.kind)]
    if node.kind == "Exp":
        inner = graph.producers.get(id(node.args[0]))
        if inner is None or inner.kind != "LogSoftmax":
            return []
        axis = inner.argument("axis", -1)
        z, nodes = _unshifted(graph, inner.args[0], axis)
        return [*nodes, _made(node, z, axis)]
    for upper, lower in _shared(graph, node):
        raised = graph.producers.get(id(upper))
        if raised is None or raised.kind != "Exp":
            continue
        z = raised.args[0]
        alike = [n.outputs[0] for n in graph.nodes if n.kind == "Exp" and n.args[0] is z]
        for whole in (lower, _without_small(graph, lower)):
            totals = (sum_of(graph.producers, whole, each) for each in alike)
            total = next((each for each in totals if each is not None), None)
            axis = None if total is None else total.argument("axis")
            axes = [axis] if isinstance(axis, int) else list(axis or ())
            if len(axes) != 1:
                continue
            below, nodes = _unshifted(graph, z, axes[0])
            if whole is lower or below is not z:
                return [*nodes, _made(node, below, axes[0])]
    return []


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


def _without_small(graph: Graph, total: Any) -> Any:
    """What a small number keeps off 0."""
    node = graph.producers.get(id(total))
    if node is None or node.kind not in ("Add", "Maximum") or len(node.tensors) != 1:
        return total
    (number,) = (value for value in node.args if not isinstance(value, Tensor))
    small = not len(getattr(number, "shape", ())) and 0 <= float(number) <= _SMALL
    return node.tensors[0] if small else total


def _unshifted(graph: Graph, z: Any, axis: Any) -> tuple[Any, list[Node]]:
    """What the greatest along an axis was taken from, scaled as it was, and nodes for that."""
    node = graph.producers.get(id(z))
    if node is None or not isinstance(axis, int) or len(node.args) < 1:
        return z, []
    pairs = {"Subtract": (node.args[:2],), "Add": (node.args[:2], node.args[1::-1])}
    for x, shift in pairs.get(node.kind, ()):
        if _is_greatest(graph, shift) and _is_one_along(shift, z, axis) and _is_whole(x, z):
            return x, []
    if node.kind in _SCALES:
        full = [t for t in node.tensors if _is_whole(t, z)][:1]
        others = [v for v in node.args if hasattr(v, "shape") and not any(v is t for t in full)]
        if full and all(_is_one_along(v, z, axis) for v in others):
            x, nodes = _unshifted(graph, full[0], axis)
            if x is not full[0]:
                made, output = node.filled(lambda t: x if t is full[0] else t), _like(z)
                return output, [*nodes, Node(node.op, *made, [output], node.scope)]
    return z, []


def _is_greatest(graph: Graph, tensor: Any) -> bool:
    """Whether a tensor holds greatest values, or these negated."""
    node = graph.producers.get(id(tensor))
    while node is not None and node.kind in table.MOVES | {"Negative", "StopGradient"}:
        node = graph.producers.get(id(node.args[0]))
    return node is not None and node.kind in ("Amax", "Max")


def _is_whole(value: Any, like: Tensor) -> bool:
    return isinstance(value, Tensor) and tuple(value.shape) == tuple(like.shape)


def _is_one_along(value: Any, x: Tensor, axis: int) -> bool:
    """Whether what is broadcast to a tensor is one number along an axis."""
    shape, rank = getattr(value, "shape", ()), len(x.shape)
    place = axis % rank - rank + len(shape)
    return place < 0 or shape[place] == 1


def _like(tensor: Tensor) -> Tensor:
    return Tensor(tensor.shape, tensor.dtype)


def _made(node: Node, z: Any, axis: int, kind: str = "Softmax") -> Node:
    output = node.outputs[0]
    function = Called(_OPERATIONS[kind], {"axis": axis})
    op = Own(kind, function, output.shape, output.dtype, axis=axis)
    return Node(op, (z,), {}, node.outputs, node.scope)
