"""The package against what the original code of 2020 made of the same weights and images."""

import itertools

import keras
import numpy as np
import pytest

import isi_keras as isi

NORMS = {"l0": isi.L0(), "l2": isi.L2(skip_saturated=False), "linf": isi.Linf(0.03)}
RUNS = [
    "untargeted_relevance_l0",
    "untargeted_sensitivity_l0",
    "untargeted_relevance_l2_n20_eps0.1",
    "untargeted_relevance_linf_eps0.06",
    *(f"target{t}_relevance_l0" for t in (0, 3, 8)),
    *(f"target{t}_sensitivity_l0" for t in (0, 3, 8)),
    *(f"target{t}_relevance_linf_eps0.06" for t in (0, 3, 8)),
]


def test_every_golden_run_is_tested(golden):
    assert {name for name in golden if name.startswith(("untargeted", "target"))} == set(RUNS)


@pytest.mark.parametrize("indicator", ["relevance", "sensitivity"])
def test_maps(golden, lenet, indicator):
    explanation = isi.explain(lenet, golden["x"], indicator=indicator)
    np.testing.assert_array_equal(explanation.prediction, golden["label"])
    greatest = np.abs(golden[indicator]).max()
    np.testing.assert_allclose(
        explanation.relevance, golden[indicator], rtol=0, atol=1e-5 * greatest
    )


@pytest.mark.parametrize("run", RUNS)
def test_adversarial_examples(golden, lenet, run):
    goal, indicator, norm = run.split("_")[:3]
    target = None if goal == "untargeted" else int(goal.removeprefix("target"))
    attack = isi.Attack(indicator, NORMS[norm], max_steps=30 if target is None else 40)
    result = attack(lenet, golden["x"], target=target, batch_size=64)
    difference = np.abs(result.adversarial - golden[run]).reshape(64, -1).max(1)
    different = np.flatnonzero(difference > 1e-5)
    assert len(different) <= 1, f"differ: {different}"
    for index in different:
        apart = np.abs(result.adversarial[index] - golden[run][index]) > 1e-5
        closest = closest_decision(attack, lenet, golden["x"][index], target, apart)
        assert closest < 1e-6, f"image {index} differs though no choice was close: {closest}"


def closest_decision(attack, model, x, target, apart):
    """How close, relative to the greatest value, was the closest choice on the way of one image.

    Choices are: which input of a max-pooling window wins, whether a ReLU lets through, which way to
    move one of the inputs that differ (a sign), which input goes next (a rank), and whether the
    prediction has turned.
    """
    steps = attack(model, x[None], target=target).steps[0]
    path = [x]
    for count in range(1, steps + 1):
        shorter = isi.Attack(attack.indicator, attack.norm, max_steps=count)
        path.append(shorter(model, x[None], target=target).adversarial[0])
    label = isi.explain(model, x[None]).prediction[0] if target is None else target
    found = isi.explain(model, np.stack(path), target=int(label), indicator=attack.indicator)
    top = np.sort(found.logits, axis=1)
    margins = [(top[:, -1] - top[:, -2]) / np.abs(top).max(1)]
    margins.append(kinks(model, np.stack(path)))
    magnitude = np.abs(found.relevance).reshape(len(path), -1)
    greatest = magnitude.max(1)
    margins.append((magnitude[:, apart.ravel()] / greatest[:, None]).min(1))
    if not isinstance(attack.norm, isi.Linf):
        ranked = np.sort(magnitude, axis=1)
        margins.append((np.diff(ranked, axis=1)[:, -30:] / greatest[:, None]).min(1))
    return np.min(margins)


def kinks(model, x):
    """How near, relative to what is there, each sample comes to a kink of the network."""
    nearest = np.full(len(x), np.inf)
    for before, layer in itertools.pairwise(model.layers):
        if not isinstance(layer, keras.layers.MaxPooling2D):
            continue
        a = keras.ops.convert_to_numpy(keras.Model(model.inputs[0], layer.input)(x))
        n, h, w, c = a.shape
        a = a[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)
        windows = np.sort(a.transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, 4), axis=-1)
        gap, winner = windows[..., -1] - windows[..., -2], windows[..., -1]
        # Exact ties go to the first input on every backend; those that rounding breaks do not.
        gap = np.where(gap > 0, gap / np.where(winner > 0, winner, 1), np.inf)
        z = keras.ops.convert_to_numpy(
            keras.ops.conv(keras.Model(model.inputs[0], before.input)(x), before.kernel)
        ) + np.asarray(before.get_weights()[1])
        z = np.abs(z).reshape(n, -1)
        nearest = np.minimum(nearest, np.minimum(gap.min(1), z.min(1) / z.max(1)))
    return nearest
