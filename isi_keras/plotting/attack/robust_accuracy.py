"""The accuracy that is left if attacks may go up to a distance."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from isi_keras import evaluation
from isi_keras.plotting import checks, measures, panels, plots, style
from isi_keras.plotting.attack import _distances
from isi_keras.results import AttackResult


def robust_accuracy(
    results: Mapping[str, AttackResult] | AttackResult,
    *,
    measure: str = "l0_feature",
    data_format: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the accuracy that is left if attacks may go up to a distance, a curve for each attack.

    It starts at the clean accuracy and falls by each success at its distance, and where the model
    returns NaN or infinity; a failure counts as robust at any distance. Without true labels (`y`)
    the curve is the share of the attacked samples that was not turned. The legend has the median
    distance of the attacked samples, infinite if no more than half of them were turned.

    Args:
        results: what an `Attack` returned; several by their labels.
        measure: `"l0_feature"`, `"l0_position"`, `"l2"` or `"linf"`, as in `evaluate`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend goes above `ax`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `results` is neither an `AttackResult` nor a mapping to such.
        ValueError: if a result is empty or without attacked samples, if only some have true labels,
            or if `measure` is unknown.

    Example:
    >>> import numpy as np
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack(2, y=np.zeros(2), success=np.array([True, False]))
    >>> ax = robust_accuracy({"relevance": result})
    >>> ax.lines[0].get_xdata(), ax.lines[0].get_ydata()
    (array([0., 4., 4.]), array([100.,  50.,  50.]))
    """
    results = checks.as_mapping(results, plots.ATTACK, 'robust_accuracy({"relevance": result})')
    _distances.expect_attacked(results)
    labelled = {result.y is not None for result in results.values()}
    if len(labelled) > 1:
        raise ValueError(
            "Only some of the results have true labels, so that their curves would mean different "
            "things. Attack all of them with y=..., or none."
        )
    (labelled,) = labelled
    reached = {
        label: evaluation.lost_at(result, measure, checks.format_of(result, data_format))
        for label, result in results.items()
    }
    finite = np.concatenate([values[np.isfinite(values)] for values in reached.values()])
    end = float(finite.max(initial=0)) or 1.0
    with style.context():
        panel = panels.half_page(len(results) + 1) if ax is None else ax
        said = {}
        for (label, result), (color, dashes) in zip(results.items(), panels.looks(), strict=False):
            places, left = _left(result, reached[label])
            panel.plot(
                np.append(places, end),
                100 * np.append(left, left[-1]),
                drawstyle="steps-post",
                color=color,
                linestyle=dashes,
                linewidth=1.4,
            )
            said[label] = _median(reached[label][result.attacked])
        panels.legend_above(
            panel,
            panel.lines[-len(results) :],
            [panels.entry(panel, *item) for item in said.items()],
            "median distance, failures infinite",
        )
        panel.set(xlim=(0, end), ylim=(0, 101))
        panel.set_xlabel(f"{measures.label(measure, results.values())}, at most")
        panel.set_ylabel(_left_of(results, labelled))
        panels.plain(panel)
    return panel


def _left(result: AttackResult, reached: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the curve of one result."""
    if result.y is None:
        return _distances.curve(reached[result.attacked], 1.0)
    return _distances.curve(reached[result.right], float(result.right.mean()))


def _left_of(results: Mapping[str, AttackResult], labelled: bool) -> str:
    number = style.span([len(r) if labelled else int(r.attacked.sum()) for r in results.values()])
    if labelled:
        return f"robust accuracy (%)\nof {number} samples"
    return f"not turned (%)\nof {number} attacked samples"


def _median(reached: np.ndarray) -> str:
    median = float(np.median(reached))
    return style.number(median) if np.isfinite(median) else "\N{INFINITY}"
