"""One call of a layer as Keras makes it: what it converts, which masks it hands on."""

import inspect
import textwrap

import keras
from keras import ops

from isi_keras import _keras
from isi_keras.graph.nodes import Tensor, UntraceableError, Weight

_each = keras.tree.map_structure
_flat = keras.tree.flatten


def prepared(layer, args: tuple, kwargs: dict):
    """The arguments as Keras hands them to `call`, the first of them, and its mask."""
    signature = inspect.signature(layer.call)
    names = signature.parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in names.values())
    if _keras.read(layer, "convert_inputs"):
        args, kwargs = _each(lambda value: _converted(layer, value), (args, kwargs))
    if "training" not in names and not open_ended:
        kwargs = {name: value for name, value in kwargs.items() if name != "training"}
    given = signature.bind(*args, **kwargs).arguments
    if "training" in names and given.get("training") is None:
        kwargs = {**kwargs, "training": False}
    tensors = {name: value for name, value in given.items() if _is_tensors(value)}
    for name, value in tensors.items():
        wanted = "mask" if len(tensors) == 1 else f"{name}_mask"
        if wanted in names and given.get(wanted) is None:
            kwargs = {**kwargs, wanted: _each(_keras.mask_of, value)}
    first = next(iter(given.values()), None)
    masks = kwargs.get("mask")
    if masks is None:
        masks = _each(_keras.mask_of, first)
    return args, kwargs, first, masks


def as_declared(layer, args: tuple) -> tuple:
    """One tensor as a list, for a functional model that was declared with a list of one."""
    declared = layer.input if isinstance(layer, keras.Function) and args else None
    alone = isinstance(declared, list) and len(declared) == 1 and isinstance(args[0], Tensor)
    return ([args[0]], *args[1:]) if alone else args


def _is_tensors(value) -> bool:
    parts = _flat(value)
    return any(isinstance(p, Tensor) or ops.is_tensor(p) for p in parts)


def _converted(layer, value):
    """An argument of the dtype in which the layer takes it, with its mask."""
    if not (isinstance(value, Tensor) or ops.is_tensor(value) or hasattr(value, "__array__")):
        return value
    if isinstance(value, keras.Variable | Weight):
        return value
    made = layer.dtype_policy.convert_input(value, layer.autocast, layer.input_dtype)
    if made is not value and isinstance(value, Tensor):
        _keras.set_mask(made, _keras.mask_of(value))
    return made


def mask(layer, first, outputs, masks) -> None:
    """Hands the mask on as Keras does."""
    if not layer.supports_masking:
        return
    tensors = _flat(outputs)
    if all(_keras.mask_of(t) is not None for t in tensors):
        return
    made = layer.compute_mask(first, masks)
    if made is None:
        return
    for tensor, mask in zip(tensors, _flat(made), strict=False):
        if isinstance(tensor, Tensor) and mask is not None and _keras.mask_of(tensor) is None:
            _keras.set_mask(tensor, mask)


def named(layer, error: Exception) -> UntraceableError:
    """The error of a layer inside, which says which layer it is."""
    if isinstance(error, UntraceableError):
        return error
    text = textwrap.shorten(str(error), 300)
    return UntraceableError(
        f"The layer {layer.name!r} of class {type(layer).__name__} does not compute with symbolic "
        f"tensors, nor does Keras know the shape of what it returns: {type(error).__name__}: "
        f"{text} Compute with keras.ops (keras.ops.where or keras.ops.cond in place of `if`), or "
        "give it compute_output_spec."
    )
