"""Layers that the networks share: channels last, kernels by a seed."""

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
