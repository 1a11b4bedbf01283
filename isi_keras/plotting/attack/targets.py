"""The grid of a targeted attack: from every source class to every target class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from isi_keras.plotting import checks, images, panels, plots, style
from isi_keras.plotting.attack import _images
from isi_keras.results import AttackResult

LEAST = 0.3
"""Least width of one image in inches; more classes than fit in 7 inches widen the figure."""


def targets(
    result: AttackResult,
    *,
    classes: Sequence[str] | None = None,
    data_format: str | None = None,
) -> Figure:
    """Draws a targeted attack as a grid: a row per source class, a column per target class.

    The source of a sample is its `clean_prediction`. A cell holds the adversarial image of the
    first sample attacked from that source to that target, with a red frame if the attack failed.
    The diagonal holds the first original of each source in a grey frame. Cells without a sample
    stay empty.

    Args:
        result: what an `Attack` returned on images for one or more targets.
        classes: the names of the classes; their numbers if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.

    Returns:
        The Figure, 7 inches wide or wider if the classes are many.

    Raises:
        TypeError: if `result` is not an `AttackResult`.
        ValueError: if it is empty, untargeted or not of images, or if `classes` is too short.

    Example:
    >>> import numpy as np
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack(target=np.array([1]))
    >>> figure = targets(result)
    >>> [ax.get_title() for ax in figure.axes]
    ['0', '1']
    """
    checks.expect(result, plots.ATTACK)
    data_format = checks.format_of(result, data_format)
    if result.target is None:
        raise ValueError(
            "A grid of targets needs a targeted attack. Received: an untargeted AttackResult "
            "(target=None). Draw it with plotting.examples, or attack with target=...."
        )
    sources = np.unique(result.clean_prediction)
    reached = np.unique(np.concatenate([sources, result.target]))
    names = {number: checks.short_name(number, classes) for number in reached}
    cells = _cells(result, sources, reached)
    picked = np.array(list(cells.values()))
    original, adversarial, _ = _images.rows(result, picked, data_format)
    room = style.widest(names.values(), style.TEXT)
    cell = (style.WIDTH - 0.35 - room) / len(reached) - style.GAP
    cell = min(max(cell, LEAST), _images.LARGE)
    turned = room > cell
    tall = len(sources) * (cell * images.ratio(result.x, data_format) + style.GAP)
    tall += 2 * style.LINE + (room if turned else style.LINE) + 0.2
    with style.context():
        wide = len(reached) * (cell + style.GAP) + room + 0.35
        figure = style.figure(wide, tall, layout="compressed")
        grid = figure.subplots(len(sources), len(reached), squeeze=False)
        for ax in grid.flat:
            style.frame(ax, "none")
        for place, ((row, column), index) in enumerate(cells.items()):
            ax = grid[row, column]
            same = sources[row] == reached[column]
            panels.draw_image(ax, (original if same else adversarial)[place])
            if same:
                style.frame(ax, style.NEUTRAL, _images.MARKED)
            elif _images.failed(result)[index]:
                _images.mark_failed(ax)
        for ax, number in zip(grid[0], reached, strict=True):
            ax.set_title(names[number], rotation=90 if turned else 0, pad=3)
        for ax, number in zip(grid[:, 0], sources, strict=True):
            ax.set_ylabel(names[number], rotation=0, ha="right", va="center", labelpad=3)
        figure.suptitle("target class")
        figure.supylabel("source class")
        figure.legend(handles=_legend(result, picked), loc="outside lower center", ncols=2)
    return figure


def _cells(
    result: AttackResult, sources: np.ndarray, reached: np.ndarray
) -> dict[tuple[int, int], int]:
    """The sample of each cell that has one, by row and column."""
    cells: dict[tuple[int, int], int] = {}
    for row, source in enumerate(sources):
        for column, target in enumerate(reached):
            if source == target:
                found = np.flatnonzero(result.clean_prediction == source)
            else:
                aimed = (result.clean_prediction == source) & (result.target == target)
                found = np.flatnonzero(aimed & result.attacked)
            if found.size:
                cells[row, column] = int(found[0])
    return cells


def _legend(result: AttackResult, picked: np.ndarray) -> list[Patch]:
    kinds = [("original", style.NEUTRAL)]
    kinds += [("failed", style.FAILED)] if _images.failed(result)[picked].any() else []
    return [Patch(fill=False, edgecolor=color, label=name) for name, color in kinds]
