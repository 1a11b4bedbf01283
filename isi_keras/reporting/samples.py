"""The samples of a report: numbers of all of them, pictures of as many as there is room for."""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from isi_keras.plotting import images, panels
from isi_keras.plotting.attack import replay
from isi_keras.reporting import pictures, tables
from isi_keras.reporting.parts import Section, Words
from isi_keras.reporting.tables import short
from isi_keras.results import AttackResult, Explanation, RobustnessResult

ROWS = 20_000
"""How many samples of a result the gallery lists at most, evenly chosen."""

PICTURED = 600
"""How many samples of a result have pictures and steps at most: more than anybody looks at."""

STEPS = 120
"""How many steps of an attack the slider shows at most, evenly chosen."""

CLASSES = 6
"""How many classes have logits beside the slider."""

SPARSE = 0.02
"""Up to which share of the pixels those that changed are drawn larger in a large image."""

Maps = dict[bytes, list[tuple[str, Explanation, int]]]


def of_section(
    section: Section, maps: Maps, words: Words, room: int, others: Sequence[Any] = ()
) -> dict[str, Any]:
    """What the gallery knows of a result, as JSON.

    Args:
        section: with columns.
        maps: explanations by the `key` of their samples.
        words: names of classes and columns.
        room: bytes that pictures and steps may take.
        others: other records of the report, which may know the names of columns.
    """
    record, count = section.record, len(section.record)
    drawn = pictures.are_drawn(record.x, record.data_format)
    names = () if drawn else tables.names_of(record, words, others)
    listed = np.arange(count)
    if count > ROWS:
        listed = np.unique(np.linspace(0, count - 1, ROWS).astype(int))
    depth: dict[str, Any] = {}
    for index in itertools.islice(_varied(section, listed), PICTURED):
        found = _depth(record, int(index), maps, words, names)
        room -= len(json.dumps(found, separators=(",", ":"))) + 12
        if room < 0:
            break
        depth[str(index)] = found
    columns, texts = {}, {}
    for name, values in section.columns.items():
        kept = np.asarray(values)[listed]
        if kept.dtype.kind == "U":
            texts[name], codes = np.unique(kept, return_inverse=True)
            columns[name], texts[name] = codes.tolist(), texts[name].tolist()
        else:
            columns[name] = [short(value) for value in kept.tolist()]
    named = {
        int(number)
        for name in ("clean", "final", "target", "label")
        if name in section.columns
        for number in np.unique(section.columns[name])
    }
    for entry in depth.values():
        named |= set(entry.get("logits", {}).get("classes", ()))
    return {
        "label": section.label,
        "kind": section.kind,
        "samples": count,
        "index": listed.tolist(),
        "columns": columns,
        "texts": texts,
        "classes": {str(number): words.of_class(number) for number in sorted(named)},
        "depth": depth,
        "names": [] if drawn else tables.listed(record.x.shape[1:], names),
    }


def by_input(explanations: Iterable[tuple[str, Explanation]]) -> Maps:
    """Explanations by the `key` of their samples, so that an attack finds the maps of its own."""
    found: Maps = {}
    for label, record in explanations:
        if isinstance(record.x, np.ndarray):
            for index in range(len(record)):
                found.setdefault(key(record.x[index]), []).append((label, record, index))
    return found


def key(x: np.ndarray) -> bytes:
    """What tells one input from another."""
    x = np.ascontiguousarray(x, "float32")
    return hashlib.blake2b(x.tobytes(), digest_size=16).digest() + bytes(str(x.shape), "ascii")


def _varied(section: Section, listed: np.ndarray) -> Iterator[int]:
    """The samples listed, in turn one of each pair of classes and outcome, so that all are seen."""
    names = [name for name in ("clean", "final", "outcome") if name in section.columns]
    kinds = np.stack([np.asarray(section.columns[name])[listed] for name in names], 1)
    _, group = np.unique(kinds, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    turn = np.arange(len(order)) - starts  # the how manieth of its group each is
    yield from listed[order[np.argsort(turn, kind="stable")]]


def _depth(
    record: Any, index: int, maps: Maps, words: Words, names: Sequence[str]
) -> dict[str, Any]:
    """Everything of one sample."""
    entry: dict[str, Any] = {}
    x = record.x[index]
    drawn = pictures.are_drawn(record.x, record.data_format)
    if drawn:
        entry["original"] = _picture(record, record.x, index)
    if isinstance(record, AttackResult | RobustnessResult):
        steps = _steps(record, index)
        if drawn:
            entry |= _changed_picture(record, index, steps is not None)
        else:
            entry["features"] = tables.features(record, index, steps, names)
        if isinstance(record, AttackResult):
            entry |= _replay(record, index, steps)
    found = maps.get(key(x), [])
    entry["maps"] = [_map(*each, drawn, words) for each in found]
    return entry


def _picture(record: Any, values: np.ndarray, index: int) -> str:
    bounds: tuple[Any, Any] = (record.x[index].min(), record.x[index].max())
    if isinstance(record, AttackResult):
        domain: Any = tables.domain_of(record)
        bounds = images.bounds_of((domain.low, domain.high), record.x, np.array([index]))
    elif isinstance(record, RobustnessResult):
        both = record.x[index], record.adversarial[index]
        bounds = (min(part.min() for part in both), max(part.max() for part in both))
    (uri,) = pictures.of_images(values[[index]], bounds, record.data_format)
    return uri


def _changed_picture(record: Any, index: int, ordered: bool) -> dict[str, Any]:
    row = [index]
    entry: dict[str, Any] = {"adversarial": _picture(record, record.adversarial, index)}
    x, adversarial = record.x[row], record.adversarial[row]
    if np.isfinite(x).all() and np.isfinite(adversarial).all():
        change = images.as_changes(x, adversarial, data_format=record.data_format)[0]
        limit, few = panels.limit_of(change), (change != 0).mean() < SPARSE
        if few and max(change.shape) > pictures.LARGE:
            change, entry["enlarged"] = pictures.enlarged(change), 1
        entry |= {"change": pictures.of_signed(change, limit), "changeLimit": short(limit)}
    if ordered:
        order = images.with_channels(record.order[row], record.data_format)[0]  # (H, W, C)
        first = np.where(order > 0, order, np.iinfo(order.dtype).max).min(-1)
        entry["order"] = pictures.of_order(np.where((order > 0).any(-1), first, 0))
        channels = order.shape[-1]
        several = (order > 0) & (order != first[..., None])
        if channels > 1 and several.any():
            del entry["order"]  # a pixel changed in several steps has no one colour in between
    return entry


def _steps(record: Any, index: int) -> np.ndarray | None:
    """The step of each input if the states between the steps are known."""
    if not isinstance(record, AttackResult):
        return None
    try:
        replay.expect_each_once(record)
    except ValueError:
        return None
    return record.order[index]


def _replay(record: AttackResult, index: int, steps: np.ndarray | None) -> dict[str, Any]:
    last = int(record.steps[index])
    shown = np.unique(np.linspace(0, last, min(last + 1, STEPS)).astype(int))
    entry: dict[str, Any] = {"steps": shown.tolist()}
    if record.trajectory is None:
        entry["why"] = "The logits between the steps were not kept: attack with trajectory=True."
    else:
        rows = record.trajectory[index][shown]
        classes = _leading(record, index, record.trajectory[index][: last + 1])
        values = [[short(value, 4) for value in row] for row in rows[:, classes].tolist()]
        entry["logits"] = {"classes": classes, "values": values}
    if steps is None:
        entry["unknown"] = (
            "The input between the steps is not known: an input may have changed more than once."
        )
    return entry


def _leading(record: AttackResult, index: int, trajectory: np.ndarray) -> list[int]:
    """The classes with logits: before, after, aimed at and true, then the greatest."""
    first = [int(record.clean_prediction[index]), int(record.prediction[index])]
    first += [int(part[index]) for part in (record.target, record.y) if part is not None]
    highest = np.where(np.isfinite(trajectory), trajectory, -np.inf).max(0)
    ordered = [*first, *np.argsort(-highest, kind="stable").tolist()]
    known = [number for number in dict.fromkeys(ordered) if 0 <= number < len(highest)]
    return known[:CLASSES]


def _map(label: str, record: Explanation, index: int, drawn: bool, words: Words) -> dict[str, Any]:
    entry = {"label": label, "target": words.of_class(record.target[index])}
    values = record.relevance[index]
    if not np.isfinite(values).all():
        return entry | {"why": "The map holds NaN or infinity."}
    if drawn:
        image = images.as_maps(values[None], data_format=record.data_format)[0]
        limit, cut = pictures.limit_of(image)
        said = "the strongest colour is the "
        said += f"{pictures.PERCENTILE}th percentile" if cut else "greatest"
        entry |= {"picture": pictures.of_signed(image, limit), "limit": short(limit)}
        return entry | {"said": f"{said} of the magnitudes"}
    if values.size <= tables.LISTED:
        return entry | {"values": [short(value) for value in values.reshape(-1).tolist()]}
    return entry | {"why": f"The map has {values.size} values, too many to list."}
