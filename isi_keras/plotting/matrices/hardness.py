"""How hard each class is to turn into each other: the matrices of one sweep side by side."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from isi_keras.plotting import checks, measures, panels, plots, style
from isi_keras.plotting.matrices import matrix
from isi_keras.results import HardnessResult

NOTE = "Grey: no attempt, or no success."

BETWEEN = 0.45
"""Inches that the numbers of a colour bar and the gap to the next panel take."""


class _Panel(NamedTuple):
    title: str
    values: np.ndarray
    unit: str
    limits: tuple[float, float]


def hardness(
    result: HardnessResult,
    *,
    budget: float | None = None,
    classes: Sequence[str] | None = None,
) -> Figure:
    """Draws how hard it is to turn each class into each other: a row per source, targets across.

    The panels are the success rate and the mean distortion of the successes, both within a budget,
    the hardness over all budgets, and the adversarial distance by pairs of inputs if it was
    computed. Each has its own colours; the success rate goes from 0 to 100 %. Numbers appear in the
    cells where they fit. The hardness of pairs without any success, 0 by its formula, is left out.

    Args:
        result: what `hardness` returned.
        budget: of the first two panels, any number up to the greatest of `result.budgets`, which is
            the default.
        classes: the names of the classes; those of the result if `None`.

    Returns:
        The Figure, 7 inches wide.

    Raises:
        TypeError: if `result` is not a `HardnessResult`.
        ValueError: if it is empty or no attempt succeeded within the budget, if the budget is
            greater than those of the sweep, or if there is not a name for each class.

    Source: Papernot et al. 2016, figures 12 to 15.

    Example:
    >>> from isi_keras.plotting import _example
    >>> figure = hardness(_example.sweep())
    >>> [ax.get_title() for ax in figure.axes]
    ['success rate (%)', 'mean distortion (% of inputs)', 'hardness']
    """
    checks.expect(result, plots.SWEEP)
    shown = _panels(result, budget)
    known = result.classes.tolist() if classes is None else classes
    names = [checks.class_name(place, known) for place in range(len(result.classes))]
    names = [style.shorten(name, style.LONGEST, style.SMALL) for name in names]
    rows, columns = (2, 2) if len(shown) == 4 else (1, 3)
    widest = style.widest(names, style.SMALL)
    side = (style.WIDTH - 0.25 - widest) / columns - BETWEEN
    side /= 1 + matrix.BAR
    turnable = any(not name.isdigit() for name in names)
    below = widest if turnable and widest + 0.06 > side / len(names) else style.PITCH
    with style.context():
        note = style.wrap(_note(result, budget), 0.95 * style.WIDTH, style.SMALL)
        around = below + (3 + note.count("\n")) * style.LINE
        figure = style.figure(style.WIDTH, rows * (side + 1.5 * style.LINE) + around)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for ax, panel in zip(axes.flat, shown, strict=True):
            digits = _digits(panel.values, side)
            matrix.draw(ax, panel.values, names, side, digits, "sequential", panel.limits)
            matrix.turn_names(ax, names, side / len(names), turnable=turnable)
            unit = f" ({panel.unit})" if panel.unit else ""
            ax.set_title(style.wrap(f"{panel.title}{unit}", side + 0.3), pad=4)
            ax.label_outer()
            panels.scale_bar(ax, ax.collections[0], inches=side)
        for ax in axes[-1]:
            ax.set_xlabel("target class")
        for ax in axes[:, 0]:
            ax.set_ylabel("source class")
        figure.supxlabel(note, fontsize=style.SMALL, color=style.MUTED)
    return figure


def _panels(result: HardnessResult, budget: float | None) -> list[_Panel]:
    measure = measures.MEASURES[checks.settings(result)["measure"]]
    rate, distortion = result.success_rate(budget), result.mean_distortion(budget)
    if np.isnan(distortion).all():
        raise ValueError(
            "No attempt succeeded, so there is no distortion to draw. Received: "
            f"budget={budget!r} with budgets up to {result.budgets[-1]:g}. Pass a greater budget, "
            "or draw the matrices one by one with plotting.matrix."
        )
    hard = np.where(result.success_rate() > 0, result.hardness(), np.nan)
    drawn = [
        _Panel("success rate", 100 * rate, "%", (0.0, 100.0)),
        _own_limits("mean distortion", measure.scale * distortion, measure.unit),
        _own_limits("hardness", hard, ""),
    ]
    if result.distance is not None:
        drawn.append(_own_limits("adversarial distance", result.adversarial_distance(), ""))
    return drawn


def _own_limits(title: str, values: np.ndarray, unit: str) -> _Panel:
    return _Panel(title, values, unit, matrix.limits_of(values))


def _digits(values: np.ndarray, side: float) -> int:
    """As many places as tell the values apart, at least a fifth of their range, at most 2.

    One more where that fits and the numbers have no more than three digits.
    """
    low, high = np.nanmin(values), np.nanmax(values)
    least = next((d for d in (0, 1) if 10.0**-d <= (high - low) / 5), 2)
    most = 0 if high >= 99.5 else 1 if high >= 9.95 else 2
    return next((d for d in range(most, least, -1) if matrix.fits(values, side, d)), least)


def _note(result: HardnessResult, budget: float | None) -> str:
    """What the panels do not say: the budget, the number of attempts, what grey means."""
    budget = float(result.budgets[-1] if budget is None else budget)
    measure = measures.MEASURES[checks.settings(result)["measure"]]
    size = style.number(measure.scale * budget)
    within = f"a distance of {size}" if measure.scale == 1 else f"{size} {measure.unit}"
    return f"Success and distortion are within {within}; {len(result)} attempts. {NOTE}"
