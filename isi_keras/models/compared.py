"""For which samples a graph is compared with its model."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.graph.run import is_float
from isi_keras.models.compiling import UNREADABLE


def pair(x: Any) -> Any:
    """Two samples that differ, as one alone does not show what a layer does across samples."""

    def two(rows):
        rows = ops.convert_to_tensor(rows[:2])
        if rows.shape[0] == 2:
            return rows
        return ops.concatenate([rows, _half(rows)], axis=0)

    return keras.tree.map_structure(two, x)


def exchanged(x: Any, invented: bool = True) -> Iterator[tuple[Any, slice]]:
    """Samples with another one in place of the first, and of the last; and where they are kept.

    Each real number becomes one beyond all others, on the other side of the one beside it than it
    was: neither the greatest nor the least of a batch stays, nor an order. Of integers, which may
    be indices, those of the sample beside it are taken.

    Args:
        x: samples, at least two.
        invented: whether real numbers may be others than those that are there.
    """
    for first, kept in ((True, slice(1, None)), (False, slice(None, -1))):

        def exchange(rows, first=first, kept=kept):
            left, other = (rows[:1], rows[1:2]) if first else (rows[-1:], rows[-2:-1])
            if invented and is_float(rows):
                far = 2 * ops.sum(ops.abs(rows[:2]), axis=0, keepdims=True)
                far = ops.where(far == 0, ops.ones_like(far), far)
                other = ops.where(left > other, -far, far)
            return ops.concatenate([other, rows[kept]] if first else [rows[kept], other], axis=0)

        yield keras.tree.map_structure(exchange, x), kept


def _half(rows: Any) -> Any:
    """Half of each number, without what is after the point of those that have none."""
    half = ops.cast(rows, "float32") / 2
    return ops.cast(half if is_float(rows) else ops.floor(half), rows.dtype)


def count_of(x: Any) -> int:
    """How many samples there are, 0 if they are traced and have no values."""
    first = keras.tree.flatten(x)[0]
    if not isinstance(first, np.ndarray):
        try:
            ops.convert_to_numpy(first[:1])
        except UNREADABLE:
            return 0
    return first.shape[0]


def some(x: Any, count: int, size: int) -> Iterator[tuple[np.ndarray, Any]]:
    """The numbers of some samples from all over an array, and these, as tensors of `size` rows.

    A layer may do with few samples what it does not do with most, such as with missing values.
    """
    last = keras.tree.flatten(x)[0].shape[0] - 1
    chosen = np.unique(np.linspace(0, last, count).round().astype(int))
    for begin in range(0, len(chosen), size):
        rows = chosen[np.minimum(np.arange(begin, begin + size), len(chosen) - 1)]
        yield rows, keras.tree.map_structure(lambda part, r=rows: _taken(part, r), x)


def _taken(part: Any, rows: np.ndarray) -> Any:
    if isinstance(part, np.ndarray):
        return ops.convert_to_tensor(part[rows])
    return ops.take(part, rows, axis=0)
