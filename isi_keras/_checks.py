"""Checks of arguments that many functions take: what came, what was expected, what to do."""

import difflib
import numbers
import reprlib
from collections.abc import Iterable
from typing import Any

_MOST, _LISTED, _FEW = 100, 20, 8


class _Short(reprlib.Repr):
    """What is at most `_MOST` characters long, also of much: lists of arrays among it."""

    def __init__(self):
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxdict = _LISTED
        self.maxstring = self.maxother = self.maxlong = _MOST

    def repr1(self, x: Any, level: int) -> str:
        if is_array(x) and (x.shape or not hasattr(x, "dtype")):
            return described(x)
        return super().repr1(x, level)


def is_array(value: Any) -> bool:
    """Whether a value is an array, a tensor or a table, of whatever package."""
    if isinstance(value, type | str):  # NumPy's strings are both
        return False
    return hasattr(value, "shape") and (hasattr(value, "dtype") or hasattr(value, "dtypes"))


def described(array: Any) -> str:
    """An array, a tensor or a table in words: few numbers as they are, of more the shape."""
    if type(array).__module__ == "numpy" and array.size <= _FEW and array.dtype.kind in "biuf":
        return " ".join(repr(array).split())
    kind = f" and type {array.dtype}" if hasattr(array, "dtype") else ""
    try:
        shape = tuple(array.shape)
    except (TypeError, ValueError):  # of unknown rank
        shape = array.shape
    return f"<{type(array).__name__} of shape {shape}{kind}>"


def shown(value: Any) -> str:
    """What a user gave, for the text of an error: at most 100 characters."""
    text = " ".join(_Short().repr(value).split())
    return text if len(text) <= _MOST else f"{text[: _MOST - 4]} ..."


def integer(name: str, value: Any, least: int | None = None) -> int:
    """An integer, at least `least`.

    Raises:
        TypeError: if it is none.
        ValueError: if it is too small.
    """
    expected = "an integer" if least is None else f"an integer, at least {least}"
    text = f"Expected {name} to be {expected}. Received: {name}={shown(value)}."
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(text)
    if least is not None and value < least:
        raise ValueError(text)
    return int(value)


def is_number(value: Any) -> bool:
    """Whether a value is a real number, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def not_negative(name: str, value: Any) -> float:
    """A finite number, 0 or above.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is infinite or below 0.
    """
    text = f"Expected {name} to be 0 or positive, and finite. Received: {name}={shown(value)}."
    if not is_number(value):
        raise TypeError(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def positive(name: str, value: Any) -> float:
    """A number above 0.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is not above 0.
    """
    text = f"Expected {name} to be a number above 0. Received: {name}={shown(value)}."
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
    if is_array(value) or value not in known:
        raise ValueError(unknown(name, value, known))
    return value


def unknown(word: str, name: Any, names: Iterable[str]) -> str:
    """The text for a name that is not among `names`, with the nearest that is."""
    names = list(names)
    near = difflib.get_close_matches(str(name)[:_MOST].lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {word}: {shown(name)}.{hint} Choose one of {', '.join(map(repr, names))}."
