"""For which samples a graph is compared with its model."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.models.compiling import UNREADABLE


def pair(x: Any) -> Any:
    """Two samples that differ, as one alone does not show what a layer does across samples."""

    def two(rows):
        rows = ops.convert_to_tensor(rows[:2])
        if rows.shape[0] == 2:
            return rows
        return ops.concatenate([rows, ops.cast(rows / 2, rows.dtype)], axis=0)

    return keras.tree.map_structure(two, x)


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
