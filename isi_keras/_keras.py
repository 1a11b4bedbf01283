"""The names of Keras that it may change without notice: they are read here, or not at all.

Keras promises its public functions and the arguments of its layers. What carries relevance through
a model needs more: where a container holds its layers, what attention calls its parts, how an
operation is called. `NAMES` lists each such attribute and the classes of Keras that have it. If one
of these lacks it, `read` raises: a default there would give another map and say nothing.
"""

import concurrent.futures
import functools
import importlib
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


_ATTENTION = (layers.MultiHeadAttention, layers.GroupQueryAttention)
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
    "trainable": Name("_trainable_variables", (layers.Layer,)),
    "non_trainable": Name("_non_trainable_variables", (layers.Layer,)),
    # What decides how it computes.
    "dtype_policy": Name("_dtype_policy", (layers.Layer,)),
    "quantization_mode": Name("quantization_mode", (layers.Layer,)),
    "activation": Name("activation", (*_LINEAR, layers.Activation), others=True),
    "bias": Name("bias", _LINEAR, others=True),
    "use_bias": Name("use_bias", (layers.Dense, *_CONVOLUTIONS), others=True),
    "kernel": Name("_kernel", (layers.Dense, layers.EinsumDense, *_CONVOLUTIONS[:3])),
    "lora": Name("lora_enabled", (layers.Dense, layers.EinsumDense, *_CONVOLUTIONS[:3]), True),
    "groups": Name("groups", (*_CONVOLUTIONS[:3], layers.GroupNormalization), others=True),
    "data_format": Name("data_format", _CONVOLUTIONS, others=True),
    "beta": Name("beta", (layers.LayerNormalization, layers.GroupNormalization)),
    "rms_scaling": Name("rms_scaling", (layers.LayerNormalization,)),
    # The parts of attention.
    "query_dense": Name("_query_dense", _ATTENTION),
    "key_dense": Name("_key_dense", _ATTENTION),
    "gate_dense": Name("_gate_dense", _ATTENTION),
    # What tracing asks for.
    "convert_inputs": Name("_convert_input_args", (layers.Layer,)),
    "autocast": Name("_autocast", (keras.Variable,)),
    # Training.
    "compile_loss": Name("_compile_loss", (keras.Model,)),
}
# Names inside modules that Keras does not export.
IMPORTS = {"CompileMetrics": "keras.src.trainers.compile_utils"}
# Layers of keras.applications that it does not export.
APPLICATION_LAYERS = ("CustomScaleLayer", "LayerScale", "StochasticDepth")
# The oldest Keras that has it, where that is not the oldest known.
SINCE = {"use_gate": (3, 14)}


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


def children(node: Any) -> list[Any]:
    """The layers and operations that a layer or model holds directly."""
    found = [*(read(node, "operations") or ()), *(read(node, "layers") or ())]
    functional = read(node, "functional")
    return found if functional is None else [*found, functional]


def own_weights(layer: layers.Layer) -> Iterator[keras.Variable]:
    """The weights of a layer that no layer inside it has."""
    yield from read(layer, "trainable")
    yield from read(layer, "non_trainable")


def kernel(layer: layers.Layer, attribute: str) -> keras.Variable:
    """The variable behind the kernel of a layer, which low-rank adaptation adds something to."""
    value = getattr(layer, attribute)
    return value if isinstance(value, keras.Variable) else read(layer, "kernel")


def detached(node: Any) -> list[layers.Layer]:
    """The layers inside attention for queries, keys and gates, which weigh what is relevant."""
    kind = next((kind for kind in _ATTENTION if isinstance(node, kind)), None)
    if kind is None or not node.built:
        return []
    config = kind.get_config(node)
    if "use_gate" not in config and _version() >= SINCE["use_gate"]:
        raise _changed(f"the configuration of {kind.__name__} has no 'use_gate'")
    gates = ["gate_dense"] if config.get("use_gate", False) else []
    return [read(node, key) for key in ("query_dense", "key_dense", *gates)]


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


def forget_node(node: Any) -> None:
    """A layer of the user's that was called forgets it."""
    for name in _NODES:
        kept = [other for other in getattr(node.operation, name) if other is not node]
        getattr(node.operation, name)[:] = kept


def run_through_graph(kind: type, model: Any, inputs: Any, operation_fn: Callable) -> Any:
    """What a functional model computes, each operation replaced."""
    return getattr(kind, RUN_THROUGH_GRAPH)(model, inputs, operation_fn)


def symbolic_call_overridden(kind: type) -> bool:
    """Whether a class of layers has a `__call__` that is not Keras' own."""
    return not kind.__call__.__module__.startswith("keras.src.")


def is_data_layer(kind: type) -> bool:
    """Whether a class of layers computes with a backend that it holds, for use in `tf.data`."""
    return issubclass(kind, layers.Rescaling.__mro__[1])


def compile_metrics(metrics: Any, weighted_metrics: Any) -> Any:
    """The metrics of `compile` as one."""
    module = IMPORTS["CompileMetrics"]
    try:
        kind = importlib.import_module(module).CompileMetrics
    except (ImportError, AttributeError) as error:
        raise _changed(f"there is no 'CompileMetrics' in {module}") from error
    return kind(metrics, weighted_metrics)


def application_layer(kind: type) -> str | None:
    """The name of a class of layers that only `keras.applications` has; `None` for another."""
    if not kind.__module__.startswith("keras.src.applications."):
        return None
    if kind.__name__ not in APPLICATION_LAYERS:
        raise _changed(f"keras.applications has a layer {kind.__name__!r}, which is not known here")
    return kind.__name__


def operation(node: Any) -> str:
    """The name of the class of an operation, once all names have been checked."""
    check_operations()
    return type(node).__name__


def check_exchange(layer: Any, attribute: str) -> None:
    """Raises if a value in the dictionary of an instance would not be the one in force.

    Raises:
        KerasChangedError: if it is a layer of Keras.
        TypeError: if it is one of the user.
    """
    of_class = getattr(type(layer), attribute, _MISSING)
    if of_class is _MISSING and not hasattr(layer, attribute):
        what = f"{type(layer).__name__} has no attribute {attribute!r}"
    elif hasattr(type(of_class), "__set__"):
        what = f"the attribute {attribute!r} of {type(layer).__name__} is a property"
    else:
        return
    if type(layer).__module__.partition(".")[0] == "keras":
        raise _changed(what)
    raise TypeError(
        f"Expected {attribute!r} of the layer {layer.name!r} to be a plain attribute, as it is "
        f"exchanged for the time of a pass, but {what}. Set it in __init__."
    )


def _probing(check: Callable[[], None]) -> Callable[[], None]:
    """Runs a check once, in a thread: names that Keras counts up are each thread's own."""

    @functools.cache
    def once() -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(check).result()

    return once


@_probing
def check_calls() -> None:
    """Raises if Keras does not run the `call` that an instance is given."""
    x = keras.Input((1,))
    doubled, y = layers.Identity(), ops.exp(x)
    function = keras.Function(x, doubled(y))
    for node in function.operations[1:]:
        vars(node)["call"] = lambda x, **options: 2 * x
    given = ops.ones((1, 1))
    for made, wanted in ((doubled(given), 2), (function(given), 4)):
        if ops.convert_to_numpy(made).item() != wanted:
            raise _changed("layers do not run what was put in the place of their 'call'")


def _snake(word: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)[1:]


def _of_one(name: str) -> Callable[[Any], Any]:
    return lambda x: getattr(ops, _snake(name))(x)


def _of_two(name: str) -> Callable[[Any], Any]:
    return lambda x: getattr(ops, _snake(name))(x, x)


# How each operation that has a treatment comes into a model, by the name of its class.
OPERATIONS: dict[str, Callable[[Any], Any]] = {
    **{
        name: _of_one(name)
        for name in (  # noqa: SIM905
            "Transpose Squeeze Flip Ravel StopGradient Relu Relu6 LeakyRelu Elu Selu Celu Gelu "
            "Silu Sigmoid HardSigmoid HardSilu LogSigmoid Softplus Softsign Softmax LogSoftmax "
            "Tanh HardTanh TanhShrink SoftShrink HardShrink SparsePlus SparseSigmoid Squareplus "
            "Exp Expm1 Log Log1p Sqrt Square Absolute Sin Cos Erf Mean Sum Max"
        ).split()
    },
    **{
        name: _of_two(name)
        for name in ("Multiply", "Matmul", "Dot", "Divide", "TrueDivide", "Add", "Subtract")
    },
    "Maximum": _of_two("Maximum"),
    "Tensordot": lambda x: ops.tensordot(x, x, 1),
    "Einsum": lambda x: ops.einsum("ij,jk->ik", x, x),
    "Reshape": lambda x: ops.reshape(x, (-1,)),
    "ExpandDims": lambda x: ops.expand_dims(x, 0),
    "Pad": lambda x: ops.pad(x, 1),
    "Concatenate": lambda x: ops.concatenate([x, x]),
    "Stack": lambda x: ops.stack([x, x]),
    "GetItem": lambda x: x[0],
    "Cast": lambda x: ops.cast(x, "int32"),
    "Moveaxis": lambda x: ops.moveaxis(x, 0, 1),
    "Swapaxes": lambda x: ops.swapaxes(x, 0, 1),
    "Threshold": lambda x: ops.threshold(x, 0.0, 0.0),
    "Power": lambda x: ops.power(x, 2),
}


@_probing
def check_operations() -> None:
    """Raises if an operation of `keras.ops` is of a class of another name than it used to be."""
    for name, make in OPERATIONS.items():
        x = keras.KerasTensor((1, 1) if name == "Squeeze" else (2, 2))
        try:
            made = type(keras.Function(x, make(x)).operations[-1]).__name__
        except AttributeError as error:
            raise _changed(f"keras.ops lacks what makes the operation {name!r}") from error
        if made != name:
            raise _changed(f"the operation {name!r} is of the class {made!r}")


def layers_named(words: str) -> list[type]:
    """The classes of layers of these names, but for those the installed Keras has not.

    No model holds a layer of a class that is not there, and one that was renamed is refused.
    """
    return [getattr(layers, word) for word in words.split() if hasattr(layers, word)]


def _version() -> tuple[int, ...]:
    return tuple(int(part) for part in keras.__version__.split(".")[:2])


def _changed(what: str) -> KerasChangedError:
    return KerasChangedError(
        f"isi_keras does not know Keras {keras.__version__}: {what}. It knows Keras {VERSIONS}. "
        "Install one of these, or a newer isi_keras."
    )
