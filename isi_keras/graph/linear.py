"""How relevance passes linear nodes: by the rule that the composite has for each."""

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from isi_keras.graph import entries
from isi_keras.graph import operations as table
from isi_keras.graph.facts import Fact
from isi_keras.graph.nodes import Node, Tensor
from isi_keras.graph.plan import Linear as Place
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import Run, carrying, is_float
from isi_keras.rules import Rule
from isi_keras.rules.linear import Linear, along_axis, scaled


def linear(run: Run, plan: Plan, place: Place) -> Any:
    """A linear node, with its bias and the batch normalisation around it."""
    at_input = plan.facts.has(place.x, Fact.ENTRY)
    rule = rule_of(plan, place.node, at_input)
    ones = run.one(place.x)
    x = run.signal(place.x) if rule.proportional else run.fixed(place.x)
    x = x if is_float(x) else ops.cast(x, "float32")
    known = _known(run, plan, place, x, ones)
    if place.before is not None and rule.proportional:
        known = _after_affine(run, place, place.before, known)
    z = _value(run, place, known.x if place.before is None else known.z)
    if place.after is not None:
        scale, shift = (ops.cast(part, x.dtype) for part in affine(run, place.after))
        rank = len(z.shape)
        channels = table.channel_axis(place.node, rank)
        bias = along_axis(shift, channels, rank)
        if known.bias is not None:
            bias = known.bias * along_axis(scale, channels, rank) + bias
        axis = table.OUTPUT_AXIS[place.node.kind]
        known = dataclasses.replace(known, kernel=scaled(known.kernel, scale, axis), bias=bias)
    known = dataclasses.replace(known, z=ops.cast(z, x.dtype))
    return run.surrogate(rule, known, z)


def rule_of(plan: Plan, node: Node, at_input: bool, kind: str | None = None) -> Rule:
    """The rule of a node."""
    kind = kind or ("convolution" if table.is_convolution(node.kind) else "dense")
    layer = node.scope[-1] if node.scope else None
    return plan.composite.rule(layer, at_input, kind, node.scope)


def _known(run: Run, plan: Plan, place: Place, x, ones) -> Linear:
    node = place.node
    kernel = place.kernel
    kernel = run.fixed(kernel) if isinstance(kernel, Tensor) else ops.convert_to_tensor(kernel)
    kernel = ops.cast(kernel, x.dtype)
    bias = None
    for part in place.affine:
        turned = part.kind == "Negative" or (part.kind == "Subtract" and _is_less(part, plan))
        if turned:
            kernel, bias = -kernel, None if bias is None else -bias
        if part.kind not in table.AFFINE - {"Negative"}:
            continue
        (other,) = [v for v in part.args if not plan.facts.has(v, Fact.RELEVANT)]
        value = run.fixed(other) if isinstance(other, Tensor) else ops.convert_to_tensor(other)
        value = ops.cast(value, x.dtype)
        if part.kind in ("Add", "Subtract"):
            value = -value if part.kind == "Subtract" and not turned else value
            bias = value if bias is None else bias + value
            continue
        value = value if part.kind == "Multiply" else 1 / value
        bias = None if bias is None else bias * value
        kernel = _times(node, kernel, value)

    def contract(x, kernel, bias):
        dtype = keras.backend.result_type(x.dtype, kernel.dtype)
        x, kernel = ops.cast(x, dtype), ops.cast(kernel, dtype)

        def operand(value):
            if value is place.x:
                return x
            if value is place.kernel:
                return kernel
            return run.fixed(value) if isinstance(value, Tensor) else value

        args, kwargs = keras.tree.map_structure(operand, (node.args, node.kwargs))
        z = run.call(node, args, kwargs)
        return z if bias is None else z + ops.cast(bias, z.dtype)

    bounded = None
    if plan.facts.has(place.x, Fact.ENTRY):
        bounded = entries.Bounds(run, plan, place.x)
    nonnegative = plan.facts.has(place.x, Fact.NONNEGATIVE)
    return Linear(x, None, contract, kernel, bias, True, nonnegative, ones, bounded)


def _is_less(node: Node, plan: Plan) -> bool:
    """Whether a difference is a constant less something."""
    return not plan.facts.has(node.args[0], Fact.RELEVANT)


def _times(node: Node, kernel, factor):
    """A kernel whose outputs are multiplied by one number, or one for each."""
    if math.prod(factor.shape) == 1:
        return kernel * ops.reshape(factor, ())
    return scaled(kernel, ops.reshape(factor, (-1,)), table.OUTPUT_AXIS[node.kind])


def _value(run: Run, place: Place, x) -> Any:
    """The value of the last part, computed as the model does."""
    value = x
    tensor = place.x
    for part in place.parts:
        args, kwargs = part.filled(lambda t: value if t is tensor else run.fixed(t))  # noqa: B023
        value, tensor = run.call(part, args, kwargs), part.outputs[0]
    return value


def _after_affine(run: Run, place: Place, norm: Node, known: Linear) -> Linear:
    """A linear node and the affine one before it, as one; its `z` is the input of that node."""
    node = place.node
    rank = len(known.x.shape)
    axis = table.channel_axis(node, rank)
    before = run.signal(norm.args[0])
    scale, shift = (ops.cast(part, before.dtype) for part in affine(run, norm))
    constant = ops.broadcast_to(along_axis(shift, axis, rank), ops.shape(before))
    bias = ops.stop_gradient(known.contract(constant, known.kernel, known.bias))
    plain = before * along_axis(scale, axis, rank) + constant
    scale = ops.cast(scale, known.kernel.dtype)
    kernel = scaled(known.kernel, scale, table.INPUT_AXIS[node.kind])
    through = carrying(run.fixed(place.x), ops.cast(plain, known.x.dtype))
    return dataclasses.replace(
        known, x=before, z=through, kernel=kernel, bias=bias, nonnegative=False
    )


def affine(run: Run, node: Node) -> tuple[Any, Any]:
    """Batch normalisation as a factor and a summand for each channel."""

    def of(name: str):
        value = node.argument(name)
        if value is None:
            return None
        return run.fixed(value) if isinstance(value, Tensor) else ops.convert_to_tensor(value)

    scale = ops.rsqrt(of("variance") + node.argument("epsilon"))
    gamma, beta = of("scale"), of("offset")
    scale = scale if gamma is None else scale * gamma
    shift = ops.negative(of("mean")) * scale
    return scale, shift if beta is None else shift + beta
