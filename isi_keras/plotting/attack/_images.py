"""What the pictures of attacks share: the images of some samples, who failed, and the sizes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import checks, images, style
from isi_keras.results import AttackResult, Stop

LARGE = 0.9
"""Width of one image in inches where there is room."""

MARKED = 1.8
"""Points of a frame that tells something."""


def rows(result: AttackResult, picked: np.ndarray, data_format: str) -> tuple[np.ndarray, ...]:
    """Original, adversarial and change of the samples `picked`, each ready for `imshow`."""
    x, adversarial = result.x[picked], result.adversarial[picked]
    bounds = images.bounds_of(result.bounds, result.x, picked)
    return (
        images.as_images(x, bounds, data_format=data_format),
        images.as_images(adversarial, bounds, data_format=data_format),
        images.as_changes(x, adversarial, data_format=data_format),
    )


def names(
    result: AttackResult,
    index: int,
    classes: Sequence[str] | None,
    inches: float = style.LONGEST,
) -> tuple[str, str]:
    """What a sample was predicted as before and after the attack."""
    before = checks.short_name(result.clean_prediction[index], classes, inches)
    return before, checks.short_name(result.prediction[index], classes, inches)


def failed(result: AttackResult) -> np.ndarray:
    """Which samples were attacked without success, `(N,)`."""
    return result.attacked & ~result.success


def mark_failed(ax: Axes, labelled: Axes | None = None) -> None:
    """Draws the frame of an image red, and the label below it or below another panel."""
    if ax.images:
        style.frame(ax, style.FAILED, MARKED)
    (ax if labelled is None else labelled).xaxis.label.set_color(style.FAILED)


def expect_attacked(result: AttackResult, index: int) -> None:
    """Raises unless the sample was attacked."""
    if not result.attacked[index]:
        attacked = np.flatnonzero(result.attacked)
        advice = f"Pass another index, such as {attacked[0]}." if len(attacked) else "None was."
        raise ValueError(
            f"Sample {index} was not attacked: "
            f"{Stop.of(result.stop_reason[index]).meaning}. {advice}"
        )
