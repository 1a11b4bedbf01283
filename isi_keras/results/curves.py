"""The records of how good maps are: scores against what was flipped, or made random."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras.results.base import Result

SCORES = ("probability", "logit")


@dataclasses.dataclass(frozen=True, eq=False)
class FlippingResult(Result):
    """How the score of the explained class of `N` samples fell in `T` steps of `pixel_flipping`.

    Args:
        flipped: the share of pixels, patches or features that are flipped, 0 before the first step
            and at most 1 after the last, `(T + 1,)`.
        logit: the logit of the explained class, `(N, T + 1)`.
        probability: its probability, `(N, T + 1)`: the softmax of the logits, or the sigmoid of the
            logit if the model ends in a sigmoid.
        target: the explained class, `(N,)`.
        config: how it was flipped, and the indicator that made the maps.
    """

    flipped: np.ndarray
    logit: np.ndarray
    probability: np.ndarray
    target: np.ndarray
    config: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.target)

    def curve(self, score: str = "probability") -> np.ndarray:
        """The curve of each sample, `(N, T + 1)`.

        Args:
            score: `"probability"` or `"logit"`.

        Raises:
            ValueError: if `score` is neither.
        """
        if score not in SCORES:
            raise ValueError(
                f"Expected score to be 'probability' or 'logit'. Received: score={score!r}."
            )
        return getattr(self, score)

    def area(self, score: str = "probability") -> np.ndarray:
        r"""The area under the curve of each sample, `(N,)`: its mean height, in units of the score.

        $$\mathrm{AUC} = \frac{1}{s_T} \sum_{k=1}^{T} (s_k - s_{k-1})
        \frac{f(x_k) + f(x_{k-1})}{2}$$

        where $s_k$ is `flipped`. Most relevant first, a lower area speaks for a map; least relevant
        first, a higher one.

        Args:
            score: `"probability"` or `"logit"`.

        Raises:
            ValueError: if `score` is neither.
        """
        curve = self.curve(score).astype("float64")
        heights = (curve[:, 1:] + curve[:, :-1]) / 2  # (N, T)
        return heights @ np.diff(self.flipped) / self.flipped[-1]

    def aopc(self, score: str = "probability") -> np.ndarray:
        r"""The area over the perturbation curve of each sample, `(N,)`.

        $$\mathrm{AOPC} = \frac{1}{T + 1} \sum_{k=0}^{T} f(x_0) - f(x_k)$$

        The paper's figure is its mean over the samples. Most relevant first, a higher one speaks
        for a map. It depends on how many steps there are: compare equal `steps` only.

        Args:
            score: `"probability"` or `"logit"`.

        Raises:
            ValueError: if `score` is neither.

        Source: Samek et al. 2017, arXiv 1509.06321.
        """
        curve = self.curve(score).astype("float64")
        return (curve[:, :1] - curve).mean(axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class RandomisationResult(Result):
    """How alike maps stay when `L` layers are made random, by `parameter_randomisation`.

    Args:
        layers: `"original"`, then the path of each layer from the top down, `(L + 1,)` strings.
        similarity: of the map of each sample to its original map, `(N, L + 1)`. In column `i` the
            layers down to `layers[i]` (without `cascade`: this one alone) are random; the first
            column, of the untouched network, is 1. NaN where it is not defined.
        target: the explained class, `(N,)`.
        config: how it was done, and the indicator.
    """

    layers: np.ndarray
    similarity: np.ndarray
    target: np.ndarray
    config: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.target)
