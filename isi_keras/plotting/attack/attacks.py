"""Several attacks on the same samples: a row of originals, then a row for each attack."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isi_keras import _checks
from isi_keras.plotting import checks, images, measures, panels, plots, style
from isi_keras.plotting.attack import _images
from isi_keras.results import AttackResult

LEAST = 0.5
"""Least width of one image in inches; more samples than fit in 7 inches widen the figure."""


def attacks(
    results: Mapping[str, AttackResult],
    *,
    count: int = 10,
    indices: Any = None,
    measure: str | None = None,
    classes: Sequence[str] | None = None,
    data_format: str | None = None,
) -> Figure:
    r"""Draws what several attacks, such as one under each norm, make of the same images.

    The first row has the originals below their predicted classes; each further row has the
    adversarial images of one attack. The caption below says how far it is and what it is predicted
    as; a failed attack has a red frame and the word "failed".

    Args:
        results: what an `Attack` returned on the same images, by the label of its row.
        count: how many samples to draw: the first that all of them attacked.
        indices: which samples to draw instead, as numbers or a mask of `N` bools.
        measure: `"l0_feature"`, `"l0_position"`, `"l2"` or `"linf"`, as in `evaluate`; that of the
            norm of each attack if `None`.
        classes: the names of the classes; their numbers if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.

    Returns:
        The Figure, at most 7 inches wide unless more samples are drawn than fit.

    Raises:
        TypeError: if `results` is not a mapping to `AttackResult`.
        ValueError: if it is empty, if the results are of different images or of none, or if an
            argument does not fit them.

    Example:
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack()
    >>> figure = attacks({"L0": result})
    >>> [ax.get_ylabel() for ax in figure.axes], figure.axes[1].get_xlabel()
    (['original', 'L0'], '4 changed\n→ 1')
    """
    first = _checked(results)
    if indices is None:
        picked = _attacked_by_all(results, count)
    else:
        picked = checks.chosen(indices, len(first))
    formats = [checks.format_of(result, data_format) for result in results.values()]
    originals, _, _ = _images.rows(first, picked, formats[0])
    rows = [
        _images.rows(result, picked, where)[1]
        for result, where in zip(results.values(), formats, strict=True)
    ]
    above = [checks.short_name(first.clean_prediction[index], classes) for index in picked]
    below = [
        _below(result, picked, measure or measures.natural(result), classes, where)
        for result, where in zip(results.values(), formats, strict=True)
    ]
    ratio = images.ratio(first.x, formats[0])
    widest = max(style.widest(texts, style.SMALL) for texts in below)
    widest = max(widest, style.widest(above, style.TEXT))
    left = min(1.3, style.widest(("original", *results), style.TEXT))
    cell = (style.WIDTH - left - 0.3) / len(picked) - style.GAP
    cell = min(max(cell, LEAST, LEAST / ratio, widest), max(_images.LARGE, widest))
    tall = (1 + len(rows)) * (cell * ratio + style.GAP) + 1.6 * style.LINE
    tall += sum(style.lines(texts) + 0.5 for texts in below) * style.LINE
    with style.context():
        figure = style.figure(len(picked) * (cell + style.GAP) + left + 0.3, tall)
        grid = figure.subplots(1 + len(rows), len(picked), squeeze=False)
        for ax, image, name in zip(grid[0], originals, above, strict=True):
            panels.draw_image(ax, image)
            ax.set_title(name, pad=3)
        for axes, result, shown, texts in zip(grid[1:], results.values(), rows, below, strict=True):
            for ax, index, image, text in zip(axes, picked, shown, texts, strict=True):
                panels.draw_image(ax, image)
                ax.set_xlabel(text, fontsize=style.SMALL, labelpad=2)
                if _images.failed(result)[index]:
                    _images.mark_failed(ax)
        for ax, label in zip(grid[:, 0], ("original", *results), strict=True):
            ax.set_ylabel(style.shorten(label, left), rotation=0, ha="right", va="center")
    return figure


def _checked(results: Any) -> AttackResult:
    """The first of the results; raises unless all are of the same images."""
    checks.expect_each(results, plots.ATTACK, 'attacks({"L0": result})')
    (label, first), *others = results.items()
    for name, other in others:
        if not np.array_equal(other.x, first.x):
            raise ValueError(
                "The rows of one picture must be of the same images. Received: "
                f"{name!r} of another x than {label!r}. Attack the same x with each."
            )
    return first


def _attacked_by_all(results: Mapping[str, AttackResult], count: int) -> np.ndarray:
    count = _checks.integer("count", count, 1)
    attacked = np.all([result.attacked for result in results.values()], axis=0)
    if not attacked.any():
        raise ValueError(
            "No sample was attacked by all of the attacks. Pass indices to draw samples anyway."
        )
    return np.flatnonzero(attacked)[:count]


def _below(
    result: AttackResult,
    picked: np.ndarray,
    measure: str,
    classes: Sequence[str] | None,
    data_format: str,
) -> list[str]:
    """What stands below each image of a row: its distance, and what it became."""
    far = measures.of_samples(result, measure, data_format)
    texts = []
    for index in picked:
        said = measures.caption(measure, float(far[index]), result)
        if _images.failed(result)[index]:
            texts.append(f"{said}\nfailed")
        elif not result.attacked[index]:
            texts.append("not attacked")
        else:
            texts.append(f"{said}\n→ {checks.short_name(result.prediction[index], classes)}")
    return texts
