"""`MinimalL0` against exhaustive search, closed forms, and what it promises of passes."""

import itertools

import keras
import numpy as np
import pytest
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras import attacks, training

ATTACK = isi.MinimalL0()


def tables(seed, inputs=12, classes=3, width=16, bias=0.0):
    """A network of two layers and points at its bounds, -1 and 1."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(width, activation="relu", bias_initializer="random_normal"),
            keras.layers.Dense(classes, bias_initializer=keras.initializers.Constant(bias)),
        ]
    )
    x = np.random.default_rng(seed).choice([-1.0, 1.0], (24, inputs)).astype("float32")
    return model, x


def forward(model, x):
    """A network of `tables` in float64."""
    hidden, bias, outer, last = (part.astype("float64") for part in model.get_weights())
    return np.maximum(x @ hidden + bias, 0) @ outer + last


def least_by_trying_all(model, x):
    """The least number of inputs to flip, each point by all 4,096 ways to."""
    ways = np.array(list(itertools.product((False, True), repeat=x.shape[1])))
    found = []
    for point in x.astype("float64"):
        label = forward(model, point).argmax()
        turned = forward(model, np.where(ways, -point, point)).argmax(-1) != label
        found.append(ways[turned].sum(1).min() if turned.any() else np.inf)
    return np.array(found)


def least_linear(kernel, bias, point, goal, label, bounds, per=1):
    """How few groups of `per` inputs make up the margin of two classes; `inf` if all do not."""
    w = kernel[:, goal] - kernel[:, label]
    gain = np.maximum(w * (bounds[0] - point), w * (bounds[1] - point)).reshape(-1, per).sum(1)
    z = point @ kernel + bias
    enough = np.flatnonzero(np.cumsum(np.sort(gain)[::-1]) > z[label] - z[goal])
    return enough[0] + 1 if len(enough) else np.inf


def counts(result):
    changed = result.changed.reshape(len(result), -1).sum(1)
    return np.where(result.success, changed, np.inf)


def passes(result):
    return (result.forward + 2 * result.backward) / 3


def test_it_finds_the_least_there_is():
    agree = []
    for seed in (1, 2):
        model, x = tables(seed)
        agree.append(counts(ATTACK(model, x)) == least_by_trying_all(model, x))
    assert np.mean(agree) >= 0.95


def linear(classes):
    """Classes by 12 inputs, seen as images of 3 x 2 with two channels."""
    dense = keras.layers.Dense(classes)
    model = keras.Sequential([keras.Input((3, 2, 2)), keras.layers.Flatten(), dense])
    rng = np.random.default_rng(1)
    kernel, bias = 0.5 * rng.normal(size=(12, classes)), np.array([4.0, 0.0, 1.0])[:classes]
    dense.set_weights([kernel, bias])
    return model, rng.uniform(-1, 1, (24, 3, 2, 2)).astype("float32")


@pytest.mark.parametrize("unit", ["feature", "position"])
@pytest.mark.parametrize(("classes", "target"), [(3, None), (2, 1)])
def test_on_linear_models_it_is_exact(unit, classes, target):
    model, x = linear(classes)
    bounds, per = (-1.5, 1.0), {"feature": 1, "position": 2}[unit]
    result = isi.MinimalL0(unit=unit, bounds=bounds)(model, x, target=target)
    kernel, bias = (part.astype("float64") for part in model.get_weights())
    found, least = np.full(len(x), np.inf), np.full(len(x), np.inf)
    for index, point in enumerate(x.reshape(len(x), -1).astype("float64")):
        label = (point @ kernel + bias).argmax()
        if label == target:
            assert result.stop_reason[index] == "already_target"
            continue
        least[index] = min(
            least_linear(kernel, bias, point, goal, label, bounds, per)
            for goal in range(classes)
            if goal != label
        )
        assert result.stop_reason[index] == (
            "success" if np.isfinite(least[index]) else "exhausted"
        )
        if result.success[index]:
            found[index] = result.changed[index].reshape(-1, per).any(axis=1).sum()
    np.testing.assert_array_equal(found, least)
    assert len(set(least)) > 1


def test_it_is_the_same_in_any_batch():
    model, x = small_network(), images(7)
    attack = isi.MinimalL0(budget=30)
    whole = attack(model, x, batch_size=7)
    for size in (1, 3):
        parts = attack(model, x, batch_size=size)
        for name in ("adversarial", "stop_reason", "steps", "prediction", "order", "forward"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), name)


def test_the_budget_is_kept_and_the_best_is_what_is_told():
    model, x = small_network(final=None), images(16)
    for budget in (2, 5, 30):
        result = isi.MinimalL0(budget=budget)(model, x, trajectory=True)
        assert (passes(result) <= budget).all()
        assert (result.backward <= result.forward).all()
        assert (result.forward > result.steps).all()
        logits = model.predict(result.adversarial, verbose=0)
        np.testing.assert_array_equal(logits.argmax(-1), result.prediction)
        np.testing.assert_array_equal(result.success, result.prediction != result.clean_prediction)
        np.testing.assert_array_equal(result.order > 0, result.changed)
        last = result.trajectory[np.arange(16), result.steps]
        np.testing.assert_allclose(last, logits, atol=1e-5)
        np.testing.assert_allclose(result.trajectory[:, 0], model.predict(x, verbose=0), atol=1e-5)
    assert result.success.all()


def test_no_change_of_it_can_be_spared():
    model, x = small_network(final=None), images(16)
    result = isi.MinimalL0(restarts=0, patience=4, swaps=0)(model, x)
    assert result.success.all()
    for index in range(len(x)):
        where = np.argwhere(result.changed[index])
        without = np.repeat(result.adversarial[index][None], len(where), axis=0)
        for row, place in enumerate(where):
            without[row][tuple(place)] = x[index][tuple(place)]
        again = model.predict(without, verbose=0).argmax(-1)
        assert len(where) == 1 or (again == result.clean_prediction[index]).all()


def test_a_success_is_one_of_numbers():
    """Where the logits are NaN, nothing is reached, and what was found before stays."""
    inputs = keras.Input((12,))
    z = keras.layers.Dense(3, bias_initializer="random_normal")(inputs)
    broken = keras.layers.Lambda(lambda t: t[0] + 0 * keras.ops.log(3.5 - keras.ops.sum(
        keras.ops.abs(t[1]), axis=-1, keepdims=True)))  # fmt: skip
    model = keras.Model(inputs, broken([z, inputs]))
    x = np.random.default_rng(0).uniform(-0.1, 0.1, (12, 12)).astype("float32")
    result = isi.MinimalL0(budget=30)(model, x)
    logits = model.predict(result.adversarial, verbose=0)
    assert np.isfinite(logits[result.success]).all()
    assert (logits.argmax(-1) != result.clean_prediction)[result.success].all()
    assert set(result.stop_reason) <= {"success", "not_finite", "max_steps"}
    assert result.success.any()


def test_the_effort_suits_the_budget():
    assert [isi.MinimalL0(budget=n).effort for n in (10, 60, 200, 1000)] == [
        (0, 4, 1), (0, 9, 6), (2, 30, 20), (10, 30, 20),
    ]  # fmt: skip
    assert isi.MinimalL0(budget=60, restarts=1, patience=5, swaps=0).effort == (1, 5, 0)
    model, x = small_network(final=None), images(8)
    small, great = isi.MinimalL0(budget=20), isi.MinimalL0(budget=150)
    small(model, x)
    result = great(model, x)
    np.testing.assert_array_equal(
        result.adversarial, great(small_network(final=None), x).adversarial
    )


def test_it_serves_hardness_monitor_and_training():
    model, x = small_network(), images(8)
    y = model.predict(x, verbose=0).argmax(-1)
    attack = isi.MinimalL0(budget=12, restarts=0)
    found = isi.hardness(model, x[:4], y[:4], attack=attack, distances=False)
    assert np.isfinite(found.min_budget).any()
    monitor = isi.callbacks.RobustnessMonitor(attack, x, y, budgets=(1,))
    trained = training.AdversarialTraining(model, attack)
    trained.compile("sgd", "sparse_categorical_crossentropy")
    history = trained.fit(x, y, batch_size=4, callbacks=[monitor], verbose=0).history
    assert np.isfinite(history["adversarial_loss"]).all()
    assert 0 <= history["val_robust_accuracy"][0] <= 1


@pytest.mark.once
def test_any_indicator_ranks_the_inputs():
    model, x = small_network(final=None), images(6)
    for indicator in ("relevance", "jacobian_saliency"):
        result = isi.MinimalL0(budget=60, restarts=0, indicator=indicator)(model, x)
        assert result.success.mean() > 0.5
        assert (passes(result) <= 60).all()
    with pytest.raises(
        ValueError, match=r"take 51 passes by this indicator\. Received: budget=20\. Pass a greater"
    ):
        isi.MinimalL0(budget=20, indicator="smoothgrad")(model, x)


@pytest.mark.once
def test_wrong_arguments_are_named():
    assert attacks.get("minimal_l0") == isi.MinimalL0()
    with pytest.raises(ValueError, match=r"Expected decay to be the share.*Received: decay=1"):
        isi.MinimalL0(decay=1)
    with pytest.raises(ValueError, match="Expected patience to be an integer, at least 1"):
        isi.MinimalL0(patience=0)
    with pytest.raises(ValueError, match="unit"):
        isi.MinimalL0(unit="channel")


def test_in_a_domain_it_is_exact_on_linear_models():
    """Columns that stay, go one way, are whole numbers or one-hot, against a count by hand."""
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(10, 2)), np.array([0.3, -0.2])
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(2)])
    model.set_weights([kernel, bias])
    low, high = np.repeat([-1.0, 0.0], [6, 4]), np.repeat([1.0, 3.0, 1.0], [6, 1, 3])
    domain = isi.Domain(
        low,
        high,
        mutable=np.arange(10) != 4,
        direction=np.where(np.arange(10) == 5, 1, 0),
        integer=np.arange(10) > 5,
        groups=[(7, 8, 9)],
    )
    x = rng.uniform(-1, 1, (60, 10))
    x[:, 6], x[:, 7:] = rng.integers(0, 4, 60), np.eye(3)[rng.integers(0, 3, 60)]
    result = isi.MinimalL0(bounds=domain)(model, x.astype("float32"))
    assert not any(
        where.any() for where in domain.violations(result.x, result.adversarial).values()
    )
    least = []
    for point in result.x.astype("float64"):
        logits = point @ kernel + bias
        way = (1 - 2 * logits.argmax()) * (kernel[:, 1] - kernel[:, 0])
        lowest = np.where(np.arange(10) == 5, point, low)
        gains = np.maximum(way * (lowest - point), way * (high - point))[[0, 1, 2, 3, 5, 6]]
        gains = np.append(gains, way[7:].max() - way[7 + point[7:].argmax()])
        reached = np.cumsum(np.sort(gains)[::-1]) > np.abs(logits[1] - logits[0])
        least.append(np.argmax(reached) + 1 if reached.any() else np.inf)
    found = np.where(result.success, domain.changes(result.x, result.adversarial), np.inf)
    np.testing.assert_array_equal(found, least)
