"""`run`: a method over a source into a folder; what is done is not done again."""

import contextlib
import json
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from isi_keras import _checks
from isi_keras.runs import beginning, bounds, models, planning, work
from isi_keras.runs.engines.processes import refuse_unguarded
from isi_keras.runs.errors import ShardsFailedError
from isi_keras.runs.folder import RunFolder
from isi_keras.runs.progress import Progress, shown
from isi_keras.runs.reading import header_of
from isi_keras.runs.stored import END, Run
from isi_keras.sources import Rows, Stream, hashes


def run(
    method: Any,
    model: Any,
    source: Any = None,
    *,
    out: Any,
    y: Any = None,
    target: Any = None,
    goal: Any = None,
    batch_size: int | None = None,
    shard_size: int | None = None,
    keep: Sequence[str] | None = None,
    workers: int = 1,
    engine: Any = None,
    part: tuple[int, int] = (0, 1),
    verbose: int = 1,
) -> Run:
    """Attacks (or explains, ...) samples of any number, shard by shard, into a folder.

    A shard that is there is done: the same call goes on where an earlier one ended, however that
    was. A shard is a function of the plan and its number, so it does not matter who computes it, or
    how often. Another plan is refused, and so are a model or samples that have changed.

    Results of one plan are bitwise the same on one backend and kind of machine, with the same
    number of threads.

    Args:
        method: an attack; an indicator, with which samples are explained; or a function such as
            `isi.hardness` or `isi.robustness`, its options by `functools.partial`.
        model: the path of a `.keras` file, the name of a network of the package, a function that
            makes one as `"module:function"`, or a built Keras model, which is saved into the folder
            for workers.
        source: the samples: an array or a pair `(x, y)`; a path of an `.npy`, `.npz`, `.csv`,
            `.parquet`, `.h5`, `.zarr`, an image or a folder of images; a pandas DataFrame; a
            `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch DataLoader, a generator of batches
            or a function that makes one; or `"module:function"`, called in each worker. `None` for
            the test images of a network of the package. Batches must end: a dataset that says that
            it does not is refused, a generator cannot say it. Of an endless one pass
            `lambda: itertools.islice(batches(), n)`; without, the run goes on until it is stopped.
        out: the folder, also elsewhere, as in `"s3://bucket/night"`.
        y: the true labels, `(N,)`, in place of those of the source; of a table the name of the
            column that holds them; `False` to do without. `None` for those of the source.
        target: the class to reach or to explain, one for all samples or `(N,)`; `None` as the
            method takes it.
        goal: a goal of `isi_keras.goals`, in place of a target.
        batch_size: how many samples are computed at once; `None` for up to 512, so many that what
            the model computes of them takes no more than 2 GiB.
        shard_size: the greatest number of samples in a shard, which is what a kill can cost a
            worker; `None` for 8 batches, or
            1,024 if the size of these is not given.
        keep: what is kept beside a table of numbers: some of `"adversarial"`, `"relevance"`,
            `"trajectory"` and `"x"`. `None` for the first two, and for the samples of a stream,
            which cannot be read again. `()` for the table alone: some 50 bytes a sample.
        workers: how many processes; 1 for this one.
        engine: who does the shards: `None` for processes of this machine, `"ray"`, `"dask"`, or one
            of `isi_keras.runs.engines` with its options.
        part: `(i, n)`: of all shards only each `n`-th, from the `i`-th on: one task of an array of
            jobs.
        verbose: 1 shows samples, success, rate and time left.

    Returns:
        The `Run`, which is finished unless only a part was done.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if one is out of its range; or the folder holds another run, or the model or the
            samples have changed: the text names what differs.
        RuntimeError: if shards failed: the others are kept, and these are tried again at the next
            call; or if another process works on the folder.
        OSError: if the folder cannot be written, as when the disk is full.
        KeyboardInterrupt: after Ctrl-C, once the shards under way are done.

    Example:
        >>> import tempfile
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> attack = isi.Attack("relevance", "l0", max_steps=30)
        >>> folder = tempfile.mkdtemp()
        >>> run = isi.run(attack, model, (x[:8], y[:8]), out=folder, batch_size=4, verbose=0)
        >>> isi.evaluate(run).success_rate
        1.0
    """
    refuse_unguarded()
    index, count = planning.as_part(part)
    workers = _checks.integer("workers", workers, 1)
    chosen = planning.as_engine(engine, workers)
    folder = RunFolder(out)
    folder.expect_folder()
    with models.made_once():
        found = planning.as_source(method, model, source, y)
        method, each = bounds.apart(method, found, lambda: planning.axes_of(model, found))
        plan = planning.plan_of(
            method, model, found, target, goal, batch_size, shard_size, keep, each
        )
        with folder.held((index, count)):
            plan = beginning.agreed(folder, plan, (index, count))
            beginning.spill(folder, plan, found, target, goal, each)
            in_memory = plan["model"]["kind"] == "saved"
            if in_memory and chosen is not None:
                models.save(model, folder)
            given: dict[str, Any] = {"source": found} | (
                {"model": planning.as_model(model)} if in_memory else {}
            )
            _Drive(folder, plan, found, (index, count), verbose).through(chosen, workers, given)
    return Run(out)


class _Drive:
    """One start of a run.

    Args:
        folder: of the run.
        plan: what `run.json` holds.
        source: the samples.
        part: which shards are ours.
        verbose: whether progress is shown.
    """

    def __init__(
        self,
        folder: RunFolder,
        plan: dict[str, Any],
        source: Rows | Stream,
        part: tuple[int, int],
        verbose: int,
    ):
        self.folder, self.plan, self.source, self.part = folder, plan, source, part
        self.verbose, self.ending = verbose, False
        self.failed: list[dict[str, Any]] = []
        self.fatal: dict[str, Any] | None = None

    def through(self, engine: Any, workers: int, given: dict[str, Any]) -> None:
        """Does what is not done yet.

        Args:
            engine: who does it; `None` for this process.
            workers: how many.
            given: the model and the source, for this process.
        """
        done = set(self.folder.done())
        for number in done:
            if number % self.part[1] == self.part[0]:
                header_of(self.folder, number)  # whole, and of this run
        mine = [number for number in self._numbers() if number not in done]
        spans = [work.span(self.plan, number) for number in done]
        before = sum(end - begin for begin, end in spans)
        total = self.plan["samples"]
        progress = Progress(total, before)
        tasks = self._tasks(done, mine)
        if engine is None:
            job = work.prepared(self.folder.path, **given) if mine or total is None else None
            telling = (work.perform(job, *task) for task in tasks)  # pyright: ignore
        else:
            telling = engine(str(self.folder), self.plan["id"], tasks, workers)
        with self._interruptible(), shown(progress, self.verbose) as show:
            for told in telling:
                self._hear(told, progress)
                show()
        self._conclude()

    def _numbers(self) -> range:
        index, count = self.part
        return range(index, self.plan["shards"] or 0, count)

    def _tasks(self, done: set[int], mine: list[int]) -> Iterator[tuple[int, Any]]:
        """What is to be done, while nothing says that the run must end."""
        if not isinstance(self.source, Stream):
            for number in mine:
                if self.ending:
                    return
                yield number, None
            return
        samples = number = 0
        index, count = self.part
        for number, (x, y) in enumerate(self.source.portions(self.plan["shard_size"]), 1):
            if self.ending:
                return
            samples += len(next(iter(x.values())) if isinstance(x, dict) else x)
            if number - 1 in done:
                self._compare(number - 1, x, y)
            elif (number - 1) % count == index:
                yield number - 1, (x, y)
        end, place = {"samples": samples, "shards": number}, self.folder.path / END
        before = json.loads(place.read_text()) if place.exists() else end
        if before != end or any(each >= number for each in done):
            raise ValueError(
                f"The stream ends after {samples} samples, and not where it ended before. Take the "
                "same one, or another folder for `out`."
            )
        self.folder.commit(place, json.dumps(end).encode())

    def _compare(self, number: int, x: Any, y: Any) -> None:
        if hashes.of_arrays(x, y) != header_of(self.folder, number)["input"]:
            raise ValueError(
                f"The stream gives other samples than before, in shard {number}. Is it shuffled? "
                "Take a stream in a fixed order, or shuffle with a fixed seed."
            )

    def _hear(self, told: dict[str, Any], progress: Progress) -> None:
        if told["state"] == work.DONE:
            progress.add(told)
        elif told["state"] == work.UNWRITTEN:
            self.fatal, self.ending = self.fatal or told, True
        else:
            self.failed.append(told)
            if told.get("lost"):  # the worker died, so nobody else can write it down
                place = self.folder.failure(told["shard"])
                self.folder.commit(place, json.dumps(told, indent=1).encode())

    def _conclude(self) -> None:
        """Raises unless all went well; says what is kept, and how to go on."""
        kept = f"{len(self.folder.done())} of {self.plan['shards'] or 'its'} shards are kept"
        if self.fatal is not None and self.fatal.get("raised"):
            raise RuntimeError(f"{self.fatal['error']} ({kept}.)")
        if self.fatal is not None:
            raise OSError(
                f"Shard {self.fatal['shard']} cannot be written: {self.fatal['error']}. {kept} in "
                f"{str(self.folder)!r}; the same call goes on."
            )
        if self.ending:
            raise KeyboardInterrupt(
                f"Interrupted. {kept} in {str(self.folder)!r}; the same call goes on."
            )
        if self.failed:
            first = self.failed[0]
            more = f"{len(self.failed)} shards failed" if len(self.failed) > 1 else "A shard failed"
            raise ShardsFailedError(
                f"{more}; {kept} in {str(self.folder)!r}, and the same call tries again. Shard "
                f"{first['shard']}: {first['error']}"
            )

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM ends the run after the shards under way; a second one at once."""
        ours = threading.current_thread() is threading.main_thread()
        found = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM) if ours}
        before = {each: how for each, how in found.items() if how is not None}  # Python's own

        def end(number, frame):
            self.ending = True
            restore()
            if self.verbose:
                print("\nending after the shards under way; Ctrl-C again ends at once", flush=True)

        def restore():
            for number, how in before.items():
                signal.signal(number, how)

        for number in before:
            signal.signal(number, end)
        try:
            yield
        finally:
            restore()
