"""`vjp` and `jit` for TensorFlow."""

import functools
from typing import Any

import optree
import tensorflow as tf

from isi_keras.backend import _tensorflow_functions

COMPILES = True
_tensorflow_functions.register()


def largest(convolves: bool) -> int:
    """How many samples are computed at once, at most: a GPU takes as long for fewer."""
    return 2048 if tf.config.get_visible_devices("GPU") else 512


def smaller(size: int, needed: int) -> int:
    """The next size of a batch of which so many rows are needed: no size is compiled anew."""
    return needed if needed <= 0.8 * size else size


def rows_of(tensor, index):
    """Some rows as an array."""
    return tensor.numpy()[index]


def readable(value):
    """The value itself: NumPy reads tensors wherever they are."""
    return value


def coarse() -> tuple[str, str] | None:
    """The operations that a GPU takes TF32 for, by a part of the name, and how to change that."""
    details = map(tf.config.experimental.get_device_details, tf.config.get_visible_devices("GPU"))
    can = any(each.get("compute_capability", (0,))[0] >= 8 for each in details)
    if not can or not tf.config.experimental.tensor_float_32_execution_enabled():
        return None
    return "", "tf.config.experimental.enable_tensor_float_32_execution(False)"


def vjp(fn, x):
    """Returns `fn(x)` and the pullback of `fn` at `x`, a structure, for any number of calls."""
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        for tensor in tf.nest.flatten(x):
            tape.watch(tensor)
        y = fn(x)

    def pullback(cotangent):
        return tape.gradient(
            y, x, output_gradients=cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    return y, pullback


def uncompiled(fn):
    """The function itself: what is compiled around it is of one piece."""
    return fn


def jit(fn, any_rows=False):
    """Compiles a pure function of weights and tensors, once for each set of shapes.

    With `any_rows` once for any number of rows, unless that fails as something has to know it.
    """
    functions: dict[Any, Any] = {}

    def run(weights: Any, *tensors: Any):
        leaves, structure = optree.tree_flatten(tensors)  # pyright: ignore[reportArgumentType]
        key = structure, tuple(map(_rowless, leaves))
        if key not in functions:
            functions[key] = _of_any_rows(fn, weights, tensors) if any_rows else None
        if functions[key] is None:
            key = *key, tuple(tensor.shape for tensor in leaves)
            if key not in functions:
                functions[key] = tf.function(functools.partial(fn), autograph=False)
        return functions[key](weights, *tensors)

    return run


def _rowless(tensor):
    """A tensor without its values and the number of its rows, if it has any."""
    shape = [None, *tensor.shape[1:]] if tensor.shape.rank else []
    return tf.TensorSpec(shape, tensor.dtype)


def _of_any_rows(fn, weights, tensors):
    """The function compiled for any number of rows; `None` if that fails."""
    known = [tf.TensorSpec(weight.shape, weight.dtype) for weight in weights]
    given = optree.tree_map(_rowless, tensors)
    function = tf.function(functools.partial(fn), autograph=False)
    try:
        return function.get_concrete_function(known, *given)
    except Exception:  # whatever it is, it comes again where the number of rows is known
        return None
