"""The runs of the 2020 notebook, and what it found.

Source: `notebook/Example.ipynb` of the authors' repository for Qiu and Zhou, Neurocomputing 2020
(TensorFlow 1.13 on a Colab GPU; the first 2,000 test images of MNIST in [-1, 1]).
"""

import dataclasses
from typing import Any

import numpy as np

from isi_keras.evaluation import evaluate
from isi_keras.papers.kept import Kept
from isi_keras.results import AttackResult

TARGETED = (3, 2, 1, 18, 4, 8, 11, 0, 61, 7)
"""Test images of the classes 0 to 9, each attacked towards each class."""

CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Published:
    """What the notebook says of a run; `None` where it says nothing.

    Args:
        success: the share of attacked samples that turned, 0 to 1.
        distance: the mean distance over the successes.
        seconds: the wall-clock time.
    """

    success: float | None = None
    distance: float | None = None
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Run:
    """One attack of the notebook.

    Args:
        name: the stem of its files.
        title: what a reader calls it.
        indicator: as for `Attack`.
        norm: as for `Attack`, with the defaults of the published attack.
        measure: the distance that is compared, a key of `Report.measures`.
        max_steps: as for `Attack`.
        targeted: whether `TARGETED` are attacked, rather than the first samples.
        again: whether it is timed twice.
        published: what the notebook says.
    """

    name: str
    title: str
    indicator: str
    norm: str
    measure: str
    max_steps: int
    targeted: bool = False
    again: bool = False
    published: Published = Published()


ISI = (
    Run(
        "untargeted-l0",
        "L0, relevance",
        "relevance",
        "l0",
        "l0_feature",
        30,
        again=True,
        published=Published(0.9870, 11.78, 4.072),
    ),
    Run(
        "untargeted-linf",
        "Linf, relevance",
        "relevance",
        "linf",
        "linf",
        30,
        published=Published(1.0, 0.35),
    ),
    Run(
        "targeted-l0",
        "L0, targeted",
        "relevance",
        "l0",
        "l0_feature",
        40,
        targeted=True,
        published=Published(0.8556, 20.73),
    ),
    Run("sensitivity-l0", "L0, sensitivity", "sensitivity", "l0", "l0_feature", 30),
)


def perform(
    run: Run, model: Any, x: np.ndarray, samples: int, kept: Kept
) -> tuple[AttackResult, float | None]:
    """The result of a run, and the seconds of a second, warm call if it is timed twice."""
    from isi_keras.attacks.attack import Attack

    attack = Attack(run.indicator, run.norm, max_steps=run.max_steps, bounds=(-1, 1))
    target = None
    if run.targeted:
        x = np.repeat(x[list(TARGETED)], CLASSES, axis=0)
        target = np.tile(np.arange(CLASSES), len(TARGETED))
    else:
        x = x[:samples]
    result = kept(run.name, attack, model, x, target=target)
    if not run.again:
        return result, None
    return result, kept(f"{run.name}-again", attack, model, x).seconds


def numbers(run: Run, result: AttackResult, again: float | None) -> dict[str, Any]:
    """What is compared, as JSON knows it; `None` where there is no number."""
    report = evaluate(result)
    distance = report.measures[run.measure].mean_success
    return {
        "name": run.name,
        "indicator": run.indicator,
        "norm": run.norm,
        "max_steps": run.max_steps,
        "targeted": run.targeted,
        "samples": report.samples,
        "attacked": report.attacked,
        "successes": report.successes,
        "success_rate": report.success_rate,
        "measure": run.measure,
        "mean_distance": distance if report.successes else None,
        "seconds": report.seconds,
        "seconds_again": again,
        "notebook": {
            "success_rate": run.published.success,
            "mean_distance": run.published.distance,
            "seconds": run.published.seconds,
        },
    }


def remarks(run: Run, result: AttackResult, y: np.ndarray) -> list[str]:
    """A line for each image of the targeted run that this network does not see as its class."""
    if not run.targeted:
        return []
    seen = result.clean_prediction[::CLASSES]
    return [
        f"image {image} is of class {y[image]}; this network predicts {label}, so it is attacked "
        f"and drawn as an image of {label}."
        for image, label in zip(TARGETED, seen, strict=True)
        if y[image] != label
    ]
