"""`vjp` and `jit` for JAX."""

import jax

LARGEST, _FEWEST = 128, 16  # larger ones, which shrink but once, stand half empty in the end


def smaller(size: int, needed: int) -> int:
    """The next size of a batch of which so many rows are needed: each is compiled for seconds."""
    less = size // 8
    return less if needed <= less and less >= _FEWEST else size


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
