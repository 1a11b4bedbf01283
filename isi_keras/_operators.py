"""The operators of symbolic tensors while a model is traced: those of the backend's own tensors."""

import contextlib
import operator
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _keras, _keys

_now = threading.local()


class WhileTracing:
    """A method that is another one, or `None` for none, in a thread that traces."""

    def __init__(self, plain: Any, traced: Any):
        self._plain, self._traced = plain, traced

    def __get__(self, owner: Any, kind: type | None = None):
        method = self._traced if tracing() else self._plain
        if method is None:
            raise AttributeError
        return method.__get__(owner, kind)


def _equal(tensor: Any, other: Any):
    """Whether entries are equal, or what the backend answers at once, as of a tensor and `None`.

    Keras' own files, which look for a tensor in a list, ask whether it is the same object.
    """
    if _keras.looks_for_objects():
        return NotImplemented
    return _compared(tensor, other, operator.eq, ops.equal)


def _unequal(tensor: Any, other: Any):
    """The opposite."""
    return _compared(tensor, other, operator.ne, ops.not_equal)


def _compared(tensor: Any, other: Any, compare: Callable, operation: Callable):
    if isinstance(other, keras.Variable | keras.KerasTensor) or ops.is_tensor(other):
        return operation(tensor, other)
    answer = compare(ops.zeros((1,) * len(tensor.shape), tensor.dtype), other)
    if not ops.is_tensor(answer):
        return answer
    backend, dtype = keras.config.backend(), tensor.dtype
    if isinstance(other, np.ndarray):  # which Keras would take as float32
        other = ops.convert_to_tensor(other, dtype if backend == "tensorflow" else str(other.dtype))
    elif isinstance(other, float) and keras.backend.is_float_dtype(dtype):
        known = isinstance(other, np.floating) and backend == "jax"
        other = ops.convert_to_tensor(other, str(np.result_type(other)) if known else dtype)
    return operation(tensor, other)


def _priority(tensor: Any) -> float:
    if not tracing():
        raise AttributeError
    return 100.0


@contextlib.contextmanager
def comparing_values() -> Iterator[None]:
    """Meanwhile, in this thread, symbolic tensors are in operators and keys what tensors are.

    `x == 0` asks for each entry: Keras defines all other comparisons, but leaves this one to
    Python, which says whether they are the same object. And `array * x` is `x * array` on JAX,
    too, whose arrays ask what stands on their right for `__jax_array__` before they leave an
    operation to it.
    """
    kind: Any = keras.KerasTensor
    if not isinstance(vars(kind).get("__eq__"), WhileTracing):
        kind.__eq__ = WhileTracing(kind.__eq__, _equal)
        kind.__ne__ = WhileTracing(kind.__ne__, _unequal)
        kind.__getitem__ = WhileTracing(kind.__getitem__, _keys.item)
        kind.__array_priority__ = property(_priority)  # so that NumPy on the left leaves it to it
        shown = vars(kind).get("__jax_array__")
        if shown is not None:
            kind.__jax_array__ = WhileTracing(shown, None)
    _now.tracing = True
    try:
        yield
    finally:
        _now.tracing = False


def tracing() -> bool:
    """Whether a model is traced in this thread."""
    return getattr(_now, "tracing", False)
