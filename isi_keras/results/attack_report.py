"""What an attack did, in numbers: what `evaluate` returns."""

import dataclasses
from typing import Any

from isi_keras import _checks, _html
from isi_keras.results.stop import Stop


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure over the samples that were attacked; NaN where there are none.

    Args:
        mean_success: the mean over the successes.
        median_success: the median over the successes.
        mean_all: the mean over all attacked samples. For a distance a failure counts as infinity.
        median_all: the median over all attacked samples, likewise.
    """

    mean_success: float
    median_success: float
    mean_all: float
    median_all: float


@dataclasses.dataclass(frozen=True)
class ClassReport:
    """What became of the samples of one class: of the true one, or without labels the predicted.

    Args:
        number: of the class.
        samples: how many samples it has.
        attacked: how many of them were attacked.
        successes: how many of these turned.
        success_rate: `successes / attacked`, 0 to 1; NaN if none was attacked.
        clean_accuracy: the share predicted right before the attack; `None` without labels.
        robust_accuracy: the same after it, likewise.
        median_l0: the median number of inputs changed where it turned; NaN without a success.
    """

    number: int
    samples: int
    attacked: int
    successes: int
    success_rate: float
    clean_accuracy: float | None
    robust_accuracy: float | None
    median_l0: float


@dataclasses.dataclass(frozen=True)
class Report:
    """What `evaluate` found. Print it to read it.

    Args:
        samples: how many samples there were.
        attacked: how many of them were attacked: all but those that were misclassified or
            predicted as the target to begin with, or whose logits were not finite.
        successes: how many attacks reached their goal.
        success_rate: `successes / attacked`, 0 to 1.
        clean_accuracy: the share of samples predicted right before the attack, or `None` if no
            true labels were given.
        robust_accuracy: the same after the attack: a success counts as wrong, whatever `y` says,
            and so does a sample for which the model returned NaN or infinity.
        measures: by name a `Measure`: the number of changed features `l0_feature` and of changed
            positions `l0_position` (one with any changed channel counts once), the Euclidean and
            the greatest distance `l2` and `linf` in the units of the data, and for images the
            structural similarity `ssim` (at most 1) and the peak signal-to-noise ratio `psnr` in
            dB, both with the width of the bounds as the range of the data.
        position: what a position is, `"pixel"` of images, `"time step"` of `(N, T, C)`, `"voxel"`
            of volumes; of `(N, D)` each `"feature"`.
        data_format: where the channels were taken to be; `None` if there are none.
        stops: how many samples ended for each reason. For those that are `not_finite` the model
            returned NaN or infinity: they are no success, and not robust.
        steps: the mean number of steps of the attacked samples.
        forward: forward passes over all samples.
        backward: backward passes over all samples.
        seconds: wall-clock time of the attack.
        classes: a `ClassReport` for each class that has samples, in the order of their numbers.
    """

    samples: int
    attacked: int
    successes: int
    success_rate: float
    clean_accuracy: float | None
    robust_accuracy: float | None
    measures: dict[str, Measure]
    position: str
    data_format: str | None
    stops: dict[str, int]
    steps: float
    forward: int
    backward: int
    seconds: float
    classes: tuple[ClassReport, ...] = ()

    def to_frame(self, by: str = "measure") -> Any:
        """The report as a pandas DataFrame.

        Args:
            by: `"measure"`, a row for each distance and similarity; or `"class"`, one for each
                class.

        Raises:
            ValueError: if `by` is neither.
            ImportError: if pandas is not installed.
        """
        _checks.one_of("by", by, ("measure", "class"))
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_frame needs pandas. Install it: pip install pandas.") from error
        if by == "measure":
            rows = {name: dataclasses.asdict(measure) for name, measure in self.measures.items()}
            return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("measure")
        names = [field.name for field in dataclasses.fields(ClassReport)]
        rows = [dataclasses.astuple(line) for line in self.classes]
        return pandas.DataFrame(rows, columns=names).set_index("number").rename_axis("class")

    def _repr_html_(self) -> str:
        head = ("", "mean, turned", "median, turned", "mean, all", "median, all")
        rows = [
            (name, *(f"{value:.4g}" for value in dataclasses.astuple(measure)))
            for name, measure in self.measures.items()
        ]
        title, *more = str(self).partition("\n\n")[0].split("\n")
        return _html.table(title, rows, head, "; ".join(more))

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as nested dictionaries of numbers."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{self.successes} of {self.attacked} attacked samples turned "
            f"({self.success_rate:.2%}); {self.samples} samples in all",
        ]
        if self.clean_accuracy is not None:
            lines.append(
                f"accuracy {self.clean_accuracy:.2%} clean, {self.robust_accuracy:.2%} attacked"
            )
        broken = self.stops.get(Stop.NOT_FINITE.label, 0)
        if broken:
            lines.append(
                f"NaN or infinity: {broken} of {self.samples} samples; they are neither right nor "
                "robust, and no success"
            )
        lines.append("stopped: " + ", ".join(f"{k} {v}" for k, v in self.stops.items()))
        lines.append(
            f"{self.steps:.2f} steps a sample; {self.seconds:.2f} s for {self.forward} forward and "
            f"{self.backward} backward passes"
        )
        head = ("mean, turned", "median, turned", "mean, all", "median, all")
        lines += ["", " " * 12 + "".join(f"{word:>16}" for word in head)]
        for name, measure in self.measures.items():
            values = dataclasses.astuple(measure)
            lines.append(f"{name:<12}" + "".join(f"{value:>16.4g}" for value in values))
        where = "no channels" if self.data_format is None else self.data_format
        lines.append(f"l0_position counts {self.position}s ({where})")
        lines.append("all: a failure counts as infinitely far; ssim and psnr as they are")
        return "\n".join(lines)
