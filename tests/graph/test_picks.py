"""Gradients of a greatest or least value, which JAX loses where XLA rounds twice."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.rows import rows

import isi_keras as isi
from isi_keras import backend
from isi_keras.graph import picks

X = np.array([[1.0, 3.0, 3.0], [-2.0, -np.inf, 0.0], [np.inf, 1.0, 2.0]], "float32")
# What is infinite gets nothing.
AXES = {
    ("Max", 1): [[0, 0.5, 0.5], [0, 0, 1], [0, 0, 0]],
    ("Min", 1): [[1, 0, 0], [0, 0, 0], [0, 1, 0]],
    ("Amax", (0, 1)): np.zeros((3, 3)),
}


def operation(kind, axis):
    x = keras.KerasTensor((2, 2))
    return getattr(ops, kind.lower())(x, axis=axis)._keras_history.operation


@pytest.mark.parametrize(("kind", "axis"), AXES)
def test_of_axes(kind, axis):
    op = operation(kind, axis)
    value, pullback = backend.vjp(lambda x: picks.picked(kind, op, x), backend.tensor(X))
    expected = getattr(np, kind.lower())(X, axis=axis)
    np.testing.assert_array_equal(ops.convert_to_numpy(value), expected)
    found = ops.convert_to_numpy(pullback(ops.ones_like(value)))
    np.testing.assert_array_equal(found, AXES[kind, axis])


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("sizes", [(2, 2), ((2, 3, 1), (1, 2, 2)), (3, 1)])
def test_pooling_over_three_axes(sizes, padding):
    """Its values are Keras' own, and its gradient arrives once, also where all values are equal."""
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4, 3)).astype("float32")
    x[1] = 0.5
    pool = ops.max_pool(keras.KerasTensor(x.shape), *sizes, padding)._keras_history.operation
    value, pullback = backend.vjp(lambda x: picks.pooled("MaxPool", pool, x), backend.tensor(x))
    wanted = pool.call(ops.convert_to_tensor(x))
    np.testing.assert_array_equal(ops.convert_to_numpy(value), ops.convert_to_numpy(wanted))
    cotangent = np.random.default_rng(1).normal(size=value.shape).astype("float32")
    found = ops.convert_to_numpy(pullback(backend.tensor(cotangent)))
    np.testing.assert_allclose(found.sum((1, 2, 3)), cotangent.sum((1, 2, 3)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_adaptive_pooling_over_three_axes(data_format):
    shape = (4, 5, 4, 2) if data_format == "channels_last" else (2, 4, 5, 4)
    pool = layers.AdaptiveMaxPooling3D((3, 2, 2), data_format=data_format)
    ends = [layers.Flatten(), layers.Dense(3, use_bias=False)]
    model = keras.Sequential([keras.Input(shape), pool, *ends])
    x = np.random.default_rng(0).integers(0, 3, (3, *shape)).astype("float32")
    x[0] = 1
    found = isi.explain(model, x, target=0, conservation=True)
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)


@pytest.mark.parametrize("indicator", ["epsilon", "epsilon_plus_flat"])
def test_a_volume_with_a_background(indicator):
    """Its logit arrives whole, on every backend."""
    convolution = layers.Conv3D(3, 3, activation="relu", bias_initializer="ones")
    model = keras.Sequential(
        [
            keras.Input((6, 6, 6, 1)),
            convolution,
            layers.MaxPooling3D(2),
            layers.Flatten(),
            layers.Dense(3, use_bias=False),
        ]
    )
    x = np.zeros((2, 6, 6, 6, 1), "float32")
    x[:, 3:, 3:, 3:] = np.random.default_rng(0).uniform(size=(2, 3, 3, 3, 1))
    found = isi.explain(model, x, target=1, indicator=indicator, conservation=True)
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)
    slopes = isi.explain(model, x, target=1, indicator="sensitivity").relevance
    weights = ops.convert_to_numpy(convolution.kernel).sum((0, 1, 2, 3))  # all units are above 0
    last = ops.convert_to_numpy(model.layers[-1].kernel)[:, 1].reshape(-1, 3)
    np.testing.assert_allclose(slopes.sum((1, 2, 3, 4)), (last @ weights).sum(), rtol=1e-3)


def test_what_is_no_number_spoils_the_gradient():
    x = backend.tensor(np.array([[1.0, np.nan], [1.0, 2.0]], "float32"))
    value, pullback = backend.vjp(lambda x: picks.picked("Max", operation("Max", 1), x), x)
    found = ops.convert_to_numpy(pullback(ops.ones_like(value)))
    assert np.isnan(found[0]).any()
    np.testing.assert_array_equal(found[1], [0, 1])


def test_integers_stay_exact():
    x = backend.tensor(np.array([[2**30 + 1, 5]], "int32"))
    found = picks.picked("Max", operation("Max", 1), x)
    assert ops.convert_to_numpy(found).tolist() == [2**30 + 1]


def test_nothing_is_lost_where_a_maximum_is_computed_twice():
    """Without this a third of it was, on JAX with few optimisations, as these tests have them."""
    model, x = rows()["custom"]["point net"]()
    found = isi.explain(model, x, indicator="epsilon", conservation=True).conservation
    assert np.abs(found["elsewhere"]).max() < 1e-4 * np.abs(found["explained"]).max()


def test_a_block_that_is_replaced(rng):
    """TensorFlow has no gradient of what Keras calls for it."""

    dtype = "int32" if keras.config.backend() == "jax" else "int64"

    class Replaced(layers.Layer):
        def call(self, x):
            return ops.slice_update(x, (0, ops.cast(1, dtype), 0), ops.relu(x[:, :2]))

    x = rng.normal(size=(3, 5, 4)).astype("float32")
    inputs, dense, last = keras.Input((5, 4)), layers.Dense(6), layers.Dense(3)
    hidden = dense(inputs)
    joined = ops.concatenate([hidden[:, :1], ops.relu(hidden[:, :2]), hidden[:, 3:]], axis=1)
    one, other = (
        keras.Model(inputs, last(layers.Flatten()(made))) for made in (Replaced()(hidden), joined)
    )
    found, right = (isi.explain(model, x, indicator="epsilon") for model in (one, other))
    np.testing.assert_allclose(found.relevance, right.relevance, atol=1e-6)
