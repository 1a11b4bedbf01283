"""What a report is made of: tables, curves, matrices and samples, before anything is drawn."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras.plotting import checks, style
from isi_keras.results import Result

_TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells of text below a head; the first column names the rows, `wordy` ones hold words."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    wordy: Sequence[int] = ()


@dataclasses.dataclass(frozen=True)
class Curve:
    """A share against a distance, with the ends of its interval where it has one."""

    label: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    steps: bool = True


@dataclasses.dataclass(frozen=True)
class Chart:
    """Curves over one axis."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Matrix:
    """Classes against classes: text and, for its colour, a share from 0 to 1; NaN where empty.

    `rows` and `columns` are the numbers of the classes if a cell stands for samples of a gallery.
    """

    title: str
    row_label: str
    column_label: str
    row_names: Sequence[str]
    column_names: Sequence[str]
    texts: Sequence[Sequence[str]]
    shares: np.ndarray
    rows: Sequence[int] = ()
    columns: Sequence[int] = ()
    notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """What is said of one result.

    Args:
        label: what the result is called.
        record: the result.
        verdict: a sentence.
        metrics: numbers by name, which a threshold may ask for.
        tables: of numbers.
        charts: of curves.
        matrices: of pairs of classes.
        columns: of samples, `(N,)` each, for the gallery; empty if there are none.
        notes: what a reader must know to read the numbers right.
        fragments: ready HTML that was escaped where it was made.
    """

    label: str
    record: Result
    verdict: str
    metrics: Mapping[str, float]
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    matrices: Sequence[Matrix] = ()
    columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
    fragments: Sequence[str] = ()

    @property
    def kind(self) -> str:
        """The class of the record, as in `"AttackResult"`."""
        return type(self.record).__name__

    @property
    def shown(self) -> bool:
        """Whether there is more to show of it than a verdict and samples."""
        return bool(self.tables or self.charts or self.matrices or self.notes or self.fragments)

    @property
    def config(self) -> Mapping[str, Any]:
        """What the record was made with."""
        return self.record.config  # pyright: ignore[reportAttributeAccessIssue]


@dataclasses.dataclass(frozen=True)
class Words:
    """The names that the user gave: of classes, and of the columns of a table."""

    classes: Sequence[str] | None = None
    names: Sequence[str] | None = None

    def of_class(self, number: Any) -> str:
        """The name of a class; a negative number is none.

        Raises:
            ValueError: if there are names, but none for it.
        """
        return "none" if number < 0 else checks.class_name(number, self.classes)


def plain(text: Any) -> str:
    """A text in which marks that turn the direction of what follows are written out."""
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


def legible(names: Sequence[str] | None) -> Sequence[str] | None:
    """Names as they can be read: marks that turn the direction of what follows are written out.

    One that is empty becomes its number.
    """
    if names is None:
        return None
    return [plain(name).strip() or str(number) for number, name in enumerate(names)]


def share(value: float | None, low: float = np.nan, high: float = np.nan) -> str:
    """A share in percent, with the ends of its interval if they are known."""
    if value is None or not np.isfinite(value):
        return "\N{EM DASH}"
    text = f"{value:.1%}"
    return text if not np.isfinite(low) else f"{text} ({low:.1%} to {high:.1%})"


def number(value: float) -> str:
    """A number as it is read, infinity as its sign and NaN as a dash."""
    if np.isnan(value):
        return "\N{EM DASH}"
    if np.isinf(value):
        return "\N{INFINITY}" if value > 0 else "\N{MINUS SIGN}\N{INFINITY}"
    return style.number(value)
