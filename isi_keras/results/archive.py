"""An `.npz` from anywhere: nothing is inflated before its directory and its headers are checked.

No pickle is read, no name is used as a path, and no more memory is taken than a limit allows.
"""

import math
import os
import re
import struct
import zipfile
import zlib
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAX_BYTES = "ISI_KERAS_MAX_BYTES"
"""The variable that says how many bytes a file may become in memory."""
WHOLE = "Copy it again from where it is whole."
"""What to do about a file that is damaged."""
_FREE, _RATIO = 2**26, 100
_DEFLATE = 1032
"""What was compressed by deflate cannot become more than so many times longer."""
_DIRECTORY, _HEADER, _RANK = 2**20, 10_000, 32
_END, _END_64, _LOCAL = b"PK\x05\x06", b"PK\x06\x07", b"PK\x03\x04"
_PART = 2**20
_NPY = re.compile(
    rb"\{'descr': '([<>|=])([biufU])(\d{1,10})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \}\s*"
)
_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError,
    NotImplementedError, OverflowError,
)  # fmt: skip
"""What reading a damaged zip file raises."""


class UnreadableError(ValueError):
    """A file is no result, or damaged; the text names it, the field, and what was expected."""


class Declared(NamedTuple):
    """What the header of an array says, before anything of it is read."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool = False
    begin: int = 0

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)


def limit(size: int, max_bytes: int | None = None, ratio: int = _RATIO) -> int:
    """How many bytes a file may become in memory.

    Args:
        size: of the file, in bytes.
        max_bytes: what the user says; `None` for the variable `ISI_KERAS_MAX_BYTES`, else 64 MiB
            or `ratio` times the file, whichever is more.
        ratio: how much longer it may become.

    Raises:
        ValueError: if it is no number of bytes.
    """
    given = os.environ.get(MAX_BYTES) if max_bytes is None else str(max_bytes)
    if not given:
        return max(_FREE, ratio * size)
    if not given.isdecimal() or len(given) > 18:
        raise ValueError(
            f"Expected {'max_bytes' if max_bytes is not None else MAX_BYTES} to be a number of "
            f"bytes. Received: {given!r}."
        )
    return int(given)


class Archive:
    """The arrays of an `.npz`, each checked before it is read.

    Args:
        file: opened for reading, from which parts can be read.
        name: of the file, for messages.
        max_bytes: how many bytes it may become in memory; see `limit`.

    Raises:
        UnreadableError: if it is no zip file of arrays, damaged, or too large; the text names it.
    """

    def __init__(self, file: BinaryIO, name: Any, max_bytes: int | None = None):
        self.name = str(name)
        size = file.seek(0, os.SEEK_END)
        most = limit(size, max_bytes)
        self._zip = opened(file, size, name, not_ours(name))
        self._members = self._checked(size, most)
        self._declared: dict[str, Declared] = {}

    @property
    def names(self) -> list[str]:
        """The names of the arrays, in the order of the file."""
        return list(self._members)

    def wrong(self, what: str) -> UnreadableError:
        """The error of a file that is damaged."""
        return damaged(self.name, what)

    def declared(self, name: str) -> Declared:
        """What the header of an array says; its size is that of its member."""
        if name not in self._declared:
            self._declared[name] = self._header(name)
        return self._declared[name]

    def read(self, name: str) -> np.ndarray:
        """An array."""
        told, info = self.declared(name), self._members[name]
        dtype, shape, fortran, begin = told
        flat = np.empty(info.file_size - begin, "uint8")
        try:
            with self._zip.open(info) as member:
                member.read(begin)
                place = 0
                while part := member.read(_PART):  # the last one compares the checksum
                    flat[place : place + len(part)] = np.frombuffer(part, "uint8")
                    place += len(part)
        except DAMAGED as error:
            raise self.wrong(f"{name!r} cannot be read, {_said(error)}") from error
        if place != len(flat):
            raise self.wrong(f"{name!r} ends too early")
        self._check_values(name, flat, dtype)
        array = flat.view(dtype) if dtype.itemsize else np.zeros(shape, dtype)
        array = array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
        return array.astype(dtype.newbyteorder("="), copy=False)

    def _checked(self, size: int, most: int) -> dict[str, zipfile.ZipInfo]:
        """The members by the names of their arrays."""
        found: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename.removesuffix(".npy")
            short = repr(name[:60])
            if not info.filename.endswith(".npy") or not _is_name(name):
                raise UnreadableError(
                    f"{self.name!r} holds {short}, which is no name of an array. Expected a file "
                    "that `save` wrote."
                )
            if name in found:
                raise UnreadableError(f"{self.name!r} holds {short} twice.")
            found[name] = info
        check_sizes(list(found.values()), size, most, self.name)
        return found

    def _header(self, name: str) -> Declared:
        info = self._members[name]
        try:
            with self._zip.open(info) as member:
                start = member.read(12)
                version = start[6:8]
                wide = version == b"\2\0"
                begin = 12 if wide else 10
                count = int.from_bytes(start[8:begin], "little")
                known = start[:6] == b"\x93NUMPY" and version in (b"\1\0", b"\2\0")
                if not known or count > _HEADER:
                    raise self.wrong(f"{name!r} does not begin as an array")
                text = (start[begin:] + member.read(count - (12 - begin)))[:count]
        except DAMAGED as error:
            if isinstance(error, UnreadableError):
                raise
            raise self.wrong(f"{name!r} cannot be read, {_said(error)}") from error
        found = _NPY.fullmatch(text)
        if found is None:
            raise UnreadableError(
                f"{self.name!r} holds {name!r} as no plain array. Expected numbers, truth values "
                "or text; objects are refused, as they can run code."
            )
        order, kind, length, fortran, shape = (part.decode() for part in found.groups())
        sizes = tuple(int(part) for part in shape.replace(" ", "").split(",") if part)
        item = int(length) * (4 if kind == "U" else 1)
        expected = math.prod(sizes) * item
        if len(sizes) > _RANK or int(length) not in _SIZES.get(kind, (int(length),)):
            raise self.wrong(f"{name!r} is of an unknown type or of too many axes")
        if begin + count + expected != info.file_size:
            raise self.wrong(
                f"the header of {name!r} says {expected:,} bytes, but there are "
                f"{max(0, info.file_size - begin - count):,}"
            )
        if math.prod(max(1, each) for each in sizes) * max(1, item) > max(_FREE, info.file_size):
            raise self.wrong(f"{name!r} has an impossible shape, {sizes}")
        return Declared(np.dtype(f"{order}{kind}{length}"), sizes, fortran == "True", begin + count)

    def _check_values(self, name: str, flat: np.ndarray, dtype: np.dtype) -> None:
        """Raises for bytes that are no truth value and no character."""
        if dtype.kind == "b" and flat.max(initial=0) > 1:
            raise self.wrong(f"{name!r} holds bytes that are no truth values")
        if dtype.kind == "U" and dtype.itemsize:
            points = flat.view(np.dtype("u4").newbyteorder(dtype.byteorder))
            if ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any():
                raise self.wrong(f"{name!r} holds what is no text")


def opened(file: BinaryIO, size: int, name: Any, other: Exception) -> zipfile.ZipFile:
    """A zip file whose end is there, and whose directory is of a size that can be read.

    Args:
        file: opened for reading.
        size: of it, in bytes.
        name: of it, for messages.
        other: the error to raise if it is no zip file.

    Raises:
        UnreadableError: if it is empty, truncated or damaged.
    """
    name = str(name)
    if not size:
        raise UnreadableError(f"{name!r} is empty. {WHOLE}")
    file.seek(max(0, size - 2**16 - 98))
    tail = file.read()
    place = tail.rfind(_END)
    file.seek(0)
    begins = file.read(4) == _LOCAL
    file.seek(0)
    if place < 0 or len(tail) < place + 22:
        if not begins:
            raise other
        raise UnreadableError(
            f"{name!r} is truncated: it begins as a zip file, but of its {size} bytes none are its "
            f"end. {WHOLE}"
        )
    entries, length = struct.unpack("<HI", tail[place + 10 : place + 16])
    if tail[place - 20 : place - 16] == _END_64 and place >= 76:
        entries, length = struct.unpack("<QQ", tail[place - 44 : place - 28])
    if length > _DIRECTORY or entries > _DIRECTORY // 46:
        raise damaged(name, "its directory is too long")
    try:
        return zipfile.ZipFile(file)
    except DAMAGED as error:
        raise damaged(name, f"its directory cannot be read, {_said(error)}") from error


def check_sizes(members: list[zipfile.ZipInfo], size: int, most: int, name: Any) -> None:
    """Raises unless the members of a zip file are as long as they can be, and as they may be.

    Args:
        members: as its directory says.
        size: of the file, in bytes.
        most: how many bytes all may become.
        name: of the file, for messages.

    Raises:
        UnreadableError: if they are not; the text names the member.
    """
    name = str(name)
    for info in members:
        short = repr(info.filename.removesuffix(".npy")[:60])
        if info.flag_bits & 1 or info.compress_type not in (0, 8):
            raise UnreadableError(
                f"{name!r} holds {short} encrypted or compressed in an unknown way. Expected a "
                "file as it was saved."
            )
        more = info.file_size - _DEFLATE * info.compress_size
        if more > 0 or (info.compress_type == 0 and info.file_size != info.compress_size):
            raise damaged(name, f"{short} is said to be longer than it can be")
    if sum(info.compress_size for info in members) > size:
        raise damaged(name, "its members overlap, or its end is missing")
    total = sum(info.file_size for info in members)
    if total > most:
        raise UnreadableError(
            f"{name!r} is of {size:,} bytes and would take {total:,} in memory, where {most:,} are "
            f"allowed. If you trust it, set {MAX_BYTES}={total}."
        )


def damaged(name: Any, what: str) -> UnreadableError:
    """The error of a file that is damaged."""
    return UnreadableError(f"{str(name)!r} is damaged: {what}. {WHOLE}")


def not_ours(name: Any) -> UnreadableError:
    """The error of a file that is something else."""
    return UnreadableError(
        f"{str(name)!r} is not a result of isi_keras. Pass a file written by `AttackResult.save` "
        "or `Explanation.save` (or by `isi-keras attack` and `isi-keras explain`)."
    )


def _is_name(name: str) -> bool:
    """Whether it may name an array: nothing that leads elsewhere if taken for a path."""
    parts = name.split("/")
    return bool(parts[0]) and ".." not in parts and name.isprintable() and "\\" not in parts[0]


def _said(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
