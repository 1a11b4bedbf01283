"""What a record is, and how it is written and read."""

import dataclasses
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """Base of the records: fields that are arrays, numbers, dictionaries or `None`."""

    def save(self, path: str | os.PathLike) -> Path:
        """Writes the record as a compressed `.npz` without pickles.

        The file appears whole or not at all: it is written beside its place and then moved there.

        Args:
            path: where to write; `.npz` is appended if it is missing.

        Returns:
            The path of the file.

        Raises:
            OSError: if the folder cannot be written; the text names it.
        """
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        header = {"record": type(self).__name__, "version": FORMAT_VERSION}
        fields: dict[str, Any] = {"__header__": _encode(header)}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Mapping) and field.name != "config":
                fields |= {f"{field.name}/{name}": array for name, array in value.items()}
            elif value is not None:
                fields[field.name] = _encode(value)

        def write(file):
            np.savez_compressed(file, **fields)

        return write_atomically(path, write)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads a record back.

        Called on a class it expects that record; called on `Result` it returns whichever is there.

        Args:
            path: a file that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is not such a record, or was written by a newer version.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"There is no file {str(path)!r}.")
        try:
            with np.load(path, allow_pickle=False) as data:
                header = json.loads(str(data["__header__"]))
                record, version = header["record"], header["version"]
                arrays = {name: data[name] for name in data.files if name != "__header__"}
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
        kinds = {kind.__name__: kind for kind in Result.__subclasses__()}
        kind = kinds.get(record)
        if kind is None or not issubclass(kind, cls):
            raise ValueError(
                f"{str(path)!r} holds {record}, not {cls.__name__}. "
                f"Try {record}.load({str(path)!r})."
            )
        known = {field.name: field.type for field in dataclasses.fields(kind)}
        values: dict[str, Any] = {k: None for k, of in known.items() if type(None) in get_args(of)}
        for name, array in arrays.items():
            field, _, entry = name.partition("/")
            if entry:
                values[field] = {**(values.get(field) or {}), entry: array}
            else:
                values[field] = _decode(array, known[field])
        return kind(**values)  # pyright: ignore[reportReturnType]


def write_atomically(path: Path, write) -> Path:
    """Calls `write(file)` on a new binary file beside `path`, then moves it to `path`.

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
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _encode(value: Any) -> np.ndarray:
    if isinstance(value, Mapping):
        return np.array(json.dumps(value))
    return np.asarray(value)


def _decode(array: np.ndarray, kind: Any) -> Any:
    if kind is float:
        return float(array)
    if kind is str:
        return str(array)
    if array.dtype.kind == "U" and array.ndim == 0:
        return json.loads(str(array))
    return array
