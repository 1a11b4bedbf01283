"""Checking what the user hands over, once, before anything is computed."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from isi_keras import _checks, _nested
from isi_keras.sources import tables

_TYPES = {"bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
_TYPES |= {"float16", "float32", "float64"}
# Floating-point numbers that NumPy does not know as such.
_NARROW = {"bfloat16", "float8_e4m3fn", "float8_e5m2"}

_OF_TEXT = (
    " Look words up outside of the model; of a keras.utils.FeatureSpace explain the model of its "
    "encoded features, get_encoded_features()."
)


def as_inputs(model, x) -> Any:
    """The inputs as arrays `(N, ...)` that the model accepts: one, or a list or dictionary of them.

    They are float32, or of the integer type that the model declares. What lies in dictionaries or
    lists of others is in one, see `_nested`.

    Raises:
        TypeError: if an input is not a numeric array.
        ValueError: if one is empty, not finite, or not of the model's input shape, if there are too
            many or too few, or if their numbers of samples differ.
    """
    x, specs = _nested.numbered(model, _nested.flat(model, x)), _specs(model)
    if specs is None or (len(specs) == 1 and not isinstance(x, Mapping)):
        if not isinstance(x, Mapping) and not _is_list_of_arrays(x):
            return _as_input(model, "x", x, specs[0] if specs else None)
        specs = specs or [Spec(str(name), None, None) for name in _keys(x)]
    if not isinstance(x, Mapping | list | tuple) or len(x) != len(specs):
        names = ", ".join(repr(spec.name) for spec in specs)
        received = (
            f"{type(x).__name__} of {len(x)}"
            if isinstance(x, Mapping | list | tuple)
            else type(x).__name__
        )
        hint = " For a list of samples pass numpy.stack(x)." if len(specs) == 1 else ""
        raise ValueError(
            f"The model {model.name!r} has {len(specs)} input(s): {names}. Expected a list of as "
            f"many arrays, or a dictionary of them by these names. Received: a {received}.{hint}"
        )
    if isinstance(x, Mapping):
        missing = [spec.name for spec in specs if spec.name not in x]
        if missing:
            raise ValueError(
                f"Expected the inputs {', '.join(repr(s.name) for s in specs)} in x. Missing: "
                f"{', '.join(map(repr, missing))}. Received: {', '.join(map(repr, x))}."
            )
        values = [x[spec.name] for spec in specs]
    else:
        values = list(x)
    arrays = [
        _as_input(model, f"x[{key!r}]", value, spec)
        for key, value, spec in zip(
            [spec.name for spec in specs] if isinstance(x, Mapping) else range(len(specs)),
            values,
            specs,
            strict=True,
        )
    ]
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(
            "Expected the same number of samples in each input. Received: "
            f"{', '.join(str(len(array)) for array in arrays)}."
        )
    # In the structure the model was built with: Keras has other names for a list than for a dict.
    structure = _nested.declared(model)
    if isinstance(x if structure is None else structure, Mapping):
        return {spec.name: array for spec, array in zip(specs, arrays, strict=True)}
    return arrays


def names_of(model, x) -> list[str]:
    """The names of the inputs in a list of them, as the model has them, or their numbers."""
    specs = _specs(model)
    return [spec.name for spec in specs] if specs else _keys(x)


def example_of(model, size: int = 1) -> Any:
    """A sample of zeros, of the shape that a model declares: an array, or several by their names.

    One in a dictionary is in one here too. `None` if the model declares none.

    Args:
        model: a Keras model.
        size: of an axis, but the first, that may have any.
    """
    specs = _specs(model)
    if not specs or any(spec.shape is None for spec in specs):
        return None
    found = {}
    for spec in specs:
        shape = [1, *(size if given is None else given for given in (spec.shape or ())[1:])]
        found[spec.name] = np.zeros(shape, _held(spec))
    by_name = len(found) > 1 or isinstance(_nested.declared(model), Mapping)
    return found if by_name else found[specs[0].name]


class Spec(NamedTuple):
    """What a model says of one of its inputs; `None` for what it does not say."""

    name: str
    shape: tuple | None
    dtype: str | None


def _specs(model) -> list[Spec] | None:
    """What a model says of its inputs, `None` if it says nothing."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return None
    structure = _nested.declared(model)
    if _nested.structure_of(model) is not None:
        each = _nested.leaves(structure)
        inputs, names = list(each.values()), list(each)
    elif isinstance(structure, Mapping):
        inputs, names = [structure[name] for name in structure], list(structure)
    else:
        specs = model.input_spec or [None] * len(inputs)
        names = [
            getattr(spec, "name", None) or tensor.name
            for spec, tensor in zip(specs, inputs, strict=True)
        ]
    return [
        Spec(name, tuple(tensor.shape), str(tensor.dtype))
        for name, tensor in zip(names, inputs, strict=True)
    ]


def _held(spec: Spec) -> str:
    """The type of what is given for an input: that which it declares, if these are no reals."""
    declared = spec.dtype or ""
    return declared if "int" in declared or declared == "bool" else "float32"


def _keys(x) -> list[str]:
    return list(x) if isinstance(x, Mapping) else [str(index) for index in range(len(x))]


def _is_list_of_arrays(x) -> bool:
    return isinstance(x, list | tuple) and any(getattr(entry, "ndim", 0) for entry in x)


def _as_input(model, word: str, x, spec: Spec | None) -> np.ndarray:
    given, x = x, _array(word, x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(
            f"Expected {word} to hold at least one sample. Received: {word} of shape {x.shape}."
        )
    expected = spec.shape if spec is not None else None
    if expected is not None and not _fits(x.shape[1:], expected[1:]):
        hint = ""
        if _fits(x.shape, expected[1:]):
            hint = " For a single sample pass x[None]."
        elif x.ndim == len(expected) - 1 and expected[-1] == 1:
            hint = " Add the channel axis: x[..., None]."
        elif word == "x":
            hint = tables.hint_of(given, x.shape, expected)
        raise ValueError(
            f"The model {model.name!r} expects inputs of shape {('N', *expected[1:])}. "
            f"Received: {word} of shape {x.shape}.{hint}"
        )
    if x.dtype.kind not in "fiub":
        text = x.dtype.kind in "US"
        raise TypeError(
            f"Expected {word} to be an array of numbers. Received: dtype {x.dtype}."
            f"{_OF_TEXT if text else ''}"
        )
    finite = np.isfinite(x).reshape(len(x), -1).all(1)
    if not finite.all():
        raise ValueError(
            f"{word} holds NaN or infinity in {(~finite).sum()} of {len(x)} samples, the first at "
            f"index {int(np.argmin(finite))}. Remove or repair them."
        )
    return x.astype("float32" if spec is None else _held(spec))


def dtype_of(x: Any) -> np.dtype:
    """The type that NumPy calls the values of an array, a table or a tensor of any framework by."""
    found = getattr(x, "dtype", None)
    if found is None:
        return _array("x", x).dtype
    if isinstance(found, np.dtype):
        return found if found.kind in "fiub" else np.dtype("float32")
    for word in re.findall(r"\w+", str(found))[::-1]:  # torch.uint8, <dtype: 'uint8'>
        if word in _TYPES:
            return np.dtype(word)
    return np.dtype("float32")


def as_classes(name: str, classes: Any, samples: int, count: int) -> np.ndarray:
    """Class indices as an int32 array `(samples,)`; a single index stands for all samples.

    Raises:
        TypeError: if they are no integers (or booleans, or reals that are such).
        ValueError: if their number is wrong or one is not among the `count` classes.
    """
    array = _array(name, classes)
    if array.ndim == 2 and array.shape[1] > 1:
        raise ValueError(
            f"Expected {name} to be class indices of shape ({samples},). Received: shape "
            f"{array.shape}. If these are one-hot rows, pass {name}.argmax(-1)."
        )
    if array.ndim == 2:
        array = array[:, 0]
    if array.dtype.kind in "bf" and array.ndim and (array == np.round(array)).all():
        array = array.astype("int64")  # as Keras keeps the labels of two classes
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"Expected {name} to be class indices, integers. Received: dtype {array.dtype}."
        )
    if array.ndim == 0:
        array = np.full(samples, array)
    if array.shape != (samples,):
        raise ValueError(
            f"Expected {name} to be one class index a sample, shape ({samples},). "
            f"Received: shape {array.shape}."
        )
    wrong = (array < 0) | (array >= count)
    if wrong.any():
        raise ValueError(
            f"Expected {name} to be from 0 to {count - 1}, as the model has {count} classes. "
            f"Received: {name}={int(array[wrong][0])}."
        )
    return array.astype("int32")


def as_batch_size(batch_size: Any) -> int:
    """The batch size, if it is a positive integer."""
    return _checks.integer("batch_size", batch_size, 1)


def _array(name: str, value: Any) -> np.ndarray:
    if hasattr(value, "toarray"):
        raise TypeError(
            f"Expected {name} to be an array of numbers. Received: a sparse matrix, "
            f"{type(value).__name__}. Pass {name}.toarray()."
        )
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    array = np.asarray(value)
    if array.dtype == object and hasattr(value, "to_numpy"):
        array = _of_columns(name, value)
    if array.dtype.name in _NARROW:
        array = array.astype("float32")
    if array.dtype == object:
        raise TypeError(
            f"Expected {name} to be an array of numbers. Received: {type(value).__name__}."
        )
    return array


def _of_columns(name: str, table: Any) -> np.ndarray:
    """A table of a data frame whose columns are of several types, or may lack values, as float32.

    Raises:
        TypeError: if a column does not hold numbers; the text names it.
        ValueError: if a value is missing.
    """
    columns = [(str(key), table[key]) for key in table] if hasattr(table, "columns") else []
    for key, column in columns:
        if bool(column.isna().any()):
            raise ValueError(f"{name} lacks values in the column {key!r}. Fill or drop them.")
        try:
            column.to_numpy(dtype="float32")
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"Expected {name} to be a table of numbers. The column {key!r} is of the type "
                f"{column.dtype}. Encode it, e.g. one-hot by pandas.get_dummies."
            ) from error
    try:
        return table.to_numpy(dtype="float32")
    except (TypeError, ValueError):
        return np.asarray(table)


def _fits(shape: tuple, expected: tuple) -> bool:
    return len(shape) == len(expected) and all(
        want is None or have == want for have, want in zip(shape, expected, strict=True)
    )
