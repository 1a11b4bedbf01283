"""What a field of a record is: what it counts along its first axis, and what it must be."""

import dataclasses
import functools
import types
import typing
from typing import Annotated, Any, TypeVar

import numpy as np

from isi_keras.results.schema import Array, Entries, Settings, Shapes

ROWS, SHARED, DIVIDED, MADE, BOUNDED = "rows", "shared", "divided", "made", "bounded"
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Axis:
    """How a field is cut and joined.

    Args:
        counts: `"rows"`, one entry for each row of the record; `"shared"`, the same in all parts of
            a record; `"divided"`, a number of which each row has an equal part; `"made"`, what
            parts say of their making, which `provenance.joined` joins; `"bounded"`, a configuration
            with bounds of the inputs `x`, the same but for those that are given for each sample.
        until: of an array `(N, T + 1, ...)` of rows the field whose greatest value is `T`. Joined
            with a longer one it is filled up with NaN.
    """

    counts: str
    until: str | None = None


Rows = Annotated[T, Axis(ROWS)]
Steps = Annotated[T, Axis(ROWS, until="steps")]
Shared = Annotated[T, Axis(SHARED)]
Divided = Annotated[T, Axis(DIVIDED)]
Made = Annotated[T, Axis(MADE)]
Bounded = Annotated[T, Axis(BOUNDED)]


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a record: how it is cut and joined, its type, and whether it may be `None`.

    Its `rule` is what it must be when it is read; `None` for anything.
    """

    name: str
    axis: Axis
    type: Any
    optional: bool
    rule: Array | Settings | Entries | Shapes | None = None

    @property
    def named(self) -> bool | None:
        """Whether it holds arrays by name; `None` if it may."""
        if self.type in (np.ndarray, float, str) or self.axis.counts != ROWS:
            return False
        return None if self.type is Any else True


@functools.cache
def of(record: type) -> tuple[Field, ...]:
    """The fields of a class of records.

    Raises:
        TypeError: if one does not say what it counts.
    """
    hints = typing.get_type_hints(record, include_extras=True)
    return tuple(
        _field(record, field.name, hints[field.name])
        for field in dataclasses.fields(record)  # pyright: ignore[reportArgumentType]
    )


def _field(record: type, name: str, hint: Any) -> Field:
    axis = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Axis)]
    if not axis:
        raise TypeError(
            f"The field {name!r} of {record.__name__} does not say how it is cut and joined. "
            "Declare it as Rows[...], Steps[...], Shared[...], Divided[...] or Bounded[...]."
        )
    kind = hint.__origin__
    union = typing.get_origin(kind) in (types.UnionType, typing.Union)  # `Any | None` is the latter
    options = typing.get_args(kind) if union else ()
    kept = [option for option in options if option is not type(None)]
    optional = len(kept) < len(options)
    rules = [m for m in hint.__metadata__ if isinstance(m, Array | Settings | Entries | Shapes)]
    kind = kept[0] if optional and len(kept) == 1 else kind
    return Field(name, axis[0], kind, optional, rules[0] if rules else None)
