"""Shadows: copies of layers that compute with tensors without values; the layers stay untouched."""

import functools
import types
from collections.abc import Callable
from typing import Any

import keras

from isi_keras import _keras, backend
from isi_keras.graph.expanded import ACTIVATIONS
from isi_keras.graph.nodes import Weight

_SKIPPED = {"_tracker", "_torch_params", "_trainable_variables", "_non_trainable_variables"}


class Shadows:
    """The shadows of one trace, one for each layer.

    A shadow is an instance of a subclass of the layer's class with a copy of its dictionary, in
    which each variable is a `Weight` and each layer a shadow. To call it is to call `called`.

    Args:
        called: a function `(shadow, layer, args, kwargs)`.
        overriding: a function from a class of layers to the methods that its shadows have instead.
    """

    def __init__(self, called: Callable, overriding: Callable[[type], dict[str, Any]]):
        self._called, self._overriding = called, overriding
        self._classes: dict[type, type] = {}
        self._made: dict[int, tuple[Any, Any]] = {}  # the layer too, lest its id be reused
        self._weights: dict[tuple[int, str], Weight] = {}

    def of(self, layer: Any) -> Any:
        """The shadow of a layer."""
        if id(layer) not in self._made:
            shadow = object.__new__(self._class(type(layer)))
            self._made[id(layer)] = (layer, shadow)
            vars(shadow).update(vars(layer))
            for name, value in vars(layer).items():
                if name not in _SKIPPED:
                    vars(shadow)[name] = self._replaced(value, layer)
            vars(shadow)["_isi_called"] = functools.partial(self._called, shadow, layer)
            vars(shadow)["_isi_shadow_of"] = self.operation
        return self._made[id(layer)][1]

    def operation(self, op: Any) -> Any:
        """What stands for an operation of a functional model: a shadow, or a copy."""
        if isinstance(op, keras.layers.Layer):
            return self.of(op)
        made = object.__new__(type(op))  # Keras' own way to copy would save and load it
        vars(made).update(vars(op))
        return _keras.without_nodes(made)

    def weight(self, variable: keras.Variable, dtype: str | None = None) -> Weight:
        """The `Weight` of a variable."""
        computes = dtype or keras.backend.standardize_dtype(variable.dtype)
        key = (id(variable), computes)
        if key not in self._weights:
            self._weights[key] = Weight(variable, computes)
        return self._weights[key]

    def _replaced(self, value: Any, layer: Any) -> Any:
        if isinstance(value, keras.Variable):
            return self.weight(value, _dtype_in(value, layer))
        if isinstance(value, keras.layers.Layer):
            return self.of(value)
        if isinstance(value, types.FunctionType) and value in ACTIVATIONS:
            return ACTIVATIONS[value]
        if isinstance(value, types.MethodType) and isinstance(value.__self__, keras.layers.Layer):
            return types.MethodType(value.__func__, self.of(value.__self__))
        if isinstance(value, dict):
            new = {
                key: part if key in _SKIPPED else self._replaced(part, layer)
                for key, part in value.items()
            }
            return value if all(new[key] is value[key] for key in new) else new
        if isinstance(value, list | tuple):
            parts = [self._replaced(part, layer) for part in value]
            if all(one is other for one, other in zip(parts, value, strict=True)):
                return value
            if isinstance(value, list):
                return parts
            return tuple(parts) if type(value) is tuple else type(value)(*parts)
        return backend.readable(value)  # Keras reads some constants for the shape of an output

    def _class(self, kind: type) -> type:
        """A subclass whose instances, called, trace at once what the layer does."""
        if kind not in self._classes:
            body = {
                "__setattr__": object.__setattr__,
                "__delattr__": object.__delattr__,
                "__module__": kind.__module__,
                **(_functional(kind) if issubclass(kind, keras.Function) else {}),
                **self._overriding(kind),
            }
            self._classes[kind] = type(kind)(kind.__name__, (kind, _Called), body)
        return self._classes[kind]


class _Called(keras.layers.Layer):
    """Stands before `Layer` among the ancestors of a shadow: a `__call__` of the user's runs."""

    def __call__(self, *args, **kwargs):
        return vars(self)["_isi_called"](args, kwargs)


def _functional(kind: type) -> dict[str, Any]:
    """A functional model runs the shadows of its operations."""

    def run(self, inputs, operation_fn=lambda op: op, call_fn=None):
        shadow_of = vars(self)["_isi_shadow_of"]
        return _keras.run_through_graph(kind, self, inputs, lambda op: operation_fn(shadow_of(op)))

    return {_keras.RUN_THROUGH_GRAPH: run}


def _dtype_in(variable: keras.Variable, layer: Any) -> str:
    """The dtype in which a layer computes with a variable."""
    dtype = keras.backend.standardize_dtype(variable.dtype)
    computes = layer.compute_dtype
    floats = keras.backend.is_float_dtype(dtype) and keras.backend.is_float_dtype(computes)
    if floats and layer.autocast and _keras.read(variable, "autocast"):
        return computes
    return dtype
