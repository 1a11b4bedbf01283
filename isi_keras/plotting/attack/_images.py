"""What the pictures of attacks share: the images of some samples, who failed, and the sizes."""

from collections.abc import Iterable

import numpy as np

from isi_keras.plotting import images, style
from isi_keras.results import AttackResult, Stop

LARGE = 0.9
"""Width of one image in inches where there is room."""

LONGEST = 1.1
"""Inches after which the name of a class is cut."""

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


def failed(result: AttackResult) -> np.ndarray:
    """Which samples were attacked without success, `(N,)`."""
    return result.attacked & ~result.success


def expect_attacked(result: AttackResult, index: int) -> None:
    """Raises unless the sample was attacked."""
    if not result.attacked[index]:
        attacked = np.flatnonzero(result.attacked)
        advice = f"Pass another index, such as {attacked[0]}." if len(attacked) else "None was."
        raise ValueError(
            f"Sample {index} was not attacked: "
            f"{Stop.of(result.stop_reason[index]).meaning}. {advice}"
        )


def counted(count: int, noun: str) -> str:
    """A number of things, as in "1 step" and "2 steps"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def lines(texts: Iterable[str]) -> int:
    """How many lines the highest of `texts` has."""
    return max(text.count("\n") + 1 for text in texts)


def widest(texts: Iterable[str], size: float) -> float:
    """Inches of the widest of `texts` at `size` points."""
    return max(style.text_width(text, size) for text in texts)
