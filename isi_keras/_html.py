"""Tables that notebooks show: escaped, readable in light and in dark pages."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

_CELL = "padding:.2em .8em;text-align:{};border-bottom:1px solid #8c8c8c55;vertical-align:top"


def table(
    title: str, rows: Iterable[Sequence[Any]], head: Sequence[str] = (), note: str = ""
) -> str:
    """A table of texts, the first column as heads of its rows.

    Args:
        title: its caption.
        rows: cells; what is no str is shown by `str`.
        head: of the columns; none if empty.
        note: what stands below.
    """
    top = "".join(f'<th scope="col" style="{_cell(i)}">{_text(t)}</th>' for i, t in enumerate(head))
    lines = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in rows)
    return (
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f'<caption style="text-align:left;font-weight:600;padding:.3em 0">{_text(title)}</caption>'
        + (f"<thead><tr>{top}</tr></thead>" if head else "")
        + f"<tbody>{lines}</tbody></table>"
        + (f'<p style="font-size:.9em;opacity:.85">{_text(note)}</p>' if note else "")
    )


def _cells(row: Sequence[Any]) -> Iterable[str]:
    for place, value in enumerate(row):
        tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
        yield f'<{tag}{scope} style="{_cell(place)}">{_text(value)}</{tag}>'


def _cell(place: int) -> str:
    return _CELL.format("left" if place == 0 else "right")


def _text(value: Any) -> str:
    return html.escape(str(value))
