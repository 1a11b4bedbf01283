"""Models that people write themselves, by their names, and four inputs for each."""

from typing import Any

import keras

from makers.convolutional import CONVOLUTIONAL
from makers.samples import finished
from makers.sequences import SEQUENCES
from makers.tables import AFTERWARDS, TABLES
from makers.vision import VISION

CUSTOM = {**VISION, **CONVOLUTIONAL, **SEQUENCES, **TABLES}


def custom(name: str) -> tuple[keras.Model, Any]:
    """A model that returns three logits, with seeded weights, and four samples as it takes them."""
    model, x = finished(CUSTOM[name])
    if name in AFTERWARDS:
        AFTERWARDS[name](model)
    return model, x
