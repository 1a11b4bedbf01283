"""Small models of other shapes than those of `keras.applications`, and four inputs for each."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from makers.samples import finished
from makers.samples import ids as _ids
from makers.samples import image as _image
from makers.samples import sequential as _sequential
from makers.samples import table as _table

_MAKERS: dict[str, Callable] = {}


def composed(name: str) -> tuple[keras.Model, Any]:
    """A model that returns three logits, with seeded weights, and four samples as it takes them.

    The samples are an array, a list or a dict of arrays: `int32` for ids, else `float32`.
    """
    return finished(_MAKERS[name])


def _maker(function: Callable) -> Callable:
    _MAKERS[function.__name__] = function
    return function


@_maker
def transfer():
    """A backbone with a residual, in a Sequential with its preprocessing, in the user's model."""
    inner = keras.Input((12, 12, 3))
    h = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inner)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    branch = layers.Conv2D(8, 3, padding="same", use_bias=False)(h)
    h = layers.ReLU()(layers.Add()([h, layers.BatchNormalization()(branch)]))
    backbone = keras.Model(inner, h, name="backbone")
    chain = [keras.Input((12, 12, 3)), layers.Rescaling(1 / 127.5, -1), backbone]
    features = keras.Sequential([*chain, layers.GlobalAveragePooling2D()], name="features")
    outer = keras.Input((12, 12, 3))
    h = layers.Dropout(0.2)(features(outer))
    return keras.Model(outer, layers.Dense(3)(h)), 127.5 * (_image(12, 12, 3) + 1)


@_maker
def shared_layer():
    """One convolution used twice, also by two branches at once."""
    inputs = keras.Input((8, 8, 4))
    twice = layers.Conv2D(4, 3, padding="same", activation="relu")
    h = twice(inputs)
    h = layers.Concatenate()([twice(h), layers.MaxPooling2D(2, 1, "same")(h)])
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), _image(8, 8, 4)


class Residual(keras.Model):
    """Python's `+` and `ops.relu` between the layers."""

    def __init__(self):
        super().__init__()
        self.stem = layers.Conv2D(6, 3, padding="same")
        self.norm = layers.BatchNormalization()
        self.branch = layers.Conv2D(6, 3, padding="same")
        self.pool = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(3)

    def call(self, x):
        x = ops.relu(self.norm(self.stem(x)))
        x = ops.relu(x + self.branch(x))
        return self.head(self.pool(x))


@_maker
def subclassed():
    return Residual(), _image(8, 8, 3)


@_maker
def two_inputs():
    left, right = keras.Input((8, 8, 3)), keras.Input((10,))
    h = layers.GlobalMaxPooling2D()(layers.Conv2D(6, 3, activation="relu")(left))
    h = layers.Concatenate()([h, layers.Dense(6, "relu")(right)])
    return keras.Model([left, right], layers.Dense(3)(h)), [_image(8, 8, 3), _table(10)]


@_maker
def dict_inputs():
    inputs = {
        "image": keras.Input((8, 8, 3), name="image"),
        "tabular": keras.Input((5,), name="tabular"),
    }
    h = layers.Conv2D(6, 3, activation="relu")(inputs["image"])
    h = layers.Add()([layers.GlobalAveragePooling2D()(h), layers.Dense(6)(inputs["tabular"])])
    model = keras.Model(inputs, layers.Dense(3)(layers.ReLU()(h)))
    return model, {"image": _image(8, 8, 3), "tabular": _table(5)}


@_maker
def text_conv():
    convolution = layers.Conv1D(8, 3, activation="relu")
    chain = [layers.Embedding(20, 6), convolution, layers.GlobalMaxPooling1D(), layers.Dense(3)]
    return _sequential(_ids(12, 20), *chain)


@_maker
def text_mean():
    """The mean leaves out the ids 0, which are padding."""
    x = _ids(12, 20)
    x[:, 8:] = 0
    chain = [layers.Embedding(20, 6, mask_zero=True), layers.GlobalAveragePooling1D()]
    return _sequential(x, *chain, layers.Dense(6, "relu"), layers.Dense(3))


@_maker
def channels_first():
    def convolution(filters):
        return layers.Conv2D(filters, 3, data_format="channels_first", use_bias=False)

    x = np.ascontiguousarray(np.moveaxis(_image(9, 8, 3), -1, 1))
    return _sequential(
        x,
        *[convolution(6), layers.BatchNormalization(axis=1), layers.ReLU()],
        layers.MaxPooling2D(data_format="channels_first"),
        *[convolution(4), layers.ReLU(), layers.Flatten(), layers.Dense(3)],
    )


def _half(policy: str):
    def convolution(filters):
        return layers.Conv2D(filters, 3, use_bias=False, dtype=policy)

    return _sequential(
        _image(9, 8, 3),
        *[convolution(6), layers.BatchNormalization(dtype=policy), layers.ReLU(dtype=policy)],
        *[layers.AveragePooling2D(2, dtype=policy), convolution(8), layers.Flatten(dtype=policy)],
        layers.Dense(3, dtype="float32"),
    )


@_maker
def mixed_float16():
    return _half("mixed_float16")


@_maker
def mixed_bfloat16():
    return _half("mixed_bfloat16")


@_maker
def normalizations():
    return _sequential(
        _image(8, 8, 3),
        *[layers.Conv2D(8, 3), layers.GroupNormalization(4), layers.ReLU()],
        *[layers.Conv2D(8, 3), layers.RMSNormalization(), layers.ReLU(), layers.Flatten()],
        *[layers.Dense(8), layers.LayerNormalization(), layers.ReLU()],
        *[layers.Dense(8), layers.UnitNormalization(), layers.Dense(3)],
    )


@_maker
def convolutions():
    return _sequential(
        _image(8, 8, 4),
        layers.SeparableConv2D(8, 3, padding="same", activation="relu"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
        layers.Conv2D(8, 3, groups=4, activation="relu"),
        layers.Conv2DTranspose(4, 3, strides=2, activation="relu"),
        *[layers.Flatten(), layers.Dense(3)],
    )


@_maker
def conv1d():
    return _sequential(
        _image(24, 2),
        *[layers.Conv1D(6, 5, strides=2, activation="relu"), layers.AveragePooling1D(2)],
        layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
        *[layers.Flatten(), layers.Dense(3)],
    )


@_maker
def conv3d():
    return _sequential(
        _image(6, 8, 7, 2),
        *[layers.Conv3D(5, 3, activation="relu"), layers.MaxPooling3D((1, 2, 2))],
        *[layers.Conv3D(4, 2, padding="same", activation="relu")],
        *[layers.GlobalAveragePooling3D(), layers.Dense(3)],
    )


@_maker
def einsum_dense():
    """Mixes the channels at each place, then the places in each channel."""
    return _sequential(
        _image(8, 4),
        layers.EinsumDense("abc,cd->abd", (8, 6), bias_axes="d", activation="relu"),
        layers.EinsumDense("abd,be->aed", (5, 6), bias_axes="e", activation="relu"),
        layers.EinsumDense("aed,edf->af", (3,), bias_axes="f"),
    )


@_maker
def squeeze_excite():
    inputs = keras.Input((8, 8, 3))
    h = layers.Conv2D(8, 3, activation="relu")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(h)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
    h = layers.GlobalAveragePooling2D()(layers.Multiply()([h, gate]))
    return keras.Model(inputs, layers.Dense(3)(h)), _image(8, 8, 3)


@_maker
def hard_swish():
    """The activation of MobileNetV3, written with operators."""
    inputs = keras.Input((8, 8, 3))
    h = layers.BatchNormalization()(layers.Conv2D(8, 3, use_bias=False)(inputs))
    h = h * ops.relu6(h + 3) / 6
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), _image(8, 8, 3)


@_maker
def gru():
    return _sequential(_image(10, 4), layers.GRU(6), layers.Dense(3))


@_maker
def lstm():
    return _sequential(_image(10, 4), layers.LSTM(6), layers.Dense(3))


COMPOSED = tuple(_MAKERS)
if keras.config.backend() == "tensorflow":  # whose CPU kernels know channels_last only
    COMPOSED = tuple(name for name in COMPOSED if name != "channels_first")
