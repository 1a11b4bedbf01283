"""Where the channels of a model's inputs are."""

import keras

from isi_keras.axes import DATA_FORMATS
from isi_keras.models.rewrite import nodes


def data_format_of(model: keras.Model) -> str:
    """`"channels_last"` or `"channels_first"`, as the layers of a model say.

    Convolutions, pooling and the like have a `data_format`. If all of them agree, it is that of the
    model; if none has one or two differ, it is `keras.config.image_data_format()`. `Flatten` is
    not asked: what it flattens has mostly no channels any more, and few people set its own.
    """
    said = {
        node.data_format
        for node in nodes(model)
        if not isinstance(node, keras.layers.Flatten) and hasattr(node, "data_format")
    }
    said &= set(DATA_FORMATS)
    return said.pop() if len(said) == 1 else keras.config.image_data_format()
