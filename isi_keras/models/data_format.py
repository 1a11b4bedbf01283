"""Where the channels of a model's inputs are."""

from typing import Any

import keras

from isi_keras import _keras
from isi_keras.axes import DATA_FORMATS
from isi_keras.models.rewrite import nodes


def data_format_of(model: keras.Model) -> str:
    """`"channels_last"` or `"channels_first"`, as the layers of a model say.

    Convolutions, pooling and the like have a `data_format`. If all of them agree, it is that of the
    model; if none has one or two differ, it is `keras.config.image_data_format()`. So it is, too,
    if the model moves axes about: a layer may then see other axes than the input has. `Flatten` is
    not asked: what it flattens has mostly no channels any more, and few people set its own.
    """
    found = [node for node in nodes(model) if not isinstance(node, keras.layers.Flatten)]
    said = {_keras.read(node, "data_format") for node in found} & set(DATA_FORMATS)
    if len(said) != 1 or any(map(_moves_axes, found)):
        return keras.config.image_data_format()
    return said.pop()


def _moves_axes(node: Any) -> bool:
    if isinstance(node, keras.layers.Layer):
        return isinstance(node, keras.layers.Permute)
    return _keras.operation(node) in ("Transpose", "Moveaxis", "Swapaxes")
