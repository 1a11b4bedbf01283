"""A gallery of adversarial examples: what was, what came out, what changed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isi_keras import _checks
from isi_keras.plotting import checks, images, measures, panels, plots, style
from isi_keras.plotting.attack import _images
from isi_keras.results import AttackResult

CELL = 0.56
"""Least width and height of one image in inches, so that its row label fits."""

MARGIN = 0.62
"""Inches that the row labels and the numbers of the colour bar take from the width of a figure."""

BAR = 0.13
"""What a colour bar takes, as a share of its image."""

ROWS = ("original", "adversarial", "change")


def examples(
    result: AttackResult,
    *,
    count: int = 10,
    classes: Sequence[str] | None = None,
    indices: Any = None,
    columns: int = 10,
    limit: float | None = None,
    data_format: str | None = None,
) -> Figure:
    """Draws the original, the adversarial image and what changed, one column per sample.

    The caption above a column says "label → prediction", the one below how far it is: the distance
    under the norms L2 and Linf, otherwise how many inputs changed (each channel counts on its own).
    A failed attack has a red frame and the word "failed". The changes are signed: red is brighter,
    blue darker; a colour image shows the channel that changed most.

    Args:
        result: what an `Attack` returned on images.
        count: how many samples to draw: the first that were attacked at all.
        classes: the names of the classes; their numbers if `None`.
        indices: which samples to draw instead, as numbers or a mask of `N` bools.
        columns: the most samples side by side; fewer if long class names need the room. Further
            samples follow below.
        limit: the change that has the strongest colour, in the units of `x`; the width of the
            bounds if `None`. Give a smaller one where every change is small.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.

    Returns:
        The Figure, at most 7 inches wide.

    Raises:
        TypeError: if `result` is not an `AttackResult`.
        ValueError: if it is empty, not of images or without attacked samples, or if an argument
            does not fit it.

    Example:
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack()
    >>> figure = examples(result)
    >>> figure.axes[0].get_title(), figure.axes[2].get_xlabel()
    ('0 → 1', '4 changed')
    """
    checks.expect(result, plots.ATTACK)
    data_format = checks.format_of(result, data_format)
    columns = _checks.integer("columns", columns, 1)
    if indices is None:
        picked = checks.first_attacked(result, count)
    else:
        picked = checks.chosen(indices, len(result))
    shown = _images.rows(result, picked, data_format)
    limit = _change_limit(result.bounds, limit)
    above = _above(result, picked, classes)
    below = [_below(result, index) for index in picked]
    ratio = images.ratio(result.x, data_format)
    text = max(style.widest(above, style.TEXT), style.widest(below, style.SMALL))
    flat = ratio * (style.WIDTH - MARGIN) / (1 + BAR) < CELL
    margin = MARGIN + (style.widest(ROWS, style.SMALL) if flat else 0)
    least = max(CELL, CELL / ratio, text - style.GAP / 2)
    fit = int((style.WIDTH - margin - BAR * least) / (least + style.GAP))
    across = max(1, min(len(picked), columns, fit))
    cell = (style.WIDTH - margin - across * style.GAP) / (across + BAR)
    cell = min(cell, max(least, _images.LARGE))
    bands = -(-len(picked) // across)
    tall = 3 * bands * (cell * ratio + style.GAP)
    for first in range(0, len(picked), across):
        high = sum(style.lines(texts[first : first + across]) for texts in (above, below))
        tall += (high + 0.5) * style.LINE
    with style.context():
        width = across * (cell + style.GAP) + BAR * cell + margin
        figure = style.figure(width, tall, layout="compressed")
        grid = figure.subplots(3 * bands, across, squeeze=False)
        grid = grid.reshape(bands, 3, across).swapaxes(1, 2).reshape(-1, 3)  # (places, 3)
        for ax in grid[len(picked) :].flat:
            ax.remove()
        for place, index in enumerate(picked):
            axes = grid[place]
            panels.draw_image(axes[0], shown[0][place])
            panels.draw_image(axes[1], shown[1][place])
            panels.draw_signed(axes[2], shown[2][place], limit)
            axes[0].set_title(above[place], pad=3)
            axes[2].set_xlabel(below[place], fontsize=style.SMALL, labelpad=3)
            if _images.failed(result)[index]:
                _images.mark_failed(axes[1], labelled=axes[2])
        for first in grid[: len(picked) : across]:
            for ax, name in zip(first, ROWS, strict=True):
                ax.set_ylabel(name, fontsize=style.SMALL)
                if flat:
                    ax.yaxis.label.set(rotation=0, ha="right", va="center")
        beyond = bool(np.abs(shown[2]).max() > limit * (1 + images.ROUNDING))
        panels.signed_bar(grid[across - 1, 2], "change of x", beyond=beyond)
    return figure


def _above(result: AttackResult, picked: np.ndarray, classes: Sequence[str] | None) -> list[str]:
    """What stands above each column, "label → prediction", on two lines if one is too long."""
    pairs = [_images.names(result, index, classes) for index in picked]
    above = [f"{label} → {prediction}" for label, prediction in pairs]
    if style.widest(above, style.TEXT) > _images.LARGE:
        return [f"{label}\n→ {prediction}" for label, prediction in pairs]
    return above


def _below(result: AttackResult, index: int) -> str:
    """What stands below a column: how far the sample went, and a failure in words."""
    measure = measures.natural(result)
    far = measures.of_samples(result[[index]], measure, None)
    text = measures.caption(measure, float(far[0]), result)
    if _images.failed(result)[index]:
        return f"{text}\nfailed"
    return text if result.attacked[index] else f"{text}\nnot attacked"


def _change_limit(bounds: tuple[np.ndarray, np.ndarray], limit: float | None) -> float:
    if limit is None:
        return float((bounds[1] - bounds[0]).max())
    return float(_checks.positive("limit", limit))


def draw_attack(
    result: AttackResult,
    *,
    count: int = 10,
    classes: Sequence[str] | None = None,
    indices: Any = None,
    limit: float | None = None,
    data_format: str | None = None,
) -> Figure:
    """Draws `examples` fit for any attack: many changes have room, small ones all the colours.

    Args:
        result: as for `examples`, and so are the others.
        count: likewise.
        classes: likewise.
        indices: likewise.
        limit: the greatest change of the samples drawn if `None`, where it is within the bounds.
        data_format: likewise.

    Returns:
        The Figure.
    """
    drawn = np.flatnonzero(result.attacked)[:count]
    if indices is not None:
        drawn = np.array([index for index in indices if 0 <= index < len(result)], int)
    greatest = float(np.abs(result.adversarial[drawn] - result.x[drawn]).max(initial=0))
    if limit is None and 0 < greatest < _change_limit(result.bounds, None):
        limit = greatest
    changed = result.changed[drawn]
    most = changed.sum(axis=tuple(range(1, changed.ndim))).max(initial=0)
    return examples(
        result,
        count=count,
        classes=classes,
        indices=indices,
        columns=5 if most >= 100 else 10,  # captions of three digits leave no room for ten
        limit=limit,
        data_format=data_format,
    )
