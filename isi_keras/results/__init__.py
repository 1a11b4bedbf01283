"""What the long computations return: frozen records of NumPy arrays that know how to be saved.

Nothing here needs a backend, so a saved result can be read and drawn where none is installed.
"""

from isi_keras.results.archive import UnreadableError
from isi_keras.results.base import Result
from isi_keras.results.curves import SCORES, FlippingResult, RandomisationResult
from isi_keras.results.hardness import HardnessResult
from isi_keras.results.places import as_path, write_atomically
from isi_keras.results.records import AttackResult, Explanation
from isi_keras.results.robustness import RobustnessResult
from isi_keras.results.stop import Stop
from isi_keras.results.stored import Stored

__all__ = [
    "SCORES",
    "AttackResult",
    "Explanation",
    "FlippingResult",
    "HardnessResult",
    "RandomisationResult",
    "Result",
    "RobustnessResult",
    "Stop",
    "Stored",
    "UnreadableError",
    "as_path",
    "write_atomically",
]
