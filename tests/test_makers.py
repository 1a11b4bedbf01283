"""The models the other tests look at are the same each time, and none of them is trivial."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.architectures import NAMES, build, images, leaves
from makers.composed import COMPOSED, composed
from makers.custom import CUSTOM, custom
from makers.recurrent import RECURRENT, recurrent

LIGHT = ("MobileNetV2", "ViT")


def check_weights(model, again):
    weights = model.get_weights()
    assert all(np.isfinite(weight).all() for weight in weights)
    for weight, same in zip(weights, again.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    for layer in leaves(model):
        if isinstance(layer, layers.BatchNormalization):
            mean, deviation = layer.moving_mean.numpy(), np.sqrt(layer.moving_variance.numpy())
            assert np.abs(mean).max() > 1e-2
            assert deviation.std() > 1e-3
            assert 1e-2 < deviation.max() < 1e3


def check_logits(logits):
    assert np.isfinite(logits).all()
    assert 0.05 < logits.std(1).mean() < 50
    assert logits.std(0).mean() > 0.05


@pytest.mark.parametrize("name", LIGHT)
def test_architectures(name):
    model, x = build(name), images(name, 8, seed=5)
    assert x.dtype == "float32"
    check_weights(model, build(name))
    probabilities = model.predict(x, verbose=0)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    check_logits(np.log(probabilities))


def test_seeds_differ():
    first, second = (build("ViT", seed).get_weights() for seed in (0, 1))
    assert not any(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", COMPOSED)
def test_composed(name):
    model, x = composed(name)
    assert {len(array) for array in keras.tree.flatten(x)} == {4}
    check_weights(model, composed(name)[0])
    logits = ops.convert_to_numpy(model(x))
    assert logits.shape == (4, 3)
    check_logits(logits.astype("float32"))


@pytest.mark.parametrize("name", [*CUSTOM, *RECURRENT])
def test_custom(name):
    model, x = custom(name) if name in CUSTOM else recurrent(name)
    assert {len(array) for array in keras.tree.flatten(x)} == {4}
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    logits = ops.convert_to_numpy(model(x))
    assert logits.shape == (4, 3)
    check_logits(logits.astype("float32"))


def test_names():
    groups = [NAMES, COMPOSED, CUSTOM, RECURRENT]
    assert set(LIGHT) <= set(NAMES)
    assert len(set().union(*groups)) == sum(map(len, groups))
