"""The models of `keras.applications` and a Vision Transformer, small, offline and not trivial.

No weights are downloaded. Each model gets seeded weights, the same on each backend, and BatchNorm
statistics measured on smooth images, so that activations stay of order one through its depth.
"""

import contextlib
import functools
import math
from typing import NamedTuple
from unittest import mock

import keras
import numpy as np
from keras import applications, layers, ops

CLASSES = 10


class Architecture(NamedTuple):
    """How to make a model, and the images it expects."""

    make: str  # in keras.applications, or in this module
    size: int
    low: float = -1.0
    high: float = 1.0


KINDS = {
    "VGG16": Architecture("VGG16", 64),
    "ResNet50": Architecture("ResNet50", 64),
    "ResNet50V2": Architecture("ResNet50V2", 64),
    "InceptionV3": Architecture("InceptionV3", 75),
    "InceptionResNetV2": Architecture("InceptionResNetV2", 75),
    "Xception": Architecture("Xception", 71),
    "MobileNet": Architecture("MobileNet", 64),
    "MobileNetV2": Architecture("MobileNetV2", 64),
    "MobileNetV3Small": Architecture("MobileNetV3Small", 96, 0, 255),
    "DenseNet121": Architecture("DenseNet121", 64),
    "EfficientNetB0": Architecture("EfficientNetB0", 96, 0, 255),
    "EfficientNetV2B0": Architecture("EfficientNetV2B0", 96, 0, 255),
    "NASNetMobile": Architecture("NASNetMobile", 64),
    "ConvNeXtTiny": Architecture("ConvNeXtTiny", 64, 0, 255),
    "ViT": Architecture("vit", 32),
}
_REFUSED = {"torch": {"NASNetMobile"}}  # by Keras, for "an outstanding bug"
NAMES = tuple(name for name in KINDS if name not in _REFUSED.get(keras.config.backend(), ()))


def build(name: str, seed: int = 0, *, size: int | None = None, samples: int = 32) -> keras.Model:
    """A model of ten classes with softmax, its weights drawn with `seed`.

    Its statistics are those of so many `samples` of `size` pixels a side, `None` for a small size.
    """
    kind = KINDS[name]
    shape = (size or kind.size, size or kind.size, 3)
    with uninitialized():
        if kind.make == "vit":
            model = vit(shape)
        else:
            make = getattr(applications, kind.make)
            model = make(weights=None, input_shape=shape, classes=CLASSES)
    seed_weights(model, seed)
    with exchanged([(model.layers[-1], "activation", keras.activations.linear)]):
        sharpen(model, calibrate(model, images(name, samples, seed + 1, size=size), seed))
    return model


@contextlib.contextmanager
def exchanged(attributes):
    """Attributes of layers, exchanged for a time; from a list of layers, names and values."""
    with contextlib.ExitStack() as stack:
        for layer, name, value in attributes:
            stack.enter_context(mock.patch.dict(vars(layer), {name: value}))
        yield


def vit(shape=(32, 32, 3), patch: int = 8, width: int = 32, blocks: int = 3) -> keras.Model:
    """A Vision Transformer that normalises before attention and before the MLP."""
    inputs = keras.Input(shape)
    x = layers.Conv2D(width, patch, strides=patch, name="patches")(inputs)
    x = Position()(layers.Reshape((-1, width))(x))
    for _ in range(blocks):
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, width // 4)(h, h)])
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        h = layers.Dense(2 * width, activation="gelu")(h)
        x = layers.Add()([x, layers.Dense(width)(h)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(inputs, layers.Dense(CLASSES, "softmax")(x), name="vit")


def images(name: str, count: int, seed: int, *, size: int | None = None) -> np.ndarray:
    """Smooth random images in the range of values that the model expects."""
    kind = KINDS[name]
    unit = smooth((count, size or kind.size, size or kind.size, 3), seed)
    return (kind.low + (kind.high - kind.low) * unit).astype("float32")


def smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Noise of low frequency between 0 and 1, of shape `(N, *spatial, C)`."""
    rng = np.random.default_rng(seed)
    total = np.zeros(shape)
    for cells, amplitude in ((2, 0.7), (4, 0.7), (8, 0.4), (16, 0.2)):
        octave = rng.normal(size=(shape[0], *[cells + 1] * (len(shape) - 2), shape[-1]))
        for axis, size in enumerate(shape[1:-1], start=1):
            octave = np.moveaxis(
                _interpolation(cells + 1, size) @ np.moveaxis(octave, axis, -2), -2, axis
            )
        total += amplitude * octave
    return 0.5 + 0.5 * np.tanh(total)


@functools.cache
def _interpolation(points: int, size: int) -> np.ndarray:
    """Linear interpolation between equidistant points as a matrix `(size, points)`."""
    places = np.linspace(0, points - 1, size)[:, None]
    return np.maximum(0, 1 - np.abs(places - np.arange(points)))


@contextlib.contextmanager
def uninitialized():
    """Fills kernels with NaN, to save drawing (on JAX also compiling) what is drawn again."""

    def call(self, shape, dtype=None, **options):
        return ops.convert_to_tensor(np.full(shape, np.nan, dtype or "float32"))

    with contextlib.ExitStack() as stack:
        for name in ("VarianceScaling", "RandomNormal", "RandomUniform", "TruncatedNormal"):
            initializer = getattr(keras.initializers, name)
            stack.enter_context(mock.patch.object(initializer, "__call__", call))
        yield


def seed_weights(model: keras.Model, seed: int) -> None:
    """Draws every weight but the statistics of BatchNormalization, which `calibrate` sets."""
    rng = np.random.default_rng(seed)
    for layer in leaves(model):
        for weight in layer.weights:
            if weight.name not in ("moving_mean", "moving_variance", "count"):
                weight.assign(_draw(rng, layer, weight).astype("float32"))
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()


def _draw(rng, layer, weight) -> np.ndarray:
    shape = tuple(weight.shape)
    if type(layer).__name__ == "LayerScale":
        return rng.uniform(0.2, 0.6, shape)
    match weight.name:
        case "gamma" | "scale":
            return rng.uniform(0.5, 1.5, shape)
        case "beta":
            return rng.normal(0, 0.2, shape)
        case "bias":
            return rng.normal(0, 0.1, shape)
        case "embeddings" | "position":
            return rng.normal(0, 0.5, shape)
        case "mean":
            return rng.uniform(0.4, 0.5, shape)
        case "variance":
            return rng.uniform(0.04, 0.06, shape)
        case name if name.endswith("kernel"):
            kernel = rng.normal(0, math.sqrt(_gain(layer) / _fan_in(layer, weight)), shape)
            # What relu leaves positive on each image would else make all images alike.
            return kernel - 0.8 * kernel.mean(-2, keepdims=True) if shape[-2] >= 16 else kernel
    raise ValueError(f"No seeded values are known for {weight.path!r}. Add a case for it.")


def _gain(layer) -> float:
    return 2.9 if getattr(layer, "activation", None) is keras.activations.relu else 1.0


def _fan_in(layer, weight) -> int:
    shape = tuple(weight.shape)
    if isinstance(layer, layers.EinsumDense):
        _, kernel, output = layer.equation.replace("->", ",").split(",")
        return math.prod(n for n, letter in zip(shape, kernel, strict=True) if letter not in output)
    if "depthwise" in weight.name or isinstance(layer, layers.DepthwiseConv2D):
        return math.prod(shape[:-2])
    return math.prod(shape[:-1])


def calibrate(model: keras.Model, x, seed: int = 0):
    """Sets each BatchNormalization to the statistics of what reaches it, within about 20 %.

    Returns:
        The model's output with these statistics.
    """
    rng = np.random.default_rng(seed)

    def measuring(layer):
        def call(inputs, training=None, mask=None):
            axes = [i for i in range(len(inputs.shape)) if i != layer.axis % len(inputs.shape)]
            mean, variance = ops.moments(ops.cast(inputs, "float32"), axes)
            shape = tuple(mean.shape)
            stretch, shift = rng.uniform(0.8, 1.25, shape), rng.normal(0, 0.2, shape)
            variance = ops.multiply(variance, stretch.astype("float32")) + 1e-3
            mean = mean + ops.multiply(ops.sqrt(variance), shift.astype("float32"))
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)
            return type(layer).call(layer, inputs, training=False)

        return layer, "call", call

    found = [layer for layer in leaves(model) if isinstance(layer, layers.BatchNormalization)]
    run = model.stateless_call
    if keras.config.backend() == "jax":  # step by step, JAX would compile each shape by itself
        import jax

        run = jax.jit(run, compiler_options={"xla_backend_optimization_level": 0})
    trained = [ops.stop_gradient(variable.value) for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    with exchanged([measuring(layer) for layer in found]):
        outputs, others = run(trained, others, x)
    for variable, value in zip(model.non_trainable_variables, others, strict=True):
        variable.assign(value)
    return outputs


def sharpen(model: keras.Model, logits) -> None:
    """Scales the last layer, so that the model is about as sure as a trained one."""
    head = [layer for layer in leaves(model) if layer.weights][-1]
    scale = 2 / ops.convert_to_numpy(logits).std()
    head.set_weights([scale * weight for weight in head.get_weights()])


def leaves(model: keras.Model) -> list[keras.Layer]:
    """The layers that hold no others, each once, in the order Keras keeps them."""
    every = {id(layer): layer for layer in model._flatten_layers(include_self=False)}
    return [x for x in every.values() if not any(x._flatten_layers(include_self=False))]


@keras.saving.register_keras_serializable("isi_keras_tests")
class Position(layers.Layer):
    """Adds a learned position embedding: a layer of the user's own, with weights."""

    def build(self, shape):
        self.position = self.add_weight(shape=shape[1:], name="position")

    def call(self, x):
        return x + self.position
