"""Layers that are treated as a whole: those that were registered, and those nothing is known of."""

import dataclasses
import textwrap
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from isi_keras import _checks, _keras
from isi_keras.graph.nodes import Node, Whole
from isi_keras.graph.run import Run
from isi_keras.rules import Epsilon, Rule
from isi_keras.rules.linear import Linear, negative, positive

_each = keras.tree.map_structure


@dataclasses.dataclass(frozen=True)
class Call:
    """A layer of the user's at one place.

    Args:
        run: the pass.
        layer: the layer.
        args, kwargs: what it is called with, tensors.
        rule: the rule that the composite has for it.
    """

    run: Run
    layer: Any
    args: tuple
    kwargs: dict
    rule: Rule

    def __call__(self, *args) -> Any:
        """What the layer returns for other tensors."""
        return _single(self.layer)(*(args or self.args), **self.kwargs)


def linear(call: Call) -> Any:
    """A layer with a kernel and perhaps a bias, and a function at its end."""
    layer, run = _single(call.layer), call.run
    activation = _keras.read(layer, "activation")
    bare = layer if activation is None else _with(layer, "activation", keras.activations.linear)
    bias = _keras.read(layer, "bias")
    variable = _keras.kernel(layer, "kernel")
    others = [(v, v.value) for v in layer.variables if v is not variable and v is not bias]

    def contract(x, kernel, added):
        values = [(variable, kernel)]
        fits = bias is not None and added is not None and added.shape == bias.shape
        if bias is not None:
            values.append((bias, added if fits else ops.zeros(bias.shape, bias.dtype)))
        with keras.StatelessScope([*others, *values]):
            z = bare.call(x, *call.args[1:], **call.kwargs)
        return z if fits or added is None else z + added

    (x, *_) = call.args
    kernel = ops.convert_to_tensor(variable)
    if run.checks and not isinstance(call.rule, Epsilon):
        _expect_terms(layer, call.rule, lambda x, kernel: contract(x, kernel, None), x, kernel)
    added = None if bias is None else ops.convert_to_tensor(bias)
    z = contract(x, kernel, added)
    outputs = run.surrogate(call.rule, Linear(x, z, contract, kernel, added, summand=False), z)
    if activation is None or activation is keras.activations.linear:
        return outputs
    return run.passed(activation(outputs), outputs)


def _expect_terms(layer: Any, rule: Rule, contract: Callable, x, kernel) -> None:
    """Raises unless what a layer sums is what a rule takes it for: inputs times weights."""
    size = ops.convert_to_numpy(contract(ops.abs(x), ops.abs(kernel)))
    parts = contract(x, positive(kernel)) + contract(x, negative(kernel))
    lost = ops.convert_to_numpy(parts - contract(x, kernel))
    what = f"The layer {layer.name!r} of class {type(layer).__name__}, registered as 'linear',"
    advice = "Write it with keras.ops, which needs no registration; or use the rule 'epsilon'."
    if np.abs(lost).max() > 1e-3 * np.abs(size).max():
        raise ValueError(f"{what} is not linear in its kernel, as {rule!r} needs it. {advice}")
    if size.min() < -1e-4 * np.abs(size).max():
        raise ValueError(
            f"{what} returns values below 0 for inputs and a kernel that are not: its terms have "
            f"not the signs of its kernel, as {rule!r} takes them to have. {advice}"
        )


def quantized(call: Call) -> Any:
    """A dense layer of 8-bit weights: they stand for what they are when scaled back."""
    layer, run = call.layer, call.run
    (x, *_) = call.args
    scale = ops.cast(layer.kernel_scale, "float32")
    kernel = ops.cast(_keras.kernel(layer, "kernel"), "float32") / scale
    bias = _keras.read(layer, "bias")
    bias = None if bias is None else ops.cast(bias, "float32")

    def contract(x, kernel, bias):
        z = ops.matmul(x, kernel)
        return z if bias is None else z + bias

    value, z = call(), contract(x, kernel, bias)
    activation = _keras.read(layer, "activation")
    linear = activation is None or activation is keras.activations.linear
    # Its inputs are quantized, too, so the value that is shared out is the layer's own.
    total = value if linear else z
    outputs = run.surrogate(call.rule, Linear(x, z, contract, kernel, bias), total)
    return outputs if linear else run.passed(value, outputs)


def activation(call: Call) -> Any:
    """A function of each entry passes relevance on unchanged."""
    outputs, (x, *_) = call(), call.args
    if tuple(outputs.shape) != tuple(x.shape):
        raise ValueError(
            f"The layer {call.layer.name!r} of class {type(call.layer).__name__}, registered as "
            f"'activation', is no function of each entry: of the shape {tuple(x.shape)} it makes "
            f"{tuple(outputs.shape)}. Register a function, see isi_keras.register."
        )
    return call.run.passed(outputs, x)


def gradient(call: Call) -> Any:
    """The plain gradient; what comes of an input of zeros is a bias."""
    outputs = call()
    if not call.run.absorbed:
        return outputs
    first, *others = call.args
    return call.run.absorb("bias", outputs, call(_each(ops.zeros_like, first), *others))


def unknown(call: Call) -> Any:
    """The plain gradient, on request."""
    return call()


TREATMENTS: dict[str, Callable[[Call], Any]] = {
    "linear": linear,
    "activation": activation,
    "gradient": gradient,
}
_REGISTERED: dict[type, Callable[[Call], Any]] = {}


def register(layer: type, treatment: str | Callable | None) -> None:
    """Tells how relevance passes through a class of layers of your own.

    A layer that computes with `keras.ops` and other layers needs none: what it does is seen. Tell
    it for one that calls a framework, or if you know better.

    Args:
        layer: the class, a subclass of `keras.layers.Layer`. It is treated as a whole, with all
            that it holds.
        treatment: `"linear"` for a layer with the attributes `kernel` and `bias` (or no bias) that
            is linear in its input, in `kernel` and in `bias`, up to the function `activation` at
            its end, and grows with the products of both: it gets the rules of a composite.
            `"activation"` for a function of each entry, through which relevance passes unchanged.
            `"gradient"` for one that is homogeneous (`f(2 x) = 2 f(x)`), such as pooling or a
            learned scale, also if it adds something that does not depend on `x`, such as a position
            embedding. Or a function `(layer, call, x, *args, **kwargs)` that returns what
            `call(x, *args, **kwargs)` does, such that its gradient times `x` is the relevance;
            build it of `keras.ops`, with `keras.ops.stop_gradient` on what is to be a constant.
            `None` takes back what was registered for the class.

    Raises:
        TypeError: if `layer` is not such a class, or `treatment` neither a name nor a function.
        ValueError: for an unknown name.

    Example:
        >>> import keras, isi_keras as isi
        >>> class Doubled(keras.layers.Layer):
        ...     def call(self, x):
        ...         return keras.ops.vectorized_map(lambda row: 2 * row, x)
        >>> isi.register(Doubled, "gradient")
    """
    if not (isinstance(layer, type) and issubclass(layer, layers.Layer)):
        raise TypeError(f"Expected a subclass of keras.layers.Layer. Received: layer={layer!r}.")
    if treatment is None:
        _REGISTERED.pop(layer, None)
        return
    if isinstance(treatment, str):
        if treatment not in TREATMENTS:
            raise ValueError(_checks.unknown("treatment", treatment, TREATMENTS))
    elif not callable(treatment):
        raise TypeError(
            f"Expected treatment to be one of {', '.join(map(repr, TREATMENTS))} or a function "
            f"(layer, call, x). Received: {treatment!r}."
        )
    _REGISTERED[layer] = TREATMENTS[treatment] if isinstance(treatment, str) else _own(treatment)


def _own(function: Callable) -> Callable[[Call], Any]:
    def treatment(call: Call) -> Any:
        try:
            return function(call.layer, call, *call.args, **call.kwargs)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"The function registered for the layer {call.layer.name!r} of class "
                f"{type(call.layer).__name__} failed. It is called as (layer, call, x, ...), with "
                f"all that the layer is called with. {type(error).__name__}: {error}"
            ) from error

    return treatment


def is_whole(layer: Any) -> bool:
    """Whether a layer is to be a node of its own: it was registered, or runs on other numbers."""
    return registered(layer) is not None or _mode(layer) is not None


def treatment_of(layer: Any) -> Callable[[Call], Any] | None:
    """What is known of a layer that is treated as a whole."""
    plain = type(layer).__mro__[0] is layers.Dense and _keras.read(layer, "lora") is False
    if _mode(layer) == "int8" and plain:
        return quantized
    return registered(layer)


def _mode(layer: Any) -> str | None:
    return _keras.read(layer, "quantization_mode")


def registered(layer: Any) -> Callable[[Call], Any] | None:
    """The treatment that was registered for the class of a layer, or for one above it."""
    return next((_REGISTERED[k] for k in type(layer).__mro__ if k in _REGISTERED), None)


def state() -> tuple:
    """What is registered, to know when something changed."""
    return tuple((kind, id(treatment)) for kind, treatment in _REGISTERED.items())


def expect_like(node: Node, outputs: list) -> None:
    """Raises unless what was registered for a layer returns tensors as the layer does."""
    found = [getattr(each, "shape", None) for each in outputs]
    wanted = [tensor.shape for tensor in node.outputs]
    if len(found) != len(wanted) or not all(map(_fits, found, wanted)):
        raise ValueError(
            f"The function registered for the layer {node.op.layer.name!r} of class "
            f"{type(node.op.layer).__name__} has to return what the layer does, "
            f"{_listed(wanted)}. It returned: {_listed(found)}."
        )


def _listed(shapes: list) -> str:
    return ", ".join("no tensor" if shape is None else str(tuple(shape)) for shape in shapes)


def _fits(found, wanted) -> bool:
    if found is None or len(found) != len(wanted):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(found, wanted, strict=True))


def refused(node: Node) -> str:
    """Why there is no relevance for a node, and what to do."""
    layer = node.op.layer if isinstance(node.op, Whole) else next(iter(node.scope[::-1]), None)
    where = (
        "the model"
        if layer is None
        else f"the layer {layer.name!r} of class {type(layer).__name__}"
    )
    name = "YourLayer" if layer is None else type(layer).__name__
    what = where if isinstance(node.op, Whole) else f"the operation {node.kind} in {where}"
    why = ""
    if isinstance(node.op, Whole) and node.op.why is not None:
        first = textwrap.shorten(str(node.op.why), 160)
        why = f" It cannot be seen through, as it computes otherwise than with keras.ops ({first})."
    if isinstance(node.op, Whole) and _mode(layer):
        return (
            f"There is no relevance rule for {what}, as it is quantized to {_mode(layer)}. "
            "Explain the model before its quantization, or use indicator='sensitivity'."
        )
    return (
        f"There is no relevance rule for {what}.{why} Tell how relevance passes through it, e.g. "
        f"isi_keras.register({name}, 'linear'), 'activation', 'gradient' or a "
        "function; or pass Relevance(on_unknown='gradient') to let its plain gradient stand; or "
        "use indicator='sensitivity', which needs no rules."
    )


def _single(layer: Any) -> Any:
    """The layer, or a copy that computes in single instead of half precision."""
    policy = _keras.read(layer, "dtype_policy")
    if policy.compute_dtype not in ("float16", "bfloat16"):
        return layer
    name = _keras.NAMES["dtype_policy"].attribute
    return _with(layer, name, keras.DTypePolicy("float32"))


def _with(layer: Any, name: str, value: Any) -> Any:
    """A copy of a layer, of the same variables, with another attribute."""
    made = object.__new__(type(layer))
    vars(made).update({**vars(layer), name: value})
    return made
