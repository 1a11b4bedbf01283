"""What a record is: fields that can be cut, joined, written and read."""

import copy
import dataclasses
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from isi_keras import _html
from isi_keras.results import fields, files, own_bounds, parts, provenance, reading
from isi_keras.results.archive import UnreadableError
from isi_keras.results.schema import Entries


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Base of the records: fields that are arrays, numbers, words, dictionaries or `None`.

    `len(result)` is its number of rows: of samples, or of attempts in a sweep. `result[indices]` is
    the record of some of them, where `indices` is an integer, a slice, a list or an array of
    integers, or a mask. A loop over a record gives records of one row.

    `config` is `{"class_name": ..., "config": ...}`: the attack or the indicator that made the
    record, or the function and what it was called with.

    `provenance` says which model made it, on what: `{"model": {"name", "parameters", "sha256",
    "hashed"}, "backend", "versions"}`, as in `result.provenance["model"]["sha256"]`. The hash is of
    the architecture, names aside, and of the weights: on all backends the same for the same model.
    A part of a record has a copy. It is `None` for records that were made by hand, and for files of
    before it was recorded.
    """

    provenance: Annotated[fields.Made[Mapping[str, Any] | None], Entries()] = dataclasses.field(
        default=None, kw_only=True
    )

    def __len__(self) -> int:
        value = getattr(self, self._first_of_rows())
        return len(next(iter(value.values())) if isinstance(value, Mapping) else value)

    def __getitem__(self, indices: Any) -> Self:
        count = len(self)
        rows = parts.as_rows(indices, count)
        values: dict[str, Any] = {}
        for field in fields.of(type(self)):
            value = getattr(self, field.name)
            if field.axis.counts == fields.ROWS:
                value = parts.cut(value, rows)
            elif field.axis.counts == fields.DIVIDED:
                value = value * len(rows) / max(count, 1)
            elif field.axis.counts == fields.BOUNDED:
                value = own_bounds.cut(value, rows, count, _rank(self))
            elif field.axis.counts == fields.MADE:
                value = copy.deepcopy(value)
            values[field.name] = value
        for field in fields.of(type(self)):
            if field.axis.until is not None and values[field.name] is not None:
                longest = int(values[field.axis.until].max(initial=0))
                values[field.name] = values[field.name][:, : longest + 1]
        return type(self)(**values)

    @classmethod
    def concatenate(cls, results: Iterable["Result"]) -> Self:
        """Joins records of one class, the rows of the first before those of the second and so on.

        What counts rows is put together, bounds of each sample among it, seconds are added, and
        all else must be the same in all of them: the configuration, and the model as `provenance`
        tells it. Versions may differ; then it tells each.

        Args:
            results: at least one record.

        Raises:
            TypeError: if they are not records of one class, or not of the class it is called on.
            ValueError: if there is none, or they do not fit together; the text names what differs.
        """
        given = list(results)
        if not given:
            raise ValueError("Expected at least one record to join. Received: none.")
        kind = type(given[0])
        for number, result in enumerate(given):
            if type(result) is not kind or not isinstance(result, cls):
                wanted = cls if cls is not Result else kind
                raise TypeError(
                    f"Expected each part to be of the class {wanted.__name__}. Received: "
                    f"{type(result).__name__} as part {number}."
                )
        values: dict[str, Any] = {}
        for field in fields.of(kind):
            found = [getattr(result, field.name) for result in given]
            if field.axis.counts == fields.ROWS:
                values[field.name] = parts.joined(field, found)
            elif field.axis.counts == fields.DIVIDED:
                values[field.name] = sum(found)
            elif field.axis.counts == fields.MADE:
                values[field.name] = provenance.joined(found)
            elif field.axis.counts == fields.BOUNDED:
                counts = [len(result) for result in given]
                values[field.name] = own_bounds.joined(found, counts, _rank(given[0]))
            else:
                values[field.name] = parts.same(field.name, found)
        return kind(**values)  # pyright: ignore[reportReturnType]

    def __repr__(self) -> str:
        name, count = self._first_of_rows(), len(self)
        value = getattr(self, name)
        if isinstance(value, Mapping):
            said = f"{name} of {len(value)} inputs"
        else:
            said = f"{name} {value.dtype} {value.shape}"
        config = getattr(self, "config", {})
        maker = f"; made by {config['class_name']}" if "class_name" in config else ""
        return f"{type(self).__name__}({count} row{'s' * (count != 1)}; {said}{maker})"

    def save(self, path: str | os.PathLike) -> Path:
        """Writes the record as a compressed `.npz` without pickles.

        The file appears whole or not at all: it is written beside its place and then moved there.

        Args:
            path: where to write; `.npz` is appended if it is missing.

        Returns:
            The path of the file.

        Raises:
            OSError: if the folder cannot be written; the text names it.

        Warns:
            UserWarning: if `load` will not read it as it is; the file is there all the same.
        """
        arrays = self.to_arrays()
        written = files.write(path, type(self).__name__, arrays)
        try:
            type(self).from_arrays(arrays, written)
            files.check_size(written, arrays)
        except ValueError as error:
            warnings.warn(
                f"The record is saved, but will not be read as it is: {error}", stacklevel=2
            )
        return written

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The record as arrays by name, which `numpy.savez` writes without pickles.

        A dictionary of rows has an array for each of its entries, named `field/entry`; what all
        rows share is JSON.
        """
        arrays: dict[str, np.ndarray] = {}
        for field in fields.of(type(self)):
            value = getattr(self, field.name)
            if isinstance(value, Mapping) and field.axis.counts == fields.ROWS:
                arrays |= {f"{field.name}/{name}": array for name, array in value.items()}
            elif isinstance(value, Mapping):
                arrays[field.name] = np.array(json.dumps(value))
            elif value is not None:
                arrays[field.name] = np.asarray(value)
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], path: Any = "arrays", *, empty: bool = False
    ) -> Self:
        """Builds the record back from what `to_arrays` returned.

        Args:
            arrays: by name.
            path: where they come from, for the text of an error.
            empty: whether samples may have no inputs, where images are left out.

        Raises:
            ValueError: if one is missing, none of the record's, or not as its field declares.
        """
        values = reading.values_of(cls, arrays, path, empty)
        try:
            record = cls(**values)
            provenance.check(record.provenance)
            cls._verify(record)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            said = str(error).rstrip(".")
            raise UnreadableError(
                f"{str(path)!r} is no {cls.__name__} that can be read: {said}."
            ) from error
        return record

    @classmethod
    def load(cls, path: str | os.PathLike, *, max_bytes: int | None = None) -> Self:
        """Reads a record back, also one that an earlier version of the format saved.

        The file may come from anywhere: nothing in it is run, and it is compared with what the
        record declares before more memory is taken than its parts say, and these may.

        Called on a class it expects that record; called on `Result` it returns whichever is there.

        Args:
            path: a file that `save` wrote.
            max_bytes: how many bytes it may take in memory; `None` for what the environment
                variable `ISI_KERAS_MAX_BYTES` says, else 64 MiB or 100 times the size of the file,
                whichever is more.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is not such a record, is damaged or truncated, would take more
                memory, or was written by a newer version. The text names the file, and where it is
                one the field.
        """
        with files.opened(path, max_bytes) as held:
            kind = named(held.record, path)
            if not issubclass(kind, cls):
                raise ValueError(
                    f"{str(path)!r} holds {held.record}, not {cls.__name__}. "
                    f"Try {held.record}.load({str(path)!r})."
                )
            reading.check_headers(kind, held.headers(), path)
            arrays = held.arrays()
        return kind.from_arrays(arrays, path)  # pyright: ignore[reportReturnType]

    def _verify(self) -> None:
        """Raises a ValueError for what no field says by itself; overridden where there is some."""

    def _repr_html_(self) -> str:
        """What a notebook shows: each field with its type and shape, numbers and words as they are.

        The public face of it is `repr`, and `report` for what is in it.
        """
        rows = [(field.name, _said(getattr(self, field.name))) for field in fields.of(type(self))]
        return _html.table(repr(self), rows)

    def report(self, path: str | os.PathLike | None = None, **options: Any) -> Any:
        """The report of the record alone, as `isi_keras.report` makes it of several.

        Args:
            path: where to write it, `.html`, `.md` or `.json`; nothing is written if `None`.
            options: of `isi_keras.report`, such as `classes`.

        Returns:
            A `reporting.Page`, which a notebook shows.
        """
        import isi_keras

        return isi_keras.report(self, path, **options)  # pyright: ignore[reportCallIssue]

    def _first_of_rows(self) -> str:
        counted = [field for field in fields.of(type(self)) if field.axis.counts == fields.ROWS]
        return counted[0].name


def _said(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, Mapping) and "class_name" in value:
        return str(value["class_name"])
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_said(entry)}" for name, entry in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def named(record: str, path: Any) -> type[Result]:
    """The class of records of a name.

    Raises:
        ValueError: if there is none; the text says that `path` holds it.
    """
    kind = {kind.__name__: kind for kind in Result.__subclasses__()}.get(record)
    if kind is None:
        raise UnreadableError(
            f"{str(path)!r} holds {record}, which is not known. Import the module that "
            "defines it first."
        )
    return kind


def _rank(result: Any) -> int:
    """How many axes the inputs that moved have, the samples among them."""
    return np.ndim(result.x)
