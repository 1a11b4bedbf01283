"""The test images of the networks in the package, as a source that workers make themselves."""

import importlib.resources

import numpy as np

from isi_keras import zoo


def images(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The images that a network of the package takes, and their labels; no model is loaded.

    Args:
        name: one of `zoo.NAMES`.
    """
    place = importlib.resources.files("isi_keras") / "data" / "mnist-test.npz"
    with importlib.resources.as_file(place) as path, np.load(path) as split:
        return zoo.as_input(split["x"], zoo.BOUNDS[name]), split["y"].astype("int64")
