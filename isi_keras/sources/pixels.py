"""Which values a model wants the pixels of an image to have, by how it begins."""

from typing import Any

import numpy as np

_LIKELY = 16.0
"""What networks take in after their preprocessing lies well within this."""


def inside(model: Any) -> tuple[str, tuple[float, float]] | None:
    """The preprocessing in a model, and the range of pixels that it takes: 0..255 or 0..1.

    A `Rescaling` or `Normalization` that brings 255 to a small number takes pixels of 0..255; one
    that brings 1 to a small number, but not 255, takes them of 0..1.

    Args:
        model: a Keras model.

    Returns:
        The name of the class of the first such layer and the range; `None` if there is no such
        layer.
    """
    for layer in _layers(model):
        kind = type(layer).__name__
        if kind == "Rescaling":
            scale, offset = np.asarray(layer.scale, "float64"), np.asarray(layer.offset, "float64")
        elif kind == "Normalization":
            mean, variance = _statistics(layer)
            scale = 1 / np.maximum(np.sqrt(variance), 1e-7)
            offset = -mean * scale
        else:
            continue
        great = float(np.abs(255 * scale + offset).max())
        return kind, (0.0, 255.0) if great <= _LIKELY else (0.0, 1.0)
    return None


def _layers(model: Any):
    """The layers of a model and of models in it, in the order in which they were added."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)


def _statistics(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a `Normalization` subtracts and divides by, on the host."""
    found = []
    for part in (layer.mean, layer.variance):
        part = part.detach().cpu() if hasattr(part, "detach") else part
        found.append(np.asarray(part, "float64"))
    return found[0], found[1]
