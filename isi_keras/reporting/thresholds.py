"""Thresholds that a pipeline gates on, as in `"robust_accuracy_at_10>=0.5"`."""

import dataclasses
import math
import operator
import re
from collections.abc import Sequence

from isi_keras import _checks, evaluation
from isi_keras.measures import DISTANCES
from isi_keras.plotting import measures
from isi_keras.reporting import attack
from isi_keras.reporting.parts import Section
from isi_keras.results import AttackResult, RobustnessResult
from isi_keras.results.intervals import wilson

RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
FORM = "NAME>=NUMBER (or <=, >, <), with LABEL: before it for one result of several"
_WHOLE = re.compile(r"(?:(?P<label>.+):)?\s*(?P<name>\w[\w.+-]*?)\s*(?P<how>[<>]=?)\s*(?P<to>\S+)")
_AT = re.compile(
    r"robust_accuracy_at_(?P<at>[\d.]+(?:e[+-]?\d+)?)"
    rf"(?:_(?P<measure>{'|'.join(DISTANCES)}))?(?P<end>_low|_high)?"
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a result meets a threshold.

    Args:
        threshold: as it was asked for.
        label: of the result.
        value: what was found.
        wanted: the number of the threshold.
        passed: whether it is met; NaN never is.
        said: what the value is, in words.
    """

    threshold: str
    label: str
    value: float
    wanted: float
    passed: bool
    said: str

    def __str__(self) -> str:
        if self.passed:
            return f"met: {self.said} of {self.label} is {self.value:.6g} ({self.threshold})"
        by = f" by {abs(self.value - self.wanted):.6g}" if math.isfinite(self.value) else ""
        value = "unknown, as nothing counts" if math.isnan(self.value) else f"{self.value:.6g}"
        return f"MISSED{by}: {self.said} of {self.label} is {value} ({self.threshold})"


def check(threshold: str, sections: Sequence[Section]) -> list[Outcome]:
    """How the results meet a threshold: each that has the number, or the one that is named.

    Raises:
        ValueError: if it cannot be read, or no result has such a number.
    """
    found = _WHOLE.fullmatch(threshold.strip())
    if found is None:
        raise ValueError(f"Expected a threshold as {FORM}. Received: {threshold!r}.")
    name, wanted = found["name"], _number(found["to"], threshold)
    if found["label"]:
        label = _checks.one_of("result", found["label"].strip(), [s.label for s in sections])
        sections = [section for section in sections if section.label == label]
    values = [(section, _value(name, section)) for section in sections]
    outcomes = [
        Outcome(
            threshold.strip(),
            section.label,
            value,
            wanted,
            bool(RELATIONS[found["how"]](value, wanted)),
            said,
        )
        for section, known in values
        if known is not None
        for value, said in [known]
    ]
    if not outcomes:
        known = {name for section in sections for name in section.metrics}
        raise ValueError(
            f"{_checks.unknown('number', name, [*sorted(known), 'robust_accuracy_at_DISTANCE'])} "
            "Accuracies are known of results with true labels only."
        )
    return outcomes


def _number(text: str, threshold: str) -> float:
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise ValueError(
            f"Expected a threshold as {FORM}. Received: {threshold!r}, where {text!r} is not a "
            "number."
        ) from None


def _value(name: str, section: Section) -> tuple[float, str] | None:
    """The number of a name and what it is, or `None` if the result does not have it."""
    at = _AT.fullmatch(name)
    if at is None:
        return (float(section.metrics[name]), name) if name in section.metrics else None
    record, budget, bound = section.record, float(at["at"]), ""
    if isinstance(record, RobustnessResult):
        measure = at["measure"] or record.measure
        if measure != record.measure:
            return None
        value = float(record.robust_accuracy(budget))
    elif isinstance(record, AttackResult) and record.y is not None:
        measure = at["measure"] or measures.natural(record)
        value = float(evaluation.robust_within(record, [budget], measure=measure)[0])
        if attack.explored(record, section.columns[measure]) < budget:
            bound = ", an upper bound: some attacks ended without success before that distance"
    else:
        return None
    if at["end"]:
        value = wilson(value, len(record))[at["end"] == "_high"]
    return value, name + ("" if at["measure"] else f" ({measure})") + bound
