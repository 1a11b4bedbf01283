"""`Run`: what a run folder holds, read without loading it whole."""

import dataclasses
import json
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from isi_keras.results import (
    AttackResult,
    Result,
    RobustnessResult,
    Stored,
    as_path,
    write_atomically,
)
from isi_keras.results import parts as record_parts
from isi_keras.runs import bounds, digest, reading, shard_checks, shards
from isi_keras.runs.folder import INPUT, RunFolder
from isi_keras.runs.status import Status
from isi_keras.sources import Rows, hashes, of_spec
from isi_keras.tallies import Tallies

END = "stream.json"


class Run(Stored):
    """A run: a folder of shards, each a record of some samples.

    A loop over it gives a record of each shard, so that no more than one is in memory. `run[3]`,
    `run[10:20]` and `run[[3, 17]]` are the record of some samples, for which no other shards are
    read. `evaluate(run)` reads a table alone, and every plot takes a run, of which it reads all:
    for few samples of a large run draw `run[:12]`.

    Whole images are not stored. What changed is; the rest is read from the source again, and its
    hash compared.

    Args:
        path: the folder that `run` wrote, also elsewhere, as in `"s3://bucket/night"`.

    Raises:
        FileNotFoundError: if there is no run.

    Example:
        >>> import isi_keras as isi
        >>> from isi_keras.runs import _example
        >>> run = isi.Run(_example.folder())
        >>> print(run.status())
        3 of 3 shards done, 12 of 12 samples, 0.0 s of work
        >>> run[:5].success.tolist()
        [True, False, True, False, True]
    """

    def __init__(self, path: Any):
        self._folder = RunFolder(path)
        self.plan: dict[str, Any] = self._folder.plan()
        self._source: Rows | None = None
        self._each: dict[str, np.ndarray] | None = None

    @property
    def path(self) -> Any:
        """The folder."""
        return self._folder.path

    def __repr__(self) -> str:
        return f"Run({str(self._folder)!r})"

    def __len__(self) -> int:
        """How many samples there are, done or not; of a stream that has not ended those done."""
        total = self._end()[0]
        return self.status().samples_done if total is None else total

    def __iter__(self) -> Iterator[Result]:
        return (self._record(number) for number in self._done())

    def __getitem__(self, indices: Any) -> Result:
        return self.result(indices)

    def result(self, indices: Any = None) -> Result:
        """The record of all that is done, or of some samples.

        Args:
            indices: an integer, a slice, a list or array of integers, or a mask; `None` for all.

        Raises:
            IndexError: if a sample is not there, or not done yet.
            ValueError: if nothing is done; if the source has changed since; or if the samples are
                neither kept nor to be had, as those of a stream.
        """
        if indices is None:
            self._note_gaps()
            return Result.concatenate(list(self))
        wanted, found = record_parts.as_rows(indices, len(self)), []
        spans = {number: self._header(number)["span"] for number in self._done()}
        places = np.full(len(wanted), -1)
        for number, (begin, end) in spans.items():
            inside = np.flatnonzero((wanted >= begin) & (wanted < end))
            if len(inside):
                record = self._record(number)
                each = len(record) // (end - begin)
                rows = (wanted[inside] - begin)[:, None] * each + np.arange(each)
                places[inside] = sum(len(part) for part in found) // max(1, each) + np.arange(
                    len(inside)
                )
                found.append(record[rows.reshape(-1)])
        if (places < 0).any():
            missing = int(wanted[np.argmax(places < 0)])
            raise IndexError(f"Sample {missing} is not done yet: {self.status()}")
        if not found:
            raise IndexError("No samples were asked for.")
        joined = Result.concatenate(found)
        each = len(joined) // len(wanted)
        return joined[(places[:, None] * each + np.arange(each)).reshape(-1)]

    def table(self) -> Any:
        """A row of numbers for each sample that is done (of `hardness`, for each pair).

        Returns:
            A pandas DataFrame, whose index is the number of the row in the run; without pandas a
            dictionary of arrays, in which `"row"` is that number.
        """
        columns = self.columns()
        rows = columns.pop("row")
        try:
            import pandas
        except ImportError:
            return {"row": rows, **columns}
        return pandas.DataFrame(columns, index=pandas.Index(rows, name="row"))

    def columns(self) -> dict[str, np.ndarray]:
        """The table as arrays by name. What stopped each sample of an attack is a code, `stop`."""
        found = []
        for number in self._done():
            with self._opened(number) as (data, header):
                names = [name for name in data.names if name.startswith("table/")]
                columns = {name.partition("/")[2]: data.read(name) for name in names}
                shard_checks.check_table(columns, header, data.name)
            begin, end = header["span"]
            first = begin * (header["rows"] // (end - begin))
            found.append({"row": np.arange(first, first + header["rows"]), **columns})
        if not found:
            raise ValueError(f"Nothing is done yet in {str(self._folder)!r}.")
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def to_parquet(self, path: Any) -> Any:
        """Writes the table as Parquet, for pandas, DuckDB and others.

        Args:
            path: of the file.

        Raises:
            ImportError: if pandas or pyarrow is not there.
        """
        table = self.table()
        if isinstance(table, dict):
            raise ImportError("Writing Parquet needs pandas and pyarrow: pip install them.")
        return write_atomically(as_path(path), table.to_parquet)

    def status(self) -> Status:
        """How far the run is, and which shards failed."""
        samples, count = self._end()
        headers = [self._header(number) for number in self._done()]
        versions = {json.dumps(h["versions"], sort_keys=True): h["versions"] for h in headers}
        return Status(
            shards=count,
            done=len(headers),
            samples=samples,
            samples_done=sum(end - begin for begin, end in (h["span"] for h in headers)),
            failed={n: told["error"] for n, told in self._folder.failed().items()},
            seconds=sum(h["seconds"] for h in headers),
            versions=tuple(versions.values()),
        )

    def digest(self) -> str:
        """What tells runs apart: equal for equal results, whatever engine and shards were.

        It is of what is done so far, and of what was kept.
        """
        return digest.joined(int(self._header(n)["digest"], 16) for n in self._done())

    def measured(self) -> Tallies | RobustnessResult:
        """What `evaluate` needs: of an attack its table, which has the distances.

        Raises:
            TypeError: if it is a run of neither an attack nor `robustness`.
        """
        self._note_gaps()
        headers = [self._header(number) for number in self._done()]
        kinds = {header["record"] for header in headers} or {"nothing"}
        if kinds == {AttackResult.__name__}:
            columns = self.columns()
            return Tallies.from_columns(
                columns,
                shape=tuple(headers[0]["shape"]),
                data_format=headers[0]["data_format"],
                seconds=sum(header["seconds"] for header in headers),
            )
        if kinds == {RobustnessResult.__name__}:
            return Result.concatenate(self._without_images(number) for number in self._done())  # pyright: ignore
        raise TypeError(
            f"Expected a run of an attack or of `robustness`. Received: one of {', '.join(kinds)}."
        )

    def _without_images(self, number: int) -> Result:
        with self._opened(number) as (data, header):
            names = [name for name in data.names if not name.startswith("delta/")]
            arrays = {name: data.read(name) for name in names}
            place = data.name
        nothing = np.zeros((header["rows"], *[0] * len(header["shape"])), header["dtype"])
        header = {**header, "absent": [], "x": "source"}
        arrays |= {"record/adversarial": nothing}
        return shards.unpacked(arrays, header, nothing, place, empty=True)

    def _record(self, number: int) -> Result:
        with self._opened(number) as (data, header):
            x = self._samples(number, header) if header.get("x") == "source" else None
            arrays = {name: data.read(name) for name in data.names}
            return self._with_bounds(shards.unpacked(arrays, header, x, data.name), header["span"])

    def _with_bounds(self, record: Result, span: Sequence[int]) -> Result:
        """The record with the bounds of its samples, where they differ."""
        spec = self.plan["method"]
        if bounds.EACH not in spec:
            return record
        if self._each is None:
            self._each = bounds.read(self._folder, spec)
        config = bounds.between(spec["component"], self._each, *span)
        return dataclasses.replace(record, config=config)  # pyright: ignore[reportCallIssue]

    def _samples(self, number: int, header: dict[str, Any]) -> Any:
        if header["absent"]:
            return None
        if self.plan["source"]["kind"] == "stream":
            raise ValueError(
                "The samples of a stream cannot be read again, and the run did not keep them. Run "
                "it with keep=('adversarial', 'x')."
            )
        if self._source is None:
            self._source = of_spec(self.plan["source"], self.path / INPUT)  # pyright: ignore
        x, y = self._source.rows(*header["span"])  # pyright: ignore
        if hashes.of_arrays(x, y) != header["input"]:
            raise ValueError(
                f"The source has changed since shard {number} was computed: other samples are "
                f"where {header['span'][0]} to {header['span'][1] - 1} were."
            )
        return x

    def _opened(self, number: int) -> Any:
        return reading.opened(self._folder, number)

    def _header(self, number: int) -> dict[str, Any]:
        return reading.header_of(self._folder, number)

    def _done(self) -> Sequence[int]:
        return self._folder.done()

    def _end(self) -> tuple[int | None, int | None]:
        """How many samples and shards there are, if that is known."""
        if self.plan["samples"] is not None:
            return self.plan["samples"], self.plan["shards"]
        place = self.path / END
        if not place.exists():
            return None, None
        return self._folder.end(place)

    def _note_gaps(self) -> None:
        count, done = self._end()[1], len(self._done())
        if count is None or done < count:
            of = "" if count is None else f" of {count}"
            warnings.warn(
                f"The run in {str(self._folder)!r} is not finished: this is of {done}{of} shards.",
                stacklevel=3,
            )
