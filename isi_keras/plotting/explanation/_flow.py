"""Tokens set in lines, by their widths alone."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from isi_keras.plotting import fonts, style
from isi_keras.plotting.explanation import _tokens

EDGE, SPACE = 0.02, 0.035
"""Inches from a token to the edge of its background, and between two backgrounds."""

CLOSING = ".,;:!?%…。、"
"""Signs that do not begin a line, nor do brackets and quotation marks that close."""


class Place(NamedTuple):
    """Where a token or a part of it stands: its number, line, left edge and width in inches."""

    token: int
    text: str
    line: int
    left: float
    width: float


def flow(tokens: Sequence[_tokens.Token], width: float) -> list[Place]:
    """Sets tokens in lines of `width` inches; one that is wider than a line is taken apart.

    Lines break where a space stands, if they can.

    Example:
    >>> tokens = [_tokens.Token("film", 0, "film", spaced, False, False) for spaced in (0, 1, 1)]
    >>> [place.line for place in flow(tokens, 0.7)]
    [0, 0, 1]
    """
    family = fonts.families(token.text for token in tokens)
    widths = [_width(token.text, token, family) for token in tokens]
    places: list[Place] = []
    line, left = 0, 0.0
    for number, token in enumerate(tokens):
        gap = SPACE if token.spaced and left else 0.0
        whole = _until_space(tokens, widths, number) if token.spaced or not left else widths[number]
        if left and left + gap + min(whole, width) > width:
            line, left, gap = line + 1, 0.0, 0.0
        left += gap
        rest = token.text
        while True:
            part = _fitting(rest, token, family, width - left) if widths[number] > width else rest
            wide = _width(part, token, family)
            places.append(Place(number, part, line, left, wide))
            left += wide
            rest = rest[len(part) :]
            if not rest:
                break
            line, left = line + 1, 0.0
        if token.ends:
            line, left = line + 1, 0.0
    return places


def _until_space(tokens: Sequence[_tokens.Token], widths: Sequence[float], first: int) -> float:
    """The width of a token with what has to stay beside it: pieces of its word, closing signs."""
    total = widths[first]
    for number in range(first + 1, len(tokens)):
        begins = tokens[number].spaced and not _closes(tokens[number].text)
        if begins or tokens[number - 1].ends:
            break
        total += widths[number] + SPACE * tokens[number].spaced
    return total


def _fitting(text: str, token: _tokens.Token, family: list[str], width: float) -> str:
    """The most of the beginning of `text` that fits into a width, at least a character."""
    most = 1
    while most < len(text) and _width(text[: most + 1], token, family) <= width:
        most += 1
    return text[:most]


def size(token: _tokens.Token) -> float:
    """Points; what is not a word is small."""
    return style.SMALL if token.special else style.TEXT


def _width(text: str, token: _tokens.Token, family: list[str]) -> float:
    return style.text_width(text, size(token), family) + 2 * EDGE


def _closes(text: str) -> bool:
    return all(
        unicodedata.normalize("NFKC", letter) in CLOSING
        or unicodedata.category(letter) in ("Pe", "Pf")
        for letter in text
    )
