"""Whether records say the same twice: that an attack reached its goal, and why it ended."""

import numpy as np

from isi_keras.results.stop import Stop


def check(
    name: str, told: np.ndarray, reasons: np.ndarray, among: np.ndarray | None = None
) -> None:
    """Raises unless a field says of the same entries as the reasons that the goal was reached.

    Args:
        name: of the field, for the text of an error.
        told: whether it says so, bool.
        reasons: why each ended, of the same shape: labels of `Stop`.
        among: which entries are compared; `None` for all.

    Raises:
        ValueError: if it does not; the text has the first entry that is wrong.
    """
    reached = reasons == Stop.SUCCESS.label
    wrong = told != reached
    wrong = wrong if among is None else wrong & among
    if wrong.any():
        first = tuple(map(int, np.unravel_index(np.argmax(wrong), wrong.shape)))
        said = ("only", "with it") if told[first] else ("also", "without it")
        raise ValueError(
            f"expected {name} {said[0]} where stop_reason is {Stop.SUCCESS.label!r}. Received: "
            f"{str(reasons[first])!r} {said[1]} at index {list(first)}"
        )
