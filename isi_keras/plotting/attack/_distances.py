"""What is left of some attacks within a distance; no figure is made here."""

from collections.abc import Mapping

import numpy as np

from isi_keras.results import AttackResult


def curve(reached: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
    """What is left within a distance, as the corners of a curve of steps.

    Args:
        reached: the distance of each sample that can be lost, infinite for one that is not; `(M,)`.
        start: the share that there is at no distance; it falls by `1 / M` of itself with each.

    Returns:
        Distances, from 0 upwards, and the share from each of them on.
    """
    found = np.unique(reached[np.isfinite(reached)])
    places = np.concatenate([[0.0], found[found > 0]])
    left = (reached[None] > places[:, None]).mean(1) if len(reached) else np.ones(len(places))
    return places, start * left


def expect_attacked(results: Mapping[str, AttackResult]) -> None:
    """Raises unless each result has samples that were attacked."""
    idle = [label for label, result in results.items() if not result.attacked.any()]
    if idle:
        raise ValueError(
            f"No sample was attacked. Received: {', '.join(map(repr, idle))} with samples that "
            "were all misclassified or at the target to begin with. Leave it out."
        )
