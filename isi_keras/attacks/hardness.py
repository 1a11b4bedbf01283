"""`hardness`: how hard it is to turn each class into each other, from one sweep of an attack."""

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from isi_keras import _component, axes, models
from isi_keras._checks import unknown
from isi_keras.attacks import jsma
from isi_keras.attacks.attack import Attack
from isi_keras.evaluation import distances as distances_of
from isi_keras.indicators import JacobianSaliency
from isi_keras.models.inputs import as_classes, as_input
from isi_keras.results import HardnessResult

BUDGETS = (0.003, 0.013, 0.026, 0.051, 0.077, 0.102, 0.128, 0.255, 0.383)
"""The nine budgets of the JSMA paper, section V-C, as shares of the inputs."""

MEASURES = ("l0", "l2", "linf")
# Attempts are made in portions that fit into memory and let progress be seen.
_NUMBERS_AT_ONCE, _BATCHES_AT_ONCE = 2**26, 16


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
    batch_size: int = 128,
    verbose: int = 0,
) -> HardnessResult:
    """Attacks each sample towards each other class, and says how hard each pair of classes is.

    One sweep serves all budgets: `JSMA`, and `Attack` under `L0` and `Salient`, do with a small
    budget what they do first with a great one. They run with the greatest of `budgets`, and an
    attempt succeeds within a budget if its steps fit in it. Other norms run with the `max_steps`
    they have, and an attempt succeeds within a budget if its distortion does.

    Samples that the model misclassifies are left out. Images are not kept: the memory it takes does
    not grow with the number of samples beyond a few numbers each.

    Args:
        model: a built Keras model, or what `logits` made of one. It is not altered.
        x: the inputs, `(N, ...)`, within the bounds of the attack.
        y: the true labels, `(N,)`.
        attack: an `Attack` or a `JSMA` of any variant that takes a target; `None` for `JSMA()`.
        budgets: at least two, ascending: shares of the inputs from 0 to 1 for the measure `"l0"`,
            otherwise distances in the units of the data. Those of the paper by default.
        measure: what distortion is: `"l0"`, the share of inputs changed (of pixels, if the norm
            counts these), `"l2"` or `"linf"`.
        distances: whether adversarial distances are computed too, which takes time in proportion to
            the square of the number of inputs.
        classes: their names, `K` of them; `None` for their numbers.
        batch_size: how many samples are computed at once.
        verbose: 1 shows a progress bar.

    Returns:
        A `HardnessResult`.

    Raises:
        TypeError: if the model, the attack or an array is of the wrong kind.
        ValueError: if shapes, values, classes or budgets are wrong, or every sample is
            misclassified.

    Source: Papernot et al. 2016, section V-C and V-D.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> attack = isi.JSMA(theta=2.0, bounds=(-1, 1))
        >>> found = isi.hardness(model, x[:4], y[:4], attack=attack, distances=False)
        >>> found.hardness().shape
        (10, 10)
    """
    began = time.perf_counter()
    source = models.logits(model)
    attack = jsma.JSMA() if attack is None else attack
    x = as_input(source.model, x)
    count = source.plan(x).classes
    y = as_classes("y", y, len(x), count)
    names, limits = _names(classes, count), _limits(budgets, measure)
    sweep = _Sweep(source, *_with_budget(attack, x.shape[1:], limits[-1]), measure, batch_size)
    right = source.predict(x, batch_size).argmax(-1) == y
    if not right.any():
        raise ValueError(
            "The model misclassifies every sample, so there is nothing to attack. `y` are the "
            "true labels, one index a sample."
        )
    target, row = np.nonzero(np.arange(count)[:, None] != np.where(right, y, -1))
    target, row = (part[right[row]] for part in (target, row))
    size = max(batch_size, min(_NUMBERS_AT_ONCE // x[0].size, _BATCHES_AT_ONCE * batch_size))
    bar = keras.utils.Progbar(len(row), verbose=verbose, unit_name="attempt")
    found = []
    for begin in range(0, len(row), size):
        chosen = row[begin : begin + size]
        found.append(
            {"source": y[chosen], **sweep(x[chosen], target[begin : begin + size], distances)}
        )
        if verbose:
            bar.add(len(chosen))
    whole = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    config = {
        "attack": _component.serialize(attack),
        "measure": measure,
        "samples": len(right),
        "misclassified": int((~right).sum()),
    }
    return HardnessResult(
        classes=names,
        budgets=limits,
        distance=whole.pop("distance", None),
        distance_single=whole.pop("distance_single", None),
        seconds=time.perf_counter() - began,
        config={"class_name": "hardness", "config": config},
        **whole,
    )


@dataclasses.dataclass(frozen=True)
class _Sweep:
    """Attempts with the greatest budget; `share` of the inputs is what a step may change."""

    source: models.Logits
    attack: Attack
    share: float | None
    measure: str
    batch_size: int

    def __call__(self, x: np.ndarray, target: np.ndarray, distances: bool) -> dict[str, np.ndarray]:
        result = self.attack(self.source, x, target=target, batch_size=self.batch_size)
        distortion = self._distortion(result)
        spent = distortion if self.share is None else result.steps * self.share
        found = {
            "target": target.astype("int32"),
            "min_budget": np.where(result.success, spent, np.inf),
            "distortion": distortion,
        }
        if distances:
            indicator = self.attack.indicator
            if not isinstance(indicator, JacobianSaliency):
                indicator = JacobianSaliency()
            for name, pairs in (("distance", True), ("distance_single", False)):
                found[name] = jsma.adversarial_distance(
                    self.source,
                    x,
                    target=target,
                    pairs=pairs,
                    indicator=indicator,
                    batch_size=self.batch_size,
                )
        return found

    def _distortion(self, result) -> np.ndarray:
        """How far each attempt went, `(N,)`."""
        unit = axes.as_unit(getattr(self.attack.norm, "unit", "feature"))
        name = self.measure if self.measure != "l0" else f"l0_{unit}"
        data_format = result.data_format
        distance = distances_of(result.x, result.adversarial, data_format=data_format)[name]
        if self.measure != "l0":
            return distance
        return distance / axes.count(unit, result.x.shape[1:], data_format)


def _with_budget(attack: Any, shape: tuple, budget: float) -> tuple[Attack, float | None]:
    """The attack with the greatest budget, and the share of the inputs that a step may change."""
    if isinstance(attack, jsma.JSMA):
        if attack.variant == "mjsma":
            raise ValueError(
                "The variant 'mjsma' takes no target, which hardness is about. Use another one."
            )
        run = dataclasses.replace(attack, gamma=min(budget, 1.0)).attack(shape)
        return run, run.norm.share(shape)
    if not isinstance(attack, Attack):
        raise TypeError(
            f"Expected attack to be an Attack or a JSMA. Received: {type(attack).__name__}."
        )
    share = attack.norm.share(shape)
    if share is None:
        return attack, None
    steps = math.floor(budget / share + 1e-9)
    return dataclasses.replace(attack, max_steps=max(1, steps)), share


def _limits(budgets: Any, measure: str) -> np.ndarray:
    if measure not in MEASURES:
        raise ValueError(unknown("measure", measure, MEASURES))
    limits = np.asarray(budgets, "float64")
    ascending = limits.ndim == 1 and len(limits) > 1 and (np.diff(limits) > 0).all()
    if not ascending or limits[0] <= 0 or (measure == "l0" and limits[-1] > 1):
        raise ValueError(
            "Expected budgets to be at least two numbers above 0, ascending; for the measure 'l0' "
            f"shares of the inputs, up to 1. Received: budgets={budgets!r}."
        )
    return limits


def _names(classes: Sequence[str] | None, count: int) -> np.ndarray:
    names = [str(index) for index in range(count)] if classes is None else list(map(str, classes))
    if len(names) != count:
        raise ValueError(
            f"Expected a name for each of {count} classes. Received: {len(names)} names."
        )
    return np.array(names)
