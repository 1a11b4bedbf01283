"""Curves of how the score falls while pixels are flipped."""

import itertools
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from isi_keras.plotting import checks, panels, plots, style
from isi_keras.results import FlippingResult

DASHED = (0, (4, 2))
"""The line of a random order, in points on and off."""


def faithfulness(
    curves: Mapping[str, FlippingResult],
    *,
    score: str = "probability",
    ax: Axes | None = None,
) -> Axes:
    """Draws the mean score of the explained class against the share of what is flipped.

    The band is one standard error of the mean to either side. Random orders are grey and dashed.
    The legend has the mean area under each curve, from the highest curve to the lowest: most
    relevant first, the lowest is the most faithful.

    Args:
        curves: what `pixel_flipping` returned, by the label of its curve.
        score: `"probability"` or `"logit"`.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend goes above `ax`;
            `layout="constrained"` makes room for it in your figure.

    Returns:
        The Axes.

    Raises:
        TypeError: if `curves` is not a mapping to `FlippingResult`.
        ValueError: if it is empty, if the curves flip different things (pixels, patches, features),
            or if `score` is unknown.

    Example:
    >>> import numpy as np
    >>> from isi_keras import FlippingResult
    >>> result = FlippingResult(
    ...     flipped=np.array([0, 0.5, 1]), logit=np.array([[2.0, 1, 0]]),
    ...     probability=np.array([[0.9, 0.5, 0.1]]), target=np.array([3]),
    ...     config={"class_name": "pixel_flipping", "config": {"patch": 1, "order": "most"}})
    >>> ax = faithfulness({"relevance": result})
    >>> ax.get_xlabel(), ax.get_legend().texts[0].get_text()
    ('pixels flipped (%)', 'relevance: 0.500')
    """
    unit = _unit(curves)
    areas = {label: result.area(score).mean() for label, result in curves.items()}
    with style.context():
        panel = panels.half_page(len(curves)) if ax is None else ax
        colors = itertools.cycle(style.PALETTE)
        lines = {label: _draw(panel, result, score, colors) for label, result in curves.items()}
        ranked = sorted(areas, key=lambda label: -areas[label])
        panels.legend_above(
            panel,
            [lines[label] for label in ranked],
            [f"{label}: {style.number(areas[label])}" for label in ranked],
            "mean area under the curve",
        )
        panel.set_xlim(0, 100 * max(result.flipped[-1] for result in curves.values()))
        if score == "probability":
            panel.set_ylim(0, 1)
        else:
            panel.axhline(0, color="black", linewidth=0.6, zorder=1)
        panel.set_xlabel(f"{unit} flipped (%)")
        panel.set_ylabel(f"{score} of the explained class,\n{panels.mean_of(curves.values())}")
        panels.plain(panel)
    return panel


def _draw(ax: Axes, result: FlippingResult, score: str, colors) -> Any:
    """Draws a curve and its band; a random order takes no colour from the palette."""
    chance = checks.settings(result).get("order") == "random"
    color = style.NEUTRAL if chance else next(colors)
    curve, share = result.curve(score).astype("float64"), 100 * result.flipped
    mean = curve.mean(axis=0)
    if len(curve) > 1:
        from scipy.stats import sem  # slow to import

        error = sem(curve)
        ax.fill_between(share, mean - error, mean + error, color=color, alpha=0.25, linewidth=0)
    (line,) = ax.plot(share, mean, color=color, linewidth=1.4, linestyle=DASHED if chance else "-")
    return line


def _unit(curves: Any) -> str:
    """What all the curves flip, in words."""
    checks.expect_each(curves, plots.FLIPPING, 'faithfulness({"relevance": result})')
    patches = {checks.settings(result)["patch"] for result in curves.values()}
    if len(patches) > 1:
        raise ValueError(
            "The curves of one panel must flip the same things. Received: patch="
            f"{', '.join(sorted(map(str, patches)))}. Draw each in a panel of its own."
        )
    (patch,) = patches
    if patch is None:
        return "features"
    return "pixels" if patch == 1 else f"patches of side {patch}"
