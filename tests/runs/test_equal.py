"""Runs on a backend: bitwise what one call gives, however they are divided."""

import functools

import keras
import numpy as np
import pytest
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.runs import methods, models, shards
from isi_keras.runs.folder import RunFolder

FIELDS = ("x", "adversarial", "order", "success", "stop_reason", "steps", "y", "forward")
SAMPLES, SIZE = 16, 4


@pytest.fixture(scope="module")
def given():
    model, x = small_network(), images(SAMPLES)
    y = model.predict(x, verbose=0).argmax(-1)
    y[0] = (y[0] + 1) % 3  # misclassified
    return model, x, y


ATTACK = isi.Attack("relevance", "l0", max_steps=12, bounds=(-1, 1))


@pytest.fixture(scope="module")
def whole(given):
    model, x, y = given
    return ATTACK(model, x, y=y, batch_size=SIZE, trajectory=True)


def run(folder, given, method=ATTACK, **options):
    model, x, y = given
    options = {"batch_size": SIZE, "shard_size": SIZE, "verbose": 0, **options}
    return isi.run(method, model, x if y is None else (x, y), out=folder, **options)


def digest_of(result, keep=("adversarial", "relevance")):
    return shards.packed(result, None, keep, 0)[1]["digest"]


def test_one_call_four_shards_parts_and_a_resumed_run_are_equal(tmp_path, given, whole):
    wanted = digest_of(whole)
    found = run(tmp_path / "four", given)
    assert found.digest() == wanted
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found.result(), name), getattr(whole, name))
    one, other = isi.evaluate(found).to_dict(), isi.evaluate(whole).to_dict()
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
    (tmp_path / "four/shards/000002.npz").unlink()
    assert run(tmp_path / "four", given).digest() == wanted
    run(tmp_path / "parts", given, part=(0, 2))
    assert run(tmp_path / "parts", given, part=(1, 2)).digest() == wanted
    kept = run(tmp_path / "kept", given, keep=("adversarial", "trajectory"), shard_size=SAMPLES)
    assert kept.digest() == digest_of(whole, ("adversarial", "trajectory"))
    np.testing.assert_array_equal(kept.result().trajectory, whole.trajectory)


def test_another_model_is_refused_and_the_same_one_made_anew_is_not(tmp_path, given):
    model, x, y = given
    run(tmp_path, given)
    again = keras.Sequential.from_config({**model.get_config(), "name": "another_name"})
    again.set_weights(model.get_weights())
    assert run(tmp_path, (again, x, y)).status().finished
    again.set_weights([2 * part for part in model.get_weights()])
    with pytest.raises(ValueError, match=r"begun with another model \(model.sha256 differs\)"):
        run(tmp_path, (again, x, y))
    again.set_weights(model.get_weights())
    with pytest.raises(ValueError, match=r"method.component.config.max_steps is 12 there, and 5"):
        run(tmp_path, given, isi.Attack("relevance", "l0", max_steps=5, bounds=(-1, 1)))


@pytest.mark.once
def test_explanations_sweeps_and_ensembles_run_too(tmp_path, given):
    model, x, y = given
    maps = isi.explain(model, x, indicator="relevance", batch_size=SIZE)
    found = run(tmp_path / "maps", given, isi.Relevance())
    np.testing.assert_array_equal(found.result().relevance, maps.relevance)
    assert found.digest() == digest_of(maps)
    layers = functools.partial(isi.explain, layers=(model.layers[0].name,), conservation=True)
    assert run(tmp_path / "layers", given, layers)[5:7].conservation is not None
    sweep = functools.partial(isi.hardness, attack=isi.JSMA(bounds=(-1, 1)), distances=False)
    pairs = run(tmp_path / "pairs", given, sweep)
    one = isi.hardness(model, x, y, attack=isi.JSMA(bounds=(-1, 1)), distances=False)
    for name in ("sample", "target", "min_budget", "stop_reason"):
        np.testing.assert_array_equal(getattr(pairs.result(), name), getattr(one, name))
    assert pairs[[3]].sample.tolist() == [3, 3]
    best = functools.partial(isi.robustness, attacks=["relevance_l0", "sensitivity_l0"])
    several = run(tmp_path / "best", given, best)
    one = isi.robustness(model, x, y, attacks=["relevance_l0", "sensitivity_l0"], batch_size=SIZE)
    np.testing.assert_array_equal(several.result().distance, one.distance)
    assert isi.evaluate(several).clean_accuracy == isi.evaluate(one).clean_accuracy
    with pytest.raises(TypeError, match="Expected a run of an attack"):
        isi.evaluate(pairs)
    with pytest.raises(ValueError, match="needs true labels"):
        run(tmp_path / "unlabelled", given, best, y=False)
    with pytest.raises(TypeError, match="takes no target"):
        run(tmp_path / "targeted", given, best, target=1)


@pytest.mark.large
def test_two_processes_are_equal_on_each_backend(tmp_path, given, whole):
    """Bitwise, if the threads are as many: each of two workers has half of the cores."""
    assert run(tmp_path, given, workers=2).digest() == digest_of(whole)
    assert (tmp_path / "model.keras").exists()


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Every sample is already")
def test_goals_and_inputs_that_move(tmp_path, given):
    _, x, _ = given
    x = x.reshape(SAMPLES, -1)[:, :6]
    inputs = {name: keras.Input((3,), name=name) for name in "ab"}
    z = keras.layers.Dense(2, activation="sigmoid")(keras.layers.Concatenate()([*inputs.values()]))
    model = isi.logits(keras.Model(inputs, z), moving="a")
    data = {"a": x[:, :3], "b": x[:, 3:]}
    goal = isi.goals.LabelOn(np.arange(SAMPLES) % 2)
    attack = isi.Attack("sensitivity", "l0", max_steps=3, bounds=(-1, 1))
    whole = attack(model, data, goal=goal)
    options = {"batch_size": SIZE, "shard_size": SIZE, "verbose": 0}
    found = isi.run(attack, model, data, out=tmp_path / "named", goal=goal, **options)
    np.testing.assert_array_equal(found.result().adversarial, whole.adversarial)
    np.testing.assert_array_equal(isi.Run(tmp_path / "named")[3:9].held["b"], data["b"][3:9])
    starts = range(0, SAMPLES, SIZE)
    batches = [{name: part[i : i + SIZE] for name, part in data.items()} for i in starts]
    single = isi.logits(keras.Model(inputs, z), moving="a")
    with pytest.raises(ValueError, match="Of a stream all samples have one goal"):
        isi.run(attack, single, lambda: iter(batches), out=tmp_path / "a", goal=goal, **options)
    one = isi.goals.LabelOn(1)
    found = isi.run(attack, single, lambda: iter(batches), out=tmp_path / "b", goal=one, **options)
    again = attack(model, data, goal=one)
    np.testing.assert_array_equal(found.result().adversarial, again.adversarial)
    np.testing.assert_array_equal(found.result().held["b"], data["b"])
    assert isi.goals.of(found.result()) == one
    table = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, activation="sigmoid")])
    whole = attack(table, x, goal=goal)
    found = isi.run(attack, table, x, out=tmp_path / "c", goal=goal, **options).result()
    np.testing.assert_array_equal(found.adversarial, whole.adversarial)
    np.testing.assert_array_equal(found.aim, whole.aim)
    other = isi.goals.LabelOn(1 - np.arange(SAMPLES) % 2)
    with pytest.raises(ValueError, match="begun with another target"):
        isi.run(attack, table, x, out=tmp_path / "c", goal=other, **options)


@pytest.mark.once
def test_a_model_built_anew_is_the_same():
    def built(**options):
        keras.utils.set_random_seed(0)
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, **options)])

    assert models.spec_of(built()) == models.spec_of(built())
    assert models.spec_of(built()) != models.spec_of(built(dtype="mixed_bfloat16"))


def made():
    """What a factory of models makes: as `made.weight` says, and counted."""
    made.count += 1
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    model.set_weights([np.full((6, 2), made.weight, "float32"), np.arange(2, dtype="float32")])
    return model


@pytest.mark.once
def test_a_factory_of_models_is_called_once_and_hashed(tmp_path, given, monkeypatch):
    import sys
    import types

    module = types.ModuleType("factory_of_models")
    module.made = made
    monkeypatch.setitem(sys.modules, module.__name__, module)
    attack = isi.Attack("sensitivity", "l0", max_steps=1, bounds=(-1, 1))
    x = given[1].reshape(SAMPLES, -1)[:, :6]
    options = {"out": tmp_path, "batch_size": SIZE, "shard_size": SIZE, "verbose": 0}
    made.weight, made.count = 0.5, 0
    isi.run(attack, "factory_of_models:made", x, **options)
    assert made.count == 1
    (tmp_path / "shards/000001.npz").unlink()
    made.weight = 0.25
    with pytest.raises(ValueError, match=r"begun with another model \(model.sha256 differs\)"):
        isi.run(attack, "factory_of_models:made", x, **options)
    with pytest.raises(ValueError, match="makes another model here"):
        models.load(isi.Run(tmp_path).plan["model"], None)
    made.weight = 0.5
    assert isi.run(attack, "factory_of_models:made", x, **options).status().finished


@pytest.mark.once
def test_bounds_of_each_sample_are_cut_for_each_shard(tmp_path, given):
    model, x, y = given
    low = np.maximum(x - 0.5, -1) * (np.arange(SAMPLES) % 2)[:, None, None, None]
    attack = isi.Attack("relevance", "l0", max_steps=4, bounds=(np.minimum(low, x), x + 0.5))
    whole = attack(model, x, y=y, batch_size=SIZE)
    found = run(tmp_path, given, attack)
    assert found.digest() == digest_of(whole)
    again = isi.Run(tmp_path)
    for name in ("low", "high"):
        np.testing.assert_array_equal(
            getattr(again.result().domain, name), getattr(whole.domain, name)
        )
    for rows in (slice(2, 7), [9, 3], 5):
        for name in ("low", "high"):
            bound = getattr(whole.domain, name)[np.arange(SAMPLES)[rows]]
            np.testing.assert_array_equal(
                getattr(again[rows].domain, name), bound.reshape(-1, *x.shape[1:])
            )
    assert (tmp_path / "run.json").stat().st_size < 8000
    other = isi.Attack("relevance", "l0", max_steps=4, bounds=(np.minimum(low, x), x + 0.6))
    with pytest.raises(ValueError, match=r"begun with other bounds \(method.each.high differs\)"):
        run(tmp_path, given, other)
    short = isi.Attack("relevance", "l0", max_steps=4, bounds=(low.min(), x[:9] + 2))
    with pytest.raises(ValueError, match="high of the bounds for each of 16 samples"):
        run(tmp_path / "short", given, short)
    best = functools.partial(isi.robustness, attacks=[attack])
    with pytest.raises(ValueError, match="Bounds of each sample are cut for an attack alone"):
        run(tmp_path / "best", given, best)
    stream = [(x[k : k + SIZE], y[k : k + SIZE]) for k in range(0, SAMPLES, SIZE)].__iter__
    with pytest.raises(ValueError, match="bounds for each sample of a stream"):
        run(tmp_path / "stream", (model, stream, None), attack)


@pytest.mark.once
def test_bounds_of_each_sample_never_go_with_others(tmp_path):
    """As many bounds as there are samples in a shard would fit each shard."""
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((2,), name="b")}
    z = keras.layers.Dense(2)(keras.layers.Concatenate()([*inputs.values()]))
    model = isi.logits(keras.Model(inputs, z), moving="a")
    parts = {"a": np.zeros((SAMPLES, 3), "float32"), "b": np.zeros((SAMPLES, 2), "float32")}
    y = np.zeros(SAMPLES, int)
    stream = [({name: part[:SIZE] for name, part in parts.items()}, y[:SIZE])] * 2
    high = np.linspace(1, 2, SIZE, dtype="float32")[:, None] * np.ones(3, "float32")
    attack = isi.Attack("sensitivity", "l0", max_steps=3, bounds=(-1, high))
    best = functools.partial(isi.robustness, attacks={"one": attack})
    named = functools.partial(isi.robustness, attacks="jsma", bounds=(-1, high))
    options = {"batch_size": SIZE, "shard_size": SIZE, "verbose": 0, "out": tmp_path / "run"}
    for method in (best, named):
        for source in ((parts, y), stream.__iter__):
            with pytest.raises(ValueError, match=r"Bounds of each sample are cut for an attack a"):
                isi.run(method, model, source, **options)
    with pytest.raises(ValueError, match="bounds for each sample of a stream"):
        isi.run(attack, model, stream.__iter__, **options)
    assert not (tmp_path / "run").exists()
    for method in (attack, best):  # as a worker has it, whatever was known before
        worker = methods.of_spec(methods.spec_of(method), [])
        with pytest.raises(ValueError, match=r"here those of Attack would not go"):
            worker(model, stream[0][0], y=y[:SIZE], batch_size=SIZE, first_index=SIZE)


@pytest.mark.once
def test_a_model_is_saved_elsewhere_for_workers(given):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    folder = RunFolder("memory://models")
    models.save(given[0], folder)
    spec = models.spec_of(given[0])
    again = models.load(spec, folder).model
    for one, other in zip(again.get_weights(), given[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
