"""The tokens of one sample as coloured text."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from isi_keras import _checks
from isi_keras.plotting import checks, fonts, panels, style
from isi_keras.plotting.explanation import _flow, _maps, _tokens

PITCH = 1.9 * style.TEXT / 72
"""Inches from one line of text to the next."""

TOP, BOTTOM = 1.05 * style.TEXT / 72, 0.4 * style.TEXT / 72
"""How far the background of a token reaches above and below its baseline, in inches."""

BAR = (1.6, 0.09)
"""Width and height in inches of the colour bar."""

BELOW = 0.41
"""Inches that the colour bar takes below the text, with its numbers and its label."""

NARROW = 4
"""How many lines of half a page a text may have; of more it is drawn over the whole width."""


def text(
    explanation: Any,
    index: int = 0,
    *,
    tokens: Any = None,
    skip: Collection[str] = _tokens.PADDING,
    limit: float | None = None,
    ax: Axes | None = None,
    classes: Sequence[str] | None = None,
) -> Axes:
    """Draws the tokens of one sample as text, the relevance of each as its background.

    Colours are symmetric about zero, as those of `heatmap`: of `Relevance`, red speaks for the
    explained class and blue against it. Tokens that are not words, such as `[CLS]`, are small and
    grey. Pieces of a word are joined, without the marks of their tokenizer (`##`, `Ġ`, `▁`).
    Without words the ids are drawn.

    Args:
        explanation: what `explain` returned of a model that takes token ids; of one with several
            inputs the text among them is drawn.
        index: which sample, from 0.
        tokens: the words of all samples, in any form that `explain` takes; the explanation's own if
            `None`.
        skip: tokens that are not drawn, those of padding. What they carry is said below the text,
            unless it is next to nothing.
        limit: the relevance that has the strongest colour; the greatest of those drawn if `None`.
        ax: where to draw; a new figure, `ax.figure`, if `None`, as high as the text needs. What
            has no room in your `ax` is left out, which is said below.
        classes: the names of the classes; their numbers if `None`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `explanation` is not an `Explanation`, or `tokens` or `limit` is of the wrong
            kind.
        ValueError: if it is empty, if no input or more than one is a text, or if an argument does
            not fit it.

    Example:
    >>> from isi_keras.plotting import _example
    >>> ax = text(_example.sentence())
    >>> [word.get_text() for word in ax.texts], ax.collections[0].get_array().tolist()
    (['a', 'fine', 'film'], [0.0, 2.0, -1.0])
    """
    explanation = _tokens.text_of(explanation, tokens)
    index = int(checks.chosen([index], len(explanation))[0])
    limit = limit if limit is None else _checks.positive("limit", limit)
    reading = _tokens.read(explanation, index, skip, limit)
    caption = _maps.caption_of(explanation, index, classes)
    shown = fonts.drawable([token.text for token in reading.tokens])
    reading = reading._replace(
        tokens=[token._replace(text=t) for token, t in zip(reading.tokens, shown, strict=True)]
    )
    with style.context():
        if ax is None:
            panel, width = _new_panel(reading, caption)
            places = _flow.flow(reading.tokens, width)
        else:
            panel, (width, height) = ax, _room(ax, caption)
            places, notes = _cut(_flow.flow(reading.tokens, width), reading, width, height)
            reading = reading._replace(notes=notes)
        _draw(panel, places, reading, _maps.quantity_of(explanation), width)
        panel.set_title(style.wrap(caption, width, at=", "))
    return panel


def _notes_of(notes: Sequence[str], width: float) -> list[str]:
    """The lines of the notes."""
    return [line for note in notes for line in style.wrap(note, width, style.SMALL).split("\n")]


def _height(lines: int, notes: int) -> float:
    return lines * PITCH + BELOW + notes * 1.35 * style.SMALL / 72


def _lines(places: Sequence[_flow.Place]) -> int:
    return max((place.line for place in places), default=0) + 1


def _room(ax: Axes, caption: str) -> tuple[float, float]:
    """Width and height of the user's panel below its title, once the figure is laid out."""
    ax.set_title(style.wrap(caption, style.inches(ax)[0], at=", "))
    ax.set_axis_off()
    figure: Any = ax.get_figure(root=True)
    if figure.get_layout_engine() is not None and ax.get_subplotspec() is not None:
        # The ticks of panels that are still empty say nothing of the room that is left.
        empty = [each for each in figure.axes if each is not ax and not each.has_data()]
        counted = [each.get_in_layout() for each in empty]
        for each in empty:
            each.set_in_layout(False)
        figure.get_layout_engine().execute(figure)
        for each, before in zip(empty, counted, strict=True):
            each.set_in_layout(before)
    return style.inches(ax)


def _new_panel(reading: _tokens.Reading, caption: str) -> tuple[Axes, float]:
    """A panel that holds the whole text, and the width of its lines."""
    width, room, lines = 0.0, 0.0, 0
    for width in (style.WIDTH / 2, style.WIDTH):
        room = width - 4 * style.GAP
        lines = _lines(_flow.flow(reading.tokens, room))
        if lines <= NARROW:
            break
    high = _height(lines, len(_notes_of(reading.notes, room)))
    above = (style.lines([style.wrap(caption, room, at=", ")]) + 0.7) * style.LINE
    whole = high + above + 2 * style.GAP
    share = (2 * style.GAP / width, 2 * style.GAP / whole, room / width, high / whole)
    figure = style.figure(width, whole)
    figure.set_layout_engine("none")  # the text has its place already
    return figure.add_axes(share), room


def _cut(
    places: list[_flow.Place], reading: _tokens.Reading, width: float, height: float
) -> tuple[list[_flow.Place], list[str]]:
    """The places that have room, whole tokens only, and the notes, which say what is left out."""
    if _height(_lines(places), len(_notes_of(reading.notes, width))) <= height:
        return places, reading.notes
    total = len(reading.tokens)
    notes = [*reading.notes, f"No room for the last {total} of {total} tokens."]
    lines = int((height - _height(0, len(_notes_of(notes, width)))) / PITCH)
    out = min((place.token for place in places if place.line >= max(1, lines)), default=total)
    notes[-1] = f"No room for the last {total - out} of {total} tokens."
    return [place for place in places if place.token < out], notes


def _draw(
    ax: Axes, places: Sequence[_flow.Place], reading: _tokens.Reading, quantity: str, width: float
) -> None:
    ax.set_axis_off()
    figure, corner = ax.get_figure(), ax.transAxes
    # From the upper left corner, whatever becomes of the panel's size.
    inches = figure.dpi_scale_trans + ScaledTranslation(0, 1, corner)  # pyright: ignore
    boxes = [
        Rectangle((place.left, -place.line * PITCH - TOP - BOTTOM), place.width, TOP + BOTTOM)
        for place in places
    ]
    drawn = PatchCollection(
        boxes, cmap=style.SIGNED, edgecolor="white", linewidth=0.5, transform=inches, clip_on=False
    )
    drawn.set_array(np.array([reading.tokens[place.token].value for place in places]))
    drawn.set_clim(-reading.limit, reading.limit)
    ax.add_collection(drawn, autolim=False)
    family = fonts.families(place.text for place in places)
    colors = reading.colors()
    for place in places:
        token = reading.tokens[place.token]
        ax.text(
            place.left + place.width / 2,
            -place.line * PITCH - TOP,
            place.text,
            color=_tokens.ink(token, colors[place.token]),
            family=family,
            fontsize=_flow.size(token),
            horizontalalignment="center",
            parse_math=False,
            transform=inches,
        )
    top = -_lines(places) * PITCH - 0.04
    _bar(ax, inches, drawn, top, quantity, beyond=reading.beyond)
    for number, note in enumerate(_notes_of(reading.notes, width)):
        ax.text(
            0,
            top - BELOW + 0.02 - (number + 1) * 1.35 * style.SMALL / 72,
            note,
            color=style.MUTED,
            fontsize=style.SMALL,
            transform=inches,
        )


def _bar(ax: Axes, inches: Any, drawn: Any, top: float, quantity: str, *, beyond: bool) -> None:
    """A colour bar below the text, flush left, whose numbers stay within its ends."""
    limit = drawn.get_clim()[1]
    panel = ax.inset_axes((0, top - BAR[1], *BAR), transform=inches)
    style.color_bar(
        drawn,
        panel,
        quantity,
        (-limit, 0, limit),
        panels.numbers_of(limit),
        extend="both" if beyond else "neither",
        pad=1,
        orientation="horizontal",
    )
    for label, place in zip(panel.get_xticklabels(), ("left", "center", "right"), strict=True):
        label.set_horizontalalignment(place)
