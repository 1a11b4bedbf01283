"""How the distances of successful attacks are spread."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from isi_keras.plotting import checks, measures, panels, plots, style
from isi_keras.plotting.attack import _distances
from isi_keras.results import AttackResult

BINS = 30
"""The most bars of a histogram."""


def distances(
    results: Mapping[str, AttackResult] | AttackResult,
    *,
    measure: str = "l0_feature",
    data_format: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws how the distances of the successes are spread, as histograms with common bars.

    The legend has how many attacks failed, which have no distance, and the median of the successes.

    Args:
        results: what an `Attack` returned; several by their labels.
        measure: `"l0_feature"`, `"l0_position"`, `"l2"` or `"linf"`, as in `evaluate`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend goes above `ax`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `results` is neither an `AttackResult` nor a mapping to such.
        ValueError: if a result is empty or without attacked samples, if no attack succeeded, or if
            `measure` is unknown.

    Example:
    >>> import numpy as np
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack(2, success=np.array([True, False]))
    >>> ax = distances({"relevance": result})
    >>> ax.get_legend().texts[0].get_text()
    'relevance: 1 of 2 failed, median 4'
    """
    results = checks.as_mapping(results, plots.ATTACK, 'distances({"relevance": result})')
    _distances.expect_attacked(results)
    won = {
        label: measures.of_samples(result, measure, data_format)[result.success]
        for label, result in results.items()
    }
    if not any(map(len, won.values())):
        raise ValueError(
            "No attack succeeded, so there is no distance to draw. Received: "
            f"{sum(int(result.attacked.sum()) for result in results.values())} failures."
        )
    edges = _edges(np.concatenate(list(won.values())), counted=measure.startswith("l0"))
    with style.context():
        panel = panels.half_page(len(results)) if ax is None else ax
        handles = [
            _histogram(panel, won[label], edges, color, dashes, alone=len(results) == 1)
            for label, (color, dashes) in zip(results, panels.looks(), strict=False)
        ]
        said = {label: _failures(result, won[label]) for label, result in results.items()}
        panels.legend_above(panel, handles, [panels.entry(panel, *item) for item in said.items()])
        panel.set_xlim(edges[0], edges[-1])
        panel.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        panel.set_xlabel(measures.label(measure, results.values()))
        panel.set_ylabel("successful attacks")
        panels.plain(panel)
    return panel


def _failures(result: AttackResult, won: np.ndarray) -> str:
    attacked = int(result.attacked.sum())
    median = f", median {style.number(np.median(won))}" if len(won) else ""
    return f"{attacked - len(won)} of {attacked} failed{median}"


def _edges(values: np.ndarray, *, counted: bool) -> np.ndarray:
    """Where the bars of a histogram begin and end; around whole numbers, of what is counted."""
    low, high = float(values.min()), float(values.max())
    if counted:
        width = max(1, -(-int(high - low + 1) // BINS))
        return np.arange(low, high + width + 1, width) - 0.5
    if low == high:
        low, high = low - 0.5 * (low or 1), high + 0.5 * (high or 1)
    bins = np.histogram_bin_edges(values, "fd", (low, high))
    return bins if len(bins) <= BINS + 1 else np.linspace(low, high, BINS + 1)


def _histogram(ax: Axes, values: np.ndarray, edges: np.ndarray, color, dashes, *, alone: bool):
    """Draws one histogram; of several only the outlines are opaque."""
    import seaborn  # it loads pyplot, which importing isi_keras.plotting does not

    before = len(ax.collections)
    seaborn.histplot(
        x=values,
        bins=edges.tolist(),
        element="step",
        color=color,
        alpha=0.6 if alone else 0.15,
        edgecolor=color,
        linewidth=1.2,
        linestyle=dashes,
        ax=ax,
    )
    return ax.collections[before:][0] if len(ax.collections) > before else ax.plot([], [])[0]
