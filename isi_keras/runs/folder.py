"""A run on disk: `run.json` (what), `shards/NNNNNN.npz` (done), `failed/NNNNNN.json` (why not)."""

import contextlib
import functools
import json
import os
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from isi_keras.results import as_path, write_atomically

try:
    import fcntl
except ImportError:  # not on Windows, where two starts on one folder do work twice, not wrong
    fcntl = None

FORMAT = 1
_COUNT = (int, type(None))
_NEEDED = {
    "format": int,
    "id": str,
    "method": dict,
    "model": dict,
    "source": dict,
    "call": dict,
    "samples": _COUNT,
    "shard_size": int,
    "shards": _COUNT,
}
_MOST = 2**40
PLAN, SHARDS, FAILED, INPUT = "run.json", "shards", "failed", "input"
_BLOCK = 2**16  # of a remote file no more is fetched at once than a table needs


class RunFolder:
    """Reads and writes the files of a run.

    Args:
        path: the folder, a path or what `as_path` makes one of.
    """

    def __init__(self, path: Any):
        self.path = as_path(path)
        self.local = isinstance(self.path, Path)

    def __str__(self) -> str:
        return str(self.path)

    def expect_folder(self) -> None:
        """Raises if a file is where the folder is to be, or a folder above it."""
        for place in (self.path, *self.path.parents) if self.local else ():
            if place.exists() and not place.is_dir():
                raise NotADirectoryError(
                    f"{str(place)!r} is a file. A run is a folder: take another name for `out`."
                )

    def plan(self) -> dict[str, Any]:
        """What `run.json` holds.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is damaged, or of a later version.
        """
        place = self.path / PLAN
        if not place.exists():
            raise FileNotFoundError(f"There is no run in {str(self)!r}: it has no {PLAN}.")
        try:
            plan = json.loads(place.read_text())
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{str(place)!r} is damaged ({error}). The shards are kept: put the file back, or "
                "take another folder."
            ) from error
        missing = set(_NEEDED).difference(plan if isinstance(plan, dict) else ())
        if missing or plan["format"] != FORMAT:
            what = f"lacks {sorted(missing)[0]!r}" if missing else f"is of format {plan['format']}"
            raise ValueError(f"{str(place)!r} is no run that this version reads: it {what}.")
        for name, types in _NEEDED.items():
            value = plan[name]
            if not isinstance(value, types) or (isinstance(value, int) and not 0 <= value < _MOST):
                raise ValueError(
                    f"{str(place)!r} is no run: it says {name}={reprlib.repr(value)}. Put the file "
                    "back as it was, or take another folder."
                )
        return plan

    def end(self, place: Any) -> tuple[int, int]:
        """How many samples and shards a stream had, of the file that says so.

        Raises:
            ValueError: if it does not.
        """
        try:
            found = json.loads(place.read_text())
            counts = found["samples"], found["shards"]
            if not all(type(count) is int and 0 <= count < _MOST for count in counts):
                raise ValueError(f"it says {counts}")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f"{str(place)!r} is damaged ({error}). Remove it: the next start writes it anew."
            ) from error
        return counts

    @functools.cached_property
    def identity(self) -> str:
        """The `id` of its plan, read once."""
        return self.plan()["id"]

    def shard(self, number: int) -> Any:
        """The file of a shard."""
        return self.path / SHARDS / f"{number:06d}.npz"

    def failure(self, number: int) -> Any:
        """The file that says why a shard failed."""
        return self.path / FAILED / f"{number:06d}.json"

    def done(self) -> list[int]:
        """The numbers of the shards that are there, ascending."""
        return self._numbers(SHARDS, ".npz")

    def failed(self) -> dict[int, dict[str, Any]]:
        """By their numbers why shards failed that are not there."""
        done = set(self.done())
        numbers = [number for number in self._numbers(FAILED, ".json") if number not in done]
        return {number: self._told(self.failure(number)) for number in numbers}

    def _told(self, place: Any) -> dict[str, Any]:
        try:
            told = json.loads(place.read_text())
            return {**told, "error": str(told["error"])}
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": f"{place.name} does not say why: it is damaged"}

    def _numbers(self, folder: str, suffix: str) -> list[int]:
        place = self.path / folder
        if not place.exists():
            return []
        files = [Path(file.name) for file in place.iterdir()]
        found = (file for file in files if file.suffix == suffix and file.stem.isdecimal())
        return sorted(int(file.stem) for file in found)

    def commit(self, place: Any, data: bytes) -> None:
        """Puts a file there, whole or not at all: by one rename, or one PUT.

        Raises:
            OSError: if it cannot be written.
        """
        write_atomically(place, lambda file: file.write(data))

    @contextlib.contextmanager
    def opened(self, place: Any) -> Iterator[BinaryIO]:
        """A file, of which parts can be read."""
        if self.local:
            with open(place, "rb") as file:
                yield file
        else:
            with place.fs.open(place.path, "rb", block_size=_BLOCK) as file:
                yield file

    @contextlib.contextmanager
    def held(self, part: tuple[int, int]) -> Iterator[None]:
        """Keeps others on this machine from the same part; the kernel lets go when we die.

        What a killed writer left half-written is removed, unless others work on the folder.

        Raises:
            RuntimeError: if another process works on it.
        """
        if fcntl is None or not self.local:
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            name = ".lock" if part == (0, 1) else f".lock-{part[0]}-{part[1]}"
            own = stack.enter_context(open(self.path / name, "w"))
            try:
                fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RuntimeError(
                    f"Another process works on {str(self)!r}. Wait for it, or give each a part of "
                    "its own: part=(0, 2) and part=(1, 2)."
                ) from None
            everybody = stack.enter_context(open(self.path / ".lock-all", "w"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(everybody, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._clean()
            fcntl.flock(everybody, fcntl.LOCK_SH)
            yield

    def _clean(self) -> None:
        for folder in ("", SHARDS, FAILED, INPUT):
            for left in (self.path / folder).glob(".*.*"):
                if left.is_file() and not left.name.startswith(".lock"):
                    os.unlink(left)
