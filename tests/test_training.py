"""Adversarial training: against loops in NumPy, and inside all that `fit` can do."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras import backend
from isi_keras.training import AdversarialTraining

BACKEND = keras.config.backend()
STEP, RATE = 0.2, 0.1
FGSM = isi.Attack("sensitivity", isi.Linf(STEP, epsilon=STEP, relative=False), max_steps=1)
ATTACKS = {
    "fgsm": FGSM,
    "pgd": isi.Attack(
        "sensitivity", isi.Linf(0.1, epsilon=0.25, relative=False), max_steps=4, objective="margin"
    ),
    "isi-l0": isi.Attack("relevance", "l0", max_steps=3),
    "isi-l2": isi.Attack(
        "relevance", isi.L2(features=4, step_size=0.3, relative=False), max_steps=3
    ),
    "isi-linf": isi.Attack("relevance", isi.Linf(0.1, relative=False), max_steps=3),
    "pixels": isi.Attack("epsilon_plus_flat", isi.L0(features=2, unit="pixel"), max_steps=2),
    "jsma": isi.JSMA(theta=1.0, gamma=0.1, bounds=(-1, 1)),
}


def labels(count=12, classes=3, seed=5):
    return np.random.default_rng(seed).integers(0, classes, count)


def dense(seed=3):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, "relu"), layers.Dense(3, "softmax")]
    )


def compiled(model, attack=FGSM, weight=0.5, **options):
    run = AdversarialTraining(model, attack, weight)
    options = {"optimizer": keras.optimizers.SGD(RATE), **options}
    run.compile(loss="sparse_categorical_crossentropy", **options)
    return run


def data(count=20):
    x = np.random.default_rng(1).uniform(-1, 1, (count, 4)).astype("float32")
    return x, (x[:, 0] > 0) + (x[:, 1] > 0.5).astype(int)


def fitted(weights=None, **options):
    """The weights after an epoch of batches of 8, the last of 4."""
    x, y = data()
    run = compiled(dense(), **options)
    run.fit(x, y, sample_weight=weights, batch_size=8, shuffle=False, verbose=0)
    return run.get_weights()


def assert_same(found, wanted, tolerance=1e-5):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


class ByHand:
    """Two layers, their gradients and training, in float64."""

    def __init__(self, weights):
        self.weights = [w.astype("float64") for w in weights]

    def forward(self, x):
        w1, b1, w2, b2 = self.weights
        hidden = np.maximum(x @ w1 + b1, 0)
        return hidden, hidden @ w2 + b2

    def crafted(self, x, y):
        """A step of FGSM on the logit of the true class, for what is predicted right."""
        w1, _, w2, _ = self.weights
        hidden, logits = self.forward(x)
        slope = (w2.T[y] * (hidden > 0)) @ w1.T
        right = logits.argmax(1) == y
        moved = np.clip(np.clip(x - STEP * np.sign(slope), x - STEP, x + STEP), -1, 1)
        return np.where(right[:, None], moved, x)

    def gradients(self, x, y, sample_weight):
        """The loss, and its derivatives by the weights."""
        _, _, w2, _ = self.weights
        hidden, logits = self.forward(x)
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        loss = (sample_weight * -np.log(p[np.arange(len(y)), y])).mean()
        back = (p - np.eye(3)[y]) * sample_weight[:, None] / len(y)
        inner = (back @ w2.T) * (hidden > 0)
        return loss, [x.T @ inner, inner.sum(0), hidden.T @ back, back.sum(0)]

    def fit(self, x, y, sample_weight, share):
        """An epoch; returns the mean of clean and adversarial loss."""
        losses = []
        for begin in range(0, len(x), 8):
            batch = slice(begin, begin + 8)
            rows = x[batch], y[batch], sample_weight[batch]
            clean, slope = self.gradients(*rows)
            attacked, other = self.gradients(self.crafted(*rows[:2]), *rows[1:])
            losses.append((len(rows[0]), clean, attacked))
            self.weights = [
                w - RATE * ((1 - share) * a + share * b)
                for w, a, b in zip(self.weights, slope, other, strict=True)
            ]
        counts, *each = np.transpose(losses)
        return [(counts * part).sum() / counts.sum() for part in each]


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_two_epochs_equal_a_loop_by_hand(share):
    x, y = data()
    sample_weight = np.random.default_rng(2).uniform(0.5, 2, len(x))
    model = dense()
    by_hand = ByHand(model.get_weights())
    run = compiled(model, weight=share)
    logs = run.fit(
        x, y, sample_weight=sample_weight, batch_size=8, epochs=2, shuffle=False, verbose=0
    ).history
    wanted = [by_hand.fit(x, y, sample_weight, share) for _ in range(2)]
    assert_same(model.get_weights(), by_hand.weights)
    found = np.transpose([logs["clean_loss"], logs["adversarial_loss"]])
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    np.testing.assert_allclose(logs["loss"], found @ [1 - share, share], rtol=1e-5)


@pytest.mark.parametrize("name", ATTACKS)
def test_crafts_what_the_attack_would(name):
    model, x, y = small_network(), images(), labels()
    attack = ATTACKS[name]
    run = AdversarialTraining(model, attack)
    crafted = backend.jit(run._crafting)(*map(keras.ops.convert_to_tensor, (x, y)))
    wanted = attack(model, x, y=y)
    assert wanted.changed.any()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(crafted), wanted.adversarial, atol=1e-6)


@pytest.mark.parametrize("name", ["isi-l0", "isi-l2", "pixels", "jsma"])
def test_every_attack_trains(name):
    run = compiled(small_network(), ATTACKS[name])
    before = run.get_weights()
    logs = run.fit(images(), labels(), batch_size=8, verbose=0).history
    assert logs["adversarial_loss"][0] > logs["clean_loss"][0]
    assert any((w != v).any() for w, v in zip(before, run.get_weights(), strict=True))


def test_logs_and_evaluation():
    model, x, y = small_network(), images(), labels()
    model.layers[-1].kernel.regularizer = keras.regularizers.L2(0.01)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="right")
    run = compiled(model, weight=0.25, metrics=["accuracy"], weighted_metrics=[accuracy])
    run.optimizer.learning_rate = 0.0
    before = model.get_weights()
    logs = run.fit(x, y, batch_size=12, validation_data=(x, y), verbose=0).history
    assert_same(model.get_weights(), before, 0)
    both = {"clean_loss", "adversarial_loss", "accuracy", "adversarial_accuracy", "right",
            "adversarial_right", "loss", "val_loss", "val_accuracy", "val_right"}  # fmt: skip
    assert set(logs) == both
    result = FGSM(model, x, y=y)
    attacked = model.predict(result.adversarial, verbose=0)
    assert logs["adversarial_accuracy"] == [pytest.approx((attacked.argmax(1) == y).mean())]
    assert logs["adversarial_right"] == logs["adversarial_accuracy"]
    assert logs["accuracy"] == logs["val_accuracy"]
    penalty = 0.01 * (before[2] ** 2).sum()
    mixed = 0.75 * logs["clean_loss"][0] + 0.25 * logs["adversarial_loss"][0]
    assert logs["loss"] == [pytest.approx(mixed + penalty, rel=1e-5)]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    wanted = model.evaluate(x, y, verbose=0, return_dict=True)
    found = run.evaluate(x, y, verbose=0, return_dict=True)
    assert found == {**found, **{name: pytest.approx(v) for name, v in wanted.items()}}
    assert list(found) == ["accuracy", "loss", "right"] or set(found) == {*wanted, "right"}
    assert run.test_on_batch(x, y, return_dict=True).keys() == found.keys()
    np.testing.assert_array_equal(run.predict(x, verbose=0), model.predict(x, verbose=0))
    np.testing.assert_allclose(isi.explain(run, x).relevance, isi.explain(model, x).relevance)


def test_saved_and_loaded(tmp_path):
    x, y = data()
    jsma = isi.JSMA(theta=1.0, gamma=0.5, bounds=(-1, 1))
    run = compiled(dense(), jsma, weight=0.4, metrics=["accuracy"], optimizer="adam")
    run.fit(x, y, batch_size=10, verbose=0)
    run.save(tmp_path / "trained.keras")
    again = keras.saving.load_model(tmp_path / "trained.keras")
    assert isinstance(again, AdversarialTraining)
    assert again.attack == run.attack
    assert again.weight == 0.4
    np.testing.assert_array_equal(again.predict(x, verbose=0), run.predict(x, verbose=0))
    assert again.evaluate(x, y, verbose=0) == pytest.approx(run.evaluate(x, y, verbose=0))
    logs = [
        each.fit(x, y, batch_size=10, shuffle=False, verbose=0).history for each in (run, again)
    ]
    assert logs[1] == {name: pytest.approx(values, rel=1e-5) for name, values in logs[0].items()}


def test_crafting_changes_no_state_and_sees_the_network_as_at_inference():
    """Statistics are updated by the clean and by the adversarial batch, and by nothing else."""
    x, y = data(8)
    layers = keras.layers
    norm = layers.BatchNormalization(momentum=0.9)
    model = keras.Sequential(
        [keras.Input((4,)), norm, layers.Dense(8), layers.Dropout(0.5, seed=1), layers.Dense(3)]
    )
    run = AdversarialTraining(model, FGSM)
    run.compile(
        keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    attacked = FGSM(model, x, y=y)
    before = [np.array(v) for v in model.variables]
    crafted = backend.jit(run._crafting)(*map(keras.ops.convert_to_tensor, (x, y)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(crafted), attacked.adversarial, atol=1e-6)
    assert_same(model.variables, before, 0)
    run.fit(x, y, batch_size=8, verbose=0)
    once = 0.1 * x.mean(0)
    twice = 0.9 * once + 0.1 * attacked.adversarial.mean(0)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(norm.moving_mean), twice, atol=1e-6)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(part[8 * index : 8 * (index + 1)] for part in data())


def loader():
    """The same batches as the backend's own kind of data."""
    if BACKEND == "tensorflow":
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices(data()).batch(8)
    torch = pytest.importorskip("torch")
    rows = torch.utils.data.TensorDataset(*map(torch.as_tensor, data()))
    return torch.utils.data.DataLoader(rows, batch_size=8)


@pytest.mark.parametrize("kind", ["PyDataset", "loader"])
def test_kinds_of_data_agree(kind):
    run = compiled(dense())
    run.fit(Batches() if kind == "PyDataset" else loader(), shuffle=False, verbose=0)
    assert_same(run.get_weights(), fitted())


def test_class_weights_are_weights_of_samples():
    x, y = data()
    by_class = {0: 0.5, 1: 2.0, 2: 1.5}
    run = compiled(dense())
    run.fit(x, y, class_weight=by_class, batch_size=8, shuffle=False, verbose=0)
    assert_same(run.get_weights(), fitted(np.array([by_class[k] for k in y])))


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has neither on Torch without its compiler")
@pytest.mark.parametrize("options", [{"steps_per_execution": 2}, {"jit_compile": True}], ids=str)
def test_ways_to_execute_agree(options):
    attack = ATTACKS["pgd"]
    assert_same(fitted(attack=attack, **options), fitted(attack=attack))


def test_gradients_accumulate():
    """Two batches of four with accumulation are one of eight."""
    x, y = data(8)
    runs = []
    for steps in (None, 2):
        optimizer = keras.optimizers.SGD(RATE, gradient_accumulation_steps=steps)
        run = compiled(dense(), optimizer=optimizer)
        run.fit(x, y, batch_size=8 // (steps or 1), shuffle=False, verbose=0)
        runs.append(run.get_weights())
    assert_same(*runs)


def test_mixed_precision_scales_the_loss():
    x, y = data()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dense()
    finally:
        keras.config.set_dtype_policy(before)
    run = compiled(model, ATTACKS["isi-l0"])
    assert isinstance(run.optimizer, keras.optimizers.LossScaleOptimizer)
    logs = run.fit(x, y, batch_size=10, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    assert logs["adversarial_loss"][0] > logs["clean_loss"][0]


def test_labels_of_every_shape_agree():
    x, y = data()
    crafting = compiled(dense())._crafting
    wanted = crafting(*map(keras.ops.convert_to_tensor, (x, y)))
    for other in (y[:, None], np.eye(3, dtype="float32")[y], y.astype("float32")):
        found = crafting(*map(keras.ops.convert_to_tensor, (x, other)))
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (found, wanted)))


def test_one_sigmoid_unit_is_two_classes():
    x, y = data()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    run = AdversarialTraining(model, FGSM)
    run.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    logs = run.fit(x, (y > 0).astype("float32")[:, None], batch_size=10, verbose=0).history
    assert logs["adversarial_loss"][0] > logs["clean_loss"][0]


def test_what_cannot_be():
    x, y = data()
    with pytest.raises(ValueError, match=r"above 0 and up to 1.*weight=0.*fit the model itself"):
        AdversarialTraining(dense(), FGSM, weight=0)
    with pytest.raises(TypeError, match=r"an instance of BaseAttack. Received: attack=3"):
        AdversarialTraining(dense(), 3)
    with pytest.raises(ValueError, match=r"Unknown attack: 'fgsm'.*Choose one of 'isi', 'jsma'"):
        AdversarialTraining(dense(), "fgsm")
    with pytest.raises(ValueError, match=r"untargeted='random'.*Leave `untargeted` out"):
        AdversarialTraining(dense(), isi.JSMA(untargeted="random"))
    with pytest.raises(ValueError, match=r"Unknown attack: 'Atack'. Did you mean 'Attack'"):
        AdversarialTraining(dense(), {"class_name": "Atack", "config": {}})
    with pytest.raises(TypeError, match=r"Expected a Keras model. Received .* builtins.int"):
        AdversarialTraining(3, FGSM)
    with pytest.raises(ValueError, match="is not built"):
        AdversarialTraining(keras.Sequential([keras.layers.Dense(3)]), FGSM)
    both = [keras.Input((4,)), keras.Input((4,))]
    two = keras.Model(both, keras.layers.Dense(3)(keras.layers.Add()(both)))
    with pytest.raises(ValueError, match=r"2 inputs of real numbers.*AdversarialTraining\(model"):
        AdversarialTraining(two, FGSM)
    with pytest.raises(ValueError, match=r"target to be from 0 to 2.*Received: target=3"):
        AdversarialTraining(dense(), FGSM, target=3)
    with pytest.raises(TypeError, match=r"leave to be an integer, at least 0. Received: leave=0.5"):
        AdversarialTraining(dense(), FGSM, leave=[0.5])
    with pytest.raises(ValueError, match="needs labels: pass y"):
        compiled(dense()).compute_loss(x, None, None)
    with pytest.raises(ValueError, match="needs a loss: pass one to `compile`"):
        AdversarialTraining(dense(), FGSM).compute_loss(x, y, None)


def multi():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "sigmoid")])
    model.set_weights([np.random.default_rng(3).normal(size=(4, 3)), np.zeros(3)])
    return model


def crafted_by(run, x, y):
    found = run._crafting(*map(keras.ops.convert_to_tensor, (x, y)))
    return keras.ops.convert_to_numpy(found)


def test_labels_of_two_classes_in_every_coding_agree():
    """0 and 1, -1 and 1, smoothed: what is above 0.5 is the second class."""
    x, y = data()
    y = (y > 0).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.set_weights([np.array([[1.0], [0.5], [-0.5], [0.2]]), np.zeros(1)])
    run = AdversarialTraining(model, FGSM)
    wanted = FGSM(model, x, y=y.astype(int))
    assert {"misclassified"} < set(wanted.stop_reason)
    assert set(wanted.clean_prediction[wanted.attacked]) == {0, 1}
    for coded in (y, 2 * y - 1, 0.9 * y + 0.05, y.astype(bool), y.astype("int32")):
        for shaped in (coded, coded[:, None]):
            np.testing.assert_allclose(crafted_by(run, x, shaped), wanted.adversarial, atol=1e-6)


def test_a_sample_of_several_labels_is_right_if_the_first_prediction_is_one():
    x, _ = data(40)
    several = np.random.default_rng(4).integers(0, 2, (40, 3)).astype("float32")
    several[0] = 0
    model = multi()
    first = model.predict(x, verbose=0).argmax(1)
    right = several[np.arange(40), first] > 0
    assert 0 < right.sum() < 40
    wanted = np.where(right[:, None], FGSM(model, x, goal=isi.goals.Untargeted()).adversarial, x)
    for run in (AdversarialTraining(model, FGSM), compiled(model, FGSM)):
        for coded in (several, 0.9 * several + 0.05, 2 * several - 1):
            np.testing.assert_allclose(crafted_by(run, x, coded), wanted, atol=1e-6)
    logits = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    logits.set_weights(model.get_weights())
    run = AdversarialTraining(logits, FGSM)
    run.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    run.make_train_function()
    np.testing.assert_allclose(crafted_by(run, x, several), wanted, atol=1e-6)


def test_labels_that_the_loss_ignores_are_left():
    x, y = data()
    y[::2] = -1
    crafted = crafted_by(AdversarialTraining(dense(), FGSM), x, y)
    np.testing.assert_array_equal(crafted[::2], x[::2])
    assert (crafted != x).any()


@pytest.mark.parametrize("name", ["pgd", "isi-l2"])
def test_classes_to_leave_and_to_reach(name):
    model, attack = dense(), ATTACKS[name]
    model.set_weights([np.eye(4, 6), np.zeros(6), np.eye(6, 3), np.zeros(3)])
    x = np.random.default_rng(1).uniform(-0.9, 0.9, (24, 4)).astype("float32")
    y = model.predict(x, verbose=0).argmax(1)
    run = AdversarialTraining(model, attack, target=2, leave=[0, 2])
    wanted = attack(model, x, y=y, target=2)
    chosen = (y == 0)[:, None]
    assert (wanted.changed & chosen).any()
    assert (wanted.changed & ~chosen).any()
    expected = np.where(chosen, wanted.adversarial, x)
    np.testing.assert_allclose(crafted_by(run, x, y), expected, atol=1e-6)
    config = run.get_config()
    assert (config["target"], config["leave"]) == (2, [0, 2])


def out_of_bounds():
    """The data three times as wide, a way for each kind of data that `fit` takes."""
    x, y = data()

    def batches():
        for begin in range(0, len(x), 10):
            yield 3 * x[begin : begin + 10], y[begin : begin + 10]

    class Wide(Batches):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return 3 * x if index == 2 else x, y

    return {
        "array": (3 * x, y),
        "tensor": (keras.ops.convert_to_tensor(3 * x), keras.ops.convert_to_tensor(y)),
        "generator": (batches(), None),
        "PyDataset": (Wide(), None),
    }


@pytest.mark.parametrize("kind", ["array", "tensor", "generator", "PyDataset"])
def test_data_of_every_kind_are_within_the_bounds(kind):
    x, y = out_of_bounds()[kind]
    run = compiled(dense())
    with pytest.raises(ValueError, match=r"values (from .* )?outside the bounds -1\.\.1"):
        run.fit(x, y, shuffle=False, verbose=0)
    if kind == "generator":
        with pytest.raises(ValueError, match=r"outside the bounds -1\.\.1 in \d+ of the samples"):
            run.train_on_batch(3 * data()[0], data()[1])
        run.train_on_batch(*data())
        run.fit(*data(), verbose=0, callbacks=keras.callbacks.History())


class Own(keras.Model):
    """A model that computes its loss itself: half of the usual one, and logits are kept small."""

    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(3)
        self.seen = keras.metrics.Sum(name="seen")

    def call(self, x):
        return self.layer(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        usual = super().compute_loss(x, y, y_pred, sample_weight, training)
        self.seen.update_state(keras.ops.shape(x)[0])
        return 0.5 * usual + keras.ops.mean(keras.ops.square(y_pred)) + 0 * keras.ops.sum(x)


def test_a_loss_of_the_model_itself_counts_for_both_halves():
    x, y = data()
    model = Own()
    model(x)
    run = AdversarialTraining(model, FGSM, weight=0.25)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    run.compile(keras.optimizers.SGD(0.0), loss)
    logs = run.fit(x, y, batch_size=20, verbose=0).history
    attacked = FGSM(model, x, y=y).adversarial

    def own(x):
        logits = keras.ops.convert_to_numpy(model(x)).astype("float64")
        usual = keras.ops.convert_to_numpy(loss(y, logits.astype("float32")))
        return 0.5 * usual + (logits**2).mean()

    np.testing.assert_allclose(logs["clean_loss"], [own(x)], rtol=1e-5)
    np.testing.assert_allclose(logs["adversarial_loss"], [own(attacked)], rtol=1e-5)
    assert logs["seen"] == [40]
    np.testing.assert_allclose(logs["loss"], [0.75 * own(x) + 0.25 * own(attacked)], rtol=1e-5)
    found = run.evaluate(x, y, batch_size=20, verbose=0, return_dict=True)
    assert found == {"loss": pytest.approx(own(x), rel=1e-5), "seen": 20}
    assert not model.compiled


def test_a_model_with_steps_of_its_own_is_refused():
    class Steps(Own):
        def train_step(self, *args):
            return {}

    class Metrics(Own):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {}

    model = Steps()
    model(data()[0])
    with pytest.raises(ValueError, match=r"has a train_step of its own.*in compute_loss"):
        AdversarialTraining(model, FGSM)
    model = Metrics()
    model(data()[0])
    with pytest.warns(UserWarning, match="has a compute_metrics of its own.*Pass metrics"):
        AdversarialTraining(model, FGSM)


@pytest.mark.once
def test_a_saved_one_is_loaded_where_nothing_was_touched(tmp_path):
    path = tmp_path / "trained.keras"
    AdversarialTraining(dense(), FGSM, target=1, leave=0).save(path)
    code = (
        "import sys, isi_keras\n"
        "assert 'keras' not in sys.modules\n"
        "import keras\n"
        "assert 'isi_keras.training' not in sys.modules\n"
        f"model = keras.saving.load_model({str(path)!r})\n"
        "assert (model.target, model.leave) == (1, (0,)), model.leave\n"
    )
    light = "jax" if importlib.util.find_spec("jax") else BACKEND  # the soonest imported
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "KERAS_BACKEND": light}
    )
    # Keras was here first in this interpreter.
    assert keras.saving.get_registered_object("isi_keras>AdversarialTraining")


@pytest.mark.skipif(BACKEND != "torch", reason="of Torch's compiler")
def test_a_pullback_runs_within_what_torch_compiles():
    """Compiled, a backward pass would free what the pullback may read again."""
    torch = pytest.importorskip("torch")
    graphs = []

    def keep(graph, _):
        graphs.append(graph.code)
        return graph.forward

    def run(x):
        y, pullback = backend.vjp(torch.tanh, 2 * x)
        return x + pullback(torch.ones_like(y)) + pullback(torch.ones_like(y))

    x = torch.tensor([0.3, 0.4])
    torch.testing.assert_close(torch.compile(run, backend=keep)(x), run(x))
    assert graphs
    assert not any("tanh" in code for code in graphs)
