"""How relevance passes through each kind of linear layer: by the rule the composite has for it."""

import dataclasses

from keras import ops

from isi_keras import _keras
from isi_keras.lrp.facts import Trace, carrying
from isi_keras.lrp.treatments import activated
from isi_keras.models import activations
from isi_keras.rules.linear import (
    Linear,
    Weights,
    along_axis,
    channel_axis,
    contraction,
    scaled,
    spread,
    without_activation,
)


def linear(run: Trace, layer, call, args, kwargs, weights: Weights):
    """A layer with a kernel, by the rule that the composite has for it."""
    x, fact = args[0], run.fact(args[0])
    rule = run.rule(layer, fact.ones is not None)
    x = run.entered(x) if rule.proportional else ops.stop_gradient(x)

    def at(x):
        return call(x, *args[1:], **kwargs)

    kernel = ops.convert_to_tensor(getattr(layer, weights.kernel))
    bias = _keras.read(layer, "bias")
    known = Linear(
        x=x,
        z=None,
        contract=contraction(layer, weights.kernel, at),
        kernel=kernel,
        bias=None if bias is None else ops.convert_to_tensor(bias),
        nonnegative=fact.nonnegative,
        ones=fact.ones,
        preprocessing=fact.preprocessing,
    )
    mergeable = run.fold and rule.proportional and _keras.read(layer, "groups") in (None, 1)
    if fact.affine and weights.inputs is not None and mergeable:
        *affine, axis = fact.affine
        if axis == channel_axis(layer, len(x.shape)):
            known, x = _after_affine(known, x, affine, weights.inputs, axis)
    z = without_activation(layer, at)(x)
    return _ended(run, layer, rule, dataclasses.replace(known, z=z), weights)


def _after_affine(known: Linear, x, affine, axis: int, channels: int):
    """A linear layer and the affine one before it, as one linear layer."""
    before, scale, shift = affine
    constant = ops.broadcast_to(along_axis(shift, channels, len(x.shape)), ops.shape(x))
    bias = ops.stop_gradient(known.contract(constant, known.kernel, known.bias))
    plain = before * along_axis(scale, channels, len(x.shape)) + constant
    known = dataclasses.replace(
        known, x=before, kernel=scaled(known.kernel, scale, axis), bias=bias, nonnegative=False
    )
    return known, carrying(x, plain)


def _ended(run: Trace, layer, rule, known: Linear, weights: Weights):
    outputs = run.surrogate(rule, known, known.z)
    function = _keras.read(layer, "activation")
    if function is not None and not activations.of(function).linear:
        return activated(run, function, outputs, function)
    if weights.outputs is None or (known.bias is not None and len(known.bias.shape) > 1):
        return outputs
    return run.note(outputs, linear=known, layer=layer, rule=rule, outputs=weights.outputs)


def separable(run: Trace, layer, call, args, kwargs):
    """A separable convolution: a depthwise one, then one of width 1."""
    x, fact = args[0], run.fact(args[0])
    rule = run.rule(layer, fact.ones is not None)
    x = run.entered(x) if rule.proportional else ops.stop_gradient(x)
    options = {"data_format": layer.data_format}

    def depthwise(x, kernel, bias):
        return ops.depthwise_conv(
            x, kernel, layer.strides, layer.padding, dilation_rate=layer.dilation_rate, **options
        )

    def pointwise(h, kernel, bias):
        z = ops.conv(h, kernel, 1, "valid", **options)
        return z if bias is None else z + spread(bias, z, layer)

    first, second = (
        ops.convert_to_tensor(kernel) for kernel in (layer.depthwise_kernel, layer.pointwise_kernel)
    )
    h = depthwise(x, first, None)
    inner = Linear(x, h, depthwise, first, None, True, fact.nonnegative, fact.ones)
    h = run.surrogate(rule, dataclasses.replace(inner, preprocessing=fact.preprocessing), h)
    outer = run.rule(layer, False) if not rule.proportional else rule
    bias = None if layer.bias is None else ops.convert_to_tensor(layer.bias)
    z = pointwise(h, second, bias)
    value = without_activation(layer, call)(x, *args[1:], **kwargs)
    known = Linear(h, carrying(value, z), pointwise, second, bias)
    return _ended(run, layer, outer, known, Weights())


def batch_normalization(run: Trace, layer, call, args, kwargs):
    """An affine map of each channel, merged into the linear layer before it where there is one."""
    x, fact = args[0], run.fact(args[0])
    rank = len(x.shape)
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    scale, shift = _affine(layer)
    if run.fold and fact.linear and channel_axis(fact.layer, rank) == axis % rank:
        run.folded.append(fact.layer)
        before = fact.linear
        known = dataclasses.replace(
            before,
            z=call(before.z, *args[1:], **kwargs),
            kernel=scaled(before.kernel, scale, fact.outputs),
            bias=shift if before.bias is None else before.bias * scale + shift,
        )
        return run.surrogate(fact.rule, known, known.z)
    x = run.entered(x)
    known = Linear(
        x=x,
        z=call(x, *args[1:], **kwargs),
        contract=lambda x, kernel, bias: x * kernel if bias is None else x * kernel + bias,
        kernel=along_axis(scale, axis % rank, rank),
        bias=along_axis(shift, axis % rank, rank),
        nonnegative=fact.nonnegative,
    )
    outputs = run.surrogate(run.rule(layer, False), known, known.z)
    return run.note(outputs, affine=(x, scale, shift, axis % rank))


def averaging(run: Trace, layer, call, args, kwargs):
    """Average pooling: a linear map with equal weights."""
    x, nonnegative = run.entered(args[0]), run.fact(args[0]).nonnegative

    def contract(x, kernel, bias):
        return call(x, *args[1:], **kwargs) * kernel

    z = call(x, *args[1:], **kwargs)
    known = Linear(x, z, contract, ops.ones((), z.dtype), nonnegative=nonnegative)
    outputs = run.surrogate(run.rule(layer, False), known, z)
    return run.note(outputs, nonnegative=nonnegative)


def _affine(layer):
    """The factor and the summand that batch normalisation applies to each channel."""
    scale = ops.rsqrt(layer.moving_variance + layer.epsilon)
    if layer.scale:
        scale = scale * layer.gamma
    shift = -layer.moving_mean * scale
    return scale, shift + layer.beta if layer.center else shift
