"""How columns are called, and what is given of each of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras import _checks


def column(index: int, names: Sequence[str], shape: tuple) -> str:
    """What a message calls a feature: by its name, or its index in a sample."""
    if names:
        return f"the column {names[index]!r} ({index})"
    if len(shape) < 2:
        return f"column {index}"
    return f"the input at {tuple(map(int, np.unravel_index(index, shape)))}"


def array(word: str, value: Any, names: Sequence[str], dtype: str, default: Any) -> np.ndarray:
    """What is given of features, as a read-only array.

    Args:
        word: the name of the argument.
        value: a number, an array, a dictionary by names (the rest is `default`), or for bools a
            list of names (of those that are `True`).
        names: of the columns.
        dtype: of the array.
        default: for what a dictionary or list of names leaves out.

    Raises:
        ValueError: if it is none of these, or a name is unknown.
    """
    of_names = isinstance(value, list | tuple) and value and all(type(v) is str for v in value)
    if isinstance(value, Mapping) or (of_names and dtype == "bool"):
        given = value if isinstance(value, Mapping) else dict.fromkeys(value, True)
        if not names:
            raise ValueError(
                f"Expected names of the columns where {word} goes by them. Received: "
                f"{word}={_checks.shown(value)} and no names. Pass names=[...], one for each "
                "column."
            )
        value = [default] * len(names)
        for name, entry in given.items():
            value[index_of(word, name, names)] = entry
    try:
        found = np.array(value, "float32")
        exact = found if dtype == "float32" else found.astype(dtype)
        if (exact != found).any() and not np.isnan(found).any():
            raise ValueError(f"values other than those of {dtype}")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected {word} to be {_EXPECTED[dtype]}, one for all features or one for each. "
            f"Received: {word}={_checks.shown(value)}."
        ) from error
    exact.flags.writeable = False
    return exact


_EXPECTED = {"float32": "a number", "bool": "True or False", "int32": "a whole number"}


def index_of(word: str, name: Any, names: Sequence[str]) -> int:
    """The index of a column by its name, or the index that is given."""
    if not isinstance(name, str):
        return _checks.integer(word, name, 0)
    if name not in names:
        raise ValueError(_checks.unknown(f"column in {word}", name, names))
    return list(names).index(name)


def fitted(word: str, value: np.ndarray, shape: tuple) -> np.ndarray:
    """An array as one that broadcasts to `x`, with an axis for the samples of 1 or `N`.

    Args:
        word: the name of the argument.
        value: of as many axes as a sample or fewer, for all samples; or of one more.
        shape: that of `x`, `(N, ...)`.

    Raises:
        ValueError: if it does not broadcast.
    """
    sample = shape[1:]
    if value.ndim < len(shape):
        try:
            fits = np.broadcast_shapes(value.shape, sample) == sample
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"The {word} has shape {value.shape}, which does not broadcast to the shape "
                f"{sample} of one sample."
            )
        return value.reshape(1, *[1] * (len(sample) - value.ndim), *value.shape)
    try:
        fits = np.broadcast_shapes(value.shape, shape) == shape and value.shape[0] in (1, shape[0])
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"The {word} has shape {value.shape}: it is given for each sample, and does not "
            f"broadcast to the shape {shape} of x. Pass one row for each of {shape[0]} samples."
        )
    return value
