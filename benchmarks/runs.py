"""What a run costs: time and memory from the first shard to the last, and workers against one.

python benchmarks/runs.py [--samples 60000] [--workers 2]
"""

import argparse
import itertools
import resource
import tempfile
import time

import numpy as np

import isi_keras as isi


def peak() -> float:
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def digits(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The test images, over and over."""
    _, (x, y) = isi.zoo.load("lenet-mnist")
    rows = np.resize(np.arange(len(x)), samples)
    return x[rows], y[rows]


def main(samples: int, workers: int, batch_size: int) -> None:
    attack = isi.Attack("relevance", "l0", max_steps=30)
    source = digits(samples)
    shards = -(-samples // (8 * batch_size))
    options = {"out": tempfile.mkdtemp(), "batch_size": batch_size, "verbose": 0}
    seconds, peaks = [], []
    # One shard after another, so that each can be looked at: part (k, shards) is shard k alone.
    run = None
    for number in range(shards):
        began = time.perf_counter()
        run = isi.run(attack, "lenet-mnist", source, part=(number, shards), **options)
        seconds.append(time.perf_counter() - began)
        peaks.append(peak())
    assert run is not None
    work = [header["seconds"] for header in map(_header(run), range(shards))]
    halves = [np.mean(part) for part in (work[1 : shards // 2 + 1], work[shards // 2 + 1 :])]
    print(f"{samples} digits in {shards} shards: {sum(work):.1f} s of work; the first compiles")
    print(f"a shard: {halves[0]:.3f} s in the first half, {halves[1]:.3f} s in the second")
    print(
        f"peak memory: {peaks[0]:.0f} MB after the first shard, {peaks[-1]:.0f} MB after the last"
    )
    table = sum(values.nbytes for values in run.columns().values())
    print(f"table: {table / samples:.0f} bytes a sample, the number of the row among them")
    print(isi.evaluate(run).success_rate)
    for count in (1, workers):
        began, cpu = time.perf_counter(), _cpu()
        options["out"] = tempfile.mkdtemp()
        isi.run(attack, "lenet-mnist", source, workers=count, **options)
        took = time.perf_counter() - began
        print(f"workers={count}: {took:.1f} s, {_cpu() - cpu:.1f} CPU s")
        if workers == 1:
            break


def _header(run):
    from isi_keras.runs.folder import RunFolder
    from isi_keras.runs.reading import header_of

    return lambda number: header_of(RunFolder(run.path), number)


def _cpu() -> float:
    usage = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(itertools.chain.from_iterable((each.ru_utime, each.ru_stime) for each in usage))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    main(**vars(parser.parse_args()))
