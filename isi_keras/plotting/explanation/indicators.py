"""Several indicators side by side: a row for each sample, a column for each indicator."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isi_keras.plotting import checks, images, panels, plots, style
from isi_keras.plotting.explanation import _maps
from isi_keras.results import Explanation

FIRST = 4
"""How many samples are drawn unless told which."""

LARGEST, LEAST = 1.2, 0.6
"""Inches of the side of a map; many indicators widen the figure beyond 7 inches."""

BARS = 10
"""How many tabular features are drawn, those of the greatest magnitude in any column."""

BESIDE = 0.55
"""Inches that the colour bar takes with its numbers and its label."""

NOTE = "Each map has its own colour scale, symmetric about zero; the number below it is {}."


def indicators(
    explanations: Mapping[str, Explanation],
    *,
    indices: Any = None,
    overlay: bool = False,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    bounds: tuple[Any, Any] | None = None,
    data_format: str | None = None,
    percentile: float = 100.0,
) -> Figure:
    """Draws the maps of several indicators of the same samples as a grid.

    A row holds the input of one sample and its map by each indicator, in the order of the mapping.
    Maps are summed over the channels; each has its own scale, symmetric about zero, and its
    greatest magnitude, or a percentile, below it. Tabular features, `(N, D)`, become bars, whose
    features are the same in all columns: those that are greatest in any of them, measured by its
    own greatest.

    Args:
        explanations: what `explain` returned for the same samples and classes, by the label of its
            column.
        indices: which samples, as numbers or a mask of `N` bools; the first 4 if `None`.
        overlay: whether the maps of images lie over their input, as in `heatmap`.
        classes: the names of the classes; their numbers if `None`.
        names: the names of tabular features; their numbers if `None`.
        bounds: which values are black and white in the inputs, numbers or arrays that broadcast to
            `x`; the least and greatest of the samples drawn if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.
        percentile: of the magnitudes of a map: what has the strongest colour, above 0 and at most
            100. A few extreme pixels leave the rest of a map of a photograph pale; 99.5 shows it.
            It does not apply to the bars of tabular features.

    Returns:
        The Figure, 7 inches wide or wider if the indicators are many.

    Raises:
        TypeError: if `explanations` is not a mapping to `Explanation`.
        ValueError: if it is empty, if the explanations are of different samples or classes, or if
            an argument does not fit them.

    Example:
    >>> import dataclasses
    >>> from isi_keras.plotting import _example
    >>> one = _example.explanation()
    >>> two = dataclasses.replace(one, relevance=-2 * one.relevance)
    >>> figure = indicators({"z": one, "epsilon": two})
    >>> [(ax.get_title(), ax.get_xlabel()) for ax in figure.axes[:3]]
    [('input', ''), ('z', '±1'), ('epsilon', '±2')]
    """
    first = _checked(explanations)
    percentile = checks.as_percentile(percentile)
    if indices is None:
        indices = range(min(FIRST, len(first)))
    picked = checks.chosen(indices, len(first))
    captions = [_caption(first, int(index), classes) for index in picked]
    with style.context():
        if first.x.ndim == 2:
            checks.expect_no_image(overlay, "overlay")
            return _table(explanations, picked, captions, names)
        checks.check_names(names, None)
        where = checks.format_of(first, data_format)
        inputs = _maps.inputs_of(first, picked, bounds, where)
        maps = [
            images.as_maps(each.relevance[picked], data_format=checks.format_of(each, data_format))
            for each in explanations.values()
        ]
        return _pictures(explanations, inputs, np.stack(maps, 1), captions, overlay, percentile)


def _pictures(
    explanations: Mapping[str, Explanation],
    inputs: np.ndarray,
    maps: np.ndarray,
    captions: list[str],
    overlay: bool,
    percentile: float,
) -> Figure:
    """The grid; `maps` are `(samples, indicators, H, W)`."""
    count, columns = len(inputs), 1 + len(explanations)
    ratio = inputs.shape[1] / inputs.shape[2]
    tall_captions = style.widest(captions, style.TEXT)
    left = style.lines(captions) * style.LINE + 0.05
    side = (style.WIDTH - left - BESIDE) / columns - style.GAP
    side = min(max(side, LEAST), LARGEST)
    high = max(min(side * ratio, 2 * LARGEST), 0.0)
    row = max(high + style.LINE, tall_captions) + 0.06
    titles = ["input", *(_broken(label, side) for label in explanations)]
    width = columns * (side + style.GAP) + left + BESIDE
    note = style.wrap(NOTE.format(checks.percentile_of(percentile)), 0.95 * width, style.SMALL)
    below = (style.lines([note]) + 0.3) * style.LINE
    figure = style.figure(width, count * row + style.lines(titles) * style.LINE + below + 0.1)
    axes, bar = panels.grid_and_bar(figure, count, columns, side)
    for line, image, own, caption in zip(axes, inputs, maps, captions, strict=True):
        panels.draw_image(line[0], image)
        line[0].set_ylabel(caption, labelpad=3)
        for ax, values in zip(line[1:], own, strict=True):
            limit = panels.limit_of(values, percentile)
            if overlay:
                panels.draw_over(ax, image, values, limit)
            else:
                panels.draw_signed(ax, values, limit)
            ax.set_xlabel(f"±{style.number(limit, 2)}", fontsize=style.SMALL, labelpad=2)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, pad=3)
    signs = ("\N{MINUS SIGN}", "0", "+")
    panels.common_bar(bar, axes[0, -1].images[-1], _quantity(explanations), numbers=signs)
    figure.supxlabel(note, fontsize=style.SMALL, color=style.MUTED)
    return figure


def _table(
    explanations: Mapping[str, Explanation],
    picked: np.ndarray,
    captions: list[str],
    names: Sequence[str] | None,
) -> Figure:
    """The grid of bars; a row has the same features in all its columns."""
    first = next(iter(explanations.values()))
    checks.check_names(names, first.x.shape[1])
    shown = min(BARS, first.x.shape[1])
    columns = len(explanations)
    width = max(style.WIDTH, 1.6 + columns * 1.1)
    titles = [_broken(label, (width - 1.6) / columns) for label in explanations]
    row = 0.19 * shown + 2.8 * style.LINE
    figure = style.figure(width, len(picked) * row + (style.lines(titles) + 0.5) * style.LINE)
    cells = figure.subfigures(len(picked), 1, squeeze=False, hspace=0.02)
    top = None
    for (cell,), index, caption in zip(cells, picked, captions, strict=True):
        values = [
            images.finite(each.relevance[[index]], "relevance")[0] for each in explanations.values()
        ]
        limits = [panels.limit_of(each) for each in values]
        most = np.max([np.abs(v) / limit for v, limit in zip(values, limits, strict=True)], axis=0)
        features = np.argsort(-most, kind="stable")[:shown]
        axes = cell.subplots(1, columns, squeeze=False, sharey=True)[0]
        for ax, each, limit in zip(axes, values, limits, strict=True):
            panels.draw_signed_bars(ax, each[features], limit)
        labels = _maps.labels_of(first, int(index), features, names, 1.1)
        axes[0].set_yticks(np.arange(len(features)), labels)
        more = f", {shown} of {first.x.shape[1]} features" if shown < first.x.shape[1] else ""
        cell.suptitle(caption.replace("\n", ", ") + more)
        top = axes if top is None else top
    for ax, title in zip(top, titles, strict=True):  # pyright: ignore[reportArgumentType]
        ax.set_title(title, pad=3)
    return figure


def _checked(explanations: Any) -> Explanation:
    """The first of the explanations; raises unless all are of the same samples and classes."""
    checks.expect_each(explanations, plots.MAPS, 'indicators({"relevance": explanation})')
    (label, first), *others = explanations.items()
    for name, other in others:
        same = (
            np.shape(other.x) == np.shape(first.x)
            and np.array_equal(other.x, first.x)
            and np.array_equal(other.target, first.target)
        )
        if not same:
            raise ValueError(
                "Indicators are compared on the same samples and classes. Received: "
                f"{name!r} with another x or target than {label!r}. Explain the same x for the "
                "same target with each."
            )
    return first


def _caption(explanation: Explanation, index: int, classes: Sequence[str] | None) -> str:
    """What stands beside a row: the explained class, and the prediction if it is another one."""
    predicted, explained = (
        checks.short_name(numbers[index], classes)
        for numbers in (explanation.prediction, explanation.target)
    )
    logit = f"logit {style.number(explanation.logits[index, explanation.target[index]])}"
    if predicted == explained:
        return f"predicted {predicted}\n{logit}"
    return f"predicted {predicted}\nexplained {explained}\n{logit}"


def _broken(label: str, width: float) -> str:
    """A label on as many lines as it takes, broken after spaces and underscores, the rest cut."""
    words = style.wrap(str(label), width)
    lines = [part for line in words.split("\n") for part in _pieces(line, width)]
    return "\n".join(style.shorten(line, width) for line in lines)


def _pieces(line: str, width: float) -> list[str]:
    return style.wrap(line, width, at="_").split("\n")


def _quantity(explanations: Mapping[str, Explanation]) -> str:
    """What the maps show, if all show the same."""
    found = {_maps.quantity_of(each) for each in explanations.values()}
    return found.pop() if len(found) == 1 else "map"
