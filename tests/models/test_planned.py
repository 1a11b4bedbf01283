"""A model that was run once, and what is known of it."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras import backend, models
from isi_keras.graph import registry
from isi_keras.indicators import at
from isi_keras.models import graphs


@pytest.mark.parametrize(
    ("units", "final", "from_logits", "classes", "activation"),
    [
        (3, "softmax", None, 3, "softmax"),
        (3, "log_softmax", None, 3, "softmax"),
        (3, "sigmoid", None, 3, "sigmoid"),
        (1, "sigmoid", None, 2, "sigmoid"),
        (1, None, True, 2, "sigmoid"),
        (3, None, None, 3, "softmax"),
        (3, "sigmoid", True, 3, "softmax"),
    ],
)
def test_knows_the_end_of_its_model(units, final, from_logits, classes, activation):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(units, final)])
    planned = isi.logits(model, from_logits).plan(np.ones((5, 4), "float32"))
    assert planned.model is model
    assert planned.from_logits is from_logits
    assert planned.classes == classes
    assert planned.activation == activation


def test_functions_take_it_for_the_model():
    model, x = small_network(), images(5)
    planned = isi.logits(model, from_logits=True).plan(x)
    again = isi.logits(planned)
    assert again.model is model
    assert again.from_logits is True
    assert isi.logits(planned, from_logits=False).from_logits is False
    wanted = model.predict(x, verbose=0)
    np.testing.assert_allclose(isi.explain(planned, x).logits, wanted, rtol=1e-5)
    np.testing.assert_allclose(isi.explain(again, x).logits, wanted, rtol=1e-5)


def test_a_model_is_traced_once(monkeypatch):
    model, x, runs = small_network(), images(5), []
    traced = graphs.trace
    monkeypatch.setattr(graphs, "trace", lambda *a, **named: runs.append(1) or traced(*a, **named))
    explanation = isi.explain(model, x)
    isi.pixel_flipping(model, explanation, steps=2)
    isi.parameter_randomisation(model, x)
    isi.logits(model).predict(x)
    assert len(runs) == 1


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_predicts_in_batches(size):
    model, x = small_network(final=None), images(5)
    planned = isi.logits(model).plan(x)
    wanted = model.predict(x, verbose=0)
    for found in (planned.predict(x, size), isi.logits(model).predict(x.tolist(), size)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_predicts_of_several_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(2)(layers.Concatenate()([a, b])))
    x = {"a": np.eye(3, dtype="float32"), "b": np.ones((3, 2), "float32")}
    found = isi.logits(model).predict(x, 2)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_predicting_checks_inputs():
    with pytest.raises(ValueError, match=r"expects inputs of shape \('N', 6, 5, 2\)"):
        isi.logits(small_network()).predict(images(2)[0])


def test_is_differentiable():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    x = np.ones((2, 4), "float32")
    prepared = models.Differentiable(isi.logits(model).plan(x))
    point = at(prepared, model, ops.convert_to_tensor(x))
    slope = point.pullback(backend.tensor(np.eye(3, dtype="float32")[[0, 2]]))["x"]
    np.testing.assert_allclose(
        ops.convert_to_numpy(slope), model.get_weights()[0].T[[0, 2]], rtol=1e-6
    )


def test_nothing_that_is_kept_holds_the_model():
    model, x = small_network(), images(3)
    isi.pixel_flipping(model, isi.explain(model, x), steps=2)
    isi.explain(model, x, indicator="smoothgrad")
    isi.adversarial_distance(model, x, pairs=False)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_the_batch_that_nobody_gave_the_size_of():
    small = isi.logits(small_network()).plan(images(2))
    assert [small.batch_size(given, 1000) for given in (None, 7, 2000)] == [
        backend.largest(True),
        7,
        1000,
    ]
    with pytest.raises(ValueError, match="Expected batch_size to be an integer, at least 1"):
        small.batch_size(0, 1000)
    inputs = keras.Input((64, 64, 3))
    wide = layers.Conv2D(100, 3, padding="same", activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(wide)))
    large = isi.logits(model).plan(np.ones((1, 64, 64, 3), "float32"))
    # 2 GiB hold 2**29 numbers: those of the convolution, with its bias, and of the ReLU.
    least = 2**29 / (64 * 64 * 100 * 3 + 200)
    assert 2 ** int(np.log2(least)) == 256
    assert large.batch_size(None, 10**6) == min(256, backend.largest(True))
    inputs = keras.Input(batch_shape=(4, 5, 2))
    model = keras.Model(inputs, layers.Dense(3)(layers.GRU(6, stateful=True)(inputs)))
    assert isi.logits(model).plan(np.ones((4, 5, 2), "float32")).batch_size(None, 40) == 4


def right_of(model, x):
    return model.predict(x, verbose=0).argmax(-1)


class OfFour(layers.Layer):
    """It takes so many samples alone."""

    def call(self, x):
        return ops.reshape(x, (4, 6))


@pytest.mark.parametrize("declared", [True, False])
def test_models_of_a_fixed_number_of_samples(rng, declared):
    """They are run in batches of it, as declared by the model, or else as first given."""
    dense = [layers.Dense(6, "relu"), layers.Dense(3)]
    inputs = keras.Input((5,))
    free = keras.Model(inputs, dense[1](dense[0](inputs)))
    if declared:
        inputs = keras.Input(batch_shape=(4, 5))
        fixed = keras.Model(inputs, dense[1](OfFour()(dense[0](inputs))))
    else:
        fixed = Subclassed(keras.Sequential([dense[0], OfFour()]), dense[1])
    x = rng.normal(size=(9, 5)).astype("float32")
    fixed(x[:4])
    attack = isi.MinimalL0(bounds=(-9, 9))
    for count in (1, 3, 4, 9):
        found, right = (isi.explain(m, x[:count], indicator="zplus") for m in (fixed, free))
        np.testing.assert_allclose(found.relevance, right.relevance, atol=1e-6)
        found, right = (attack(model, x[:count]).adversarial for model in (fixed, free))
        np.testing.assert_allclose(found, right, atol=1e-6)
    y = right_of(free, x)
    attacks = [
        isi.Attack("sensitivity", "linf", bounds=(-9, 9)),
        isi.Attack("sensitivity", bounds=(-9, 9)),
    ]
    found, right = (isi.robustness(m, x, y, attacks=attacks).adversarial for m in (fixed, free))
    np.testing.assert_allclose(found, right, atol=1e-6)
    with pytest.raises(ValueError, match=r"takes batches of 4 samples.*Give as many at once"):
        isi.logits(fixed)(x[:3])


class InPlace(layers.Layer):
    """As `keras.applications` scale pixels: on Torch what it is given changes."""

    def call(self, x):
        x /= 2.0
        x -= 0.5
        return x


def test_a_layer_that_computes_in_place(rng):
    inputs, dense = keras.Input((5,)), layers.Dense(3)
    model = keras.Model(inputs, dense(InPlace()(inputs)))
    plain = keras.Model(inputs, dense(inputs / 2.0 - 0.5))
    x = rng.normal(size=(70, 5)).astype("float32")
    given = x.copy()
    for rule in ("z", isi.Composite("epsilon", first=isi.rules.Flat()), "sensitivity"):
        found, right = (isi.explain(m, x, indicator=rule, target=1) for m in (model, plain))
        np.testing.assert_allclose(found.relevance, right.relevance, atol=1e-6)
    attack = isi.MinimalL0(bounds=(-9, 9))
    found, right = (attack(m, x).adversarial for m in (model, plain))
    np.testing.assert_allclose(found, right, atol=1e-6)
    np.testing.assert_array_equal(x, given)


class Mixing(layers.Layer):
    """Right for any number of samples but an open one, which it takes for 1."""

    def call(self, x):
        rows = x.shape[0] or 1
        return ops.reshape(ops.softmax(ops.reshape(x, (rows, -1))), (-1, 8))

    def compute_output_shape(self, shape):
        return shape


class Numbering(layers.Layer):
    """Keras makes of an open number of samples an empty range."""

    def call(self, x):
        number = ops.arange(0, ops.shape(x)[0], dtype="int32")
        return ops.take(x, number, axis=0) + 0 * ops.cast(number, x.dtype)[:, None]


@pytest.mark.filterwarnings("ignore:.*loses relevance")
@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("kind", [Mixing, Numbering])
def test_layers_that_take_an_open_number_of_samples_for_another(rng, monkeypatch, kind, registered):
    """The graph of any number of samples is compared with the model for two that differ."""
    monkeypatch.setattr(registry, "_REGISTERED", {})
    if registered:
        isi.register(kind, "gradient")
    x = rng.normal(size=(5, 8)).astype("float32")
    for planned_for in (slice(0, 1), slice(None)):
        model = Subclassed(kind())
        wanted = ops.convert_to_numpy(model(x))
        isi.logits(model).plan(x[planned_for])
        np.testing.assert_allclose(isi.logits(model).predict(x), wanted, atol=1e-5)
        whole = isi.explain(model, x, target=1).relevance
        alone = [isi.explain(model, x[k : k + 1], target=1).relevance for k in range(len(x))]
        np.testing.assert_allclose(whole, np.concatenate(alone), atol=1e-5)


class Subclassed(keras.Model):
    def __init__(self, layer, head=None):
        super().__init__()
        self.layer, self.head = layer, head or layers.Dense(3)

    def call(self, x):
        return self.head(self.layer(x))
