"""Where files are written: on this machine, or elsewhere by universal-pathlib; whole or absent."""

import io
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.request import url2pathname


def as_path(path: Any) -> Any:
    """A path; of a place elsewhere, such as `"s3://bucket/night"`, one of universal-pathlib.

    `~` at the beginning of a text is the folder of the user.

    Raises:
        ImportError: if it is elsewhere, and universal-pathlib is not installed.
        ValueError: if a `Path` was made of such a place, or nothing is known of its protocol.
    """
    if isinstance(path, str) and path[:7].lower() == "file://":
        host, _, place = path[7:].partition("/")
        if host not in ("", "localhost"):
            raise ValueError(
                f"{path!r} names a file of the machine {host!r}. One of this machine has three "
                f"slashes: 'file:///{host}/{place}'."
            )
        return Path(url2pathname(f"/{place}"))
    if hasattr(path, "protocol") and not isinstance(path, Path):
        return path
    if not re.match(r"[A-Za-z][\w+.-]*://", str(path)):
        check_here(Path(path))
        return Path(path).expanduser() if isinstance(path, str) else Path(path)
    try:
        from upath import UPath  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            f"{str(path)!r} is not on this machine. Reaching it needs universal-pathlib: "
            "pip install 'isi-keras[remote]'."
        ) from error
    try:
        place = UPath(path)
    except ValueError as error:
        raise ValueError(
            f"Nothing is known of places such as {str(path)!r} ({error}). Take a protocol of "
            "fsspec that is written to as files are, as in 's3://bucket/night'."
        ) from error
    if isinstance(place, Path):  # of versions before 0.3, which would be taken for one of here
        raise ImportError(
            f"{str(path)!r} needs universal-pathlib 0.3 or newer: "
            "pip install --upgrade 'isi-keras[remote]'."
        )
    return place


def write_atomically(path: Any, write: Callable[[BinaryIO], Any]) -> Any:
    """Calls `write(file)` on a new binary file beside `path`, then moves it to `path`.

    File and folder are synced: once this returns, the file outlives a power cut. A place elsewhere,
    which is a path of universal-pathlib, gets the whole file by one PUT.

    Raises:
        OSError: if the folder cannot be written; the text names it.
        ValueError: if the path lost what says where it is; see `check_here`.
    """
    if not isinstance(path, Path):
        return _put(path, write)
    check_here(path)
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


def check_here(path: Path) -> None:
    """Raises if an address was made a path, as `Path("s3://bucket/a")`: a folder named `s3:`.

    Raises:
        ValueError: if it was.
    """
    protocol, colon, place = path.as_posix().partition(":/")
    if colon and re.fullmatch(r"[A-Za-z][\w+.-]+", protocol):
        slashes = ":///" if protocol.lower() == "file" else "://"
        address = f"{protocol}{slashes}{place.lstrip('/')}"
        raise ValueError(
            f"{str(path)!r} is an address that lost a slash, as pathlib.Path takes it away. "
            f"Pass text: {address!r}."
        )


def _put(path: Any, write: Callable[[BinaryIO], Any]) -> Any:
    """Writes a file elsewhere, in a folder that is made where such places have folders."""
    with io.BytesIO() as file:
        write(file)
        data = file.getvalue()
    try:
        path.write_bytes(data)
    except NotImplementedError as error:
        raise OSError(
            f"{str(path)!r} can be read but not written. Take a place that is written to as files "
            "are, as in 's3://bucket/night'."
        ) from error
    except FileNotFoundError as error:
        if path.drive and not path.fs.exists(path.drive):
            raise FileNotFoundError(
                f"There is no bucket {path.drive!r} to write {str(path)!r} to. Make it, or take "
                "another."
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
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
