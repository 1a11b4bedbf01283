"""What a run costs: rows against time and peak memory, and workers and engines against one process.

python benchmarks/runs.py [--samples 2000 4000 8000] [--workers 2] [--engines]

Each run is in a process of its own, on one thread unless OMP_NUM_THREADS says otherwise, and its
peak is the system's count of resident memory. Time is linear if `rows/s` stays, memory flat if
`peak` does. `computed` is how many rows the steps computed for each that a sample needed: slots of
a batch that nobody is left to fill count, too.

An engine that is installed does the least and the greatest number of rows with one worker; the line
through both tells what its start costs from what each row does. Then it does the greatest with all.
"""

import argparse
import importlib.util
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import isi_keras as isi
from isi_keras.attacks import slots

MAX_STEPS = 30
ENGINES = {"ray": "ray", "dask": "distributed"}


def peak() -> float:
    """The most memory that this process has held so far, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def digits(folder: str, samples: int) -> tuple[str, np.ndarray]:
    """A file of the test images, over and over, which is mapped and not read whole, and labels."""
    _, (x, y) = isi.zoo.load("lenet-mnist")
    place = Path(folder, f"digits-{samples}.npy")
    rows = np.resize(np.arange(len(x)), samples)
    if not place.exists():
        held = np.lib.format.open_memmap(place, "w+", x.dtype, (samples, *x.shape[1:]))
        for begin in range(0, samples, 4096):
            held[begin : begin + 4096] = x[rows[begin : begin + 4096]]
        held.flush()
    return str(place), y[rows]


class Counted:
    """How many rows the steps of attacks compute, while it is entered."""

    def __enter__(self):
        self.rows, self._drive = 0, slots.drive
        slots.drive = self._drive_counting
        return self

    def __exit__(self, *error):
        slots.drive = self._drive

    def _drive_counting(self, step, *others, **options):
        def counting(held, state, rows, mask):
            self.rows += len(state.stop)
            return step(held, state, rows, mask)

        self._drive(counting, *others, **options)


def once(data: str, samples: int, batch_size: int, workers: int, engine: str | None) -> dict:
    """A run in this process: seconds, CPU seconds, MB and whether it is whole."""
    source, y = digits(data, samples)
    attack = isi.Attack("relevance", "l0", max_steps=MAX_STEPS)
    if engine is None:  # else each worker compiles for itself, which is part of its start
        attack(isi.zoo.load("lenet-mnist")[0], np.load(source, mmap_mode="r")[:batch_size])
    began, cpu, before = time.perf_counter(), _cpu(), peak()
    with tempfile.TemporaryDirectory() as out, Counted() as counted:
        run = isi.run(
            attack,
            "lenet-mnist",
            source,
            y=y,
            out=out,
            batch_size=batch_size,
            workers=workers,
            engine=engine,
            verbose=0,
        )
        took, spent = time.perf_counter() - began, _cpu() - cpu
        rate, digest = isi.evaluate(run).success_rate, run.digest()
        columns = run.columns()
        table = sum(values.nbytes for values in columns.values()) / samples
        computed = counted.rows / columns["forward"].sum()
    numbers = {"seconds": took, "cpu": spent, "before": before, "peak": peak(), "table": table}
    return {**numbers, "computed": computed, "success_rate": rate, "digest": digest}


def apart(data: str, samples: int, batch_size: int, workers: int = 1, engine: str = "") -> dict:
    """The same in a process of its own."""
    words = [data, str(samples), str(batch_size), str(workers), engine]
    done = subprocess.run(
        [sys.executable, __file__, "--once", *words],
        capture_output=True,
        text=True,
        check=False,
        env={"OMP_NUM_THREADS": "1", **os.environ},
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main(samples: list[int], workers: int, batch_size: int, engines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as data:
        for size in samples:
            digits(data, size)
        print("    rows  seconds  rows/s   CPU s  before MB  peak MB  computed")
        alone = {}
        for size in samples:
            found = alone[size] = apart(data, size, batch_size)
            print(
                f"{size:8d} {found['seconds']:8.2f} {size / found['seconds']:7.1f} "
                f"{found['cpu']:7.1f} {found['before']:10.0f} {found['peak']:8.0f} "
                f"{found['computed']:9.3f}",
                flush=True,
            )
        print(f"table: {found['table']:.0f} bytes a row; success {found['success_rate']:.2%}")
        for name in engines:
            if name in ENGINES and importlib.util.find_spec(ENGINES[name]) is None:
                print(f"{name}: not installed")
                continue
            engine(name, data, alone, workers, batch_size)


def engine(name: str, data: str, alone: dict[int, dict], workers: int, batch_size: int) -> None:
    """Prints what an engine costs beside one process, `alone` by numbers of rows."""
    least, most = min(alone), max(alone)
    single = {size: apart(data, size, batch_size, 1, name) for size in {least, most}}
    several = apart(data, most, batch_size, workers, name)
    more = {size: found["seconds"] - alone[size]["seconds"] for size, found in single.items()}
    told = f"{more[most]:+.1f} s for {most} rows with one worker"
    if least < most:
        each = (more[most] - more[least]) / (most - least)
        told += f" ({more[least] - least * each:.1f} s to start, {1000 * each:+.2f} ms a row)"
    ratio = alone[most]["seconds"] / several["seconds"]
    told += f"; with {workers} workers {ratio:.2f} of one process's speed"
    if name == "processes":  # whose time the system counts
        told += f" and {several['cpu'] / alone[most]['cpu']:.2f} of its CPU seconds"
    print(f"{name}: {told}", flush=True)
    if several["digest"] != alone[most]["digest"]:
        print(f"{name}: another digest")


def _cpu() -> float:
    usage = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(itertools.chain.from_iterable((each.ru_utime, each.ru_stime) for each in usage))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        place, *numbers, chosen = sys.argv[2:]
        print(json.dumps(once(place, *map(int, numbers), chosen or None)))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[2000, 4000, 8000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    every = ("processes", *ENGINES)
    parser.add_argument("--engines", nargs="*", choices=every, default=every, help="or none")
    main(**vars(parser.parse_args()))
