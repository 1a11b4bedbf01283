"""The tokens of samples as coloured text for a browser."""

import html
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from isi_keras import _checks
from isi_keras.plotting import checks, panels, style
from isi_keras.plotting.explanation import _maps, _pieces, _tokens
from isi_keras.results import as_path, write_atomically

FIRST = 12
"""How many samples are written unless told which."""

# White stands for zero, so the text lies on white, on a dark page too. The style sheet of the page
# may have colours for paragraphs and tables; what is not to take them says its own.
CARD = (
    "background:#fff;color:#000;color-scheme:light;forced-color-adjust:none;"
    "-webkit-print-color-adjust:exact;print-color-adjust:exact;box-sizing:border-box;"
    "max-width:50em;margin:0 0 1em;padding:.8em 1em;border:1px solid #ccc;border-radius:.3em;"
    "font-family:sans-serif"
)
QUIET = f"color:{style.MUTED};font-size:.85em"
CELL = (
    f"color:{style.MUTED};background:#fff;border:0;padding:.1em 1em .1em 0;"
    "overflow-wrap:anywhere;text-align:"
)
PAGE = (
    '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n</head>\n'
    "<body>\n{body}\n</body>\n</html>\n"
)


class Fragment(str):
    """A piece of HTML, which a notebook shows."""

    def _repr_html_(self) -> str:
        return str(self)


def text_html(
    explanation: Any,
    indices: Any = None,
    path: str | os.PathLike | None = None,
    *,
    tokens: Any = None,
    skip: Collection[str] = _tokens.PADDING,
    limit: float | None = None,
    classes: Sequence[str] | None = None,
) -> Fragment | Path:
    """Writes samples as coloured text in HTML, the relevance of each token as its background.

    It is `text` for a browser: any script can be read, a token shows its number under the pointer,
    and a table holds the numbers for those who do not see colours. The fragment needs nothing
    else, no style sheet and no script, and lies on white, so that dark pages may hold it too.

    Args:
        explanation: what `explain` returned of a model that takes token ids; of one with several
            inputs the text among them is written.
        indices: which samples, as numbers or a mask of `N` bools; the first 12 if `None`.
        path: where to write it as a page of its own; `.html` is appended if there is no suffix.
            The file appears whole or not at all. `None` returns the fragment.
        tokens: the words of all samples, in any form that `explain` takes; the explanation's own if
            `None`.
        skip: tokens that are not written, those of padding. What they carry is said below the
            text, unless it is next to nothing.
        limit: the relevance that has the strongest colour; the greatest of each sample if `None`.
        classes: the names of the classes; their numbers if `None`.

    Returns:
        The fragment, a `str` that a notebook shows, or the path of the file.

    Raises:
        TypeError: if `explanation` is not an `Explanation`, or `tokens` or `limit` is of the wrong
            kind.
        ValueError: if it is empty, if no input or more than one is a text, or if an argument does
            not fit it.
        OSError: if the folder cannot be written.

    Example:
    >>> from isi_keras.plotting import _example
    >>> fragment = text_html(_example.sentence())
    >>> 'title="fine: +2"' in fragment
    True
    """
    explanation = _tokens.text_of(explanation, tokens)
    count = len(explanation)
    picked = checks.chosen(range(min(FIRST, count)) if indices is None else indices, count)
    limit = limit if limit is None else _checks.positive("limit", limit)
    written = None if path is None else _page(as_path(path))
    quantity = _maps.quantity_of(explanation)
    figures = [
        _figure(
            _tokens.read(explanation, int(index), skip, limit),
            _maps.caption_of(explanation, int(index), classes),
            quantity,
        )
        for index in picked
    ]
    fragment = "<div>\n" + "\n".join(figures) + "\n</div>"
    if written is None:
        return Fragment(fragment)
    page = PAGE.format(title=html.escape(quantity.capitalize()), body=fragment)
    return write_atomically(written, lambda file: file.write(page.encode()))


def _figure(reading: _tokens.Reading, caption: str, quantity: str) -> str:
    """One sample: its caption, its text, the scale of its colours, notes and a table."""
    notes = "".join(
        f'<p style="margin:.4em 0;{QUIET}">{html.escape(note)}</p>\n' for note in reading.notes
    )
    return (
        f'<figure style="{CARD}">\n'
        f'<figcaption style="color:#000">{html.escape(caption)}</figcaption>\n'
        f'<p dir="auto" style="line-height:1.9;overflow-wrap:anywhere;margin:.5em 0">'
        f"{_text(reading)}</p>\n{_scale(reading, quantity)}{notes}{_table(reading, quantity)}"
        "</figure>"
    )


def _text(reading: _tokens.Reading) -> str:
    pairs = zip(reading.tokens, reading.colors(), strict=True)
    return "".join(_span(token, color) for token, color in pairs)


def _span(token: _tokens.Token, color: str) -> str:
    said = html.escape(f"{_pieces.visible(token.word)}: {_number(token)}")
    small = ";font-size:.85em" if token.special else ""
    look = (
        f"background:{color};color:{_tokens.ink(token, color)};padding:.1em .15em;"
        f"border-radius:.15em;margin-right:1px{small}"
    )
    before, after = " " if token.spaced else "", "<br>" if token.ends else ""
    return f'{before}<span title="{said}" style="{look}">{html.escape(token.text)}</span>{after}'


def _number(token: _tokens.Token) -> str:
    return style.number(token.value, 3, sign=True)


def _scale(reading: _tokens.Reading, quantity: str) -> str:
    """The colours from the lower limit to the upper, with numbers below."""
    stops = ",".join(to_hex(colormaps[style.SIGNED](share)) for share in np.linspace(0, 1, 11))
    low, zero, high = panels.numbers_of(reading.limit)
    if reading.beyond:
        low, high = f"{low} or less", f"{high} or more"
    said = f"{quantity}: blue is {low}, white {zero}, red {high}"
    ends = "".join(f"<span>{text}</span>" for text in (low, zero, high))
    return (
        f'<div role="img" aria-label="{html.escape(said)}" style="width:16em;max-width:100%;'
        'color:#000;font-size:.85em;text-align:center">\n'
        f'<div style="height:.7em;background:linear-gradient(to right,{stops})"></div>\n'
        f'<div style="display:flex;justify-content:space-between">{ends}</div>\n'
        f"{html.escape(quantity)}</div>\n"
    )


def _table(reading: _tokens.Reading, quantity: str) -> str:
    rows = "".join(
        f'<tr><td style="{CELL}left">{html.escape(_pieces.visible(token.word))}</td>'
        f'<td style="{CELL}right">{_number(token)}</td></tr>\n'
        for token in reading.tokens
    )
    return (
        f'<details style="margin-top:.4em;{QUIET}">\n<summary>Table of the tokens</summary>\n'
        '<table style="border-collapse:collapse">\n'
        f'<tr><th scope="col" style="{CELL}left">token</th>'
        f'<th scope="col" style="{CELL}right">{html.escape(quantity)}</th></tr>\n'
        f"{rows}</table>\n</details>\n"
    )


def _page(path: Path) -> Path:
    path = path if path.suffix else path.with_name(path.name + ".html")
    if path.suffix.lower() != ".html":
        raise ValueError(f"A page is an .html. Received: {str(path)!r}. Change the suffix.")
    return path
