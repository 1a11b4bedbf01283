"""Samples in order, batch by batch: one process reads them, and cuts them anew."""

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

KINDS = "a tf.data.Dataset, a keras.utils.PyDataset, a torch DataLoader or a generator of batches"


_INFINITE = -1  # tf.data.INFINITE_CARDINALITY


class Stream:
    """Batches `x` or `(x, y)` in order. What comes of them can be continued, not read by number.

    Args:
        batches: called, it gives the batches from the first on, and they end: of a generator that
            does not nobody can know it beforehand.
    """

    def __init__(self, batches: Callable[[], Iterable]):
        self.batches = batches

    def described(self) -> dict[str, Any]:
        """What JSON knows of it."""
        return {"kind": "stream"}

    def portions(self, size: int, most: int | None = None) -> Iterator[tuple[Any, Any]]:
        """The samples with their labels (or `None`), `size` at a time, the last perhaps fewer.

        Args:
            size: how many at a time, whatever the batches are.
            most: how many in all; `None` for all there are.
        """
        held: list[tuple[Any, Any]] = []
        count = given = 0
        for batch in self.batches():
            x, y = _unpacked(batch)
            while _count(x) and (most is None or given < most):
                take = min(size - count, _count(x), *([] if most is None else [most - given]))
                held.append((_cut(x, 0, take), None if y is None else y[:take]))
                x, y = _cut(x, take, None), None if y is None else y[take:]
                count, given = count + take, given + take
                if count == size:
                    yield _joined(held)
                    held, count = [], 0
            if most is not None and given >= most:
                break
        if held:
            yield _joined(held)
        if not given:
            raise ValueError(
                "The stream has no samples. A generator gives them once only: pass a function that "
                "makes it anew, as in `source=lambda: batches(...)`."
            )


def is_stream(source: Any) -> bool:
    """Whether something gives batches in order, told by what it can do."""
    if isinstance(source, Stream):
        return True
    if isinstance(source, str | bytes | list | tuple | Mapping) or hasattr(source, "shape"):
        return False
    if hasattr(source, "columns") or hasattr(source, "__array__"):
        return False
    return (
        _is_py_dataset(source)
        or _is_torch_dataset(source)
        or callable(source)
        or hasattr(source, "__iter__")
    )


def stream_of(source: Any) -> Stream:
    """A stream of what `is_stream` says is one.

    Raises:
        ValueError: if it says of itself that it never ends.
    """
    if isinstance(source, Stream):
        return source
    if isinstance(source, type):
        raise TypeError(f"Expected {KINDS}. Received: the class {source.__name__}. Make one of it.")
    if _is_torch_dataset(source):
        raise TypeError(
            f"A {type(source).__name__} gives samples one by one. Pass batches of it: "
            "torch.utils.data.DataLoader(dataset, batch_size=...)."
        )
    if _is_py_dataset(source):
        if hasattr(source, "num_batches") and source.num_batches is None:
            raise ValueError(
                f"The {type(source).__name__} never ends: its num_batches is None. Say how many "
                "batches are to be read: let num_batches return their number; or pass "
                "`lambda: (data[k] for k in range(n))`."
            )
        number = source.num_batches if hasattr(source, "num_batches") else len(source)
        return Stream(lambda: (source[index] for index in range(number)))
    if hasattr(source, "as_numpy_iterator"):
        if int(source.cardinality()) == _INFINITE:
            raise ValueError(
                "The tf.data.Dataset never ends. Leave out `repeat`, or say how many batches are "
                "to be read: data.take(n)."
            )
        return Stream(source.as_numpy_iterator)
    endless = isinstance(source, itertools.repeat) and operator.length_hint(source, -1) < 0
    if endless or isinstance(source, itertools.cycle | itertools.count):
        raise ValueError(
            f"An itertools.{type(source).__name__} never ends. Say how many batches are to be "
            "read: itertools.islice(batches, n)."
        )
    again: Any = source  # a function that makes them, or what can be looped over
    if callable(source) and not hasattr(source, "__iter__"):
        return Stream(again)
    return Stream(lambda: iter(again))


def _is_py_dataset(source: Any) -> bool:
    return any(
        kind.__name__ in ("PyDataset", "Sequence") and kind.__module__.partition(".")[0] == "keras"
        for kind in type(source).__mro__
    )


def _is_torch_dataset(source: Any) -> bool:
    return any(
        kind.__name__ == "Dataset" and kind.__module__.startswith("torch.utils.data")
        for kind in type(source).__mro__
    )


def _unpacked(batch: Any) -> tuple[Any, np.ndarray | None]:
    """The inputs of a batch and its labels; weights are of no use here."""
    if isinstance(batch, tuple | list):
        if not 1 <= len(batch) <= 3:
            raise TypeError(
                f"Expected batches x, (x, y) or (x, y, weights). Received: one of {len(batch)}."
            )
        x, y = batch[0], batch[1] if len(batch) > 1 else None
    else:
        x, y = batch, None
    x = {name: _array(part) for name, part in x.items()} if isinstance(x, Mapping) else _array(x)
    y = None if y is None else _array(y)
    counts = {name: len(part) for name, part in x.items()} if isinstance(x, Mapping) else {}
    if len(set(counts.values())) > 1:
        raise ValueError(f"The inputs of a batch differ in their numbers of samples: {counts}.")
    if y is not None and len(y) != _count(x):
        raise ValueError(
            f"A batch has {_count(x)} samples and {len(y)} labels. Give several inputs as a "
            "dictionary, by their names."
        )
    return x, y


def _array(part: Any) -> np.ndarray:
    part = part.detach().cpu() if hasattr(part, "detach") else part
    array = np.asarray(part)
    if array.ndim == 0:
        raise TypeError(f"Expected batches of samples. Received: {type(part).__name__}, a single.")
    return array


def _count(x: Any) -> int:
    return len(next(iter(x.values())) if isinstance(x, Mapping) else x)


def _cut(x: Any, begin: int, end: int | None) -> Any:
    if isinstance(x, Mapping):
        return {name: part[begin:end] for name, part in x.items()}
    return x[begin:end]


def _joined(parts: list[tuple[Any, Any]]) -> tuple[Any, np.ndarray | None]:
    first, label = parts[0]
    kinds = {(tuple(x) if isinstance(x, Mapping) else None, y is None) for x, y in parts}
    if len(kinds) > 1:
        raise ValueError("Some batches of the stream have labels or inputs that others lack.")
    if isinstance(first, Mapping):
        x: Any = {name: np.concatenate([part[name] for part, _ in parts]) for name in first}
    else:
        x = np.concatenate([part for part, _ in parts])
    return x, None if label is None else np.concatenate([part for _, part in parts])
