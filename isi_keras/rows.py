"""Tensors of a batch, row by row: `(N, D)`, and numbers of rows beside what they count for."""

import math

from keras import ops


def flat(tensor):
    """`(N, ...)` as `(N, D)`."""
    return ops.reshape(tensor, (-1, math.prod(tensor.shape[1:])))


def rows_like(values, x):
    """`(N,)` with as many axes as `x`, to broadcast over it."""
    return values[(slice(None), *[None] * (len(x.shape) - 1))]
