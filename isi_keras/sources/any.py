"""Whatever the user calls data, as rows or as a stream."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras import _checks, _nested
from isi_keras.sources import factories, files, folders, hashes
from isi_keras.sources.rows import Rows, Several, as_array, as_labels, write_array
from isi_keras.sources.streams import KINDS, Stream, is_stream, stream_of

SUFFIXES = files.SUFFIXES


def of(source: Any, y: Any = None, images: folders.Format | None = None) -> Rows | Stream:
    """A source of samples.

    Args:
        source: an array `(N, ...)`, or a dictionary of arrays by the names of a model's inputs, or
            a pair of one of these and its labels; a pandas DataFrame; a path of an `.npy`, `.npz`,
            `.csv`, `.parquet`, `.h5` or `.zarr`, of an image or a folder of images; a stream
            (`tf.data.Dataset`, `keras.utils.PyDataset`, a torch DataLoader, a generator of batches
            or a function that makes one); or `"module:function"`, a function that each worker
            calls and that returns one of these.
        y: the labels, `(N,)`, in place of those of the source; of a table the name of the column
            that holds them; `None` for those of the source, `False` for none.
        images: what the model takes, for images.

    Raises:
        TypeError: if it is none of these.
        ValueError: if it cannot be read, or the labels are not as many as the samples.
        FileNotFoundError: if there is no such file.
    """
    column = y if isinstance(y, str) else None
    if column is not None and not _has_columns(source):
        raise ValueError(
            f"y={_checks.shown(y)} would be the column of a table, and {type(source).__name__} is "
            "none. Pass "
            "the labels themselves, or a DataFrame or the path of a .csv or .parquet."
        )
    found = _of(source, column, images)
    if y is None or column is not None:
        return found
    if isinstance(found, Stream):
        if y is False:
            return Stream(lambda: (_inputs(batch) for batch in found.batches()))
        raise ValueError("Labels come with the batches of a stream, as (x, y). Leave y out.")
    return Relabelled(found, None if y is False else as_labels(y))


def _has_columns(source: Any) -> bool:
    """Whether something is a table, or a function that may make one."""
    path = isinstance(source, str | Path) and Path(source).suffix.lower() in files.TABLES
    return path or hasattr(source, "columns") or factories.is_name(source)


def _of(source: Any, column: str | None, images: folders.Format | None) -> Rows | Stream:
    if isinstance(source, Rows | Stream):
        return source
    if factories.is_name(source) and not Path(source).exists():
        return of_spec({"kind": "factory", "name": source, "column": column}, images=images)
    if isinstance(source, str | Path):
        return files.of_path(Path(source), column, images)
    if is_stream(source):
        return stream_of(source)
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):
        return files.of_frame(source, column)
    x, labels = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    try:
        if isinstance(x, Mapping):
            parts = _nested.of_data(x).items()
            return Several({str(name): as_array(part) for name, part in parts}, as_labels(labels))
        return files.described(as_array(x), as_labels(labels))
    except TypeError as error:
        raise TypeError(
            f"Expected samples: an array, a pair (x, y), a path, or {KINDS}. {error}"
        ) from error


def of_spec(
    spec: dict[str, Any], folder: Path | None = None, images: folders.Format | None = None
) -> Rows | Stream:
    """The source that JSON describes.

    Args:
        spec: what `Rows.spec` is.
        folder: where the arrays of a run are that were given in memory.
        images: what the model takes; for a factory that names a folder of images.
    """
    kind = spec["kind"]
    spec = dict(spec)
    if kind == "stream":
        raise ValueError("A stream cannot be read again by itself. Pass it once more.")
    if kind == "factory":
        found = _of_factory(spec)
    elif kind == "relabelled":
        y = files.load(folder / spec["y"]) if spec["y"] else None  # pyright: ignore
        found = Relabelled(of_spec(spec["of"], folder), y)  # pyright: ignore[reportArgumentType]
        found.spec = spec
    elif kind == "images":
        found = folders.Folder.of_spec(spec)
    else:
        found = files.of_spec(spec, folder)
    return found.first(spec.get("samples"))


def _of_factory(spec: dict[str, Any]) -> Rows:
    made = factories.function(spec["name"])(**spec.get("options", {}))
    found = _of(made, spec.get("column"), None)
    if isinstance(found, Stream):
        raise TypeError(
            f"{spec['name']!r} returns a stream, which workers cannot read by number. Pass the "
            "stream itself."
        )
    given = hashlib.sha256(json.dumps(_movable(found.described()), sort_keys=True).encode())
    wanted = spec.setdefault("sha256", given.hexdigest())
    if given.hexdigest() != wanted:
        raise ValueError(
            f"{spec['name']!r} gives other samples here than where the run was begun. Let it read "
            "the same ones each time, or draw them with a fixed seed."
        )
    return Made(found, spec)


def _movable(spec: dict[str, Any]) -> dict[str, Any]:
    """A description without the places of files, which are the affair of a machine."""
    kept = {key: value for key, value in spec.items() if key != "path"}
    return {k: _movable(v) if isinstance(v, dict) else v for k, v in kept.items()}


class Made(Rows):
    """Samples that a function makes anew in each worker."""

    def __init__(self, source: Rows, spec: dict[str, Any]):
        self.source, self.spec, self.names = source, spec, source.names

    def __len__(self) -> int:
        return len(self.source)

    def rows(self, begin, end):
        """The samples that the function gives."""
        return self.source.rows(begin, end)

    def first(self, count):
        """The first of them."""
        if count is None or count >= len(self):
            return self
        return Made(self.source.first(count), {**self.described(), "samples": count})


class Relabelled(Rows):
    """Samples with other labels than those they come with, or none."""

    def __init__(self, source: Rows, y: np.ndarray | None):
        if y is not None and y.shape[:1] != (len(source),):
            raise ValueError(
                f"Expected a label for each sample. Received: {len(source)} samples, y of shape "
                f"{y.shape}."
            )
        self.source, self.y, self.names, self.spec = source, y, source.names, None

    def __len__(self) -> int:
        return len(self.source)

    def rows(self, begin, end):
        """The samples with these labels."""
        return self.source.rows(begin, end)[0], None if self.y is None else self.y[begin:end]

    def first(self, count):
        """The first of them."""
        if count is None or count >= len(self):
            return self
        return Relabelled(self.source.first(count), None if self.y is None else self.y[:count])

    def described(self):
        """The source and the labels, which are in memory."""
        if self.spec is None:
            spec: dict[str, Any] = {"kind": "relabelled", "of": self.source.described(), "y": None}
            if self.y is not None:
                spec |= {"y": "labels.npy", "y_sha256": hashes.of_arrays(self.y)}
            self.spec = spec
        return self.spec

    def spill(self, folder):
        """Writes the labels, and what of the source is in memory."""
        self.source.spill(folder)
        if self.y is not None:
            write_array(folder / "labels.npy", self.y)


def _inputs(batch: Any) -> Any:
    return batch[0] if isinstance(batch, tuple | list) else batch
