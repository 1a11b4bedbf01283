"""`vjp` and `jit` for JAX."""

import jax

SHRINK = 8


def vjp(fn, x):
    """Returns `fn(x)` and the pullback of `fn` at `x`, a structure, for any number of calls."""
    y, pullback = jax.vjp(fn, x)
    return y, lambda cotangent: pullback(cotangent)[0]


def uncompiled(fn):
    """The function itself: what is compiled around it is of one piece."""
    return fn


def jit(fn):
    """Compiles a pure function of tensors."""
    return jax.jit(fn)
