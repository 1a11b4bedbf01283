"""Curves of how the score falls while pixels are flipped."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import style
from isi_keras.results import FlippingResult

HEIGHT = 2.45
"""Inches of a new panel without its legend."""

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
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend stands above `ax`;
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
    ...     config={"patch": 1, "order": "most"})
    >>> ax = faithfulness({"relevance": result})
    >>> ax.get_xlabel(), ax.get_legend().texts[0].get_text()
    ('pixels flipped (%)', 'relevance: 0.500')
    """
    unit = _unit(curves)
    areas = {label: result.area(score).mean() for label, result in curves.items()}
    with style.context():
        panel = _new_panel(len(curves)) if ax is None else ax
        colors = itertools.cycle(style.PALETTE)
        lines = {label: _draw(panel, result, score, colors) for label, result in curves.items()}
        ranked = sorted(areas, key=lambda label: -areas[label])
        panel.legend(
            [lines[label] for label in ranked],
            [f"{label}: {style.number(areas[label])}" for label in ranked],
            title="mean area under the curve",
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            alignment="left",
            fontsize=style.SMALL,
            title_fontsize=style.SMALL,
            frameon=False,
        )
        panel.set_xlim(0, 100 * max(result.flipped[-1] for result in curves.values()))
        if score == "probability":
            panel.set_ylim(0, 1)
        else:
            panel.axhline(0, color="black", linewidth=0.6, zorder=1)
        panel.set_xlabel(f"{unit} flipped (%)")
        panel.set_ylabel(f"{score} of the explained class,\n{_samples(curves)}")
        panel.tick_params(labelsize=style.SMALL, width=0.6, length=2)
        panel.spines[["top", "right"]].set_visible(False)
    return panel


def _new_panel(labels: int) -> Axes:
    return style.figure(style.WIDTH / 2, HEIGHT + labels * style.LINE).add_subplot()


def _draw(ax: Axes, result: FlippingResult, score: str, colors) -> Any:
    """Draws a curve and its band; a random order takes no colour from the palette."""
    chance = result.config.get("order") == "random"
    color = style.NEUTRAL if chance else next(colors)
    curve, share = result.curve(score).astype("float64"), 100 * result.flipped
    mean = curve.mean(axis=0)
    if len(curve) > 1:
        error = curve.std(axis=0, ddof=1) / np.sqrt(len(curve))
        ax.fill_between(share, mean - error, mean + error, color=color, alpha=0.25, linewidth=0)
    (line,) = ax.plot(share, mean, color=color, linewidth=1.4, linestyle=DASHED if chance else "-")
    return line


def _unit(curves: Any) -> str:
    """What all the curves flip, in words."""
    _expect(curves)
    patches = {result.config["patch"] for result in curves.values()}
    if len(patches) > 1:
        raise ValueError(
            "The curves of one panel must flip the same things. Received: patch="
            f"{', '.join(sorted(map(str, patches)))}. Draw each in a panel of its own."
        )
    (patch,) = patches
    if patch is None:
        return "features"
    return "pixels" if patch == 1 else f"patches of side {patch}"


def _expect(curves: Any) -> None:
    """Raises unless `curves` maps at least one label to a `FlippingResult` with samples."""
    held = curves.values() if isinstance(curves, Mapping) else [curves]
    if not isinstance(curves, Mapping) or any(not isinstance(r, FlippingResult) for r in held):
        raise TypeError(
            "Expected: a mapping from labels to FlippingResult. Received: "
            f"{', '.join(sorted({type(result).__name__ for result in held}))}. Pass what "
            'pixel_flipping returned, as in faithfulness({"relevance": result}).'
        )
    if not curves or not all(map(len, curves.values())):
        raise ValueError(
            "There is nothing to draw. Received: a mapping of "
            f"{len(curves)} results, {sum(not len(r) for r in held)} of them without samples."
        )


def _samples(curves: Mapping[str, FlippingResult]) -> str:
    counts = sorted({len(result) for result in curves.values()})
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean of {number} samples ± SE" if counts[-1] > 1 else "1 sample"
