"""Into which classes an attack turned the samples of each class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting.matrices.matrix import matrix
from isi_keras.results import AttackResult

MOST = 2048


def attack_matrix(result: AttackResult, *, classes: Sequence[str] | None = None) -> Axes:
    """Draws where an attack led, from each class to each other, in percent.

    Args:
        result: what an `Attack` returned.
        classes: the names of the classes; their numbers if `None`.

    Returns:
        The Axes.

    Raises:
        ValueError: if no sample was attacked, or a class has a number of 2048 or more.
    """
    values, label = turned(result, len(classes or ()))
    ax = matrix(values, classes=classes, label=label, digits=0, limits=(0, 100))
    ax.set_xlabel("class reached" if result.target is None else "target class")
    return ax


def turned(result: AttackResult, classes: int = 0) -> tuple[np.ndarray, str]:
    """Where an attack led, a matrix in percent of the attacked samples of each row, and its label.

    Of a targeted attack the share that reached the target, of any other the share that was turned
    into each class; NaN where nothing was attacked.

    Raises:
        ValueError: if no sample was attacked, or a class has a number of 2048 or more.
    """
    attacked = result.attacked
    if not attacked.any():
        raise ValueError("No sample was attacked, so there is no class that an attack led to.")
    aimed = result.prediction if result.target is None else result.target
    label, aimed, won = result.clean_prediction[attacked], aimed[attacked], result.success[attacked]
    count = max(classes, 1 + int(max(label.max(), aimed.max())))
    if count > MOST:
        raise ValueError(
            f"A matrix shows at most {MOST} classes. Received: class {count - 1}. Draw a part, as "
            "in result[result.prediction < 100], or make a report, which shows the most frequent."
        )
    hits, tries = np.zeros((2, count, count))
    np.add.at(hits, (label[won], aimed[won]), 1)
    if result.target is None:
        tries += np.bincount(label, minlength=count)[:, None]
        np.fill_diagonal(tries, 0)
    else:
        np.add.at(tries, (label, aimed), 1)
    share = np.divide(100 * hits, tries, out=np.full_like(hits, np.nan), where=tries > 0)
    return share, "turned into (%)" if result.target is None else "success rate (%)"
