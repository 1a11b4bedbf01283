"""How many attacks went: the score of the goal step by step."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from isi_keras import _checks
from isi_keras.plotting import checks, panels, plots, style
from isi_keras.plotting.attack import _scores
from isi_keras.results import AttackResult

SCORES = ("probability", "margin")

HEIGHT = 2.6
"""Inches of a new panel."""


def trajectories(
    result: AttackResult, *, score: str = "probability", ax: Axes | None = None
) -> Axes:
    r"""Draws the median and the middle half of the goal's score by step, over attacked samples.

    The score is that of the target; without one that of the class predicted before the attack,
    which the attack lowers. A sample that has ended keeps the value it ended with, so that all
    steps are over the same samples. The numbers below the steps say how many were still running,
    that is, took another one. Samples for which the model returned NaN or infinity are left out.

    Args:
        result: what an `Attack` returned with `trajectory=True`.
        score: `"probability"`, or `"margin"`, the logit less the greatest of the others, which is
            positive where the class is predicted.
        ax: where to draw; a new figure, `ax.figure`, if `None`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `result` is not an `AttackResult`.
        ValueError: if it is empty, without a trajectory or without attacked samples, or if `score`
            is unknown.

    Example:
    >>> import numpy as np
    >>> from isi_keras.plotting import _example
    >>> logits = [[[2, 0], [0, 1], [np.nan] * 2], [[4, 0], [2, 0], [0, 1]]]
    >>> result = _example.attack(2, steps=np.array([1, 2]), trajectory=np.array(logits))
    >>> ax = trajectories(result, score="margin")
    >>> ax.lines[0].get_ydata(), [tick.get_text() for tick in ax.get_xticklabels()]
    (array([ 3. ,  0.5, -1. ]), ['0\n2', '1\n1', '2\n0'])
    """
    checks.expect(result, plots.ATTACK)
    _checks.one_of("score", score, SCORES)
    logits, picked = _scores.of_all(result)
    aimed = result.clean_prediction if result.target is None else result.target
    classes = aimed[picked].astype(int)
    if score == "margin":
        values = _scores.margins(logits, classes)
    else:
        values = _scores.of_class(_scores.probabilities(logits), classes)  # (A, T + 1)
    steps = np.arange(values.shape[1])
    low, middle, high = np.percentile(values, (25, 50, 75), axis=0)
    whose = "class predicted before" if result.target is None else "target"
    with style.context():
        panel = style.figure(style.WIDTH / 2, HEIGHT).add_subplot() if ax is None else ax
        color = style.PALETTE[0]
        panel.fill_between(steps, low, high, color=color, alpha=0.25, linewidth=0, label="half")
        panel.plot(steps, middle, color=color, linewidth=1.4, label="median")
        if score == "margin":
            panel.axhline(0, color="black", linewidth=0.6, zorder=1)
        else:
            panel.set_ylim(0, 1)
        panel.legend(
            [panel.lines[0], panel.collections[0]],
            [f"median of {style.counted(len(picked), 'sample')}", "25 % to 75 %"],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            fontsize=style.SMALL,
            frameon=False,
            ncols=2,
        )
        panel.set_xlim(0, max(1, steps[-1]))
        _ticks(panel, result.steps[picked])
        panel.set_xlabel("step\nsamples still running")
        panel.set_ylabel(style.wrap(f"{score} of the {whose}", 0.9 * style.inches(panel)[1]))
        panels.plain(panel)
    return panel


def _ticks(ax: Axes, steps: np.ndarray) -> None:
    """Writes below some steps how many samples took another one."""
    last = int(steps.max())
    places = MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]).tick_values(0, max(1, last))
    places = [int(place) for place in places if 0 <= place <= last]
    ax.set_xticks(places, [f"{place}\n{(steps > place).sum()}" for place in places])
