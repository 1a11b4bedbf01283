"""The figure behind an animation: an attack after any of its steps, where a result knows them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from isi_keras.plotting import checks, images, measures, panels, style
from isi_keras.plotting.attack import _images, _order, _scores, replay
from isi_keras.results import AttackResult

IMAGE = 2.4
"""Inches of the longer side of the image."""

BARS = 2.3
"""Inches that the bars take, with the names of their classes."""

LEADING = 3
"""How many classes have a bar."""


class Film:
    """The figure of one attack, which shows it after any step.

    Args:
        result: on images.
        index: which sample.
        classes: the names of the classes; their numbers if `None`.
        data_format: where the channels are.
    """

    def __init__(
        self,
        result: AttackResult,
        index: int,
        classes: Sequence[str] | None = None,
        data_format: str = "channels_last",
    ):
        inputs = replay.inputs_of(result, index)
        bounds = images.bounds_of(result.bounds, result.x, np.array([index]))
        self.frames = images.as_images(inputs, bounds, data_format=data_format)
        self.order = _order.of_pixels(result.order[[index]], data_format)[0]
        self.inputs, self.data_format = result.order[index], data_format
        self.last = len(self.frames) - 1
        height, width = self.order.shape
        self.inches = IMAGE * min(1.0, height / width)
        across = max(1.9, self.inches * width / height)
        bars = result.trajectory is not None
        with style.context():
            wide = across + BARS * bars + 0.2
            caption = style.wrap(_caption(result, index, classes), 0.95 * wide, at="→ ")
            tall = self.inches + (caption.count("\n") + 3.2) * style.LINE
            self.figure = style.figure(wide, tall)
            self.figure.suptitle(caption)
            ratios = [across, BARS] if bars else [across]
            left, *rest = self.figure.subplots(
                1, len(ratios), width_ratios=ratios, squeeze=False
            ).flat
            panels.draw_image(left, self.frames[0])
            self.image, self._marks = left.images[0], []
            self._bars = [_Bars(ax, result, index, classes) for ax in rest]
        self.show(0)

    def show(self, step: int) -> None:
        """Draws the state after `step` steps; 0 is the original."""
        ax: Axes = self.image.axes  # pyright: ignore[reportAssignmentType]
        self.image.set_data(self.frames[step])
        for marks in self._marks:
            marks.remove()
        before = (self.order > 0) & (self.order < step)
        now = (self.order > 0) & (self.order == step)
        self._marks = [self._squares(ax, before, 0.7), self._squares(ax, now, 1.6)]
        done = (self.inputs > 0) & (self.inputs <= step)
        changed, _ = measures.changed(done, self.data_format)
        ax.set_xlabel(f"step {step} of {self.last}: {changed} changed", fontsize=style.SMALL)
        for bars in self._bars:
            bars.show(step)

    def _squares(self, ax: Axes, which: np.ndarray, thick: float):
        return _order.squares(
            ax,
            *np.nonzero(which),
            height=len(self.order),
            inches=self.inches,
            around=thick + 0.6,
            facecolors="none",
            edgecolors=style.PALETTE[6],
            linewidths=thick,
            path_effects=[withStroke(linewidth=thick + 1.2, foreground="black")],
        )


class _Bars:
    """The probabilities of a few classes, which change with the step."""

    def __init__(self, ax: Axes, result: AttackResult, index: int, classes: Sequence[str] | None):
        scores = _scores.probabilities(_scores.of_sample(result, index))  # (S + 1, K)
        first, numbers = _leading(result, index, scores)
        colors = [style.PALETTE[0], style.PALETTE[5]][: len(first)] + [style.NEUTRAL] * LEADING
        places = np.arange(len(numbers))
        self.scores = scores[:, numbers]
        self.bars = ax.barh(places, self.scores[0], color=colors[: len(numbers)], height=0.6)
        self.texts = [
            ax.text(0, y, "", va="center", fontsize=style.SMALL) for y in map(float, places)
        ]
        names = [checks.short_name(number, classes, 0.8) for number in numbers]
        ax.set_yticks(places, names)
        ax.set(xlim=(0, 1.22), xticks=[0, 0.5, 1], ylim=(LEADING - 0.5, -0.5))
        ax.set_xlabel("probability", fontsize=style.SMALL)
        panels.plain(ax)
        ax.spines["bottom"].set_bounds(0, 1)

    def show(self, step: int) -> None:
        for bar, text, value in zip(self.bars, self.texts, self.scores[step], strict=True):
            bar.set_width(value)
            text.set(x=value, text=f" {value:.2f}")


def _leading(result: AttackResult, index: int, scores: np.ndarray) -> tuple[list[int], list[int]]:
    """The class predicted before and the goal; and these with the others of greatest score."""
    goal = _scores.goal_of(result, index)
    first = [int(result.clean_prediction[index]), *([] if goal is None else [goal])]
    others = [int(n) for n in np.argsort(-scores.max(0), kind="stable") if n not in first]
    return first, (first + others)[:LEADING]


def _caption(result: AttackResult, index: int, classes: Sequence[str] | None) -> str:
    before, after = _images.names(result, index, classes, 1.5)
    failed = ", failed" if _images.failed(result)[index] else ""
    return f"{before} → {after}{failed}"
