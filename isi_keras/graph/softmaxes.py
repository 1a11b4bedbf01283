"""Softmaxes that a model writes out, found in its graph."""

from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph.nodes import Called, Graph, Node, Own, Tensor


def with_softmaxes(graph: Graph) -> Graph:
    """The graph with a softmax in place of each `exp(z) / sum(exp(z))`.

    What was subtracted of `z` to keep the exponentials small, one number for all of them, is left
    out, as a softmax does not depend on it.
    """
    nodes = [_softmax(graph, node) or node for node in graph.nodes]
    return Graph(graph.inputs, graph.output, nodes, graph.layers)


def _softmax(graph: Graph, node: Node) -> Node | None:
    if node.kind not in table.QUOTIENTS:
        return None
    upper, lower = node.args[:2]
    total, raised = (graph.producers.get(id(part)) for part in (lower, upper))
    if total is None or raised is None or raised.kind != "Exp" or total.kind != "Sum":
        return None
    axis = total.argument("axis")
    axes = [axis] if isinstance(axis, int) else list(axis or ())
    if total.args[0] is not upper or len(axes) != 1 or not total.argument("keepdims"):
        return None
    (axis,), z = axes, raised.args[0]
    while isinstance(z, Tensor):
        shifted = graph.producers.get(id(z))
        if shifted is None or not _is_shift(shifted, axis):
            break
        z = shifted.args[0]
    output = node.outputs[0]
    softmax = Called(ops.softmax, {"axis": axis})
    op = Own("Softmax", softmax, output.shape, output.dtype, axis=axis)
    return Node(op, (z,), {}, node.outputs, node.scope)


def _is_shift(node: Node, axis: int) -> bool:
    """Whether a node adds or subtracts the same number all along an axis."""
    if node.kind not in ("Add", "Subtract"):
        return False
    x, shift = node.args[:2]
    full = isinstance(x, Tensor) and tuple(x.shape) == tuple(node.outputs[0].shape)
    if not full or not hasattr(shift, "shape"):
        return full
    rank = len(x.shape)
    place = axis % rank - rank + len(shift.shape)
    return place < 0 or shift.shape[place] == 1
