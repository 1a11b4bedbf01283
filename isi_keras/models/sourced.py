"""Sources in place of arrays: what is called with one goes through it, some samples at a time."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from isi_keras import _nested, sources
from isi_keras.domain import Domain
from isi_keras.models import provenance
from isi_keras.models.inputs import as_batch_size
from isi_keras.results import Result
from isi_keras.sources import Rows, Stream, folders, pixels, tables
from isi_keras.sources.rows import BATCH, BATCHES, as_labels

_READ = ("h5py", "zarr")
R = TypeVar("R", bound=Result)


def source_of(model: Any, x: Any, y: Any = None, domain: Domain | None = None) -> Any:
    """The source that `x` is.

    Args:
        model: a Keras model.
        x: the inputs, as a call takes them.
        y: the labels; the name of a column; `False` for none.
        domain: what an input may become, whose range is that of images; `None` for what the model
            says.

    Returns:
        `Rows` or a `Stream`; `None` if `x` is in memory.

    Raises:
        TypeError: if it cannot be a source.
        ValueError: if it cannot be read.
    """
    if not is_source(x, y):
        return None
    found = sources.of(x, y, format_of(model, domain) if folders.holds_images(x) else None)
    if y is None:
        expect_columns(model, found)
    return found


def expect_columns(model: Any, table: Any, said: str = tables.NAMED) -> None:
    """Raises if a table has a column more than the model takes, which may be that of labels.

    Args:
        model: a Keras model.
        table: a source, which may have names of columns.
        said: how the column of labels is named.

    Raises:
        ValueError: the text names the last column.
    """
    if isinstance(table, Rows):
        tables.expect_columns(getattr(model, "input_shape", None), table.names, said)


def is_source(x: Any, y: Any = None) -> bool:
    """Whether `x` is a source, and not in memory; `y` may be the name of a column."""
    if isinstance(y, str) or isinstance(x, str | Path | Rows | np.memmap):
        return True
    return type(x).__module__.partition(".")[0] in _READ or sources.is_stream(x)


def batch(batch_size: int | None) -> int:
    """How many samples of a source make a batch."""
    return BATCH if batch_size is None else as_batch_size(batch_size)


def portion(batch_size: int | None) -> int:
    """How many are taken of it at once, where they need different numbers of steps."""
    return BATCHES * batch(batch_size)


def unpaired(model: Any, x: Any, y: Any = None) -> tuple[Any, Any]:
    """Inputs and their labels, of a pair `(x, y)` too.

    A tuple of arrays is the inputs of a model that has several, as `predict` takes them, and of one
    that does not declare its inputs; of others it is a pair, and so it is if it begins with a
    dictionary, a list or a tuple of arrays and does not end with one.

    Args:
        model: a Keras model.
        x: the inputs, or the pair.
        y: the labels, if they are given apart.

    Raises:
        ValueError: if there are labels in both.
    """
    if not isinstance(x, tuple) or len(x) != 2 or _nested.fits(model, x):
        return x, y
    first, labels = x
    several = _are_several(first) and not _are_several(labels)
    single = len(getattr(model, "inputs", None) or ()) == 1 and getattr(first, "ndim", 0)
    if not (several or single):
        return x, y
    if y is not None and y is not False:
        raise ValueError("Received labels twice, in a pair (x, y) and as y. Leave one of them out.")
    return first, labels


def _are_several(part: Any) -> bool:
    """Whether a part of a pair is a dictionary, or a list or tuple of arrays."""
    arrays = isinstance(part, list | tuple) and any(getattr(each, "ndim", 0) for each in part)
    return isinstance(part, Mapping) or arrays


def expect_labels(y: Any, count: int) -> None:
    """Raises unless labels, if there are any, are as many as the samples.

    Raises:
        ValueError: if they are not.
    """
    labels = None if y is False else as_labels(y)
    if labels is not None and labels.shape[:1] != (count,):
        raise ValueError(
            f"Expected a label for each of {count} samples. Received: y of shape {labels.shape}."
        )


def expect_again(x: Any) -> None:
    """Raises unless a source gives its samples each time it is read."""
    if hasattr(x, "__next__"):
        raise ValueError(
            f"A {type(x).__name__} gives its samples once only. Pass a function that makes it "
            "anew, as in `lambda: batches(...)`."
        )


def format_of(model: Any, domain: Domain | None = None) -> folders.Format:
    """The images that a model takes, their range that of a domain or of the model.

    Raises:
        ValueError: if it takes none, or nothing says which values pixels are to have.
    """
    preprocessing = pixels.inside(model)
    shape, place = getattr(model, "input_shape", None), keras.config.image_data_format()
    if domain is not None:
        low, high = float(domain.low.min()), float(domain.high.max())
    elif preprocessing is not None:
        low, high = preprocessing[1]
    else:
        shown = folders.Format.of(shape, place, (0.0, 1.0), model.name)
        raise ValueError(
            "It is not known which values the model wants pixels to have: it has no Rescaling or "
            "Normalization inside. Pass arrays; or the folder with what the model takes, of "
            f"isi_keras.sources.folders: Folder(path, {shown}), or another range."
        )
    if preprocessing is not None and (low, high) != preprocessing[1]:
        name, wanted = preprocessing
        warnings.warn(
            f"The model has {name} inside, which takes pixels of {wanted[0]:g}..{wanted[1]:g}; the "
            f"bounds are {low:g}..{high:g}, and images are scaled to them. If that is not meant, "
            f"pass bounds=({wanted[0]:g}, {wanted[1]:g}).",
            stacklevel=4,
        )
    return folders.Format.of(shape, place, (low, high), model.name)


def gathered(
    call: Callable[[Any, np.ndarray | None, "Span"], R],
    source: Rows | Stream,
    size: int,
    verbose: int = 0,
    each: Mapping[str, Any] | None = None,
) -> R:
    """The records of all samples as one: of the inputs no more are held than the record has.

    Args:
        call: of some samples `x`, their labels and their `Span` the record.
        source: where they come from.
        size: how many there are in a call, the last perhaps fewer.
        verbose: 1 shows a progress bar.
        each: by name what is given for each sample, arrays of `N` rows, or `None`; `call` may add
            what it finds out.

    Raises:
        ValueError: if one of `each` has more or fewer rows than the source, or the source is a
            stream that may be shuffled; whatever `call` raises.
    """
    expect_order(source, each or {})
    known = len(source) if isinstance(source, Rows) else None
    bar = keras.utils.Progbar(known, verbose=verbose, unit_name="sample")
    each = {} if each is None else each
    found, begin = [], 0
    with _each_warning_once(), provenance.once():
        for x, y in source.portions(size):
            span = Span(begin, begin + len(next(iter(x.values())) if isinstance(x, Mapping) else x))
            _expect(each, known or span.end, whole=known is not None)
            found.append(call(x, y, span))
            begin = span.end
            if verbose:
                bar.add(len(span))
    _expect(each, begin, whole=True)
    return type(found[0]).concatenate(found)


def expect_order(source: Rows | Stream, each: Mapping[str, Any]) -> None:
    """Raises where something is given for each sample of a stream, whose order nobody knows.

    Raises:
        ValueError: the text says how to go on.
    """
    given = [name for name, array in each.items() if array is not None]
    if given and not isinstance(source, Rows):
        raise ValueError(
            f"Received {given[0]} for each sample of a stream. Nothing says in which order its "
            "samples come: it may be shuffled. Pass what is read by number (arrays, a path), or "
            f"one {given[0]} for all."
        )


def _expect(each: Mapping[str, Any], count: int, *, whole: bool) -> None:
    for name, array in each.items():
        if array is None:
            continue
        if len(array) < count or (whole and len(array) != count):
            has = count if whole else f"{count} or more"
            raise ValueError(
                f"Expected {name} for each sample of the source, which has {has}. Received: "
                f"{len(array)}."
            )


@contextlib.contextmanager
def _each_warning_once() -> Iterator[None]:
    """What is said of one part of the samples is not said again of the next."""
    with warnings.catch_warnings():
        heard, show = set(), warnings.showwarning

        def once(message, category, filename, lineno, file=None, line=None):
            if str(message) not in heard:
                heard.add(str(message))
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = once
        yield


class Span:
    """Which samples of a source are computed.

    Args:
        begin: the number of the first.
        end: that after the last.
    """

    def __init__(self, begin: int, end: int):
        self.begin, self.end = begin, end

    def __len__(self) -> int:
        return self.end - self.begin

    def of(self, value: Any, rank: int = 1) -> Any:
        """Of what may be given for each sample, with `rank` axes, the part of these."""
        if value is None or np.ndim(value) < rank:
            return value
        return value[self.begin : self.end]


def first_rows(source: Rows | Stream, count: int) -> Any:
    """The inputs of the first samples."""
    return next(source.portions(count))[0]
