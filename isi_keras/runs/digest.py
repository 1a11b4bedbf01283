"""What tells two runs apart: a sum of the hashes of their rows, however they were divided."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

_MODULUS = 2**128


def of_rows(first: int, columns: Mapping[str, np.ndarray | Sequence[np.ndarray]]) -> int:
    r"""The digest of some rows, from which that of a run is a sum.

    $$\sum_i h(i, \text{row}_i) \bmod 2^{128}$$

    with BLAKE2b for $h$: it does not depend on which rows lie in one shard.

    Args:
        first: the number of the first row in the whole run.
        columns: arrays `(N, ...)` by name, or lists of `N` arrays of any length.
    """
    names = sorted(columns)
    rows = [_bytes(columns[name]) for name in names]
    kinds = (f"{name} {columns[name][0].dtype}\n" for name in names if len(columns[name]))
    start = hashlib.blake2b("".join(kinds).encode())
    key, total = start.digest(), 0
    for number, parts in enumerate(zip(*rows, strict=True), first):
        found = hashlib.blake2b(key + number.to_bytes(8, "little"), digest_size=16)
        for part in parts:
            found.update(part)
        total += int.from_bytes(found.digest(), "little")
    return total % _MODULUS


def joined(digests: Iterable[int]) -> str:
    """The digest of a run as hexadecimal digits, from those of its shards."""
    return f"{sum(digests) % _MODULUS:032x}"


def _bytes(array: np.ndarray | Sequence[np.ndarray]) -> Iterable:
    """The bytes of each row."""
    if not isinstance(array, np.ndarray):
        return [np.ascontiguousarray(row).tobytes() for row in array]
    flat = np.ascontiguousarray(array).reshape(len(array), -1)
    return flat.view("uint8").reshape(len(array), -1)
