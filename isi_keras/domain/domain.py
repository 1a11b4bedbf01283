"""`Domain`: what an input may become."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks, _component, axes
from isi_keras.domain import columns
from isi_keras.domain.fitted import Fitted
from isi_keras.domain.groups import counted_once

_PER_FEATURE = ("low", "high", "mutable", "direction", "integer", "step")


@dataclasses.dataclass(frozen=True, eq=False)
class Domain(_component.Component):
    r"""What an input may become; it is taken wherever `bounds` are.

    With the clean value $x_i$ an adversarial $x'_i$ is possible if $x'_i = x_i$, or if
    $low_i \le x'_i \le high_i$, the feature is mutable, the change goes the way it may, and the
    value is on the grid: $x'_i = b_i + k s_i$ for a whole $k$, where $b_i = low_i$, or 0 if that is
    infinite or the feature takes whole numbers.
    In a one-hot group moreover exactly one is 1 and the others are 0.

    Everything is given for all features or for each: a number, or an array that broadcasts to a
    sample; with an axis more, `(N, ...)`, for each sample. Where `names` are given, also a
    dictionary `{name: value}`, in which columns that are left out have the default.

    Args:
        low: the least value, in the units of the data. Equal to `high` where a column is constant;
            `-inf` for no limit.
        high: the greatest value, `inf` for no limit.
        mutable: whether a feature may change at all (bool, or a list of names); `None` for all.
        direction: +1 for a feature that may only rise, -1 for one that may only fall, 0 or `None`
            for both. Of a one-hot group, 1 is "may be entered only", -1 "may be left only".
        integer: whether a feature takes whole numbers only (bool, or a list of names).
        step: how far the values of the grid lie apart, above 0; 0 or `None` for no grid. Values are
            those of float32: $b + k s$ is rounded to it where it is not a whole number.
        groups: one-hot groups, each a sequence of flat indices, or of names. A change moves the
            one, and counts as a single change.
        names: of the columns, for messages and pictures; `()` for their numbers.

    Raises:
        ValueError: if `low` is above `high` (the text names the column), a value is not what it
            should be, a group has fewer than two members or shares one with another, or, when used,
            the data do not fit.

    Example:
        >>> import isi_keras as isi
        >>> domain = isi.Domain(
        ...     low=[18, 0, 0, 0],
        ...     high=[95, float("inf"), 1, 1],
        ...     names=("age", "income", "renting", "owning"),
        ...     mutable=["income", "renting", "owning"],
        ...     direction={"income": 1},
        ...     integer=["age"],
        ...     groups=[("renting", "owning")],
        ... )
        >>> domain.violations([[30, 1000, 1, 0]], [[31, 900, 1, 1]])["mutable"].tolist()
        [[True, False, False, False]]
    """

    kind: ClassVar[str] = "domain"
    low: Any
    high: Any
    _: dataclasses.KW_ONLY
    mutable: Any = None
    direction: Any = None
    integer: Any = False
    step: Any = None
    groups: Any = ()
    names: Any = ()

    def __post_init__(self):
        names = tuple(map(str, self.names))
        if len(set(names)) < len(names):
            raise ValueError(f"Expected names that differ. Received: names={_checks.shown(names)}.")
        kinds = {"low": ("float32", -np.inf), "high": ("float32", np.inf), "step": ("float32", 0)}
        kinds |= {"mutable": ("bool", False), "direction": ("int32", 0), "integer": ("bool", False)}
        object.__setattr__(self, "names", names)
        for word, (dtype, default) in kinds.items():
            value = getattr(self, word)
            if value is None and word in ("low", "high"):
                limit = "-inf" if word == "low" else "inf"
                raise ValueError(
                    f"Expected {word} to be a number, one for all features or one for each. "
                    f"Received: {word}=None. For no limit pass {limit}."
                )
            if value is not None:
                value = columns.array(word, value, names, dtype, default)
                object.__setattr__(self, word, value)
        object.__setattr__(self, "groups", _groups(self.groups, names))
        self._check()

    def _check(self) -> None:
        if np.isnan(self.low).any() or np.isnan(self.high).any():
            raise ValueError("Expected low and high to be numbers. Received: NaN among them.")
        below, above = np.broadcast_arrays(self.low, self.high)
        wrong = (below > above) | (below == np.inf) | (above == -np.inf)
        if wrong.any():
            place = int(np.argmax(wrong))
            raise ValueError(
                f"Expected low <= high everywhere. Received: low={below.flat[place]:g} and "
                f"high={above.flat[place]:g}{self._where(place, below.shape)}."
            )
        if self.direction is not None and not np.isin(self.direction, (-1, 0, 1)).all():
            raise ValueError(
                "Expected direction to be +1 (may rise), -1 (may fall) or 0 (both). Received: "
                f"direction={_checks.shown(self.direction.tolist())}."
            )
        if self.step is not None and not (np.isfinite(self.step) & (self.step >= 0)).all():
            raise ValueError(
                "Expected step to be how far the values of a feature lie apart, finite and above "
                f"0, or 0 for no grid. Received: step={_checks.shown(self.step.tolist())}."
            )

    def _where(self, place: int, shape: tuple) -> str:
        if not shape:
            return ""
        if len(shape) == 1:
            return f" in {columns.column(place, self.names, shape)}"
        return f" at {tuple(map(int, np.unravel_index(place, shape)))}"

    @classmethod
    def from_data(cls, x: Any, **options: Any) -> "Domain":
        """The domain of a table: of each column the range of its values.

        Columns of integers and bools are integer, those of a pandas DataFrame have its names. What
        is given wins. Take the whole training data, not the samples that are attacked.

        Args:
            x: a table `(N, D)`, a pandas DataFrame among them.
            options: fields of a `Domain`.

        Raises:
            ValueError: if it is not a table, or holds NaN.

        Example:
            >>> import isi_keras as isi
            >>> isi.Domain.from_data([[1.5, 2], [0.5, 3]]).low.tolist()
            [0.5, 2.0]
        """
        names = [str(name) for name in getattr(x, "columns", ())]
        array = np.asarray(x, "float32") if names else np.asarray(x)
        if array.ndim != 2 or not len(array):
            raise ValueError(f"Expected a table (N, D). Received: an array of {array.shape}.")
        if np.isnan(array.astype("float32")).any():
            raise ValueError("Expected a table without NaN. Fill or drop what is missing.")
        integer = array.dtype.kind in "iub"
        if names:
            integer = np.array([kind.kind in "iub" for kind in x.dtypes])
        found = {"low": array.min(0), "high": array.max(0), "integer": integer, "names": names}
        return cls(**(found | options))

    @property
    def plain(self) -> bool:
        """Whether it is a bare range: finite, wider than 0, and nothing more."""
        bare = self.mutable is None and self.direction is None and not self.has_grid
        wide = bool(np.all(np.isfinite(self.low) & np.isfinite(self.high) & (self.low < self.high)))
        return bare and wide and not self.groups

    @property
    def has_grid(self) -> bool:
        """Whether any feature is on a grid."""
        return bool(np.any(self.integer)) or (self.step is not None and bool(np.any(self.step)))

    @property
    def structure(self) -> tuple:
        """What of it a compiled step depends on: the rest are values."""
        return self.plain, self.has_grid, self.groups

    def per_sample(self, rank: int) -> bool:
        """Whether something of it is given for each sample of inputs with `rank` axes."""
        return bool(self.of_each(rank))

    def of_each(self, rank: int) -> dict[str, np.ndarray]:
        """By its name what is given for each sample of inputs with `rank` axes, `(N, ...)`."""
        fields = {word: getattr(self, word) for word in _PER_FEATURE}
        return {word: v for word, v in fields.items() if np.ndim(v) == rank and len(v) > 1}

    def fit(self, shape: tuple) -> Fitted:
        """The domain for inputs of a shape.

        Args:
            shape: that of `x`, `(N, ...)`; only what is given for each sample depends on `N`.

        Raises:
            ValueError: if an array or the groups do not fit.
        """
        features = math.prod(shape[1:])
        if self.names and len(self.names) != features:
            raise ValueError(
                f"Expected a name for each of {features} columns. Received: {len(self.names)}."
            )
        words = {"low": "lower bound", "high": "upper bound"}
        arrays = {
            word: columns.fitted(words.get(word, word), np.asarray(value), shape)
            for word in _PER_FEATURE
            if (value := getattr(self, word)) is not None
        }
        return Fitted.of(arrays, self.groups, self.names, shape)

    def rows(self, index: Any, rank: int) -> "Domain":
        """The domain of some samples, or several times the same.

        Args:
            index: which, as an array is indexed.
            rank: how many axes `x` has.
        """
        chosen = {word: value[index] for word, value in self.of_each(rank).items()}
        return dataclasses.replace(self, **chosen) if chosen else self

    def of_dtype(self, dtype: Any) -> "Domain":
        """The domain of data of a type: of integers and bools whole numbers that the type holds."""
        dtype = np.dtype(dtype)
        if dtype.kind not in "iub":
            return self
        least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        low, high = (np.clip(bound, least, most) for bound in (self.low, self.high))
        step, integer = self.step, True
        if step is not None:
            if (step != np.round(step)).any() or (np.round(low) != low)[step > 0].any():
                raise ValueError(
                    f"x is of the type {dtype}, but the grid has other values than whole numbers: "
                    f"step={_checks.shown(step.tolist())}. Pass x as float32, or a whole step and "
                    f"low."
                )
            integer = step == 0
        return dataclasses.replace(self, low=low, high=high, step=step, integer=integer)

    def count(self, unit: str, shape: tuple, data_format: str) -> int:
        """How many features or positions a sample has, a one-hot group as one."""
        inside = sum(len(members) - 1 for members in self.groups)
        return axes.count(unit, shape, data_format) - inside

    def changes(self, x: Any, adversarial: Any) -> np.ndarray:
        """How many features of each sample changed, `(N,)`, where a one-hot group counts once."""
        return counted_once(np.asarray(x) != np.asarray(adversarial), self.groups)

    def violations(self, x: Any, adversarial: Any) -> dict[str, np.ndarray]:
        """Where adversarial examples are impossible, by what is broken; an independent recount.

        Args:
            x: the clean inputs, `(N, ...)`.
            adversarial: what became of them.

        Returns:
            Arrays of bool of the shape of `x`, by `"range"`, `"mutable"`, `"direction"`, `"grid"`
            and `"groups"`: `True` where an input breaks it. None does where it is unchanged.

        Example:
            >>> import isi_keras as isi
            >>> found = isi.Domain(0, 1, integer=True).violations([[0, 1]], [[0.5, 1]])
            >>> [kind for kind, where in found.items() if where.any()]
            ['grid']
        """
        x = np.asarray(x)
        return self.fit(x.shape).violations(x, np.asarray(adversarial))


def _groups(groups: Any, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    found, seen = [], {}
    for number, group in enumerate(groups):
        if isinstance(group, str) or not isinstance(group, Iterable):
            raise TypeError(
                "Expected groups to be groups of columns, such as [(1, 2, 3)]. Received: "
                f"groups={_checks.shown(groups)}."
            )
        members = tuple(columns.index_of("groups", member, names) for member in group)
        if len(members) < 2 or len(set(members)) < len(members):
            raise ValueError(
                "Expected each one-hot group to have at least two columns that differ. Received: "
                f"group {number} of {members}."
            )
        for member in members:
            if member in seen:
                raise ValueError(
                    f"Groups overlap: {columns.column(member, names, ())} is in the groups "
                    f"{seen[member]} and {number}. Leave it in one."
                )
            seen[member] = number
        found.append(members)
    return tuple(found)
