"""What a reproduction has done so far: runs in a folder, until all of it is there."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras.runs.driver import run
from isi_keras.sources.rows import write_array

FOLDER = "unfinished"


@dataclasses.dataclass(frozen=True)
class Kept:
    """Does what is not done yet, and remembers it if the reproduction is stopped.

    Args:
        out: the folder of the reproduction; `FOLDER` lies in it meanwhile.
        batch_size: how many samples are computed at once.
        verbose: 1 shows progress.
    """

    out: Path
    batch_size: int
    verbose: int

    def __call__(self, name: str, method: Any, model: Any, x: Any, **given: Any) -> Any:
        """The record of a method.

        Args:
            name: of the folder of its run.
            method: as `run` takes it.
            model: a Keras model.
            x: the samples.
            given: `y` and `target`.

        Raises:
            ValueError: if another reproduction was begun there.
        """
        # No shard has fewer samples than a batch where there are more: that would be compiled anew.
        options = {"batch_size": self.batch_size, "shard_size": 2 * self.batch_size}
        place = self.out / FOLDER / name
        return run(method, model, x, out=place, verbose=self.verbose, **options, **given).result()

    def array(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """An array that is made as a whole."""
        place = self.out / FOLDER / f"{name}.npy"
        write_array(place, np.load(place) if place.exists() else make())
        return np.load(place)

    def finished(self) -> None:
        """Forgets it, once everything is written."""
        shutil.rmtree(self.out / FOLDER, ignore_errors=True)
