"""How relevance passes a node that is neither linear nor the model's input still."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph import registry, wholes
from isi_keras.graph.arguments import arguments
from isi_keras.graph.attention import attention, taylor_softmax
from isi_keras.graph.entries import Bounds
from isi_keras.graph.facts import Fact
from isi_keras.graph.linear import affine, rule_of
from isi_keras.graph.nodes import Node, Tensor, Weight
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import INFINITE, Run, carrying, finite
from isi_keras.rules.linear import Linear, along_axis

Treatment = Callable[[Run, Plan, Node], Any]
_each = keras.tree.map_structure
_KEEPING = {"Cast", "Identity", "Reshape", "Split", "Transpose"}
_OF_NORMS = 1e-7  # less than that is not told from no deviation at all


def detached(run: Run, plan: Plan, node: Node) -> Any:
    """What relevance does not pass: it weighs what is relevant, or is a constant."""
    args, kwargs = node.filled(run.fixed)
    return run.call(node, args, kwargs)


def plain(run: Run, plan: Plan, node: Node) -> Any:
    """The plain gradient by what relevance goes to; constants beside it are biases."""
    args, kwargs = arguments(run, plan, node)
    return run.call(node, args, kwargs)


def addition(run: Run, plan: Plan, node: Node) -> Any:
    """A sum or difference: a constant summand is a bias, and so is a mask that is added."""
    args, kwargs = arguments(run, plan, node)
    outputs, routes = run.call(node, args, kwargs), plan.routes(node)
    if not run.absorbed or len(routes) > 1:
        return outputs
    only = [
        ops.zeros_like(v) if any(t is routed for routed in routes) else v
        for t, v in zip(node.args, args, strict=True)
    ]
    return run.absorb("bias", outputs, finite(run.call(node, tuple(only), kwargs), INFINITE))


def activation(run: Run, plan: Plan, node: Node) -> Any:
    """A function of each entry passes relevance on unchanged."""
    args, kwargs = arguments(run, plan, node)
    value = run.call(node, args, kwargs)
    (tensor, *_) = plan.routes(node)
    tame = node.kind in table.TAME and _is_finite(plan, tensor)
    return run.passed(value, run.signal(tensor), finite=tame)


def _is_finite(plan: Plan, tensor: Tensor) -> bool:
    """Whether a tensor is what linear layers and norms make, which mask nothing."""
    stack, seen = [tensor], set()
    while stack:
        each = stack.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        node = plan.graph.producers.get(id(each))
        if node is None:
            if not (isinstance(each, Weight) and each.trainable):
                return False
        elif node.kind == "Add" or node.kind in _KEEPING:
            if len(node.tensors) != len(node.args):
                return False
            stack += node.tensors
        elif node.kind not in table.LINEAR | table.NORMS | {"BatchNorm"}:
            return False
    return True


def product(run: Run, plan: Plan, node: Node) -> Any:
    """A product of tensors: the signal takes all, or each factor an equal share."""
    args, kwargs = arguments(run, plan, node)
    routes = plan.routes(node)  # a square has two
    counts = {id(t): _factors(plan, node, t) for t in routes}
    if len(set(counts.values())) > 1:  # only of a layer that multiplies several
        parts = [(arg, counts.get(id(t), 0)) for t, arg in zip(node.args, args, strict=True)]
        whole = sum(counts.values())
        shared = [carrying(arg, arg * (count / whole)) if count else arg for arg, count in parts]
        return run.call(node, tuple(shared), kwargs)
    outputs = run.call(node, args, kwargs)
    return outputs if len(routes) == 1 else carrying(outputs, outputs / len(routes))


def _factors(plan: Plan, node: Node, tensor: Any) -> int:
    """How many factors of one layer a factor stands for, which multiplies two at a time."""
    inner = plan.graph.producers.get(id(tensor))
    if inner is None or inner.kind != "Multiply" or not node.scope:
        return 1
    layer = node.scope[-1]
    if not isinstance(layer, keras.layers.Multiply):
        return 1
    returned = [outputs for _, outputs in plan.graph.layers.get(layer.name, ())]
    if layer not in inner.scope[-1:] or any(tensor is t for t in keras.tree.flatten(returned)):
        return 1  # of another layer, or of another call
    return sum(_factors(plan, inner, t) for t in plan.routes(inner))


def square(run: Run, plan: Plan, node: Node) -> Any:
    """A function of degree 2: half its gradient."""
    args, kwargs = arguments(run, plan, node)
    outputs = run.call(node, args, kwargs)
    return carrying(outputs, outputs / 2)


def quotient(run: Run, plan: Plan, node: Node) -> Any:
    """What is divided gets all relevance; if it is a constant, what divides it does."""
    args, kwargs = arguments(run, plan, node)
    outputs = run.call(node, args, kwargs)
    (tensor, *_) = plan.routes(node)
    return outputs if tensor is node.args[0] else run.passed(outputs, run.signal(tensor))


def normalization(run: Run, plan: Plan, node: Node) -> Any:
    """The mean that is subtracted is a linear map, the deviation a constant."""
    args, kwargs = arguments(run, plan, node)
    value, x = run.call(node, args, kwargs), run.signal(node.tensors[0])
    beta = None
    if node.kind == "LayerNorm" and not node.argument("rms_scaling"):
        axis, beta = node.argument("axis"), node.argument("beta")
        axes = [k % len(x.shape) for k in ([axis] if isinstance(axis, int) else axis)]
        x = x - ops.mean(x, axis=axes, keepdims=True)
    if beta is None:
        return ops.stop_gradient(value) + run.scaled([(1.0, x)], value, _OF_NORMS)
    beta = run.fixed(beta) if isinstance(beta, Tensor) else ops.convert_to_tensor(beta)
    beta = ops.reshape(beta, [size if k in axes else 1 for k, size in enumerate(x.shape)])
    outputs = ops.stop_gradient(value) + run.scaled([(1.0, x)], value - beta, _OF_NORMS)
    return run.absorb("bias", outputs, beta)


def batch_normalization(run: Run, plan: Plan, node: Node) -> Any:
    """An affine map of each channel."""
    args, kwargs = arguments(run, plan, node)
    x, rank = run.signal(node.args[0]), len(node.args[0].shape)
    axis = node.op.axis if isinstance(node.op.axis, int) else node.op.axis[0]
    scale, shift = (along_axis(v, axis % rank, rank) for v in affine(run, node))
    z = run.call(node, args, kwargs)
    nonnegative = plan.facts.has(node.args[0], Fact.NONNEGATIVE)
    known = Linear(x, z, _affine, scale, shift, True, nonnegative)
    return run.surrogate(rule_of(plan, node, False, "normalization"), known, z)


def _affine(x, kernel, bias):
    return x * kernel if bias is None else x * kernel + bias


def averaging(run: Run, plan: Plan, node: Node) -> Any:
    """Average pooling: a linear map with equal weights."""
    (tensor,) = plan.facts.relevant(node)

    def contract(x, kernel, bias):
        args, kwargs = node.filled(lambda t: x if t is tensor else run.fixed(t))
        return run.call(node, args, kwargs) * kernel

    x = run.signal(tensor)
    z = contract(x, 1.0, None)
    nonnegative = plan.facts.has(tensor, Fact.NONNEGATIVE)
    known = Linear(x, z, contract, ops.ones((), z.dtype), nonnegative=nonnegative)
    return run.surrogate(rule_of(plan, node, False, "pooling"), known, z)


def state(run: Run, plan: Plan, node: Node) -> Any:
    """The first state of a recurrent layer: a bias, if it does not depend on the input."""
    if plan.routes(node):
        return plain(run, plan, node)
    outputs = detached(run, plan, node)
    return run.absorb("bias", outputs, outputs)


def lookup(run: Run, plan: Plan, node: Node) -> Any:
    """A row of a table for each index: the relevance of an index is that of its row."""
    (tensor, *_) = plan.routes(node)
    if node.kind == "Take" and tensor is node.args[0]:
        return plain(run, plan, node)
    args, kwargs = node.filled(run.fixed)
    outputs, ones = run.call(node, args, kwargs), run.one(tensor)
    if ones is None:  # an index that is held while other inputs move
        return outputs
    for _ in range(len(outputs.shape) - len(ones.shape)):
        ones = ops.expand_dims(ones, -1)
    return ops.stop_gradient(outputs) * ops.cast(ones, outputs.dtype)


def whole(run: Run, plan: Plan, node: Node) -> Any:
    """A layer as a whole, by what was registered for it."""
    treatment = registry.treatment_of(node.op.layer) or wholes.unknown
    args, kwargs = arguments(run, plan, node)
    first = plan.first_of(node)
    rule, given = rule_of(plan, node, first is not None), {}
    if first is not None:
        args = args if rule.proportional else (run.fixed(first), *args[1:])
        given = {"ones": run.one(first), "bounded": Bounds(run, plan, first)}
    outputs = treatment(wholes.Call(run, node.op.layer, args, kwargs, rule, **given))
    registry.expect_like(node, keras.tree.flatten(outputs))
    return outputs


# ---- which has which


def treatment_of(plan: Plan, node: Node) -> Treatment:
    """How relevance passes a node of a plan."""
    kind, relevant = node.kind, plan.facts.relevant(node)
    attnlrp = plan.composite.attention == "attnlrp"
    if kind in table.NORMS:
        return normalization
    if kind == "Whole":
        return lookup if registry.looks_up(node) else whole
    if kind == "BatchNorm":
        return batch_normalization
    if kind == "DotProductAttention":
        return attention
    if kind in ("Take", "OneHot"):
        return lookup
    if kind in table.SQUARES:
        return square
    if kind == "State":
        return state
    if kind in ("Add", "Subtract"):
        return addition
    if kind in table.PRODUCTS and len(relevant) > 1:
        return product
    if kind in table.QUOTIENTS:
        return quotient
    if kind == "Softmax" and attnlrp:
        return taylor_softmax
    if kind in table.ACTIVATIONS - table.STRAIGHT:
        return activation
    if kind in table.POOLINGS and (kind != "Mean" or _is_pooling(node)):
        return averaging
    return plain


def _is_pooling(node: Node) -> bool:
    """Whether a node is of a layer that pools."""
    kinds = type(node.scope[-1]).__mro__ if node.scope else ()
    return any("Pooling" in kind.__name__ for kind in kinds)
