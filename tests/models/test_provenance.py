"""Each result says which model made it, hashed once, and what computed it."""

import functools
import sys

import keras
import numpy as np
import pytest
from keras.src.utils import module_utils
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.models import provenance

ATTACK = isi.Attack("sensitivity", "l0", max_steps=2)


@pytest.fixture(scope="module")
def model():
    return small_network()


@pytest.fixture
def hashed(monkeypatch):
    """How often a model is hashed."""
    calls, whole = [], provenance.hash_of
    monkeypatch.setattr(provenance, "hash_of", lambda model: calls.append(1) or whole(model))
    return calls


def made(model):
    x, y = np.linspace(-1, 1, 24, dtype="float32").reshape(4, 6), np.arange(4) % 3
    maps = isi.explain(model, x, indicator="sensitivity")
    return [
        lambda: ATTACK(model, x),
        lambda: isi.robustness(model, x, y, attacks=[ATTACK, ATTACK]),
        lambda: isi.hardness(model, x, y, attack=ATTACK, budgets=[0.1, 0.2], distances=False),
        lambda: isi.explain(model, (lambda: iter([x[:2], x[2:]])), indicator="sensitivity"),
        lambda: isi.pixel_flipping(model, maps, steps=2),
        lambda: isi.parameter_randomisation(model, x, indicator="sensitivity"),
    ]


def test_what_is_told(model):
    told = provenance.of(model)
    assert told["model"]["name"] == model.name
    assert told["model"]["parameters"] == model.count_params()
    assert told["model"]["hashed"] == "architecture and weights"
    assert told["backend"] == keras.config.backend()
    assert set(told["versions"]) == {"isi_keras", "keras", keras.config.backend()}
    assert isi.results.provenance.check(told) is None


@pytest.mark.once
def test_every_result_tells_its_model(hashed, tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    expected = provenance.of(model)
    calls = made(model)
    for call in calls:
        hashed.clear()
        found = call()
        assert found.provenance == found[:1].provenance == expected
        assert len(hashed) == 1
    path = found.save(tmp_path / "r")
    assert isi.Result.load(path).provenance == expected


@pytest.mark.once
def test_the_hash_is_of_what_a_model_computes(model, tmp_path):
    found = provenance.hash_of(model)
    assert provenance.hash_of(small_network()) == found  # Keras gave its layers other names
    model.save(tmp_path / "m.keras")
    assert provenance.hash_of(keras.saving.load_model(tmp_path / "m.keras")) == found
    other = small_network()
    other.layers[-1].bias.assign_add([0.0, 0.0, 1e-6])
    narrow = keras.Sequential([keras.Input((6, 5, 2)), *small_network(final=None).layers])
    narrow.set_weights(model.get_weights())
    assert len({found, provenance.hash_of(other), provenance.hash_of(narrow)}) == 3


@pytest.mark.once
def test_a_model_without_a_configuration_is_told_by_its_weights():
    class Odd(keras.Model):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    model = Odd(small_network())
    model(images(1))
    assert provenance.of(model)["model"]["hashed"] == "class and weights"


@pytest.mark.once
@pytest.mark.parametrize("in_memory", [True, False])
def test_shards_take_the_hash_of_their_run(model, hashed, tmp_path, in_memory):
    x, y = images(6), np.arange(6) % 3
    given = model
    if not in_memory:
        given = tmp_path / "m.keras"
        model.save(given)
    options = {"batch_size": 2, "shard_size": 2, "verbose": 0}
    run = isi.run(ATTACK, given, (x, y), out=tmp_path / "run", **options)
    assert len(hashed) == 1 + in_memory  # for the plan too
    assert run.result().provenance == provenance.of(model) | {
        "model": run[:1].provenance["model"]  # a name is that of the file's
    }
    sha256 = run.result().provenance["model"]["sha256"]
    assert sha256 == provenance.hash_of(model).sha256
    assert (sha256 == run.plan["model"]["sha256"]) == in_memory
    assert run.digest() == isi.run(ATTACK, given, (x, y), out=tmp_path / "one", verbose=0).digest()


@pytest.mark.once
def test_what_a_function_does_to_the_model_is_noticed(tmp_path):
    changes = functools.partial(changing, seed=3)
    model = small_network()
    run = isi.run(changes, model, images(4), out=tmp_path, shard_size=2, verbose=0)
    before, after = (run[k].provenance["model"]["sha256"] for k in (0, 3))
    assert run.plan["model"]["sha256"] != before == after


def changing(model, x, *, seed):
    """A method of somebody else, who trains the model first."""
    model = getattr(model, "model", model)
    model.set_weights(small_network(seed).get_weights())
    return ATTACK(model, x)


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="it is imported")
def test_tensorflow_is_not_imported_to_tell_of_a_model(model, monkeypatch):
    asked = []

    class Finder:
        def find_spec(self, name, path=None, target=None):
            asked.append(name)

    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setitem(vars(module_utils.tensorflow), "_available", None)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    provenance.of(model)
    assert "tensorflow" not in asked
    assert vars(module_utils.tensorflow)["_available"] is None


class Rectified(keras.Model):
    """Its configuration says nothing of what `call` does."""

    def __init__(self, function):
        super().__init__()
        self.dense, self.function = keras.layers.Dense(3), function

    def call(self, x):
        return self.function(self.dense(x))


class Bent(Rectified):
    """Of the same configuration and weights."""


def test_other_models_of_the_same_weights_have_other_hashes():
    x = np.ones((1, 4), "float32")

    def named(activation, wiring=0):
        inputs = keras.Input((4,))
        h = keras.layers.Dense(4, activation, name=activation)(inputs)
        g = keras.layers.Dense(4, name="second")(h)
        return keras.Model(inputs, keras.layers.Add()([g, h if wiring else g]))

    def subclassed(kind):
        model = kind(keras.ops.relu)
        model(x)
        return model

    first, *others = named("relu"), named("tanh"), named("relu", wiring=1)
    for other in others:
        other.set_weights(first.get_weights())
        assert provenance.hash_of(other).sha256 != provenance.hash_of(first).sha256
    before = provenance.hash_of(first)
    assert before.whole
    first.trainable = False
    assert provenance.hash_of(first) == before
    one, other = subclassed(Rectified), subclassed(Bent)
    other.set_weights(one.get_weights())
    assert not provenance.hash_of(one).whole
    assert provenance.hash_of(one).sha256 != provenance.hash_of(other).sha256
