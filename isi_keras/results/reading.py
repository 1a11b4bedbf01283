"""Whether the arrays of a file are those of a record: first their headers, then their values."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras.results import fields, schema
from isi_keras.results.archive import UnreadableError


def check_headers(
    kind: type, arrays: Mapping[str, Any], path: Any, empty: bool = False
) -> schema.Lengths:
    """Raises unless all that a record needs is there, of the types and shapes it declares.

    Args:
        kind: the class of the record.
        arrays: by name; what their headers say is enough.
        path: where they come from, for the text of an error.
        empty: whether samples may have no inputs.

    Returns:
        The lengths that the arrays have.

    Raises:
        UnreadableError: if they are not as declared; the text names the file, the field and what
            was expected.
    """
    known = {field.name: field for field in fields.of(kind)}
    found: dict[str, list[str]] = {}
    for name in arrays:
        field, slash, _ = name.partition("/")
        if field not in known or (slash and known[field].named is False):
            raise UnreadableError(
                f"{str(path)!r} holds {name!r}, which {kind.__name__} does not have."
            )
        found.setdefault(field, []).append(name)
    lengths = schema.Lengths(f"{str(path)!r} is no {kind.__name__} that can be read", empty)
    for name, field in known.items():
        entries = found.get(name, [])
        if not entries and not field.optional:
            raise UnreadableError(f"{str(path)!r} lacks {name!r}, which {kind.__name__} has.")
        if entries and name in entries and (len(entries) > 1 or field.named):
            raise lengths.wrong(f"{name} to be arrays by name", "one without a name")
        for entry in entries:
            if isinstance(field.rule, schema.Array):
                lengths.check(entry, field.rule, arrays[entry])
    return lengths


def values_of(
    kind: type, arrays: Mapping[str, np.ndarray], path: Any, empty: bool = False
) -> dict[str, Any]:
    """The values of the fields of a record by what its file holds; see `check_headers`.

    Raises:
        UnreadableError: if they are not as declared, as `check_headers`.
    """
    lengths = check_headers(kind, arrays, path, empty)
    values: dict[str, Any] = {}
    where = f"{str(path)!r} is no {kind.__name__} that can be read"
    for field in fields.of(kind):
        entries = {n: a for n, a in arrays.items() if n.partition("/")[0] == field.name}
        if isinstance(field.rule, schema.Array):
            for name, array in entries.items():
                schema.check_values(name, field.rule, array, lengths, arrays)
        if not entries:
            values[field.name] = None
        elif field.name not in entries:
            values[field.name] = {n.partition("/")[2]: a for n, a in entries.items()}
        else:
            values[field.name] = _decoded(field, entries[field.name], where)
    return values


def _decoded(field: fields.Field, array: np.ndarray, where: str) -> Any:
    if field.type in (float, str):
        return field.type(array.item())
    alike = field.axis.counts in (fields.SHARED, fields.MADE, fields.BOUNDED)
    shared = alike and field.type is not np.ndarray
    if shared and (field.rule is not None or (array.dtype.kind == "U" and not array.ndim)):
        return schema.parsed(field.name, field.rule, array, where)
    return array
