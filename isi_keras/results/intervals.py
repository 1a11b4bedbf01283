"""How much the choice of samples may move a share, and rounding a distance."""

import statistics
from typing import Any

import numpy as np

from isi_keras import _checks


def wilson(share: Any, count: int, *, confidence: float = 0.95) -> tuple[Any, Any]:
    r"""Wilson's interval of a share of independent samples.

    $$\frac{\hat p + z^2 / 2N \pm z \sqrt{\hat p (1 - \hat p) / N + z^2 / 4N^2}}{1 + z^2 / N}$$

    Args:
        share: of the samples, 0 to 1, or an array of shares; NaN stays NaN.
        count: how many samples there are, at least 0.
        confidence: of the interval, between 0 and 1.

    Returns:
        The lower and the upper end, each of the shape of `share`.

    Raises:
        ValueError: if `confidence` is not between 0 and 1.

    Source: Wilson 1927, doi 10.1080/01621459.1927.10502953.

    Example:
        >>> [round(end, 3) for end in wilson(0.5, 100)]
        [0.404, 0.596]
    """
    if not _checks.is_number(confidence) or not 0 < confidence < 1:
        raise ValueError(
            "Expected confidence to be a number between 0 and 1. "
            f"Received: confidence={confidence!r}."
        )
    count = max(count, 1)
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = ((middle + sign * half) / (1 + z**2 / count) for sign in (-1, 1))
    low, high = np.clip(low, 0, share), np.clip(high, share, 1)  # rounding aside they hold it
    return (float(low), float(high)) if np.ndim(share) == 0 else (low, high)


_ROUNDED = 1e-5
"""Inputs are float32, so a step of 0.24 goes as far as 0.24000001: such a share more is no more."""


def within(distance, budget):
    """Whether distances are within a budget, up to rounding."""
    return distance <= budget + np.minimum(_ROUNDED * np.abs(budget), 0.5)
