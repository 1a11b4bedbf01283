"""Where the channels of a model's inputs are."""

from typing import Any

import keras

from isi_keras import _keras
from isi_keras.axes import DATA_FORMATS
from isi_keras.models.layers import nodes

_IDLE = {"Flatten", "AugMix", "CutMix", "MixUp"}


def data_format_of(model: keras.Model, rank: int = 4) -> str:
    """`"channels_last"` or `"channels_first"`, as the layers of a model say.

    Convolutions, pooling and the like have a `data_format`. If all of them agree, it is that of the
    model. If there are none, two differ, or the model moves axes about, so that a layer may see
    others than the input has, it is that of Keras: for images and volumes
    `keras.config.image_data_format()`; for sequences `"channels_last"`, as its recurrent, dense and
    attention layers have it. What does nothing at inference, as dropout and augmentation, is not
    asked, nor `Flatten`: what it flattens has mostly no channels any more.

    Args:
        model: the model.
        rank: how many axes a batch of its inputs has.
    """
    found = list(nodes(model))
    said = {_keras.read(node, "data_format") for node in found if _is_asked(node)}
    said &= set(DATA_FORMATS)
    if len(said) != 1 or any(map(_moves_axes, found)):
        return keras.config.image_data_format() if rank > 3 else "channels_last"
    return said.pop()


def _is_asked(node: Any) -> bool:
    """Whether what a layer says of an axis has an effect at inference."""
    words = [kind.__name__ for kind in type(node).__mro__]
    idle = any("Dropout" in word or "Random" in word for word in words)
    return not idle and not _IDLE & set(words)


def _moves_axes(node: Any) -> bool:
    if isinstance(node, keras.layers.Layer):
        return isinstance(node, keras.layers.Permute)
    return type(node).__name__ in ("Transpose", "Moveaxis", "Swapaxes")
