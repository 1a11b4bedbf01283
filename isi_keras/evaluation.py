"""`evaluate`: how well an attack did, in the field's measures."""

from typing import Any, overload

import numpy as np

from isi_keras import _checks, axes
from isi_keras.measures import DISTANCES, distances
from isi_keras.results import AttackResult, RobustnessResult, Stored
from isi_keras.results.attack_report import ClassReport, Measure, Report
from isi_keras.results.intervals import within
from isi_keras.results.robustness_report import RobustnessReport
from isi_keras.tallies import Tallies


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
        classes=_of_classes(tallies),
    )


def _of_classes(tallies: Tallies) -> tuple[ClassReport, ...]:
    own = tallies.clean_prediction if tallies.y is None else tallies.y
    return tuple(_of_class(int(number), tallies, own == number) for number in np.unique(own))


def _of_class(number: int, tallies: Tallies, chosen: np.ndarray) -> ClassReport:
    attacked, success = tallies.attacked & chosen, tallies.success & tallies.attacked & chosen
    clean = robust = None
    if tallies.y is not None:
        lost = tallies.success | tallies.not_finite
        clean = _statistic(np.mean, tallies.right[chosen])
        robust = _statistic(np.mean, (tallies.right & ~lost)[chosen])
    return ClassReport(
        number=number,
        samples=int(chosen.sum()),
        attacked=int(attacked.sum()),
        successes=int(success.sum()),
        success_rate=_statistic(np.mean, success[attacked]),
        clean_accuracy=clean,
        robust_accuracy=robust,
        median_l0=_statistic(np.median, tallies.distances["l0_feature"][success]),
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
    gone = (lost & within(reached, budget) for budget in budgets)
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
