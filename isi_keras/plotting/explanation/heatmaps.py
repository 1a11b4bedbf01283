"""Relevance maps beside their inputs, and bars over tabular features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure

from isi_keras import _checks
from isi_keras.plotting import checks, images, panels, plots, style
from isi_keras.plotting.explanation import _maps
from isi_keras.results import Explanation

FIRST = 12
"""How many samples `heatmaps` draws unless told which."""

LEAST = 1.7
"""Inches that one sample of `heatmaps` needs from side to side."""

NOTE = "Each map has its own colour scale, symmetric about zero{}."


def heatmaps(
    explanation: Explanation,
    *,
    indices: Any = None,
    columns: int = 3,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    bounds: tuple[Any, Any] | None = None,
    data_format: str | None = None,
    percentile: float = 100.0,
) -> Figure:
    """Draws samples, each beside its signed relevance map.

    Each map is summed over the channels and has its own colour bar, symmetric about zero up to the
    greatest magnitude in it, or a percentile; red and blue mean what they mean in `heatmap`.
    Tabular features, `(N, D)`, become bars instead, labelled with their values, the greatest on
    top.

    Args:
        explanation: what `explain` returned.
        indices: which samples, as numbers or a mask of `N` bools; the first 12 if `None`.
        columns: samples per row, at most 4.
        classes: the names of the classes; their numbers if `None`.
        names: the names of tabular features; their numbers if `None`.
        bounds: which values are black and white in the inputs, numbers or arrays that broadcast to
            `explanation.x`; the least and greatest of the samples drawn if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.
        percentile: of the magnitudes of a map: what has the strongest colour, above 0 and at most
            100. A few extreme pixels leave the rest of a map of a photograph pale; 99.5 shows it.
            It does not apply to the bars of tabular features.

    Returns:
        The Figure, 7 inches wide if a row is full.

    Raises:
        TypeError: if `explanation` is not an `Explanation`.
        ValueError: if it is empty or neither images nor tabular, or if an argument does not fit it.

    Example:
    >>> from isi_keras.plotting import _example
    >>> explanation = _example.explanation()
    >>> figure = heatmaps(explanation)
    >>> figure.subfigs[0].get_suptitle()
    'predicted 1, explained 1, logit 11.3'
    """
    checks.expect(explanation, plots.MAPS)
    data_format = checks.format_of(explanation, data_format)
    percentile = checks.as_percentile(percentile)
    columns = _checks.integer("columns", columns, 1)
    if indices is None:
        indices = range(min(FIRST, len(explanation)))
    picked = checks.chosen(indices, len(explanation))
    columns = min(columns, int(style.WIDTH / LEAST))
    width = style.WIDTH / columns
    captions = [
        style.wrap(_maps.caption_of(explanation, index, classes), 0.94 * width, at=", ")
        for index in picked
    ]
    height = _maps.height_of(explanation, width, data_format, across=2)
    height += (style.lines(captions) + 0.8) * style.LINE
    tabular = explanation.x.ndim == 2
    shape = -(-len(picked) // columns), min(columns, len(picked))
    with style.context():
        note = style.wrap(NOTE.format(_up_to(percentile)), 0.95 * width * shape[1], style.SMALL)
        bottom = 0 if tabular else style.lines([note]) * style.LINE
        figure = style.figure(width * shape[1], height * shape[0] + bottom)
        cells = figure.subfigures(*shape, squeeze=False, wspace=0.03, hspace=0.05)
        cells = list(cells.flat)[: len(picked)]
        for cell, caption in zip(cells, captions, strict=True):
            cell.suptitle(caption)
        if tabular:
            for cell, index in zip(cells, picked, strict=True):
                _maps.draw_bars(cell.subplots(), explanation, index, names, width)
        else:
            inputs = _maps.inputs_of(explanation, picked, bounds, data_format)
            maps = images.as_maps(explanation.relevance[picked], data_format=data_format)
            _pairs(cells, inputs, maps, _maps.quantity_of(explanation), percentile)
            figure.supxlabel(note, fontsize=style.SMALL, color=style.MUTED)
    return figure


def _up_to(percentile: float) -> str:
    return "" if percentile == 100 else f", up to {checks.percentile_of(percentile)}"


def _pairs(
    cells: Sequence[SubFigure],
    inputs: np.ndarray,
    maps: np.ndarray,
    quantity: str,
    percentile: float,
) -> None:
    """Draws each input beside its map; all colour bars take the same room."""
    limits = [panels.limit_of(values, percentile) for values in maps]
    numbers = [text for limit in limits for text in panels.numbers_of(limit)]
    room = style.widest(numbers, style.SMALL)
    for cell, image, values in zip(cells, inputs, maps, strict=True):
        left, right = cell.subplots(1, 2)
        panels.draw_image(left, image)
        left.set_anchor("E")
        _maps.draw_map(right, values, quantity, room, percentile=percentile)
