"""The names of Keras that it may change without notice: they are read here, or not at all.

Keras promises its public functions and the arguments of its layers. What carries relevance through
a model needs more: where a container holds its layers, what attention calls its parts, how an
operation is called. `NAMES` lists each such attribute and the classes of Keras that have it. If one
of these lacks it, `read` raises: a default there would give another map and say nothing.
"""

import concurrent.futures
import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
from keras import layers, ops

VERSIONS = "3.13 to 3.15"
_MISSING = object()


class KerasChangedError(RuntimeError):
    """The installed Keras lacks a name that isi_keras reads."""


class Name(NamedTuple):
    """An attribute that is read of objects of Keras.

    Args:
        attribute: its name.
        holders: the classes all of whose instances have it (once built, if they are layers).
        others: whether layers of other classes may have one, too, of the same meaning, and may
            as well have none: users write layers with an `activation` or a `bias` of their own.
    """

    attribute: str
    holders: tuple[type, ...]
    others: bool = False


_CONVOLUTIONS = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)
_LINEAR = (layers.Dense, layers.EinsumDense, *_CONVOLUTIONS)
NAMES: dict[str, Name] = {
    # What a layer holds.
    "layers": Name("_layers", (layers.Layer,)),
    "operations": Name("operations", (keras.Function,)),
    "functional": Name("_functional", (keras.Sequential,)),
    # What decides how it computes.
    "dtype_policy": Name("_dtype_policy", (layers.Layer,)),
    "quantization_mode": Name("quantization_mode", (layers.Layer,)),
    "convert_inputs": Name("_convert_input_args", (layers.Layer,)),
    "autocast": Name("_autocast", (keras.Variable,)),
    "activation": Name("activation", (*_LINEAR, layers.Activation), others=True),
    "bias": Name("bias", _LINEAR, others=True),
    "kernel": Name("_kernel", (layers.Dense, layers.EinsumDense, *_CONVOLUTIONS[:3])),
    "lora": Name("lora_enabled", (layers.Dense,), others=True),
    "data_format": Name("data_format", _CONVOLUTIONS, others=True),
    # Training.
    "compile_loss": Name("_compile_loss", (keras.Model,)),
    "metrics": Name("_metrics", (layers.Layer,)),
    "value": Name("_value", (keras.Variable,)),
}
# Names inside modules that Keras does not export.
IMPORTS = {"CompileMetrics": "keras.src.trainers.compile_utils"}


def read(node: Any, key: str) -> Any:
    """The attribute that `NAMES` lists under `key`; `None` if objects of that class have none.

    Raises:
        KerasChangedError: if objects of that class always had it.
    """
    name = NAMES[key]
    held = isinstance(node, name.holders)
    if not held and not name.others:
        return None
    value = getattr(node, name.attribute, _MISSING)
    if value is not _MISSING:
        return value
    if held:
        raise _changed(f"{type(node).__name__} has no attribute {name.attribute!r}")
    return None


@contextlib.contextmanager
def lent(node: Any, key: str, value: Any) -> Iterator[None]:
    """An attribute of `NAMES` has another value for a while; `None` changes nothing."""
    before, name = read(node, key), NAMES[key].attribute
    if value is None:
        yield
        return
    setattr(node, name, value)
    try:
        yield
    finally:
        setattr(node, name, before)


def children(node: Any) -> list[Any]:
    """The layers and operations that a layer or model holds directly."""
    found = [*(read(node, "operations") or ()), *(read(node, "layers") or ())]
    functional = read(node, "functional")
    return found if functional is None else [*found, functional]


def kernel(layer: layers.Layer, attribute: str) -> keras.Variable:
    """The variable behind the kernel of a layer, which low-rank adaptation adds something to."""
    value = getattr(layer, attribute)
    return value if isinstance(value, keras.Variable) else read(layer, "kernel")


_TRAINED = "_jax_state"


def value_of(variable: keras.Variable) -> Any:
    """The value of a variable; `None` while Keras on JAX has it, to fit in another thread."""
    try:
        return variable.value
    except TypeError:
        if read(variable, "value") is not None:
            raise
        return None


def training_state(model: keras.Model) -> Any:
    """What the last step of some loop of Keras on JAX returned, by kinds of variables, or `None`.

    It stays there after a loop, though the weights may be others then.
    """
    return getattr(model, _TRAINED, None)


def lent_to_training(model: keras.Model, state: Any) -> dict[int, Any]:
    """The values in a `training_state` of the model's variables, by their ids."""
    found = {}
    for kind in ("trainable_variables", "non_trainable_variables"):
        variables, values = getattr(model, kind), state.get(kind) or ()
        if [tuple(v.shape) for v in variables] == [tuple(value.shape) for value in values]:
            found.update(zip(map(id, variables), values, strict=True))
    return found


def fits_here() -> bool:
    """Whether a loop of Keras on JAX is among the callers."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "keras.src.backend.jax.trainer":
            return True
        frame = frame.f_back
    return False


RUN_THROUGH_GRAPH = "_run_through_graph"
# Whether a recurrent layer may call a kernel of the backend; the newest Keras alone has them.
FUSED_RECURRENT = ("_can_attempt_fused_lstm", "_can_attempt_fused_gru")
_MASK, _HISTORY = "_keras_mask", "_keras_history"
_NODES = ("_inbound_nodes", "_outbound_nodes")


def mask_of(tensor: Any) -> Any:
    """The mask that came with a symbolic tensor; `None` if none did."""
    return getattr(tensor, _MASK, None)


def set_mask(tensor: Any, mask: Any) -> None:
    """Gives a symbolic tensor a mask."""
    setattr(tensor, _MASK, mask)


def node_of(tensor: keras.KerasTensor) -> Any:
    """Keras' node that made a symbolic tensor; `None` if it is where a trace starts."""
    history = getattr(tensor, _HISTORY, None)
    if history is None or history.operation is None:
        return None
    return getattr(history.operation, _NODES[0])[history.node_index]


def without_nodes(operation: Any) -> Any:
    """A fresh copy of an operation, after it was made, which was never called."""
    for name in _NODES:
        setattr(operation, name, [])
    return operation


def forget_nodes(operation: Any, nodes: set[int]) -> None:
    """A layer of the user's forgets the nodes of these ids."""
    for name in _NODES:
        kept = [node for node in getattr(operation, name) if id(node) not in nodes]
        getattr(operation, name)[:] = kept


def run_through_graph(kind: type, model: Any, inputs: Any, operation_fn: Callable) -> Any:
    """What a functional model computes, each operation replaced."""
    return getattr(kind, RUN_THROUGH_GRAPH)(model, inputs, operation_fn)


def compile_metrics(metrics: Any, weighted_metrics: Any) -> Any:
    """The metrics of `compile` as one."""
    module = IMPORTS["CompileMetrics"]
    try:
        kind = importlib.import_module(module).CompileMetrics
    except (ImportError, AttributeError) as error:
        raise _changed(f"there is no 'CompileMetrics' in {module}") from error
    return kind(metrics, weighted_metrics)


def _probing(check: Callable[[], None]) -> Callable[[], None]:
    """Runs a check once, in a thread: names that Keras counts up are each thread's own."""

    @functools.cache
    def once() -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(check).result()

    return once


@_probing
def check_tracing() -> None:
    """Raises if Keras keeps other than it did how a symbolic tensor came about, and its mask."""
    x = keras.KerasTensor((2, 3))
    try:
        node = node_of(ops.add(x, 1.0))
        known = type(node.operation).__name__ == "Add" and node.arguments.args == (x, 1.0)
        known = known and node.arguments.kwargs == {} and node.input_tensors == [x]
    except (AttributeError, TypeError):
        known = False
    if not known or any(not hasattr(node.operation, name) for name in _NODES):
        raise _changed("a symbolic tensor does not say how it was made")
    if mask_of(layers.Masking()(keras.Input((2, 3)))) is None:
        raise _changed(f"masks are not kept in {_MASK!r}")
    if not hasattr(keras.Function, RUN_THROUGH_GRAPH):
        raise _changed(f"Function has no attribute {RUN_THROUGH_GRAPH!r}")


_ABOUT_OBJECTS = "keras.src.ops.", "keras.src.models."


def looks_for_objects() -> bool:
    """Whether Keras compares tensors, which asks `tensor in tensors` of those of a function."""
    return sys._getframe(2).f_globals.get("__name__", "").startswith(_ABOUT_OBJECTS)


def of_functions(name: str) -> tuple[type, Any]:
    """The class of an operation that holds a Python function, and the module that runs it."""
    module = importlib.import_module(ops.scan.__module__)
    if not hasattr(module, name):
        raise _changed(f"there is no {name!r} in {module.__name__}")
    return getattr(module, name), module.backend.core


def layers_named(words: str) -> list[type]:
    """The classes of layers of these names, but for those the installed Keras has not.

    No model holds a layer of a class that is not there, and one that was renamed is refused.
    """
    return [getattr(layers, word) for word in words.split() if hasattr(layers, word)]


def _changed(what: str) -> KerasChangedError:
    return KerasChangedError(
        f"isi_keras does not know Keras {keras.__version__}: {what}. It knows Keras {VERSIONS}. "
        "Install one of these, or a newer isi_keras."
    )


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Meanwhile Keras, asked for a configuration, imports no TensorFlow to look for its objects.

    That takes seconds and 400 MB on other backends; where nobody has imported it there are none.
    """
    asked = vars(importlib.import_module("keras.src.utils.module_utils").tensorflow)
    unknown = "tensorflow" not in sys.modules and asked.get("_available", True) is None
    asked |= {"_available": False} if unknown else {}
    try:
        yield
    finally:
        asked |= {"_available": None} if unknown else {}


def shows_layers(model: keras.Model) -> bool:
    """Whether the configuration of a model says how its layers are wired, as `call` does not."""
    return isinstance(model, keras.Sequential | keras.Function) or (
        type(model).get_config is not keras.Model.get_config
    )
