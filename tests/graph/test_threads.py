"""Nobody notices that a model is being explained, and whoever explains notices nobody."""

import threading

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.models import compiling


class Beside:
    """Calls a function again and again in another thread, and keeps what it raised."""

    def __init__(self, function):
        self.error, self.calls, self._function = None, 0, function
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self._ended.is_set() or not self.calls:
                self._function()
                self.calls += 1
        except Exception as error:
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self.error is not None:
            raise self.error


def state(model):
    """Everything that a layer holds, and the values of all variables."""
    nodes = [model, *model.layers]
    held = [{name: id(value) for name, value in vars(node).items()} for node in nodes]
    inner = [(len(node._inbound_nodes), len(node._outbound_nodes)) for node in nodes]
    return held, inner, [ops.convert_to_numpy(v) for v in model.variables]


def same(one, other):
    assert one[:2] == other[:2]
    for before, after in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("indicator", ["epsilon_plus", "sensitivity"])
def test_predictions_beside_an_explanation(indicator):
    model, x = small_network(), images(6)
    wanted = ops.convert_to_numpy(model(x))
    alone = isi.explain(model, x, indicator=indicator)
    before = state(model)

    def predict():
        np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), wanted)

    with Beside(predict) as beside:
        for _ in range(6):
            compiling._KEPT.pop(model, None)
            found = isi.explain(model, x, indicator=indicator)
            np.testing.assert_allclose(found.relevance, alone.relevance, atol=1e-6)
        result = isi.Attack(indicator, max_steps=5)(model, x)
    assert beside.calls > 0
    same(before, state(model))
    again = isi.Attack(indicator, max_steps=5)(model, x)
    np.testing.assert_array_equal(result.adversarial, again.adversarial)


@pytest.mark.skipif(
    keras.config.backend() == "jax", reason="Keras takes the values of variables away while it fits"
)
def test_an_explanation_beside_training():
    """Explaining one model while it is fit sees its weights as they are at some time."""
    model, x = small_network(), images(16)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate.assign(0.0)  # so that what is right does not change
    y = np.arange(16) % 3
    model.fit(x, y, verbose=0)
    wanted = isi.explain(model, x, indicator="epsilon").relevance
    with Beside(lambda: model.fit(x, y, verbose=0)):
        for _ in range(4):
            compiling._KEPT.pop(model, None)
            found = isi.explain(model, x, indicator="epsilon").relevance
            np.testing.assert_allclose(found, wanted, atol=1e-6)


class Failing(layers.Layer):
    fails = False

    def call(self, x):
        if Failing.fails:
            raise ArithmeticError("broken")
        return x


@pytest.mark.parametrize("indicator", ["epsilon_plus", "sensitivity"])
def test_an_exception_leaves_the_model_as_it_was(indicator, monkeypatch):
    x = keras.Input((4,))
    h = layers.Dense(5, "relu")(x)
    model = keras.Model(x, layers.Dense(3, "softmax")(Failing()(h)))
    data = np.ones((2, 4), "float32")
    model(data)
    before = state(model)
    monkeypatch.setattr(Failing, "fails", True)
    for attempt in (
        isi.explain,
        lambda *given, **options: isi.Attack("sensitivity", bounds=(0, 1))(*given),
    ):
        with pytest.raises(ArithmeticError, match="broken"):
            attempt(model, data, indicator=indicator)
    same(before, state(model))
    monkeypatch.setattr(Failing, "fails", False)
    assert isi.explain(model, data, indicator=indicator).relevance.any()


def test_a_layer_outside_of_attributes_forgets_that_it_was_traced():
    """One without weights may be held where no shadow stands for it."""
    pool = layers.GlobalMaxPooling1D()

    class Holding(keras.Model):
        def __init__(self):
            super().__init__()
            self.out, self.pooled = layers.Dense(3), lambda x: pool(x)

        def call(self, x):
            return self.out(self.pooled(ops.exp(x)))

    model, x = Holding(), np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    model(x)
    found = isi.explain(model, x, conservation=True)
    assert not pool._inbound_nodes
    assert not pool._outbound_nodes
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)
