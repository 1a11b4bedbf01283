"""A name of Keras that has changed is an error that says so, never another map."""

import ast
import contextlib
import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

import isi_keras as isi
from isi_keras import _keras
from isi_keras.models import compiling

PACKAGE = Path(isi.__file__).parent
VERSION = tuple(map(int, keras.__version__.split(".")[:2]))
GATED = {"use_gate": True} if VERSION >= (3, 14) else {}
CHANGED = rf"does not know Keras {keras.__version__}: .*{{}}.*It knows Keras 3\.13 to 3\.15"
TRAINING = {"compile_loss", "metrics"}
AWAY = {"value"}  # read of a variable without one
WHOLE = {"kernel", "bias", "lora", "dtype_policy"}  # read of layers that are treated as a whole
RELEVANCE = sorted(set(_keras.NAMES) - TRAINING - WHOLE - AWAY)
X = np.random.default_rng(0).uniform(-1, 1, (2, 6, 4)).astype("float32")


@pytest.fixture(scope="module")
def everything():
    """A model that has each name that relevance needs, and its map as it should be."""
    x = keras.Input((6, 4))
    y = layers.Conv1D(4, 3, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.LayerNormalization()(layers.GroupNormalization(2)(y))
    y = layers.MultiHeadAttention(2, 2, **GATED)(y, y)
    y = keras.Sequential([keras.Input((6, 4)), layers.Dense(5, "relu"), layers.Flatten()])(y)
    adapted = layers.Dense(4)
    model = keras.Model(x, layers.Dense(3, "softmax")(ops.tanh(adapted(ops.relu(y)))))
    adapted.enable_lora(2)
    isi.explain(model, X, indicator="epsilon_plus")
    return model


@pytest.fixture
def unchecked():
    """What is checked once a process is checked again, here and after."""
    _keras.check_tracing.cache_clear()
    yield
    _keras.check_tracing.cache_clear()


@contextlib.contextmanager
def renamed(kind: type):
    """A class of another name, as a later Keras might give it."""
    name = kind.__name__
    kind.__name__ = "Renamed"
    try:
        yield
    finally:
        kind.__name__ = name


def rename(monkeypatch, key: str) -> str:
    """Has a name looked for where Keras has nothing of that name, and returns it."""
    monkeypatch.setitem(_keras.NAMES, key, _keras.NAMES[key]._replace(attribute=f"new_{key}"))
    compiling._KEPT.clear()
    return CHANGED.format(f"has no attribute 'new_{key}'")


class TestOfAttributes:
    @pytest.mark.parametrize("key", RELEVANCE)
    def test_relevance(self, key, everything, monkeypatch):
        message = rename(monkeypatch, key)
        with pytest.raises(_keras.KerasChangedError, match=message):
            isi.explain(everything, X, indicator="epsilon_plus")

    @pytest.mark.parametrize("indicator", ["epsilon_plus", "sensitivity"])
    def test_attacks(self, indicator, everything, monkeypatch):
        message = rename(monkeypatch, "layers")
        with pytest.raises(_keras.KerasChangedError, match=message):
            isi.Attack(indicator, max_steps=1)(everything, X)

    def test_layers_of_others_may_lack_what_keras_has(self):
        class Own(layers.Layer):
            pass

        optional = {key for key, name in _keras.NAMES.items() if name.others}
        assert optional >= {"activation", "bias", "data_format"}
        for key in optional:
            assert _keras.read(Own(), key) is None


class TestOfTraining:
    @pytest.mark.parametrize("key", sorted(TRAINING))
    def test_attributes(self, key, monkeypatch):
        model = self.compiled()
        message = rename(monkeypatch, key)
        with pytest.raises(_keras.KerasChangedError, match=message):
            model.fit(X.reshape(2, -1), np.zeros(2), verbose=0)

    @pytest.mark.parametrize("module", ["keras.src.trainers", "keras.src.moved"])
    @pytest.mark.parametrize("name", sorted(_keras.IMPORTS))
    def test_imports(self, name, module, monkeypatch):
        monkeypatch.setitem(_keras.IMPORTS, name, module)
        with pytest.raises(_keras.KerasChangedError, match=CHANGED.format(f"no '{name}' in")):
            self.compiled()

    @staticmethod
    def compiled():
        model = keras.Sequential([keras.Input((24,)), layers.Dense(3, "softmax")])
        attack = isi.Attack("sensitivity", isi.Linf(0.1), max_steps=1)
        trained = isi.training.AdversarialTraining(model, attack)
        trained.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return trained


class TestOfTracing:
    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("_HISTORY", "_new_history", "does not say how it was made"),
            ("_NODES", ("_new_nodes", "_outbound_nodes"), "does not say how it was made"),
            ("_NODES", ("_inbound_nodes", "_new_nodes"), "does not say how it was made"),
            ("_MASK", "_new_mask", "masks are not kept in '_new_mask'"),
            ("RUN_THROUGH_GRAPH", "_new_run", "Function has no attribute '_new_run'"),
        ],
    )
    def test_names(self, name, value, message, everything, unchecked, monkeypatch):
        monkeypatch.setattr(_keras, name, value)
        compiling._KEPT.clear()
        with pytest.raises(_keras.KerasChangedError, match=CHANGED.format(message)):
            isi.explain(everything, X, indicator="epsilon_plus")

    @pytest.mark.parametrize("name", ["Relu", "Matmul", "Conv", "Add", "Einsum", "Pad", "Take"])
    def test_an_operation_of_another_name_is_refused(self, name):
        """What stands in the table under its old name only is not known any more."""
        make = {
            "Pad": lambda x: ops.pad(ops.relu(layers.Dense(4)(x)), ((0, 0), (1, 1), (0, 0))),
            "Take": lambda x: ops.take(layers.Dense(4)(x), [0, 1], axis=1),
            "Conv": lambda x: layers.Conv1D(2, 2)(ops.relu(layers.Dense(4)(x))),
            "Einsum": lambda x: layers.EinsumDense("abc,cd->abd", (6, 3))(ops.relu(x)),
        }
        x = keras.Input((6, 4))
        h = make.get(name, lambda x: ops.relu(layers.Dense(4)(x)))(x)
        model = keras.Model(x, layers.Dense(3, "softmax")(layers.Flatten()(h)))
        graph = isi.logits(model).plan(X).graphs.of(X)
        kinds = {type(node.op): node.kind for node in graph.nodes}
        kind = next(op for op, kind in kinds.items() if kind == name)
        compiling._KEPT.clear()
        isi.explain(model, X, indicator="epsilon_plus")
        compiling._KEPT.clear()
        with renamed(kind), pytest.raises(ValueError, match="for the operation Renamed in"):
            isi.explain(model, X, indicator="epsilon_plus")

    def test_names_that_keras_counts_stay_as_they_are(self, everything, unchecked):
        before = [kind().name for kind in (layers.Add, layers.Identity)]
        compiling._KEPT.clear()
        isi.explain(everything, X, indicator="epsilon_plus")
        for name, kind in zip(before, (layers.Add, layers.Identity), strict=True):
            word, _, count = name.partition("_")
            assert kind().name == f"{word}_{int(count or 0) + 1}"


class Box:
    """A plain object, inside of which Keras does not look for layers."""

    def __init__(self, layer):
        self.layer = layer


class Holding(keras.Model):
    """A model that holds its last layer in an attribute, or in a plain object."""

    def __init__(self, hold):
        super().__init__(name="holding")
        self.first, self.last = layers.Dense(5, "relu"), hold(layers.Dense(3))

    def call(self, x):
        last = self.last.layer if isinstance(self.last, Box) else self.last
        return last(self.first(x))


class Fused(layers.Layer):
    """A layer that holds another and an activation with weights."""

    def __init__(self):
        super().__init__()
        self.dense, self.activation = layers.Dense(5), layers.PReLU("ones")

    def call(self, x):
        return self.activation(self.dense(x))


class TestThatNothingIsMissed:
    x = X.reshape(2, -1)

    @pytest.mark.parametrize("indicator", ["epsilon_plus", "sensitivity"])
    def test_layers_in_plain_objects(self, indicator):
        model = Holding(Box)
        model(self.x)
        message = (
            r"'holding' computes with 2 variables that are not among its own: .*kernel'.*bias'"
        )
        with pytest.raises(ValueError, match=message):
            isi.explain(model, self.x, indicator=indicator)

    def test_layers_that_take_no_part(self):
        model = Holding(lambda layer: layer)
        model.unused = layers.Dense(2)
        model.unused.build((None, 4))
        model(self.x)
        assert len(model.weights) == 6
        isi.explain(model, self.x, indicator="epsilon_plus")

    def test_random_seeds_and_metrics(self):
        model = keras.Sequential([keras.Input((24,)), layers.Dropout(0.5), layers.Dense(3)])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), metrics=["acc"])
        model.fit(self.x, np.zeros(2), verbose=0)
        isi.explain(model, self.x, indicator="epsilon_plus")

    def test_planning_changes_no_state(self):
        class Counting(layers.Layer):
            def build(self, shape):
                self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

            def call(self, x):
                self.count.assign_add(1.0)
                return x

        model = keras.Sequential([keras.Input((24,)), Counting(), layers.Dense(3)])
        before = float(model.layers[0].count.numpy())
        isi.explain(model, self.x)
        assert float(model.layers[0].count.numpy()) == before

    def test_an_activation_beside_other_layers_is_one_of_them(self):
        fused = keras.Sequential([keras.Input((24,)), Fused(), layers.Dense(3)])
        apart = keras.Sequential(
            [keras.Input((24,)), layers.Dense(5), layers.PReLU("ones"), layers.Dense(3)]
        )
        apart.set_weights(fused.get_weights())
        found, wanted = (
            isi.explain(model, self.x, indicator="epsilon_plus").relevance
            for model in (fused, apart)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-6)

    def test_an_activation_of_a_layer_belongs_to_it(self):
        model = keras.Sequential([keras.Input((24,)), layers.Dense(5, layers.PReLU()), Fused()])
        model.add(layers.Dense(3))
        first = isi.explain(model, self.x, indicator="epsilon_plus").relevance
        assert len(model.weights) == 8  # the activation is built by what runs it first
        np.testing.assert_array_equal(
            isi.explain(model, self.x, indicator="epsilon_plus").relevance, first
        )


# Attributes that begin with an underscore, yet are documented.
# Of NamedTuple, Enum, os, and the counter of Torch's note on inference mode.
DOCUMENTED = {"_exit", "_replace", "_asdict", "_fields", "_value_", "_version"}
PRIVATE = {name.attribute for name in _keras.NAMES.values() if name.attribute.startswith("_")}
PRIVATE |= set(_keras.IMPORTS)


def private_names(source: str) -> list[str]:
    """Where code reads a private attribute of an object, or what Keras keeps to itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names) if any(n.name.startswith("keras.src") for n in names):
                found.append("keras.src")
            case ast.ImportFrom(module=str(module)) if module.startswith("keras.src"):
                found.append("keras.src")
            case ast.Constant(value=str(text)) if text in PRIVATE or "keras.src" in text:
                found.append(text)
            case ast.Attribute(attr=name) if name in PRIVATE:
                found.append(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if _is_private(name) and name not in DOCUMENTED:
                found.append(name)
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr" | "delattr" as called),
                args=[_, key, *_],
            ):
                text = key.values[0] if isinstance(key, ast.JoinedStr) else key
                if isinstance(text, ast.Constant) and _is_private(str(text.value)):
                    found.append(f"{called} of {text.value}")
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.once
class TestThatTheyStandInOneFile:
    def test_package(self):
        files = [path for path in PACKAGE.rglob("*.py") if path.name != "_keras.py"]
        assert len(files) > 80
        found = {str(path.relative_to(PACKAGE)): private_names(path.read_text()) for path in files}
        assert {path: names for path, names in found.items() if names} == {}

    def test_that_file(self):
        assert {*private_names(inspect.getsource(_keras))} >= PRIVATE

    @pytest.mark.parametrize(
        "source",
        [
            "from keras.src.layers import x",
            "import keras.src",
            "layer._inbound_nodes",
            "self._layers",
            "getattr(layer, '_dtype', None)",
            "getattr(layer, f'_{kernel}', None)",
            "Swap(layer, '_dtype_policy', 1)",
        ],
    )
    def test_is_seen(self, source):
        assert private_names(source)
