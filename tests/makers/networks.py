"""A small network and its images."""

import keras
import numpy as np


def small_network(seed: int = 1, final: str | None = "softmax"):
    """Convolutions on 6 x 5 images of two channels, three classes."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="random_normal"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation=final, bias_initializer="random_normal"),
        ]
    )


def images(count: int = 12, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 6, 5, 2)).astype("float32")
