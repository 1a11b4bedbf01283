"""What a report says of results that are no single attack."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras import evaluation
from isi_keras.plotting import measures
from isi_keras.plotting.explanation.text_html import text_html
from isi_keras.reporting import matrices, parts
from isi_keras.reporting.parts import Chart, Curve, Section, Table, Words
from isi_keras.results import (
    Explanation,
    FlippingResult,
    HardnessResult,
    RandomisationResult,
    RobustnessResult,
)
from isi_keras.results.intervals import wilson
from isi_keras.results.robustness_report import ALL


def robustness(label: str, result: RobustnessResult, words: Words) -> Section:
    """The section of several attacks of which the best counts."""
    report = evaluation.evaluate(result)
    best = report.attacks[ALL]
    metrics = {
        "samples": len(result),
        **_with_interval("clean_accuracy", report.clean_accuracy, len(result)),
        **_with_interval("robust_accuracy", best.robust_accuracy, len(result)),
        **_with_interval("success_rate", best.success_rate, int(result.right.sum())),
        f"{result.measure}_mean_success": best.mean,
        f"{result.measure}_median_all": best.median,
    }
    said = measures.label(result.measure, [result])
    levels = [
        [
            "any" if np.isinf(level.distance) else parts.number(level.distance),
            parts.share(level.robust_accuracy, level.low, level.high),
        ]
        for level in report.levels
    ]
    attacks = [
        [
            name,
            parts.share(line.success_rate),
            str(line.nearest),
            *map(parts.number, (line.mean, line.median, line.optimality, line.passes)),
        ]
        for name, line in report.attacks.items()
    ]
    head = ("attack", "turned", "nearest", "mean", "median", "optimality", "passes")
    note = "Turned: of those predicted right; mean: of those turned; median: of all of these."
    distance = result.least
    turned = result.turned.astype(int)
    return Section(
        label=label,
        record=result,
        verdict=(
            f"{parts.share(best.robust_accuracy)} of {len(result)} samples stay right against the "
            f"best of {len(result.names)} attacks."
        ),
        metrics=metrics,
        tables=[
            Table("Robust accuracy", (f"{said}, at most", "robust accuracy (95 %)"), levels),
            Table("The attacks", head, attacks, [note]),
        ],
        charts=[_curves(label, result, said)],
        columns={
            "clean": result.clean_prediction,
            "label": result.y,
            "outcome": np.where(result.right, turned, -1),
            "attack": np.where(
                result.nearest >= 0, result.names[np.maximum(result.nearest, 0)], "none"
            ),
            result.measure: np.where(np.isfinite(distance), distance, np.nan),
        },
        notes=["Upper bounds: other attacks may turn more samples, at smaller distances."],
    )


def _curves(label: str, result: RobustnessResult, said: str) -> Chart:
    curves = []
    for name in [None, *(result.names.tolist() if len(result.names) > 1 else [])]:
        x, y = result.curve(name)
        low, high = wilson(y, len(result)) if name is None else (None, None)
        curves.append(Curve(ALL if name is None else name, x, y, low, high))
    return Chart(
        f"Robust accuracy within a distance: {label}", f"{said}, at most", "robust accuracy", curves
    )


def hardness(label: str, result: HardnessResult, words: Words) -> Section:
    """The section of a sweep over pairs of classes."""
    attempts = result.attempts
    rate = float(attempts.succeeds_within().mean()) if len(attempts) else float("nan")
    metrics = {"attempts": len(attempts), **_with_interval("success_rate", rate, len(attempts))}
    rows = [["attempts that succeed", parts.share(rate, *wilson(rate, len(attempts)))]]
    for name, given in (("pairs", result.distance), ("single inputs", result.distance_single)):
        if given is not None and len(attempts):
            least = result.robustness(pairs=name == "pairs")
            metrics["robustness" if name == "pairs" else "robustness_single"] = least
            rows.append([f"least adversarial distance, {name}", parts.number(least)])
    return Section(
        label=label,
        record=result,
        verdict=f"{parts.share(rate)} of {len(attempts)} attempts from class to class succeed.",
        metrics=metrics,
        tables=[Table("The sweep", ("quantity", "value"), rows)],
        matrices=[matrices.of_hardness(result)],
    )


def flipping(label: str, result: FlippingResult, words: Words) -> Section:
    """The section of how the score falls where a map says."""
    metrics, rows = {}, []
    for score in ("probability", "logit"):
        for name, values in (("area", result.area(score)), ("aopc", result.aopc(score))):
            mean = float(values.mean()) if len(values) else float("nan")
            metrics[f"{name}_{score}"] = mean
            rows.append([f"{name.upper() if name == 'aopc' else name}, {score}", _mean(values)])
    curve = result.probability.mean(0) if len(result) else result.flipped * np.nan
    return Section(
        label=label,
        record=result,
        verdict=f"The mean area below the curve of the probability is "
        f"{parts.number(metrics['area_probability'])}.",
        metrics=metrics,
        tables=[Table("How the score falls", ("quantity", "mean of the samples \xb1 SE"), rows)],
        charts=[
            Chart(
                f"Probability of the explained class: {label}",
                "share flipped",
                "mean probability",
                [Curve(label, result.flipped, curve, steps=False)],
            )
        ],
    )


def randomisation(label: str, result: RandomisationResult, words: Words) -> Section:
    """The section of how alike maps stay when layers are made random."""
    rows = []
    for layer, values in zip(result.layers.tolist(), result.similarity.T, strict=True):
        rows.append([layer, _mean(values[np.isfinite(values)])])
    last = result.similarity[:, -1]
    mean = float(np.nanmean(last)) if np.isfinite(last).any() else float("nan")
    return Section(
        label=label,
        record=result,
        verdict=(
            f"With {result.layers[-1]} random, the last in order, the maps are alike by "
            f"{parts.number(mean)}."
        ),
        metrics={"similarity": mean},
        tables=[Table("Similarity to the original map", ("layer", "mean \xb1 SE"), rows)],
    )


def explanation(label: str, result: Explanation, words: Words) -> Section:
    """The section of maps; texts come as coloured words."""
    fragments: list[str] = []
    notes: list[str] = []
    texts = [] if result.tokens is None else [result]
    if isinstance(result.tokens, Mapping):
        texts = [result.select(name) for name in result.tokens]
    for part in texts:
        try:
            fragments.append(str(text_html(part, classes=words.classes)))
        except ValueError as error:  # such as of NaN
            notes.append(f"A text is not shown. {error}")
    columns: dict[str, Any] = {"clean": result.prediction, "target": result.target}
    kept = isinstance(result.x, Mapping) or bool(fragments)
    if isinstance(result.x, Mapping) and not fragments:
        notes.append("The model has several inputs; select() one to see its maps here.")
    return Section(
        label=label,
        record=result,
        verdict=f"Maps of {len(result)} samples by {result.config['class_name']}.",
        metrics={"samples": len(result)},
        columns={} if kept else columns,
        notes=notes,
        fragments=fragments,
    )


def _with_interval(name: str, value: float, count: int) -> dict[str, float]:
    low, high = wilson(value, count)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _mean(values: np.ndarray) -> str:
    if not len(values):
        return parts.number(np.nan)
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    spread = f" \xb1 {parts.number(error)}" if np.isfinite(error) else ""
    return f"{parts.number(float(values.mean()))}{spread}"
