"""`evaluate`: how well an attack did, in the field's measures."""

from typing import Any, overload

import numpy as np

from isi_keras import _checks, axes
from isi_keras.domain.groups import counted_once
from isi_keras.measures import DISTANCES, SIMILARITIES, distances, similarities
from isi_keras.results import AttackResult, RobustnessResult
from isi_keras.results.attack_report import ClassReport, Measure, Report
from isi_keras.results.robustness_report import RobustnessReport


@overload
def evaluate(result: AttackResult, *, data_format: str | None = None) -> Report: ...
@overload
def evaluate(result: RobustnessResult) -> RobustnessReport: ...
def evaluate(result: Any, *, data_format: str | None = None) -> Any:
    """Measures an attack: success, distances, similarities and cost; or compares several.

    Args:
        result: what an `Attack` returned or `AttackResult.load` read; or a `RobustnessResult`.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are; `None`
            for the result's own. Inputs `(N, D)` have no channels, all others do: of `(N, T, C)` a
            position is a time step. Grey images `(N, H, W)` would be taken for sequences; give
            them an axis of one channel.

    Returns:
        A `Report`; of a `RobustnessResult` a `RobustnessReport`.

    Raises:
        TypeError: if `result` is neither.
        ValueError: if `data_format` is unknown, or given with a `RobustnessResult`, whose distances
            are known already.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> result = isi.Attack("relevance", "l0", max_steps=30)(model, x[:8], y=y[:8])
        >>> isi.evaluate(result).success_rate
        1.0
    """
    if isinstance(result, RobustnessResult):
        if data_format is not None:
            raise ValueError("A RobustnessResult has its distances. Leave data_format out.")
        return RobustnessReport.of(result)
    if not isinstance(result, AttackResult):
        raise TypeError(
            f"Expected an AttackResult. Received: {type(result).__name__}. "
            "Pass what an Attack returned, or AttackResult.load(path)."
        )
    data_format = result.data_format if data_format is None else data_format
    without = axes.channel_axis(result.x.ndim, data_format) is None
    attacked = result.attacked
    success = result.success[attacked]
    clean = robust = None
    if result.y is not None:
        clean = _statistic(np.mean, result.right)
        robust = float(robust_within(result, [np.inf])[0])
    reasons, counts = np.unique(result.stop_reason, return_counts=True)
    return Report(
        samples=len(result),
        attacked=int(attacked.sum()),
        successes=int(success.sum()),
        success_rate=_statistic(np.mean, success),
        clean_accuracy=clean,
        robust_accuracy=robust,
        measures=_measures(result[attacked], data_format),
        position=axes.word(result.x.shape[1:]),
        data_format=None if without else data_format,
        stops={str(k): int(v) for k, v in zip(reasons, counts, strict=True)},
        steps=_statistic(np.mean, result.steps[attacked]),
        forward=int(result.forward.sum()),
        backward=int(result.backward.sum()),
        seconds=result.seconds,
        classes=_of_classes(result),
    )


def _of_classes(result: AttackResult) -> tuple[ClassReport, ...]:
    own = result.clean_prediction if result.y is None else result.y
    return tuple(_of_class(int(number), result, own == number) for number in np.unique(own))


def _of_class(number: int, result: AttackResult, chosen: np.ndarray) -> ClassReport:
    attacked, success = result.attacked & chosen, result.success & result.attacked & chosen
    clean = robust = None
    if result.y is not None:
        lost = result.success | result.not_finite
        clean = _statistic(np.mean, result.right[chosen])
        robust = _statistic(np.mean, (result.right & ~lost)[chosen])
    changes = counted_once(result.changed[success], result.domain.groups)
    return ClassReport(
        number=number,
        samples=int(chosen.sum()),
        attacked=int(attacked.sum()),
        successes=int(success.sum()),
        success_rate=_statistic(np.mean, success[attacked]),
        clean_accuracy=clean,
        robust_accuracy=robust,
        median_l0=_statistic(np.median, changes),
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


def _measures(result: AttackResult, data_format: str) -> dict[str, Measure]:
    x, adversarial, success = result.x, result.adversarial, result.success
    groups = result.domain.groups
    values = distances(x, adversarial, data_format=data_format, groups=groups)
    measures = {
        name: _measure(
            values[name], success, np.where(success | result.not_finite, values[name], np.inf)
        )
        for name in DISTANCES
    }
    shape = axes.channels_last(x, data_format).shape
    if len(shape) == 4 and shape[-1] in (1, 3) and min(shape[1:3]) >= 3:
        low, high = result.bounds
        span = float(np.max(high - low))
        similar = similarities(x, adversarial, span, data_format=data_format)
        for name in SIMILARITIES:
            measures[name] = _measure(similar[name], success, similar[name])
    return measures


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
