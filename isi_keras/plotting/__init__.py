"""Pictures of saved or fresh results; nothing here runs a model or needs a backend.

A function that draws one panel takes `ax` and returns the `Axes`; a function that draws a grid
returns the `Figure`; `animation` writes a file. Figures stand outside pyplot: nothing opens a
window or stays open, `figure.savefig(path)` writes one, and a notebook shows the figure that a cell
returns.
"""

from isi_keras.plotting.attack.animation import animation
from isi_keras.plotting.attack.attacks import attacks
from isi_keras.plotting.attack.changes import changes
from isi_keras.plotting.attack.distances import distances
from isi_keras.plotting.attack.examples import examples
from isi_keras.plotting.attack.robust_accuracy import robust_accuracy
from isi_keras.plotting.attack.targets import targets
from isi_keras.plotting.attack.trajectories import trajectories
from isi_keras.plotting.attack.trajectory import trajectory
from isi_keras.plotting.explanation.faithfulness import faithfulness
from isi_keras.plotting.explanation.heatmaps import heatmap, heatmaps
from isi_keras.plotting.explanation.indicators import indicators
from isi_keras.plotting.explanation.randomisation import randomisation
from isi_keras.plotting.explanation.surface import surface
from isi_keras.plotting.matrices.hardness import hardness
from isi_keras.plotting.matrices.matrix import matrix
from isi_keras.plotting.matrices.success import success

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
