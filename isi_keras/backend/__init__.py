"""What Keras does not offer on every backend: a pullback and compilation.

`vjp(fn, x)` returns `fn(x)` and a function that pulls a cotangent back to `x`; `jit(fn, any_rows)`
compiles a pure function of weights and tensors, whose first axes count rows; `uncompiled(fn)` stays
out of what others compile, where that is of pieces (Torch). `smaller(size, needed)` says to which
size a batch is to shrink, as compiling for another costs less here than there, and
`largest(convolves)` how large it is at first, at most. `rows_of(tensor, index)` fetches some rows
as an array, `readable(value)` puts a tensor where NumPy can read it, and `coarse()` says what a GPU
computes with fewer bits than float32 has. `outside(fn)` calls a function outside of any trace.
`COMPILES` says whether `jit` compiles. The files of this folder are the only ones that import a
framework.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

_BACKENDS = ("tensorflow", "jax", "torch")

if keras.config.backend() == "tensorflow":
    from isi_keras.backend import _tensorflow as _own
elif keras.config.backend() == "jax":
    from isi_keras.backend import _jax as _own
elif keras.config.backend() == "torch":
    from isi_keras.backend import _torch as _own
else:
    raise ImportError(
        f"isi_keras runs on the Keras backends {', '.join(_BACKENDS)}. "
        f"Received: {keras.config.backend()!r}. Set the environment variable KERAS_BACKEND to one "
        "of them before Python imports keras."
    )


COMPILES, coarse, largest = _own.COMPILES, _own.coarse, _own.largest
jit: Any = _own.jit
readable, rows_of, smaller = _own.readable, _own.rows_of, _own.smaller
uncompiled, vjp = _own.uncompiled, _own.vjp


def tensor(array: np.ndarray):
    """An array as a tensor of the same dtype."""
    return keras.ops.convert_to_tensor(array, dtype=str(array.dtype))


def outside(function: Callable, *args: Any) -> Any:
    """What a function returns in a thread of its own, which is outside of any trace."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


__all__ = [
    "COMPILES",
    "coarse",
    "jit",
    "largest",
    "outside",
    "readable",
    "rows_of",
    "smaller",
    "tensor",
    "uncompiled",
    "vjp",
]
