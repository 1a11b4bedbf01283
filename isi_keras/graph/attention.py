"""How relevance passes attention: all to the values, or by the rules of what it is made of."""

from collections.abc import Callable
from typing import Any

from keras import ops

from isi_keras.graph.arguments import arguments
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.nodes import Called, Graph, Node, Own, Tensor
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import INFINITE, Run, finite, visible

_HIDDEN = -1e9  # the scores of what a mask hides


def taylor_softmax(run: Run, plan: Plan, node: Node) -> Any:
    r"""A softmax by its first Taylor term at $x$; what is left of its value is a bias.

    $R_i = x_i (R^{out}_i - s_i \sum_j R^{out}_j)$ (Achtibat et al. 2024, proposition 3.1).
    """
    (x, *args), kwargs = arguments(run, plan, node)
    x = visible(x)
    outputs, axis = run.call(node, (x, *args), kwargs), node.argument("axis", -1)
    if not run.absorbed:
        return outputs
    x = finite(x, INFINITE)
    linear = outputs * (x - ops.sum(outputs * x, axis=axis, keepdims=True))
    return run.absorb("bias", outputs, outputs - linear)


def attention(run: Run, plan: Plan, node: Node) -> Any:
    """Dot-product attention as an operation, of which the values take all."""
    (query, key, *_), kwargs = node.filled(run.fixed)  # one tensor may be query and value
    return run.call(node, (query, key, arguments(run, plan, node)[0][2]), kwargs)


def written_out(graph: Graph, attnlrp: bool) -> Graph:
    """The graph with attention as an operation made of products and a softmax.

    Without AttnLRP it stays where its values take all relevance: where they and their weights
    depend on the input.
    """
    if not any(node.kind == "DotProductAttention" for node in graph.nodes):
        return graph
    facts, nodes = Facts(graph, entries=False, first=False), []
    for node in graph.nodes:
        whole = node.kind != "DotProductAttention"
        nodes += [node] if whole or (not attnlrp and _reads(facts, node)) else _made(node)
    return Graph(graph.inputs, graph.output, nodes, graph.layers)


def _reads(facts: Facts, node: Node) -> bool:
    """Whether attention is of values by weights that both depend on the input."""
    value, *others = (node.argument(n) for n in ("value", "query", "key", "bias", "scale"))
    relevant = [facts.has(other, Fact.RELEVANT) for other in others]
    return facts.has(value, Fact.RELEVANT) and any(relevant)


def _made(node: Node) -> list[Node]:
    nodes, dtype = [], node.outputs[0].dtype

    def computed(kind: str, function: Callable, shape, *args, **known) -> Tensor:
        output = Tensor(shape, known.pop("dtype", dtype))
        op = Own(kind, function, output.shape, output.dtype, **known)
        nodes.append(Node(op, args, {}, [output], node.scope))
        return output

    def contracted(subscripts: str, shape, *args) -> Tensor:
        function = Called(_einsum, {"subscripts": subscripts})
        return computed("Einsum", function, shape, *args, subscripts=subscripts)

    query, key, value = (node.argument(name) for name in ("query", "key", "value"))  # (N, T, H, D)
    heads, of_values = query.shape[2], key.shape[2]
    if heads != of_values:  # each one serves several
        each = Called(ops.repeat, {"repeats": heads // of_values, "axis": 2})
        key, value = (
            computed("Repeat", each, (*t.shape[:2], heads, t.shape[3]), t) for t in (key, value)
        )
    shape = (query.shape[0], heads, query.shape[1], key.shape[1])  # (N, H, T, S)
    scores = contracted("nthd,nshd->nhts", shape, query, key)
    scale = node.argument("scale")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = computed("Multiply", _scaled, shape, scores, scale)
    if node.argument("bias") is not None:
        scores = computed("Add", _added, shape, scores, node.argument("bias"))
    if node.argument("is_causal"):
        past = computed("Tril", _past, shape[2:], scores, dtype="bool")
        scores = computed("Where", _kept, shape, past, scores, _HIDDEN)
    if node.argument("mask") is not None:
        scores = computed("Where", _kept, shape, node.argument("mask"), scores, _HIDDEN)
    weights = computed("Softmax", Called(ops.softmax, {"axis": -1}), shape, scores, axis=-1)
    contracted("nhts,nshd->nthd", node.outputs[0].shape, weights, value)
    nodes[-1].outputs = node.outputs
    return nodes


def _einsum(*operands, subscripts):
    return ops.einsum(subscripts, *operands)


def _scaled(scores, scale):
    return ops.multiply(scores, ops.cast(scale, scores.dtype))


def _added(scores, bias):
    return ops.add(scores, ops.cast(bias, scores.dtype))


def _past(scores):
    return ops.cast(ops.tril(ops.ones(scores.shape[2:])), "bool")


def _kept(mask, scores, hidden):
    return ops.where(ops.cast(mask, "bool"), scores, hidden)
