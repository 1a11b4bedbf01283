"""Adversarial training of models with several inputs: some move, the others are held."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import isi_keras as isi
from isi_keras import backend, goals
from isi_keras.training import AdversarialTraining

BACKEND = keras.config.backend()
STEP, COUNT = 0.2, 12
FGSM = isi.Attack("sensitivity", isi.Linf(STEP, epsilon=STEP, relative=False), max_steps=1)
PGD = isi.Attack(
    "sensitivity", isi.Linf(0.1, epsilon=0.25, relative=False), max_steps=4, objective="margin"
)
KINDS = ("dict", "list", "tuple")


def network(kind="dict"):
    """Logits that are linear in `moved`, beside a network of `held`."""
    keras.utils.set_random_seed(4)
    held, moved = keras.Input((3,), name="held"), keras.Input((5,), name="moved")
    aside = layers.Dense(3)(layers.Dense(6, "tanh")(held))
    total = layers.Add()([layers.Dense(3, name="own")(moved), aside])
    inputs = {"held": held, "moved": moved} if kind == "dict" else [held, moved]
    return keras.Model(inputs, layers.Softmax()(total))


def data():
    rng = np.random.default_rng(0)
    held = rng.normal(size=(COUNT, 3)).astype("float32")  # beyond the bounds, which are of others
    held[0] *= 100
    return held, rng.uniform(-1, 1, (COUNT, 5)).astype("float32"), rng.integers(0, 3, COUNT)


def given(kind, **each):
    return each if kind == "dict" else {"list": list, "tuple": tuple}[kind](each.values())


def tensors(structure):
    return keras.tree.map_structure(ops.convert_to_tensor, structure)


def crafted_by(run, x, y):
    crafted = backend.jit(run._crafting)(tensors(x), ops.convert_to_tensor(y))
    return keras.tree.map_structure(ops.convert_to_numpy, crafted)


def one_step(model, inputs, x, y, kernel, low=-1.0, high=1.0):
    """FGSM on the logit of the true class, of what is predicted right."""
    right = model.predict(inputs, verbose=0).argmax(1) == y
    assert 0 < right.sum() < COUNT
    moved = np.clip(x - STEP * np.sign(kernel.T[y]), low, high)
    return np.where(right[:, None], moved, x)


def compiled(model, attack=FGSM, **options):
    run = AdversarialTraining(model, attack, **options)
    run.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return run


@pytest.mark.parametrize("kind", KINDS)
def test_what_moves_moves_and_what_is_held_stays_in_the_structure_that_came(kind):
    held, x, y = data()
    model = network("dict" if kind == "dict" else "list")
    inputs = given(kind, held=held, moved=x)
    run = compiled(model, moving="moved")
    crafted = crafted_by(run, inputs, y)
    wanted = one_step(model, inputs, x, y, model.get_layer("own").get_weights()[0])
    assert type(crafted) is type(inputs)
    parts = crafted if kind == "dict" else dict(zip(("held", "moved"), crafted, strict=True))
    np.testing.assert_allclose(parts["moved"], wanted, atol=1e-6)
    np.testing.assert_array_equal(parts["held"], held)
    run.fit(inputs, y, batch_size=5, verbose=0)


def test_names_find_inputs_in_whatever_order_they_come():
    held, x, y = data()
    model = network("list")
    run = compiled(model, moving="moved")
    crafted = crafted_by(run, {"moved": x, "more": y, "held": held}, y)
    assert set(crafted) == {"moved", "more", "held"}
    wanted = one_step(model, [held, x], x, y, model.get_layer("own").get_weights()[0])
    np.testing.assert_allclose(crafted["moved"], wanted, atol=1e-6)
    np.testing.assert_array_equal(crafted["more"], y)
    run.fit({"moved": x, "more": y, "held": held}, y, verbose=0)
    with pytest.raises(ValueError, match=r"outside the bounds"):
        run.fit({"moved": 3 * x, "more": y, "held": held}, y, verbose=0)


@pytest.mark.parametrize("kind", KINDS)
def test_one_input_in_a_dictionary_or_a_list(kind):
    _, x, y = data()
    source = keras.Input((5,), name="alone")
    keras.utils.set_random_seed(2)
    end = layers.Dense(3, name="own")(source)
    inputs, rows = ({"alone": source}, {"alone": x}) if kind == "dict" else ([source], [x])
    model = keras.Model(inputs, layers.Softmax()(end))
    wanted = one_step(model, rows, x, y, model.get_layer("own").get_weights()[0])
    for moving in (None, "alone"):
        run = compiled(model, moving=moving)
        crafted = crafted_by(run, tuple(rows) if kind == "tuple" else rows, y)
        assert type(crafted).__name__ == kind
        np.testing.assert_allclose(keras.tree.flatten(crafted)[0], wanted, atol=1e-6)
        run.fit(rows, y, verbose=0)
    if kind == "list":
        np.testing.assert_allclose(crafted_by(run, x, y), wanted, atol=1e-6)


def test_several_move_as_one_row():
    """Each within bounds of its own, in the order they are named, beside one that is held."""
    held, x, y = data()
    rng = np.random.default_rng(3)
    image = rng.uniform(-1, 1, (COUNT, 2, 2, 1)).astype("float32")
    shapes = {"held": (3,), "image": (2, 2, 1), "table": (5,)}
    sources = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    keras.utils.set_random_seed(1)
    flat, own = layers.Dense(3, name="flat"), layers.Dense(3, name="own")
    parts = [layers.Dense(3)(sources["held"]), flat(layers.Flatten()(sources["image"]))]
    model = keras.Model(sources, layers.Softmax()(layers.Add()([*parts, own(sources["table"])])))
    width = np.repeat([3.0, 1.0], [5, 4]).astype("float32")
    norm = isi.Linf(STEP, epsilon=STEP, relative=False)
    attack = isi.Attack("sensitivity", norm, max_steps=1, bounds=(-width, width))
    inputs = {"held": held, "image": image, "table": 3 * x}
    run = compiled(model, attack, moving=["table", "image"])
    crafted = crafted_by(run, inputs, y)
    kernel = np.concatenate([own.get_weights()[0], flat.get_weights()[0]])
    rows = np.concatenate([3 * x, image.reshape(COUNT, -1)], axis=1)
    wanted = one_step(model, inputs, rows, y, kernel, -width, width)
    np.testing.assert_allclose(crafted["table"], wanted[:, :5], atol=1e-6)
    np.testing.assert_allclose(crafted["image"].reshape(COUNT, -1), wanted[:, 5:], atol=1e-6)
    np.testing.assert_array_equal(crafted["held"], held)
    run.fit(inputs, y, batch_size=5, verbose=0)
    wide = {**inputs, "image": 2 * image}  # within the bounds of the other
    with pytest.raises(ValueError, match=r"outside the bounds"):
        run.fit(wide, y, verbose=0)


def text_and_table():
    """Ids of any number, which are masked where 0, beside real numbers."""
    keras.utils.set_random_seed(6)
    ids, table = keras.Input((None,), dtype="int32", name="ids"), keras.Input((5,), name="table")
    word = layers.GlobalAveragePooling1D()(layers.Embedding(7, 4, mask_zero=True)(ids))
    both = layers.Concatenate()([word, layers.Dense(6, "relu")(table)])
    return keras.Model([ids, table], layers.Dense(3, "softmax")(both))


@pytest.mark.parametrize("name", ["sensitivity", "relevance"])
def test_integers_are_held_and_need_no_word(name):
    _, x, y = data()
    model = text_and_table()
    ids = np.random.default_rng(8).integers(1, 7, (COUNT, 4))
    ids[:5, 3] = 0
    attack = PGD if name == "sensitivity" else isi.Attack("relevance", "l0", max_steps=2)
    run = compiled(model, attack)
    found, crafted = crafted_by(run, [ids, x], y)
    result = attack(model, [ids, x], y=y)
    assert 0 < result.changed.any(1).sum() < COUNT
    np.testing.assert_allclose(crafted, result.adversarial, atol=1e-6)
    np.testing.assert_array_equal(found, ids)
    assert found.dtype.kind == "i"
    logs = run.fit([ids, x], y, batch_size=COUNT, verbose=0).history
    p = model.predict([ids, result.adversarial], verbose=0)[np.arange(COUNT), y]
    np.testing.assert_allclose(logs["adversarial_loss"], [-np.log(p).mean()], rtol=1e-5)


def test_the_logs_are_the_means_of_both_losses():
    held, x, y = data()
    model, inputs = network(), {"held": held, "moved": x}
    run = compiled(model, PGD, moving="moved", weight=0.25)
    weights = np.random.default_rng(5).uniform(0.5, 2, COUNT)
    logs = run.fit(inputs, y, sample_weight=weights, batch_size=5, shuffle=False, verbose=0).history
    result = PGD(isi.logits(model, moving="moved"), inputs, y=y)
    assert result.changed.any()

    def measured(inputs):
        p = model.predict(inputs, verbose=0).astype("float64")
        return (weights * -np.log(p[np.arange(COUNT), y])).mean(), (p.argmax(1) == y).mean()

    (clean, accuracy), (turned, robust) = measured(inputs), measured(result.inputs)
    np.testing.assert_allclose(logs["clean_loss"], [clean], rtol=1e-5)
    np.testing.assert_allclose(logs["adversarial_loss"], [turned], rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], [0.75 * clean + 0.25 * turned], rtol=1e-5)
    np.testing.assert_allclose(logs["accuracy"], [accuracy], rtol=1e-6)
    np.testing.assert_allclose(logs["adversarial_accuracy"], [robust], rtol=1e-6)
    found = run.evaluate(inputs, y, verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(accuracy)


def test_goals_about_labels_see_all_inputs():
    held, x, _ = data()
    whole = network()
    model = keras.Model(whole.input, layers.Activation("sigmoid")(whole.layers[-1].input))
    inputs = {"held": held, "moved": x}
    y = (model.predict(inputs, verbose=0) > 0.5).astype("int32")
    y[::3, 0] = 1 - y[::3, 0]
    for goal in (goals.LabelSet(), goals.LabelOff(1, margin=0.3), None):
        run = AdversarialTraining(model, PGD, goal=goal, moving="moved")
        crafted = crafted_by(run, inputs, y)["moved"]
        first = model.predict(inputs, verbose=0).argmax(1)
        asked = {"goal": goals.Untargeted()} if goal is None else {"goal": goal, "y": y}
        wanted = PGD(isi.logits(model, moving="moved"), inputs, **asked).adversarial
        if goal is None:
            wanted = np.where(y[np.arange(COUNT), first][:, None] > 0, wanted, x)
        assert (wanted != x).any()
        np.testing.assert_allclose(crafted, wanted, atol=1e-6)


def test_goals_about_values_see_all_inputs():
    held, x, _ = data()
    parts = [keras.Input((3,), name="held"), keras.Input((5,), name="moved")]
    model = keras.Model(parts, layers.Dense(1)(layers.Concatenate()(parts)))
    goal = goals.Above(0.5)
    run = AdversarialTraining(model, PGD, goal=goal, moving="moved")
    run.compile("sgd", "mse")
    run.fit([held, x], x[:, 0], verbose=0)
    _, crafted = crafted_by(run, [held, x], x[:, 0])
    wanted = PGD(isi.outputs(model, moving="moved"), [held, x], goal=goal).adversarial
    np.testing.assert_allclose(crafted, wanted, atol=1e-6)


class Own(keras.Model):
    """A model that computes its loss itself, and whose inputs are in a dictionary."""

    def __init__(self):
        super().__init__()
        self.layer = layers.Dense(3)

    def call(self, inputs):
        return self.layer(inputs["moved"]) + ops.sum(inputs["held"], axis=-1, keepdims=True)


def test_a_model_that_does_not_declare_its_inputs_is_wrapped():
    held, x, y = data()
    model, inputs = Own(), {"held": held, "moved": x}
    model(tensors(inputs))
    with pytest.raises(ValueError, match=r"shape and type of each input.*Wrap it.*dictionary or"):
        AdversarialTraining(model, FGSM, moving="moved")
    source = {"held": keras.Input((3,), name="held"), "moved": keras.Input((5,), name="moved")}
    whole = keras.Model(source, model(source))
    wanted = one_step(whole, inputs, x, y, model.layer.get_weights()[0])
    found = crafted_by(AdversarialTraining(whole, FGSM, moving="moved"), inputs, y)
    np.testing.assert_allclose(found["moved"], wanted, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_checked_before_the_first_batch(kind):
    held, x, y = data()
    run = compiled(network("dict" if kind == "dict" else "list"), moving="moved")
    begun = []
    watch = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: begun.append(1))
    with pytest.raises(ValueError, match=r"values from .* outside the bounds -1\.\.1"):
        run.fit(given(kind, held=held, moved=3 * x), y, verbose=0, callbacks=[watch])
    with pytest.raises(ValueError, match=r"NaN or infinity in 1 of 12 samples"):
        run.fit(given(kind, held=np.where(held == held[1, 1], np.nan, held), moved=x), y, verbose=0)
    assert not begun


def batches(x, held, y):
    for begin in range(0, COUNT, 4):
        rows = slice(begin, begin + 4)
        yield {"held": held[rows], "moved": x[rows]}, y[rows]


def loader(x, held, y):
    """The same batches as the backend's own kind of data."""
    if BACKEND == "tensorflow":
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices(({"held": held, "moved": x}, y)).batch(4)
    torch = pytest.importorskip("torch")
    rows = [({"held": h, "moved": m}, k) for h, m, k in zip(held, x, y, strict=True)]
    return torch.utils.data.DataLoader(rows, batch_size=4)


@pytest.mark.parametrize("make", [batches, loader])
def test_other_data_are_checked_after_it(make):
    held, x, y = data()
    run = compiled(network(), moving="moved")
    logs = run.fit(make(x, held, y), steps_per_epoch=3, shuffle=False, verbose=0).history
    same = run.fit({"held": held, "moved": x}, y, batch_size=4, shuffle=False, verbose=0).history
    assert logs == {name: pytest.approx(values, rel=1e-5) for name, values in same.items()}
    with pytest.raises(ValueError, match=r"outside the bounds -1\.\.1 in \d of the samples"):
        run.fit(make(3 * x, held, y), steps_per_epoch=3, shuffle=False, verbose=0)


def test_saved_and_loaded(tmp_path):
    held, x, y = data()
    inputs = {"held": held, "moved": x}
    run = AdversarialTraining(network(), PGD, moving=["moved"])
    run.compile("adam", "sparse_categorical_crossentropy")
    run.fit(inputs, y, verbose=0)
    run.save(tmp_path / "trained.keras")
    again = keras.saving.load_model(tmp_path / "trained.keras")
    assert again.moving == ("moved",)
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), run.predict(inputs, verbose=0))
    logs = [one.fit(inputs, y, shuffle=False, verbose=0).history for one in (run, again)]
    assert logs[1] == {name: pytest.approx(values, rel=1e-5) for name, values in logs[0].items()}
    old = AdversarialTraining(text_and_table(), FGSM).get_config()
    assert old.pop("moving") is None
    assert AdversarialTraining.from_config(old).moving is None


def test_attacks_and_the_monitor_afterwards():
    held, x, y = data()
    inputs, model = {"held": held, "moved": x}, network()
    run = compiled(model, moving="moved")
    attack = isi.Attack("sensitivity", "l0", max_steps=3, bounds=(-1, 1))
    kinds = {"trained": isi.callbacks.RobustnessMonitor(attack, inputs, y)}
    run.fit(inputs, y, verbose=0, callbacks=list(kinds.values()))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.0
    kinds["plain"] = isi.callbacks.RobustnessMonitor(attack, inputs, y, moving="moved")
    model.fit(inputs, y, verbose=0, callbacks=[kinds["plain"]])
    wanted = attack(isi.logits(run.model, moving="moved"), inputs, y=y)
    assert 0 < wanted.success.sum() < COUNT
    for monitor in kinds.values():
        np.testing.assert_array_equal(monitor.result.adversarial, wanted.adversarial)
        np.testing.assert_array_equal(monitor.result.held["held"], held)
    unsaid = isi.callbacks.RobustnessMonitor(attack, inputs, y)
    with pytest.raises(ValueError, match="2 inputs of real numbers: 'held', 'moved'"):
        model.fit(inputs, y, verbose=0, callbacks=[unsaid])


def test_errors_name_the_inputs():
    model = network()
    advice = r"AdversarialTraining\(model, attack, moving=\.\.\.\)"
    with pytest.raises(ValueError, match=rf"2 inputs of real numbers: 'held', 'moved'.*{advice}"):
        AdversarialTraining(model, FGSM)
    with pytest.raises(ValueError, match=r"no input 'image'\. Choose one of 'held', 'moved'"):
        AdversarialTraining(model, FGSM, moving="image")
    with pytest.raises(TypeError, match=r"name of an input, or several. Received: 3"):
        AdversarialTraining(model, FGSM, moving=3)
    with pytest.raises(TypeError, match=r"takes integers in 'ids'"):
        AdversarialTraining(text_and_table(), FGSM, moving="ids")
    with pytest.raises(TypeError, match=r"Expected a Keras model. Received .*Classifier"):
        AdversarialTraining(isi.logits(model, moving="moved"), FGSM)
    with pytest.raises(ValueError, match=r"Expected upper bound|lower bound"):
        AdversarialTraining(model, isi.Attack(bounds=(np.zeros(3), np.ones(3))), moving="moved")
    free = [keras.Input((None, 2), name="series"), keras.Input((3,), name="table")]
    pooled = layers.Concatenate()([layers.GlobalMaxPooling1D()(free[0]), free[1]])
    model = keras.Model(free, layers.Dense(3)(pooled))
    with pytest.raises(
        ValueError, match=r"form one row, whose length.*size of 'series' may be any"
    ):
        AdversarialTraining(model, FGSM, moving=["series", "table"])
    assert AdversarialTraining(model, FGSM, moving="series").moving == ("series",)


def test_what_the_model_does_not_take_is_refused():
    """Keras goes by the order of a dictionary that holds more than it knows."""
    held, x, y = data()
    run = compiled(network("dict"), moving="moved")
    inputs = {"further": held, **given("dict", held=held, moved=x)}
    with pytest.raises(ValueError, match=r"has 2 input\(s\)"):
        run.fit(inputs, y, verbose=0)
    with pytest.raises(ValueError, match="'further', with which Keras mixes up the others"):
        crafted_by(run, inputs, y)


@pytest.mark.parametrize("kind", ["dict", "list"])
def test_a_batch_of_arrays(kind):
    held, x, y = data()
    run = compiled(network(kind), moving="moved")
    logs = run.train_on_batch(given(kind, held=held, moved=x), y, return_dict=True)
    assert logs["adversarial_loss"] > logs["clean_loss"]


def test_metrics_go_when_compiled_without_them():
    held, x, y = data()
    run = compiled(network("list"), moving="moved")
    inputs = given("list", held=held, moved=x)
    assert "adversarial_accuracy" in run.fit(inputs, y, verbose=0).history
    for again in (run, compiled(network("list"), moving="moved")):  # also before any fit
        again.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        assert "adversarial_accuracy" not in again.fit(inputs, y, verbose=0).history
