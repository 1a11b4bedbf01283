"""Which installed fonts have the characters that the font of the figures lacks."""

import functools
import warnings
from collections.abc import Iterable

from matplotlib import font_manager

from isi_keras.plotting import style

MISSING = "\N{WHITE SQUARE}"
"""What stands for a character that no installed font has."""

UNFIT = ("Last Resort", "STIXNonUnicode", "STIXSize", "cm", "Noto Color Emoji", "Apple Color Emoji")
"""How the names of families begin that hold placeholders, pieces of formulas or bitmaps."""


def families(texts: Iterable[str]) -> list[str]:
    """The family of the figures, and those that take what it lacks of some texts."""
    return [style.FONT, *_others(_lacking(texts))[0]]


def drawable(texts: list[str]) -> list[str]:
    """The texts with `MISSING` for what no installed font has; a warning names these characters."""
    unknown = _others(_lacking(texts))[1]
    if not unknown:
        return texts
    named = "".join(sorted(unknown)[:10])
    warnings.warn(
        f"No installed font has {len(unknown)} of the characters, such as {named!r}, so "
        f"{MISSING} stands for them. Install a font that has them, or use plotting.text_html.",
        stacklevel=4,
    )
    table = dict.fromkeys(map(ord, unknown), MISSING)
    return [text.translate(table) for text in texts]


def _lacking(texts: Iterable[str]) -> frozenset[str]:
    has = _characters(font_manager.findfont(style.FONT))
    return frozenset(letter for text in texts for letter in text if ord(letter) not in has)


@functools.lru_cache
def _others(lacking: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """The fewest families found that have these characters, and the characters that none has."""
    found: list[str] = []
    for entry in font_manager.fontManager.ttflist if lacking else ():
        if entry.name.startswith(UNFIT) or entry.style != "normal" or entry.weight != 400:
            continue
        has = {letter for letter in lacking if ord(letter) in _characters(entry.fname)}
        if has:
            found.append(entry.name)
            lacking -= has
        if not lacking:
            break
    return found, lacking


@functools.lru_cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a file that Matplotlib lists and cannot read
        return frozenset()
