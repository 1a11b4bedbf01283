"""What a run costs: rows against time and peak memory, and workers and engines against one process.

python benchmarks/runs.py [--samples 2000 4000 8000] [--workers 2]

Each size runs in a process of its own, whose peak is the system's count of resident memory. Time is
linear if `rows a second` stays, memory flat if `peak` does.
"""

import argparse
import importlib.util
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import isi_keras as isi

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


def once(data: str, samples: int, batch_size: int, workers: int, engine: str | None) -> dict:
    """A run in this process: seconds, CPU seconds, MB and whether it is whole."""
    source, y = digits(data, samples)
    attack = isi.Attack("relevance", "l0", max_steps=MAX_STEPS)
    attack(isi.zoo.load("lenet-mnist")[0], np.load(source, mmap_mode="r")[:batch_size])  # compiles
    began, cpu, before = time.perf_counter(), _cpu(), peak()
    with tempfile.TemporaryDirectory() as out:
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
        table = sum(values.nbytes for values in run.columns().values()) / samples
    numbers = {"seconds": took, "cpu": spent, "before": before, "peak": peak(), "table": table}
    return {**numbers, "success_rate": rate, "digest": digest}


def apart(data: str, samples: int, batch_size: int, workers: int = 1, engine: str = "") -> dict:
    """The same in a process of its own."""
    words = [data, str(samples), str(batch_size), str(workers), engine]
    done = subprocess.run(
        [sys.executable, __file__, "--once", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main(samples: list[int], workers: int, batch_size: int) -> None:
    with tempfile.TemporaryDirectory() as data:
        for size in samples:
            digits(data, size)
        print(
            f"{'rows':>8} {'seconds':>8} {'rows/s':>7} {'CPU s':>7} {'before MB':>9} {'peak MB':>8}"
        )
        for size in samples:
            found = apart(data, size, batch_size)
            print(
                f"{size:9d} {found['seconds']:9.2f} {size / found['seconds']:9.1f} "
                f"{found['cpu']:9.1f} {found['before']:9.0f} {found['peak']:9.0f}"
            )
        print(f"table: {found['table']:.0f} bytes a row; success {found['success_rate']:.2%}")
        largest, one = samples[-1], found
        for name in ("processes", *ENGINES):
            if name in ENGINES and importlib.util.find_spec(ENGINES[name]) is None:
                print(f"{name}: not installed")
                continue
            several = apart(data, largest, batch_size, workers, name)
            if several["digest"] != one["digest"]:
                print(f"{name}: another digest; fix the number of threads by OMP_NUM_THREADS")
            # Of all workers, starting included.
            more = workers * several["seconds"] - one["seconds"]
            print(
                f"{name}, {workers} workers: {several['seconds']:.2f} s, "
                f"{one['seconds'] / several['seconds']:.2f} of one process's speed, "
                f"{1000 * more / largest:+.2f} ms a row"
            )


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
    main(**vars(parser.parse_args()))
