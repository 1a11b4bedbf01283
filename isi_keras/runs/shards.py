"""A record as the arrays of a shard, and back: what changed, not whole images; a table beside it.

| member | what it is |
|---|---|
| `table/NAME` | a number of each row: `(N,)` |
| `delta/begin`, `/index`, `/value`, `/order` | the inputs that an attack changed, by rows (CSR) |
| `trajectory` | the logits that each sample took, one after another, `(sum of steps + N, K)` |
| `record/NAME` | the other fields of the record, as they are |
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras.results import AttackResult, Result
from isi_keras.results import fields as record_fields
from isi_keras.results.base import named
from isi_keras.runs import digest, shard_checks
from isi_keras.tallies import Tallies

KEEP = ("adversarial", "relevance", "trajectory", "x")
"""What may be kept beside the table; each where the method makes it."""

_SPARSE = 0.5
_UNTOLD = ("seconds",)
"""What no two runs have in common, and no digest counts."""


def packed(
    result: Result, rows: Any, keep: Sequence[str], first: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a shard, and what its header says of them.

    Args:
        result: the record of some samples.
        rows: these samples, as the source has them.
        keep: some of `KEEP`.
        first: the number of the first row of the record in the whole run.
    """
    arrays = result.to_arrays()
    table = columns_of(result)
    for name in (*table, "stop_reason"):
        if isinstance(result, AttackResult) or name in table:
            arrays.pop(name, None)
    found = {f"table/{name}": values for name, values in table.items()}
    counted: dict[str, Any] = {n: v for n, v in table.items() if n not in _UNTOLD}
    header: dict[str, Any] = {"record": type(result).__name__, "rows": len(result), "absent": []}
    x = getattr(result, "x", None)
    if isinstance(x, np.ndarray):
        header |= {"shape": x.shape[1:], "dtype": x.dtype.name}
        header["data_format"] = getattr(result, "data_format", None)
        if "x" not in keep and _is_same(rows, x):
            del arrays["x"]
            header["x"] = "source"
    images = {name: arrays.pop(name) for name in ("adversarial", "order") if name in arrays}
    if images and "adversarial" in keep:
        counted |= images
        found |= _changes(result.x, images)  # pyright: ignore[reportAttributeAccessIssue]
    header["absent"] += [] if "adversarial" in keep else list(images)
    trajectory = arrays.pop("trajectory", None)
    if trajectory is not None and "trajectory" in keep:
        steps = table["steps"]
        taken = [row[: count + 1] for row, count in zip(trajectory, steps, strict=True)]
        counted["trajectory"], found["trajectory"] = taken, np.concatenate(taken)
    if "relevance" not in keep:
        maps = [n for n in arrays if n.partition("/")[0] in ("relevance", "layers")]
        header["absent"] += maps
        for name in maps:
            del arrays[name]
    counted |= {n: a for n, a in arrays.items() if _counts_rows(result, n) and n not in _UNTOLD}
    counted.pop("x", None)
    found |= {f"record/{name}": array for name, array in arrays.items()}
    return found, {**header, "digest": f"{digest.of_rows(first, counted):032x}"}


def columns_of(result: Result) -> dict[str, np.ndarray]:
    """The numbers of each row of a record."""
    if isinstance(result, AttackResult):
        return Tallies.of(result).columns()
    known = {field.name: getattr(result, field.name) for field in record_fields.of(type(result))}
    return {
        name: value
        for name, value in known.items()
        if _counts_rows(result, name) and isinstance(value, np.ndarray) and value.ndim == 1
    }


def unpacked(
    arrays: Mapping[str, np.ndarray],
    header: Mapping[str, Any],
    x: Any,
    place: Any,
    *,
    empty: bool = False,
) -> Result:
    """The record of a shard.

    Args:
        arrays: all that its file holds.
        header: what its header says.
        x: the samples, as the source has them; `None` if the shard has them.
        place: its file, for the text of an error.
        empty: whether the images are left out.

    Raises:
        UnreadableError: if it is not as the record declares.
        ValueError: if what makes up the record was not kept.
    """
    if header["absent"]:
        raise ValueError(
            f"The run kept no {' and no '.join(header['absent'])}, so there are its table and what "
            "`evaluate` says only. Run it again with keep=('adversarial',) or keep=('relevance',)."
        )
    kind = named(header["record"], place)
    fields = {n.partition("/")[2]: a for n, a in arrays.items() if n.startswith("record/")}
    table = {n.partition("/")[2]: a for n, a in arrays.items() if n.startswith("table/")}
    shard_checks.check_table(table, header, place)
    shard_checks.check_changes(arrays, header, place)
    if header.get("x") == "source":
        fields["x"] = x.astype(header["dtype"])
    if kind is AttackResult:
        tallies = Tallies.from_columns(table, shape=(), data_format="", seconds=0.0)
        known = {field.name for field in record_fields.of(kind)}
        table = {name: value for name, value in table.items() if name in known}
        table["stop_reason"] = tallies.stop_reason
    if "delta/index" in arrays and not empty:
        fields |= _changed(fields["x"], arrays)
    if "trajectory" in arrays:
        fields["trajectory"] = _stacked(arrays["trajectory"], table["steps"])
    return kind.from_arrays({**fields, **table}, place, empty=empty)


def _changes(x: np.ndarray, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What changed if that is less than half of the inputs, else the whole of it."""
    count = len(x)
    changed = (images["adversarial"] != x).reshape(count, -1)
    if changed.mean() >= _SPARSE or not np.array_equal(changed, _told(images, changed)):
        return {f"record/{name}": array for name, array in images.items()}
    row, column = np.nonzero(changed)
    found = {
        "delta/begin": np.searchsorted(row, np.arange(count + 1)).astype("int64"),
        "delta/index": column.astype("int32"),
        "delta/value": images["adversarial"].reshape(count, -1)[row, column],
    }
    if "order" in images:
        found["delta/order"] = images["order"].reshape(count, -1)[row, column]
    return found


def _told(images: Mapping[str, np.ndarray], changed: np.ndarray) -> np.ndarray:
    """Where an order is told: nowhere else than where an input changed, as far as we know."""
    return images["order"].reshape(changed.shape) > 0 if "order" in images else changed


def _changed(x: np.ndarray, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    row = np.repeat(np.arange(len(x)), np.diff(arrays["delta/begin"]))
    where, found = (row, arrays["delta/index"]), {}
    adversarial = x.reshape(len(x), -1).copy()
    adversarial[where] = arrays["delta/value"]
    found["adversarial"] = adversarial.reshape(x.shape)
    if "delta/order" in arrays:
        order = np.zeros(adversarial.shape, "int32")
        order[where] = arrays["delta/order"]
        found["order"] = order.reshape(x.shape)
    return found


def _stacked(logits: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The logits of each sample in a row of its own, `(N, T + 1, K)`, NaN after its last."""
    found = np.full((len(steps), int(steps.max(initial=0)) + 1, logits.shape[1]), np.nan, "float32")
    found[np.arange(found.shape[1]) <= steps[:, None]] = logits
    return found


def _is_same(rows: Any, x: np.ndarray) -> bool:
    """Whether the samples of a source, in the type of the record, are those of the record."""
    if not isinstance(rows, np.ndarray) or rows.shape != x.shape:
        return False
    return np.array_equal(rows.astype(x.dtype), x)


def _counts_rows(result: Result, name: str) -> bool:
    field = name.partition("/")[0]
    counts = {each.name: each.axis.counts for each in record_fields.of(type(result))}
    return counts.get(field) == record_fields.ROWS
