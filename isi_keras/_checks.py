"""Checks of arguments that many functions take: what came, what was expected, what to do."""

import difflib
import numbers
from collections.abc import Iterable
from typing import Any


def integer(name: str, value: Any, least: int | None = None) -> int:
    """An integer, at least `least`.

    Raises:
        TypeError: if it is none.
        ValueError: if it is too small.
    """
    expected = "an integer" if least is None else f"an integer, at least {least}"
    text = f"Expected {name} to be {expected}. Received: {name}={value!r}."
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(text)
    if least is not None and value < least:
        raise ValueError(text)
    return int(value)


def is_number(value: Any) -> bool:
    """Whether a value is a real number, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def positive(name: str, value: Any) -> float:
    """A number above 0.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is not above 0.
    """
    text = f"Expected {name} to be a number above 0. Received: {name}={value!r}."
    if not is_number(value):
        raise TypeError(text)
    if not value > 0:
        raise ValueError(text)
    return value


def one_of(name: str, value: Any, known: Iterable[str]) -> Any:
    """A value that is among `known`.

    Raises:
        ValueError: if it is not; the text gives the nearest one.
    """
    known = tuple(known)
    if value not in known:
        raise ValueError(unknown(name, value, known))
    return value


def unknown(word: str, name: Any, names: Iterable[str]) -> str:
    """The text for a name that is not among `names`, with the nearest that is."""
    names = list(names)
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {word}: {name!r}.{hint} Choose one of {', '.join(map(repr, names))}."
