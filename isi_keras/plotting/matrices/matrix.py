"""A matrix of classes: what holds from each source to each target."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from isi_keras import _checks
from isi_keras.plotting import checks, panels, style

KINDS = ("sequential", "signed")

LARGEST = 4.5
"""Inches of a side whose cells are too many to be read as numbers."""

LEAST = 2.2
"""Inches of a side of few classes."""

MARGIN = 0.02
"""Inches of a cell that its number leaves free."""

BAR = 0.08
"""What a colour bar and its gap take, as a share of the side."""


def matrix(
    values: Any,
    *,
    classes: Sequence[str] | None = None,
    label: str = "",
    digits: int = 2,
    kind: str = "sequential",
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws one number for each pair of classes: a row per source, a column per target.

    Each cell has its number, in black or white, unless the cells are too small for it. Cells
    without a value (NaN), as on the diagonal, are light grey. Of many classes every second, fifth
    or tenth is named.

    Args:
        values: a matrix `(K, K)`, NaN where there is no value.
        classes: the names of the `K` classes; their numbers if `None`.
        label: what the values are, for the colour bar.
        digits: how many places after the point the numbers have.
        kind: `"sequential"`, or `"signed"` for colours symmetric about zero.
        limits: the values of the first and the last colour; those of the least and the greatest
            value if `None`. Values beyond have the colour of the limit and the bar ends in a point.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The colour bar goes to the right
            of `ax`; `layout="constrained"` makes room for it in your figure.

    Returns:
        The Axes.

    Raises:
        ValueError: if `values` is not a square matrix with a finite number in it, or if an
            argument does not fit it.

    Example:
    >>> import numpy as np
    >>> ax = matrix([[np.nan, 0.25], [0.5, np.nan]], classes=["cat", "dog"], label="success rate")
    >>> [text.get_text() for text in ax.texts], ax.get_ylabel()
    (['0.25', '0.50'], 'source class')
    """
    values = _checked(values)
    names = [checks.class_name(number, classes) for number in range(len(values))]
    names = [style.shorten(name, style.LONGEST, style.SMALL) for name in names]
    limits = _limits(values, kind, limits)
    with style.context():
        if ax is None:
            ticks = panels.ticks_between(*limits, LEAST)
            numbers = style.widest(map(panels.tick_text, ticks), style.SMALL)
            turnable = classes is not None
            panel, side = _new_panel(values, names, digits, numbers, turnable=turnable)
        else:
            panel, side = ax, _side(ax, names)
        draw(panel, values, names, side, digits, kind, limits)
        turn_names(panel, names, side / len(values), turnable=classes is not None)
        panel.set(xlabel="target class", ylabel="source class")
        label = style.shorten(label, side, style.SMALL)
        beyond = _beyond(values, limits)
        panels.scale_bar(panel, panel.collections[0], label, inches=side, extend=beyond)
    return panel


def draw(
    ax: Axes,
    values: np.ndarray,
    names: Sequence[str],
    side: float,
    digits: int,
    kind: str,
    limits: tuple[float, float],
) -> None:
    """Draws the cells, `side` inches in all, and their numbers if they fit."""
    import seaborn  # it loads pyplot, which importing isi_keras.plotting does not

    written_in = fits(values, side, digits)
    seaborn.heatmap(
        values,
        annot=np.vectorize(written)(values, digits) if written_in else None,
        fmt="",
        annot_kws={"fontsize": style.SMALL},
        mask=np.isnan(values),
        vmin=limits[0],
        vmax=limits[1],
        cmap=style.SEQUENTIAL if kind == "sequential" else style.SIGNED,
        cbar=False,
        square=True,
        linewidths=0.4 if written_in else 0,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
        ax=ax,
    )
    ax.set_facecolor(style.EMPTY)
    if written_in:  # in the colour of the greater contrast, which seaborn does not choose
        known = values[~np.isnan(values)]
        for text, value in zip(ax.texts[-len(known) :], known, strict=True):
            text.set_color(style.ink(ax.collections[0].to_rgba(value)))


def turn_names(ax: Axes, names: Sequence[str], cell: float, *, turnable: bool) -> None:
    """Names rows and columns, upright where they are too long, and only some if there are many."""
    widest = style.widest(names, style.SMALL)
    turned = turnable and widest + 0.06 > cell
    needed = max(style.PITCH, style.PITCH if turned else widest + 0.06)
    steps = (base * 10**power for power in range(7) for base in (1, 2, 5))
    every = next(step for step in steps if step * cell >= needed or step >= len(names))
    shown = np.arange(0, len(names), every)
    labels = [str(names[number]) for number in shown]
    ax.set_xticks(shown + 0.5, labels, rotation=90 if turned else 0)
    ax.set_yticks(shown + 0.5, labels, rotation=0)
    ax.tick_params(labelsize=style.SMALL, length=0 if every == 1 else 2, width=0.6, pad=2)


def written(value: float, digits: int) -> str:
    """A number as it stands in a cell; what rounds to zero has no sign.

    Example:
    >>> written(-0.001, 2), written(12.345, 1)
    ('0.00', '12.3')
    """
    text = f"{round(float(value), digits) + 0.0:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def fits(values: np.ndarray, side: float, digits: int) -> bool:
    """Whether the numbers fit into the cells of a matrix that is `side` inches wide."""
    return _needed(values, digits) <= side / len(values)


def limits_of(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest value, kept apart if they are the same."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _needed(values: np.ndarray, digits: int) -> float:
    """Inches that a cell needs for its number."""
    texts = {written(float(value), digits) for value in values[~np.isnan(values)]}
    return max(style.widest(texts, style.SMALL) + MARGIN, style.PITCH)


def _checked(values: Any) -> np.ndarray:
    values = np.asarray(values, "float64")
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(
            "A matrix of classes has a row and a column for each class. "
            f"Received: values of the shape {values.shape}."
        )
    if np.isnan(values).all():
        raise ValueError(
            f"There is nothing to draw. Received: a matrix of the shape {values.shape} without any "
            "number in it."
        )
    if np.isinf(values).any():
        raise ValueError(
            "Infinity has no colour. Received: values with infinity in "
            f"{np.isinf(values).sum()} cells. Set these to NaN to leave them empty."
        )
    return values


def _limits(values: np.ndarray, kind: str, limits: Any) -> tuple[float, float]:
    _checks.one_of("kind", kind, KINDS)
    if limits is None:
        if kind == "sequential":
            return limits_of(values)
        limit = panels.limit_of(values[~np.isnan(values)])
        return -limit, limit
    low, high = map(float, limits)
    if not low < high or (kind == "signed" and low != -high):
        raise ValueError(
            "limits must be (low, high) with low < high, of the kind 'signed' (-high, high). "
            f"Received: limits={_checks.shown(limits)}."
        )
    return low, high


def _beyond(values: np.ndarray, limits: tuple[float, float]) -> str:
    slack = 1e-9 * (limits[1] - limits[0])
    below = np.nanmin(values) < limits[0] - slack
    above = np.nanmax(values) > limits[1] + slack
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]


def _new_panel(
    values: np.ndarray, names: Sequence[str], digits: int, numbers: float, *, turnable: bool
) -> tuple[Axes, float]:
    """A new figure for the matrix, and the inches of its side; those of the bar have `numbers`."""
    widest = style.widest(names, style.SMALL)
    around = widest + numbers + 0.7  # the labels of the axis and of the bar
    most = (style.WIDTH - around) / (1 + BAR)
    side = max(LEAST, len(values) * _needed(values, digits))
    side = side if side <= most else min(LARGEST, most)
    turned = turnable and widest + 0.06 > side / len(values)
    below = (widest if turned else style.PITCH) + 2 * style.LINE
    figure = style.figure((1 + BAR) * side + around, side + below + 0.15)
    return figure.add_subplot(), side


def _side(ax: Axes, names: Sequence[str]) -> float:
    """About how many inches of `ax` are left to the cells, once names and bar have their room."""
    figure = ax.get_figure(root=True)
    # Lays the panels out: before that they are smaller than they will be.
    figure.draw_without_rendering()  # pyright: ignore[reportOptionalMemberAccess]
    (wide, high), widest = style.inches(ax), style.widest(names, style.SMALL)
    return max(0.1, min((wide - widest) / (1 + BAR), high - 0.1))
