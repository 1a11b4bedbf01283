"""Heads on KerasHub's backbones, and the sizes that small ones share."""

from collections.abc import Callable

import keras
from keras import layers, ops
from keras_hub import models

CLASSES, VOCABULARY, LENGTH, SIDE = 5, 50, 8, 32
IMAGE = {"image_shape": (SIDE, SIDE, 3)}
SIZES = {"num_layers": 2, "hidden_dim": 16, "intermediate_dim": 32}


def backbone(prefix: str, **config) -> keras.Model:
    return getattr(models, f"{prefix}Backbone")(**config)


def headed(make: str, pool: Callable, part: str | None = None, **config) -> keras.Model:
    """A dense layer on what `pool` makes of a backbone's output, or of a part of it."""
    encoder = getattr(models, make)(**config)
    features, inputs = encoder.output, encoder.input
    if part:
        features = features[part]
    if part == "encoder_sequence_output":
        inputs = {name: entry for name, entry in inputs.items() if name.startswith("encoder")}
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(pool(features)))


def first(features):
    return features[:, 0]


def last(features):
    return features[:, -1]


def mean(features):
    axes = range(1, len(features.shape) - 1)
    return ops.mean(features, axis=tuple(axes))
