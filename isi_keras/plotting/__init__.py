"""Pictures of saved or fresh results; nothing here runs a model or needs a backend.

A function that draws one panel takes `ax` and returns the `Axes`; a function that draws a grid
returns the `Figure`. Figures stand outside pyplot: nothing opens a window or stays open,
`figure.savefig(path)` writes one, and a notebook shows the figure that a cell returns.
"""

from isi_keras.plotting.curves import faithfulness
from isi_keras.plotting.gallery import examples
from isi_keras.plotting.relevance import heatmap, heatmaps
from isi_keras.plotting.target_grid import targets

__all__ = ["examples", "faithfulness", "heatmap", "heatmaps", "targets"]
