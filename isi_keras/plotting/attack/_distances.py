"""How far attacks went, and how often within a distance; no figure is made here."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras import evaluation
from isi_keras.plotting import checks
from isi_keras.results import AttackResult

NAMED = {
    "l0_feature": "inputs changed",
    "l0_position": "positions changed",
    "l2": "L2 distance",
    "linf": "L\N{INFINITY} distance",
}
"""What each measure of `evaluation.distances` is called on an axis."""


def of_samples(result: AttackResult, measure: str, data_format: str) -> np.ndarray:
    """The distance of each sample, `(N,)`."""
    checks.one_of("measure", measure, evaluation.DISTANCES)
    return evaluation.distances(result.x, result.adversarial, data_format=data_format)[measure]


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


def as_mapping(results: Any, call: str) -> Mapping[str, AttackResult]:
    """A mapping of results, also of a single one, whose label is empty."""
    if isinstance(results, AttackResult):
        checks.expect(results, AttackResult)
        return {"": results}
    checks.expect_each(results, AttackResult, call)
    return results


def expect_attacked(results: Mapping[str, AttackResult]) -> None:
    """Raises unless each result has samples that were attacked."""
    idle = [label for label, result in results.items() if not result.attacked.any()]
    if idle:
        raise ValueError(
            f"No sample was attacked. Received: {', '.join(map(repr, idle))} with samples that "
            "were all misclassified or at the target to begin with. Leave it out."
        )
