"""How relevance passes through each kind of layer.

A treatment is a function `(run, layer, call, args, kwargs)` that returns what `call(*args,
**kwargs)` does, with another gradient: relevance divided by activation.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from isi_keras import _keras
from isi_keras.lrp.facts import Trace, carrying
from isi_keras.models import activations

Treatment = Callable[[Trace, Any, Callable, tuple, dict], Any]


def gradient(run: Trace, layer, call, args, kwargs):
    """The plain gradient: right for what is homogeneous, as pooling, padding and merging are."""
    args, kwargs = _mapped(run.entered, args), _mapped(run.entered, kwargs)
    known = [run.fact(tensor).nonnegative for tensor in _tensors(args)]
    outputs = call(*args, **kwargs)
    for tensor in _tensors(outputs):
        run.note(tensor, nonnegative=bool(known) and all(known))
    return outputs


def signed(run: Trace, layer, call, args, kwargs):
    """The plain gradient, where inputs that are not negative can become so."""
    return call(*_mapped(run.entered, args), **_mapped(run.entered, kwargs))


def affine(run: Trace, layer, call, args, kwargs):
    """The plain gradient; what comes of an input of zeros is a bias."""
    x, *others = _mapped(run.entered, args)
    outputs = call(x, *others, **kwargs)
    if not run.absorbed:
        return outputs
    return run.absorb("bias", outputs, call(_mapped(ops.zeros_like, x), *others, **kwargs))


def shape(run: Trace, layer, call, args, kwargs):
    """What moves entries about and changes none; the model's input stays the model's input."""
    facts = [run.fact(tensor) for tensor in _tensors(args)]
    if any(fact.ones is None or fact.preprocessing != facts[0].preprocessing for fact in facts):
        outputs = gradient(run, layer, call, args, kwargs)
        squashed = bool(facts) and all(fact.squashed for fact in facts)
        return run.note(outputs, squashed=squashed) if keras.ops.is_tensor(outputs) else outputs
    outputs = call(*args, **kwargs)
    ones = call(*_mapped(lambda tensor: run.fact(tensor).ones, args), **kwargs)
    for tensor, ones_of in zip(_tensors(outputs), _tensors(ones), strict=True):
        padding = ops.stop_gradient(1 - ones_of)  # is an input as any other
        whole = run.absorb("padding", ones_of + padding, padding)
        run.note(tensor, ones=whole, preprocessing=facts[0].preprocessing)
    return outputs


def preprocessing(run: Trace, layer, call, args, kwargs):
    """`Rescaling` and `Normalization`: what is relevant after them is so before them."""
    (x, *args), fact = args, run.fact(args[0])
    outputs = call(x, *args, **kwargs)
    if fact.ones is None:
        return run.absorb("bias", outputs, call(ops.zeros_like(x), *args, **kwargs))
    return run.note(outputs, ones=fact.ones, preprocessing=(*fact.preprocessing, call))


def activation(run: Trace, layer, call, args, kwargs):
    """A function of each entry passes relevance on unchanged."""
    x = run.entered(args[0])
    return activated(run, layer, x, lambda z: call(z, *args[1:], **kwargs))


def activated(run: Trace, function, z, call: Callable):
    """`call(z)`, through which relevance passes unchanged; `function` says what it is."""
    kind = activations.of(function)
    if kind.homogeneous:
        outputs = call(z)
    elif kind.gated:
        signal, gate = ops.split(z, 2, axis=-1)
        outputs = carrying(call(z), signal * ops.stop_gradient(ops.sigmoid(gate)))
    else:
        outputs = run.passed(call(z), z)
    return run.note(outputs, nonnegative=kind.nonnegative, squashed=kind.squashed)


def normalization(run: Trace, layer, call, args, kwargs):
    """Layer and group normalisation: the mean is a linear map, the deviation a constant."""
    x = run.entered(args[0])
    value = call(x, *args[1:], **kwargs)
    beta = _keras.read(layer, "beta")
    if _keras.read(layer, "rms_scaling"):
        return run.passed(value, x)
    if beta is None:
        return run.passed(value, x - _mean(layer, x))
    axes = [axis % len(x.shape) for axis in _axes(layer)]
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    beta = ops.reshape(ops.convert_to_tensor(beta), shape)
    centred = x - _mean(layer, x)
    outputs = ops.stop_gradient(value) + run.scaled(centred, value - beta, 1e-7)
    return run.absorb("bias", outputs, beta)


def _axes(layer) -> list[int]:
    return [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)


def _mean(layer, x):
    """The mean that the layer subtracts."""
    if not isinstance(layer, keras.layers.GroupNormalization):
        return ops.mean(x, axis=_axes(layer), keepdims=True)
    axis = layer.axis % len(x.shape)
    shape = ops.shape(x)
    grouped = (*shape[:axis], layer.groups, shape[axis] // layer.groups, *shape[axis + 1 :])
    within = [k for k in range(1, len(grouped)) if k != axis]
    parts = ops.reshape(x, grouped)
    mean = ops.broadcast_to(ops.mean(parts, axis=within, keepdims=True), grouped)
    return ops.reshape(mean, shape)


def embedding(run: Trace, layer, call, args, kwargs):
    """A row of a table for each index: the relevance of an index is that of its row."""
    outputs, ones = call(*args, **kwargs), run.fact(args[0]).ones
    if ones is None:
        return outputs
    return ops.stop_gradient(outputs) * ops.expand_dims(ones, -1)


def product(run: Trace, layer, call, args, kwargs):
    """Products of tensors: the signal takes all, or each factor an equal share."""
    args = _mapped(run.entered, args)
    factors = _tensors(args)
    facts = {id(tensor): run.fact(tensor) for tensor in factors}
    outputs = call(*args, **kwargs)
    if len(factors) == 1:
        squashed = facts[id(factors[0])].squashed
        return run.note(outputs, squashed=squashed)
    signals = [tensor for tensor in factors if not facts[id(tensor)].squashed]
    if not signals:  # the smaller ones are spread over the greatest
        size = max(_size(tensor) for tensor in factors)
        signals = [tensor for tensor in factors if _size(tensor) == size]
    if run.signal and len(signals) == 1:
        alone = _mapped(lambda t: t if t is signals[0] else ops.stop_gradient(t), args)
        outputs = carrying(outputs, call(*alone, **kwargs))
    else:
        outputs = carrying(outputs, outputs / len(factors))
    return run.note(outputs, nonnegative=all(fact.nonnegative for fact in facts.values()))


def quotient(run: Trace, layer, call, args, kwargs):
    """What is divided gets all relevance."""
    upper, lower, *rest = _mapped(run.entered, args)
    return call(upper, ops.stop_gradient(ops.convert_to_tensor(lower)), *rest, **kwargs)


def addition(run: Trace, layer, call, args, kwargs):
    """A sum or difference of two: numbers and weights among them are biases."""
    outputs = (signed if _keras.operation(layer) == "Subtract" else gradient)(
        run, layer, call, args, kwargs
    )
    if not _is_constant(args[0]) and not _is_constant(args[1]):
        return outputs
    run.note(outputs, nonnegative=False)
    only = [value if _is_constant(value) else ops.zeros_like(value) for value in args[:2]]
    return run.absorb("bias", outputs, call(*only, *args[2:], **kwargs))


def attention(run: Trace, layer, call, args, kwargs):
    """Dot-product attention as a layer: relevance goes to the values alone."""
    query, value, *key = _mapped(run.entered, args[0])
    others = [ops.stop_gradient(tensor) for tensor in (key or [value])]
    return call([ops.stop_gradient(query), value, *others], *args[1:], **kwargs)


def detached(run: Trace, layer, call, args, kwargs):
    """Queries, keys and gates: they weigh what is relevant, and are not."""
    return ops.stop_gradient(call(*args, **kwargs))


def _size(tensor) -> int:
    size = 1
    for length in tensor.shape[1:]:
        size *= length
    return size


def _is_tensor(value) -> bool:
    return ops.is_tensor(value) and not isinstance(value, keras.Variable)


def _is_constant(value) -> bool:
    return not _is_tensor(value)


def _tensors(structure) -> list[Any]:
    return [value for value in keras.tree.flatten(structure) if _is_tensor(value)]


def _mapped(function, structure):
    return keras.tree.map_structure(lambda v: function(v) if _is_tensor(v) else v, structure)
