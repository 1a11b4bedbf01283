"""A relevance map as a landscape: one height for each pixel."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d import Axes3D

from isi_keras.plotting import checks, images, panels, plots, style
from isi_keras.plotting.explanation import _maps
from isi_keras.results import Explanation

SIZE = (7.0, 3.2)
"""Width and height in inches of a new figure, with the flat map beside the landscape."""

FINEST = 64
"""The most cells along a side; of larger images blocks of pixels are summed."""

SHAPES = (0.4, 2.0)
"""The least and the greatest depth for a width of 1; longer images are drawn shorter."""

VIEW = {"elev": 35, "azim": -60}
"""From where the landscape is seen: the top left corner of the image lies on the left."""


def surface(
    explanation: Explanation,
    index: int = 0,
    *,
    ax: Axes | None = None,
    classes: Sequence[str] | None = None,
    data_format: str | None = None,
) -> Axes:
    """Draws the map of one image as a surface over its pixels, its height the relevance.

    Height and colour say the same; colours are symmetric about zero, as those of `heatmap`. In a
    new figure the map lies flat beside it, with a colour bar for both. Maps are summed over the
    channels, and images of more than 64 pixels a side over square blocks, so that the total stays.

    Args:
        explanation: what `explain` returned on images.
        index: which sample, from 0.
        ax: where to draw, a panel made with `projection="3d"`; a new figure, `ax.figure`, with the
            flat map and a colour bar beside it, if `None`.
        classes: the names of the classes; their numbers if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.

    Returns:
        The Axes, of three dimensions.

    Raises:
        TypeError: if `explanation` is not an `Explanation`, or `ax` is flat.
        ValueError: if it is empty or not of images, or if an argument does not fit it.

    Source: Papernot et al. 2016, figure 7.

    Example:
    >>> from isi_keras.plotting import _example
    >>> explanation = _example.explanation()
    >>> ax = surface(explanation)
    >>> ax.get_zlabel(), ax.get_title()
    ('relevance', 'predicted 1, explained 1, logit 11.3')
    """
    checks.expect(explanation, plots.MAPS)
    data_format = checks.format_of(explanation, data_format)
    index = int(checks.chosen([index], len(explanation))[0])
    if ax is not None and not isinstance(ax, Axes3D):
        raise TypeError(
            "A surface needs a panel of three dimensions. Received: an Axes of two. Make it with "
            'figure.add_subplot(projection="3d").'
        )
    maps = images.as_maps(explanation.relevance[[index]], data_format=data_format)
    heights, block = blocks(maps[0])
    caption = _maps.caption_of(explanation, index, classes)
    with style.context():
        each = f" of {block} by {block} pixels" if block > 1 else ""
        quantity = _maps.quantity_of(explanation) + each
        panel = _beside_flat(heights, quantity) if ax is None else ax
        _draw(panel, heights, block)
        panel.set_title(style.wrap(caption, style.inches(panel)[0], at=", "), pad=-4)
        panel.set_zlabel(quantity, labelpad=1)  # pyright: ignore[reportAttributeAccessIssue]
    return panel


def _beside_flat(heights: np.ndarray, quantity: str) -> Axes:
    """A panel for the landscape in a new figure, beside the same seen from above."""
    figure = style.figure(*SIZE)
    # The layout knows nothing of the label of the third axis: an empty column leaves it room.
    grid = figure.add_gridspec(1, 3, width_ratios=[1.6, 0.22, 1])
    panel = figure.add_subplot(grid[0], projection="3d")
    flat = figure.add_subplot(grid[2])
    panels.draw_signed(flat, heights, panels.limit_of(heights))
    flat.set_title("from above")
    panels.signed_bar(flat, quantity)
    return panel


def blocks(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Sums a map over square blocks of so many pixels that at most `FINEST` lie along a side.

    Example:
    >>> sums, side = blocks(np.ones((100, 65)))
    >>> sums.shape, side, sums[0].tolist()[-2:]
    ((50, 33), 2, [4.0, 2.0])
    """
    side = -(-max(values.shape) // FINEST)
    for axis in (0, 1):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], side), axis=axis)
    return values, side


def _draw(ax, heights: np.ndarray, block: int) -> None:
    limit = panels.limit_of(heights)
    rows, columns = np.indices(heights.shape) * block
    drawn = ax.plot_surface(
        columns,
        rows,
        heights,
        rcount=len(heights),
        ccount=heights.shape[1],
        cmap=style.SIGNED,
        vmin=-limit,
        vmax=limit,
        edgecolor="black",
        linewidth=0.15,
        antialiased=True,
        shade=False,
    )
    drawn.set_clim(-limit, limit)
    low, high = min(0.0, heights.min()), max(0.0, heights.max())
    ax.set_zlim(low, high if high > low else 1.0)
    ax.view_init(**VIEW)
    ax.set_ylim(rows.max(), 0)
    ax.set_xlim(0, columns.max())
    ax.set_box_aspect((1, np.clip(len(heights) / heights.shape[1], *SHAPES), 0.6), zoom=1.0)
    ax.set_xlabel("column", labelpad=-1)
    ax.set_ylabel("row", labelpad=-1)
    ax.tick_params(labelsize=style.SMALL, pad=-2)
    ax.tick_params(axis="z", pad=1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_rotate_label(False)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.pane.set(facecolor="white", edgecolor=style.NEUTRAL)
        axis.set_major_locator(MaxNLocator(4, integer=axis is not ax.zaxis))
