"""Curves as SVG: small, sharp in print, read by screen readers, coloured by the page."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from isi_keras.plotting import panels
from isi_keras.reporting.parts import Chart, Curve
from isi_keras.results.robustness_report import ALL

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 12, 44
LOOKS = 6
"""How many colours and dashes the style sheet has."""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A chart in the units of its picture; the template writes it."""

    chart: Chart
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    paths: Sequence[tuple[int, str, str, str]]
    summary: str
    table: Sequence[Sequence[str]]
    box = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    size = (WIDTH, HEIGHT)


def drawn(chart: Chart) -> Drawn:
    """A chart with ticks and paths, and in words."""
    end = max(float(np.max(curve.x, initial=0)) for curve in chart.curves) or 1.0
    ticks = [(_x(t, end), panels.tick_text(t)) for t in panels.ticks_between(0, end, 3.0)]
    shares = [(_y(t), f"{t:.0%}") for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    paths = [
        (
            number % LOOKS,
            curve.label,
            _path(curve, curve.y, end),
            "" if curve.low is None or curve.high is None else _band(curve, end),
        )
        for number, curve in enumerate(chart.curves)
    ]
    first = chart.curves[0]
    summary = (
        f"{chart.title}. {chart.y_label} from {first.y[0]:.0%} at 0 to {first.y[-1]:.0%} at "
        f"{panels.tick_text(float(first.x[-1]))} ({chart.x_label})."
    )
    return Drawn(chart, ticks, shares, paths, summary, _table(chart, end))


def compared(charts: Sequence[Sequence[Chart]]) -> list[Chart]:
    """Of results whose curves have the same axes a chart of them all: the first of each."""
    alike: dict[tuple[str, str], list[Curve]] = {}
    for first, *_ in filter(None, charts):
        bare = dataclasses.replace(first.curves[0], low=None, high=None)
        if bare.label == ALL:  # of the attacks in one result
            bare = dataclasses.replace(bare, label=f"{first.title.partition(': ')[2]}: {ALL}")
        alike.setdefault((first.y_label, first.x_label), []).append(bare)
    return [
        Chart(
            f"{said.capitalize()} of several results",
            where,
            said,
            curves,
            notes=["Each curve is of the samples of its result."],
        )
        for (said, where), curves in alike.items()
        if len(curves) > 1
    ]


def _table(chart: Chart, end: float) -> list[list[str]]:
    """The curves at a few places, for those who do not see them."""
    places = [place for place in panels.ticks_between(0, end, 3.0) if place < end]
    return [
        [panels.tick_text(place), *(f"{_at(curve, place):.1%}" for curve in chart.curves)]
        for place in [*places, end]
    ]


def _at(curve: Curve, place: float) -> float:
    if not curve.steps:
        return float(np.interp(place, curve.x, curve.y))
    return float(curve.y[np.searchsorted(curve.x, place, side="right") - 1])


def _corners(curve: Curve, values: np.ndarray, end: float) -> list[tuple[float, float]]:
    x, y = curve.x, values
    if curve.steps:
        x, y = np.append(np.repeat(x, 2)[1:], end), np.repeat(y, 2)
    return [(_x(a, end), _y(b)) for a, b in zip(x, y, strict=True)]


def _path(curve: Curve, values: np.ndarray, end: float) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in _corners(curve, values, end))


def _band(curve: Curve, end: float) -> str:
    assert curve.low is not None
    assert curve.high is not None
    around = [*_corners(curve, curve.low, end), *reversed(_corners(curve, curve.high, end))]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in around) + "Z"


def _x(value: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * float(value) / end


def _y(value: float) -> float:
    share = float(np.clip(value if np.isfinite(value) else 0, 0, 1))
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
