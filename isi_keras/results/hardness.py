"""The record of how hard each class is to attack."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras.results.base import Result

STATISTICS = ("min", "mean")


@dataclasses.dataclass(frozen=True, eq=False)
class HardnessResult(Result):
    """What became of `A` attempts to turn a sample of one class into another of `K` classes.

    Matrices are `(K, K)`, rows the source, columns the target; NaN on the diagonal and where there
    was no attempt.

    Args:
        classes: the names of the classes, `(K,)`.
        budgets: the budgets of the sweep, ascending, `(B,)`: shares of the inputs, or distances.
        source: the true class of the sample of each attempt, `(A,)`.
        target: the class it was to reach, `(A,)`.
        min_budget: the least budget with which the attempt succeeds, `(A,)`; infinite if it does
            not with the greatest.
        distortion: how far the attempt went, `(A,)`, in units of `config["measure"]`: for `"l0"`
            the share of inputs that it changed, for `"l2"` and `"linf"` the distance.
        distance: the adversarial distance by pairs, `(A,)`, or `None` if it was not asked for.
        distance_single: the same by single inputs.
        seconds: wall-clock time of the sweep, compilation included.
        config: the attack and the measure.
    """

    classes: np.ndarray
    budgets: np.ndarray
    source: np.ndarray
    target: np.ndarray
    min_budget: np.ndarray
    distortion: np.ndarray
    distance: np.ndarray | None
    distance_single: np.ndarray | None
    seconds: float
    config: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.source)

    def count(self) -> np.ndarray:
        """How many attempts there were, a matrix of integers."""
        return self._sums(np.ones(len(self), int))

    def success_rate(self, budget: float | None = None) -> np.ndarray:
        """The share of attempts that succeed within a budget, a matrix, 0 to 1.

        Args:
            budget: any number up to the greatest of `budgets`, which is the default.
        """
        return self._means(self.succeeds_within(budget), np.ones(len(self), bool))

    def mean_distortion(self, budget: float | None = None) -> np.ndarray:
        """The mean distortion of the attempts that succeed within a budget, a matrix.

        Args:
            budget: any number up to the greatest of `budgets`, which is the default.
        """
        return self._means(self.distortion, self.succeeds_within(budget))

    def hardness(self) -> np.ndarray:
        r"""How hard it is to turn each class into each other, a matrix.

        $$H(s, t) = \sum_{k=1}^{B-1} \left(\tau_{k+1} - \tau_k\right)
        \frac{\varepsilon_{k+1} + \varepsilon_k}{2}$$

        with the success rate $\tau_k$ in percent and the mean distortion $\varepsilon_k$ of the
        successes, in percent for `"l0"`, within the budget $k$. A mean over no success counts as 0.

        Source: Papernot et al. 2016, equations 11 and 12.
        """
        config = self.config["config"] if "class_name" in self.config else self.config
        scale = 100 if config["measure"] == "l0" else 1
        rates = np.stack([100 * self.success_rate(budget) for budget in self.budgets])
        means = np.stack([scale * self.mean_distortion(budget) for budget in self.budgets])
        means = np.where(rates > 0, means, 0.0)
        return (np.diff(rates, axis=0) * (means[1:] + means[:-1]) / 2).sum(0)

    def adversarial_distance(self, *, pairs: bool = True) -> np.ndarray:
        """The mean adversarial distance from each class to each other, a matrix.

        Args:
            pairs: whether by pairs of inputs, as in the paper's figure 15, or by single inputs.

        Raises:
            ValueError: if the distances were not computed.

        Source: Papernot et al. 2016, equation 13.
        """
        return self._means(self._distances(pairs), np.ones(len(self), bool))

    def robustness(self, *, pairs: bool = True, statistic: str = "min") -> float:
        """The least (or the mean) adversarial distance over all samples and targets, 0 to 1.

        Args:
            pairs: whether by pairs of inputs or by single inputs.
            statistic: `"min"`, as published, or `"mean"`.

        Raises:
            ValueError: if the distances were not computed, or `statistic` is unknown.

        Source: Papernot et al. 2016, equation 14.
        """
        if statistic not in STATISTICS:
            raise ValueError(
                f"Expected statistic to be 'min' or 'mean'. Received: statistic={statistic!r}."
            )
        return float(getattr(self._distances(pairs), statistic)())

    def succeeds_within(self, budget: float | None = None) -> np.ndarray:
        """Which attempts succeed within a budget, `(A,)`.

        Args:
            budget: any number up to the greatest of `budgets`, which is the default.

        Raises:
            ValueError: if the budget is greater.
        """
        budget = float(self.budgets[-1]) if budget is None else budget
        if budget > self.budgets[-1] * (1 + 1e-9):
            raise ValueError(
                f"The sweep went up to a budget of {self.budgets[-1]:g}. Received: {budget:g}."
            )
        return self.min_budget <= budget * (1 + 1e-9)

    def _distances(self, pairs: bool) -> np.ndarray:
        found = self.distance if pairs else self.distance_single
        if found is None:
            raise ValueError(
                "Adversarial distances were not computed. Call hardness(..., distances=True)."
            )
        return found

    def _sums(self, values: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(self.classes),) * 2, values.dtype)
        np.add.at(sums, (self.source, self.target), values)
        return sums

    def _means(self, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        sums = self._sums(np.where(chosen, values, 0).astype("float64"))
        count = self._sums(chosen.astype("float64"))
        return np.divide(sums, count, out=np.full_like(sums, np.nan), where=count > 0)
