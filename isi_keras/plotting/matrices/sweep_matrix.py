"""One of the matrices of a sweep over classes."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from isi_keras import _checks
from isi_keras.plotting.matrices.matrix import matrix as draw
from isi_keras.results import HardnessResult

MATRICES = {
    "success": ("success rate (%)", 0),
    "distortion": ("mean distortion", 2),
    "hardness": ("hardness", 0),
    "distance": ("adversarial distance", 2),
}
"""What a matrix may show, and how many places its numbers have."""


def sweep_matrix(
    result: HardnessResult,
    *,
    matrix: str = "hardness",
    budget: float | None = None,
    classes: Sequence[str] | None = None,
) -> Axes:
    """Draws one quantity of each pair of classes.

    Args:
        result: what `hardness` returned.
        matrix: `"success"`, `"distortion"`, `"hardness"` or `"distance"`.
        budget: of success and distortion, up to the greatest of the sweep, which is the default.
        classes: the names of the classes; those of the result if `None`.

    Returns:
        The Axes.

    Raises:
        ValueError: if `matrix` is unknown, or the budget greater than those of the sweep.
    """
    label, digits = MATRICES[_checks.one_of("matrix", matrix, MATRICES)]
    values = {
        "success": lambda: 100 * result.success_rate(budget),
        "distortion": lambda: result.mean_distortion(budget),
        "hardness": result.hardness,
        "distance": result.adversarial_distance,
    }[matrix]()
    return draw(values, classes=classes or result.classes.tolist(), label=label, digits=digits)
