"""Checks that all plots share: the record, the samples to draw, the names of classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from isi_keras import _checks, axes
from isi_keras.plotting import plots, style
from isi_keras.results import AttackResult, Explanation, Result

R = TypeVar("R", bound=Result)


def expect(record: Any, kind: plots.Kind) -> None:
    """Raises unless `record` is of a kind and has at least one sample."""
    name = kind.record.__name__
    if not isinstance(record, kind.record):
        advice = f"Pass what {kind.maker} returned, or {name}.load(path)."
        if isinstance(record, Result):
            usual = plots.plots_of(plots.kind_of(record))[0]
            advice = f"Draw it with plotting.{usual.name}."
        raise TypeError(f"Expected: {_a(name)}. Received: {type(record).__name__}. {advice}")
    if len(record) == 0:  # pyright: ignore[reportArgumentType]
        raise ValueError(
            f"There is nothing to draw. Received: {_a(name)} of 0 samples. Pass one with "
            "at least one sample."
        )


def expect_each(records: Any, kind: plots.Kind, call: str) -> None:
    """Raises unless `records` maps at least one label to a record of a kind with samples.

    Args:
        records: what the user passed.
        kind: what is expected.
        call: how it is done right, for the text of the error.
    """
    held = list(records.values()) if isinstance(records, Mapping) else [records]
    if not isinstance(records, Mapping) or any(not isinstance(r, kind.record) for r in held):
        raise TypeError(
            f"Expected: a mapping from labels to {kind.record.__name__}. Received: "
            f"{', '.join(sorted({type(record).__name__ for record in held}))}. Pass what "
            f"{kind.maker} returned, as in {call}."
        )
    if not records or not all(map(len, held)):
        raise ValueError(
            "There is nothing to draw. Received: a mapping of "
            f"{len(records)} results, {sum(not len(record) for record in held)} of them without "
            "samples."
        )


def as_mapping(records: Mapping[str, R] | R, kind: plots.Kind, call: str) -> Mapping[str, R]:
    """A mapping of records, also of a single one, whose label is empty; raises as `expect_each`."""
    if isinstance(records, kind.record):
        expect(records, kind)
        return {"": records}  # pyright: ignore[reportReturnType]
    expect_each(records, kind, call)
    return records  # pyright: ignore[reportReturnType]


def settings(record: Any) -> Mapping[str, Any]:
    """What a record was made with: the configuration of its maker."""
    return record.config["config"]


def format_of(record: AttackResult | Explanation, data_format: str | None) -> str:
    """Where the channels of a record are: where the user says, else where the record does."""
    data_format = record.data_format if data_format is None else data_format
    axes.check_data_format(data_format)
    return data_format


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
    count = _checks.integer("count", count, 1)
    indices = np.flatnonzero(result.attacked)[:count]
    if indices.size == 0:
        stops = ", ".join(f"{n} {stop}" for stop, n in Counter(result.stop_reason.tolist()).items())
        raise ValueError(
            f"No sample was attacked. Received: {stops}. Pass indices to draw these samples anyway."
        )
    return indices


def as_percentile(percentile: Any) -> float:
    """A percentile of magnitudes that has the strongest colour: above 0, at most 100."""
    if not _checks.is_number(percentile) or not 0 < percentile <= 100:
        raise ValueError(
            "Expected percentile to be a number above 0 and at most 100, such as 99.5. Received: "
            f"percentile={_checks.shown(percentile)}."
        )
    return float(percentile)


def percentile_of(percentile: float) -> str:
    """What has the strongest colour of a map, in words."""
    if percentile == 100:
        return "its greatest magnitude"
    return f"the {percentile:g}th percentile of its magnitudes"


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


def short_name(number: Any, classes: Sequence[str] | None, inches: float = style.LONGEST) -> str:
    """The name of a class, cut to some inches."""
    return style.shorten(class_name(number, classes), inches)


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
            "Tabular features, (N, D), have no image to draw. Received: "
            f"{name}={_checks.shown(given)}. "
            f"Leave {name} out."
        )


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
