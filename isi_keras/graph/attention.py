"""How relevance passes attention: all to the values, or by the rules of AttnLRP."""

from typing import Any

from keras import ops

from isi_keras.graph.arguments import arguments
from isi_keras.graph.nodes import Node, Tensor
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import INFINITE, Run, carrying, finite, visible


def taylor_softmax(run: Run, plan: Plan, node: Node) -> Any:
    r"""A softmax by its first Taylor term at $x$; what is left of its value is a bias.

    $R_i = x_i (R^{out}_i - s_i \sum_j R^{out}_j)$ (Achtibat et al. 2024, proposition 3.1).
    """
    (x, *args), kwargs = arguments(run, plan, node)
    x = visible(x)
    return _softmax_bias(run, run.call(node, (x, *args), kwargs), x, node.argument("axis", -1))


def _softmax_bias(run: Run, outputs, x, axis):
    if not run.absorbed:
        return outputs
    x = finite(x, INFINITE)
    linear = outputs * (x - ops.sum(outputs * x, axis=axis, keepdims=True))
    return run.absorb("bias", outputs, outputs - linear)


def attention(run: Run, plan: Plan, node: Node) -> Any:
    """Dot-product attention as an operation: all to the values, or as AttnLRP has it."""
    attnlrp = plan.composite.attention == "attnlrp"

    def routed(*names):
        return [any(node.argument(n) is tensor for tensor in plan.routes(node)) for n in names]

    def of(name) -> Any:
        found = node.argument(name)
        if isinstance(found, Tensor):
            return run.signal(found) if all(routed(name)) else run.fixed(found)
        return None if found is None else ops.convert_to_tensor(found)

    if (all(routed("value")) and not attnlrp) or not any(routed("query", "key", "bias")):
        (query, key, *_), kwargs = node.filled(run.fixed)  # one tensor may be query and value
        return run.call(node, (query, key, arguments(run, plan, node)[0][2]), kwargs)
    query, key, value = map(of, ("query", "key", "value"))  # (N, T, H, D)
    if key.shape[2] != query.shape[2]:
        key, value = (ops.repeat(t, query.shape[2] // t.shape[2], axis=2) for t in (key, value))
    scale, bias = of("scale"), of("bias")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = ops.einsum("nthd,nshd->nhts", query, key) * scale
    scores = carrying(scores, scores / 2) if all(routed("query", "key")) else scores
    if bias is not None:
        compared = any(routed("query", "key"))
        both = compared and all(routed("bias"))
        constant = 0.0 if both else finite(bias if compared else scores, INFINITE)
        scores = run.absorb("bias", scores + bias, constant)
    scores = visible(_masked(node, scores, of("mask")))
    weights = ops.softmax(scores, axis=-1)
    # Unless AttnLRP has it so, they weigh a constant, and are an activation as any.
    through = _softmax_bias(run, weights, scores, -1) if attnlrp else run.passed(weights, scores)
    mixed = ops.einsum("nhts,nshd->nthd", through, value)
    value = run.call(node, *node.filled(run.fixed))
    return carrying(value, mixed / 2 if all(routed("value")) else mixed)


def _masked(node: Node, scores, mask):
    if node.argument("is_causal"):
        size = scores.shape[-2:]
        causal = ops.cast(ops.tril(ops.ones(size)), "bool")
        mask = causal if mask is None else ops.logical_and(ops.cast(mask, "bool"), causal)
    return scores if mask is None else ops.where(ops.cast(mask, "bool"), scores, -1e9)
