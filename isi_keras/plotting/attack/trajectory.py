"""What one attack did: the scores of the classes step by step, and the order of the changes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isi_keras import _checks
from isi_keras.plotting import checks, images, measures, panels, plots, style
from isi_keras.plotting.attack import _images, _order, _scores
from isi_keras.results import SCORES, AttackResult, Stop

HEIGHT = 2.6
"""Inches of the panels."""

CURVES = 0.54
"""The share of the width that the curves have."""

MARKED = 40
"""Up to how many steps each has its own marker on the curves."""


def trajectory(
    result: AttackResult,
    index: int = 0,
    *,
    score: str = "probability",
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    data_format: str | None = None,
) -> Figure:
    """Draws how one attack went: the scores by step, beside what it changed and when.

    The curves are those of the class that was predicted before the attack, of the target (without
    one: of the class that was reached), and of whichever other class is greatest in each step. On
    the right the original is shown in pale grey, and each changed pixel has the colour of the step
    in which one of its channels was first changed, with the number of the step where pixels are
    large enough. Tabular features have bars instead, the first changed on top.

    Args:
        result: what an `Attack` returned with `trajectory=True`.
        index: which sample, from 0.
        score: `"probability"`, the softmax of the logits (of a model that ends in a single sigmoid
            unit its sigmoid), or `"logit"`.
        classes: the names of the classes; their numbers if `None`.
        names: the names of tabular features; their numbers if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.

    Returns:
        The Figure, 7 inches wide.

    Raises:
        TypeError: if `result` is not an `AttackResult`.
        ValueError: if it is empty or without a trajectory, if the sample was not attacked, or if
            an argument does not fit.

    Example:
    >>> import numpy as np
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack(trajectory=np.array([[[2.0, 1, 0], [1, 2, 0]]]))
    >>> figure = trajectory(result, score="logit")
    >>> [text.get_text() for text in figure.legends[0].texts]
    ['0, predicted before', '1, reached', 'best other']
    """
    checks.expect(result, plots.ATTACK)
    data_format = checks.format_of(result, data_format)
    _checks.one_of("score", score, SCORES)
    index = int(checks.chosen([index], len(result))[0])
    _images.expect_attacked(result, index)
    logits = _scores.of_sample(result, index)  # (S + 1, K)
    scores = logits if score == "logit" else _scores.probabilities(logits)
    tabular = result.x.ndim == 2
    checks.check_names(names, result.x.shape[1] if tabular else None)
    caption = style.wrap(_caption(result, index, classes), 0.95 * style.WIDTH, at=", ")
    right = (1 - CURVES) * style.WIDTH
    side = min(
        HEIGHT, (right - 0.6) / 1.08 * (1 if tabular else images.ratio(result.x, data_format))
    )
    with style.context():
        figure = style.figure(style.WIDTH, HEIGHT + (caption.count("\n") + 4.5) * style.LINE)
        figure.suptitle(caption)
        left, beside = figure.subplots(1, 2, width_ratios=[CURVES, 1 - CURVES])
        _curves(left, scores, _named(result, index, classes))
        left.set_ylabel(score)
        if score == "probability":
            left.set_ylim(-0.02, 1.02)
        if tabular:
            _order.draw_features(beside, result, index, names, right)
        else:
            image, _, _ = _images.rows(result, np.array([index]), data_format)
            order = _order.of_pixels(result.order[[index]], data_format)[0]
            _order.draw_steps(beside, image[0], order, side)
            if len(order) > order.shape[1]:
                beside.set_anchor("C")  # its label needs more room than the image
            beside.set_xlabel(_counted(result.order[index] > 0, data_format), fontsize=style.SMALL)
    return figure


def _curves(ax: Axes, scores: np.ndarray, named: dict[int, str]) -> None:
    """Draws the score of each class that has a name, and the greatest of the others."""
    steps = np.arange(len(scores))
    marker = "o" if len(scores) <= MARKED else None
    looks = [(style.PALETTE[0], "-"), (style.PALETTE[5], "-")]
    lines = [
        ax.plot(steps, scores[:, number], color=color, linestyle=dashes, marker=marker)[0]
        for number, (color, dashes) in zip(named, looks, strict=False)
    ]
    labels = list(named.values())
    others = np.delete(scores, list(named), axis=1)
    if others.size:
        dashed = {"color": style.MUTED, "linestyle": (0, (4, 2)), "zorder": 1.5}
        lines += ax.plot(steps, others.max(1), marker=marker, **dashed)
        labels.append("best other")
    for line in lines:
        line.set(linewidth=1.4, markersize=2.5)
    ax.figure.legend(lines, labels, loc="outside lower center", ncols=3)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlim(-0.02 * max(1, steps[-1]), 1.02 * max(1, steps[-1]))
    ax.set_xlabel("step")
    panels.plain(ax)


def _named(result: AttackResult, index: int, classes: Sequence[str] | None) -> dict[int, str]:
    """What the legend says of the clean class and of the goal."""
    label, goal = int(result.clean_prediction[index]), _scores.goal_of(result, index)
    role = "reached" if result.target is None else "target"
    roles = {label: "predicted before"} | ({} if goal is None else {goal: role})
    return {
        number: f"{checks.short_name(number, classes, 1.5)}, {said}"
        for number, said in roles.items()
    }


def _caption(result: AttackResult, index: int, classes: Sequence[str] | None) -> str:
    before, after = _images.names(result, index, classes, 1.5)
    steps = style.counted(result.steps[index], "step")
    why = Stop.of(result.stop_reason[index]).meaning
    return f"{before} → {after}, {steps}, {why}"


def _counted(where: np.ndarray, data_format: str) -> str:
    """How many positions were changed, and how many inputs if a position has several."""
    positions, inputs = measures.changed(where, data_format)
    more = f" ({inputs})" if measures.has_channels(where.shape, data_format) else ""
    return f"{positions} changed{more}"
