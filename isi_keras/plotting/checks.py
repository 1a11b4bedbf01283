"""Checks that all plots share: the record, the samples to draw, the names of classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras.results import (
    AttackResult,
    Explanation,
    FlippingResult,
    HardnessResult,
    RandomisationResult,
)

DRAWN_BY = {
    AttackResult: "plotting.examples",
    Explanation: "plotting.heatmaps",
    FlippingResult: "plotting.faithfulness",
    HardnessResult: "plotting.hardness",
    RandomisationResult: "plotting.randomisation",
}

MADE_BY = {
    AttackResult: "an Attack",
    Explanation: "explain",
    FlippingResult: "pixel_flipping",
    HardnessResult: "hardness",
    RandomisationResult: "parameter_randomisation",
}


def expect(record: Any, kind: type) -> None:
    """Raises unless `record` is a `kind` with at least one sample."""
    if not isinstance(record, kind):
        other = next((name for known, name in DRAWN_BY.items() if isinstance(record, known)), None)
        advice = (
            f"Draw it with {other}."
            if other
            else f"Pass what {MADE_BY[kind]} returned, or {kind.__name__}.load(path)."
        )
        raise TypeError(f"Expected: {_a(kind)}. Received: {type(record).__name__}. {advice}")
    if len(record) == 0:
        raise ValueError(
            f"There is nothing to draw. Received: {_a(kind)} of 0 samples. Pass one with "
            "at least one sample."
        )


def expect_each(records: Any, kind: type, call: str) -> None:
    """Raises unless `records` maps at least one label to a `kind` with samples.

    Args:
        records: what the user passed.
        kind: the record that is expected.
        call: how it is done right, for the text of the error.
    """
    held = list(records.values()) if isinstance(records, Mapping) else [records]
    if not isinstance(records, Mapping) or any(not isinstance(record, kind) for record in held):
        raise TypeError(
            f"Expected: a mapping from labels to {kind.__name__}. Received: "
            f"{', '.join(sorted({type(record).__name__ for record in held}))}. Pass what "
            f"{MADE_BY[kind]} returned, as in {call}."
        )
    if not records or not all(map(len, held)):
        raise ValueError(
            "There is nothing to draw. Received: a mapping of "
            f"{len(records)} results, {sum(not len(record) for record in held)} of them without "
            "samples."
        )


def chosen(indices: Any, count: int) -> np.ndarray:
    """Turns numbers or a mask over `count` samples into an array of indices."""
    array = np.asarray(indices)
    if array.dtype == bool and array.shape == (count,):
        array = np.flatnonzero(array)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(
            "indices must be a list of at least one sample number, or a mask of one bool per "
            f"sample with at least one True. Received: {_short(indices)} for {count} samples."
        )
    if (array < 0).any() or (array >= count).any():
        outside = array[(array < 0) | (array >= count)][0]
        raise ValueError(
            f"Received: index {outside}, but the result holds {count} samples. Pass indices from 0 "
            f"to {count - 1}."
        )
    return array


def first_attacked(result: AttackResult, count: int) -> np.ndarray:
    """The first `count` samples that were attacked at all."""
    positive(count, "count")
    indices = np.flatnonzero(result.attacked)[:count]
    if indices.size == 0:
        stops = ", ".join(f"{n} {stop}" for stop, n in Counter(result.stop_reason.tolist()).items())
        raise ValueError(
            f"No sample was attacked. Received: {stops}. Pass indices to draw these samples anyway."
        )
    return indices


def positive(value: Any, name: str) -> None:
    """Raises unless `value` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1. Received: {name}={value!r}.")


def above_zero(value: Any, name: str) -> None:
    """Raises unless `value` is a number above 0, in the units of `x`, or `None`."""
    if value is not None and not value > 0:
        raise ValueError(
            f"{name} must be greater than 0, in the units of x. Received: {name}={value!r}."
        )


def class_name(number: Any, classes: Sequence[str] | None) -> str:
    """The name of class `number`, or the number itself without `classes`."""
    if classes is None:
        return str(int(number))
    if not 0 <= number < len(classes):
        raise ValueError(
            f"classes needs a name for each class. Received: {len(classes)} names, but a sample "
            f"has class {int(number)}. Pass at least {int(number) + 1} names, or classes=None for "
            "numbers."
        )
    return str(classes[int(number)])


def check_names(names: Sequence[str] | None, features: int | None) -> None:
    """Raises unless there is a name for each of the tabular features; of images there are none."""
    if names is not None and len(names) != features:
        raise ValueError(
            "names needs one name per feature. "
            f"Received: {len(names)} names for {features or 'no tabular'} features."
        )


def expect_no_image(given: Any, name: str) -> None:
    """Raises if an option of images, `given`, is set for tabular features."""
    if given:
        raise ValueError(
            f"Tabular features, (N, D), have no image to draw. Received: {name}={given!r}. "
            f"Leave {name} out."
        )


def one_of(name: str, value: Any, known: Sequence[str]) -> None:
    """Raises unless `value` is among `known`."""
    if value not in known:
        raise ValueError(
            f"Expected {name} to be {' or '.join(map(repr, known))}. Received: {name}={value!r}."
        )


def _a(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
