"""`vjp` and `jit` for JAX."""

import jax
import numpy as np

COMPILES = True
_FEWEST = 16


def largest(convolves: bool) -> int:
    """How many samples are computed at once, at most.

    On CPUs larger batches, which shrink but once, stand half empty in the end, and convolutions of
    many samples take longer for each; a GPU takes as long for fewer.
    """
    if jax.default_backend() == "gpu":
        return 2048
    return 64 if convolves else 128


def smaller(size: int, needed: int) -> int:
    """The next size of a batch of which so many rows are needed: each is compiled for seconds."""
    less = size // 8
    return less if needed <= less and less >= _FEWEST else size


def rows_of(tensor, index):
    """Some rows as an array."""
    return np.asarray(tensor)[index]


def readable(value):
    """The value itself: NumPy reads arrays wherever they are."""
    return value


def coarse() -> tuple[str, str] | None:
    """The operations that a GPU takes TF32 for, by a part of the name, and how to change that."""
    asked = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    can = float(getattr(jax.devices()[0], "compute_capability", None) or 0) >= 8
    if jax.default_backend() != "gpu" or asked is not None or not can:
        return None
    return "", 'jax.config.update("jax_default_matmul_precision", "highest")'


def vjp(fn, x):
    """Returns `fn(x)` and the pullback of `fn` at `x`, a structure, for any number of calls."""
    y, pullback = jax.vjp(fn, x)
    return y, lambda cotangent: pullback(cotangent)[0]


def uncompiled(fn):
    """The function itself: what is compiled around it is of one piece."""
    return fn


def jit(fn, any_rows=False):
    """Compiles a pure function of tensors, for each number of rows anew."""
    return jax.jit(fn)
