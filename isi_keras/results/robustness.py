"""The record of how few inputs overturn each decision, by the best of several attacks."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from isi_keras import _checks, axes
from isi_keras.results import endings, intervals, own_bounds, schema
from isi_keras.results.base import Result
from isi_keras.results.fields import Bounded, Rows, Shared
from isi_keras.results.records import FORMAT, PER_SAMPLE, REASONS, check_moving
from isi_keras.results.schema import Array, Settings, Shapes
from isi_keras.results.stop import Stop

MEASURES = ("l0_feature", "l0_position", "l2", "linf")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RobustnessResult(Result):
    r"""How near `M` attacks found an adversarial example of each of `N` samples.

    All of it is an **upper bound on robustness**: an attack shows that a sample can be turned,
    never that it cannot. A stronger attack may turn more samples, at smaller distances.

    A sample is lost at the distance at which an attack turned it, or at which the model returned
    NaN or infinity. One that is misclassified, or whose clean logits are not finite, is lost at 0.

    Args:
        x: the inputs, `(N, ...)`, float32.
        adversarial: the nearest adversarial example of each, of the shape of `x`; the input itself
            where there is none.
        y: the true labels, `(N,)`.
        clean_prediction: the prediction on the clean input, `(N,)`; -1 where its logits are not
            finite.
        distance: the distance at which each attack lost each sample, `(N, M)`, in units of
            `measure`; infinite where it did not.
        success: whether each attack turned the sample into another class, `(N, M)` bool. Logits
            that are not finite are no class.
        stop_reason: why each attack of each sample ended, `(N, M)`, the label of a `Stop`.
        forward: forward passes that each attack spent on each sample, `(N, M)`.
        backward: backward passes, `(N, M)`.
        seconds: wall-clock time, `(N, M)`: of each attack, compilation included, an equal part for
            each sample.
        names: what each attack is called, `(M,)`.
        config: `robustness`, the attacks by their names, the measure, and the goal if one was
            given. Bounds that were given for each sample are those of these samples.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are.
        moving: of a model that takes a list or a dictionary the inputs that `x` is, by name the
            shape of each. Several are one row of numbers, each flattened, one after another.
        held: the other inputs of such a model by their names, arrays of `N` rows.
        aim: what the goal says for each sample, `(N,)` or `(N, K)`; `None` if it is the same for
            all, or there is no goal.
        provenance: which model made it, and on what, as `Result` says; `None` if not recorded.

    Raises:
        ValueError: if `data_format` is unknown.
    """

    x: Annotated[Rows[np.ndarray], Array("f", "N ...")]
    adversarial: Annotated[Rows[np.ndarray], Array("f", like="x")]
    y: Annotated[Rows[np.ndarray], schema.classes()]
    clean_prediction: Annotated[Rows[np.ndarray], schema.classes(low=-1)]
    distance: Annotated[Rows[np.ndarray], Array("f", "N M", low=0, inf=True)]
    success: Annotated[Rows[np.ndarray], Array("b", "N M")]
    stop_reason: Annotated[Rows[np.ndarray], Array("U", "N M", words=REASONS)]
    forward: Annotated[Rows[np.ndarray], schema.counts("N M")]
    backward: Annotated[Rows[np.ndarray], schema.counts("N M")]
    seconds: Annotated[Rows[np.ndarray], Array("f", "N M", low=0)]
    names: Annotated[Shared[np.ndarray], Array("U", "M", distinct=True, shown=True, least=1)]
    config: Annotated[Bounded[Mapping[str, Any]], Settings((("measure", MEASURES),))]
    data_format: Annotated[Shared[str], FORMAT] = "channels_last"
    moving: Annotated[Shared[Mapping[str, Any] | None], Shapes()] = None
    held: Annotated[Rows[Mapping[str, np.ndarray] | None], PER_SAMPLE] = None
    aim: Annotated[Rows[np.ndarray | None], PER_SAMPLE] = None

    def __post_init__(self):
        axes.check_data_format(self.data_format)

    def _verify(self) -> None:
        check_moving(self)
        # Of logits that are not finite in the end the reason is a success, which is none.
        endings.check("success", self.success, self.stop_reason, among=self.success)
        own_bounds.check(self.config, len(self), self.x.ndim)

    @property
    def measure(self) -> str:
        """What a distance is: `"l0_feature"`, `"l0_position"`, `"l2"` or `"linf"`."""
        return self.config["config"]["measure"]

    @property
    def goal(self) -> Mapping[str, Any] | None:
        """The configuration of the goal, which `goals.of` makes one of; `None` if none was given.

        What it says of each sample is `aim`.
        """
        return self.config["config"].get("goal")

    @property
    def right(self) -> np.ndarray:
        """Which samples are predicted right to begin with, `(N,)`."""
        return self.clean_prediction == self.y

    @property
    def not_finite(self) -> np.ndarray:
        """For which samples the model returned NaN or infinity, clean or attacked, `(N,)`."""
        broken = (self.stop_reason == Stop.NOT_FINITE.label) & np.isfinite(self.distance)
        return (self.clean_prediction < 0) | broken.any(axis=1)

    @property
    def least(self) -> np.ndarray:
        """The least distance at which any attack lost each sample, `(N,)`; infinite if none did."""
        return self.distance.min(axis=1)

    @property
    def nearest(self) -> np.ndarray:
        """Which attack found the least distance, `(N,)`, an index of `names`; of equals the first.

        It is -1 where no attack was needed (misclassified) or none succeeded.
        """
        found = self.right & np.isfinite(self.least)
        return np.where(found, self.distance.argmin(axis=1), -1)

    @property
    def turned(self) -> np.ndarray:
        """Which samples that were right any attack turned into another class, `(N,)`."""
        return self.right & self.success.any(axis=1)

    def distances(self, attack: str | None = None) -> np.ndarray:
        """The distance at which each sample is lost, `(N,)`: to an attack, or to any of them.

        Args:
            attack: one of `names`; `None` for the least of all.

        Raises:
            ValueError: if there is no such attack.
        """
        if attack is None:
            return self.least
        names = self.names.tolist()
        return self.distance[:, names.index(_checks.one_of("attack", attack, names))]

    def robust_accuracy(self, budget: Any = np.inf, *, attack: str | None = None) -> Any:
        """The share of samples that are right and not lost within a distance: an upper bound.

        Args:
            budget: a distance, or an array of them; by default any at which an attack succeeded.
            attack: one of `names`; `None` for the best of all on each sample.

        Returns:
            A number from 0 to 1, or an array of the shape of `budget`; NaN without samples.

        Raises:
            ValueError: if there is no such attack.
        """
        lost = self.distances(attack)
        budget = np.asarray(budget, "float64")
        kept = ~(np.isfinite(lost) & intervals.within(lost, budget[..., None]))
        shares = kept.mean(axis=-1) if len(self) else np.full(budget.shape, np.nan)
        return float(shares) if budget.ndim == 0 else shares

    def interval(
        self, budget: Any = np.inf, *, confidence: float = 0.95, attack: str | None = None
    ) -> tuple[Any, Any]:
        r"""Wilson's interval of `robust_accuracy`, for what the choice of samples does to it.

        $$\frac{\hat p + z^2 / 2N \pm z \sqrt{\hat p (1 - \hat p) / N + z^2 / 4N^2}}{1 + z^2 / N}$$

        It says nothing of attacks that were not tried.

        Args:
            budget: a distance, or an array of them.
            confidence: of the interval, between 0 and 1.
            attack: one of `names`; `None` for the best of all.

        Returns:
            The lower and the upper end, each as `robust_accuracy` returns it.

        Raises:
            ValueError: if `confidence` is not between 0 and 1, or there is no such attack.

        Source: Wilson 1927, doi 10.1080/01621459.1927.10502953.
        """
        share = self.robust_accuracy(budget, attack=attack)
        return intervals.wilson(share, len(self), confidence=confidence)

    def curve(self, attack: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Robust accuracy against distance, as the corners of a curve of steps.

        Args:
            attack: one of `names`; `None` for the best of all on each sample, their envelope.

        Returns:
            Distances from 0 upwards, `(T,)`, and the robust accuracy from each of them on, `(T,)`.

        Raises:
            ValueError: if there is no such attack.
        """
        lost = self.distances(attack)
        places = np.unique(np.append(lost[np.isfinite(lost)], 0.0))
        return places, self.robust_accuracy(places, attack=attack)

    def optimality(self, attack: str | None = None) -> Any:
        r"""How near the curve of an attack comes to that of the best of all, 0 to 1.

        With $\rho_a(\varepsilon)$ the robust accuracy under an attack within $\varepsilon$,
        $\rho_*$ that under the best of all on each sample (the envelope), $\rho_0$ the clean
        accuracy and $\varepsilon_0$ the distance from which on the envelope no longer falls,

        $$\xi_a = \frac{\int_0^{\varepsilon_0} \rho_0 - \rho_a(\varepsilon)\, d\varepsilon}
        {\int_0^{\varepsilon_0} \rho_0 - \rho_*(\varepsilon)\, d\varepsilon}
        = \frac{\sum_i \max(0, \varepsilon_0 - d_{a,i})}{\sum_i \max(0, \varepsilon_0 - d_{*,i})}$$

        over the samples $i$ that are predicted right, with the distances $d$; 1 for an attack that
        is nowhere beaten. It depends on which attacks were tried. The curves are steps and the
        integrals exact; AttackBench's program takes trapezoids between the steps.

        Args:
            attack: one of `names`; `None` for all of them.

        Returns:
            A number, or `(M,)` for all. NaN where there is no area to compare: without a success,
            or if the envelope falls once only.

        Raises:
            ValueError: if there is no such attack.

        Source: Cinà et al. 2025, AttackBench, arXiv 2404.19460, local optimality.
        """
        if attack is None:
            return np.array([self.optimality(name) for name in self.names.tolist()])
        best, own = self.least[self.right], self.distances(attack)[self.right]
        end = best[np.isfinite(best)].max(initial=0.0)
        whole = np.maximum(0, end - best).sum()
        return float(np.maximum(0, end - own).sum() / whole) if whole > 0 else float("nan")
