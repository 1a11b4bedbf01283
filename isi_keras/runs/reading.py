"""The file of a shard, read in parts."""

import contextlib
from collections.abc import Iterator
from typing import Any

from isi_keras.results import files
from isi_keras.results.archive import WHOLE, Archive, UnreadableError
from isi_keras.runs import shard_checks
from isi_keras.runs.folder import RunFolder


def header_of(folder: RunFolder, number: int) -> dict[str, Any]:
    """What the header of a shard says."""
    with opened(folder, number) as (_, header):
        return header


@contextlib.contextmanager
def opened(folder: RunFolder, number: int) -> Iterator[tuple[Archive, dict[str, Any]]]:
    """The arrays of a shard, read when they are asked for, and its header.

    Raises:
        ValueError: if it cannot be read; the text says what to do.
    """
    place = folder.shard(number)
    with folder.opened(place) as file:
        try:
            data = Archive(file, place)
            header = files.header_of(data)
            told, run = (header.get("run"), header.get("shard")), folder.identity
            if told != (run, number):
                raise ValueError(
                    f"{str(place)!r} belongs to another run or place: it says shard {told[1]} of "
                    f"run {told[0]}. Remove it: the next start computes it anew."
                )
            shard_checks.check_header(header, place)
            yield data, header
        except UnreadableError as error:
            why = str(error).removeprefix(f"{str(place)!r} ").removesuffix(WHOLE).rstrip(". ")
            raise ValueError(
                f"{str(place)!r} is damaged ({why}). Remove it: the next start computes it anew."
            ) from error
