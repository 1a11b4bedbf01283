"""The records of how good maps are: scores against what was flipped, or made random."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from isi_keras import _checks
from isi_keras.results import schema
from isi_keras.results.base import Result
from isi_keras.results.fields import Rows, Shared
from isi_keras.results.schema import Array, Settings

SCORES = ("probability", "logit")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FlippingResult(Result):
    """How the score of the explained class of `N` samples fell in `T` steps of `pixel_flipping`.

    Args:
        flipped: the share of pixels, patches or features that are flipped, 0 before the first step
            and at most 1 after the last, `(T + 1,)`.
        logit: the logit of the explained class, `(N, T + 1)`.
        probability: its probability, `(N, T + 1)`: the softmax of the logits, or the sigmoid of the
            logit if the model ends in a sigmoid.
        target: the explained class, `(N,)`.
        config: `pixel_flipping`, how it was called, and the indicator that made the maps.
        provenance: which model made it, and on what, as `Result` says; `None` if not recorded.
    """

    flipped: Annotated[Shared[np.ndarray], Array("f", "T", low=0, high=1, rising=True, least=2)]
    logit: Annotated[Rows[np.ndarray], Array("f", "N T", nan=True, inf=True)]
    probability: Annotated[Rows[np.ndarray], Array("f", "N T", low=0, high=1.001, nan=True)]
    target: Annotated[Rows[np.ndarray], schema.classes()]
    config: Annotated[
        Shared[Mapping[str, Any]], Settings((("patch", (int, None)), ("order", (str,))))
    ]

    def curve(self, score: str = "probability") -> np.ndarray:
        """The curve of each sample, `(N, T + 1)`.

        Args:
            score: `"probability"` or `"logit"`.

        Raises:
            ValueError: if `score` is neither.
        """
        return getattr(self, _checks.one_of("score", score, SCORES))

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
        from scipy import integrate

        curve = self.curve(score).astype("float64")
        return integrate.trapezoid(curve, self.flipped, axis=1) / self.flipped[-1]

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


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RandomisationResult(Result):
    """How alike maps stay when `L` layers are made random, by `parameter_randomisation`.

    Args:
        layers: `"original"`, then the path of each layer from the top down, `(L + 1,)` strings.
        similarity: of the map of each sample to its original map, `(N, L + 1)`. In column `i` the
            layers down to `layers[i]` (without `cascade`: this one alone) are random; the first
            column, of the untouched network, is 1. NaN where it is not defined.
        target: the explained class, `(N,)`.
        config: `parameter_randomisation`, how it was called, and the indicator.
        provenance: which model made it, and on what, as `Result` says; `None` if not recorded.
    """

    layers: Annotated[Shared[np.ndarray], Array("U", "L", shown=True, least=1)]
    similarity: Annotated[Rows[np.ndarray], Array("f", "N L", nan=True)]
    target: Annotated[Rows[np.ndarray], schema.classes()]
    config: Annotated[
        Shared[Mapping[str, Any]],
        Settings((("cascade", (bool,)), ("similarity", ("spearman", "ssim")))),
    ]
