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


def beside(x: Any, fixed: bool = False) -> Any:
    """Samples and another one after them, in place of the last of a batch of a fixed size.

    Its real numbers are greater, so that another one is the greatest of the batch; integers, which
    may be indices, are lower.
    """

    def more(rows):
        kept = rows[:-1] if fixed else rows
        other = 2 * ops.sum(rows[:2], axis=0, keepdims=True) if is_float(rows) else _half(rows[-1:])
        return ops.concatenate([kept, other], axis=0)

    return keras.tree.map_structure(more, x)


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
        rows = np.resize(chosen[begin : begin + size], size)
        yield rows, keras.tree.map_structure(lambda part, r=rows: _taken(part, r), x)


def _taken(part: Any, rows: np.ndarray) -> Any:
    if isinstance(part, np.ndarray):
        return ops.convert_to_tensor(part[rows])
    return ops.take(part, rows, axis=0)
