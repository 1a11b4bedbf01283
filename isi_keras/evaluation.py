"""`evaluate`: how well an attack did, in the field's measures."""

import dataclasses
from typing import Any, overload

import numpy as np

from isi_keras import _checks, axes
from isi_keras.measures import DISTANCES, distances
from isi_keras.results import AttackResult, RobustnessResult, Stop, Stored
from isi_keras.results.robustness_report import RobustnessReport
from isi_keras.tallies import Tallies


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure over the samples that were attacked; NaN where there are none.

    Args:
        mean_success: the mean over the successes.
        median_success: the median over the successes.
        mean_all: the mean over all attacked samples. For a distance a failure counts as infinity.
        median_all: the median over all attacked samples, likewise.
    """

    mean_success: float
    median_success: float
    mean_all: float
    median_all: float


@dataclasses.dataclass(frozen=True)
class Report:
    """What `evaluate` found. Print it to read it.

    Args:
        samples: how many samples there were.
        attacked: how many of them were attacked: all but those that were misclassified or
            predicted as the target to begin with, or whose logits were not finite.
        successes: how many attacks reached their goal.
        success_rate: `successes / attacked`, 0 to 1.
        clean_accuracy: the share of samples predicted right before the attack, or `None` if no
            true labels were given.
        robust_accuracy: the same after the attack: a success counts as wrong, whatever `y` says,
            and so does a sample for which the model returned NaN or infinity.
        measures: by name a `Measure`: the number of changed features `l0_feature` and of changed
            positions `l0_position` (one with any changed channel counts once), the Euclidean and
            the greatest distance `l2` and `linf` in the units of the data, and for images the
            structural similarity `ssim` (at most 1) and the peak signal-to-noise ratio `psnr` in
            dB, both with the width of the bounds as the range of the data.
        position: what a position is, `"pixel"` of images, `"time step"` of `(N, T, C)`, `"voxel"`
            of volumes; of `(N, D)` each `"feature"`.
        data_format: where the channels were taken to be; `None` if there are none.
        stops: how many samples ended for each reason. For those that are `not_finite` the model
            returned NaN or infinity: they are no success, and not robust.
        steps: the mean number of steps of the attacked samples.
        forward: forward passes over all samples.
        backward: backward passes over all samples.
        seconds: wall-clock time of the attack.
    """

    samples: int
    attacked: int
    successes: int
    success_rate: float
    clean_accuracy: float | None
    robust_accuracy: float | None
    measures: dict[str, Measure]
    position: str
    data_format: str | None
    stops: dict[str, int]
    steps: float
    forward: int
    backward: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as nested dictionaries of numbers."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{self.successes} of {self.attacked} attacked samples turned "
            f"({self.success_rate:.2%}); {self.samples} samples in all",
        ]
        if self.clean_accuracy is not None:
            lines.append(
                f"accuracy {self.clean_accuracy:.2%} clean, {self.robust_accuracy:.2%} attacked"
            )
        broken = self.stops.get(Stop.NOT_FINITE.label, 0)
        if broken:
            lines.append(
                f"NaN or infinity: {broken} of {self.samples} samples; they are neither right nor "
                "robust, and no success"
            )
        lines.append("stopped: " + ", ".join(f"{k} {v}" for k, v in self.stops.items()))
        lines.append(
            f"{self.steps:.2f} steps a sample; {self.seconds:.2f} s for {self.forward} forward and "
            f"{self.backward} backward passes"
        )
        head = ("mean, turned", "median, turned", "mean, all", "median, all")
        lines += ["", " " * 12 + "".join(f"{word:>16}" for word in head)]
        for name, measure in self.measures.items():
            values = dataclasses.astuple(measure)
            lines.append(f"{name:<12}" + "".join(f"{value:>16.4g}" for value in values))
        where = "no channels" if self.data_format is None else self.data_format
        lines.append(f"l0_position counts {self.position}s ({where})")
        lines.append("all: a failure counts as infinitely far; ssim and psnr as they are")
        return "\n".join(lines)


@overload
def evaluate(result: AttackResult, *, data_format: str | None = None) -> Report: ...
@overload
def evaluate(result: RobustnessResult) -> RobustnessReport: ...
@overload
def evaluate(result: Stored, *, data_format: str | None = None) -> Report | RobustnessReport: ...
def evaluate(result: Any, *, data_format: str | None = None) -> Any:
    """Measures an attack: success, distances, similarities and cost; or compares several.

    Args:
        result: what an `Attack` returned or `AttackResult.load` read; or a `RobustnessResult`; or
            a `Run` of one of these, of which no more is read than numbers of each sample.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are; `None`
            for the result's own. Inputs `(N, D)` have no channels, all others do: of `(N, T, C)` a
            position is a time step. Grey images `(N, H, W)` would be taken for sequences; give
            them an axis of one channel.

    Returns:
        A `Report`; of a `RobustnessResult` a `RobustnessReport`.

    Raises:
        TypeError: if `result` is neither.
        ValueError: if `data_format` is unknown, or given with a `RobustnessResult` or a `Run`,
            whose distances are known already.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> result = isi.Attack("relevance", "l0", max_steps=30)(model, x[:8], y=y[:8])
        >>> isi.evaluate(result).success_rate
        1.0
    """
    if isinstance(result, Stored | RobustnessResult) and data_format is not None:
        raise ValueError(f"A {type(result).__name__} has its distances. Leave data_format out.")
    if isinstance(result, Stored):
        result = result.measured()
    if isinstance(result, RobustnessResult):
        return RobustnessReport.of(result)
    if not isinstance(result, AttackResult | Tallies):
        raise TypeError(
            f"Expected an AttackResult. Received: {type(result).__name__}. "
            "Pass what an Attack returned, or AttackResult.load(path)."
        )
    tallies = result if isinstance(result, Tallies) else Tallies.of(result, data_format)
    without = axes.channel_axis(len(tallies.shape) + 1, tallies.data_format) is None
    attacked = tallies.attacked
    success = tallies.success[attacked]
    clean = robust = None
    if tallies.y is not None:
        right, lost = tallies.right, tallies.success | tallies.not_finite
        clean, robust = _statistic(np.mean, right), _statistic(np.mean, right & ~lost)
    reasons, counts = np.unique(tallies.stop_reason, return_counts=True)
    return Report(
        samples=len(tallies),
        attacked=int(attacked.sum()),
        successes=int(success.sum()),
        success_rate=_statistic(np.mean, success),
        clean_accuracy=clean,
        robust_accuracy=robust,
        measures=_measures(tallies),
        position=axes.word(tallies.shape),
        data_format=None if without else tallies.data_format,
        stops={str(k): int(v) for k, v in zip(reasons, counts, strict=True)},
        steps=_statistic(np.mean, tallies.steps[attacked]),
        forward=int(tallies.forward.sum()),
        backward=int(tallies.backward.sum()),
        seconds=tallies.seconds,
    )


def robust_within(
    result: AttackResult,
    budgets,
    *,
    measure: str = "l0_feature",
    data_format: str | None = None,
) -> np.ndarray:
    """The accuracy that is left if attacks may go no further than each of some distances.

    A sample counts if it was predicted right and is not turned within the distance, nor taken to
    where the model returns NaN or infinity.

    Args:
        result: what an attack made of samples with true labels.
        budgets: distances, `(M,)`, in the units of the measure.
        measure: one of `DISTANCES`.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are; `None`
            for the result's own.

    Returns:
        Shares of all samples, `(M,)`; NaN if there are none.

    Raises:
        ValueError: if `measure` or `data_format` is unknown, or there are no true labels.
    """
    right, lost = result.right, result.success | result.not_finite
    reached = lost_at(result, measure, data_format)
    gone = (lost & (reached <= budget) for budget in budgets)
    return np.array([_statistic(np.mean, right & ~part) for part in gone])


def lost_at(result: AttackResult, measure: str, data_format: str | None = None) -> np.ndarray:
    """The distance at which each sample is lost, `(N,)`; infinite for one that is not.

    It is turned there, or the model returns NaN or infinity. The arguments are those of
    `robust_within`.
    """
    _checks.one_of("measure", measure, DISTANCES)
    data_format = result.data_format if data_format is None else data_format
    reached = distances(
        result.x, result.adversarial, data_format=data_format, groups=result.domain.groups
    )[measure]
    return np.where(result.success | result.not_finite, reached, np.inf)


def _measures(tallies: Tallies) -> dict[str, Measure]:
    attacked = tallies.attacked
    success, lost = tallies.success[attacked], (tallies.success | tallies.not_finite)[attacked]
    found = {}
    for name, values in tallies.distances.items():
        far = values[attacked]
        found[name] = _measure(far, success, np.where(lost, far, np.inf))
    for name, values in tallies.similarities.items():
        found[name] = _measure(values[attacked], success, values[attacked])
    return found


def _measure(values: np.ndarray, success: np.ndarray, penalised: np.ndarray) -> Measure:
    won = values[success]
    return Measure(
        mean_success=_statistic(np.mean, won),
        median_success=_statistic(np.median, won),
        mean_all=_statistic(np.mean, penalised),
        median_all=_statistic(np.median, penalised),
    )


def _statistic(function, values: np.ndarray) -> float:
    return float(function(values)) if len(values) else float("nan")
