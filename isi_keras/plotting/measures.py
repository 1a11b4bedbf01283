"""What each measure is called on an axis and in a caption, its unit and its scale."""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from isi_keras import _checks, axes, evaluation
from isi_keras.plotting import checks, style
from isi_keras.results import AttackResult, RobustnessResult


@dataclasses.dataclass(frozen=True)
class Measure:
    """A measure of how far an input was moved, or how alike two maps are.

    Args:
        label: its name on an axis; of positions with a place for the word.
        caption: how a value is said in short, with a place for it.
        unit: of a value that was multiplied by `scale`, where the label does not say it.
        scale: what a value is multiplied by to be drawn.
    """

    label: str
    caption: str = ""
    unit: str = ""
    scale: int = 1


MEASURES = {
    "l0": Measure("inputs changed", unit="% of inputs", scale=100),
    "l0_feature": Measure("inputs changed", "{} changed"),
    "l0_position": Measure("{}s changed"),
    "l2": Measure("L2 distance", "L2 {}", "L2 distance"),
    "linf": Measure("L\N{INFINITY} distance", "L\N{INFINITY} {}", "L\N{INFINITY} distance"),
    "spearman": Measure("rank correlation of the magnitudes"),
    "ssim": Measure("structural similarity of the magnitudes"),
}
"""By the names that results, `evaluate` and `parameter_randomisation` have for them; `"l0"` of a
sweep over classes is a share of the inputs."""

BY_NORM = {"L0": "l0_feature", "L2": "l2", "Linf": "linf"}
"""The measure that tells most of an attack under a norm."""


def label(measure: str, results: Iterable[AttackResult | RobustnessResult]) -> str:
    """A measure on the axis of a picture of some attacks."""
    words = {axes.word(result.x.shape[1:]) for result in results}
    return MEASURES[measure].label.format(words.pop() if len(words) == 1 else "position")


def caption(measure: str, value: float, result: AttackResult) -> str:
    """A value of a measure in short, as in "3 changed", "2 pixels" or "L2 0.51"."""
    if measure == "l0_position":
        return style.counted(int(value), axes.word(result.x.shape[1:]))
    digits = 3 if measure == "l0_feature" else 2
    return MEASURES[measure].caption.format(style.number(value, digits))


def natural(result: AttackResult) -> str:
    """The measure that tells most of an attack: that of its norm, else the number of inputs."""
    return BY_NORM.get(norm_of(result)[0], "l0_feature")


def norm_of(result: AttackResult) -> tuple[str, Mapping]:
    """The class of the norm of an attack and its configuration; both empty if it names none."""
    norm = checks.settings(result).get("norm")
    return (norm["class_name"], norm["config"]) if isinstance(norm, Mapping) else ("", {})


def of_samples(result: AttackResult, measure: str, data_format: str | None) -> np.ndarray:
    """The distance of each sample, `(N,)`."""
    _checks.one_of("measure", measure, evaluation.DISTANCES)
    data_format = checks.format_of(result, data_format)
    return evaluation.distances(
        result.x, result.adversarial, data_format=data_format, groups=result.domain.groups
    )[measure]


def changed(where: np.ndarray, data_format: str) -> tuple[str, str]:
    """How many positions and how many inputs of a sample changed, as in "2 pixels", "5 inputs".

    Args:
        where: which inputs changed, of the shape of a sample.
        data_format: where the channels are.
    """
    positions = int(axes.any_channel(where[None], data_format).sum())
    inputs = style.counted(int(np.count_nonzero(where)), "input")
    return style.counted(positions, axes.word(where.shape)), inputs


def has_channels(shape: tuple, data_format: str) -> bool:
    """Whether a position of a sample of a shape has more than one input."""
    return axes.count("position", shape, data_format) < axes.count("feature", shape, data_format)
