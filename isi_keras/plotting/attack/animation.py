"""One attack as an animation, step by step."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from matplotlib.animation import PillowWriter

from isi_keras.plotting import checks, plots, style
from isi_keras.plotting.attack import _film, _images
from isi_keras.results import AttackResult, as_path, write_atomically

DPI = 110
"""Dots per inch of the animation."""

HELD = 6
"""How many frames long the last one stands."""


def animation(
    result: AttackResult,
    index: int = 0,
    path: str | os.PathLike | None = None,
    *,
    seconds: float = 0.3,
    classes: Sequence[str] | None = None,
    data_format: str | None = None,
) -> Path | bytes:
    """Writes one attack on an image as an animated GIF: the original, then a frame for each step.

    Squares mark the pixels that were changed so far, thicker ones those of the step. Beside
    it are the probabilities of three classes, if the result has a trajectory: that which was
    predicted before, the target (or the class that was reached), and the greatest of the others
    over all steps.

    The images of the steps are made from `x`, `adversarial` and `order`. That is exact only where
    no input is changed twice: under `L0`, and under `Salient` (`JSMA`) if a step is as wide as the
    bounds or with `once=True`. Other results are refused, among them those of `MinimalL0`, which
    takes changes back: draw them with `examples`, `changes` or `trajectory`.

    Args:
        result: what an `Attack` or a `JSMA` returned on images.
        index: which sample, from 0.
        path: where to write; `.gif` is appended if there is no suffix. The file appears whole or
            not at all. `None` returns the bytes of the file, to be shown in a notebook.
        seconds: how long each step is shown, at least 0.02; the last is held six times as long.
        classes: the names of the classes; their numbers if `None`.
        data_format: `"channels_last"` or `"channels_first"`; the result's own if `None`.

    Returns:
        The path of the file, or its bytes.

    Raises:
        TypeError: if `result` is not an `AttackResult`.
        ValueError: if it is empty or not of images, if the sample was not attacked or its steps are
            not known, or if an argument does not fit.
        OSError: if the folder cannot be written.

    Example:
    >>> from isi_keras.plotting import _example
    >>> result = _example.attack()
    >>> animation(result)[:6]
    b'GIF89a'
    """
    checks.expect(result, plots.ATTACK)
    index = int(checks.chosen([index], len(result))[0])
    _images.expect_attacked(result, index)
    if not seconds >= 0.02:
        raise ValueError(f"seconds must be at least 0.02. Received: seconds={seconds!r}.")
    written = None if path is None else _gif(as_path(path))
    data_format = checks.format_of(result, data_format)
    data = _written(_film.Film(result, index, classes, data_format), seconds)
    if written is None:
        return data
    return write_atomically(written, lambda file: file.write(data))


def _written(film: _film.Film, seconds: float) -> bytes:
    """The bytes of the animation."""
    with tempfile.TemporaryDirectory() as folder, style.context():
        path = Path(folder) / "attack.gif"
        film.figure.draw_without_rendering()
        film.figure.set_layout_engine("none")  # the panels stay where they are
        writer = PillowWriter(fps=1 / seconds)  # pyright: ignore[reportArgumentType]
        with writer.saving(film.figure, str(path), DPI):
            for step in [*range(film.last + 1), *[film.last] * (HELD - 1)]:
                film.show(step)
                writer.grab_frame()
        return path.read_bytes()


def _gif(path: Path) -> Path:
    path = path if path.suffix else path.with_name(path.name + ".gif")
    if path.suffix.lower() != ".gif":
        raise ValueError(f"An animation is a .gif. Received: {str(path)!r}. Change the suffix.")
    return path
