"""How often attacks succeed within a budget."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import checks, panels, style
from isi_keras.results import HardnessResult

TITLE = "success rate, mean distortion of the successes"
"""What the legend has, within the greatest budget."""

UNITS = {
    "l0": "inputs changed, at most (%)",
    "l2": "L2 distance, at most",
    "linf": "L\N{INFINITY} distance, at most",
}


def success(
    results: Mapping[str, HardnessResult] | HardnessResult, *, ax: Axes | None = None
) -> Axes:
    """Draws the share of attempts that succeed against the budget, a curve for each sweep.

    Markers stand at the budgets of the sweep; between them the curve is exact, since each attempt
    knows the least budget that it needs. The legend has the success rate within the greatest budget
    and the mean distortion of these successes.

    Args:
        results: what `hardness` returned; several by their labels.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend stands above `ax`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `results` is neither a `HardnessResult` nor a mapping to such.
        ValueError: if one is empty, or if they measure distortion differently.

    Example:
    >>> import numpy as np
    >>> from isi_keras.results import HardnessResult
    >>> result = HardnessResult(
    ...     classes=np.array(["cat", "dog"]), budgets=np.array([0.1, 0.2]), source=np.array([0, 1]),
    ...     target=np.array([1, 0]), min_budget=np.array([0.05, np.inf]),
    ...     distortion=np.array([0.05, 0.2]), distance=None, distance_single=None, seconds=1.0,
    ...     config={"config": {"measure": "l0"}})
    >>> ax = success({"JSMA": result})
    >>> ax.get_legend().texts[0].get_text()
    'JSMA: 50 %, 5 %'
    """
    if isinstance(results, HardnessResult):
        checks.expect(results, HardnessResult)
        results = {"": results}
    checks.expect_each(results, HardnessResult, 'success({"JSMA": result})')
    measure = _measure(results)
    percent = 100 if measure == "l0" else 1
    end = percent * max(float(result.budgets[-1]) for result in results.values())
    with style.context():
        panel = panels.half_page(len(results) + 1) if ax is None else ax
        handles, entries = [], []
        markers = itertools.cycle("osD^v")
        for (label, result), (color, dashes) in zip(results.items(), panels.looks(), strict=False):
            places, rates = _curve(result)
            look: dict[str, Any] = {"color": color, "linewidth": 1.4, "linestyle": dashes}
            panel.plot(percent * places, 100 * rates, drawstyle="steps-post", **look)
            marker = next(markers)
            tried = result.attempted
            at = np.array([result.succeeds_within(k)[tried].mean() for k in result.budgets])
            (points,) = panel.plot(percent * result.budgets, 100 * at, color=color, marker=marker)
            points.set(linestyle="", markersize=3.5, clip_on=False)
            handles.append(panel.plot([], [], **look, marker=marker, markersize=3.5)[0])
            entries.append(panels.entry(panel, label, _said(result, percent)))
        panels.legend_above(panel, handles, entries, TITLE)
        panel.set(xlim=(0, end), ylim=(0, 101))
        panel.set_xlabel(UNITS[measure])
        panel.set_ylabel(_of(results))
        panels.plain(panel)
    return panel


def _curve(result: HardnessResult) -> tuple[np.ndarray, np.ndarray]:
    """The success rate from each budget on at which it rises, up to the greatest of the sweep."""
    needed = np.unique(result.min_budget[result.succeeds_within()])
    places = np.concatenate([[0.0], needed, result.budgets[-1:]])
    budgets = result.min_budget[result.attempted]
    return places, np.array([(budgets <= place * (1 + 1e-9)).mean() for place in places])


def _said(result: HardnessResult, percent: int) -> str:
    """The success rate and the mean distortion of the successes within the greatest budget."""
    won = result.succeeds_within()
    rate = f"{style.number(100 * won[result.attempted].mean())} %"
    if not won.any():
        return rate
    unit = " %" if percent == 100 else ""
    return f"{rate}, {style.number(percent * result.distortion[won].mean())}{unit}"


def _measure(results: Mapping[str, HardnessResult]) -> str:
    measures = sorted({result.measure for result in results.values()})
    if len(measures) > 1:
        raise ValueError(
            "The sweeps of one panel must measure the same. Received: measure="
            f"{', '.join(map(repr, measures))}. Draw each in a panel of its own."
        )
    return measures[0]


def _of(results: Mapping[str, HardnessResult]) -> str:
    counts = sorted({int(result.attempted.sum()) for result in results.values()})
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"success rate (%)\nof {number} attempts"
