"""What an attack changed: the original, the difference and the adversarial input side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isi_keras import _checks, evaluation
from isi_keras.plotting import checks, images, measures, panels, plots, style
from isi_keras.plotting.attack import _images, _order
from isi_keras.results import AttackResult

FIRST = 4
"""How many samples are drawn unless told which."""

SIDE = 1.5
"""Inches of the longer side of an image."""

OUTLINED = 0.25
"""Up to which share of the pixels the changed ones are outlined."""

BAR = 0.19
"""Inches from one bar to the next."""

TITLES = ("original", "change", "adversarial")


def changes(
    result: AttackResult,
    *,
    indices: Any = None,
    limit: float | None = None,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    data_format: str | None = None,
) -> Figure:
    r"""Draws the original, what was added to it, and the sum; a row for each sample.

    The change is signed: red is greater, blue smaller; of a colour image it is that of the channel
    that changed most. Changed pixels have an outline, so that small changes are seen too, unless
    they are more than a quarter of the image. The caption below the change says how many inputs
    changed and how far, below the other two what the model predicts; a failed attack has a red
    frame. Of tabular features, `(N, D)`, the changed ones are drawn as bars, the first changed on
    top.

    Args:
        result: what an `Attack` returned on images or tabular features.
        indices: which samples, as numbers or a mask of `N` bools; the first 4 that were attacked if
            `None`.
        limit: the change that has the strongest colour, in the units of `x`; the greatest of those
            drawn if `None`. Tabular features have no colours for it.
        classes: the names of the classes; their numbers if `None`.
        names: the names of tabular features; their numbers if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.

    Returns:
        The Figure.

    Raises:
        TypeError: if `result` is not an `AttackResult`.
        ValueError: if it is empty, neither images nor tabular or without attacked samples, or if an
            argument does not fit it.

    Example:
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack()
    >>> figure = changes(result)
    >>> [ax.get_xlabel() for ax in figure.axes[:3]]
    ['predicted 0', '4 inputs changed\nL2 2, L∞ 1', 'predicted 1']
    """
    checks.expect(result, plots.ATTACK)
    data_format = checks.format_of(result, data_format)
    limit = limit if limit is None else _checks.positive("limit", limit)
    if indices is None:
        picked = checks.first_attacked(result, FIRST)
    else:
        picked = checks.chosen(indices, len(result))
    tabular = result.x.ndim == 2
    checks.check_names(names, result.x.shape[1] if tabular else None)
    below = [_below(result, int(index), classes, data_format) for index in picked]
    with style.context():
        if tabular:
            return _table(result, picked, below, names)
        return _pictures(result, picked, below, limit, data_format)


def _pictures(
    result: AttackResult,
    picked: np.ndarray,
    below: list[tuple[str, str, str]],
    limit: float | None,
    data_format: str,
) -> Figure:
    shown = _images.rows(result, picked, data_format)
    ratio = images.ratio(result.x, data_format)
    height, width = SIDE * min(1.0, ratio), SIDE * min(1.0, 1 / ratio)
    text = max(style.widest(texts, style.SMALL) for texts in below)
    cell = max(width, text + 0.1) + style.GAP
    tall = len(picked) * (height + style.GAP) + 1.5 * style.LINE
    tall += sum(style.lines(texts) + 0.4 for texts in below) * style.LINE
    figure = style.figure(3 * cell + 0.75, tall)
    axes, beside = panels.grid_and_bar(figure, len(picked), 3, cell)
    most = panels.limit_of(shown[2]) if limit is None else float(limit)
    for row, original, adversarial, change in zip(axes, *shown, strict=True):
        panels.draw_image(row[0], original)
        panels.draw_image(row[2], adversarial)
        panels.draw_signed(row[1], change, most)
        _outline(row[1], change, height)
    beyond = bool(np.abs(shown[2]).max() > most * (1 + images.ROUNDING))
    panels.common_bar(beside, axes[0, 1].images[0], "change of x", beyond=beyond)
    _label(axes, result, picked, below)
    return figure


def _outline(ax: Axes, change: np.ndarray, inches: float) -> None:
    """Draws a thin square around each changed pixel, if they are few."""
    rows, columns = np.nonzero(change)
    if 0 < len(rows) <= OUTLINED * change.size:
        look = {"facecolors": "none", "edgecolors": style.MUTED, "linewidths": 0.5}
        _order.squares(ax, rows, columns, len(change), inches, **look)


def _table(
    result: AttackResult,
    picked: np.ndarray,
    below: list[tuple[str, str, str]],
    names: Sequence[str] | None,
) -> Figure:
    """Bars of the changed features before, between and after, which share their places."""
    changed = [_order.first_changed(result, int(index)) for index in picked]
    shown = [features[: _order.FEATURES] for features in changed]
    rows = [max(1, len(features)) for features in shown]
    extra = sum(style.lines(texts) + 2.6 for texts in below) * style.LINE
    tall = BAR * sum(rows) + extra + 1.5 * style.LINE
    figure = style.figure(style.WIDTH, tall)
    axes = figure.subplots(len(picked), 3, squeeze=False, sharey="row", height_ratios=rows)
    low, high = _range(result, picked)
    for row, index, features, all_changed in zip(axes, picked, shown, changed, strict=True):
        before, after = (
            images.finite(values[[index]], name)[0][features]
            for name, values in (("x", result.x), ("adversarial", result.adversarial))
        )
        places = np.arange(len(features))
        labels = [str(f) if names is None else str(names[f]) for f in features]
        labels = [style.shorten(label, 1.5, style.SMALL) for label in labels]
        colors = [style.POSITIVE if value > 0 else style.NEGATIVE for value in after - before]
        row[0].barh(places, before, color=style.NEUTRAL, height=0.7)
        row[1].barh(places, after - before, color=colors, height=0.7)
        row[2].barh(places, after, color=style.MUTED, height=0.7)
        row[0].set_yticks(places, labels)
        row[0].set_ylim(max(1, len(features)) - 0.5, -0.5)
        span = 1.08 * panels.limit_of(after - before)
        for ax, limits in zip(row, ((low, high), (-span, span), (low, high)), strict=True):
            ax.set_xlim(*limits)
            ax.xaxis.set_major_locator(MaxNLocator(4, symmetric=ax is row[1], steps=[1, 2, 5, 10]))
            ax.axvline(0, color="black", linewidth=0.6)
            panels.plain(ax)
            ax.tick_params(axis="y", length=0)
            ax.spines["left"].set_visible(False)
        if len(features) < len(all_changed):
            note = f"the first {len(features)} of {len(all_changed)}"
            row[1].annotate(
                note,
                (0.98, 0.02),
                xycoords="axes fraction",
                ha="right",
                fontsize=style.SMALL,
                color=style.MUTED,
            )
    _label(axes, result, picked, below)
    return figure


def _range(result: AttackResult, picked: np.ndarray) -> tuple[float, float]:
    """The least and greatest value before or after, with 0 between them and a little room."""
    values = np.concatenate([result.x[picked], result.adversarial[picked]])
    values = images.finite(values, "x")
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    room = 0.04 * ((high - low) or 1.0)
    return low - room * (low < 0), high + room


def _label(
    axes: np.ndarray,
    result: AttackResult,
    picked: np.ndarray,
    below: list[tuple[str, str, str]],
) -> None:
    """Titles above the first row, texts below each panel, red where an attack failed."""
    for ax, title in zip(axes[0], TITLES, strict=True):
        ax.set_title(title, pad=3)
    for row, index, texts in zip(axes, picked, below, strict=True):
        for ax, text in zip(row, texts, strict=True):
            ax.set_xlabel(text, fontsize=style.SMALL, labelpad=3)
        if _images.failed(result)[index]:
            _images.mark_failed(row[2])


def _below(
    result: AttackResult, index: int, classes: Sequence[str] | None, data_format: str
) -> tuple[str, str, str]:
    """What stands below the three panels of a sample."""
    before, after = _images.names(result, index, classes)
    x, adversarial = result.x[[index]], result.adversarial[[index]]
    far = evaluation.distances(x, adversarial, data_format=data_format)
    positions, inputs = measures.changed(result.changed[index], data_format)
    inputs += " changed"
    if measures.has_channels(result.x.shape[1:], data_format):
        inputs += f" ({positions})"
    distances = f"L2 {style.number(far['l2'][0])}, L\N{INFINITY} {style.number(far['linf'][0])}"
    verdict = f"predicted {after}"
    if _images.failed(result)[index]:
        verdict += ": failed"
    elif not result.attacked[index]:
        verdict += ": not attacked"
    return f"predicted {before}", f"{inputs}\n{distances}", verdict
