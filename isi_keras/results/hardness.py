"""The record of how hard each class is to attack."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from isi_keras import _checks
from isi_keras.results import endings, schema
from isi_keras.results.base import Result
from isi_keras.results.fields import Divided, Rows, Shared
from isi_keras.results.records import REASONS
from isi_keras.results.schema import Array, Settings
from isi_keras.results.stop import Stop

STATISTICS = ("min", "mean")
MEASURES = ("l0", "l2", "linf")
MOST = 2048
"""A sweep of more classes, of which a matrix would have millions of entries, is not read."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class HardnessResult(Result):
    """What became of `A` attempts to turn a sample of one class into another of `K` classes.

    Each sample has a row for each other class. The rows of a sample that is misclassified are no
    attempts: none of the numbers below counts them.

    Matrices are `(K, K)`, rows the source, columns the target; NaN on the diagonal and where there
    was no attempt.

    Args:
        classes: the names of the classes, `(K,)`.
        budgets: the budgets of the sweep, ascending, `(B,)`: shares of the inputs, or distances.
        source: the true class of the sample of each attempt, `(A,)`.
        target: the class it was to reach, `(A,)`.
        min_budget: the least budget with which the attempt succeeds, `(A,)`; infinite if it does
            not with the greatest.
        distortion: how far the attempt went, `(A,)`, in units of `measure`: for `"l0"` the share of
            inputs that it changed, for `"l2"` and `"linf"` the distance. NaN if there was none.
        distance: the adversarial distance by pairs, `(A,)`, or `None` if it was not asked for.
        distance_single: the same by single inputs.
        seconds: wall-clock time of the sweep, compilation included.
        config: `hardness`, the attack and the measure.
        sample: the number of the sample of each attempt, `(A,)`. `None` in files of version 1 of
            the format, which holds attempts only.
        stop_reason: why each attempt ended, `(A,)`, the label of a `Stop`; `None` likewise.
        provenance: which model made it, and on what, as `Result` says; `None` if not recorded.

    Raises:
        ValueError: if only one of `sample` and `stop_reason` is `None`.
    """

    classes: Annotated[Shared[np.ndarray], Array("U", "K", shown=True, least=1, most=MOST)]
    budgets: Annotated[Shared[np.ndarray], Array("f", "B", low=0, rising=True, least=1, most=MOST)]
    source: Annotated[Rows[np.ndarray], schema.classes("A", below="K")]
    target: Annotated[Rows[np.ndarray], schema.classes("A", below="K")]
    min_budget: Annotated[Rows[np.ndarray], Array("f", "A", low=0, inf=True)]
    distortion: Annotated[Rows[np.ndarray], Array("f", "A", low=0, nan=True, inf=True)]
    distance: Annotated[Rows[np.ndarray | None], Array("f", "A", nan=True, inf=True)]
    distance_single: Annotated[Rows[np.ndarray | None], Array("f", "A", nan=True, inf=True)]
    seconds: Annotated[Divided[float], Array("fi", low=0)]
    config: Annotated[Shared[Mapping[str, Any]], Settings((("measure", MEASURES),))]
    sample: Annotated[Rows[np.ndarray | None], schema.counts("A")] = None
    stop_reason: Annotated[Rows[np.ndarray | None], Array("U", "A", words=REASONS)] = None

    def __post_init__(self):
        if (self.sample is None) != (self.stop_reason is None):
            raise ValueError("Expected both sample and stop_reason, or neither. Received: one.")

    def _verify(self) -> None:
        settings, count = self.config["config"], len(self.classes)
        if count**2 * len(self.budgets) > 2**24:
            raise ValueError(f"expected fewer than {len(self.budgets)} budgets of {count} classes")
        if self.stop_reason is not None:
            within, far = np.isfinite(self.min_budget), np.isinf(self.distortion)
            endings.check("a finite min_budget", within, self.stop_reason, among=within | ~far)
        for name in () if self.sample is not None else ("samples", "misclassified"):
            _checks.integer(f"config[{name!r}]", settings[name], 0)

    @property
    def measure(self) -> str:
        """What distortion is: `"l0"`, `"l2"` or `"linf"`."""
        return self.config["config"]["measure"]

    @property
    def attempted(self) -> np.ndarray:
        """Which rows are attempts, `(A,)`: those of samples that are not misclassified."""
        if self.stop_reason is None:
            return np.ones(len(self), bool)
        return self.stop_reason != Stop.MISCLASSIFIED.label

    @property
    def attempts(self) -> "HardnessResult":
        """The attempts alone, so that the mean of `succeeds_within` is a share of them."""
        return self[self.attempted]

    @property
    def samples(self) -> int:
        """How many samples there were, those that are misclassified among them.

        Raises:
            ValueError: if the record is a part of one that version 1 of the format saved.
        """
        if self.sample is None:
            return self._of_version_1("samples")
        return len(np.unique(self._numbered()))

    @property
    def misclassified(self) -> int:
        """How many of the samples are misclassified.

        Raises:
            ValueError: if the record is a part of one that version 1 of the format saved.
        """
        if self.sample is None:
            return self._of_version_1("misclassified")
        return len(np.unique(self._numbered()[~self.attempted]))

    def count(self) -> np.ndarray:
        """How many attempts there were, a matrix of integers."""
        return self._sums(self.attempted.astype(int))

    def success_rate(self, budget: float | None = None) -> np.ndarray:
        """The share of attempts that succeed within a budget, a matrix, 0 to 1.

        Args:
            budget: any number up to the greatest of `budgets`, which is the default.
        """
        return self._means(self.succeeds_within(budget), self.attempted)

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
        from scipy import integrate

        scale = 100 if self.measure == "l0" else 1
        rates = np.stack([100 * self.success_rate(budget) for budget in self.budgets])
        means = np.stack([scale * self.mean_distortion(budget) for budget in self.budgets])
        return integrate.trapezoid(np.where(rates > 0, means, 0.0), rates, axis=0)

    def adversarial_distance(self, *, pairs: bool = True) -> np.ndarray:
        """The mean adversarial distance from each class to each other, a matrix.

        Args:
            pairs: whether by pairs of inputs, as in the paper's figure 15, or by single inputs.

        Raises:
            ValueError: if the distances were not computed.

        Source: Papernot et al. 2016, equation 13.
        """
        return self._means(self._distances(pairs), self.attempted)

    def robustness(self, *, pairs: bool = True, statistic: str = "min") -> float:
        """The least (or the mean) adversarial distance over all attempts, 0 to 1; NaN without any.

        Args:
            pairs: whether by pairs of inputs or by single inputs.
            statistic: `"min"`, as published, or `"mean"`.

        Raises:
            ValueError: if the distances were not computed, or `statistic` is unknown.

        Source: Papernot et al. 2016, equation 14.
        """
        _checks.one_of("statistic", statistic, STATISTICS)
        found = self._distances(pairs)[self.attempted]
        return float(getattr(found, statistic)()) if len(found) else float("nan")

    def succeeds_within(self, budget: float | None = None) -> np.ndarray:
        """Which rows succeed within a budget, `(A,)`; take `attempts` first for a share of them.

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
        return self.attempted & (self.min_budget <= budget * (1 + 1e-9))

    def _numbered(self) -> np.ndarray:
        """The number of the sample of each row, if no attempt is there twice."""
        rows = np.stack([self.sample, self.target])  # pyright: ignore
        if len(np.unique(rows, axis=1).T) != len(self):
            raise ValueError(
                "An attempt is there twice, so samples cannot be counted. Tell parts of a run "
                "which sample their first is: hardness(..., first_index=...)."
            )
        return rows[0]

    def _of_version_1(self, name: str) -> int:
        config = self.config["config"]
        right = config["samples"] - config["misclassified"]
        if len(self) != right * (len(self.classes) - 1):
            raise ValueError(
                f"How many {name} there were is known of the whole record only: version 1 of the "
                "format did not say which sample an attempt is of."
            )
        return config[name]

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
