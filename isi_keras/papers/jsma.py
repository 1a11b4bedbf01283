"""The experiments of the JSMA paper, and what it found.

Source: Papernot et al. 2016, arXiv 1511.07528v1, sections III and V. The network is `lenet-jsma`,
images lie in [0, 1], and an input changes by the whole width.
"""

import functools
import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras.papers.kept import Kept
from isi_keras.results import AttackResult, HardnessResult

BUDGET = 0.145
CLASSES = 10
SET_SIZE = 10_000
MATRICES = ("success_rate", "mean_distortion", "hardness", "adversarial_distance")
SUMMED = "adversarial_distance_summed"
AND_RATE, AND_EPOCHS, AND_SAMPLES, AND_CHANGE = 0.0663, 100, 1000, 0.06


@functools.cache
def published() -> Mapping[str, Any]:
    """The numbers of the paper; matrices are `(10, 10)`, NaN on the diagonal, in its units."""
    file = importlib.resources.files("isi_keras") / "data" / "jsma-paper.json"
    found = json.loads(file.read_text())
    read = {name: np.array(found["matrices"][name], float) for name in MATRICES}
    return {**found, "matrices": read}


def sets(mnist: Path | None, samples: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The first samples of the three sets, or of the test set that is shipped if `mnist` is `None`.

    Args:
        mnist: an `.npz` like that of `keras.datasets.mnist`, which is downloaded there if there is
            no such file.
        samples: how many of each, up to 10,000.

    Raises:
        OSError: if it cannot be downloaded.
    """
    from isi_keras import zoo

    x, y = zoo.load("lenet-jsma")[1]
    test = {"test": (x[:samples], y[:samples])}
    if mnist is None:
        return test
    pixels, labels = _training(mnist)
    bounds = zoo.BOUNDS["lenet-jsma"]
    known = {"training": slice(samples), "validation": slice(50_000, 50_000 + samples)}
    return {
        name: (zoo.as_input(pixels[part], bounds), labels[part].astype("int64"))
        for name, part in known.items()
    } | test


def _training(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as data:
                return data["x_train"], data["y_train"]
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"{str(path)!r} is not like the file of keras.datasets.mnist, which has x_train "
                "and y_train. Pass a path where there is no file yet to download it."
            ) from error
    import keras

    try:
        return keras.datasets.mnist.load_data(str(path.absolute()))[0]
    except Exception as error:  # whatever the download raises
        raise OSError(
            f"There is no file {str(path)!r} and MNIST cannot be downloaded ({error}). Leave out "
            "--mnist to do with the test images in the package."
        ) from error


def grid(model: Any, x: np.ndarray, y: np.ndarray, theta: float, kept: Kept) -> AttackResult:
    """The first image of each class that the model recognises, towards each class, without limit.

    Source: figures 1 (`theta=1`) and 10 (`theta=-1`).
    """
    from isi_keras.attacks.jsma import JSMA

    right = _recognised(model, x, y, kept.batch_size)
    first = [np.flatnonzero(right & (y == one))[0] for one in np.unique(y[right])]
    target = np.tile(np.arange(CLASSES), len(first))
    rows = np.repeat(x[first], CLASSES, axis=0)
    return kept(f"grid-{theta:g}", JSMA(theta, gamma=1.0), model, rows, target=target)


def _recognised(model: Any, x: np.ndarray, y: np.ndarray, batch_size: int) -> np.ndarray:
    from isi_keras import models

    return models.logits(model).predict(x, batch_size).argmax(-1) == y


def empty(model: Any) -> AttackResult:
    """A black image towards each class, without limit (figure 9)."""
    from isi_keras.attacks.jsma import JSMA

    x = np.zeros((CLASSES, *model.input_shape[1:]), "float32")
    return JSMA(1.0, gamma=1.0)(model, x, target=np.arange(CLASSES))


def grid_numbers(result: AttackResult) -> dict[str, Any]:
    """How many turned, and the share of inputs that changed in these."""
    turned = result.changed[result.success].reshape(result.success.sum(), -1).mean(1)
    shares = {
        "least": float(turned.min()) if len(turned) else None,
        "greatest": float(turned.max()) if len(turned) else None,
        "mean": float(turned.mean()) if len(turned) else None,
    }
    return {
        "attempts": int(result.attacked.sum()),
        "successes": int(result.success.sum()),
        "distortion": shares,
    }


def attempts(
    name: str, model: Any, x: np.ndarray, y: np.ndarray, theta: float, kept: Kept
) -> HardnessResult:
    """Each recognised sample of a set towards each other class within the budget (figure 11)."""
    from isi_keras.attacks.hardness import BUDGETS, hardness
    from isi_keras.attacks.jsma import JSMA

    options = {"attack": JSMA(theta), "budgets": (BUDGETS[0], BUDGET), "distances": False}
    return kept(name, functools.partial(hardness, **options), model, (x, y))


def attempt_numbers(found: HardnessResult) -> dict[str, Any]:
    """Success rate and mean distortion of all attempts and of those that succeed."""
    counts = {"samples": found.samples, "misclassified": found.misclassified}
    found = found.attempts
    within = found.succeeds_within()
    return {
        **counts,
        "attempts": len(found),
        "success_rate": float(within.mean()),
        "distortion_all": float(found.distortion.mean()),
        "distortion": float(found.distortion[within].mean()) if within.any() else None,
        "seconds": found.seconds,
    }


def summed_distances(model: Any, x: np.ndarray, y: np.ndarray, batch_size: int) -> np.ndarray:
    """Adversarial distances by all derivatives of probabilities, summed (figure 15), `(10, 10)`.

    That is not the equation that the paper gives for them; docs/reproducing.md says why it is here.
    """
    from isi_keras.attacks.adversarial_distance import adversarial_distance
    from isi_keras.indicators import JacobianSaliency

    indicator = JacobianSaliency(output="probabilities", summed=True)
    right = _recognised(model, x, y, batch_size)
    found = adversarial_distance(model, x[right], indicator=indicator, batch_size=batch_size)
    return between_classes(found, y[right])


def between_classes(distances: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The means of distances `(N, 10)` over the samples of each class; NaN on the diagonal."""
    found = np.full((CLASSES, CLASSES), np.nan)
    for source in np.unique(y):
        found[source] = distances[y == source].mean(0)
    np.fill_diagonal(found, np.nan)
    return found


def measured(found: HardnessResult) -> dict[str, np.ndarray]:
    """The four matrices in the units of the paper: percent, except for the adversarial distance.

    Source: figures 12 to 15. The first two are within the budget of 14.5 %.
    """
    return {
        "success_rate": 100 * found.success_rate(BUDGET),
        "mean_distortion": 100 * found.mean_distortion(BUDGET),
        "hardness": np.where(found.count() > 0, found.hardness(), np.nan),
        "adversarial_distance": found.adversarial_distance(),
    }


def correlations(ours: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Spearman's rank correlations: ours with the paper's, and hardness with distance in each.

    Args:
        ours: the four matrices, and `SUMMED`.
    """
    paper = published()["matrices"]
    return {
        **{name: rank_correlation(ours[name], paper[name]) for name in MATRICES},
        SUMMED: rank_correlation(ours[SUMMED], paper["adversarial_distance"]),
        "hardness_and_distance": rank_correlation(ours["hardness"], ours["adversarial_distance"]),
        "hardness_and_distance_summed": rank_correlation(ours["hardness"], ours[SUMMED]),
        "hardness_and_distance_published": rank_correlation(
            paper["hardness"], paper["adversarial_distance"]
        ),
    }


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Spearman's over the cells that both have; `None` where it is not defined."""
    from scipy.stats import spearmanr

    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(spearmanr(one, other).statistic)


def train_and(seed: int = 0) -> Any:
    """The perceptron of figure 2, trained to say whether both inputs are above a half.

    Rate, epochs and the number of samples are the paper's; the optimizer is Adam with batches of
    50, as the paper does not say how its steps were taken.
    """
    import keras

    from isi_keras import zoo

    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (AND_SAMPLES, 2)).astype("float32")
    y = (np.round(x).min(1) == 1).astype("float32")
    model = zoo.and_jsma(seed)
    # An epoch in one call: twenty steps of so small a network cost less than twenty calls. Keras
    # refuses it on Torch, which compiles nothing.
    together = 1 if keras.backend.backend() == "torch" else AND_SAMPLES // 50
    model.compile(
        keras.optimizers.Adam(AND_RATE),
        "binary_crossentropy",
        steps_per_execution=together,
    )
    model.fit(x, y, batch_size=50, epochs=AND_EPOCHS, shuffle=False, verbose=0)
    return model


def and_surface(model: Any, side: int = 101) -> tuple[np.ndarray, np.ndarray]:
    r"""The output over the unit square, and its derivative by the second input (figure 5).

    Both `(side, side)`, the row for the second input. The forward derivative of the output
    $F = \sigma(z)$ is $F (1 - F)\, \partial z / \partial x_2$.
    """
    from isi_keras.explanations.explain import explain

    axis = np.linspace(0, 1, side, dtype="float32")
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    found = explain(model, points, target=1, indicator="sensitivity", batch_size=4096)
    output = np.exp(-np.logaddexp(0, -found.logits[:, 1]))
    slope = output * (1 - output) * found.relevance[:, 1]
    return output.reshape(side, side), slope.reshape(side, side)


def and_attack(model: Any) -> AttackResult:
    """A change of 0.06 from just short of the border, at a first input of 1.

    The paper moves the second input from 0.37 to 0.43. Where the border lies depends on the
    training, so the sample is put 0.03 short of it.
    """
    from isi_keras.attacks.jsma import JSMA

    rise = np.linspace(0, 1, 1001, dtype="float32")
    points = np.stack([np.ones_like(rise), rise], axis=1)
    output = model.predict(points, verbose=0, batch_size=len(points))[:, 0]
    border = float(rise[(output > 0.5).argmax()])
    x = np.array([[1.0, border - AND_CHANGE / 2]], "float32")
    return JSMA(AND_CHANGE, gamma=0.5, pairs=False, once=True)(model, x, target=1)


def and_numbers(model: Any, result: Any) -> dict[str, Any]:
    """Where the sample was and where it went, and the outputs there."""
    outputs = model.predict(np.concatenate([result.x, result.adversarial]), verbose=0)[:, 0]
    return {
        "sample": result.x[0].tolist(),
        "adversarial": result.adversarial[0].tolist(),
        "output": float(outputs[0]),
        "output_adversarial": float(outputs[1]),
        "published": {"sample": [1.0, 0.37], "adversarial": [1.0, 0.43], "outputs": [0.11, 0.95]},
    }
