"""Which axis of an input counts channels, and so what a position is.

Inputs `(N, D)` are tables, whose entries have no channels; all others have
them, along the last axis or, with `"channels_first"`, along the first after the samples. A position
is what has all channels at once: a pixel of images, a voxel of volumes, a time step of sequences
`(N, T, C)`; of a table, and of sequences `(N, T)` without channels, each entry is one.
"""

import math
from typing import Any

import numpy as np

from isi_keras import _checks

DATA_FORMATS = ("channels_last", "channels_first")
UNITS = ("feature", "position")
_WORDS = {1: "feature", 2: "time step", 3: "pixel", 4: "voxel"}


def channel_axis(rank: int, data_format: str) -> int | None:
    """The axis of the channels of a batch, -1 or 1; `None` if there are none.

    Args:
        rank: how many axes the batch has, that of the samples among them.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    check_data_format(data_format)
    if rank < 3:
        return None
    return -1 if data_format == "channels_last" else 1


def channels_last(batch: np.ndarray, data_format: str) -> np.ndarray:
    """A batch with its channels, if it has any, along the last axis."""
    axis = channel_axis(batch.ndim, data_format)
    return batch if axis is None else np.moveaxis(batch, axis, -1)


def any_channel(batch: np.ndarray, data_format: str) -> np.ndarray:
    """Which positions of a batch have a channel that is not 0, `(N, positions)` bool."""
    batch = channels_last(batch, data_format)
    there = batch != 0
    there = there if batch.ndim < 3 else there.any(axis=-1)
    return there.reshape(len(batch), math.prod(there.shape[1:]))


def count(unit: str, shape: tuple, data_format: str) -> int:
    """How many features or positions a sample has.

    Args:
        unit: one of `UNITS`.
        shape: that of a sample, without the axis of samples.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    axis = channel_axis(len(shape) + 1, data_format)
    features = math.prod(shape)
    if unit == "feature" or axis is None:
        return features
    return features // shape[-1 if axis < 0 else 0]


def word(shape: tuple) -> str:
    """What a position of a sample of a shape is called: `"pixel"`, `"time step"` and so on."""
    return _WORDS.get(len(shape), "position")


def as_unit(unit: Any) -> str:
    """One of `UNITS`; `"pixel"` is another word for `"position"`.

    Raises:
        ValueError: for any other.
    """
    unit = "position" if unit == "pixel" else unit
    return _checks.one_of("unit", unit, UNITS)


def check_data_format(data_format: Any) -> None:
    """Raises ValueError unless `data_format` is one of `DATA_FORMATS`."""
    _checks.one_of("data_format", data_format, DATA_FORMATS)
