"""Derivatives of the goal by the input: at a point, or their mean over several."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import models
from isi_keras.models.inputs import names_of
from isi_keras.rows import flat, rows_like


def prepare(planned: models.Planned, sample) -> models.Differentiable:
    """A model as it is, differentiated by its inputs, if these are real numbers.

    Raises:
        ValueError: if an input is of integers.
    """
    for word, rows in _named(planned, sample):
        dtype = keras.backend.standardize_dtype(rows.dtype)
        if not keras.backend.is_float_dtype(dtype):
            raise ValueError(
                f"The model {planned.model.name!r} takes integers in {word} ({dtype}), by which "
                "there is no derivative. Use indicator='relevance', which passes through an "
                "Embedding, or explain a model that takes the outputs of its Embedding."
            )
    return models.Differentiable(planned)


def gradient(point, goal):
    """The derivative of the goal at a point, of the structure of its `x`."""
    return point.pullback(goal.seed(point.logits))["x"]


def mean_gradient(point, goal, count: int, place: Callable[[Any], Any]):
    """The mean of the derivatives of one combination of logits at other points.

    Which combination it is the goal says at the point itself. A loop that is traced once takes one
    of the other points after another: the trace is as long and the memory as much as for one.

    Args:
        point: the point.
        goal: says what is differentiated.
        count: how many other points there are.
        place: a function from their numbers, tensors from 0, to their inputs.
    """
    each, cotangent = keras.tree.map_structure, goal.seed(point.logits)

    def add(index, total):
        return each(ops.add, total, point.at(place(index)).pullback(cotangent)["x"])

    total = ops.fori_loop(0, count, add, each(ops.zeros_like, point.x))
    return each(lambda whole: whole / count, total)


def draws(x, samples: int, seed: int):
    """Standard normal numbers `(samples, ...)` for one sample of each input.

    NumPy draws them on the host: they depend on neither batch nor backend.
    """
    rng = np.random.default_rng(seed)
    return keras.tree.map_structure(
        lambda rows: ops.convert_to_tensor(
            rng.standard_normal((samples, *rows.shape[1:]), dtype="float32")
        ),
        x,
    )


def spread(rows):
    """The greatest less the least value of each sample, `(N, 1, ...)`."""
    each = flat(rows)
    return rows_like(ops.max(each, axis=1) - ops.min(each, axis=1), rows)


def check_spread(planned: models.Planned, sample) -> None:
    """Raises ValueError if an input has a single value a sample, and so no range."""
    for word, rows in _named(planned, sample):
        if np.prod(rows.shape[1:]) < 2:
            raise ValueError(
                "Expected at least two values a sample in each input, as noise is a share of their "
                f"range. Received: {word} of shape {('N', *rows.shape[1:])}. Use indicator="
                "'integrated_gradients', or explain a model that takes such inputs as one array."
            )


def baselines(baseline, x):
    """The baseline of each input, float32 arrays in the structure of `x`.

    Raises:
        ValueError: if there is not one for each, or one does not broadcast to a sample.
    """
    if isinstance(baseline, int | float):
        return keras.tree.map_structure(lambda rows: np.float32(baseline), x)
    if isinstance(x, Mapping):
        if not isinstance(baseline, Mapping) or baseline.keys() != x.keys():
            names = ", ".join(map(repr, x))
            raise ValueError(
                f"Expected baseline to be a number or a dictionary of one for each input ({names})."
                f" Received: baseline={_brief(baseline)}."
            )
        return {name: _baseline(baseline[name], rows, f"x[{name!r}]") for name, rows in x.items()}
    if isinstance(x, list | tuple):
        if not isinstance(baseline, list | tuple) or len(baseline) != len(x):
            raise ValueError(
                f"Expected baseline to be a number or a list of one for each of {len(x)} inputs, "
                f"in the model's order. Received: baseline={_brief(baseline)}."
            )
        pairs = zip(baseline, x, strict=True)
        return [_baseline(one, rows, f"x[{index}]") for index, (one, rows) in enumerate(pairs)]
    return _baseline(baseline, x, "x")


def _baseline(baseline, rows, word: str) -> np.ndarray:
    shape = tuple(rows.shape[1:])
    try:
        array = np.asarray(baseline, "float32")
        fits = np.broadcast_shapes(array.shape, shape) == shape
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(
            f"Expected the baseline of {word} to be a number or nested lists that broadcast "
            f"to the shape {shape} of one sample. Received: {_brief(baseline)}."
        )
    return array


def _brief(baseline) -> str:
    """A baseline for an error's text: long ones by their shape, if they have one."""
    text = repr(baseline)
    if len(text) <= 60:
        return text
    try:
        return f"an array of shape {np.asarray(baseline, 'float32').shape}"
    except (TypeError, ValueError):
        return f"{text[:60]}..."


def _named(planned: models.Planned, sample) -> list[tuple[str, Any]]:
    """Each input and what to call it."""
    if not isinstance(sample, Mapping | list | tuple):
        return [("x", sample)]
    names = names_of(planned.model, sample)
    rows = sample.values() if isinstance(sample, Mapping) else sample
    return [(f"the input {name!r}", each) for name, each in zip(names, rows, strict=True)]
