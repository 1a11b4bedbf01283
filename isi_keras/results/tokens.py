"""The words of a text model's inputs: which input holds ids, and the word of each id."""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

ACCEPTED = (
    "lists of words, one list a sample; an array (N, T) of str; a vocabulary, a list of words by "
    "their ids; or a function from ids to words"
)


def as_words(tokens: Any, x: Any) -> Any:
    """The words of all samples, as `Explanation.tokens` keeps them.

    Args:
        tokens: what the user passed; see `explain`. `None` stays `None`.
        x: the inputs, `(N, ...)`, or a dictionary of them by name.

    Returns:
        An array `(N, T)` of str, `""` for padding; a dictionary by name if `x` is one.

    Raises:
        TypeError: if `tokens`, or a word of them, is of the wrong kind.
        ValueError: if no input holds ids, if it is unclear which does, or if there are too few or
            too many words.
    """
    if tokens is None:
        return None
    if not isinstance(x, Mapping):
        if isinstance(tokens, Mapping):
            raise TypeError(
                f"The model has one input, so tokens need no name. Expected: {ACCEPTED}. Received: "
                f"a {type(tokens).__name__} of {reprlib.repr(list(tokens))}."
            )
        return _words("tokens", tokens, as_ids("x", x))
    if not isinstance(tokens, Mapping):
        tokens = {name_of_ids(x): tokens}
    unknown = [name for name in tokens if name not in x]
    if unknown:
        raise ValueError(
            f"tokens has words for {unknown[0]!r}, which is no input. Choose from "
            f"{', '.join(map(repr, x))}."
        )
    return {
        name: _words(f"tokens[{name!r}]", part, as_ids(f"x[{name!r}]", x[name]))
        for name, part in tokens.items()
    }


def name_of_ids(x: Mapping[str, np.ndarray]) -> str:
    """Which of several inputs holds the ids of a text.

    It is the one of integers `(N, T)`. If no input is of integers, those of whole numbers count; if
    there are several, those with zeros and ones only, such as masks and segments, do not.

    Raises:
        ValueError: if there is none, or more than one.
    """
    flat = {name: np.asarray(part) for name, part in x.items() if np.ndim(part) == 2}
    found = [name for name, part in flat.items() if part.dtype.kind in "iu"]
    found = found or [name for name, part in flat.items() if _are_whole(part)]
    found = [name for name in found if flat[name].max(initial=0) > 1] or found
    if not found:
        raise ValueError(
            "None of the inputs holds the ids of a text, integers (N, T). Received: "
            f"{', '.join(f'{name!r} {_described(part)}' for name, part in x.items())}."
        )
    if len(found) > 1:
        raise ValueError(
            f"Several inputs hold integers (N, T): {', '.join(map(repr, found))}. Say which are "
            f"texts: pass tokens={{{found[0]!r}: ...}} to explain, or draw "
            f"explanation.select({found[0]!r})."
        )
    return found[0]


def as_ids(word: str, x: Any) -> np.ndarray:
    """The ids of a text as integers, `(N, T)`.

    Raises:
        ValueError: if it holds none.
    """
    x = np.asarray(x)
    if x.ndim != 2 or not (x.dtype.kind in "iu" or _are_whole(x)):
        raise ValueError(
            f"Tokens are words for the ids of a text, integers (N, T). Received: {word} "
            f"{_described(x)}."
        )
    return x.astype("int64")


def check(tokens: Any, x: Any) -> None:
    """Raises unless `tokens` is what `as_words` makes for inputs of the shape of `x`."""
    if tokens is None:
        return
    if isinstance(tokens, Mapping) and isinstance(x, Mapping) and set(tokens) <= set(x):
        for name, part in tokens.items():
            check(part, x[name])
        return
    if getattr(getattr(tokens, "dtype", None), "kind", "") != "U":
        raise TypeError(
            "Expected tokens to be an array of str, or a dictionary of some by the names of "
            f"inputs. Received: {reprlib.repr(tokens)}. `explain(..., tokens=...)` makes them."
        )
    if isinstance(x, Mapping) or tokens.shape != np.shape(x):
        raise ValueError(
            f"Expected tokens to have a word for each id in x. Received: tokens {tokens.shape}, x "
            f"{'by name' if isinstance(x, Mapping) else np.shape(x)}."
        )


def _words(name: str, tokens: Any, ids: np.ndarray) -> np.ndarray:
    if callable(tokens):
        rows = _called(name, tokens, ids)
    elif isinstance(tokens, str | bytes) or not isinstance(tokens, Sequence | np.ndarray):
        raise TypeError(f"Expected {name} as {ACCEPTED}. Received: {reprlib.repr(tokens)}.")
    elif len(tokens) and all(isinstance(word, str) for word in tokens):
        rows = _looked_up(name, list(tokens), ids)
    else:
        rows = list(tokens)
    if len(rows) != len(ids):
        raise ValueError(
            f"Expected {name} to have the words of {len(ids)} samples. Received: those of "
            f"{len(rows)}."
        )
    rows = [_row(name, number, row) for number, row in enumerate(rows)]
    return np.array(_filled_up(name, rows, ids), dtype=str).reshape(ids.shape)


def _called(name: str, function: Callable[[Any], Any], ids: np.ndarray) -> list[Any]:
    """The words by a function of one id, or, if it takes none or returns no word, of a list."""
    first = int(ids.flat[0])
    try:
        word = function(first)
    except TypeError:
        word = []
    if word is not None and not isinstance(word, str):
        return [function(row) for row in ids.tolist()]
    words = {number: function(number) for number in np.unique(ids).tolist()}
    for number, word in words.items():
        if not isinstance(word, str):
            raise TypeError(
                f"Expected {name} to return a word for the id {number}. Received: {word!r}."
            )
    return [[words[number] for number in row] for row in ids.tolist()]


def _looked_up(name: str, vocabulary: list[str], ids: np.ndarray) -> list[list[str]]:
    outside = ids[(ids < 0) | (ids >= len(vocabulary))]
    if outside.size:
        raise ValueError(
            f"{name} is a vocabulary of {len(vocabulary)} words, but x holds the id {outside[0]}. "
            "For the words of each sample pass a list of lists."
        )
    return [[vocabulary[number] for number in row] for row in ids.tolist()]


def _row(name: str, number: int, row: Any) -> list[str]:
    if isinstance(row, str | bytes) or not isinstance(row, Sequence | np.ndarray):
        raise TypeError(
            f"Expected {name} to have a list of words for each sample. Received: "
            f"{reprlib.repr(row)} for sample {number}."
        )
    for word in row:
        if not isinstance(word, str):
            raise TypeError(
                f"Expected {name} to hold words of type str. Received: {reprlib.repr(word)} of "
                f"type {type(word).__name__} in sample {number}."
            )
    return [word.replace("\0", "\N{REPLACEMENT CHARACTER}") for word in row]  # arrays drop a last 0


def _filled_up(name: str, rows: list[list[str]], ids: np.ndarray) -> list[list[str]]:
    """The rows with `""` on the side where the ids are padding: one and the same in all rows."""
    length = ids.shape[1]
    wrong = [number for number, row in enumerate(rows) if len(row) > length]
    short = [number for number, row in enumerate(rows) if len(row) < length]
    missing = {number: length - len(rows[number]) for number in short}
    after = {number for row in short for number in ids[row, length - missing[row] :]}
    before = {number for row in short for number in ids[row, : missing[row]]}
    if not wrong and short and (len(after) == 1) == (len(before) == 1):
        wrong = short  # no side is padding, or it is unclear which
    if wrong:
        raise ValueError(
            f"Expected {name} to have a word for each of the {length} ids of a sample. Received: "
            f"{len(rows[wrong[0]])} for sample {wrong[0]}. Shorter lists are filled up where the "
            'ids are clearly padding; otherwise give each id a word, "" for padding.'
        )
    if len(after) == 1:
        return [row + [""] * (length - len(row)) for row in rows]
    return [[""] * (length - len(row)) + row for row in rows]


def _are_whole(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" and bool(np.all((x >= 0) & (x == np.floor(x))))


def _described(x: Any) -> str:
    return f"{np.asarray(x).dtype} {np.shape(x)}"
