"""What arrays and files are told by: SHA-256, so that a changed one is refused."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

WHOLE = 2**30
"""Files of so many bytes together are read whole; of larger ones parts, evenly spread."""
_PARTS, _PART = 256, 2**20
_ROWS_AT_ONCE = 2**24


def of_arrays(*arrays: Any) -> str:
    """The hash of arrays, or of dictionaries of them: of their types, shapes and bytes."""
    found = hashlib.sha256()
    for array in arrays:
        if isinstance(array, Mapping):
            for name in sorted(array):
                found.update(name.encode())
                _add(found, array[name])
        elif array is not None:
            _add(found, array)
    return found.hexdigest()


def _add(found: Any, array: Any) -> None:
    found.update(f"{array.dtype}{tuple(array.shape)}".encode())
    if not array.shape:
        found.update(np.asarray(array).tobytes())
        return
    size = max(1, _ROWS_AT_ONCE // max(1, int(np.prod(array.shape[1:]))))
    for begin in range(0, array.shape[0], size):
        part = np.ascontiguousarray(array[begin : begin + size])
        found.update(part.view("uint8").data if part.size else b"")


def of_files(paths: Iterable[Path], base: Path | None = None) -> str:
    """The hash of files: of their names below `base`, their sizes and what they hold.

    If they are larger than `WHOLE` together, of each only evenly spread parts are read.
    """
    paths, found = list(paths), hashlib.sha256()
    sizes = [path.stat().st_size for path in paths]
    whole = sum(sizes) <= WHOLE
    for path, size in zip(paths, sizes, strict=True):
        name = path.name if base is None else path.relative_to(base).as_posix()
        found.update(f"{name} {size}\n".encode())
        with path.open("rb") as file:
            if whole:
                for part in iter(lambda: file.read(_PART), b""):
                    found.update(part)
            elif len(paths) == 1:
                for begin in np.linspace(0, max(0, size - _PART), _PARTS).astype("int64"):
                    file.seek(int(begin))
                    found.update(file.read(_PART))
    return found.hexdigest()


def of_file(path: Path) -> str:
    """The hash of a file, read whole whatever its size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
