"""The relevance map of one sample."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import checks, images, plots, style
from isi_keras.plotting.explanation import _maps
from isi_keras.results import Explanation


def heatmap(
    explanation: Explanation,
    index: int = 0,
    *,
    overlay: bool = False,
    ax: Axes | None = None,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    data_format: str | None = None,
    percentile: float = 100.0,
) -> Axes:
    """Draws the relevance map of one sample, alone or over the input.

    An image gets a map summed over its channels and a colour bar, symmetric about zero, which ends
    in points where values lie beyond it. Of
    `Relevance`, red speaks for the explained class and blue against it; of `Sensitivity`, red says
    that a greater input raises the logit, blue that it lowers it. Tabular features, `(N, D)`, get
    bars, the greatest on top.

    Args:
        explanation: what `explain` returned.
        index: which sample, from 0.
        overlay: whether the map of an image lies over its input, which is pale grey. What is 0 is
            transparent, the greatest magnitude hides the input.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The colour bar goes to the right
            of `ax`; `layout="constrained"` makes room for it in your figure.
        classes: the names of the classes; their numbers if `None`.
        names: the names of tabular features; their numbers if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.
        percentile: of the magnitudes of a map: what has the strongest colour, above 0 and at most
            100. A few extreme pixels leave the rest of a map of a photograph pale; 99.5 shows it.
            It does not apply to the bars of tabular features.

    Returns:
        The Axes.

    Raises:
        TypeError: if `explanation` is not an `Explanation`.
        ValueError: if `index`, `overlay`, `classes`, `names`, `data_format` or `percentile` do not
            fit it.

    Example:
    >>> from isi_keras.plotting import _example
    >>> explanation = _example.explanation()
    >>> heatmap(explanation).images[0].get_clim()
    (-1.0, 1.0)
    """
    checks.expect(explanation, plots.MAPS)
    data_format = checks.format_of(explanation, data_format)
    percentile = checks.as_percentile(percentile)
    index = int(checks.chosen([index], len(explanation))[0])
    caption = _maps.caption_of(explanation, index, classes)
    with style.context():
        panel = _new_panel(explanation, data_format) if ax is None else ax
        width, _ = style.inches(panel)
        if explanation.x.ndim == 2:
            checks.expect_no_image(overlay, "overlay")
            _maps.draw_bars(panel, explanation, index, names, width)
        else:
            picked, below = np.array([index]), None
            (values,) = images.as_maps(explanation.relevance[picked], data_format=data_format)
            if overlay:
                (below,) = _maps.inputs_of(explanation, picked, None, data_format)
            quantity = _maps.quantity_of(explanation)
            _maps.draw_map(panel, values, quantity, below=below, percentile=percentile)
        panel.set_title(style.wrap(caption, width, at=", "))
    return panel


def _new_panel(explanation: Explanation, data_format: str) -> Axes:
    width = style.WIDTH / 2
    height = _maps.height_of(explanation, width, data_format) + 2 * style.LINE
    return style.figure(width, height).add_subplot()
