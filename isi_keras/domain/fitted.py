"""A domain for inputs of a shape: what they may become, and whether they did not do more."""

import dataclasses
import math
from typing import Any

import numpy as np

from isi_keras.domain import columns
from isi_keras.domain.groups import Groups
from isi_keras.domain.room import Grid, Room

_ROUNDING = 1e-4  # of a step of the grid, by which a bound may miss the grid
_OUTSIDE = 1e-6  # of the width, by which rounding may put an input outside


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A `Domain` for inputs of a shape; made by `Domain.fit`.

    Args:
        floor: the least value of each feature; as all arrays here, it broadcasts to `x`.
        ceiling: the greatest.
        low: the least value on the grid.
        high: the greatest on the grid.
        mutable: whether a feature may change; `None` for all.
        direction: which way; `None` for both.
        grid: the `Grid`; `None` for none.
        groups: the one-hot groups, flat indices.
        names: of the columns.
        shape: that of a sample.
    """

    floor: np.ndarray
    ceiling: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mutable: np.ndarray | None
    direction: np.ndarray | None
    grid: Grid | None
    groups: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    shape: tuple

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], groups: Any, names: Any, shape: tuple) -> "Fitted":
        """The domain from its arrays, which broadcast to `x`, `(N, ...)` of the given shape."""
        sample = shape[1:]
        floor, ceiling, step = arrays["low"], arrays["high"], arrays.get("step")
        if groups:
            floor, ceiling = _of_groups(floor, ceiling, groups, names, sample)
        grid, low, high = None, floor, ceiling
        if arrays["integer"].any() or (step is not None and step.any()):
            grid = _grid(floor, arrays["integer"], step)
            base, width = (part.astype("float64") for part in grid)
            apart = np.where(width > 0, width, 1)
            least = base + np.ceil((floor - base) / apart - _ROUNDING) * apart
            most = base + np.floor((ceiling - base) / apart + _ROUNDING) * apart
            low = np.where(width > 0, least, floor).astype("float32")
            high = np.where(width > 0, most, ceiling).astype("float32")
        return cls(
            floor, ceiling, low, high, arrays.get("mutable"), arrays.get("direction"), grid,
            groups, names, sample,
        )  # fmt: skip

    def room(self, x: Any, xp: Any = np) -> Room:
        """How far each input may go, given what it is.

        Args:
            x: the clean inputs, `(N, ...)`.
            xp: what computes, NumPy or `keras.ops`.
        """
        low, high = self.low, self.high
        if self.grid is not None:  # what is off the grid may stay
            low, high = xp.minimum(low, x), xp.maximum(high, x)
        if self.direction is not None:
            low = xp.where(self.direction > 0, x, low)
            high = xp.where(self.direction < 0, x, high)
        if self.mutable is not None:
            low, high = xp.where(self.mutable, low, x), xp.where(self.mutable, high, x)
        return Room(low, high, self.floor, self.ceiling, () if self.grid is None else self.grid)

    def where(self, wrong: np.ndarray) -> tuple[str, int, int]:
        """The first place in an array that broadcasts to `x`: how to call it, its row and index."""
        shape = (len(wrong), *self.shape)
        place = int(np.argmax(np.broadcast_to(wrong, shape)))
        row, index = divmod(place, math.prod(self.shape))
        return columns.column(index, self.names, self.shape), row, index

    def expect_finite(self, x: np.ndarray, what: str, advice: str, width: bool = False) -> None:
        """Raises where a bound that is to be reached, or a width that is to be shared, is infinite.

        Args:
            x: the clean inputs.
            what: what needs it, as in `"L0 moves an input to its bound"`.
            advice: what to do otherwise.
            width: whether the whole range has to be finite, not only what may be reached.

        Raises:
            ValueError: if there is one in a feature that may move; the text names it.
        """
        room = self.room(x)
        with np.errstate(invalid="ignore"):
            moving = room.low < room.high
        finite = np.isfinite(room.low) & np.isfinite(room.high)
        if width:
            finite = np.isfinite(self.floor) & np.isfinite(self.ceiling)
        wrong = moving & ~finite
        if wrong.any():
            name, row, index = self.where(np.broadcast_to(wrong, x.shape))
            ends = [np.broadcast_to(end, x.shape) for end in (self.floor, self.ceiling)]
            low, high = (float(end.reshape(len(x), -1)[row, index]) for end in ends)
            raise ValueError(
                f"{what}, but the range of {name} is {low:g}..{high:g}. Give it finite bounds, "
                f"leave it out by mutable, or {advice}."
            )

    def checked(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """The inputs, with those that rounding put just outside the range set on its ends.

        Raises:
            ValueError: if the range does not hold them (the text names row and column), or the
                members of a group are not one-hot.
        """
        low, high = self.floor, self.ceiling
        if not (np.all(x >= low) and np.all(x <= high)):
            with np.errstate(invalid="ignore"):
                slack = np.where(np.isfinite(low - high), _OUTSIDE * (high - low), 0)
            outside = (x < low - slack) | (x > high + slack)
            if outside.any():
                raise ValueError(self._outside(x, outside, dtype))
            x = np.clip(x, low, high)
        flat = x.reshape(len(x), -1)
        for number, members in enumerate(self.groups):
            values = flat[:, list(members)]
            wrong = ~(np.isin(values, (0, 1)).all(axis=1) & (values.sum(axis=1) == 1))
            if wrong.any():
                row = int(np.argmax(wrong))
                raise ValueError(
                    f"Group {number} is not one-hot in row {row}: expected one 1 and else 0 in "
                    f"{', '.join(columns.column(m, self.names, self.shape) for m in members)}. "
                    f"Received: {values[row].tolist()}."
                )
        return x

    def _outside(self, x: np.ndarray, outside: np.ndarray, dtype: Any) -> str:
        low, high = self.floor, self.ceiling
        name, row, index = self.where(outside)
        ends = [np.broadcast_to(end, x.shape).reshape(len(x), -1) for end in (x, low, high)]
        value, least, most = (float(end[row, index]) for end in ends)
        place = ""
        if low.size > 1 or high.size > 1:
            place = f" The first is in row {row}, {name}: {value:g} is not in {least:g}..{most:g}."
        advice = "Rescale x, or give the attack bounds=(low, high) that hold your data"
        if np.dtype(dtype) == np.uint8 or (x.min() >= 0 and 2 < x.max() <= 255):
            advice = (
                "These look like images of 0..255: give the attack bounds=(0, 255) if the model "
                "takes them so, or rescale them as in training: x / 127.5 - 1 for bounds=(-1, 1)"
            )
        if place:
            advice = "Widen the range of the column, or leave out or mend the rows"
        return (
            f"x has values from {x.min():g} to {x.max():g} (dtype {dtype}) outside the bounds "
            f"{low.min():g}..{high.max():g}.{place} {advice}."
        )

    def violations(self, x: np.ndarray, adversarial: np.ndarray) -> dict[str, np.ndarray]:
        """See `Domain.violations`."""
        shape = x.shape
        before, after = x.astype("float64"), adversarial.astype("float64")
        changed = after != before
        found = {"range": changed & ~((after >= self.floor) & (after <= self.ceiling))}
        fixed = np.zeros((), bool) if self.mutable is None else ~self.mutable
        found["mutable"] = changed & fixed
        way = np.zeros((), int) if self.direction is None else self.direction
        found["direction"] = changed & (way * (after - before) < 0)
        found["grid"] = np.zeros(shape, bool)
        if self.grid is not None:
            base, step = (np.asarray(part, "float64") for part in self.grid)
            apart = np.where(step > 0, step, 1.0)
            nearest = base + np.round((after - base) / apart) * apart
            whole = (base == np.round(base)) & (apart == np.round(apart))
            # What is not a whole number is that of float32 next to it, or next but one.
            slack = np.where(whole, 0, 2 * np.spacing(np.abs(after) + apart, dtype="float32"))
            found["grid"] = changed & (step > 0) & ~(np.abs(after - nearest) <= slack)
        found["groups"] = np.zeros(shape, bool)
        flat, wrong = after.reshape(len(x), -1), found["groups"].reshape(len(x), -1)
        for members in self.groups:
            each = flat[:, list(members)]
            one_hot = ((each == 1).sum(1) == 1) & ((each == 0).sum(1) == len(members) - 1)
            wrong[:, list(members)] = ~one_hot[:, None]
        return found

    def arrays(self) -> Groups | None:
        """The groups as arrays; `None` if there are none."""
        return Groups.of(self.groups, math.prod(self.shape)) if self.groups else None

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Random inputs in the range, `(count, ...)`, to plan with."""
        drawn = rng.uniform(size=(count, *self.shape))
        low = np.where(np.isfinite(self.floor), self.floor, np.minimum(self.ceiling, 1) - 1)
        high = np.where(np.isfinite(self.ceiling), self.ceiling, low + 1)
        return low + (high - low) * drawn


def _grid(floor: np.ndarray, integer: np.ndarray, step: np.ndarray | None) -> Grid:
    """Whole numbers, or what begins at the least value, at 0 if that is infinite."""
    steps = np.zeros((), "float32") if step is None else step
    apart = np.where(integer & (steps == 0), np.float32(1), steps).astype("float32")
    begins = np.where(np.isfinite(floor), floor, np.float32(0))
    base = np.where(integer & (steps == 0), np.float32(0), begins).astype("float32")
    return Grid(base, apart)


def _of_groups(floor, ceiling, groups, names, sample) -> tuple[np.ndarray, np.ndarray]:
    """The range with that of members of groups, 0 to 1."""
    features = math.prod(sample)
    shape = np.broadcast_shapes(floor.shape, ceiling.shape, (1, *sample))
    floor, ceiling = (np.array(np.broadcast_to(end, shape)) for end in (floor, ceiling))
    for members in groups:
        if max(members) >= features:
            raise ValueError(
                f"A group has the index {max(members)}, but a sample has {features} features."
            )
        for end, value in ((floor, 0), (ceiling, 1)):
            end.reshape(len(end), -1)[:, list(members)] = value
    return floor, ceiling
