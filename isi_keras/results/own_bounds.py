"""Bounds of each sample in the configuration of a record: cut and joined as its rows are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras.domain import Domain, as_bounds, as_domain
from isi_keras.results import parts

_Path = tuple[Any, ...]
_PER_FEATURE = ("low", "high", "mutable", "direction", "integer", "step")


def domain_of(attack: Mapping[str, Any]) -> Domain:
    """The domain that the configuration of an attack says, also if no input of it may change."""
    bounds = attack["config"]["bounds"]
    if isinstance(bounds, tuple | list | np.ndarray) and len(bounds) == 2:
        return as_domain(bounds)
    return as_domain(as_bounds(bounds))


def cut(
    config: Mapping[str, Any], rows: np.ndarray, count: int | None, rank: int
) -> Mapping[str, Any]:
    """The configuration of some rows of a record.

    Of no rows it keeps the bounds of the first, as lists do not say how wide they are if empty.

    Args:
        config: that of an attack, or of `robustness`, which has several.
        rows: their numbers, `(M,)`.
        count: how many rows the record has; `None` if another compares it.
        rank: how many axes its inputs have, `N` among them.

    Raises:
        ValueError: if bounds are given for each of another number of samples.
    """
    for path, value in _given(config):
        if is_of_each(value, rank):
            if count is not None:
                _expect(path, value, count)
            found = [value[row] for row in rows.tolist()] or list(value[:1])
            config = _put(config, path, found)
    return config


def joined(
    configs: Sequence[Mapping[str, Any]], counts: Sequence[int], rank: int
) -> Mapping[str, Any]:
    """The configuration of a record joined of parts: the same in all but for bounds of each row.

    Args:
        configs: that of each part.
        counts: how many rows each has.
        rank: how many axes the inputs have, `N` among them.

    Raises:
        ValueError: if they differ; the text names the entry.
    """
    told = [dict(_given(config)) for config in configs]
    put: dict[_Path, Any] = {}
    for path in told[0]:
        if not all(path in each and _depth(each[path]) == rank for each in told):
            continue
        values = [each[path] for each in told]
        one = all(len(value) == 1 for value in values)
        if one and all(parts.is_same(values[0], value) for value in values):
            continue
        for value, count in zip(values, counts, strict=True):
            if len(value) > 1:
                _expect(path, value, count)
        every = zip(values, counts, strict=True)
        rows = [row for value, n in every for row in (value if len(value) > 1 else list(value) * n)]
        put[path] = rows or list(values[0])
    for path in put:
        configs = [_put(config, path, None) for config in configs]
    config = parts.same("config", configs)
    for path, rows in put.items():
        config = _put(config, path, rows)
    return config


def check(config: Mapping[str, Any], count: int, rank: int) -> None:
    """Raises unless bounds of each sample are as many as the rows of a record.

    Raises:
        ValueError: if they are not; the text says how that came about.
    """
    for path, value in _given(config):
        if is_of_each(value, rank):
            _expect(path, value, count)


def is_of_each(value: Any, rank: int) -> bool:
    """Whether a value, an array or as JSON has it, is given for each sample of `rank` axes."""
    return _depth(value) == rank and len(value) > 1


def _expect(path: _Path, value: Any, count: int) -> None:
    if len(value) != count:
        raise ValueError(
            f"expected {_named(path)} for each of {count} samples, or one for all. Received: "
            f"{len(value)}. Earlier versions left those of all samples in a part of a result: cut "
            "the whole one anew"
        )


def _given(config: Mapping[str, Any]) -> Iterator[tuple[_Path, Any]]:
    """What bounds in a configuration say, and where it stands."""
    settings = config.get("config")
    if not isinstance(settings, Mapping):
        return
    several = settings.get("attacks")
    if isinstance(several, Mapping):
        for name, attack in several.items():
            if isinstance(attack, Mapping):
                yield from ((("config", "attacks", name, *p), v) for p, v in _given(attack))
    bounds = settings.get("bounds")
    if isinstance(bounds, Mapping) and isinstance(bounds.get("config"), Mapping):
        for word in _PER_FEATURE:
            if word in bounds["config"]:
                yield ("config", "bounds", "config", word), bounds["config"][word]
    elif isinstance(bounds, tuple | list | np.ndarray) and len(bounds) == 2:
        yield from ((("config", "bounds", place), bounds[place]) for place in (0, 1))


def _put(entry: Any, path: _Path, value: Any) -> Any:
    """A copy of an entry that has another value somewhere inside; the rest is shared."""
    if not path:
        return value
    inside = _put(entry[path[0]], path[1:], value)
    if isinstance(entry, Mapping):
        return {**entry, path[0]: inside}
    return [inside if place == path[0] else each for place, each in enumerate(entry)]


def _depth(value: Any) -> int:
    """How many axes an array has, or lists within lists: of the first of each, as all are alike."""
    if isinstance(value, np.ndarray):
        return value.ndim
    depth = 0
    while isinstance(value, tuple | list):
        depth += 1
        if not value:
            break
        value = value[0]
    return depth


def _named(path: _Path) -> str:
    words = {0: "low", 1: "high"}
    return f"{words.get(path[-1], path[-1])} of the bounds"
