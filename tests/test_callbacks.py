"""What the callbacks write is what one would find by hand, and training does not notice them."""

import csv
import sys

import keras
import numpy as np
import pytest
from makers.compiled import compiled_of
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.callbacks import ExplanationLogger, RobustnessMonitor
from isi_keras.training import AdversarialTraining

ATTACK = isi.Attack("relevance", "l0", max_steps=3)
NAMES = ["val_robust_accuracy", "val_attack_success", "val_attack_l0_mean", "val_attack_l0_median",
         "val_attack_seconds"]  # fmt: skip


def labelled(count=24):
    """Images, and what an untrained network makes of most of them."""
    x = images(count)
    return x, small_network(seed=4).predict(x, verbose=0).argmax(1)


def compiled(wrapped=False, rate=0.02):
    model = small_network()
    run = AdversarialTraining(model, isi.Attack("sensitivity", "linf", max_steps=1))
    run = run if wrapped else model
    run.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model, run


def fitted(run, callbacks, epochs=3):
    x, y = labelled()
    options = {"batch_size": 12, "epochs": epochs, "shuffle": False, "verbose": 0}
    return run.fit(x, y, callbacks=callbacks, **options).history


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "adversarial"])
def test_logs_equal_a_fresh_attack_with_the_weights_of_the_epoch(wrapped):
    model, run = compiled(wrapped)
    x, y = labelled()
    weights, traces = [], []

    def keep(epoch, logs):
        weights.append(model.get_weights())
        traces.append(compiled_of(model, ATTACK).traces)

    monitor = RobustnessMonitor(ATTACK, x, y, budgets=(1, 3))
    history = fitted(run, [monitor, keras.callbacks.LambdaCallback(on_epoch_end=keep)])
    untouched = compiled(wrapped)
    fitted(untouched[1], [])
    for one, other in zip(model.get_weights(), untouched[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    if keras.config.backend() != "torch":
        assert traces == traces[:1] * 3
    assert len({tuple(w[0].ravel()) for w in weights}) == 3
    assert any(0 < share < 1 for share in history["val_robust_accuracy"])
    fresh = small_network()
    for epoch, kept in enumerate(weights):
        fresh.set_weights(kept)
        result = ATTACK(fresh, x, y=y)
        report = isi.evaluate(result)
        l0 = report.measures["l0_feature"]
        robust = np.mean((result.clean_prediction == y) & ~result.success)
        assert report.robust_accuracy == robust
        wanted = [robust, report.success_rate, l0.mean_success, l0.median_all]
        found = [history[name][epoch] for name in NAMES]
        np.testing.assert_allclose(found[:4], wanted, rtol=1e-6)
        assert found[4] > 0
        for k, share in zip((1, 3), monitor.curves[epoch], strict=True):
            turned = result.success & (result.changed.sum((1, 2, 3)) <= k)
            assert share == np.mean((result.clean_prediction == y) & ~turned)
            assert history[f"val_robust_accuracy_at_{k}"][epoch] == share
    assert monitor.result.success.shape == (24,)


def test_other_callbacks_see_the_logs(tmp_path):
    _, run = compiled(rate=0.0)
    x, y = labelled()
    stop = keras.callbacks.EarlyStopping("val_robust_accuracy", mode="max", patience=1)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_robust_accuracy", mode="max", save_best_only=True
    )
    table = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fitted(run, [RobustnessMonitor(ATTACK, x, y), stop, best, table], epochs=9)
    assert len(history["loss"]) == 2  # nothing gets better where nothing is learnt
    assert (tmp_path / "best.keras").exists()
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert {*NAMES} <= rows[0].keys()
    assert [float(row["val_robust_accuracy"]) for row in rows] == history["val_robust_accuracy"]


def test_every_few_epochs_and_after_the_last():
    _, run = compiled()
    x, y = labelled()
    monitor = RobustnessMonitor(ATTACK, x[:4], y[:4], every=3)
    assert len(fitted(run, [monitor], epochs=5)["val_attack_success"]) == 3
    assert list(monitor.curves) == [0, 3, 4]


def test_jsma_and_nothing_to_attack():
    _, run = compiled()
    x, _ = labelled()
    jsma = isi.JSMA(bounds=(-1, 1))
    wrong = (run.predict(x, verbose=0).argmax(1) + 1) % 3
    run.optimizer.learning_rate = 0.0
    logs = fitted(run, [RobustnessMonitor(jsma, x, wrong)], epochs=1)
    assert logs["val_robust_accuracy"] == [0.0]
    assert all(np.isnan(logs[name]).all() for name in NAMES[1:4])


def test_explanations_are_drawn(tmp_path):
    x, y = images(4)[..., :1], np.array([0, 1, 2, 0])
    layers = keras.layers
    model = keras.Sequential([keras.Input((6, 5, 1)), layers.Flatten(), layers.Dense(3, "softmax")])
    run = AdversarialTraining(model, ATTACK)
    run.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    logger = ExplanationLogger("relevance", x[:2], tmp_path / "maps", target=1, every=2)
    run.fit(x, y, epochs=2, callbacks=[logger], verbose=0)
    wanted = isi.explain(model, x[:2], target=1)
    np.testing.assert_allclose(logger.explanation.relevance, wanted.relevance, atol=1e-6)
    assert [path.name for path in logger.paths] == ["epoch-0001.png", "epoch-0002.png"]
    pictures = [path.read_bytes() for path in sorted((tmp_path / "maps").iterdir())]
    assert len(pictures) == 2
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]


def test_explanations_in_tensorboard(tmp_path):
    x, y = np.eye(4, dtype="float32"), np.array([0, 1, 0, 1])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    logger = ExplanationLogger("sensitivity", x[:2], tmp_path, tensorboard=tmp_path / "log")
    model.fit(x, y, epochs=3, callbacks=[logger], verbose=0)
    found = logged(tmp_path / "log")
    assert found.Tags()["images"] == ["explanation"]
    events = found.Images("explanation")
    assert [event.step for event in events] == [0, 1, 2]
    for event, path in zip(events, logger.paths, strict=True):
        assert event.encoded_image_string == path.read_bytes()


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="Keras' callback needs it")
def test_robustness_in_tensorboard(tmp_path):
    from tensorboard.util import tensor_util

    _, run = compiled()
    x, y = labelled()
    board = keras.callbacks.TensorBoard(tmp_path / "log", write_graph=False)
    logs = fitted(run, [RobustnessMonitor(ATTACK, x, y), board], epochs=2)
    found = logged(tmp_path / "log" / "validation")
    events = found.Tensors("epoch_robust_accuracy")
    values = [tensor_util.make_ndarray(event.tensor_proto) for event in events]
    np.testing.assert_allclose(values, logs["val_robust_accuracy"], rtol=1e-6)


def logged(folder):
    """What TensorBoard reads in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def test_tensorboard_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(ImportError, match=r"pip install tensorboard. Or leave `tensorboard` out"):
        ExplanationLogger("sensitivity", images(), tmp_path, tensorboard=tmp_path)


def test_what_cannot_be():
    x, y = labelled()
    with pytest.raises(TypeError, match=r"an instance of BaseAttack. Received: attack=None"):
        RobustnessMonitor(None, x, y)
    with pytest.raises(ValueError, match=r"Unknown attack: 'relevance'. Choose one of 'isi'"):
        RobustnessMonitor("relevance", x, y)
    with pytest.raises(ValueError, match="Received: 24 samples, 3 labels"):
        RobustnessMonitor(ATTACK, x, y[:3])
    with pytest.raises(ValueError, match=r"at least 1. Received: every=0"):
        RobustnessMonitor(ATTACK, x, y, every=0)
    with pytest.raises(TypeError, match=r"an integer, at least 0. Received: budgets=0.5"):
        RobustnessMonitor(ATTACK, x, y, budgets=(0.5,))
    with pytest.raises(ValueError, match="Unknown indicator"):
        ExplanationLogger("relevanz", x, "maps")


def test_what_is_wrong_is_said_before_the_first_epoch():
    x, y = labelled()
    began = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: began.append(epoch))
    for samples, classes, match in (
        (3 * x, y, "outside the bounds"),
        (x, y + 7, "from 0 to 2, as the model has 3 classes"),
        (x[:, :2], y, "expects inputs of shape"),
    ):
        _, run = compiled()
        with pytest.raises(ValueError, match=match):
            fitted(run, [RobustnessMonitor(ATTACK, samples, classes), note])
    assert not began


def test_classes_to_leave_and_to_reach():
    model, run = compiled(rate=0.0)
    x, _ = labelled()
    y = model.predict(x, verbose=0).argmax(1)
    first, second, third = np.argsort(-np.bincount(y, minlength=3))
    one = RobustnessMonitor(ATTACK, x, y, target=int(second), leave=[int(first), int(second)])
    np.testing.assert_array_equal(one.y, y[y == first])
    logs = fitted(run, [one], epochs=1)
    wanted = ATTACK(model, x[y == first], y=y[y == first], target=int(second))
    assert logs["val_attack_success"] == [wanted.success.mean()]
    assert set(one.result.prediction[one.result.success]) <= {second}
    rest = RobustnessMonitor(ATTACK, x, y[:, None], target=int(third))
    np.testing.assert_array_equal(rest.x, x[y != third])
    for options, match in (
        ({"target": 1, "leave": 1}, r"other than the target. Received: leave=\(1,\), target=1"),
        ({"leave": 7}, r"samples of the classes that are attacked.*with leave=\(7,\)"),
        ({"target": -1}, r"at least 0. Received: target=-1"),
    ):
        with pytest.raises(ValueError, match=match):
            RobustnessMonitor(ATTACK, x, y, **options)


def test_a_goal_about_values_needs_no_labels():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 3)).astype("float32")
    attack = isi.Attack("sensitivity", "l0", max_steps=3)
    above = float(model.predict(x, verbose=0).max()) + 0.1
    monitor = RobustnessMonitor(attack, x, None, goal=isi.goals.Above(above))
    logs = model.fit(x, x[:, 0], callbacks=[monitor], verbose=0).history
    turned = (model.predict(monitor.result.adversarial, verbose=0)[:, 0] > above).mean()
    np.testing.assert_allclose(logs["val_robust_accuracy"], 1 - turned)


def test_sources_and_goals_of_each_sample(tmp_path):
    model, run = compiled(rate=0.0)
    x, _ = labelled()
    y = model.predict(x, verbose=0).argmax(1)
    first = int(np.bincount(y).argmax())
    wanted = (y + 1 + np.arange(len(y)) % 2) % 3
    goal = isi.goals.Target(wanted)

    def batches():
        return ((x[k : k + 7], y[k : k + 7]) for k in range(0, len(x), 7))

    own = RobustnessMonitor(ATTACK, x, y, leave=first, goal=goal)
    streamed = RobustnessMonitor(ATTACK, batches, leave=first, batch_size=2)
    np.save(tmp_path / "x.npy", x)
    whole = RobustnessMonitor(ATTACK, str(tmp_path / "x.npy"), y, goal=goal)
    fitted(run, [own, streamed, whole], epochs=1)
    left = y == first
    for found, x_, options in (
        (own, x[left], {"target": wanted[left], "y": y[left]}),
        (streamed, x[left], {"y": y[left]}),
        (whole, x, {"target": wanted, "y": y}),
    ):
        again = ATTACK(model, x_, **options)
        np.testing.assert_array_equal(found.result.adversarial, again.adversarial)
        np.testing.assert_array_equal(found.result.success, again.success)
    for x_, options, match in (
        (batches(), {}, "generator gives its samples once only"),
        (batches, {"leave": first, "goal": goal}, "a goal is one for all"),
        (x, {"y": y, "leave": first, "goal": isi.goals.Target(wanted[1:])}, "each of 24 samples"),
    ):
        with pytest.raises(ValueError, match=match):
            RobustnessMonitor(ATTACK, x_, **options)
    with pytest.raises(ValueError, match=r"classes that are attacked. .* with leave=\(7,\)"):
        fitted(run, [RobustnessMonitor(ATTACK, batches, leave=7)])


@pytest.mark.once
def test_explanations_of_a_source(tmp_path):
    x, y = images(24)[..., :1], np.arange(24) % 3
    model = keras.Sequential([keras.Input((6, 5, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(True))
    np.save(tmp_path / "x.npy", x)
    for source, target in ((str(tmp_path / "x.npy"), y), (iter([x[:5], x[5:]]), 2)):
        logger = ExplanationLogger("sensitivity", source, tmp_path, target=target)
        model.fit(x, y, epochs=1, callbacks=[logger], verbose=0)
        np.testing.assert_array_equal(logger.explanation.x, x[:12])
        np.testing.assert_array_equal(logger.explanation.target, np.resize(target, 24)[:12])
    shuffled = ExplanationLogger("sensitivity", iter([x]), tmp_path, target=y)
    with pytest.raises(ValueError, match="Received target for each sample of a stream"):
        model.fit(x, y, epochs=1, callbacks=[shuffled], verbose=0)


@pytest.mark.once
def test_robust_accuracy_needs_labels(tmp_path):
    _, run = compiled(rate=0.0)
    x, _ = labelled()
    np.save(tmp_path / "x.npy", x)
    for given in (x, str(tmp_path / "x.npy")):
        with pytest.raises(ValueError, match="Robust accuracy needs true labels"):
            fitted(run, [RobustnessMonitor(ATTACK, given)], epochs=1)
