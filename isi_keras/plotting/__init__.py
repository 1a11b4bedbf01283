"""Pictures of saved or fresh results; nothing here runs a model or needs a backend.

A function that draws one panel takes `ax` and returns the `Axes`; a function that draws a grid
returns the `Figure`; `animation` writes a file. Figures live outside pyplot: nothing opens a
window or stays open, `figure.savefig(path)` writes one, and a notebook shows the figure that a cell
returns.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import lazy_loader

from isi_keras.plotting.plots import PLOTS as PLOTS
from isi_keras.results import Stored

_load, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=["style"],
    submod_attrs={plot.module: [plot.name] for plot in PLOTS.values()},
)
__all__ = sorted(PLOTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    found = _of_runs(_load(name)) if name in PLOTS else _load(name)
    globals()[name] = found  # in place of what the loader put there, which takes no runs
    return found


@functools.cache
def _of_runs(plot: Callable) -> Callable:
    """A plot that also takes runs, whose records it reads."""

    @functools.wraps(plot)
    def drawn(results: Any, *args: Any, **options: Any) -> Any:
        return plot(_in_memory(results), *args, **options)

    return drawn


def _in_memory(results: Any) -> Any:
    if isinstance(results, Stored):
        return results.result()
    if isinstance(results, Mapping):
        return {label: _in_memory(result) for label, result in results.items()}
    return results
