"""What several plots share: an image, a signed map, colour bars, a legend, plain axes."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import MaxNLocator

from isi_keras.plotting import images, style

HEIGHT = 2.45
"""Inches of a new panel of curves without its legend."""

BAR = 0.09
"""Inches from side to side of a colour bar that many panels share."""

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))
"""Lines told apart without colour, in points on and off."""


def draw_image(ax: Axes, image: np.ndarray) -> None:
    """Draws an image of `as_images`, `(H, W)` grey or `(H, W, 3)` colour, in a neutral frame."""
    ax.imshow(image, cmap=style.GREY, vmin=0, vmax=1)
    style.frame(ax)


def draw_signed(ax: Axes, values: np.ndarray, limit: float) -> None:
    """Draws signed `values`, `(H, W)`, from `-limit` to `limit` in a neutral frame."""
    ax.imshow(values, cmap=style.SIGNED, vmin=-limit, vmax=limit)
    style.frame(ax)


def draw_over(ax: Axes, image: np.ndarray, values: np.ndarray, limit: float) -> None:
    """Draws signed `values` over a pale grey image, the more opaque the greater they are.

    Args:
        ax: the panel.
        image: of `as_images`, `(H, W)` or `(H, W, 3)`.
        values: `(H, W)`.
        limit: the magnitude that has the strongest colour and hides the image.
    """
    draw_image(ax, images.faded(image))
    opacity = np.sqrt(np.minimum(1, np.abs(values) / limit))
    ax.imshow(values, cmap=style.SIGNED, vmin=-limit, vmax=limit, alpha=opacity)


def signed_bar(ax: Axes, label: str = "", *, room: float = 0, beyond: bool = False) -> Colorbar:
    """A colour bar as high as `ax`, to its right, with ticks at 0 and at the limits.

    Args:
        ax: a panel that `draw_signed` drew. The bar lies outside it and needs a figure with
            `layout="constrained"`, or room that the caller left.
        label: what the colours measure.
        room: inches that the numbers take at least, so that bars with other numbers align.
        beyond: whether some values lie beyond the limits; the bar then ends in points.
    """
    limit = ax.images[-1].get_clim()[1]
    texts = numbers_of(limit)
    bar = style.color_bar(
        ax.images[-1],
        _beside(ax, 1.05, 0.08),
        label,
        (-limit, 0, limit),
        texts,
        extend="both" if beyond else "neither",
        pad=2 + 72 * max(0, room - style.widest(texts, style.SMALL)),
    )
    for text, place in zip(bar.ax.get_yticklabels(), ("bottom", "center", "top"), strict=True):
        text.set_verticalalignment(place)
    return bar


def _beside(ax: Axes, left: float, width: float) -> Axes:
    """A panel for a colour bar right of `ax`, placed and sized in shares of its width."""
    ax.set_anchor("W")
    return ax.inset_axes((left, 0, width, 1))


def draw_signed_bars(ax: Axes, values: np.ndarray, limit: float) -> None:
    """Draws signed `values`, `(D,)`, as bars from the top down, from `-limit` to `limit`."""
    colors = [style.POSITIVE if value > 0 else style.NEGATIVE for value in values]
    ax.barh(np.arange(len(values)), values, color=colors, height=0.7)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_xticks([-limit, 0, limit], numbers_of(limit))
    ax.set_xlim(-1.1 * limit, 1.1 * limit)
    plain(ax)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def grid_and_bar(figure: Figure, rows: int, columns: int, inches: float) -> tuple[np.ndarray, Axes]:
    """Panels `(rows, columns)` of `inches` from side to side, and one for a colour bar beside.

    It is as high as the middle two rows, or three if their number is odd.
    """
    grid = figure.add_gridspec(rows, columns + 1, width_ratios=[*[inches] * columns, BAR])
    axes = [[figure.add_subplot(grid[r, c]) for c in range(columns)] for r in range(rows)]
    high = min(rows, 2 if rows % 2 == 0 else 3)
    top = (rows - high) // 2
    return np.array(axes, dtype=object), figure.add_subplot(grid[top : top + high, columns])


def common_bar(
    ax: Axes,
    colors: ScalarMappable,
    label: str,
    *,
    numbers: Sequence[str] | None = None,
    beyond: bool = False,
) -> Colorbar:
    """One colour bar of a signed quantity for a grid of panels.

    Args:
        ax: the panel of the bar, of `grid_and_bar`.
        colors: what was drawn in one of the panels, with its colours and limits.
        label: what the colours measure.
        numbers: what stands at the lower limit, 0 and the upper limit; the values if `None`.
        beyond: whether some values lie beyond the limits; the bar then ends in points.
    """
    limit: Any = colors.get_clim()[1]
    extend = "both" if beyond else "neither"
    texts = numbers or numbers_of(limit)
    return style.color_bar(colors, ax, label, (-limit, 0, limit), texts, extend=extend)


def scale_bar(
    ax: Axes,
    colors: ScalarMappable,
    label: str = "",
    *,
    inches: float = 2.0,
    whole: bool = False,
    extend: str = "neither",
) -> Colorbar:
    """A slim colour bar as high as `ax`, to its right, of a quantity without a sign.

    Args:
        ax: the panel. The bar lies outside it, as that of `signed_bar`.
        colors: what was drawn there, with its colours and limits.
        label: what the colours measure.
        inches: how high the bar is, for as many ticks as there is room.
        whole: whether the quantity is counted, so that ticks stand at whole numbers.
        extend: at which end values lie beyond the limits: `"neither"`, `"min"`, `"max"`, `"both"`.
    """
    low, high = colors.get_clim()
    ticks = ticks_between(low, high, inches, whole=whole)  # pyright: ignore[reportArgumentType]
    texts = [tick_text(tick) for tick in ticks]
    return style.color_bar(colors, _beside(ax, 1.03, 0.05), label, ticks, texts, extend=extend)


def ticks_between(low: float, high: float, inches: float, *, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, as many as fit one above the other, at least one."""
    locator = MaxNLocator(4, integer=whole, steps=[1, 2, 5, 10])
    slack = 1e-6 * (high - low)
    ticks = [t for t in locator.tick_values(low, high) if low - slack <= t <= high + slack]
    apart = inches * (ticks[-1] - ticks[0]) / (high - low) / max(1, len(ticks) - 1)
    every = len(ticks) if apart <= 0 else -int(-1.3 * style.SMALL / 72 // apart)
    return [float(tick) for tick in ticks[:: max(1, every)]]


def tick_text(value: float) -> str:
    """A number of an axis, as short as it can be, with a true minus."""
    return f"{0.0 if abs(value) < 1e-12 else value:.6g}".replace("-", "\N{MINUS SIGN}")


def plain(ax: Axes) -> None:
    """Makes the ticks of a diagram small and takes the upper and the right line of its frame."""
    ax.tick_params(labelsize=style.SMALL, width=0.6, length=2)
    ax.spines[["top", "right"]].set_visible(False)


def legend_above(
    ax: Axes, handles: Iterable[Any], labels: Sequence[str], title: str | None = None
) -> Legend:
    """A legend above `ax`, flush left, so that it hides nothing; one line for each label."""
    return ax.legend(
        handles,
        labels,
        title=title,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        alignment="left",
        fontsize=style.SMALL,
        title_fontsize=style.SMALL,
        frameon=False,
    )


def entry(ax: Axes, label: str, said: str) -> str:
    """An entry of `legend_above`, as in "label: said"; the label is cut to the width of `ax`."""
    room = style.inches(ax)[0] - 0.45 - style.text_width(f": {said}", style.SMALL)
    return f"{style.shorten(label, room, style.SMALL)}: {said}" if label else said


def mean_of(results: Iterable[Any]) -> str:
    """Of how many samples each curve is the mean, as in "mean of 8 samples ± SE"."""
    counts = [len(result) for result in results]
    return f"mean of {style.span(counts)} samples ± SE" if max(counts) > 1 else "1 sample"


def half_page(lines: int) -> Axes:
    """A panel half as wide as a page in a new figure, below a legend of some lines."""
    return style.figure(style.WIDTH / 2, HEIGHT + lines * style.LINE).add_subplot()


def looks() -> Iterator[tuple[str, Any]]:
    """Colours and dashes of curves, as many as it takes."""
    return zip(itertools.cycle(style.PALETTE), itertools.cycle(DASHES), strict=False)


def numbers_of(limit: float) -> list[str]:
    """What stands at `-limit`, 0 and `limit` of an axis or a colour bar."""
    return [style.number(value, 2, sign=True) for value in (-limit, 0, limit)]


def limit_of(values: np.ndarray, percentile: float = 100.0) -> float:
    """A percentile of the magnitudes in `values`; the greatest if that is 0, and 1 if all are."""
    magnitudes = np.abs(values)
    limit = float(np.percentile(magnitudes, percentile)) if magnitudes.size else 0.0
    return limit or float(magnitudes.max(initial=0)) or 1.0
