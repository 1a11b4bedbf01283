"""`sparseness` and `complexity`: on how few inputs a map puts its weight."""

from collections.abc import Mapping

import numpy as np
from scipy import special

from isi_keras.results import Explanation


def sparseness(explanation: Explanation) -> np.ndarray:
    r"""The Gini index of the magnitudes of each map: 0 if all are equal, towards 1 if few count.

    $$G = 1 - 2 \sum_{k=1}^{D} \frac{|R|_{(k)}}{\lVert R \rVert_1} \cdot \frac{D - k + 1/2}{D}$$

    where $|R|_{(1)} \le \dots \le |R|_{(D)}$ are the sorted magnitudes of the $D$ inputs, each
    channel an input of its own. A map with a single input other than zero has $1 - 1/D$; a map of
    zeros counts as constant and has 0. The index does not change with the scale of a map.

    Args:
        explanation: what `explain` returned, `N` samples.

    Returns:
        The index of each sample, float64 `(N,)` in `[0, 1)`.

    Raises:
        TypeError: if `explanation` is not an `Explanation`.
        ValueError: if a map is not finite.

    Source: Chalasani et al. 2020, arXiv 1810.06583; Hurley and Rickard 2009, arXiv 0811.4706.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> maps = isi.explain(model, x[:8])
        >>> bool((isi.sparseness(maps) > 0.5).all())
        True
    """
    share = _shares(explanation)
    count = share.shape[1]
    weight = (count - np.arange(1, count + 1) + 0.5) / count  # (D,)
    return 1 - 2 * np.sort(share, axis=1) @ weight


def complexity(explanation: Explanation) -> np.ndarray:
    r"""The entropy of each map's fractional contributions: 0 for one input, $\ln D$ for all alike.

    $$C = -\sum_{i=1}^{D} P_i \ln P_i, \qquad P_i = \frac{|R_i|}{\sum_j |R_j|}$$

    over the $D$ inputs, each channel an input of its own, with $0 \ln 0 = 0$. $e^C$ is the number
    of inputs that would share the weight evenly. A map of zeros counts as constant and has $\ln D$.

    Args:
        explanation: what `explain` returned, `N` samples.

    Returns:
        The entropy of each sample in nats, float64 `(N,)` in `[0, ln D]`.

    Raises:
        TypeError: if `explanation` is not an `Explanation`.
        ValueError: if a map is not finite.

    Source: Bhatt, Weller and Moura 2020, arXiv 2005.00631.

    Example:
        >>> import numpy as np
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> entropy = isi.complexity(isi.explain(model, x[:8]))
        >>> bool((np.exp(entropy) < 784).all())
        True
    """
    share = _shares(explanation)
    return special.entr(share).sum(axis=1)


def _shares(explanation) -> np.ndarray:
    """The magnitudes of each map, summing to 1, float64 `(N, D)`."""
    if not isinstance(explanation, Explanation):
        raise TypeError(
            f"Expected an Explanation. Received: {type(explanation).__name__}. Pass what explain "
            "returned, or Explanation.load(path)."
        )
    maps = explanation.relevance
    maps = list(maps.values()) if isinstance(maps, Mapping) else [maps]
    flat = np.concatenate([part.reshape(len(part), -1) for part in maps], axis=1)
    size = np.abs(flat.astype("float64"))  # (N, D)
    if not np.isfinite(size).all():
        bad = np.flatnonzero(~np.isfinite(size).all(axis=1))
        raise ValueError(
            f"The relevance holds NaN or infinity in {len(bad)} of {len(size)} samples, the first "
            f"at index {bad[0]}. Explain the others alone."
        )
    total = size.sum(axis=1, keepdims=True)
    alike = np.full_like(size, 1 / size.shape[1])
    return np.divide(size, total, out=alike, where=total > 0)
