"""What the pictures of maps share: inputs, a map with its bar, bars of features, captions."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import checks, images, panels, style
from isi_keras.results import Explanation

BARS = 15
"""How many tabular features are drawn, those of the greatest magnitude."""


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


def draw_map(
    ax: Axes,
    values: np.ndarray,
    quantity: str,
    room: float = 0,
    below: np.ndarray | None = None,
    percentile: float = 100.0,
) -> None:
    """Draws a map with its colour bar, over the image `below` if there is one."""
    limit = panels.limit_of(values, percentile)
    if below is None:
        panels.draw_signed(ax, values, limit)
    else:
        panels.draw_over(ax, below, values, limit)
    panels.signed_bar(ax, quantity, room=room, beyond=bool((np.abs(values) > limit).any()))


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


def height_of(explanation: Explanation, width: float, data_format: str, across: int = 1) -> float:
    """Inches for bars or for images, `across` of them and a colour bar in `width` inches."""
    if explanation.x.ndim == 2:
        return 0.55 + 0.17 * min(BARS, explanation.x.shape[1])
    return (width - 0.75) / (across + 0.13) * images.ratio(explanation.x, data_format) + style.GAP
