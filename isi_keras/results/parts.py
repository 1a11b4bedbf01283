"""Cutting and joining the values of a record's fields."""

import operator
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras import _checks
from isi_keras.results.fields import Field

_ACCEPTED = "an integer, a slice, a list or array of integers, or a mask"


def as_rows(indices: Any, count: int) -> np.ndarray:
    """The numbers of the rows that an index picks, `(M,)`.

    Raises:
        TypeError: if it is no index.
        IndexError: if it picks a row that is not there, or is a mask of another length.
    """
    if isinstance(indices, slice):
        return np.arange(count)[indices]
    if isinstance(indices, tuple | str | bool | np.bool_) or indices is None:
        raise TypeError(f"Expected {_ACCEPTED}. Received: {_checks.shown(indices)}.")
    rows = np.asarray(indices)
    if rows.ndim == 1 and rows.dtype == bool:
        if len(rows) != count:
            raise IndexError(f"Expected a mask of {count} rows. Received: one of {len(rows)}.")
        return np.flatnonzero(rows)
    if rows.size == 0 and rows.ndim == 1:
        return np.zeros(0, "int64")
    if rows.ndim > 1 or rows.dtype.kind not in "iu":
        raise TypeError(
            f"Expected {_ACCEPTED}. Received: {reprlib.repr(indices)} of shape {rows.shape} and "
            f"type {rows.dtype}."
        )
    rows = rows.reshape(-1).astype("int64")
    outside = rows[(rows < -count) | (rows >= count)]
    if len(outside):
        raise IndexError(
            f"Expected indices from {-count} to {count - 1}. Received: {outside[0]}."
            if count
            else f"The record has no rows. Received: index {outside[0]}."
        )
    return rows % count


def cut(value: Any, rows: np.ndarray) -> Any:
    """The rows of an array, or of each array of a dictionary; `None` of `None`."""
    if isinstance(value, Mapping):
        return {name: cut(entry, rows) for name, entry in value.items()}
    return None if value is None else value[rows]


def joined(field: Field, values: Sequence[Any]) -> Any:
    """Arrays one after another, or the arrays of dictionaries by their names.

    Raises:
        ValueError: if they do not fit; the text names the field.
    """
    return _joined(field.name, values, field.axis.until is not None)


def _joined(name: str, values: Sequence[Any], padded: bool) -> Any:
    nothing = [number for number, value in enumerate(values) if value is None]
    if nothing:
        if len(nothing) == len(values):
            return None
        raise ValueError(
            f"Expected {name} in all parts or in none. Received: None in part {nothing[0]} of "
            f"{len(values)}."
        )
    first = values[0]
    for number, value in enumerate(values):
        if isinstance(value, Mapping) != isinstance(first, Mapping) or (
            isinstance(value, Mapping) and set(value) != set(first)
        ):
            raise ValueError(
                f"Expected {name} to have the same entries in all parts. Received: "
                f"{_entries(first)} in part 0, {_entries(value)} in part {number}."
            )
    if isinstance(first, Mapping):
        return {
            key: _joined(f"{name}[{key!r}]", [value[key] for value in values], padded)
            for key in first
        }
    length = max(array.shape[1] for array in values) if padded else None
    arrays = values if length is None else [_filled_up(array, length) for array in values]
    for number, array in enumerate(arrays):
        strings = array.dtype.kind == first.dtype.kind == "U"  # of any length
        if array.shape[1:] != arrays[0].shape[1:] or not (strings or array.dtype == first.dtype):
            raise ValueError(
                f"Expected {name} to have the same shape and type in all parts. Received: "
                f"{_described(first)} in part 0, {_described(values[number])} in part {number}."
            )
    return np.concatenate(arrays)


def same(name: str, values: Sequence[Any]) -> Any:
    """The value that all parts have.

    Raises:
        ValueError: if one differs; the text names the entry.
    """
    for number, value in enumerate(values):
        difference = _difference(name, values[0], value)
        if difference is not None:
            entry, one, other = difference
            raise ValueError(
                f"Expected {entry} to be the same in all parts. Received: {one} in part 0, "
                f"{other} in part {number}."
            )
    return values[0]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values, arrays and what is inside lists and dictionaries, are equal."""
    return _difference("", one, other) is None


def _difference(name: str, one: Any, other: Any) -> tuple[str, str, str] | None:
    """The first entry in which two values differ, and what it is in each."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            entry = f"{name}[{key!r}]"
            if key not in one or key not in other:
                found = [reprlib.repr(v[key]) if key in v else "nothing" for v in (one, other)]
                return entry, found[0], found[1]
            difference = _difference(entry, one[key], other[key])
            if difference is not None:
                return difference
        return None
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        nan = one.dtype.kind == other.dtype.kind == "f"
        equal = np.array_equal(one, other, equal_nan=nan)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        equal = len(one) == len(other) and all(
            _difference(name, *pair) is None for pair in zip(one, other, strict=True)
        )
    else:
        equal = bool(operator.eq(one, other))
    return None if equal else (name, reprlib.repr(one), reprlib.repr(other))


def _filled_up(array: np.ndarray, length: int) -> np.ndarray:
    missing = [(0, 0)] * array.ndim
    missing[1] = (0, length - array.shape[1])
    return np.pad(array, missing, constant_values=np.nan)


def _entries(value: Any) -> str:
    return ", ".join(map(repr, value)) if isinstance(value, Mapping) else "an array"


def _described(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"
