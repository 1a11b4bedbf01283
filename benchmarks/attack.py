"""What the attack costs beyond the passes it cannot do without.

Runs the 2020 notebook's first experiment (relevance, L0, 30 steps, 2,000 MNIST images) and, in
turn with it, bare compiled forward + backward passes of the same network at several batch sizes.
The ratio compares the seconds of the attack with those that its sample-steps would take as bare
passes at the best batch size. The machine's noise hits both alike, since they alternate.

    KERAS_BACKEND=tensorflow python benchmarks/attack.py
"""

import argparse
import statistics
import time

import keras

import isi_keras as isi
from isi_keras import backend, indicators
from isi_keras.models import compiling

BARE_BATCH_SIZES = (32, 64, 128, 256, 512)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    model, (x, _) = isi.zoo.load("lenet-mnist")
    x = x[: options.samples]
    attack = isi.Attack("relevance", "l0", max_steps=30)
    print(f"Keras {keras.__version__} on {keras.config.backend()}, {len(x)} images")

    first, warm = {}, {size: [] for size in options.batch_size}
    for size in options.batch_size:
        first[size], result = timed(lambda size=size: attack(model, x, batch_size=size))
    sample_steps = int(result.forward.sum())
    bare = bare_passes(model, x, batch_sizes=sorted({*BARE_BATCH_SIZES, *options.batch_size}))
    per_sample = {size: [] for size in bare}
    ratios = {size: [] for size in options.batch_size}
    for _ in range(options.repeats):
        for size, run in bare.items():
            per_sample[size].append(run())
        best = min(seconds[-1] for seconds in per_sample.values())
        for size in options.batch_size:
            seconds, _ = timed(lambda size=size: attack(model, x, batch_size=size))
            warm[size].append(seconds)
            ratios[size].append(seconds / (best * sample_steps))

    print(f"success {result.success.mean():.2%}, {sample_steps} sample-steps")
    print("\nbatch size   bare forward + backward, microseconds a sample (median)")
    for size, seconds in per_sample.items():
        print(f"{size:>10}   {1e6 * statistics.median(seconds):.1f}")
    print("\nbatch size   first call s   again s (median, min, max)   ratio (median, min, max)")
    for size in options.batch_size:
        again, ratio = spread(warm[size]), spread(ratios[size])
        print(f"{size:>10}   {first[size]:>12.2f}   {again}            {ratio}")


def timed(run):
    began = time.perf_counter()
    found = run()
    return time.perf_counter() - began, found


def spread(values):
    return f"{statistics.median(values):.2f} {min(values):.2f} {max(values):.2f}"


def bare_passes(model, x, backward=1, batch_sizes=BARE_BATCH_SIZES):
    """By batch size a function that times a forward and some backward passes, seconds a sample."""
    prepared = isi.Sensitivity().prepare(isi.logits(model).plan(x), x)

    def gradients(model, x):
        point = indicators.at(prepared, model, x)
        return [point.pullback(point.logits * (k + 1))["x"] for k in range(backward)]

    def timing(size):
        run, batch = compiling.compiled(gradients, model), backend.tensor(x[:size])
        keras.tree.map_structure(keras.ops.convert_to_numpy, run(batch))

        def measure():
            count = max(1, 4096 // size) if x[0].size < 4096 else 1
            began = time.perf_counter()
            for _ in range(count):
                # Waiting for each, as an attack has to that must know who has finished.
                keras.tree.map_structure(keras.ops.convert_to_numpy, run(batch))
            return (time.perf_counter() - began) / count / size

        return measure

    return {size: timing(size) for size in batch_sizes if size <= len(x)}


if __name__ == "__main__":
    main()
