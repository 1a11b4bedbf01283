"""`hardness` and its record: against direct attacks, closed forms and NumPy."""

import keras
import numpy as np
import oracles
import pytest
from keras import layers

import isi_keras as isi
from isi_keras.attacks import hardness as sweeping

BUDGETS = (0.1, 0.2, 0.4)


@pytest.fixture(scope="module")
def network():
    """Twenty inputs, three classes, and samples with the classes it predicts but for two."""
    rng = np.random.default_rng(3)
    model = keras.Sequential([keras.Input((20,)), layers.Dense(8, "relu"), layers.Dense(3)])
    model.set_weights([rng.normal(size=weight.shape) * 0.6 for weight in model.get_weights()])
    x = rng.uniform(0, 1, (14, 20)).astype("float32")
    y = keras.ops.convert_to_numpy(model(x)).argmax(-1)
    y[:2] = (y[:2] + 1) % 3
    return model, x, y


def attempts(x, y, right, classes=3):
    """Samples, sources and targets of every attempt."""
    pairs = [(row, t) for t in range(classes) for row in np.flatnonzero(right) if y[row] != t]
    rows, targets = map(np.array, zip(*pairs, strict=True))
    return x[rows], y[rows], targets


def matrix(values, sources, targets):
    found = np.full((3, 3), np.nan)
    for s, t in np.ndindex(3, 3):
        chosen = values[(sources == s) & (targets == t)]
        if len(chosen):
            found[s, t] = chosen.mean()
    return found


@pytest.mark.parametrize(("theta", "of_pairs"), [(0.5, True), (-0.5, False)])
def test_one_sweep_equals_an_attack_for_each_budget(network, theta, of_pairs):
    model, x, y = network
    attack = isi.JSMA(theta, pairs=of_pairs)
    found = isi.hardness(model, x, y, attack=attack, budgets=BUDGETS, distances=False)
    right = np.arange(len(x)) >= 2
    inputs, sources, targets = attempts(x, y, right)
    assert len(found.attempts) == len(inputs)
    assert found.misclassified == 2
    successes = []
    for budget in BUDGETS:
        direct = isi.JSMA(theta, budget, pairs=of_pairs)(model, inputs, target=targets)
        l0 = (direct.adversarial != inputs).sum(1) / 20
        np.testing.assert_allclose(
            found.success_rate(budget), matrix(direct.success * 1.0, sources, targets)
        )
        turned = direct.success
        np.testing.assert_allclose(
            found.mean_distortion(budget), matrix(l0[turned], sources[turned], targets[turned])
        )
        successes.append(turned.sum())
    assert successes[0] < successes[-1]


@pytest.mark.parametrize("measure", ["l2", "linf"])
def test_other_norms_count_distances(network, measure):
    model, x, y = network
    norm = isi.L2(features=5, step_size=0.2) if measure == "l2" else isi.Linf(step_size=0.1)
    attack = isi.Attack("sensitivity", norm, max_steps=6, bounds=(0, 1))
    found = isi.hardness(
        model, x, y, attack=attack, budgets=(0.25, 0.9), measure=measure, distances=False
    )
    inputs, sources, targets = attempts(x, y, np.arange(len(x)) >= 2)
    direct = attack(model, inputs, target=targets)
    order = 2 if measure == "l2" else np.inf
    distance = np.linalg.norm(direct.adversarial - inputs, order, axis=1)
    for budget in (0.25, 0.9):
        within = direct.success & (distance <= budget)
        np.testing.assert_allclose(
            found.success_rate(budget), matrix(within * 1.0, sources, targets)
        )
    assert direct.success.any()


def test_l0_attacks_count_steps(network):
    model, x, y = network
    found = isi.hardness(
        model,
        x,
        y,
        attack=isi.Attack("sensitivity", isi.L0(), bounds=(0, 1)),
        budgets=BUDGETS,
        distances=False,
    )
    inputs, sources, targets = attempts(x, y, np.arange(len(x)) >= 2)
    for budget in BUDGETS:
        attack = isi.Attack("sensitivity", isi.L0(), round(20 * budget), bounds=(0, 1))
        success = attack(model, inputs, target=targets).success
        np.testing.assert_allclose(
            found.success_rate(budget), matrix(success * 1.0, sources, targets)
        )


def test_distances_are_those_of_the_samples(network):
    model, x, y = network
    found = isi.hardness(model, x, y, budgets=BUDGETS)
    w, b, last, c = (array.astype("float64") for array in model.get_weights())
    plain = [oracles.Linear(w, b), oracles.ReLU(), oracles.Linear(last, c)]
    inputs, sources, targets = attempts(x, y, np.arange(len(x)) >= 2)
    wanted = np.array(
        [oracles.adversarial_distance(plain, s, t) for s, t in zip(inputs, targets, strict=True)]
    )
    np.testing.assert_allclose(
        found.adversarial_distance(), matrix(wanted, sources, targets), atol=1e-6
    )
    np.testing.assert_allclose(found.robustness(), wanted.min(), atol=1e-6)
    np.testing.assert_allclose(found.robustness(statistic="mean"), wanted.mean(), atol=1e-6)
    single = np.stack([isi.adversarial_distance(model, x, pairs=False)]).squeeze()
    rows = [np.flatnonzero((x == sample).all(1))[0] for sample in inputs]
    np.testing.assert_allclose(
        found.adversarial_distance(pairs=False), matrix(single[rows, targets], sources, targets)
    )


@pytest.mark.once
def test_portions_batches_and_files_change_nothing(network, monkeypatch, tmp_path):
    model, x, y = network
    before = model.get_weights()
    names = ["ant", "bee", "cat"]
    whole = isi.hardness(model, x, y, budgets=BUDGETS, classes=names)
    monkeypatch.setattr(sweeping, "_NUMBERS_AT_ONCE", 1)
    monkeypatch.setattr(sweeping, "_BATCHES_AT_ONCE", 1)
    parts = isi.hardness(model, x, y, budgets=BUDGETS, batch_size=5, classes=names)
    loaded = isi.HardnessResult.load(whole.save(tmp_path / "found"))
    for other in (parts, loaded):
        for field in ("classes", "budgets", "source", "target", "min_budget", "distortion"):
            np.testing.assert_array_equal(getattr(other, field), getattr(whole, field))
        np.testing.assert_allclose(other.distance, whole.distance, atol=1e-6)
    assert loaded.config == whole.config
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def record(**changes):
    """Two attempts from 0 to 1 and one from 1 to 0; the second is never reached."""
    fields = {
        "classes": np.array(["0", "1"]),
        "budgets": np.array([0.1, 0.2, 0.4]),
        "source": np.array([0, 0, 1]),
        "target": np.array([1, 1, 0]),
        "min_budget": np.array([0.15, 0.3, np.inf]),
        "distortion": np.array([0.12, 0.3, 0.4]),
        "distance": None,
        "distance_single": None,
        "seconds": 1.0,
        "config": {"class_name": "hardness", "config": {"measure": "l0"}},
    }
    return isi.HardnessResult(**{**fields, **changes})


def test_hardness_by_hand():
    found = record()
    np.testing.assert_array_equal(found.count(), [[0, 2], [1, 0]])
    np.testing.assert_array_equal(found.success_rate(0.2), [[np.nan, 0.5], [0, np.nan]])
    # Rates 0, 50, 100 %; means (none), 12, 21 %.
    expected = 50 * (12 + 0) / 2 + 50 * (21 + 12) / 2
    np.testing.assert_allclose(found.hardness(), [[np.nan, expected], [0, np.nan]])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"budgets": (0.2, 0.1)}, "at least two numbers above 0, ascending"),
        ({"budgets": (0.5, 2.0)}, "shares of the inputs, up to 1"),
        ({"measure": "l1"}, "Unknown measure: 'l1'"),
        ({"classes": ["a", "b"]}, "a name for each of 3 classes. Received: 2"),
        ({"attack": isi.JSMA(variant="mjsma", once=True)}, "takes no target"),
    ],
)
def test_bad_arguments(network, options, text):
    model, x, y = network
    with pytest.raises(ValueError, match=text):
        isi.hardness(model, x, y, **options)


def test_what_cannot_be_attacked(network):
    model, x, y = network
    with pytest.raises(TypeError, match=r"an instance of BaseAttack\. Received: attack=3"):
        isi.hardness(model, x, y, attack=3)
    with pytest.raises(ValueError, match=r"Unknown attack: 'jmsa'\. Did you mean 'jsma'"):
        isi.hardness(model, x, y, attack="jmsa")


@pytest.mark.once
def test_samples_that_are_misclassified_are_rows_that_count_nowhere(network):
    model, x, y = network
    found = isi.hardness(model, x[2:], (y[2:] + 1) % 3, distances=False)
    assert set(found.stop_reason) == {"misclassified"}
    assert (found.samples, found.misclassified, len(found.attempts)) == (12, 12, 0)
    assert found.count().sum() == 0
    assert np.isnan(found.success_rate()).all()


@pytest.mark.once
@pytest.mark.parametrize("distances", [False, True])
def test_parts_of_a_run_are_the_whole(network, distances):
    """Also a part in which nothing can be attacked: the first two samples are misclassified."""
    model, x, y = network
    options = {"budgets": BUDGETS, "distances": distances}
    whole = isi.hardness(model, x, y, **options)
    cuts = [(0, 2), (2, 7), (7, 14)]
    parts = [isi.hardness(model, x[a:b], y[a:b], first_index=a, **options) for a, b in cuts]
    joined = isi.Result.concatenate(parts)
    assert (joined.samples, joined.misclassified) == (14, 2)
    for name in ("sample", "source", "target", "stop_reason", "min_budget", "distortion"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    if distances:
        np.testing.assert_allclose(joined.distance, whole.distance, atol=1e-6)
    np.testing.assert_array_equal(joined.hardness(), whole.hardness())


def test_distortion_of_time_steps_is_a_share_of_them(rng):
    """Of sequences with channels a position is a time step: 1 is the most."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((5, 4)), layers.Flatten(), layers.Dense(3, bias_initializer="random_normal")]
    )
    x = rng.uniform(0, 1, (6, 5, 4)).astype("float32")
    y = model.predict(x, verbose=0).argmax(-1)
    attack = isi.Attack("sensitivity", isi.L0(unit="position"), bounds=(0, 1))
    found = isi.hardness(model, x, y, attack=attack, budgets=(0.2, 0.4, 1.0), distances=False)
    direct = isi.Attack("sensitivity", isi.L0(unit="position"), max_steps=5, bounds=(0, 1))(
        model, np.repeat(x, 2, axis=0), target=found.target
    )
    steps = direct.changed.any(axis=2).sum(axis=1)
    np.testing.assert_allclose(found.distortion, steps / 5)
    assert 0.2 <= found.distortion.min() <= found.distortion.max() <= 1
    assert isi.evaluate(direct).measures["l0_position"].mean_success == steps[direct.success].mean()


def test_what_a_record_does_not_hold():
    found = record()
    with pytest.raises(ValueError, match=r"up to a budget of 0\.4\. Received: 0\.5"):
        found.success_rate(0.5)
    with pytest.raises(ValueError, match="distances=True"):
        found.adversarial_distance()
    with pytest.raises(ValueError, match="'min', 'mean'"):
        found.robustness(statistic="median")
