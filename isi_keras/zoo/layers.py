"""Layers that the networks share: channels last, kernels by a seed."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np


def seeds(seed, count):
    """As many seeds as there are kernels; `None` for each follows Keras."""
    if seed is None:
        return [None] * count
    return np.random.default_rng(seed).integers(2**31, size=count).tolist()


def conv(filters, size, seed, padding="valid", activation="relu"):
    """A convolution with its activation."""
    return keras.layers.Conv2D(
        filters,
        size,
        padding=padding,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        data_format="channels_last",
    )


def pool():
    """The greatest of 2 by 2."""
    return keras.layers.MaxPooling2D(data_format="channels_last")


def dense(units, seed, activation):
    """A dense layer with its activation."""
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
    )


def saved(path: Path) -> keras.Model:
    """The model of a `.keras` file; no kernel is drawn that the file overwrites.

    JAX compiles the drawing anew for each shape of a kernel, for more than a second each.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    kept = {}
    for layer in config["config"]["layers"]:
        settings = layer["config"]
        for name in [name for name in settings if name.endswith("_initializer")]:
            kept[settings["name"], name] = settings[name]
            settings[name] = {"class_name": "Zeros", "config": {}}
    model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    model.load_weights(path)
    for (layer, name), told in kept.items():
        setattr(model.get_layer(layer), name, keras.initializers.get(told))
    return model
