"""What the pictures of text share: the tokens of a sample, how they read, and what is said."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_hex

from isi_keras.plotting import checks, images, plots, style
from isi_keras.plotting.explanation import _maps, _pieces
from isi_keras.results import Explanation
from isi_keras.results.tokens import as_ids, as_words, name_of_ids

PADDING = ("", "[PAD]", "<pad>")
"""Tokens that are not drawn unless the user says otherwise."""

LEAST = 1e-3
"""The share of all magnitude that padding has to carry for this to be said."""


class Token(NamedTuple):
    """A token as it is stored, its relevance, and how it is shown.

    `spaced` says whether a space stands before it, `ends` whether a line ends with it, `special`
    whether it marks something and is not a word.
    """

    word: str
    value: float
    text: str
    spaced: bool
    ends: bool
    special: bool


class Reading(NamedTuple):
    """The tokens of a sample that are drawn, their strongest colour, and what is said below."""

    tokens: list[Token]
    limit: float
    beyond: bool
    notes: list[str]

    def colors(self) -> list[str]:
        """The background of each token."""
        scale = Normalize(-self.limit, self.limit, clip=True)
        return [to_hex(colormaps[style.SIGNED](scale(token.value))) for token in self.tokens]


def text_of(explanation: Any, tokens: Any) -> Explanation:
    """The explanation of the one input that is a text, with `tokens` for its words if given.

    Raises:
        TypeError: if it is no `Explanation`, or `tokens` are not words.
        ValueError: if it has no samples or no text, or more than one.
    """
    checks.expect(explanation, plots.MAPS)
    if tokens is not None:
        words = as_words(tokens, explanation.x)
        explanation = dataclasses.replace(explanation, tokens=words)
    if isinstance(explanation.x, Mapping):
        named = list(explanation.tokens or ())
        if len(named) > 1:
            raise ValueError(
                f"A picture has one text. Received: the texts {', '.join(map(repr, named))}. Draw "
                f"explanation.select({named[0]!r})."
            )
        explanation = explanation.select(named[0] if named else name_of_ids(explanation.x))
    if explanation.tokens is None:
        try:
            as_ids("x", explanation.x)
        except ValueError as error:
            raise ValueError(f"{error} Draw it with plotting.heatmaps.") from None
    return explanation


def read(
    explanation: Explanation, index: int, skip: Collection[str], limit: float | None
) -> Reading:
    """The tokens of one sample of `text_of` in order, without those of `skip`.

    The strongest colour is that of `limit`, or of the greatest magnitude if it is `None`.
    """
    values = images.finite(explanation.relevance[[index]], "relevance")[0]  # (T,)
    words, notes = words_of(explanation, index)
    skip = (skip,) if isinstance(skip, str) else skip
    kept = np.array([word not in skip for word in words], bool)
    left = values[~kept]
    if not kept.any() or np.abs(left).sum() > LEAST * np.abs(values).sum():
        carried = f"{_maps.quantity_of(explanation)} {style.number(left.sum(), 2, sign=True)}"
        notes.append(f"Left out: {style.counted(len(left), 'token')}, {carried}.")
    words = [word for word, keep in zip(words, kept, strict=True) if keep]
    found = zip(words, values[kept].tolist(), _pieces.as_text(words), strict=True)
    tokens = [Token(word, value, *how) for word, value, how in found]
    greatest = float(np.abs(values[kept]).max(initial=0))
    beyond = limit is not None and greatest > limit
    return Reading(tokens, (greatest or 1.0) if limit is None else limit, beyond, notes)


def words_of(explanation: Explanation, index: int) -> tuple[list[str], list[str]]:
    """The words of a sample, or its ids if it has none, which a note then says."""
    if explanation.tokens is not None:
        return explanation.tokens[index].tolist(), []
    ids = as_ids("x", explanation.x[[index]])[0]
    return [str(number) for number in ids], ["The numbers are token ids."]


def ink(token: Token, color: str) -> str:
    """Grey for what is not a word, where that can be read on `color`; else black or white."""
    if token.special and style.contrast(style.MUTED, color) >= 4.5:
        return style.MUTED
    return style.ink(color)
