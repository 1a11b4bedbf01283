"""What a robust evaluation found, in numbers and as a table that names the attacks."""

import dataclasses
from typing import Any

import numpy as np

from isi_keras import _html
from isi_keras.results.robustness import RobustnessResult

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
ALL = "best of all"


@dataclasses.dataclass(frozen=True)
class Line:
    """One attack, or the best of all on each sample; NaN where there is nothing to count.

    Args:
        success_rate: the share of the samples that are predicted right that it turned.
        nearest: for how many samples it found the least distance; of equals the first counts.
        mean: the mean distance of those that it turned.
        median: the median distance over all that are predicted right, infinite for one not turned.
        robust_accuracy: the share of all samples that are right and not lost to it.
        optimality: `RobustnessResult.optimality`, 0 to 1.
        passes: forward and backward passes for each sample that is predicted right.
        seconds: wall-clock time.
    """

    success_rate: float
    nearest: int
    mean: float
    median: float
    robust_accuracy: float
    optimality: float
    passes: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Level:
    """Robust accuracy at a distance, with Wilson's interval at 95 %."""

    distance: float
    robust_accuracy: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class RobustnessReport:
    """What `evaluate` found in a `RobustnessResult`. Print it to read it.

    Args:
        samples: how many samples there were.
        clean_accuracy: the share of them that is predicted right.
        not_finite: for how many the model returned NaN or infinity; they are not robust.
        measure: what a distance is.
        levels: robust accuracy against the best of all attacks, at no distance, at quartiles of the
            least distances, and at any distance, which is infinite. Upper bounds.
        attacks: each attack by its name, and `"best of all"` at last.
    """

    samples: int
    clean_accuracy: float
    not_finite: int
    measure: str
    levels: tuple[Level, ...]
    attacks: dict[str, Line]

    @classmethod
    def of(cls, result: RobustnessResult) -> "RobustnessReport":
        """The report of a record."""
        least = result.least[result.right]
        found = least[np.isfinite(least)]
        quartiles = np.quantile(found, QUANTILES, method="inverted_cdf") if len(found) else []
        lines = {name: _line(result, name) for name in result.names.tolist()}
        return cls(
            samples=len(result),
            clean_accuracy=_mean(result.right),
            not_finite=int(result.not_finite.sum()),
            measure=result.measure,
            levels=tuple(_level(result, d) for d in np.unique([0.0, *quartiles, np.inf])),
            attacks={**lines, ALL: _line(result, None)},
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as nested dictionaries of numbers."""
        return dataclasses.asdict(self)

    def _repr_html_(self) -> str:
        head = ("", "turned", "nearest", "mean", "median", "optimality", "passes", "seconds")
        rows = [(name, *cells.split()) for name, cells in self._cells()]
        title, bound = str(self).split("\n")[:2]
        return _html.table(title, rows, head, bound)

    def __str__(self) -> str:
        *_, last = self.levels
        count = len(self.attacks) - 1
        lines = [
            f"robust accuracy {last.robust_accuracy:.2%} of {self.samples} samples, clean accuracy "
            f"{self.clean_accuracy:.2%}",
            f"an upper bound by {count} attack{'s' * (count != 1)}: others may turn more samples, "
            "at smaller distances",
        ]
        if self.not_finite:
            lines.append(
                f"NaN or infinity: {self.not_finite} of {self.samples} samples; they are neither "
                "right nor robust, and no success"
            )
        lines += [
            "",
            f"{self.measure + ', at most':<22}{'robust accuracy':>16}{'95 % interval':>20}",
        ]
        for level in self.levels:
            where = "any" if np.isinf(level.distance) else f"{level.distance:.4g}"
            interval = f"{level.low:.2%} to {level.high:.2%}"
            lines.append(f"{where:<22}{level.robust_accuracy:>16.2%}{interval:>20}")
        width = 2 + max(map(len, self.attacks))
        head = ("turned", "nearest", "mean", "median", "optimality", "passes", "seconds")
        lines += ["", " " * width + "".join(f"{word:>11}" for word in head)]
        lines += [f"{name:<{width}}{line}" for name, line in self._cells()]
        lines.append(
            "turned: of those predicted right; mean: of those turned; median: of all of these"
        )
        return "\n".join(lines)

    def _cells(self):
        for name, line in self.attacks.items():
            cells = (
                f"{line.success_rate:.2%}", f"{line.nearest}", f"{line.mean:.4g}",
                f"{line.median:.4g}", f"{line.optimality:.3f}", f"{line.passes:.4g}",
                f"{line.seconds:.2f}",
            )  # fmt: skip
            yield name, "".join(f"{cell:>11}" for cell in cells)


def _level(result: RobustnessResult, distance: float) -> Level:
    share = result.robust_accuracy(distance)
    return Level(
        float(distance), share, *(result.interval(distance) if len(result) else [share] * 2)
    )


def _line(result: RobustnessResult, attack: str | None) -> Line:
    names = result.names.tolist()
    chosen = range(len(names)) if attack is None else [names.index(attack)]
    right, lost = result.right, result.distances(attack)
    turned = right & result.success[:, chosen].any(axis=1)
    passes = (result.forward + result.backward)[right][:, chosen]
    return Line(
        success_rate=_mean(turned[right]),
        nearest=int(np.isin(result.nearest, chosen).sum()),
        mean=_mean(lost[turned]),
        median=float(np.median(lost[right])) if right.any() else float("nan"),
        robust_accuracy=result.robust_accuracy(attack=attack),
        optimality=_optimality(result, attack),
        passes=_mean(passes.sum(axis=1)),
        seconds=float(result.seconds[:, chosen].sum()),
    )


def _optimality(result: RobustnessResult, attack: str | None) -> float:
    if attack is not None:
        return result.optimality(attack)
    return 1.0 if np.isfinite(result.optimality()).all() else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
