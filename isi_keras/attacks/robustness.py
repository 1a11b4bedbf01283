"""`robustness`: how few inputs overturn each decision, by the best of several attacks."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras import _checks, _component, attacks, goals, models
from isi_keras.attacks.attack import Attack
from isi_keras.attacks.base import BaseAttack
from isi_keras.attacks.jsma import JSMA
from isi_keras.attacks.state import UNKNOWN
from isi_keras.domain import expect_for_all
from isi_keras.evaluation import DISTANCES, lost_at
from isi_keras.models import provenance, sourced
from isi_keras.models.inputs import as_inputs
from isi_keras.models.parts import parted
from isi_keras.results import AttackResult, RobustnessResult, Stop

BOUNDS = (-1.0, 1.0)
MEASURES = ("l0", *DISTANCES)
_LABELS = f"U{max(len(stop.label) for stop in Stop)}"


def _isi(indicator: str, norm: str) -> Callable[[Any], BaseAttack]:
    return lambda bounds: Attack(indicator, norm, bounds=bounds)


def _jsma(bounds: Any) -> BaseAttack:
    return JSMA(theta=1.0, gamma=1.0, bounds=bounds)


NAMES: dict[str, Callable[[Any], BaseAttack]] = {
    **{
        f"{indicator}_{norm}": _isi(indicator, norm)
        for norm in ("l0", "l2", "linf")
        for indicator in ("relevance", "sensitivity")
    },
    "jsma": _jsma,
}
"""Attacks by name, each made for the bounds of the data; `attacks.NAMES` are known as well."""

ENSEMBLES: dict[str, tuple[str, ...]] = {
    "l0": ("minimal_l0", "relevance_l0", "sensitivity_l0", "jsma"),
    "l2": ("relevance_l2", "sensitivity_l2"),
    "linf": ("relevance_linf", "sensitivity_linf"),
}
"""Which attacks are tried if none are named, by the norm that is measured."""


@provenance.once()
def robustness(
    model,
    x,
    y,
    *,
    attacks: Any = None,
    goal: Any = None,
    measure: str = "l0",
    bounds: Any = None,
    batch_size: int | None = None,
    first_index: int = 0,
    verbose: int = 0,
) -> RobustnessResult:
    """Attacks each sample by several attacks and keeps the nearest adversarial example.

    What comes out is an **upper bound on robustness**: attacks show that samples can be turned, and
    a stronger one may turn more of them, at smaller distances. The best of several is a better
    bound than any of them. Samples that the model misclassifies are not attacked and count as lost
    at distance 0; so do those for which it returns NaN or infinity. Where an attack ends as the
    model returns NaN or infinity, the sample is lost at that distance, and it is no success.

    Attacks by name take at most 100 steps; JSMA has no budget (`gamma` is 1). For more steps make
    them yourself, as in `Attack("relevance", "l0", max_steps=500)`.

    Args:
        model: a built Keras model, or what `logits` made of one. It is not altered.
        x: the inputs, `(N, ...)`, within the bounds; or a source of samples, as attacks take it.
        y: the true labels, `(N,)`, or what the goal takes; `None` for those of a source, and for a
            goal about values.
        attacks: one attack or a list of them, each an attack, its configuration or a name such as
            `"relevance_l0"`, `"sensitivity_l2"` or `"jsma"`; or a dictionary of them by what they
            are to be called. `None` for those of the measure in `attacks.robustness.ENSEMBLES`:
            under L0 `MinimalL0`, the attack by relevance, by sensitivity, and JSMA.
        goal: a goal of `isi_keras.goals`; `None` for any class but the true one. A sample for which
            it holds to begin with is lost at distance 0; under a goal about values it counts as
            not right.
        measure: what distance is: `"l0_feature"`, the number of changed inputs; `"l0_position"`,
            that of changed pixels or time steps; `"l0"`, positions if all attacks count these, else
            inputs; `"l2"` or `"linf"`, in the units of the data.
        bounds: the least and the greatest value of an input, for attacks that are given by name.
            `None` for those of the other attacks, or -1 and 1 without any.
        batch_size: how many samples are computed at once; `None` for up to 512, so many that what
            the model computes of them takes no more than 2 GiB.
        first_index: which sample of a longer run the first one is.
        verbose: 1 shows a progress bar for each attack.

    Returns:
        A `RobustnessResult`; `evaluate` it, or draw `plotting.robustness`.

    Raises:
        TypeError: if the model, an attack or an array is of the wrong kind.
        ValueError: if shapes, values, labels or names are wrong, there is no attack, or the attacks
            have different bounds.

    Source: Carlini et al. 2019, arXiv 1902.06705, section 4 (the best of several attacks on each
    sample); Cinà et al. 2025, arXiv 2404.19460 (its curve as the envelope).

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> found = isi.robustness(model, x[:8], y[:8], attacks=["relevance_l0", "sensitivity_l0"])
        >>> found.robust_accuracy([0, 3, 30]).tolist()
        [1.0, 1.0, 0.0]
    """
    chosen = _chosen(attacks, _checks.one_of("measure", measure, MEASURES), bounds)
    measure = _measured(measure, list(chosen.values()))
    goal = None if goal is None else goals.get(goal)
    first = next(iter(chosen.values()))
    classifier = models.logits(model)
    given = sourced.source_of(classifier.model, x, y, first.domain)
    if given is not None:
        options = {"attacks": chosen, "measure": measure, "batch_size": batch_size}

        def call(x, y, span):
            rank = parted(classifier.model, x, classifier.moved).x.ndim
            expect_for_all(chosen, rank)
            own = None if goal is None else goals.rows(goal, slice(span.begin, span.end))
            y = None if goal is not None and goal.of_values else y
            number = first_index + span.begin
            return robustness(model, x, y, goal=own, first_index=number, **options)

        size, each = sourced.portion(batch_size), goal and goal.recorded()[1]
        return sourced.gathered(call, given, size, verbose, {"goal": each})
    if y is None and not (goal is not None and goal.of_values):
        raise TypeError("Expected y to be the true labels, (N,). Received: None.")
    found = None
    for attack in chosen.values():
        began = time.perf_counter()
        result = attack(
            classifier,
            x,
            y=y,
            goal=goal,
            batch_size=batch_size,
            first_index=first_index,
            verbose=verbose,
        )
        found = _Found(result, measure, len(chosen)) if found is None else found
        found.add(result, _finite(classifier, result, batch_size), time.perf_counter() - began)
    serialized = {name: _component.serialize(attack) for name, attack in chosen.items()}
    return RobustnessResult(
        **found.fields,  # pyright: ignore[reportOptionalMemberAccess]
        names=np.array(list(chosen)),
        aim=None if goal is None else goal.recorded()[1],
        config={
            "class_name": "robustness",
            "config": {"measure": measure, "attacks": serialized}
            | ({} if goal is None else {"goal": goal.recorded()[0]}),
        },
        provenance=provenance.of(classifier.model),
    )


def _finite(
    classifier: models.Classifier, result: AttackResult, batch_size: int | None
) -> np.ndarray:
    """For which samples the logits are finite where the attack ended, `(N,)`.

    An attack also ends as not finite if its scores alone are, which says nothing of the model.
    """
    ended, finite = np.flatnonzero(result.success | result.not_finite), np.ones(len(result), bool)
    if len(ended):
        inputs = as_inputs(classifier.model, result[ended].inputs)
        planned = classifier.plan(inputs, one_value=goals.of(result).of_values)
        logits = planned.predict(inputs, batch_size)
        finite[ended] = np.isfinite(logits).all(axis=-1)
    return finite


class _Found:
    """What the attacks found so far.

    Args:
        result: of the first attack, which is not added yet.
        measure: what distance is.
        count: how many attacks there will be.
    """

    def __init__(self, result: AttackResult, measure: str, count: int):
        shape = (len(result), count)
        self.fields: dict[str, Any] = {
            "x": result.x,
            "adversarial": result.x.copy(),
            "y": 1 - np.asarray(result.target) if result.y is None else result.y,
            "clean_prediction": result.clean_prediction.copy(),
            "distance": np.zeros(shape),
            "success": np.zeros(shape, bool),
            "stop_reason": np.full(shape, "", _LABELS),
            "forward": np.zeros(shape, "int32"),
            "backward": np.zeros(shape, "int32"),
            "seconds": np.zeros(shape),
            "data_format": result.data_format,
            "moving": result.moving,
            "held": result.held,
        }
        self._measure, self._column = measure, 0
        self._least = np.full(len(result), np.inf)

    def add(self, result: AttackResult, finite: np.ndarray, seconds: float) -> None:
        """Adds what an attack found; `finite` says where the logits are so in the end."""
        success = result.success & finite
        distance = np.where(success | ~finite, lost_at(result, self._measure), np.inf)
        unneeded = (Stop.MISCLASSIFIED.label, Stop.ALREADY_TARGET.label)
        distance[np.isin(result.stop_reason, unneeded)] = 0
        values = {
            "distance": distance,
            "success": success,
            "stop_reason": result.stop_reason,
            "forward": result.forward,
            "backward": result.backward,
            "seconds": seconds / len(result),
        }
        for name, value in values.items():
            self.fields[name][:, self._column] = value
        self.fields["clean_prediction"][~finite & (result.steps == 0)] = UNKNOWN
        nearer = success & (distance < self._least)
        self._least[nearer] = distance[nearer]
        self.fields["adversarial"][nearer] = result.adversarial[nearer]
        self._column += 1


def _chosen(given: Any, measure: str, bounds: Any) -> dict[str, BaseAttack]:
    """The attacks by what they are called, all of the same bounds."""
    if given is None:
        given = ENSEMBLES[measure.partition("_")[0]]
    single = isinstance(given, str | BaseAttack) or "class_name" in given
    named: Any = given if isinstance(given, Mapping) and not single else None
    several: Any = given if named is None else named.values()
    entries: list[Any] = [given] if single else list(several)
    if not entries:
        raise ValueError("Expected at least one attack. Received: none. Leave `attacks` out.")
    made = [entry if isinstance(entry, str) else attacks.get(entry) for entry in entries]
    known = [attack.bounds for attack in made if isinstance(attack, BaseAttack)]
    if bounds is None:
        bounds = known[0] if known else BOUNDS
    found = [_by_name(entry, bounds) if isinstance(entry, str) else entry for entry in made]
    wanted = _bounded(found[0], bounds).bounds
    for attack in found:
        if _component.serialize(attack.bounds) != _component.serialize(wanted):
            raise ValueError(
                "Expected the same bounds of all attacks, or their distances mean different "
                f"things. Received: {_checks.shown(_component.serialize(wanted))} and "
                f"{_checks.shown(_component.serialize(attack.bounds))}."
            )
    return dict(zip(_labels(found, entries) if named is None else named, found, strict=True))


def _by_name(name: str, bounds: Any) -> BaseAttack:
    if name.lower() in NAMES:
        return NAMES[name.lower()](bounds)
    if name.lower() in attacks.NAMES:
        return _bounded(attacks.get(name), bounds)
    raise ValueError(_checks.unknown("attack", name, {**NAMES, **attacks.NAMES}))


def _bounded(attack: BaseAttack, bounds: Any) -> BaseAttack:
    return dataclasses.replace(attack, bounds=bounds)  # pyright: ignore[reportArgumentType]


def _labels(found: Sequence[BaseAttack], entries: Sequence[Any]) -> list[str]:
    """A name for each attack: the one it was given by, else its class, indicator and norm."""
    labels: list[str] = []
    for attack, entry in zip(found, entries, strict=True):
        parts = [attack, getattr(attack, "indicator", None), getattr(attack, "norm", None)]
        said = " ".join(type(part).__name__ for part in parts if part is not None)
        label = entry.lower() if isinstance(entry, str) else said
        taken = sum(other.partition(" #")[0] == label for other in labels)
        labels.append(f"{label} #{taken + 1}" if taken else label)
    return labels


def _measured(measure: str, found: Sequence[BaseAttack]) -> str:
    if measure != "l0":
        return measure
    positions = all(attack.unit == "position" for attack in found)
    return "l0_position" if positions else "l0_feature"
