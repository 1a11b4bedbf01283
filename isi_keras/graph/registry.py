"""Layers that are treated as a whole: those that were registered, and those nothing is known of."""

import textwrap
from collections.abc import Callable
from typing import Any

from keras import layers

from isi_keras import _checks, _keras
from isi_keras.graph import wholes
from isi_keras.graph.nodes import Node, Whole
from isi_keras.graph.run import is_float
from isi_keras.graph.wholes import Call

TREATMENTS: dict[str, Callable[[Call], Any]] = {
    "linear": wholes.linear,
    "activation": wholes.activation,
    "gradient": wholes.gradient,
}
_QUANTIZED = layers.Dense, layers.EinsumDense
_MODES = "int8", "int4", "gptq", "awq"
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
    if _mode(layer) is None:
        return registered(layer)
    known = type(layer) in _QUANTIZED or isinstance(layer, layers.Embedding)
    return wholes.quantized if known and _mode(layer) in _MODES else registered(layer)


def looks_up(node: Node) -> bool:
    """Whether a layer that is treated as a whole takes indices of the rows of a table."""
    index = node.tensors and not is_float(node.tensors[0])
    return bool(index) and isinstance(node.op.layer, layers.Embedding)


def parted(layer: Any) -> tuple[Any, Callable | None]:
    """A layer as what is treated as a whole of it, and the function at its end beside that."""
    if treatment_of(layer) is not wholes.quantized:
        return layer, None
    return wholes.without_end(layer), wholes.ending(layer)


def is_linear(layer: Any) -> bool:
    """Whether a layer that is treated as a whole is linear, up to a function at its end."""
    return treatment_of(layer) in (wholes.linear, wholes.quantized)


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
        if first.startswith(("Invalid dtype: list", "Invalid dtype: tuple")):
            why = (
                " It cannot be seen through, as it hands an operation a list or a tuple of "
                "numbers, which Keras' symbolic tensors refuse: write "
                "keras.ops.convert_to_tensor([...]) there."
            )
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
