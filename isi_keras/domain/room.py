"""How far each input of a sample may go: the arrays that a step of an attack works with."""

from typing import Any, NamedTuple


class Grid(NamedTuple):
    """The values $b + k s$ for whole $k$ that an input may take.

    Args:
        base: where the grid begins.
        step: how far its values lie apart, 0 for an input that is on none.
    """

    base: Any
    step: Any


class Room(NamedTuple):
    """How far each input may go; arrays or tensors that broadcast to `x`, `(N, ...)`.

    Args:
        low: the least value that an input may take, given its clean value: it is that one itself
            where the input is frozen or may only rise.
        high: the greatest, likewise.
        floor: the least value of the range of the input, whatever its clean value.
        ceiling: the greatest. `ceiling - floor` is the width that steps are shares of.
        grid: the `Grid`, `()` if no input is on one.
    """

    low: Any
    high: Any
    floor: Any
    ceiling: Any
    grid: Any = ()
