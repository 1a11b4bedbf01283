"""Models that people write themselves, by their names, and four inputs for each."""

from typing import Any

import keras

from makers.convolutional import CONVOLUTIONAL
from makers.samples import finished
from makers.sequences import SEQUENCES
from makers.tables import TABLES
from makers.vision import VISION

CUSTOM = {**VISION, **CONVOLUTIONAL, **SEQUENCES, **TABLES}


def custom(name: str) -> tuple[keras.Model, Any]:
    """A model that returns three logits, with seeded weights, and four samples as it takes them."""
    return finished(CUSTOM[name])
