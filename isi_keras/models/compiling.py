"""Compilation with the weights as arguments, done once for a model as it is."""

import collections
import contextlib
import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import keras
import numpy as np

from isi_keras import backend
from isi_keras.graph import registry
from isi_keras.models.held import steady
from isi_keras.models.layers import nodes, variables_of
from isi_keras.sources import hashes


class Compiled:
    """A compiled function of a model and tensors; `traces` counts how often it was traced.

    Args:
        fn: a pure function `(model, *tensors) -> tensors`.
        model: the model whose variables are passed in anew at each call. Only a weak reference to
            it is kept.
        any_rows: whether the function is the same for any number of rows.
    """

    def __init__(self, fn: Callable, model: keras.Model, any_rows: bool = False):
        self.traces = 0
        self._model = weakref.ref(model)
        self._variables = variables_of(model)

        def bound(values, *tensors):
            self.traces += 1
            with keras.StatelessScope(list(zip(self._variables, values, strict=True))):
                return fn(self.model, *tensors)

        self._run = backend.jit(bound, any_rows)

    def __call__(self, *tensors):
        """Runs the function with the variables as they are now."""

        def run():
            return self._run([variable.value for variable in self._variables], *tensors)

        return steady(self.model, run, self._variables)

    @property
    def model(self) -> keras.Model:
        """The model, as long as somebody else holds it."""
        model = self._model()
        if model is None:
            raise ReferenceError("The model this was compiled for no longer exists.")
        return model


def compiled(fn: Callable, model: keras.Model, any_rows: bool = False) -> Compiled:
    """Compiles `fn(model, *tensors)` so that the weights are arguments, never constants.

    A function compiled over a model would on JAX keep the weights it was traced with; this one
    sees each change that training or `set_weights` makes.
    """
    return Compiled(fn, model, any_rows)


_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_KEPT_PER_MODEL = 8


def cached(model: keras.Model, key: Hashable, make: Callable[[], Any]) -> Any:
    """What `make` returned for this key, as long as the model's layers are as they were then."""
    kept = _KEPT.setdefault(model, collections.OrderedDict())
    state = _fingerprint(model)
    if key not in kept or kept[key][0] != state:
        kept[key] = (state, steady(model, make))
    kept.move_to_end(key)
    while len(kept) > _KEPT_PER_MODEL:
        kept.popitem(last=False)
    return kept[key][1]


def _fingerprint(model: keras.Model) -> tuple:
    """What a trace depends on besides weights: the layers, their attributes, what is registered."""
    settings = tuple((weakref.ref(node), _settings(node)) for node in nodes(model))
    data_format = keras.config.image_data_format()
    known = data_format, registry.state()
    return known, settings, tuple((id(v), tuple(v.shape), v.dtype) for v in model.variables)


_PLAIN = (
    bool | int | float | complex | str | bytes | bytearray | range | frozenset | np.generic | None
)
_OTHERS = {"builtins", "functools", "keras", "keras_hub", "tensorflow", "jax", "jaxlib", "torch"}
_OF_TRAINING = "_compile", "_eval_epoch", "_jax_state", "_self_"  # and of TensorFlow's checkpoints
# Tensors that a framework traces have no values.
UNREADABLE = TypeError, ValueError, RuntimeError, NotImplementedError, AttributeError


def _settings(node) -> tuple:
    """The attributes, but for those of Keras with an underscore."""
    ignored = _model_attributes() if isinstance(node, keras.Model) else {"training"}
    if type(node).__module__.startswith("keras."):
        ignored = {*ignored, *(name for name in vars(node) if name.startswith("_"))}
    return tuple(
        (name, _stamp(value))
        for name, value in sorted(vars(node).items(), key=lambda item: item[0])
        if name not in ignored and (not name.startswith("_") or _is_own(name, value))
    )


def _is_own(name: str, value: Any) -> bool:
    return not (value is None or name in _of_keras() or name.startswith(_OF_TRAINING))


@functools.cache
def _of_keras() -> set[str]:
    return {*vars(keras.layers.Layer()), *vars(keras.Sequential())}


def _stamp(value: Any, depth: int = 6) -> Hashable:
    """What tells whether a value changed, be it in place; weights are arguments and do not count.

    Functions and objects of Keras and of others' packages are told by which they are.
    """
    if isinstance(value, _PLAIN):
        return type(value), repr(value)
    if isinstance(value, list | tuple | dict | set | collections.deque) and depth:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return id(value), tuple((repr(key), _stamp(each, depth - 1)) for key, each in pairs)
    if isinstance(value, keras.Variable | keras.KerasTensor):
        return id(value)
    if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
        with contextlib.suppress(*UNREADABLE):
            array = keras.ops.convert_to_numpy(value)
            if array.dtype != object:
                return hashes.of_arrays(array)
    held = isinstance(value, keras.layers.Layer) or hasattr(value, "parameters")  # are weights
    if depth and not held and type(value).__module__.partition(".")[0] not in _OTHERS:
        return id(value), _stamp(getattr(value, "__dict__", None), depth - 1)
    return id(value)


def _model_attributes() -> set[str]:
    """What any model carries for its training loop, none of which a forward pass looks at."""
    flags = {f"stop_{loop}" for loop in ("training", "evaluating", "predicting")}
    return {*vars(keras.Sequential()), *flags, "optimizer", "history", "training"}
