"""Relevance maps over images, and bars over tabular features."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from isi_keras.plotting import checks, images, panels, style
from isi_keras.results import Explanation

FIRST = 12
"""How many samples `heatmaps` draws unless told which."""

BARS = 15
"""How many tabular features are drawn, those of the greatest magnitude."""

LEAST = 1.7
"""Inches that one sample of `heatmaps` needs from side to side."""

NOTE = "Each map has its own colour scale, symmetric about zero."


def heatmap(
    explanation: Explanation,
    index: int = 0,
    *,
    over: bool = False,
    ax: Axes | None = None,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    data_format: str = "channels_last",
) -> Axes:
    """Draws the relevance map of one sample, alone or over the input.

    An image gets a map summed over its channels and a colour bar, symmetric about zero. Of
    `Relevance`, red speaks for the explained class and blue against it; of `Sensitivity`, red says
    that a greater input raises the logit, blue that it lowers it. Tabular features, `(N, D)`, get
    bars, the greatest on top.

    Args:
        explanation: what `explain` returned.
        index: which sample, from 0.
        over: whether the map of an image lies over its input, which is pale grey. What is 0 is
            transparent, the greatest magnitude hides the input.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The colour bar stands to the right
            of `ax`; `layout="constrained"` makes room for it in your figure.
        classes: the names of the classes; their numbers if `None`.
        names: the names of tabular features; their numbers if `None`.
        data_format: where the channels of an image are, `"channels_last"` or `"channels_first"`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `explanation` is not an `Explanation`.
        ValueError: if `index`, `over`, `classes`, `names` or `data_format` do not fit it.

    Example:
    >>> import numpy as np
    >>> from isi_keras.results import Explanation
    >>> explanation = Explanation(
    ...     x=np.zeros((1, 4, 4)), relevance=np.full((1, 4, 4), -0.5),
    ...     logits=np.array([[2.0, 11.3]]), prediction=np.array([1]), target=np.array([1]),
    ...     config={"class_name": "Relevance"})
    >>> heatmap(explanation).images[0].get_clim()
    (-0.5, 0.5)
    """
    checks.expect(explanation, Explanation)
    index = int(checks.chosen([index], len(explanation))[0])
    caption = caption_of(explanation, index, classes)
    with style.context():
        panel = _new_panel(explanation, data_format) if ax is None else ax
        width = panel.get_window_extent().width / panel.get_figure(root=True).dpi  # pyright: ignore[reportOptionalMemberAccess]
        if explanation.x.ndim == 2:
            checks.expect_no_image(over, "over")
            draw_bars(panel, explanation, index, names, width)
        else:
            maps = images.as_maps(explanation.relevance[[index]], data_format=data_format)
            below = inputs_of(explanation, np.array([index]), None, data_format) if over else [None]
            _map(panel, maps[0], quantity_of(explanation), below=below[0])
        panel.set_title(style.wrap(caption, width, at=", "))
    return panel


def heatmaps(
    explanation: Explanation,
    *,
    indices: Any = None,
    columns: int = 3,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    bounds: tuple[Any, Any] | None = None,
    data_format: str = "channels_last",
) -> Figure:
    """Draws samples, each beside its signed relevance map.

    Each map is summed over the channels and has its own colour bar, symmetric about zero up to the
    greatest magnitude in it; red and blue mean what they mean in `heatmap`. Tabular features,
    `(N, D)`, become bars instead, labelled with their values, the greatest on top.

    Args:
        explanation: what `explain` returned.
        indices: which samples, as numbers or a mask of `N` bools; the first 12 if `None`.
        columns: samples per row, at most 4.
        classes: the names of the classes; their numbers if `None`.
        names: the names of tabular features; their numbers if `None`.
        bounds: which values are black and white in the inputs, numbers or arrays that broadcast to
            `explanation.x`; the least and greatest of the samples drawn if `None`.
        data_format: where the channels of an image are, `"channels_last"` or `"channels_first"`.

    Returns:
        The Figure, 7 inches wide if a row is full.

    Raises:
        TypeError: if `explanation` is not an `Explanation`.
        ValueError: if it is empty or neither images nor tabular, or if an argument does not fit it.

    Example:
    >>> import numpy as np
    >>> from isi_keras.results import Explanation
    >>> explanation = Explanation(
    ...     x=np.eye(4)[None], relevance=np.eye(4)[None], logits=np.array([[2.0, 11.3]]),
    ...     prediction=np.array([1]), target=np.array([1]), config={"class_name": "Relevance"})
    >>> figure = heatmaps(explanation)
    >>> figure.subfigs[0].get_suptitle()
    'predicted 1, explained 1, logit 11.3'
    """
    checks.expect(explanation, Explanation)
    checks.positive(columns, "columns")
    if indices is None:
        indices = range(min(FIRST, len(explanation)))
    picked = checks.chosen(indices, len(explanation))
    columns = min(columns, int(style.WIDTH / LEAST))
    width = style.WIDTH / columns
    captions = [
        style.wrap(caption_of(explanation, index, classes), 0.94 * width, at=", ")
        for index in picked
    ]
    lines = max(caption.count("\n") + 1 for caption in captions)
    height = _panel_height(explanation, width, data_format, across=2) + (lines + 0.8) * style.LINE
    tabular = explanation.x.ndim == 2
    shape = -(-len(picked) // columns), min(columns, len(picked))
    with style.context():
        note = style.wrap(NOTE, 0.95 * width * shape[1], style.SMALL)
        bottom = 0 if tabular else (note.count("\n") + 1) * style.LINE
        figure = style.figure(width * shape[1], height * shape[0] + bottom)
        cells = figure.subfigures(*shape, squeeze=False, wspace=0.03, hspace=0.05)
        cells = list(cells.flat)[: len(picked)]
        for cell, caption in zip(cells, captions, strict=True):
            cell.suptitle(caption)
        if tabular:
            for cell, index in zip(cells, picked, strict=True):
                draw_bars(cell.subplots(), explanation, index, names, width)
        else:
            inputs = inputs_of(explanation, picked, bounds, data_format)
            maps = images.as_maps(explanation.relevance[picked], data_format=data_format)
            _pairs(cells, inputs, maps, quantity_of(explanation))
            figure.supxlabel(note, fontsize=style.SMALL, color=style.MUTED)
    return figure


def _pairs(cells: Sequence[SubFigure], inputs: np.ndarray, maps: np.ndarray, quantity: str) -> None:
    """Draws each input beside its map; all colour bars take the same room."""
    limits = [panels.limit_of(values) for values in maps]
    numbers = [text for limit in limits for text in panels.numbers_of(limit)]
    room = max(style.text_width(text, style.SMALL) for text in numbers)
    for cell, image, values in zip(cells, inputs, maps, strict=True):
        left, right = cell.subplots(1, 2)
        panels.draw_image(left, image)
        left.set_anchor("E")
        _map(right, values, quantity, room)


def _map(
    ax: Axes,
    values: np.ndarray,
    quantity: str,
    room: float = 0,
    below: np.ndarray | None = None,
) -> None:
    """Draws a map with its colour bar, over the image `below` if there is one."""
    if below is None:
        panels.draw_signed(ax, values, panels.limit_of(values))
    else:
        panels.draw_over(ax, below, values, panels.limit_of(values))
    panels.color_bar(ax, quantity, room=room)


def _new_panel(explanation: Explanation, data_format: str) -> Axes:
    width = style.WIDTH / 2
    height = _panel_height(explanation, width, data_format) + 2 * style.LINE
    return style.figure(width, height).add_subplot()


def inputs_of(
    explanation: Explanation, picked: np.ndarray, bounds: Any, data_format: str
) -> np.ndarray:
    """The inputs of the samples `picked` as images, from black to white within the bounds.

    Without bounds these are the least and the greatest value of the samples.
    """
    x = explanation.x[picked]
    if bounds is None:
        return images.as_images(x, (x.min(), x.max()), data_format=data_format)
    bounds = images.bounds_of(bounds, explanation.x, picked)
    return images.as_images(x, bounds, data_format=data_format)


def draw_bars(
    ax: Axes, explanation: Explanation, index: int, names: Sequence[str] | None, width: float
) -> None:
    """Draws the greatest features of one sample; `width` inches hold the bars and their labels."""
    values = images.finite(explanation.relevance[[index]], "relevance")[0]
    features = len(values)
    checks.check_names(names, features)
    largest = np.argsort(-np.abs(values), kind="stable")[:BARS]
    panels.draw_signed_bars(ax, values[largest], panels.limit_of(values))
    labels = labels_of(explanation, index, largest, names, 0.35 * width)
    ax.set_yticks(np.arange(len(largest)), labels)
    rest = f"\n{BARS} greatest of {features}" if features > BARS else ""
    ax.set_xlabel(quantity_of(explanation) + rest)


def labels_of(
    explanation: Explanation,
    index: int,
    features: np.ndarray,
    names: Sequence[str] | None,
    width: float,
) -> list[str]:
    """Tabular features with their values, as in "age = 39"; names are cut to `width` inches."""
    labels = []
    for feature in features:
        name = str(feature) if names is None else str(names[feature])
        name = style.shorten(name, width, style.SMALL)
        labels.append(f"{name} = {style.number(explanation.x[index, feature])}")
    return labels


def caption_of(explanation: Explanation, index: int, classes: Sequence[str] | None) -> str:
    """What stands above a map: the prediction, the explained class and its logit."""
    predicted, explained = explanation.prediction[index], explanation.target[index]
    logit = style.number(explanation.logits[index, explained])
    return (
        f"predicted {checks.class_name(predicted, classes)}, "
        f"explained {checks.class_name(explained, classes)}, logit {logit}"
    )


def quantity_of(explanation: Explanation) -> str:
    """The indicator's class in words, as in "relevance" or "jacobian saliency"."""
    name = str(explanation.config.get("class_name", "Relevance"))
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _panel_height(
    explanation: Explanation, width: float, data_format: str, across: int = 1
) -> float:
    """Inches for bars or for images, `across` of them and a colour bar in `width` inches."""
    if explanation.x.ndim == 2:
        return 0.55 + 0.17 * min(BARS, explanation.x.shape[1])
    return (width - 0.75) / (across + 0.13) * images.ratio(explanation.x, data_format) + style.GAP
