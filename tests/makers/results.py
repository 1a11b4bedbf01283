"""Results made by hand, whose numbers are known."""

import dataclasses

import numpy as np

from isi_keras.results import (
    AttackResult,
    Explanation,
    FlippingResult,
    HardnessResult,
    RandomisationResult,
    RobustnessResult,
)

CLASSES = ["airplane", "automobile", "bird", "cat"]
SHAPES = {
    "grey": ((6, 5, 1), "channels_last"),
    "no channel": ((6, 5), "channels_last"),
    "colour": ((6, 5, 3), "channels_last"),
    "channels first": ((3, 6, 5), "channels_first"),
}


def made_by(name, **config):
    """What a result says of its maker."""
    return {"class_name": name, "config": config}


def make_result(shape=(6, 5, 1), low=-1.0, high=1.0, samples=5, seed=0, **fields):
    """Sample `i` is predicted as `i % 4`, turned to the next class, with `i + 1` inputs changed."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, (samples, *shape)).astype("float32")
    adversarial = x.copy()
    for index in range(samples):
        adversarial[index].reshape(-1)[: index + 1] = high
    label = np.arange(samples) % 4
    counts = np.arange(samples) + 1
    values = {
        "x": x,
        "adversarial": adversarial,
        "clean_prediction": label,
        "prediction": (label + 1) % 4,
        "target": None,
        "y": None,
        "success": np.ones(samples, bool),
        "stop_reason": np.full(samples, "success"),
        "steps": counts,
        "order": (adversarial != x).astype("int32"),
        "forward": counts,
        "backward": counts,
        "seconds": 0.1,
        "config": made_by("Attack", bounds=(low, high)),
    }
    return AttackResult(**(values | fields))


def make_explanation(shape=(6, 5, 1), samples=3, seed=0, **fields):
    rng = np.random.default_rng(seed)
    logits = np.tile([-0.5, 11.3456, 2.0, 14.0], (samples, 1))
    values = {
        "x": rng.uniform(-1, 1, (samples, *shape)).astype("float32"),
        "relevance": rng.normal(size=(samples, *shape)).astype("float32"),
        "logits": logits,
        "prediction": np.full(samples, 3),
        "target": np.arange(samples) % 4,
        "config": made_by("Relevance"),
    }
    return Explanation(**(values | fields))


def make_text(*texts, **fields):
    """Texts of words, padded to the longest; their ids count up, and so do the tenths they carry.

    The sign of the relevance alternates, beginning with plus.
    """
    texts = texts or ("a fine film", "no")
    words = [text.split(" ") for text in texts]
    longest = max(map(len, words))
    tokens = np.array([row + [""] * (longest - len(row)) for row in words])
    there = tokens != ""
    counts = np.arange(longest) + 1
    values = {
        "x": (counts * there).astype("int32"),
        "relevance": np.where(there, counts * (-1.0) ** (counts + 1) / 10, 0).astype("float32"),
        "tokens": tokens,
    }
    return make_explanation((longest,), len(texts), **(values | fields))


def make_attack(shape=(6, 5, 1), low=-1.0, high=1.0, samples=5, classes=4, **fields):
    """Sample `i` takes `i + 1` steps, each of which takes its next input to the upper bound.

    The logit of the label `i % 4` falls by one a step from 3, that of the next class rises to it.
    """
    result = make_result(shape, low, high, samples)
    steps = np.arange(samples) + 1
    order = np.zeros(result.x.shape, "int32")
    trajectory = np.full((samples, samples + 1, classes), np.nan, "float32")
    for index, count in enumerate(steps):
        order[index].reshape(-1)[:count] = np.arange(count) + 1
        done = np.arange(count + 1)
        trajectory[index, : count + 1] = 0
        trajectory[index, : count + 1, index % 4] = 3 - done
        trajectory[index, : count + 1, (index + 1) % 4] = 3 - count + done / count
    values = {
        "order": order,
        "trajectory": trajectory,
        "config": made_by("Attack", bounds=(low, high), norm=made_by("L0")),
    }
    return dataclasses.replace(result, **(values | fields))


def make_hardness(count=4, **fields):
    """Each class to each other, twice; the attempt to class `t` needs `t` hundredths."""
    source, target = np.nonzero(~np.eye(count, dtype=bool))
    source, target = np.tile(source, 2), np.tile(target, 2)
    needed = np.where(target == count - 1, np.inf, (target + 1) / 100)
    values = {
        "classes": np.arange(count).astype(str),
        "budgets": np.array([0.01, 0.1, 0.3]),
        "source": source,
        "target": target,
        "min_budget": needed,
        "distortion": np.where(np.isfinite(needed), needed, 0.3),
        "distance": 0.5 + source / 100,
        "distance_single": 0.4 + source / 100,
        "seconds": 1.0,
        "config": made_by("hardness", measure="l0", samples=2 * count, misclassified=0),
    }
    return HardnessResult(**(values | fields))


def make_flipping():
    curve = np.linspace(1, 0, 5, dtype="float32")[None]
    config = made_by("pixel_flipping", patch=1, order="most")
    return FlippingResult(np.linspace(0, 1, 5), curve, curve, np.zeros(1, int), config)


def make_randomisation(layers=("original", "dense", "conv2d"), samples=3, seed=0, **fields):
    similarity = np.random.default_rng(seed).uniform(-0.2, 0.8, (samples, len(layers)))
    similarity[:, 0] = 1
    values = {
        "layers": np.array(layers),
        "similarity": similarity,
        "target": np.zeros(samples, int),
        "config": made_by("parameter_randomisation", cascade=True, similarity="spearman"),
    }
    return RandomisationResult(**(values | fields))


def make_ensemble(samples=5, **fields):
    """Sample `i` is turned by one attack at `i + 1`, by the other at `6 - i`; the first never is.

    A last one more is misclassified.
    """
    counts = np.arange(samples) + 1.0
    distance = np.array([[*counts, 0], [*counts[::-1], 0]]).T
    distance[0, 0] = np.inf
    shape = distance.shape
    success = np.isfinite(distance) & (distance > 0)
    reasons = np.where(success, "success", "max_steps").astype("U13")
    reasons[-1] = "misclassified"
    values = {
        "x": np.zeros((samples + 1, 6, 5, 1), "float32"),
        "adversarial": np.ones((samples + 1, 6, 5, 1), "float32"),
        "y": np.array([*[0] * samples, 1]),
        "clean_prediction": np.zeros(samples + 1, "int32"),
        "distance": distance,
        "success": success,
        "stop_reason": reasons,
        "forward": np.full(shape, 3, "int32"),
        "backward": np.full(shape, 2, "int32"),
        "seconds": np.full(shape, 0.1),
        "names": np.array(["relevance_l0", "jsma"]),
        "config": made_by("robustness", measure="l0_feature", attacks={}),
    }
    return RobustnessResult(**(values | fields))
