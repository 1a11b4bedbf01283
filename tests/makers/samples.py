"""Inputs that small models are shown, and the last touch to these models."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from makers.architectures import calibrate, seed_weights, sharpen, smooth, uninitialized

SAMPLES, SEED = 32, 3


def finished(make: Callable) -> tuple[keras.Model, Any]:
    """The model that `make` returns, with seeded weights, and four of its samples."""
    with uninitialized():
        model, x = make()
        if not model.built:
            model(x)
    seed_weights(model, SEED)
    sharpen(model, calibrate(model, x, SEED))
    return model, keras.tree.map_structure(lambda array: array[:4], x)


def image(*shape: int) -> np.ndarray:
    """Smooth arrays between -1 and 1."""
    return (2 * smooth((SAMPLES, *shape), SEED) - 1).astype("float32")


def ids(length: int, vocabulary: int) -> np.ndarray:
    """Words other than 0, which is padding."""
    rng = np.random.default_rng(SEED)
    return rng.integers(1, vocabulary, (SAMPLES, length)).astype("int32")


def table(columns: int) -> np.ndarray:
    return np.random.default_rng(SEED).normal(size=(SAMPLES, columns)).astype("float32")


def sequential(x, *chain) -> tuple[keras.Model, np.ndarray]:
    return keras.Sequential([keras.Input(x.shape[1:], dtype=x.dtype.name), *chain]), x


class Makers(dict):
    """Functions that return a model of three logits and its samples, by their names."""

    def add(self, function: Callable) -> Callable:
        self[function.__name__] = function
        return function
