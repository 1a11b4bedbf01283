"""The weights in a file that `torch.save` wrote before version 1.6, read without Torch.

Such a file is a row of pickles, and then the numbers as they are. A pickle may call anything it
names, so only what weights need is allowed: nothing of the file is executed.
"""

import collections
import os
import pickle
from typing import Any, BinaryIO

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a file by their names.

    Args:
        path: a file of `torch.save(model.state_dict(), path)`, of float32 and int64, little endian.

    Raises:
        ValueError: if it is not such a file, or holds something other than weights.
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        except (pickle.UnpicklingError, EOFError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{str(path)!r} is not a file of weights that torch.save wrote before version 1.6 "
                f"({error})."
            ) from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    if _Weights(file).load() != MAGIC:
        raise pickle.UnpicklingError("another magic number")
    _Weights(file).load()  # the version of the protocol
    if not _Weights(file).load()["little_endian"]:
        raise pickle.UnpicklingError("big endian")
    reader = _Weights(file)
    found = reader.load()
    for key in _Weights(file).load():
        dtype, size = reader.storages[key]
        (count,) = np.frombuffer(file.read(8), "<i8")
        if count != size:
            raise pickle.UnpicklingError(f"{count} numbers instead of {size}")
        reader.numbers[key] = np.frombuffer(file.read(size * np.dtype(dtype).itemsize), dtype)
    return {name: _array(reader, *part) for name, part in found.items()}


def _array(reader: "_Weights", key: str, offset: int, shape: tuple, stride: tuple) -> np.ndarray:
    numbers = reader.numbers[key][offset:]
    if sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) >= len(numbers):
        raise pickle.UnpicklingError("a tensor beyond its numbers")
    strides = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers, shape, strides, writeable=False).copy()


class _Weights(pickle.Unpickler):
    """Knows tensors and ordered dictionaries, and refuses all else."""

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, tuple[str, int]] = {}
        self.numbers: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in KINDS:
            return KINDS[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        kind, dtype, key, _, size, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"it holds a {kind}")
        self.storages[key] = (dtype, size)
        return key


def _tensor(key: str, offset: int, shape: tuple, stride: tuple, *_: Any) -> tuple:
    return key, offset, shape, stride
