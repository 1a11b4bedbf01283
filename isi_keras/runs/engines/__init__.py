"""Who does the shards: `(path, identity, tasks, workers)` to what `work.do` returned, as it comes.

`tasks` gives `(number, rows or None)` one after another; an engine takes no more than it has
workers for, or a few. Whoever computes a shard, and however often, publishes the same file.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from isi_keras.runs.engines.clusters import dask, ray
from isi_keras.runs.engines.processes import processes

Engine = Callable[[str, str, Iterable[tuple[int, Any]], int], Iterator[dict[str, Any]]]

NAMES: dict[str, Engine] = {"processes": processes, "ray": ray, "dask": dask}

__all__ = ["NAMES", "Engine", "dask", "processes", "ray"]
