"""The table of all plots: what each draws, and where its function is."""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any, Literal

from isi_keras.results import (
    AttackResult,
    Explanation,
    FlippingResult,
    HardnessResult,
    RandomisationResult,
    Result,
    RobustnessResult,
)

PICTURES = (".png", ".pdf", ".svg")
"""The suffixes of files that a figure can be written to."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of result.

    Args:
        record: its class.
        said: what a reader calls it.
        maker: what returns it.
    """

    record: type[Result]
    said: str
    maker: str


ATTACK = Kind(AttackResult, "An attack", "an Attack")
MAPS = Kind(Explanation, "Maps", "explain")
SWEEP = Kind(HardnessResult, "A sweep over classes", "hardness")
FLIPPING = Kind(FlippingResult, "Pixel flipping", "pixel_flipping")
RANDOM = Kind(RandomisationResult, "Random parameters", "parameter_randomisation")
ENSEMBLE = Kind(RobustnessResult, "A robust evaluation", "robustness")
KINDS = (ATTACK, MAPS, SWEEP, FLIPPING, RANDOM, ENSEMBLE)


@dataclasses.dataclass(frozen=True)
class Plot:
    """One plot of the package.

    Args:
        module: where it is, below `isi_keras.plotting`. Module and function have the same name.
        kinds: the kinds of results that it draws.
        results: whether it draws `"one"` result, a mapping from labels to `"several"`, or `"any"`
            of these.
        saved: the function that the command line calls in its place, for each of `kinds`.
        suffixes: of the files that it can be written to. One that is not a figure has an argument
            `path` and writes itself.
    """

    module: str
    kinds: tuple[Kind, ...]
    results: Literal["one", "any", "several"] = "one"
    saved: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = PICTURES

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.module.rpartition(".")[2]

    @property
    def function(self) -> Callable[..., Any]:
        """The function, whose module is imported now."""
        return _function(f"{self.module}.{self.name}")

    def for_saved(self, record: Result) -> Callable[..., Any]:
        """The function that draws a record read from a file, with the options of its arguments."""
        if not self.saved:
            return self.function
        return _function(self.saved[self.kinds.index(kind_of(record))])


PLOTS = {
    plot.name: plot
    for plot in (
        Plot("attack.examples", (ATTACK,), saved=("attack.examples.draw_attack",)),
        Plot("attack.changes", (ATTACK,)),
        Plot("attack.targets", (ATTACK,)),
        Plot("attack.robust_accuracy", (ATTACK,), "any"),
        Plot("attack.distances", (ATTACK,), "any"),
        Plot("attack.attacks", (ATTACK,), "several"),
        Plot("attack.trajectory", (ATTACK,)),
        Plot("attack.trajectories", (ATTACK,)),
        Plot("attack.animation", (ATTACK,), suffixes=(".gif",)),
        Plot("explanation.heatmaps", (MAPS,)),
        Plot("explanation.heatmap", (MAPS,)),
        Plot("explanation.indicators", (MAPS,), "several"),
        Plot("explanation.surface", (MAPS,)),
        Plot("explanation.text", (MAPS,)),
        Plot("explanation.text_html", (MAPS,), suffixes=(".html",)),
        Plot("matrices.hardness", (SWEEP,)),
        Plot("matrices.success", (SWEEP,), "any"),
        Plot(
            "matrices.matrix",
            (ATTACK, SWEEP),
            saved=("matrices.attack_matrix.attack_matrix", "matrices.sweep_matrix.sweep_matrix"),
        ),
        Plot("explanation.faithfulness", (FLIPPING,), "several"),
        Plot("explanation.randomisation", (RANDOM,), "any"),
        Plot("attack.robustness", (ENSEMBLE,), "any"),
    )
}
"""Every plot by its name; of those that draw a kind of result the first is the usual one."""


def kind_of(record: Any) -> Kind:
    """The kind of a record.

    Raises:
        LookupError: if it is not a record.
    """
    for kind in KINDS:
        if isinstance(record, kind.record):
            return kind
    raise LookupError(f"Expected a result. Received: {type(record).__name__}.")


def plots_of(kind: Kind) -> list[Plot]:
    """The plots that draw a kind of result."""
    return [plot for plot in PLOTS.values() if kind in plot.kinds]


def _function(path: str) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"isi_keras.plotting.{module}"), name)
