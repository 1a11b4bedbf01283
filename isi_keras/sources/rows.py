"""Samples by number: each worker reads its own."""

import abc
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras.results import write_atomically
from isi_keras.sources import hashes

BATCH = 128
"""How many samples make a batch where nobody says it and the model, which knows it, comes later."""
BATCHES = 8
"""How many batches are taken at once, where samples need different numbers of steps."""


class Rows(abc.ABC):
    """Samples that can be read by number.

    Args:
        spec: what JSON knows of it, from which `sources.of_spec` makes it anew; `None` for arrays
            in memory, which have to be written first.
        names: of the columns of a table; `()` if they have none.
    """

    spec: dict[str, Any] | None
    names: Sequence[str] = ()

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def rows(self, begin: int, end: int) -> tuple[Any, np.ndarray | None]:
        """The samples from `begin` to `end` with their labels, if there are any."""

    @abc.abstractmethod
    def first(self, count: int | None) -> "Rows":
        """The first `count` samples; all if `None`."""

    def portions(self, size: int) -> Iterator[tuple[Any, np.ndarray | None]]:
        """The samples with their labels, `size` at a time, the last perhaps fewer."""
        for begin in range(0, len(self), size):
            yield self.rows(begin, min(begin + size, len(self)))

    def described(self) -> dict[str, Any]:
        """What JSON knows of it; of arrays in memory by the names that `spill` gives them."""
        assert self.spec is not None
        return self.spec

    def spill(self, folder: Path) -> None:
        """Writes arrays that are in memory into a folder, for workers and for a later start.

        A file that is there is left alone: it was written whole, for the same description.
        """
        return


class Arrays(Rows):
    """Arrays: in memory, mapped from a file, of HDF5 or Zarr."""

    def __init__(self, x, y=None, *, spec: dict[str, Any] | None = None, names: Sequence[str] = ()):
        # Arrays of Zarr have a shape, and no length.
        if not x.shape or (y is not None and y.shape[:1] != x.shape[:1]):
            shapes = f"x of shape {tuple(x.shape)}"
            shapes += "" if y is None else f", y of shape {tuple(y.shape)}"
            raise ValueError(
                f"Expected samples along the first axis, one label each. Received: {shapes}."
            )
        if x.shape[0] == 0:
            raise ValueError(f"Expected at least one sample. Received: x of shape {x.shape}.")
        self.x, self.y, self.spec, self.names = x, y, spec, tuple(names)

    def __len__(self) -> int:
        return self.x.shape[0]

    def rows(self, begin, end):
        """The samples, as they are in the arrays."""
        y = self.y
        return np.asarray(self.x[begin:end]), None if y is None else np.asarray(y[begin:end])

    def first(self, count):
        """The first of them; of what can be described the description says how many."""
        if count is None or count >= len(self):
            return self
        spec = None if self.spec is None else {**self.spec, "samples": count}
        return Arrays(*_cut(self.x, self.y, count), spec=spec, names=self.names)

    def described(self):
        """What JSON knows of it; hashes of arrays that are in memory."""
        if self.spec is None:
            spec = {"kind": "arrays", "x": "x.npy", "sha256": hashes.of_arrays(self.x)}
            spec |= {"names": list(self.names)} if self.names else {}
            if self.y is not None:
                spec |= {"y": "y.npy", "y_sha256": hashes.of_arrays(self.y)}
            self.spec = spec
        return self.spec

    def spill(self, folder):
        """Writes what is in memory, which workers map."""
        if self.described()["kind"] == "arrays":
            for name, array in (("x.npy", self.x), ("y.npy", self.y)):
                if array is not None:
                    write_array(folder / name, array)


class Several(Rows):
    """The inputs of a model that takes several, arrays of as many rows by the names of the inputs.

    Args:
        x: the arrays, in memory or mapped.
        y: the labels.
        spec: what JSON knows of it.
    """

    def __init__(self, x: Mapping[str, Any], y=None, *, spec: dict[str, Any] | None = None):
        parts = {name: Arrays(part, y) for name, part in x.items()}
        counts = {name: len(part) for name, part in parts.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(
                "Expected the same number of samples in each input. Received: "
                f"{', '.join(f'{n} in {name!r}' for name, n in counts.items()) or 'no input'}."
            )
        self.x, self.y, self.spec = {name: part.x for name, part in parts.items()}, y, spec
        self._count = next(iter(counts.values()))

    def __len__(self) -> int:
        return self._count

    def rows(self, begin, end):
        """The samples, a dictionary of arrays."""
        y = None if self.y is None else np.asarray(self.y[begin:end])
        return {name: np.asarray(part[begin:end]) for name, part in self.x.items()}, y

    def first(self, count):
        """The first of them."""
        if count is None or count >= len(self):
            return self
        spec = None if self.spec is None else {**self.spec, "samples": count}
        x = {name: _cut(part, None, count)[0] for name, part in self.x.items()}
        return Several(x, None if self.y is None else self.y[:count], spec=spec)

    def described(self):
        """Hashes of the arrays, and the files that `spill` writes them to."""
        if self.spec is None:
            files = {name: f"x-{number}.npy" for number, name in enumerate(self.x)}
            spec = {"kind": "several", "x": files, "sha256": hashes.of_arrays(self.x)}
            if self.y is not None:
                spec |= {"y": "y.npy", "y_sha256": hashes.of_arrays(self.y)}
            self.spec = spec
        return self.spec

    def spill(self, folder):
        """Writes the arrays, which workers map."""
        spec = self.described()
        for name, file in spec["x"].items():
            write_array(folder / file, self.x[name])
        if self.y is not None:
            write_array(folder / spec["y"], self.y)


def _cut(x, y, count: int):
    """Rows of what is mapped without reading it: HDF5 reads what is sliced."""
    x = x[:count] if isinstance(x, np.ndarray) else Sliced(x, count)
    return x, None if y is None else y[:count]


class Sliced:
    """The first rows of something that is read when it is sliced."""

    def __init__(self, array, count: int):
        self.array, self.dtype, self.shape = array, array.dtype, (count, *array.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice):
        return self.array[index.start : min(index.stop, len(self))]


def write_array(path: Any, array: Any) -> None:
    """Writes an array as an `.npy`, some rows at a time, unless there is one."""
    if path.exists():
        return
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(array.dtype)), "fortran_order": False}

    def write(file):
        np.lib.format.write_array_header_2_0(file, {**header, "shape": tuple(array.shape)})
        size = max(1, 2**24 // max(1, math.prod(array.shape[1:])))
        for begin in range(0, array.shape[0], size):
            file.write(np.ascontiguousarray(array[begin : begin + size]).tobytes())

    write_atomically(path, write)


def as_labels(y: Any) -> np.ndarray | None:
    """Labels as an array, `None` as it is."""
    if y is None:
        return None
    if hasattr(y, "detach"):
        y = y.detach().cpu()
    return np.asarray(y)


def as_array(x: Any) -> Any:
    """What has rows, as it is if it can be sliced into NumPy arrays, else as such an array."""
    if isinstance(x, list) and any(getattr(part, "ndim", 0) for part in x):
        shapes = ", ".join(str(tuple(getattr(part, "shape", ()))) for part in x[:4])
        raise TypeError(
            f"Received: a list of arrays, of the shapes {shapes}. Samples with their labels are a "
            "tuple, (x, y); several inputs of a model a dictionary by their names; samples in a "
            "list numpy.stack(x)."
        )
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    sliced = hasattr(x, "shape") and hasattr(x, "dtype") and type(x).__module__ != "torch"
    sliced = sliced and type(x).__module__.partition(".")[0] in ("numpy", "h5py", "zarr")
    try:
        array = x if sliced else np.asarray(x)
    except ValueError as error:
        raise TypeError(f"{error} Expected samples of one shape.") from error
    if array.dtype == object:
        raise TypeError(f"Expected an array of numbers. Received: {type(x).__name__}.")
    return array
