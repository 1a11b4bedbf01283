"""Where a command's results go: into a file at the end, or into a run folder bit by bit."""

import dataclasses
import functools
import shutil
from pathlib import Path
from typing import Any

from typer import BadParameter

from isi_keras._checks import one_of
from isi_keras.cli import data as inputs
from isi_keras.cli import options, output
from isi_keras.results import Result, as_path
from isi_keras.runs.shards import KEEP

_PARTS = ("run.json", "stream.json", "model.keras", "picture.png", "shards", "failed", "input")


@dataclasses.dataclass(frozen=True)
class Running:
    """How a method is run, as the command line says.

    Args:
        out: a file, or a folder with a slash behind it; `None` for a file of a name of its own.
        picture: the file of the picture; `None` for one beside the result.
        overwrite: whether what is there is replaced.
        workers: how many processes.
        engine: the name of an engine.
        address: of a cluster.
        part: `"I/N"`.
        keep: words with commas between them.
        shard_size: samples in a shard.
    """

    out: str | None
    picture: Any
    overwrite: bool = False
    workers: int = 1
    engine: str | None = None
    address: str | None = None
    part: str | None = None
    keep: str | None = None
    shard_size: int | None = None

    @property
    def is_run(self) -> bool:
        """Whether the results go into a run folder."""
        if self.out is None:
            return False
        elsewhere = "://" in self.out and not self.out.endswith(".npz")
        return self.out.endswith("/") or elsewhere or Path(self.out, "run.json").exists()

    def places(self, model: str, *words: Any) -> tuple[Any, Any]:
        """Where result and picture go; checked, and nothing is written yet.

        Args:
            model: MODEL.
            words: what tells this result from others of the model.

        Raises:
            BadParameter: if an option of runs is given without a run.
            FileExistsError: if something is there that is not to be replaced.
            OSError: if one of them cannot be written.
        """
        if self.is_run:
            self._as_part()
            self._check_address()
            for word in self._as_keep() or ():
                one_of("keep", word, KEEP)
            folder = as_path(self.out)
            picture = self.picture or folder / "picture.png"
            output.check_writable(folder / "run.json")
            if self.overwrite and self.part is not None:
                raise BadParameter(
                    "--overwrite would remove what the other parts have done. Remove the folder "
                    "before the first part starts, or take another."
                )
            output.check_picture(picture, self.overwrite or self.picture is None)
            return self.out, picture
        for name, usual in (("workers", 1), ("engine", None), ("part", None), ("keep", None)):
            if getattr(self, name) != usual:
                raise BadParameter(
                    f"--{name} is for runs, whose results go into a folder. End --out with a "
                    "slash, as in --out runs/night/."
                )
        out = None if self.out is None else as_path(self.out)
        return output.places(out, self.picture, model, *words, overwrite=self.overwrite)

    def perform(
        self,
        method: Any,
        given: inputs.Given,
        *,
        from_logits: bool | None,
        batch_size: int | None,
        target: int | None = None,
        goal: Any = None,
        labels: bool = True,
        trajectory: bool = False,
    ) -> Any:
        """What comes of a method: a record, or a `Run`.

        Args:
            method: as `run` takes it.
            given: model and samples.
            from_logits: whether the model returns logits.
            batch_size: how many samples are computed at once.
            target: the class to reach or to explain.
            goal: a goal in its place; where it is about values, of the outputs as they are.
            labels: whether labels are used.
            trajectory: whether the logits of each step are kept.
        """
        from isi_keras.models import logits, outputs
        from isi_keras.runs import methods
        from isi_keras.runs.driver import run

        values = goal is not None and goal.of_values
        labels = labels and not values
        network = outputs(given.network) if values else logits(given.network, from_logits)
        if not self.is_run:
            x, y = given.arrays()
            keep = ["trajectory"] if trajectory else []
            return methods.of_spec(methods.spec_of(method), keep)(
                network,
                x,
                y=y if labels else None,
                target=target,
                goal=goal,
                batch_size=batch_size,
                first_index=0,
                verbose=options.verbose(),
            )
        if self.overwrite:
            remove(as_path(self.out))
        named = from_logits is None and not values
        keep = self._as_keep()
        if trajectory:
            keep = (*(("adversarial", "relevance") if keep is None else keep), "trajectory")
        return run(
            method,
            given.name if named else network,
            given.source,
            out=self.out,
            y=None if labels else False,
            target=target,
            goal=goal,
            batch_size=batch_size,
            shard_size=self.shard_size,
            keep=keep,
            workers=self.workers,
            engine=self._as_engine(),
            part=self._as_part(),
            verbose=options.verbose(),
        )

    def _as_part(self) -> tuple[int, int]:
        index, slash, count = (self.part or "0/1").partition("/")
        if not slash or not index.isdecimal() or not count.isdecimal() or int(index) >= int(count):
            raise BadParameter(
                f"Expected --part I/N, I from 0 to N - 1, as in 0/4. Received: {self.part!r}."
            )
        return int(index), int(count)

    def _as_keep(self) -> tuple[str, ...] | None:
        if self.keep is None:
            return None
        words = [word.strip() for word in self.keep.split(",")]
        return tuple(word for word in words if word not in ("", "table"))

    def _check_address(self) -> None:
        if self.address is not None and self.engine not in ("ray", "dask"):
            raise BadParameter("--address is of a cluster. Add --engine ray or --engine dask.")

    def _as_engine(self) -> Any:
        if self.address is None:
            return self.engine
        from isi_keras.runs.engines import NAMES

        return functools.partial(NAMES[self.engine], address=self.address)  # pyright: ignore


def part_done(found: Any) -> bool:
    """Whether only a part of a run is there; says so, and how far it is."""
    from isi_keras.runs.stored import Run

    if not isinstance(found, Run) or found.status().finished:
        return False
    print(f"{found.status()}\nrun:     {found.path}")
    return True


def stored_at(found: Any, place: Any) -> str:
    """Where the results are, as the last lines of a command say it."""
    if isinstance(found, Result):
        return f"result:  {found.save(place)}"
    return f"run:     {found.path}"


def record_of(found: Any, count: int | None = None) -> Result:
    """The record of the first samples, for a picture; all if `None`."""
    if isinstance(found, Result):
        return found
    return found.result() if count is None else found[: min(count, len(found))]


def whole(place: Any) -> Result:
    """The record of a file or of a run."""
    found = saved(place)
    return found if isinstance(found, Result) else found.result()


def remove(folder: Any) -> None:
    """Removes a run, and nothing else that is in its folder, here or elsewhere."""
    if not (folder / "run.json").exists():
        return
    for name in _PARTS:
        place = folder / name
        if not place.is_dir():
            place.unlink(missing_ok=True)
        elif isinstance(place, Path):
            shutil.rmtree(place)
        else:
            place.rmdir(recursive=True)


def saved(place: Any) -> Any:
    """The record of a file, or the `Run` of a folder.

    Raises:
        OSError: if there is no such file or run.
        ValueError: if it holds neither.
    """
    from isi_keras.runs.stored import Run

    elsewhere = not isinstance(place, Path) and not place.is_file()
    return Run(place) if elsewhere or place.is_dir() else Result.load(place)
