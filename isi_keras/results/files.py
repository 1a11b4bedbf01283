"""Records as files: compressed `.npz` without pickles, whole or absent."""

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras.results import version_1, version_2

FORMAT_VERSION = 3


def write(path: str | os.PathLike, record: str, arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes the arrays of a record, and returns the path with its suffix."""
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    header = np.array(json.dumps({"record": record, "version": FORMAT_VERSION}))
    named: dict[str, Any] = {"__header__": header, **arrays}
    return write_atomically(path, lambda file: np.savez_compressed(file, **named))


def read(path: str | os.PathLike) -> tuple[str, dict[str, np.ndarray]]:
    """The name of a record and its arrays, as this version of the format names them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no record, or of a newer version.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    try:
        with np.load(path, allow_pickle=False) as data:
            header = json.loads(str(data["__header__"]))
            record, version = header["record"], int(header["version"])
            arrays = {name: data[name] for name in data.files if name != "__header__"}
        if version == 1:
            arrays = version_1.converted(record, arrays)
        if version <= 2 and "config" in arrays:
            arrays = version_2.converted(arrays)
    except (KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{str(path)!r} is not a result of isi_keras. Pass a file written by "
            "`AttackResult.save` or `Explanation.save` (or by `isi-keras attack` and "
            "`isi-keras explain`)."
        ) from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{str(path)!r} has format version {version}, newer than the version "
            f"{FORMAT_VERSION} read here. Upgrade isi-keras."
        )
    return record, arrays


def write_atomically(path: Path, write) -> Path:
    """Calls `write(file)` on a new binary file beside `path`, then moves it to `path`.

    File and folder are synced: once this returns, the file outlives a power cut.

    Raises:
        OSError: if the folder cannot be written; the text names it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise OSError(
            f"Cannot write to the folder {str(path.parent)!r} ({error.strerror}). "
            "Choose a folder that exists or can be created and that you may write to."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
        _sync(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _sync(folder: Path) -> None:
    """Has the folder written to disk; systems that cannot open one do so by themselves."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
