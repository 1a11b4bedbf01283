"""What a report says of one attack."""

from collections.abc import Mapping

import numpy as np

from isi_keras import evaluation
from isi_keras.measures import DISTANCES, distances
from isi_keras.plotting import measures, style
from isi_keras.reporting import matrices, parts
from isi_keras.reporting.parts import Chart, Curve, Section, Table, Words
from isi_keras.results import AttackResult, Stop, attack_report
from isi_keras.results.intervals import wilson

CORNERS = 200
"""How many corners a curve has at most: the quantiles of the distances."""


def section(label: str, result: AttackResult, words: Words) -> Section:
    """The section of an attack."""
    report = evaluation.evaluate(result)
    far = distances(
        result.x,
        result.adversarial,
        data_format=result.data_format,
        groups=result.domain.groups,
    )
    metrics = _metrics(report)
    return Section(
        label=label,
        record=result,
        verdict=_verdict(report, result),
        metrics=metrics,
        tables=[_distances(report, result), _stops(report), *_classes(report, words)],
        charts=[chart(label, result, far)] if result.attacked.any() else [],
        matrices=[matrices.of_attack(result, words)] if result.attacked.any() else [],
        columns=_columns(result, far),
        notes=_notes(result, far),
    )


def explored(result: AttackResult, reached: np.ndarray) -> float:
    """The distance of the first failure: beyond it the attack did not try every sample.

    Args:
        result: an attack.
        reached: how far each sample was taken, `(N,)`.

    Returns:
        A distance; infinite if no attack failed.
    """
    failed = result.attacked & ~result.success & ~result.not_finite
    return float(reached[failed].min()) if failed.any() else float("inf")


def chart(label: str, result: AttackResult, far: Mapping[str, np.ndarray]) -> Chart:
    """Robust accuracy against changed inputs; without true labels the share not turned."""
    measure = measures.natural(result)
    lost = np.where(result.success | result.not_finite, far[measure], np.inf)
    labelled = result.y is not None
    kept = result.right if labelled else result.attacked
    found = np.unique(lost[kept & np.isfinite(lost)])
    if len(found) > CORNERS:
        found = np.unique(np.quantile(found, np.linspace(0, 1, CORNERS), method="nearest"))
    places = np.unique(np.append(0.0, found))
    count = len(result) if labelled else int(kept.sum())
    left = np.array([float((lost[kept] > place).sum()) for place in places]) / max(count, 1)
    low, high = wilson(left, count)
    said = "robust accuracy" if labelled else "share not turned"
    return Chart(
        title=f"{said.capitalize()} within a distance: {label}",
        x_label=f"{measures.label(measure, [result])}, at most",
        y_label=said,
        curves=[Curve(label, places, left, low, high)],
        notes=_limits(result, far[measure], measure),
    )


def _limits(result: AttackResult, reached: np.ndarray, measure: str) -> list[str]:
    notes = ["An upper bound: a stronger attack may turn more samples, at smaller distances."]
    first = explored(result, reached)
    if np.isfinite(first):
        failed = int((result.attacked & ~result.success & ~result.not_finite).sum())
        where = measures.caption(measure, first, result)
        notes.append(
            f"{style.counted(failed, 'attack')} ended without success, the first after {where}. "
            "What more steps would have found beyond is not known, so the curve may be too high "
            "from there on."
        )
    return notes


def _metrics(report: attack_report.Report) -> dict[str, float]:
    metrics: dict[str, float] = {
        "samples": report.samples,
        "attacked": report.attacked,
        "successes": report.successes,
        "steps": report.steps,
        "seconds": report.seconds,
    }
    shares = {
        "success_rate": (report.success_rate, report.attacked),
        "clean_accuracy": (report.clean_accuracy, report.samples),
        "robust_accuracy": (report.robust_accuracy, report.samples),
    }
    for name, (value, count) in shares.items():
        if value is not None:
            low, high = wilson(value, count)
            metrics |= {name: value, f"{name}_low": low, f"{name}_high": high}
    for name, measure in report.measures.items():
        for statistic, value in vars(measure).items():
            metrics[f"{name}_{statistic}"] = value
    return metrics


def _verdict(report: attack_report.Report, result: AttackResult) -> str:
    if not report.attacked:
        return f"None of {report.samples} samples was attacked."
    turned = f"{report.successes} of {report.attacked} attacked samples turned"
    measure = measures.natural(result)
    median = report.measures[measure].median_success
    if report.successes and measure == "l0_feature":
        most = np.floor(median)
        inputs = "one input" if most == 1 else f"{parts.number(most)} inputs"
        turned += f", the median of those with {inputs} changed"
    elif report.successes:
        turned += f", the median of those at {measures.caption(measure, median, result)}"
    return f"{turned}."


def _distances(report: attack_report.Report, result: AttackResult) -> Table:
    head = ("distance", "mean, turned", "median, turned", "mean, all", "median, all")
    rows = []
    for name, measure in report.measures.items():
        known = measures.MEASURES.get(name)
        said = measures.label(name, [result]) if known and name in DISTANCES else name.upper()
        rows.append([said, *(parts.number(value) for value in vars(measure).values())])
    notes = ["All: a failure counts as infinitely far; SSIM and PSNR as they are."]
    return Table("Distances", head, rows, notes)


def _stops(report: attack_report.Report) -> Table:
    rows = [
        [name, str(count), Stop.of(name).meaning]
        for name, count in sorted(report.stops.items(), key=lambda item: -item[1])
    ]
    return Table("Why the attacks ended", ("stop reason", "samples", "meaning"), rows, wordy=[2])


def _classes(report: attack_report.Report, words: Words) -> list[Table]:
    """What became of each class, of at most as many as a matrix shows."""
    if len(report.classes) > matrices.SHOWN:
        return []
    head = ("class", "samples", "turned", "robust accuracy (95 %)", "median inputs changed")
    rows = []
    for line in report.classes:
        robust = float("nan") if line.robust_accuracy is None else line.robust_accuracy
        rows.append(
            [
                words.of_class(line.number),
                str(line.samples),
                parts.share(line.success_rate),
                parts.share(robust, *wilson(robust, line.samples)),
                parts.number(line.median_l0),
            ]
        )
    note = "By the true class." if report.clean_accuracy is not None else "By the predicted class."
    return [Table("By class", head, rows, [f"{note} Turned: of those attacked."])]


def _columns(result: AttackResult, far: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    outcome = np.where(result.success, 1, np.where(result.attacked, 0, -1))
    columns = {
        "clean": result.clean_prediction,
        "final": result.prediction,
        "outcome": outcome,
        "stop": result.stop_reason,
        "steps": result.steps,
    } | {name: far[name] for name in DISTANCES}
    if result.target is not None:
        columns["target"] = result.target
    if result.y is not None:
        columns["label"] = result.y
    return columns


def _notes(result: AttackResult, far: Mapping[str, np.ndarray]) -> list[str]:
    notes = []
    if result.y is None:
        notes.append(
            "There are no true labels, so accuracies are not known. Attack with y, the true labels."
        )
    broken = int(result.not_finite.sum())
    if broken:
        notes.append(
            f"For {broken} samples the model returned NaN or infinity. They are neither right nor "
            "robust, and no success."
        )
    return notes
