"""Many samples, a batch at a time."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import backend
from isi_keras.models.inputs import as_batch_size


def in_batches(
    run: Callable[[np.ndarray], Any],
    rows: int,
    batch_size: int,
    *,
    verbose: int = 0,
    unit_name: str = "sample",
) -> Any:
    """What a function returns for all rows, computed in batches of one size.

    Args:
        run: a function of the numbers of some rows, `(B,)`, that returns a structure of tensors or
            arrays `(B, ...)`. The last batch is filled up by repeating its rows, so that it need
            not be compiled anew; what comes back for these is dropped.
        rows: how many there are, at least 1.
        batch_size: how many are computed at once, if there are as many.
        verbose: 1 shows a progress bar.
        unit_name: what the bar calls a row.

    Returns:
        The same structure of arrays `(rows, ...)`.
    """
    size = min(as_batch_size(batch_size), rows)
    bar = keras.utils.Progbar(rows, verbose=verbose, unit_name=unit_name)
    found = []
    for begin in range(0, rows, size):
        chosen = np.arange(begin, min(begin + size, rows))
        found.append(keras.tree.map_structure(ops.convert_to_numpy, run(np.resize(chosen, size))))
        if verbose:
            bar.update(chosen[-1] + 1)
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:rows], *found)


def taken(chosen: np.ndarray, *structures) -> list[Any]:
    """Some rows of the arrays in each structure, as tensors of the same types."""
    return [
        keras.tree.map_structure(lambda array: backend.tensor(array[chosen]), structure)
        for structure in structures
    ]
