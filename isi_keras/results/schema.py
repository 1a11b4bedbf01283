"""What the fields of a record must be, said once beside each, and checked on reading.

Shapes and types are compared before a file is inflated, values afterwards.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from isi_keras.results.archive import UnreadableError

CLASSES = 2**20
"""No class has a greater number."""
_NESTED = 2**21
_CODES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KINDS = {"f": "real numbers", "i": "integers", "b": "truth values", "U": "text"}


@dataclasses.dataclass(frozen=True)
class Array:
    """What an array must be.

    Args:
        kinds: of its type, as NumPy calls them; `"i"` also of integers without sign.
        shape: the names of its lengths, with spaces between them. Those of one name agree among
            all arrays of a record. `"..."` stands for any others, at least one; `"*"` for any.
        like: a field whose shape it has.
        low: the least value; `None` for any.
        high: the greatest value, likewise.
        below: the name of a length that all values are below.
        nan: whether NaN may be among them.
        inf: whether infinity may be among them.
        ended: a field of reasons: both may be, in rows of the reason `"not_finite"`.
        rising: whether each value must be greater than the one before.
        distinct: whether all must differ.
        words: the values that text may have; `None` for any.
        shown: whether text is printed as it is, so that it may hold no codes that move a cursor.
        least: the least length of the first axis.
        most: the greatest length of the first axis; `None` for any.
    """

    kinds: str
    shape: str = ""
    like: str | None = None
    low: float | None = None
    high: float | None = None
    below: str | None = None
    nan: bool = False
    inf: bool = False
    ended: str | None = None
    rising: bool = False
    distinct: bool = False
    words: tuple[str, ...] | None = None
    shown: bool = False
    least: int = 0
    most: int | None = None


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the configuration of a maker must have.

    Args:
        needs: pairs of the name of an entry and of what it may be: values, or types.
    """

    needs: tuple[tuple[str, tuple[Any, ...]], ...] = ()


@dataclasses.dataclass(frozen=True)
class Entries:
    """A dictionary of anything."""


@dataclasses.dataclass(frozen=True)
class Shapes:
    """A dictionary of shapes."""


def classes(shape: str = "N", below: str | None = None, low: int = 0) -> Array:
    """Numbers of classes."""
    return Array("i", shape, low=low, high=CLASSES, below=below)


def counts(shape: str = "N") -> Array:
    """Numbers of steps or passes."""
    return Array("i", shape, low=0, high=2**40)


class Lengths:
    """Compares the shapes of arrays with what they must be, and with each other.

    Args:
        where: how the record is called, as in "'r.npz' is no AttackResult".
        empty: whether lengths but the first may be 0.
    """

    def __init__(self, where: str, empty: bool = False):
        self._where, self._empty = where, empty
        self.known: dict[str, tuple[int, str]] = {}
        self._said: dict[str, tuple[int, str]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def check(self, name: str, rule: Array, array: Any) -> None:
        """Raises unless type and shape of an array (or of its header) are as declared.

        Raises:
            UnreadableError: if they are not; the text names the field and what was expected.
        """
        kind = "i" if array.dtype.kind == "u" else array.dtype.kind
        field, _, entry = name.partition("/")
        expected = f"{name} to be {' or '.join(_KINDS[k] for k in rule.kinds)}"
        if rule.like is not None:
            other = f"{rule.like}/{entry}" if entry else rule.like
            shape = self._shapes.get(other)
            expected += (
                f" of the shape of {other}, {'which is not there' if shape is None else shape}"
            )
            fits = shape == array.shape
        else:
            expected += f" of shape ({', '.join(rule.shape.split())})"
            fits = self._bound(rule.shape.split(), field, array.shape)
            expected += "".join(f", {n} = {s} as in {f}" for n, (s, f) in self._said.items())
        if kind not in rule.kinds or not fits:
            raise self.wrong(expected, _described(array))
        count = array.shape[0] if array.shape else 1
        if (0 in array.shape[1:] and not self._empty) or count < rule.least:
            least = f"{name} to have lengths of at least {max(1, rule.least)}"
            raise self.wrong(least, _described(array))
        if rule.most is not None and count > rule.most:
            raise self.wrong(f"{name} to have at most {rule.most} entries", _described(array))
        self._shapes[name] = array.shape

    def _bound(self, names: list[str], field: str, shape: tuple[int, ...]) -> bool:
        """Whether a shape fits, and has the lengths that others of these names have."""
        more = names[-1:] in (["..."], ["*"])
        some = names[-1:] == ["..."]
        names = names[:-1] if more else names
        self._said = {name: self.known[name] for name in names if name in self.known}
        if len(shape) < len(names) + some or (len(shape) > len(names) and not more):
            return False
        found = [self.known.setdefault(n, (s, field)) for n, s in zip(names, shape, strict=False)]
        return [size for size, _ in found] == list(shape[: len(names)])

    def wrong(self, expected: str, received: str) -> UnreadableError:
        """The error of what is not as declared."""
        return UnreadableError(f"{self._where}: expected {expected}. Received: {received}.")


def check_values(name: str, rule: Array, array: np.ndarray, lengths: Lengths, known: Any) -> None:
    """Raises unless the values of an array are as declared.

    Args:
        name: of the field.
        rule: what is declared.
        array: whose shape is checked already.
        lengths: of the record.
        known: the arrays of the record by name.

    Raises:
        UnreadableError: if they are not; the text names the field and what was expected.
    """
    for expected, wrong in _broken(rule, array, lengths, known):
        wrong = np.broadcast_to(wrong, array.shape)
        if wrong.any():
            first = tuple(map(int, np.unravel_index(np.argmax(wrong), array.shape)))
            value = array[first].item()
            shown = repr(value) if len(repr(value)) < 60 else "a longer text"
            place = f" at index {list(first)}" if first else ""
            raise lengths.wrong(f"{name} to {expected}", shown + place)


def _broken(rule: Array, array: np.ndarray, lengths: Lengths, known: Any) -> Iterator[Any]:
    """What is expected of values, and where they are not so."""
    if array.dtype.kind == "f":
        free = False
        if rule.ended is not None and rule.ended in known:
            free = known[rule.ended] == "not_finite"
            free = np.reshape(free, (-1, *[1] * (array.ndim - 1)))
        if not rule.nan:
            yield "hold no NaN", np.isnan(array) & ~np.asarray(free)
        if not rule.inf:
            yield "hold no infinity", np.isinf(array) & ~np.asarray(free)
    with np.errstate(invalid="ignore"):
        if rule.low is not None:
            yield f"be at least {rule.low:g}", array < rule.low
        if rule.high is not None:
            yield f"be at most {rule.high:g}", array > rule.high
        if rule.below in lengths.known:
            size, field = lengths.known[rule.below]
            said = f"be below {size}, as {field} says"
            yield said, array >= size
        if rule.rising and array.size > 1:
            yield "rise", np.append(False, ~(np.diff(array) > 0))
    if rule.words is not None:
        yield f"be one of {', '.join(map(repr, rule.words))}", ~np.isin(array, rule.words)
    if rule.shown:
        codes = [_CODES.search(str(each)) is not None for each in array.flat]
        yield "hold no codes for terminals", np.reshape(codes, array.shape).astype(bool)
    if rule.distinct:
        first = np.unique(array, return_index=True)[1]
        yield "differ from each other", ~np.isin(np.arange(array.size), first)


def parsed(name: str, rule: Any, array: np.ndarray, where: str) -> dict[str, Any]:
    """A dictionary that is kept as JSON.

    Raises:
        UnreadableError: if it is none, or lacks what is declared.
    """
    lengths = Lengths(where)
    if array.dtype.kind != "U" or array.ndim:
        raise lengths.wrong(f"{name} to be a text of JSON", _described(array))
    text = str(array)
    if text.count("[") + text.count("{") > _NESTED:
        raise lengths.wrong(
            f"{name} to have at most {_NESTED:,} entries with others inside", "more"
        )
    try:
        found = json.loads(text)
        odd = _no_component(found)
    except (ValueError, RecursionError) as error:
        raise lengths.wrong(f"{name} to be a text of JSON", f"what is none, {error}") from error
    if odd is not None:
        expected = f"each class_name in {name} to be a text, beside a dictionary config"
        raise lengths.wrong(expected, repr(odd)[:60])
    if not isinstance(found, dict):
        raise lengths.wrong(f"{name} to be a dictionary", f"a {type(found).__name__}")
    if isinstance(rule, Settings):
        settings = found.get("config")
        if not isinstance(found.get("class_name"), str) or not isinstance(settings, dict):
            raise lengths.wrong(
                f"{name} to have class_name, a text, and config, a dictionary", _keys(found)
            )
        for entry in ("attack", "indicator", "norm"):
            part = settings.get(entry)
            if isinstance(part, dict) and "class_name" not in part:
                raise lengths.wrong(f"{name}[{entry!r}] to name its class", _keys(part))
        for entry, allowed in rule.needs:
            value = settings.get(entry, ...)
            fits = _is_one(value, allowed)
            if not fits:
                said = " or ".join(getattr(a, "__name__", repr(a)) for a in allowed)
                got = "nothing" if value is ... else repr(value)[:60]
                raise lengths.wrong(f"{name}[{entry!r}] to be {said}", got)
    if isinstance(rule, Shapes):
        for entry, shape in found.items():
            sizes = shape if isinstance(shape, list) else [None]
            if not all(type(size) is int and 0 < size < 2**40 for size in sizes):
                raise lengths.wrong(f"{name}[{entry!r}] to be a shape", repr(shape)[:60])
    return found


def _no_component(entry: Any) -> Any:
    """An entry, itself or inside, that names a class as no component does; `None` without any."""
    if isinstance(entry, dict) and "class_name" in entry:
        told, config = entry["class_name"], entry.get("config")
        if not (isinstance(told, str) and isinstance(config, dict)) or _CODES.search(told):
            return entry
    inside = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    return next((odd for odd in map(_no_component, inside) if odd is not None), None)


def _is_one(value: Any, allowed: tuple[Any, ...]) -> bool:
    """Whether a value is among some, or of a type among them; a truth value is no integer."""
    types = tuple(each for each in allowed if isinstance(each, type))
    values = [each for each in allowed if not isinstance(each, type)]
    of_type = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    return of_type or (isinstance(value, str | type(None)) and value in values)


def _keys(found: Mapping[str, Any]) -> str:
    return repr(list(found))[:60]


def _described(array: Any) -> str:
    return f"{array.dtype} {tuple(array.shape)}"
