"""Samples of tables: what each column is called, what it may become, and what became of it."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras.domain import Domain
from isi_keras.reporting.parts import Words, plain
from isi_keras.results import AttackResult, Result, RobustnessResult, own_bounds

LISTED = 400
"""How many columns or entries of a sample that is not an image are listed at most."""

_DIRECTIONS = {1: "may rise only", -1: "may fall only"}


@functools.lru_cache(maxsize=4)
def domain_of(record: Result) -> Domain | None:
    """What the inputs of an attack, or of several, might become; `None` if it is not known."""
    if isinstance(record, AttackResult):
        return record.domain
    if not isinstance(record, RobustnessResult):
        return None
    attacks = record.config["config"].get("attacks")
    try:
        first = next(iter(attacks.values()))
        return own_bounds.domain_of(first)
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
        return None  # of another's making


def names_of(record: Result, words: Words, others: Sequence[Result] = ()) -> Sequence[str]:
    """The names of the columns: those that the user gave, or of the domain; `()` if none are known.

    Args:
        record: of a table.
        words: names of classes and columns.
        others: records that know the names of their columns, which are these if samples are too.
    """
    if words.names:
        return words.names
    domain = domain_of(record)
    if domain is not None:
        return domain.names
    for other in others:
        known = domain_of(other)
        if known is not None and known.names and _share_samples(record, other):
            return known.names
    return ()


def listed(shape: tuple, names: Sequence[str]) -> list[str]:
    """What the columns of a sample of a shape are called; none if they are too many to list."""
    count = math.prod(shape)
    return [] if count > LISTED else [_name(place, shape, names) for place in range(count)]


def features(
    record: Any, index: int, steps: np.ndarray | None, names: Sequence[str]
) -> list[list[Any]]:
    """Of each column its name, its value before and after, the step, and what it may become.

    If they are too many the changed ones come first, and the rest is left out.

    Args:
        record: of an attack, or of several.
        index: of the sample.
        steps: in which each column changed, of the shape of a sample, if that is known.
        names: of the columns.
    """
    before, after = record.x[index].reshape(-1), record.adversarial[index].reshape(-1)
    step = np.zeros(len(before), int) if steps is None else steps.reshape(-1)
    order = np.arange(len(before))
    if len(before) > LISTED:
        order = np.argsort(before == after, kind="stable")[:LISTED]
    rules, shape = rules_of(record, index), record.x.shape[1:]
    return [
        [_name(i, shape, names), short(before[i]), short(after[i]), int(step[i])]
        + ([rules[i]] if i in rules else [])
        for i in order.tolist()
    ]


def rules_of(record: Any, index: int) -> Mapping[int, str]:
    """What columns of a sample may become, in words, by their numbers; bounds are not said."""
    domain = domain_of(record)
    if domain is None or domain.plain:
        return {}
    own = index if domain.per_sample(record.x.ndim) else 0
    return _rules(domain, own, record.x.shape)


@functools.lru_cache(maxsize=64)
def _rules(domain: Domain, index: int, shape: tuple) -> Mapping[int, str]:
    def of(word: str, default: Any) -> np.ndarray:
        value = getattr(domain, word)
        value = np.asarray(default if value is None else value)
        if value.ndim == len(shape):
            value = value[index if len(value) > 1 else 0]
        return np.broadcast_to(value, shape[1:]).reshape(-1)

    frozen = ~of("mutable", True) | (of("low", 0) >= of("high", 0))
    whole, step, direction = of("integer", False), of("step", 0), of("direction", 0)
    hot = {member for group in domain.groups for member in group}
    found = {}
    for place in range(len(frozen)):
        if frozen[place]:
            found[place] = "frozen"
            continue
        said = ["one-hot"] if place in hot else []
        if step[place]:
            said.append(f"steps of {float(step[place]):g}")
        elif whole[place]:
            said.append("whole numbers")
        said += [_DIRECTIONS[int(direction[place])]] if direction[place] else []
        if said:
            found[place] = ", ".join(said)
    return found


def short(value: Any, digits: int = 6) -> Any:
    """A number as short as it may be in JSON; what JSON does not know is `None`."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.{digits}g}")


def _share_samples(record: Any, other: Any) -> bool:
    """Whether two records of tables have a sample in common."""
    one, two = record.x, other.x
    if not isinstance(one, np.ndarray) or one.shape[1:] != two.shape[1:]:
        return False
    known = {row.tobytes() for row in np.ascontiguousarray(two, "float32")}
    return any(row.tobytes() in known for row in np.ascontiguousarray(one, "float32"))


def _name(place: int, shape: tuple, names: Sequence[str]) -> str:
    if len(names) == math.prod(shape):
        return plain(names[place])
    if len(shape) == 1:
        return f"column {place}"
    return "entry " + ", ".join(str(int(part)) for part in np.unravel_index(place, shape))
