"""Softmaxes that a model writes out, found in its graph."""

from typing import Any

import keras
from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph.forward import HALF
from isi_keras.graph.nodes import Called, Graph, Node, Own, Tensor
from isi_keras.graph.sums import before_reshapes, sum_of, summed_axes

_OPERATIONS = {"Softmax": ops.softmax, "LogSoftmax": ops.log_softmax}
_SCALES = frozenset({*table.MOVES, *table.QUOTIENTS, "Multiply", "Negative"})
_MOST = 100  # operations that are looked through for what is shifted
_REPEATED = {"Amax", "Exp", "ExpandDims", "GetItem", "Max", "Negative", "StopGradient", "Subtract"}


def with_softmaxes(graph: Graph) -> Graph:
    """The graph with a softmax in place of each that is written out, and so a log-softmax.

    It is `exp(z) / sum(exp(z))`, or `z - log(sum(exp(z)))` and the exponential of it. The greatest
    `z`, which is subtracted to keep the exponentials small, is left out, and whatever else of the
    input is one number along the axis, as a softmax does not depend on it.
    """
    nodes = []
    for node in graph.nodes:
        nodes += _softmax(graph, node) or [node]
    return Graph(graph.inputs, graph.output, nodes, graph.layers)


def is_below_greatest(graph: Graph, z: Any) -> bool:
    """Whether a tensor is something less what is greatest, so that 0 is in it, or a multiple."""
    node = _origin(graph, z)
    if node is None or node.kind not in ("Add", "Subtract"):
        return False
    taken = [part for part in node.args if _is_greatest(graph, part)]
    if node.kind == "Add":
        taken = [part for part in taken if graph.producers[id(part)].kind == "Negative"]
    return any(not _is_whole(part, node.outputs[0]) for part in taken)


def _softmax(graph: Graph, node: Node) -> list[Node]:
    """What takes the place of a node, a softmax at the end; nothing if it is none."""
    if node.kind == "Softmax":
        axis = node.argument("axis", -1)
        z, nodes = _unshifted(graph, node.args[0], axis)
        return [] if z is node.args[0] else [*nodes, _made(node, z, axis)]
    inner = graph.producers.get(id(node.args[0])) if node.kind == "Exp" else node
    logarithm = None if inner is None else _log_softmax(graph, inner)
    if logarithm is not None:
        z, axis = logarithm
        z, nodes = _unshifted(graph, z, axis)
        if node.kind == "LogSoftmax" and z is node.args[0]:
            return []
        return [*nodes, _made(node, z, axis, "Softmax" if node.kind == "Exp" else "LogSoftmax")]
    for upper, lower in shared(graph, node):
        raised = graph.producers.get(id(upper))
        if raised is None or raised.kind != "Exp":
            continue
        z = raised.args[0]
        alike = [
            each.outputs[0]
            for each in graph.nodes
            if each.kind == "Exp" and _same(graph, each.args[0], z)
        ]
        totals = (sum_of(graph.producers, lower, each) for each in alike)
        total = next((each for each in totals if each is not None), None)
        if total is not None:
            axis = total.argument("axis")
            z, nodes = _unshifted(graph, z, axis)
            return [*nodes, _made(node, z, axis)]
    return []


def _log_softmax(graph: Graph, node: Node) -> tuple[Any, Any] | None:
    """What a node returns the log-softmax of, and its axis: also of `z - log(sum(exp(z)))`."""
    if node.kind == "LogSoftmax":
        return node.args[0], node.argument("axis", -1)
    pairs = {"Subtract": [node.args[:2]], "Add": [node.args[:2], node.args[1::-1]]}
    for z, total in pairs.get(node.kind, ()):
        if node.kind == "Add":
            negated = graph.producers.get(id(total))
            total = negated.args[0] if negated is not None and negated.kind == "Negative" else None
        found = _log_sum(graph, total, z) if isinstance(z, Tensor) else None
        if found is not None:
            return found
    return None


def _log_sum(graph: Graph, total: Any, z: Tensor) -> tuple[Tensor, list[int]] | None:
    """What `z - total` is the log-softmax of, and its axes: `z` if `total` is `log(sum(exp(z)))`.

    Of `m + log(sum(exp(z - m)))` it is `z - m`.
    """
    node = graph.producers.get(id(total))
    if node is not None and node.kind == "Add":
        for m, rest in (node.args[:2], node.args[1::-1]):
            for less in graph.nodes:
                if less.kind == "Subtract" and _same(graph, less.args[0], z):
                    found = _log_sum(graph, rest, less.outputs[0])
                    if found is not None and _same(graph, less.args[1], m):
                        return found
        return None
    node, axes = before_reshapes(graph.producers, total), []
    if node is not None and node.kind == "Logsumexp" and _same(graph, node.args[0], z):
        axes = summed_axes(node, total, z)
    elif node is not None and node.kind == "Log":
        summing = before_reshapes(graph.producers, node.args[0])
        raised = None if summing is None else graph.producers.get(id(summing.args[0]))
        if summing is None or raised is None or (summing.kind, raised.kind) != ("Sum", "Exp"):
            return None
        axes = summed_axes(summing, total, z) if _same(graph, raised.args[0], z) else []
    return (z, axes) if axes else None


def _same(graph: Graph, one: Any, other: Any, depth: int = 6) -> bool:
    """Whether two values are one, or computed alike by what a softmax is written with."""
    if one is other:
        return True
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)):
        known = isinstance(one, int | float | list | tuple) and type(one) is type(other)
        return known and one == other
    node, twin = graph.producers.get(id(one)), graph.producers.get(id(other))
    if node is None or twin is None or node.kind != twin.kind or node.kind not in _REPEATED:
        return False
    names = ("axis", "keepdims", "initial")
    named = all(_same(graph, node.argument(name), twin.argument(name)) for name in names)
    if not named or len(node.args) != len(twin.args) or not depth:
        return False
    pairs = zip(node.args, twin.args, strict=True)
    return all(_same(graph, *pair, depth - 1) for pair in pairs)


def shared(graph: Graph, node: Node) -> list[tuple[Any, Any]]:
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


def _unshifted(
    graph: Graph, z: Any, axis: Any, seen: set[int] | None = None
) -> tuple[Any, list[Node]]:
    """What was shifted along an axis, by the greatest as a rule, otherwise as it is; and nodes.

    Weights and constants that are added are biases, and no shift that is left out.
    """
    node, seen = graph.producers.get(id(z)), set() if seen is None else seen
    if node is None or id(z) in seen or len(seen) > _MOST:
        return z, []
    seen.add(id(z))
    inner: list[Any] = []
    if node.kind in ("Add", "Subtract"):
        for x, shift in (node.args[:2], node.args[1::-1]):
            moving = id(shift) in graph.moving and not _is_whole(shift, z)
            if moving and _is_whole(x, z) and _is_one_along(shift, z, axis):
                x, nodes = _unshifted(graph, x, axis, seen)
                if node.kind == "Add" or shift is not node.args[0]:
                    return x, nodes
                op, output = Own("Negative", ops.negative, z.shape, z.dtype), _like(z)
                return output, [*nodes, Node(op, (x,), {}, [output], node.scope)]
        inner += node.args[: 1 + (node.kind == "Add")]
    elif node.kind == "Negative":
        inner += node.args
    elif node.kind == "Multiply":
        (one, other) = node.args[:2]
        inner += [one] if _is_one_along(other, z, axis) else []
        inner += [other] if _is_one_along(one, z, axis) else []
    elif node.kind in table.QUOTIENTS:
        inner += [node.args[0]] if _is_one_along(node.args[1], z, axis) else []
    elif node.kind == "Cast":
        wide = keras.backend.is_float_dtype(z.dtype) and z.dtype not in HALF
        inner += [node.args[0]] if wide else []  # into half precision what is shifted may fit alone
    elif node.kind == "Identity":
        inner += node.args[:1]
    for part in inner:
        x, nodes = _unshifted(graph, part, axis, seen) if _is_whole(part, z) else (part, [])
        if x is not part:
            given, output = tuple(x if v is part else v for v in node.args), _like(z)
            return output, [*nodes, Node(node.op, given, node.kwargs, [output], node.scope)]
    return z, []


def _is_greatest(graph: Graph, tensor: Any) -> bool:
    """Whether a tensor holds greatest values, or these negated."""
    node = _origin(graph, tensor)
    return node is not None and node.kind in ("Amax", "Max")


def _origin(graph: Graph, tensor: Any) -> Node | None:
    """What made a tensor, before it was moved about, scaled by a number or held."""
    node = graph.producers.get(id(tensor))
    while node is not None and node.kind in _SCALES | {"StopGradient"} and len(node.tensors) == 1:
        node = graph.producers.get(id(node.tensors[0]))
    return node


def _is_whole(value: Any, like: Tensor) -> bool:
    return isinstance(value, Tensor) and tuple(value.shape) == tuple(like.shape)


def _is_one_along(value: Any, x: Tensor, axis: Any) -> bool:
    """Whether what is broadcast to a tensor is one number along an axis, or several."""
    if not isinstance(axis, int):
        return all(_is_one_along(value, x, each) for each in axis)
    shape, rank = getattr(value, "shape", ()), len(x.shape)
    place = axis % rank - rank + len(shape)
    return place < 0 or shape[place] == 1


def _like(tensor: Tensor) -> Tensor:
    return Tensor(tensor.shape, tensor.dtype)


def _made(node: Node, z: Any, axis: Any, kind: str = "Softmax") -> Node:
    output = node.outputs[0]
    if not isinstance(axis, int):
        axis = axis[0] if len(axis) == 1 else tuple(axis)
    function = Called(_OPERATIONS[kind], {"axis": axis})
    op = Own(kind, function, output.shape, output.dtype, axis=axis)
    return Node(op, (z,), {}, node.outputs, node.scope)
