"""Graphs of which the operations say that no sample depends on others."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from isi_keras.graph.apart import is_apart
from isi_keras.graph.trace import trace


class Calling(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


def graph(function, shape=(4, 6)):
    inputs = keras.Input(shape)
    outputs = layers.Flatten()(Calling(function)(inputs))
    return trace(keras.Model(inputs, outputs), ops.ones((2, *shape)))


def kernel(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


APART = {
    "matmul": lambda x: ops.matmul(x, kernel(6, 3)),
    "constants": lambda x: ops.maximum(ops.add(2 * x, kernel(6)), kernel(1, 4, 6)) / 3.0,
    "itself": lambda x: x * ops.sigmoid(x) - ops.mean(x, axis=1, keepdims=True),
    "softmax": lambda x: ops.softmax(x, axis=1),
    "reshape": lambda x: ops.reshape(ops.reshape(x, (-1, 24)), (-1, 3, 8)),
    "concatenate": lambda x: ops.concatenate([x, ops.relu(x)], axis=-2),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 2))),
    "max": lambda x: ops.amax(ops.sum(x, axis=(1,), keepdims=True), axis=-1),
    "conv": lambda x: ops.conv(x, kernel(2, 6, 3), padding="same"),
}
TOGETHER = {
    "matmul": lambda x: ops.matmul(ops.transpose(x, (2, 1, 0)), ops.transpose(x, (1, 0, 2))[0]),
    "all_axes": lambda x: x / ops.max(x),
    "softmax": lambda x: ops.softmax(x, axis=0),
    "softmax_from_the_end": lambda x: ops.softmax(x, axis=-3),
    "several_axes": lambda x: x - ops.mean(x, axis=(0, 2), keepdims=True),
    "reshape": lambda x: ops.reshape(x, (-1, 3, 8))[: x.shape[0]],
    "reshape_of_half": lambda x: ops.reshape(x, (-1, 2, 6))[::2],
    "concatenate": lambda x: ops.concatenate([x, 2 * x], axis=0)[: x.shape[0]],
    "pad": lambda x: ops.pad(x, ((1, 0), (0, 0), (0, 0)))[:-1],
    "flip": lambda x: ops.flip(x, axis=0),
    "roll": lambda x: ops.roll(x, 1, axis=0),
    "cumsum": lambda x: ops.cumsum(x, axis=0),
    "first": lambda x: x - x[:1],
    "take": lambda x: ops.take(x, [0, 0], axis=0),
    "swapped": lambda x: ops.transpose(ops.softmax(ops.transpose(x, (1, 0, 2)), 1), (1, 0, 2)),
}


@pytest.mark.parametrize("name", APART)
def test_apart(name):
    assert is_apart(graph(APART[name]))


@pytest.mark.parametrize("name", TOGETHER)
def test_others_are_not(name):
    assert not is_apart(graph(TOGETHER[name]))


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0", "ResNet50"])
def test_networks_of_convolutions(name):
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3))
    assert is_apart(trace(model, ops.ones((2, 32, 32, 3))))
