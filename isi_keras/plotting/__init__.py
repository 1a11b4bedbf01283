"""Pictures of saved or fresh results; nothing here runs a model or needs a backend.

A function that draws one panel takes `ax` and returns the `Axes`; a function that draws a grid
returns the `Figure`; `animation` writes a file. Figures stand outside pyplot: nothing opens a
window or stays open, `figure.savefig(path)` writes one, and a notebook shows the figure that a cell
returns.
"""

from typing import Any

import lazy_loader

from isi_keras.plotting.plots import PLOTS as PLOTS

_load, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=["style"],
    submod_attrs={plot.module: [plot.name] for plot in PLOTS.values()},
)
__all__ = sorted(PLOTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    return _load(name)
