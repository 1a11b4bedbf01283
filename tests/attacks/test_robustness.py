"""Several attacks as one: against closed forms of linear models, and where nothing is a number."""

import json

import keras
import numpy as np
import pytest

import isi_keras as isi
from isi_keras import evaluation
from isi_keras.callbacks import RobustnessMonitor

ONE = isi.Attack("sensitivity", "l0", max_steps=6)
TWO = isi.Attack("sensitivity", isi.L0(features=2), max_steps=3)
SLOPES = np.array([0.5, -1.0, 2.0, 0.25, -0.75, 1.5], "float32")


def linear(bias=2.6):
    """Two classes whose margin is `SLOPES @ x + bias`."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    kernel = np.stack([SLOPES / 2, -SLOPES / 2], axis=1)
    model.set_weights([kernel, np.array([bias / 2, -bias / 2])])
    return model


def least(x, margin):
    """The fewest inputs, each moved to the bound that lowers the margin most, that turn it."""
    gains = np.sort(np.abs(SLOPES) + SLOPES * x)[::-1]
    return 1 + int(np.argmax(margin - np.cumsum(gains) < 0))


def breaking():
    """The same, NaN wherever the first input is below -0.5."""
    x = keras.Input((6,))
    margin = keras.layers.Dense(1, use_bias=False)(x) + 0 * keras.ops.sqrt(x[:, :1] + 0.5)
    model = keras.Model(x, keras.layers.Dense(2)(margin))
    model.set_weights([SLOPES[:, None], np.array([[0.5, -0.5]]), np.zeros(2)])
    return model


def broken(model):
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])


@pytest.fixture(scope="module")
def model():
    return linear()


def test_the_best_of_all_is_the_closed_form(model):
    x = np.random.default_rng(0).uniform(-0.2, 0.2, (12, 6)).astype("float32")
    x[0] = [0, 0, 0, 0, 0, -0.9]
    margin = x @ SLOPES + 2.6
    y = (margin < 0).astype(int)
    y[-2:] = 1 - y[-2:]
    found = isi.robustness(model, x, y, attacks={"two": TWO, "one": ONE}, batch_size=5)
    wanted = [least(*row) for row in zip(x[:10], margin[:10], strict=True)]
    assert {1, 2, 3} & set(wanted)
    np.testing.assert_array_equal(found.least, [*wanted, 0, 0])
    np.testing.assert_array_equal(found.distances("one")[:10], wanted)
    np.testing.assert_array_equal(found.distances("two")[:10], np.ceil(np.array(wanted) / 2) * 2)
    np.testing.assert_array_equal(found.nearest[:10], np.array(wanted) % 2)  # of equals the first
    np.testing.assert_array_equal(found.nearest[10:], -1)
    assert found.stop_reason[-1].tolist() == ["misclassified"] * 2
    assert found.forward[-1].tolist() == [1, 1]
    assert found.success[:10].all()
    changed = (found.adversarial != found.x).sum(1)
    np.testing.assert_array_equal(changed, found.least)
    assert ((found.adversarial @ SLOPES + 2.6 < 0) != (margin < 0))[:10].all()
    for budget in (0, 1, 2, 3):
        assert found.robust_accuracy(budget) == np.mean(np.array([*wanted, 0, 0]) > budget)
    parts = [
        isi.robustness(model, x[a:b], y[a:b], attacks={"two": TWO, "one": ONE}, first_index=a)
        for a, b in ((0, 7), (7, 12))
    ]
    whole = isi.RobustnessResult.concatenate(parts)
    np.testing.assert_array_equal(whole.distance, found.distance)
    np.testing.assert_array_equal(whole[3:].adversarial, found[3:].adversarial)


def test_where_nothing_is_a_number():
    """Neither robust nor a success: clean, and where an attack gets there."""
    model = breaking()
    x = np.full((3, 6), -0.01, "float32")
    x[:, 2] = [0.5, 0.5, 0.6]
    x[0, 0] = -1.0  # NaN at once
    first = isi.Attack("sensitivity", isi.L0(features=6), max_steps=2)  # moves the first input too
    y = np.zeros(3, int)
    found = isi.robustness(model, x, y, attacks=[first])
    assert found.clean_prediction.tolist() == [-1, 0, 0]
    assert found.right.tolist() == [False, True, True]
    assert found.not_finite.all()
    assert not found.success.any()
    assert found.stop_reason.tolist() == [["not_finite"]] * 3
    assert found.least.tolist() == [0, 6, 6]
    assert found.nearest.tolist() == [-1, 0, 0]
    assert found.robust_accuracy([0, 5, 6, 100]).tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert "NaN or infinity: 3 of 3 samples" in str(isi.evaluate(found))
    result = first(model, x, y=y)
    assert result.attacked.tolist() == [False, True, True]
    assert result.right.tolist() == [False, True, True]
    shares = evaluation.robust_within(result, [0, 5, 6], measure="l0_feature")
    np.testing.assert_allclose(shares, [2 / 3, 2 / 3, 0])
    report = isi.evaluate(result)
    assert (report.clean_accuracy, report.robust_accuracy) == (pytest.approx(2 / 3), 0)
    assert report.measures["l0_feature"].median_all == 6
    assert "NaN or infinity: 3 of 3 samples" in str(report)


def test_a_network_of_nan_is_not_robust():
    """Its argmax is the class 0, which most labels may be."""
    model = linear()
    broken(model)
    x, y = np.full((8, 6), -0.01, "float32"), np.array([0] * 5 + [1] * 3)
    report = isi.evaluate(ONE(model, x, y=y))
    assert (report.clean_accuracy, report.robust_accuracy, report.attacked) == (0, 0, 0)
    found = isi.robustness(model, x, y, attacks=[ONE])
    assert (found.robust_accuracy(), found.robust_accuracy(0)) == (0, 0)
    assert np.isnan(found.optimality("Attack Sensitivity L0"))
    str(isi.evaluate(found))
    swept = isi.hardness(model, x, y, attack=ONE, distances=False)
    assert not swept.attempted.any()


def test_a_checkpoint_keeps_no_network_of_nan(tmp_path):
    model = linear()
    x, y = np.full((8, 6), -0.01, "float32"), np.array([0] * 5 + [1] * 3)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    monitor = RobustnessMonitor(ONE, x, y, budgets=(1,))
    breaks = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch and broken(model)
    )
    watched = {
        "val_robust_accuracy_at_1": "max",
        "val_attack_l0_median": "max",
        "val_attack_success": "min",
    }
    keep = [
        keras.callbacks.ModelCheckpoint(
            tmp_path / f"{name}.keras", monitor=name, mode=mode, save_best_only=True
        )
        for name, mode in watched.items()
    ]
    logs = model.fit(
        x, np.eye(2)[y], epochs=2, callbacks=[monitor, breaks, *keep], verbose=0
    ).history
    assert logs["val_robust_accuracy"] == [0, 0]
    assert logs["val_robust_accuracy_at_1"] == [5 / 8, 0]
    for name in ("val_attack_success", "val_attack_l0_mean", "val_attack_l0_median"):
        assert np.isnan(logs[name]).tolist() == [False, True], name
    for path in tmp_path.iterdir():
        kept = keras.saving.load_model(path)
        assert np.isfinite(kept.get_weights()[0]).all(), path.name


def test_attacks_by_name_and_measure(model):
    x, y = np.full((2, 6), -0.01, "float32"), np.zeros(2, int)
    found = isi.robustness(model, x, y, attacks=["sensitivity_l0", "ISI", ONE, ONE])
    names = ["sensitivity_l0", "isi", "Attack Sensitivity L0", "Attack Sensitivity L0 #2"]
    assert found.names.tolist() == names
    assert found.measure == "l0_feature"
    assert json.loads(json.dumps(found.config)) == found.config
    assert isi.Attack.from_config(found.config["config"]["attacks"][names[2]]["config"]) == ONE
    far = isi.robustness(model, x, y, attacks="sensitivity_linf", measure="linf", bounds=(-2, 2))
    bounds = far.config["config"]["attacks"]["sensitivity_linf"]["config"]["bounds"]
    assert bounds == [-2, 2]
    np.testing.assert_allclose(far.least, np.abs(far.adversarial - x).max(1))
    wide = isi.Attack("sensitivity", "l0", bounds=(-3, 3))
    mixed = isi.robustness(model, x, y, attacks=["jsma", wide])
    configs = mixed.config["config"]["attacks"].values()
    assert all(entry["config"]["bounds"] == [-3, 3] for entry in configs)
    positions = isi.Attack("sensitivity", isi.L0(unit="position"))
    assert isi.robustness(model, x, y, attacks=positions).measure == "l0_position"


def test_what_cannot_be(model):
    x, y = np.full((2, 6), -0.01, "float32"), np.zeros(2, int)
    for options, match in (
        ({"attacks": "relevance"}, r"Unknown attack: 'relevance'. Did you mean 'relevance_l"),
        ({"attacks": []}, r"at least one attack. Received: none"),
        ({"attacks": ONE, "bounds": (-2, 2)}, r"same bounds of all attacks.*\[-2.0, 2.0\] and"),
        ({"attacks": [ONE, isi.JSMA()]}, r"same bounds of all attacks.*\[-1.0, 1.0\] and \[0.0"),
        ({"measure": "l1"}, r"Unknown measure: 'l1'.*'l2'"),
        ({"attacks": ONE, "first_index": -1}, r"at least 0. Received: first_index=-1"),
    ):
        with pytest.raises(ValueError, match=match):
            isi.robustness(model, x, y, **options)
    with pytest.raises(TypeError, match="Expected y to be the true labels"):
        isi.robustness(model, x, None)
    with pytest.raises(TypeError, match="an instance of BaseAttack"):
        isi.robustness(model, x, y, attacks=[3])
    with pytest.raises(ValueError, match="outside the bounds"):
        isi.robustness(model, x + 3, y, attacks=ONE)
    with pytest.raises(ValueError, match="from 0 to 1, as the model has 2 classes"):
        isi.robustness(model, x, y + 2, attacks=ONE)
