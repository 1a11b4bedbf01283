"""In which step each input was first changed, drawn on the image or beside the features."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from isi_keras.plotting import images, panels, style
from isi_keras.results import AttackResult

FEATURES = 15
"""How many tabular features are drawn, those that were changed first."""

SMALLEST = 3.5
"""Points of the side of a marker, at least; in large images it exceeds a pixel."""


def of_pixels(order: np.ndarray, data_format: str) -> np.ndarray:
    """The step in which any channel of each pixel was first changed, 0 if none, `(N, H, W)`."""
    order = images.with_channels(order, data_format)  # (N, H, W, C)
    first = np.where(order > 0, order, np.iinfo(order.dtype).max).min(-1)
    return np.where((order > 0).any(-1), first, 0)


def squares(
    ax: Axes,
    rows: np.ndarray,
    columns: np.ndarray,
    height: int,
    inches: float,
    around: float = 0,
    **options,
) -> PathCollection:
    """Draws a square over each of some pixels, or some points around it.

    Args:
        ax: the panel of the image.
        rows: where the pixels are.
        columns: likewise.
        height: how many rows the image has.
        inches: how high it is on paper.
        around: by how many points the squares are wider than the pixels.
        **options: of `Axes.scatter`.
    """
    side = max(72 * inches / height + around, SMALLEST)
    return ax.scatter(columns, rows, s=side**2, marker="s", **options)


def draw_steps(ax: Axes, image: np.ndarray, order: np.ndarray, inches: float) -> None:
    """Marks each changed pixel by the colour of its step, and by its number where that fits.

    Args:
        ax: a panel, in a figure with `layout="constrained"`.
        image: of `as_images`, `(H, W)` or `(H, W, 3)`.
        order: of `of_pixels`, `(H, W)`.
        inches: how high the image will be.
    """
    panels.draw_image(ax, images.faded(image))
    rows, columns = np.nonzero(order)
    steps = order[rows, columns]
    last = int(steps.max(initial=1))
    marks = squares(
        ax,
        rows,
        columns,
        len(order),
        inches,
        c=steps,
        cmap=style.SEQUENTIAL,
        norm=Normalize(0.5, last + 0.5),
        edgecolors="black",
        linewidths=0.4,
    )
    if style.text_width(str(last), style.SMALL) + 0.03 <= inches / len(order):
        for row, column, step in zip(rows, columns, steps, strict=True):
            color = style.ink(marks.to_rgba(step))
            ax.text(
                float(column),
                float(row),
                str(step),
                color=color,
                fontsize=style.SMALL,
                ha="center",
                va="center",
            )
    panels.scale_bar(ax, marks, "first changed in step", inches=inches, whole=True)


def draw_features(
    ax: Axes, result: AttackResult, index: int, names: Sequence[str] | None, width: float
) -> None:
    """Draws the change of each tabular feature as a bar, the first changed on top.

    Args:
        ax: a panel.
        result: an attack on features, `(N, D)`.
        index: which sample.
        names: of the features; their numbers if `None`.
        width: inches that bars and labels may take.
    """
    change = images.finite(result.adversarial[[index]], "adversarial")[0] - result.x[index]
    order = result.order[index]
    touched = first_changed(result, index)
    shown = touched[:FEATURES]
    labels = [str(feature) if names is None else str(names[feature]) for feature in shown]
    labels = [style.shorten(label, 0.35 * width, style.SMALL) for label in labels]
    colors = [style.POSITIVE if value > 0 else style.NEGATIVE for value in change[shown]]
    places = np.arange(len(shown))
    ax.barh(places, change[shown], color=colors, height=0.7)
    limit = panels.limit_of(change)
    for place, feature in zip(places, shown, strict=True):
        rises = change[feature] > 0
        ax.annotate(
            f"step {order[feature]}",
            (change[feature], place),
            xytext=(2 if rises else -2, 0),
            textcoords="offset points",
            fontsize=style.SMALL,
            ha="left" if rises else "right",
            va="center",
        )
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    ax.axvline(0, color="black", linewidth=0.6)
    ax.xaxis.set_major_locator(MaxNLocator(4, symmetric=True, steps=[1, 2, 5, 10]))
    ax.set_xlim(*_room(change[shown], limit, width))
    ax.set_xlabel(_said(len(shown), len(touched)))
    panels.plain(ax)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def first_changed(result: AttackResult, index: int) -> np.ndarray:
    """The tabular features of a sample that the attack changed, the first changed first."""
    order = result.order[index]
    touched = np.flatnonzero(order)
    return touched[np.argsort(order[touched], kind="stable")]


def _room(change: np.ndarray, limit: float, width: float) -> tuple[float, float]:
    """Limits that leave room for the step at the end of each bar."""
    beyond = 0.4 / (0.45 * width)
    low = -limit * (1 + 2 * beyond) if (change < 0).any() else 0.0
    high = limit * (1 + 2 * beyond) if (change > 0).any() else 0.0
    return (low, high) if low < high else (-limit, limit)


def _said(shown: int, touched: int) -> str:
    if not touched:
        return "change of x: none"
    return "change of x" if shown == touched else f"change of x,\nthe first {shown} of {touched}"
