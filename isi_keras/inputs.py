"""Checking what the user hands over, once, before anything is computed."""

from typing import Any

import numpy as np


def as_inputs(model, x) -> np.ndarray:
    """The inputs as a float32 array `(N, ...)` that the model accepts.

    Raises:
        TypeError: if `x` is no numeric array.
        ValueError: if `x` is empty, not finite, or not of the model's input shape.
    """
    x = _array("x", x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"Expected x to hold at least one sample. Received: x of shape {x.shape}.")
    expected = _input_shape(model)
    if expected is not None and not _fits(x.shape[1:], expected[1:]):
        hint = ""
        if _fits(x.shape, expected[1:]):
            hint = " For a single sample pass x[None]."
        elif x.ndim == len(expected) - 1 and expected[-1] == 1:
            hint = " Add the channel axis: x[..., None]."
        raise ValueError(
            f"The model {model.name!r} expects inputs of shape {('N', *expected[1:])}. "
            f"Received: x of shape {x.shape}.{hint}"
        )
    if x.dtype.kind not in "fiub":
        raise TypeError(f"Expected x to be an array of numbers. Received: dtype {x.dtype}.")
    x = x.astype("float32")
    bad = ~np.isfinite(x).reshape(len(x), -1).all(1)
    if bad.any():
        raise ValueError(
            f"x holds NaN or infinity in {bad.sum()} of {len(x)} samples, the first at index "
            f"{int(np.argmax(bad))}. Remove or repair them."
        )
    return x


def within_bounds(x: np.ndarray, low: np.ndarray, high: np.ndarray, dtype) -> np.ndarray:
    """The inputs, with those that rounding put just outside the bounds set on them.

    Raises:
        ValueError: if the bounds do not fit the shape of `x`, or do not hold it.
    """
    for name, bound in (("lower", low), ("upper", high)):
        try:
            fits = np.broadcast_shapes(bound.shape, x.shape[1:]) == x.shape[1:]
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"The {name} bound has shape {bound.shape}, which does not broadcast to the shape "
                f"{x.shape[1:]} of one sample."
            )
    if np.all(x >= low) and np.all(x <= high):
        return x
    span = high - low
    if np.all(x >= low - 1e-6 * span) and np.all(x <= high + 1e-6 * span):
        return np.clip(x, low, high)
    advice = "Rescale x, or pass bounds=(low, high) that hold your data"
    if np.dtype(dtype) == np.uint8 or (x.min() >= 0 and 2 < x.max() <= 255):
        advice = (
            "These look like images of 0..255: pass bounds=(0, 255) if the model takes them so, "
            "or rescale them as for training, e.g. x / 127.5 - 1 for bounds=(-1, 1)"
        )
    raise ValueError(
        f"x has values from {x.min():g} to {x.max():g} (dtype {dtype}) outside the bounds "
        f"{low.min():g}..{high.max():g}. {advice}."
    )


def as_classes(name: str, classes: Any, samples: int, count: int) -> np.ndarray:
    """Class indices as an int32 array `(samples,)`; a single index stands for all samples.

    Raises:
        TypeError: if they are no integers.
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
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise TypeError(f"Expected batch_size to be an integer. Received: {batch_size!r}.")
    if batch_size < 1:
        raise ValueError(f"Expected batch_size to be at least 1. Received: {batch_size}.")
    return int(batch_size)


def _array(name: str, value: Any) -> np.ndarray:
    if isinstance(value, list | tuple | dict) and any(
        getattr(entry, "ndim", 0)
        for entry in (value.values() if isinstance(value, dict) else value)
    ):
        raise TypeError(
            f"Expected {name} to be one array. Received: a {type(value).__name__} of "
            f"{len(value)}. Models with several inputs are not supported; for a list of samples "
            "pass numpy.stack(x)."
        )
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(
            f"Expected {name} to be an array of numbers. Received: {type(value).__name__}."
        )
    return array


def _input_shape(model) -> tuple | None:
    """The shape a batch must have, `None` for any size; `None` if the model does not say."""
    try:
        shape = model.input_shape
    except AttributeError:
        return None
    return tuple(shape) if isinstance(shape, tuple) and len(shape) else None


def _fits(shape: tuple, expected: tuple) -> bool:
    return len(shape) == len(expected) and all(
        want is None or have == want for have, want in zip(shape, expected, strict=True)
    )
