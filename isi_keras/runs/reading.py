"""The file of a shard, read in parts."""

import contextlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from isi_keras.runs.folder import RunFolder

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError)


def header_of(folder: RunFolder, number: int) -> dict[str, Any]:
    """What the header of a shard says."""
    with opened(folder, number) as (_, header):
        return header


@contextlib.contextmanager
def opened(folder: RunFolder, number: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The arrays of a shard, read when they are asked for, and its header.

    Raises:
        ValueError: if it cannot be read; the text says what to do.
    """
    place = folder.shard(number)
    with folder.opened(place) as file:
        try:
            data = np.load(file, allow_pickle=False)
            header = json.loads(str(data["__header__"]))
        except (*_DAMAGED, ValueError, KeyError, IndexError) as error:
            raise _damaged(place, error) from error
        told, run = (header.get("run"), header.get("shard")), folder.identity
        if told != (run, number):
            raise ValueError(
                f"{str(place)!r} belongs to another run or place: it says shard {told[1]} of run "
                f"{told[0]}. Remove it: the next start computes it anew."
            )
        with data:
            try:
                yield data, header
            except _DAMAGED as error:
                raise _damaged(place, error) from error


def _damaged(place: Any, error: Exception) -> ValueError:
    return ValueError(
        f"{str(place)!r} is damaged ({error}). Remove it: the next start computes it anew."
    )
