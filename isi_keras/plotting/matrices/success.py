"""How often attacks succeed within a budget."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import checks, measures, panels, plots, style
from isi_keras.results import HardnessResult

TITLE = "success rate, mean distortion of the successes"
"""What the legend has, within the greatest budget."""


def success(
    results: Mapping[str, HardnessResult] | HardnessResult, *, ax: Axes | None = None
) -> Axes:
    """Draws the share of attempts that succeed against the budget, a curve for each sweep.

    Markers are at the budgets of the sweep; between them the curve is exact, since each attempt
    knows the least budget that it needs. The legend has the success rate within the greatest budget
    and the mean distortion of these successes.

    Args:
        results: what `hardness` returned; several by their labels.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend goes above `ax`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `results` is neither a `HardnessResult` nor a mapping to such.
        ValueError: if one is empty, or if they measure distortion differently.

    Example:
    >>> from isi_keras.plotting import _example
    >>> ax = success({"JSMA": _example.sweep()})
    >>> ax.get_legend().texts[0].get_text()
    'JSMA: 50 %, 5 %'
    """
    results = checks.as_mapping(results, plots.SWEEP, 'success({"JSMA": result})')
    results = {label: result.attempts for label, result in results.items()}
    checks.expect_each(results, plots.SWEEP, 'success({"JSMA": result})')
    measure = _measure(results)
    end = measure.scale * max(float(result.budgets[-1]) for result in results.values())
    with style.context():
        panel = panels.half_page(len(results) + 1) if ax is None else ax
        handles, entries = [], []
        markers = itertools.cycle("osD^v")
        for (label, result), (color, dashes) in zip(results.items(), panels.looks(), strict=False):
            places, rates = _curve(result)
            look: dict[str, Any] = {"color": color, "linewidth": 1.4, "linestyle": dashes}
            panel.plot(measure.scale * places, 100 * rates, drawstyle="steps-post", **look)
            marker = next(markers)
            at = np.array([result.succeeds_within(budget).mean() for budget in result.budgets])
            (points,) = panel.plot(measure.scale * result.budgets, 100 * at, color=color)
            points.set(marker=marker, linestyle="", markersize=3.5, clip_on=False)
            handles.append(panel.plot([], [], **look, marker=marker, markersize=3.5)[0])
            entries.append(panels.entry(panel, label, _said(result, measure.scale)))
        panels.legend_above(panel, handles, entries, TITLE)
        panel.set(xlim=(0, end), ylim=(0, 101))
        panel.set_xlabel(f"{measure.label}, at most{' (%)' if measure.scale == 100 else ''}")
        attempts = style.span([len(result) for result in results.values()])
        panel.set_ylabel(f"success rate (%)\nof {attempts} attempts")
        panels.plain(panel)
    return panel


def _curve(result: HardnessResult) -> tuple[np.ndarray, np.ndarray]:
    """The success rate from each budget on at which it rises, up to the greatest of the sweep."""
    needed = np.unique(result.min_budget[result.succeeds_within()])
    places = np.concatenate([[0.0], needed, result.budgets[-1:]])
    return places, np.array([(result.min_budget <= place * (1 + 1e-9)).mean() for place in places])


def _said(result: HardnessResult, scale: int) -> str:
    """The success rate and the mean distortion of the successes within the greatest budget."""
    won = result.succeeds_within()
    rate = f"{style.number(100 * won.mean())} %"
    if not won.any():
        return rate
    unit = " %" if scale == 100 else ""
    return f"{rate}, {style.number(scale * result.distortion[won].mean())}{unit}"


def _measure(results: Mapping[str, HardnessResult]) -> measures.Measure:
    found = sorted({checks.settings(result)["measure"] for result in results.values()})
    if len(found) > 1:
        raise ValueError(
            "The sweeps of one panel must measure the same. Received: measure="
            f"{', '.join(map(repr, found))}. Draw each in a panel of its own."
        )
    return measures.MEASURES[found[0]]
