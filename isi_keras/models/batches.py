"""Many samples, a batch at a time."""

import contextlib
from collections.abc import Callable, Iterator
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
        batch_size: how many are computed at once.
        verbose: 1 shows a progress bar.
        unit_name: what the bar calls a row.

    Returns:
        The same structure of arrays `(rows, ...)`.
    """
    size = as_batch_size(batch_size)
    bar = keras.utils.Progbar(rows, verbose=verbose, unit_name=unit_name)
    found = []
    for begin in range(0, rows, size):
        chosen = np.arange(begin, min(begin + size, rows))
        with within_memory(size):
            batch = run(np.resize(chosen, size))
            found.append(keras.tree.map_structure(ops.convert_to_numpy, batch))
        if verbose:
            bar.update(chosen[-1] + 1)
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:rows], *found)


@contextlib.contextmanager
def within_memory(size: int) -> Iterator[None]:
    """Says how to go on where memory for `size` samples at once is refused.

    Raises:
        MemoryError: in place of what the backend raises then, which differs from one to another.
    """
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if not any(words in said.lower() for words in _REFUSED):
            raise
        advice = f"Pass batch_size={size // 4 or 1}" if size > 1 else "Take a machine with more"
        raise MemoryError(
            f"There is no memory for {size} sample{'s' * (size > 1)} at once. {advice}. "
            f"The backend said {said.splitlines()[0][:200]}"
        ) from error


# What TensorFlow, JAX, Torch and NumPy say where memory is refused, on CPUs and GPUs.
_REFUSED = (
    "memoryerror",
    "out of memory",
    "outofmemory",
    "resource_exhausted",
    "resourceexhausted",
    "allocate memory",
    "unable to allocate",
)


def taken(chosen: np.ndarray, *structures) -> list[Any]:
    """Some rows of the arrays in each structure, as tensors of the same types."""
    return [
        keras.tree.map_structure(lambda array: backend.tensor(array[chosen]), structure)
        for structure in structures
    ]
