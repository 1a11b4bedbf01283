"""Single panels that several plots share: an image, a signed map, its colour bar."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar

from isi_keras.plotting import style


def draw_image(ax: Axes, image: np.ndarray) -> None:
    """Draws an image of `as_images`, `(H, W)` grey or `(H, W, 3)` colour, in a neutral frame."""
    ax.imshow(image, cmap=style.GREY, vmin=0, vmax=1)
    style.frame(ax)


def draw_signed(ax: Axes, values: np.ndarray, limit: float) -> None:
    """Draws signed `values`, `(H, W)`, from `-limit` to `limit` in a neutral frame."""
    ax.imshow(values, cmap=style.SIGNED, vmin=-limit, vmax=limit)
    style.frame(ax)


def color_bar(ax: Axes, label: str = "", *, room: float = 0, beyond: bool = False) -> Colorbar:
    """A colour bar as high as `ax`, to its right, with ticks at 0 and at the limits.

    Args:
        ax: a panel that `draw_signed` drew. The bar lies outside it and needs a figure with
            `layout="constrained"`, or room that the caller left.
        label: what the colours measure.
        room: inches that the numbers take at least, so that bars with other numbers align.
        beyond: whether some values lie beyond the limits; the bar then ends in points.
    """
    ax.set_anchor("W")
    image = ax.images[0]
    bar = ax.get_figure().colorbar(  # pyright: ignore[reportOptionalMemberAccess]
        image,
        cax=ax.inset_axes((1.05, 0, 0.08, 1)),
        extend="both" if beyond else "neither",
    )
    limit = image.get_clim()[1]
    numbers = numbers_of(limit)
    bar.set_ticks([-limit, 0, limit], labels=numbers)
    bar.ax.tick_params(labelsize=style.SMALL, length=2, width=0.6, pad=2)
    for text, place in zip(bar.ax.get_yticklabels(), ("bottom", "center", "top"), strict=True):
        text.set_verticalalignment(place)
    bar.outline.set_linewidth(0.6)  # pyright: ignore[reportCallIssue]
    own = max(style.text_width(text, style.SMALL) for text in numbers)
    bar.set_label(label, size=style.SMALL, labelpad=2 + 72 * max(0, room - own))
    return bar


def numbers_of(limit: float) -> list[str]:
    """What stands at `-limit`, 0 and `limit` of an axis or a colour bar."""
    return [style.number(value, 2, sign=True) for value in (-limit, 0, limit)]


def limit_of(values: np.ndarray) -> float:
    """The greatest magnitude in `values`, or 1 if all are zero."""
    return float(np.abs(values).max(initial=0)) or 1.0
