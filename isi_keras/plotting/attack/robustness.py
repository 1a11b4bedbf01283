"""Robust accuracy against distance, under each of several attacks and the best of all."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import checks, measures, panels, plots, style
from isi_keras.results import RobustnessResult

BAND = 0.18
"""How opaque the interval of a curve is."""


def robustness(
    results: Mapping[str, RobustnessResult] | RobustnessResult,
    *,
    confidence: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draws the robust accuracy that attacks leave within a distance: an upper bound.

    Of one result the curve of each attack, thin, with its optimality in the legend, and below them
    that of the best of all on each sample with Wilson's interval. Of several results, as of
    several networks, the latter of each, with the median distance over the samples that are
    predicted right.

    Args:
        results: what `robustness` returned; several by their labels, of one measure.
        confidence: of the interval, between 0 and 1.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend goes above `ax`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `results` is neither a `RobustnessResult` nor a mapping to such.
        ValueError: if a result is empty, the results have different measures, or `confidence` is
            not between 0 and 1.

    Example:
    >>> from isi_keras.plotting import _example
    >>> ax = robustness(_example.ensemble())
    >>> ax.lines[-1].get_xdata(), ax.lines[-1].get_ydata()
    (array([0., 1., 2., 3., 3.]), array([75., 50., 25.,  0.,  0.]))
    """
    results = checks.as_mapping(results, plots.ENSEMBLE, 'robustness({"network": result})')
    found = {result.measure for result in results.values()}
    if len(found) > 1:
        raise ValueError(
            "Expected results of one measure, whose distances can share an axis. Received: "
            f"{', '.join(sorted(found))}."
        )
    single = len(results) == 1
    result = next(iter(results.values()))
    curves = [(result, name) for name in result.names.tolist()] if single else []
    curves += [(each, None) for each in results.values()]
    said = _said(result) if single else {name: _median(each) for name, each in results.items()}
    reached = np.concatenate([each.distances(name) for each, name in curves])
    end = float(reached[np.isfinite(reached)].max(initial=0)) or 1.0
    with style.context():
        panel = panels.half_page(len(said) + 1) if ax is None else ax
        looks = panels.looks()
        for (each, name), (color, dashes) in zip(curves, looks, strict=False):
            best = single and name is None
            _draw(panel, each, name, end, confidence, "black" if best else color, dashes, best)
        panels.legend_above(
            panel,
            panel.lines[-len(curves) :],
            [panels.entry(panel, *item) for item in said.items()],
            "optimality" if single else "median distance, not turned infinite",
        )
        panel.set(xlim=(0, end), ylim=(0, 101))
        panel.set_xlabel(f"{measures.label(found.pop(), results.values())}, at most")
        counted = style.span([len(each) for each in results.values()])
        panel.set_ylabel(f"robust accuracy, at most (%)\nof {counted} samples")
        panels.plain(panel)
    return panel


def _draw(panel, result, name, end, confidence, color, dashes, best: bool) -> None:
    """Draws one curve of steps; of the best of all attacks with its interval."""
    places, shares = result.curve(name)
    places = np.append(places, end)
    if name is None:
        low, high = (100 * edge for edge in result.interval(places, confidence=confidence))
        panel.fill_between(places, low, high, step="post", color=color, alpha=BAND, linewidth=0)
    panel.plot(
        places,
        100 * np.append(shares, shares[-1]),
        drawstyle="steps-post",
        color=color,
        linestyle="-" if best else dashes,
        linewidth=1.8 if best else 1.2,
    )


def _said(result: RobustnessResult) -> dict[str, str]:
    """What the legend says of each attack of a result, and of the best of all."""
    values = zip(result.names.tolist(), result.optimality(), strict=True)
    said = {name: f"{value:.2f}" if np.isfinite(value) else "none" for name, value in values}
    return {**said, "best of all on each sample": "1"}


def _median(result: RobustnessResult) -> str:
    right = result.least[result.right]
    median = float(np.median(right)) if len(right) else 0.0
    return style.number(median) if np.isfinite(median) else "\N{INFINITY}"
