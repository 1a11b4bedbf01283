"""Whether a shard says what shards say: shards come from other machines, and from other people."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras import axes
from isi_keras.measures import DISTANCES, SIMILARITIES
from isi_keras.results import AttackResult, Stop, endings
from isi_keras.results import fields as record_fields
from isi_keras.results.archive import UnreadableError
from isi_keras.results.base import named
from isi_keras.results.schema import Array, Lengths, check_values

_TALLIED = {
    "stop": Array("i", "N", low=min(Stop), high=max(Stop)),
    **dict.fromkeys(DISTANCES, Array("fi", "N", low=0, nan=True, inf=True)),
    **dict.fromkeys(SIMILARITIES, Array("f", "N", nan=True, inf=True)),
}
_OF_ATTACKS = ("clean_prediction", "prediction", "success", "steps", "forward", "backward")
_DELTA = {
    "delta/begin": Array("i", "R", low=0),
    "delta/index": Array("i", "D", low=0),
    "delta/value": Array("f", "D", nan=True, inf=True),
    "delta/order": Array("i", "D", low=0),
}
_ROWS, _INPUTS, _MORE = 2**40, 2**31, 100


def check_header(header: Mapping[str, Any], place: Any) -> None:
    """Raises unless the header of a shard says what is asked of it.

    Raises:
        UnreadableError: if it does not; the text names the entry.
    """
    span = header.get("span")
    spans = isinstance(span, list) and len(span) == 2 and all(type(n) is int for n in span)
    rows, shape = header.get("rows"), header.get("shape", [])
    sizes = shape if isinstance(shape, list) else [None]
    is_attack = header.get("record") == AttackResult.__name__
    formats = (*axes.DATA_FORMATS, *(() if is_attack else (None,)))
    right = {
        "record": isinstance(header.get("record"), str),
        "span": spans and 0 <= span[0] < span[1] < _ROWS,  # pyright: ignore
        "rows": type(rows) is int and 0 <= rows < _ROWS,
        "shape": all(type(n) is int and 0 <= n < _INPUTS for n in sizes) and len(sizes) < 32,
        "dtype": str(header.get("dtype", "float32")) in _names("float", "int", "uint", "bool"),
        "data_format": header.get("data_format") in formats,
        "absent": _texts(header.get("absent")),
        "digest": re.fullmatch("[0-9a-f]{32}", str(header.get("digest"))) is not None,
        "input": isinstance(header.get("input"), str),
        "seconds": _is_time(header.get("seconds")),
        "versions": isinstance(header.get("versions"), dict),
        "x": header.get("x") in (None, "source"),
    }
    if is_attack:
        right["shape"] &= "shape" in header
    wrong = [name for name, fits in right.items() if not fits]
    if not wrong and rows % (span[1] - span[0]):  # pyright: ignore
        wrong = ["rows"]
    if wrong:
        raise UnreadableError(
            f"{str(place)!r} is no shard: its header says {wrong[0]}="
            f"{repr(header.get(wrong[0]))[:60]}."
        )


def check_table(
    table: Mapping[str, np.ndarray], header: Mapping[str, Any], place: Any
) -> dict[str, np.ndarray]:
    """The table of a shard, if its columns are those of its record.

    Raises:
        UnreadableError: if they are not; the text names the column.
    """
    kind = named(header["record"], place)
    rules: dict[str, Any] = {field.name: field.rule for field in record_fields.of(kind)}
    needed: tuple[str, ...] = ()
    if kind is AttackResult:
        rules |= _TALLIED
        needed = (*_OF_ATTACKS, "stop", *DISTANCES)
    lengths = Lengths(f"{str(place)!r} is no shard of {kind.__name__}")
    lengths.known["N"] = lengths.known["A"] = (header["rows"], "its header")
    missing = [name for name in needed if name not in table]
    if missing or not table:
        raise UnreadableError(f"{str(place)!r} lacks {(missing or ['a table'])[0]!r} in its table.")
    for name, column in table.items():
        rule = rules.get(name)
        if not isinstance(rule, Array):
            raise UnreadableError(f"{str(place)!r} holds a column {name!r} in its table.")
        lengths.check(name, rule, column)
        check_values(name, rule, column, lengths, {})
    if kind is AttackResult:
        stop = table["stop"].astype("int64") - int(min(Stop))
        reasons = np.array([each.label for each in sorted(Stop)])[stop]
        try:
            endings.check("success", table["success"], reasons)
        except ValueError as error:
            text = f"{str(place)!r} is no shard of {kind.__name__}: {error}."
            raise UnreadableError(text) from error
    return dict(table)


def check_changes(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], place: Any) -> None:
    """Raises unless what changed lies within the samples, and each has the logits of its steps.

    Raises:
        UnreadableError: if it does not; the text names the array.
    """
    lengths, rows = Lengths(f"{str(place)!r} is no shard"), header["rows"]
    for name, rule in _DELTA.items():
        if name in arrays:
            lengths.check(name, rule, arrays[name])
            check_values(name, rule, arrays[name], lengths, {})
        elif name != "delta/order" and any(other in arrays for other in _DELTA):
            raise UnreadableError(f"{str(place)!r} lacks {name!r}, which a shard has.")
    if "delta/begin" in arrays:
        begin, index = arrays["delta/begin"], arrays["delta/index"]
        last = [int(begin[0]), int(begin[-1])] if len(begin) else []
        inside = int(index.max(initial=-1)) < int(np.prod(header["shape"], dtype="float64"))
        rising = len(begin) == rows + 1 and (np.diff(begin) >= 0).all()
        if not (rising and last == [0, len(index)] and inside):
            raise UnreadableError(
                f"{str(place)!r} is no shard: its changes are not of its samples."
            )
    if "trajectory" in arrays:
        taken = arrays["trajectory"]
        lengths.check("trajectory", Array("f", "L C", nan=True, inf=True), taken)
        steps = arrays.get("table/steps", np.zeros(0, "int64")).astype("int64")
        size = rows * (int(steps.max(initial=0)) + 1)
        if steps.sum() + len(steps) != len(taken) or size > _MORE * len(taken) + 2**24:
            raise UnreadableError(f"{str(place)!r} is no shard: its logits are not of its steps.")


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < float("inf")


def _names(*kinds: str) -> tuple[str, ...]:
    return ("bool", *(f"{kind}{bits}" for kind in kinds for bits in (8, 16, 32, 64)))
