"""The keys of parts of tensors, while a model is traced."""

from typing import Any

import keras
import numpy as np
from keras import ops


def item(tensor: Any, key: Any):
    """A part, also by a key that stands alone or by a list of indices, as tensors take them."""
    keys = tuple(map(_plain, key if isinstance(key, tuple) else (key,)))
    if not any(hasattr(each, "shape") for each in keys):
        return ops.get_item(tensor, keys)
    keys = spelled(keys, len(tensor.shape))
    place, *others = (place for place, each in enumerate(keys) if hasattr(each, "shape"))
    indices, keys[place] = keys[place], slice(None)
    if others or any(isinstance(each, int) for each in keys) or "bool" in str(indices.dtype):
        raise ValueError(
            "Of keys with lists or tensors only one is known, of integers, beside slices. Take the "
            "parts one after another: keras.ops.take(x, indices, axis=...)."
        )
    return ops.take(ops.get_item(tensor, tuple(keys)), indices, axis=place)


def spelled(keys: tuple, rank: int) -> list:
    """Keys with the slices that an ellipsis stands for, or what is left out."""
    taken = sum(each is not None and each is not Ellipsis for each in keys)
    keys = keys if any(each is Ellipsis for each in keys) else (*keys, Ellipsis)
    rest = [slice(None)] * (rank - taken)
    return [part for each in keys for part in (rest if each is Ellipsis else [each])]


def _plain(key: Any) -> Any:
    """An index as Keras takes it: of NumPy's and of lists an integer or an array of such."""
    if isinstance(key, keras.KerasTensor):
        return key
    if isinstance(key, list | tuple | np.ndarray) or ops.is_tensor(key):
        array = np.asarray(ops.convert_to_numpy(key) if ops.is_tensor(key) else key)
        key = np.flatnonzero(array) if array.dtype == bool and array.ndim == 1 else array
    return int(key) if isinstance(key, np.integer) or getattr(key, "ndim", 1) == 0 else key
