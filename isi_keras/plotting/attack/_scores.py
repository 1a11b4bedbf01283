"""From the logits of an attack's steps to probabilities and margins; no figure is made here."""

import numpy as np
from scipy.special import softmax

from isi_keras.results import AttackResult


def of_sample(result: AttackResult, index: int) -> np.ndarray:
    """The logits of one sample before each step and at the end, `(steps + 1, K)`.

    Raises:
        ValueError: if there is no trajectory, or the model did not return numbers.
    """
    logits = _trajectory(result)[index, : result.steps[index] + 1].astype("float64")
    if not np.isfinite(logits).all():
        raise ValueError(
            f"The model returned NaN or infinity for sample {index}, so there is no curve to draw. "
            'Choose one whose stop is not "not_finite".'
        )
    return logits


def of_all(result: AttackResult) -> tuple[np.ndarray, np.ndarray]:
    """The logits of the attacked samples and which these are, `(A, T + 1, K)` and `(A,)`.

    A sample that has ended keeps its last logits. Samples for which the model did not return
    numbers are left out.

    Raises:
        ValueError: if there is no trajectory, or no sample that was attacked.
    """
    logits = _trajectory(result).astype("float64")
    last = np.minimum(np.arange(logits.shape[1]), result.steps[:, None])  # (N, T + 1)
    held = np.take_along_axis(logits, last[..., None], axis=1)
    picked = np.flatnonzero(result.attacked & np.isfinite(held).all((1, 2)))
    if not picked.size:
        raise ValueError(
            f"No sample was attacked. Received: {len(result)} samples that stopped for "
            f"{', '.join(sorted(set(result.stop_reason.tolist())))}. Attack samples that the model "
            "predicts right."
        )
    return held[picked], picked


def probabilities(logits: np.ndarray) -> np.ndarray:
    r"""The softmax of logits, `(..., K)`.

    Of two logits that are everywhere each other's negative, as of a single sigmoid unit, the
    sigmoid, $1 / (1 + e^{-z})$.

    Example:
    >>> probabilities(np.array([[-2.0, 2.0]])).round(3)
    array([[0.119, 0.881]])
    """
    if logits.shape[-1] == 2 and (logits[..., 0] == -logits[..., 1]).all():
        logits = logits / 2
    return softmax(logits, axis=-1)


def margins(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The logit of a class less the greatest other, `(A, S)`.

    Args:
        logits: `(A, S, K)`.
        classes: which class of each sample, `(A,)`.
    """
    own = of_class(logits, classes)
    others = np.where(np.arange(logits.shape[-1]) == classes[:, None, None], -np.inf, logits)
    return own - others.max(-1)


def of_class(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The score of one class of each sample, `(A, S)`, from `(A, S, K)`."""
    return np.take_along_axis(scores, classes[:, None, None], axis=-1)[..., 0]


def goal_of(result: AttackResult, index: int) -> int | None:
    """The class aimed at, else the one that was reached, else `None`."""
    if result.target is not None:
        return int(result.target[index])
    reached = int(result.prediction[index])
    return reached if reached != result.clean_prediction[index] else None


def _trajectory(result: AttackResult) -> np.ndarray:
    if result.trajectory is None:
        raise ValueError(
            "The result holds no logits of the steps (trajectory=None). Keep them with "
            "attack(model, x, trajectory=True)."
        )
    return result.trajectory
