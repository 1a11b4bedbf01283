"""`hardness`: how hard it is to turn each class into each other, from one sweep of an attack."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from isi_keras import _checks, _component, attacks, models
from isi_keras.attacks.adversarial_distance import adversarial_distance
from isi_keras.attacks.base import BaseAttack
from isi_keras.domain import expect_for_all
from isi_keras.evaluation import distances as distances_of
from isi_keras.goals.ends import expect_comparable
from isi_keras.indicators import JacobianSaliency
from isi_keras.models import provenance, sourced
from isi_keras.models.inputs import as_classes
from isi_keras.models.parts import parted
from isi_keras.results import HardnessResult, Stop

BUDGETS = (0.003, 0.013, 0.026, 0.051, 0.077, 0.102, 0.128, 0.255, 0.383)
"""The nine budgets of the JSMA paper, section V-C, as shares of the inputs."""

MEASURES = ("l0", "l2", "linf")
# Attempts are made in portions that fit into memory and let progress be seen.
_NUMBERS_AT_ONCE, _BATCHES_AT_ONCE = 2**26, 16
_DISTANCES = (("distance", True), ("distance_single", False))
_LABELS = f"U{max(len(stop.label) for stop in Stop)}"


@provenance.once()
def hardness(
    model,
    x,
    y,
    *,
    attack: Any = None,
    budgets: Sequence[float] = BUDGETS,
    measure: str = "l0",
    distances: bool = True,
    classes: Sequence[str] | None = None,
    batch_size: int | None = None,
    first_index: int = 0,
    verbose: int = 0,
) -> HardnessResult:
    """Attacks each sample towards each other class, and says how hard each pair of classes is.

    One sweep serves all budgets: `JSMA`, and `Attack` under `L0` and `Salient`, do with a small
    budget what they do first with a great one. They run with the greatest of `budgets`, and an
    attempt succeeds within a budget if its steps fit in it. Other norms run with the `max_steps`
    they have, and an attempt succeeds within a budget if its distortion does; so it is for a `JSMA`
    that changes an input several times, which may do within a small budget more than that says.

    Samples that the model misclassifies are not attacked: their attempts are rows that say so, and
    count nowhere. Images are not kept: the memory it takes does
    not grow with the number of samples beyond a few numbers each.

    Args:
        model: a built Keras model, or what `logits` made of one. It is not altered.
        x: the inputs, `(N, ...)`, within the bounds of the attack, of a model with several as an
            attack takes them; or a source of samples, likewise.
        y: the true labels, `(N,)`; `None` for those of a source.
        attack: an attack that takes a target, or the name of one; `None` for `JSMA()`.
        budgets: at least two, ascending: shares of the inputs from 0 to 1 for the measure `"l0"`,
            otherwise distances in the units of the data. Those of the paper by default.
        measure: what distortion is: `"l0"`, the share of inputs changed (of positions, if the norm
            counts these), `"l2"` or `"linf"`.
        distances: whether adversarial distances are computed too, which takes time in proportion to
            the square of the number of inputs.
        classes: their names, `K` of them; `None` for their numbers.
        batch_size: how many samples are computed at once; `None` for up to 512, so many that what
            the model computes of them takes no more than 2 GiB.
        first_index: which sample of a longer run the first one is.
        verbose: 1 shows a progress bar.

    Returns:
        A `HardnessResult`, whose rows are the attempts, those of a sample one after another.

    Raises:
        TypeError: if the model, the attack or an array is of the wrong kind.
        ValueError: if shapes, values, classes or budgets are wrong.

    Source: Papernot et al. 2016, section V-C and V-D.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> attack = isi.JSMA(theta=1.0, bounds=(-1, 1))
        >>> found = isi.hardness(model, x[:4], y[:4], budgets=[0.01, 0.02], attack=attack)
        >>> found.hardness().shape
        (10, 10)
    """
    began = time.perf_counter()
    attack = attacks.get("jsma" if attack is None else attack)
    classifier = models.logits(model)
    source = sourced.source_of(classifier.model, x, y, attack.domain)
    if source is not None:
        options = {"attack": attack, "budgets": budgets, "measure": measure, "classes": classes}
        options |= {"distances": distances, "batch_size": batch_size}

        def call(x, y, span):
            rank = parted(classifier.model, x, classifier.moved).x.ndim
            expect_for_all(attack, rank)
            return hardness(model, x, y, first_index=first_index + span.begin, **options)

        return sourced.gathered(call, source, sourced.portion(batch_size), verbose)
    if y is None:
        raise TypeError("Expected y to be the true labels, (N,). Received: None.")
    parts = parted(classifier.model, x, classifier.moved)
    x = parts.x if parts.moving is None else parts.moving.joined(parts.x, parts.held)
    domain = attack.domain.of_dtype(parts.dtype)
    attack = dataclasses.replace(attack, bounds=domain) if domain != attack.domain else attack
    planned = classifier.plan(x)
    expect_comparable(planned)
    count = planned.classes
    y = as_classes("y", y, len(parts.x), count)
    names, limits = _names(classes, count), _limits(budgets, measure)
    run, share = attack.within(limits[-1], parts.x.shape[1:], planned.data_format)
    batch_size = planned.batch_size(batch_size, len(y) * max(1, count - 1))
    sweep = _Sweep(classifier, run, share, measure, batch_size, parts.x.ndim)
    logits = planned.predict(x, batch_size)
    right = np.isfinite(logits).all(-1) & (logits.argmax(-1) == y)  # the argmax of NaN is a class
    row, target = np.nonzero(np.arange(count) != y[:, None])
    found = _unattempted(len(row), distances) | {
        "sample": row + _checks.integer("first_index", first_index, 0),
        "source": y[row],
        "target": target.astype("int32"),
    }
    attempts = np.flatnonzero(right[row])
    size = max(batch_size, min(_NUMBERS_AT_ONCE // parts.x[0].size, _BATCHES_AT_ONCE * batch_size))
    bar = keras.utils.Progbar(len(attempts), verbose=verbose, unit_name="attempt")
    for begin in range(0, len(attempts), size):
        chosen = attempts[begin : begin + size]
        numbers = found["sample"][chosen]
        taken = keras.tree.map_structure(lambda part, rows=row[chosen]: part[rows], x)
        made = sweep(taken, row[chosen], found["target"][chosen], numbers, distances)
        for name, values in made.items():
            found[name][chosen] = values
        if verbose:
            bar.add(len(chosen))
    return HardnessResult(
        classes=names,
        budgets=limits,
        distance=found.pop("distance", None),
        distance_single=found.pop("distance_single", None),
        seconds=time.perf_counter() - began,
        config={
            "class_name": "hardness",
            "config": {
                "attack": _component.serialize(attack),
                "measure": measure,
                "distances": distances,
            },
        },
        provenance=provenance.of(classifier.model),
        **found,
    )


def _unattempted(count: int, distances: bool) -> dict[str, np.ndarray]:
    """What is said of attempts that are not made."""
    found = {
        "stop_reason": np.full(count, Stop.MISCLASSIFIED.label, _LABELS),
        "min_budget": np.full(count, np.inf),
        "distortion": np.full(count, np.nan),
    }
    if distances:
        found |= {name: np.full(count, np.nan, "float32") for name, _ in _DISTANCES}
    return found


@dataclasses.dataclass(frozen=True)
class _Sweep:
    """Attempts with the greatest budget; `share` of the inputs is what a step may change."""

    classifier: models.Classifier
    attack: BaseAttack
    share: float | None
    measure: str
    batch_size: int
    rank: int

    def __call__(
        self,
        x: Any,
        rows: np.ndarray,
        target: np.ndarray,
        numbers: np.ndarray,
        distances: bool,
    ) -> dict[str, np.ndarray]:
        domain, attack = self.attack.domain.rows(rows, self.rank), self.attack
        if domain.per_sample(self.rank) or self.attack.domain.per_sample(self.rank):
            attack = dataclasses.replace(attack, bounds=domain)  # pyright: ignore
        result = attack(
            self.classifier, x, target=target, batch_size=self.batch_size, first_index=numbers
        )
        distortion = self._distortion(result)
        spent = distortion if self.share is None else result.steps * self.share
        found = {
            "stop_reason": result.stop_reason,
            "min_budget": np.where(result.success, spent, np.inf),
            "distortion": distortion,
        }
        indicator = getattr(self.attack, "indicator", None)
        if not isinstance(indicator, JacobianSaliency):
            indicator = JacobianSaliency()
        for name, pairs in _DISTANCES if distances else ():
            found[name] = adversarial_distance(
                self.classifier,
                x,
                target=target,
                pairs=pairs,
                indicator=indicator,
                batch_size=self.batch_size,
                bounds=domain,
            )
        return found

    def _distortion(self, result) -> np.ndarray:
        """How far each attempt went, `(N,)`."""
        name = self.measure if self.measure != "l0" else f"l0_{self.attack.unit}"
        distance = distances_of(
            result.x,
            result.adversarial,
            data_format=result.data_format,
            groups=result.domain.groups,
        )[name]
        if self.measure != "l0":
            return distance
        count = result.domain.count
        return distance / count(self.attack.unit, result.x.shape[1:], result.data_format)


def _limits(budgets: Any, measure: str) -> np.ndarray:
    _checks.one_of("measure", measure, MEASURES)
    limits = np.asarray(budgets, "float64")
    ascending = limits.ndim == 1 and len(limits) > 1 and (np.diff(limits) > 0).all()
    if not ascending or limits[0] <= 0 or (measure == "l0" and limits[-1] > 1):
        raise ValueError(
            "Expected budgets to be at least two numbers above 0, ascending; for the measure 'l0' "
            f"shares of the inputs, up to 1. Received: budgets={_checks.shown(budgets)}."
        )
    return limits


def _names(classes: Sequence[str] | None, count: int) -> np.ndarray:
    names = [str(index) for index in range(count)] if classes is None else list(map(str, classes))
    if len(names) != count:
        raise ValueError(
            f"Expected a name for each of {count} classes. Received: {len(names)} names."
        )
    return np.array(names)
