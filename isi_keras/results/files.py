"""Records as files: compressed `.npz` without pickles, whole or absent."""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from isi_keras.results import version_1, version_2
from isi_keras.results.archive import MAX_BYTES, Archive, UnreadableError, limit, not_ours
from isi_keras.results.places import as_path, write_atomically

FORMAT_VERSION, HEADER = 3, "__header__"


def write(path: str | os.PathLike, record: str, arrays: Mapping[str, np.ndarray]) -> Any:
    """Writes the arrays of a record, and returns the path with its suffix."""
    place = as_path(path)
    if re.split(r"[/\\]", str(path))[-1] in ("", ".", "..", "~"):
        raise ValueError(
            f"{str(path)!r} names no file to write to. Add a name, as in 'result.npz'."
        )
    path = _named(place)
    header = np.array(json.dumps({"record": record, "version": FORMAT_VERSION}))
    named: dict[str, Any] = {HEADER: header, **arrays}
    return write_atomically(path, lambda file: np.savez_compressed(file, **named))


def _named(path: Any) -> Any:
    """A path with the suffix of records."""
    return path if path.suffix == ".npz" else path.with_name(path.name + ".npz")


def check_size(path: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises a ValueError if a file became so small that reading it needs a greater limit."""
    total = sum(array.nbytes for array in arrays.values())
    if total > limit(path.stat().st_size):
        raise ValueError(
            f"{str(path)!r} is compressed to a hundredth and less. Load it with "
            f"max_bytes={2 * total}, or set {MAX_BYTES}={2 * total}."
        )


class Held(NamedTuple):
    """A file of a record, of which headers are read, and arrays when they are asked for."""

    record: str
    version: int
    archive: Archive

    def headers(self) -> dict[str, Any]:
        """What the header of each array says, by the names of this version of the format."""
        found = {name: self.archive.declared(name) for name in self._names()}
        return version_1.renamed(self.record, found) if self.version == 1 else found

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays, as this version of the format names them."""
        arrays = {name: self.archive.read(name) for name in self._names()}
        try:
            if self.version == 1:
                arrays = version_1.converted(self.record, arrays)
            if self.version <= 2 and "config" in arrays:
                arrays = version_2.converted(arrays)
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableError(
                f"{self.archive.name!r} is no {self.record} of format version {self.version}: its "
                "config is not what that version saved. Copy the file again from where it is whole."
            ) from error
        return arrays

    def _names(self) -> list[str]:
        return [name for name in self.archive.names if name != HEADER]


@contextlib.contextmanager
def opened(path: str | os.PathLike, max_bytes: int | None = None) -> Iterator[Held]:
    """A file of a record, whose directory and header are checked.

    Args:
        path: of the file, with its suffix or, as `write` takes it, without.
        max_bytes: how many bytes it may take in memory; see `archive.limit`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no record, damaged, too large, or of a newer version.
    """
    path = as_path(path)
    if not path.exists():
        path = _named(path) if path.name and _named(path).exists() else path
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if not path.is_file():  # a folder, or what never ends, such as a pipe
        raise not_ours(path)
    with path.open("rb") as file:
        archive = Archive(file, path, max_bytes)
        header = header_of(archive)
        record, version = header.get("record"), header.get("version")
        if not isinstance(record, str) or type(version) is not int or version < 1:
            raise archive.wrong("its header names no record and no version of the format")
        if version > FORMAT_VERSION:
            raise ValueError(
                f"{str(path)!r} has format version {version}, newer than the version "
                f"{FORMAT_VERSION} read here. Upgrade isi-keras."
            )
        yield Held(record, version, archive)


def header_of(archive: Archive) -> dict[str, Any]:
    """What the header of a file says.

    Raises:
        ValueError: if there is none, or it is no dictionary.
    """
    if HEADER not in archive.names:
        raise not_ours(archive.name)
    told = archive.declared(HEADER)
    if told.dtype.kind != "U" or told.shape:
        raise archive.wrong("its header is no text")
    text = str(archive.read(HEADER))
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise archive.wrong(f"its header is no JSON, {error}") from error
    if not isinstance(header, dict):
        raise archive.wrong(f"its header is no dictionary but a {type(header).__name__}")
    return header


def read(path: str | os.PathLike) -> tuple[str, dict[str, np.ndarray]]:
    """The name of a record and its arrays, as this version of the format names them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no record, damaged, too large, or of a newer version.
    """
    with opened(path) as held:
        return held.record, held.arrays()
