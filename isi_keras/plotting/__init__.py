"""Pictures of saved or fresh results; nothing here runs a model or needs a backend.

A function that draws one panel takes `ax` and returns the `Axes`; a function that draws a grid
returns the `Figure`; `animation` writes a file. Figures stand outside pyplot: nothing opens a
window or stays open, `figure.savefig(path)` writes one, and a notebook shows the figure that a cell
returns.
"""

from isi_keras.plotting.before_after import changes
from isi_keras.plotting.budgets import success
from isi_keras.plotting.class_pairs import hardness
from isi_keras.plotting.curves import faithfulness
from isi_keras.plotting.film import animation
from isi_keras.plotting.gallery import examples
from isi_keras.plotting.layers import randomisation
from isi_keras.plotting.many_attacks import trajectories
from isi_keras.plotting.many_maps import indicators
from isi_keras.plotting.matrices import matrix
from isi_keras.plotting.one_attack import trajectory
from isi_keras.plotting.reach import robust_accuracy
from isi_keras.plotting.relevance import heatmap, heatmaps
from isi_keras.plotting.relief import surface
from isi_keras.plotting.rows_of_attacks import attacks
from isi_keras.plotting.spread import distances
from isi_keras.plotting.target_grid import targets

__all__ = [
    "animation",
    "attacks",
    "changes",
    "distances",
    "examples",
    "faithfulness",
    "hardness",
    "heatmap",
    "heatmaps",
    "indicators",
    "matrix",
    "randomisation",
    "robust_accuracy",
    "success",
    "surface",
    "targets",
    "trajectories",
    "trajectory",
]
