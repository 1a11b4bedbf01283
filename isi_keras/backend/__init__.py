"""What Keras does not offer on every backend: a pullback and compilation.

`vjp(fn, x)` returns `fn(x)` and a function that pulls a cotangent back to `x`; `jit(fn, any_rows)`
compiles a pure function of weights and tensors, whose first axes count rows; `uncompiled(fn)` stays
out of what others compile, where that is of pieces (Torch). `smaller(size, needed)` says to which
size a batch is to shrink, as compiling for another costs less here than there, and `LARGEST` how
large it is at first, at most. `readable(value)` puts a tensor where NumPy can read it, and
`coarse()` says what a GPU computes with fewer bits than float32 has. The files of this folder are
the only ones that import a framework.
"""

import keras
import numpy as np

_BACKENDS = ("tensorflow", "jax", "torch")

if keras.config.backend() == "tensorflow":
    from isi_keras.backend._tensorflow import (
        LARGEST,
        coarse,
        jit,
        readable,
        smaller,
        uncompiled,
        vjp,
    )
elif keras.config.backend() == "jax":
    from isi_keras.backend._jax import LARGEST, coarse, jit, readable, smaller, uncompiled, vjp
elif keras.config.backend() == "torch":
    from isi_keras.backend._torch import LARGEST, coarse, jit, readable, smaller, uncompiled, vjp
else:
    raise ImportError(
        f"isi_keras runs on the Keras backends {', '.join(_BACKENDS)}. "
        f"Received: {keras.config.backend()!r}. Set the environment variable KERAS_BACKEND to one "
        "of them before Python imports keras."
    )


def tensor(array: np.ndarray):
    """An array as a tensor of the same dtype."""
    return keras.ops.convert_to_tensor(array, dtype=str(array.dtype))


__all__ = ["LARGEST", "coarse", "jit", "readable", "smaller", "tensor", "uncompiled", "vjp"]
