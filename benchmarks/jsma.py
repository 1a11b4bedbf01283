"""What a step of JSMA costs beyond the forward and the two backward passes it cannot do without.

First the shipped LeNet of the paper with 28 x 28 images and random targets, then ResNet50 (random
weights) with 224 x 224 x 3 inputs and 1,000 classes: a hundred steps of pairs, and the peak of the
process' memory. Bare passes and attacks alternate, so that the machine's noise hits both.

    KERAS_BACKEND=tensorflow python benchmarks/jsma.py
"""

import argparse
import resource
import statistics
import sys

import keras
import numpy as np
from attack import bare_passes, spread, timed

import isi_keras as isi


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000, help="attempts on the LeNet")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=("lenet", "resnet"))
    options = parser.parse_args()
    print(f"Keras {keras.__version__} on {keras.config.backend()}")
    if options.only != "resnet":
        lenet(options.samples, options.batch_size, options.repeats)
    if options.only != "lenet":
        resnet()


def lenet(samples, batch_sizes, repeats):
    """The ratio at several batch sizes."""
    model, (x, y) = isi.zoo.load("lenet-jsma")
    rng = np.random.default_rng(0)
    x, target = x[:samples], (y[:samples] + rng.integers(1, 10, samples)) % 10
    jsma = isi.JSMA()
    print(f"\nLeNet, {samples} images, one random target each")
    first = {}
    for size in batch_sizes:
        first[size], result = timed(
            lambda size=size: jsma(model, x, target=target, batch_size=size)
        )
    bare = bare_passes(model, x, backward=2)
    best, warm, ratios = [], {k: [] for k in batch_sizes}, {k: [] for k in batch_sizes}
    for _ in range(repeats):
        best.append(min(run() for run in bare.values()))
        for size in batch_sizes:
            seconds, result = timed(
                lambda size=size: jsma(model, x, target=target, batch_size=size)
            )
            warm[size].append(1e3 * seconds / result.forward.sum())
            ratios[size].append(warm[size][-1] / 1e3 / best[-1])
    print(f"success {result.success.mean():.2%}, {result.forward.sum()} sample-steps")
    print(f"bare passes, best batch size: {1e3 * statistics.median(best):.4f} ms a sample")
    print("batch size   first call s   ms a step and sample   ratio (median, min, max)")
    for size in batch_sizes:
        print(
            f"{size:>10}   {first[size]:>12.2f}   {statistics.median(warm[size]):>20.4f}   "
            f"{spread(ratios[size])}"
        )


def resnet(steps=100, samples=2):
    """A hundred steps at 224 x 224 x 3 with a thousand classes."""
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(weights=None)
    shape = model.input_shape[1:]
    x = np.random.default_rng(0).uniform(0, 1, (samples, *shape)).astype("float32")
    target = isi.logits(model).predict(x).argmin(-1)
    few, many = (isi.JSMA(gamma=2 * count / x[0].size) for count in (1, steps))
    few(model, x, target=target, batch_size=samples)
    run = bare_passes(model, x, backward=2, batch_sizes=[samples])[samples]
    bare = [run() for _ in range(5)]
    seconds, result = timed(lambda: many(model, x, target=target, batch_size=samples))
    bare += [run() for _ in range(5)]
    each = seconds / result.forward.sum()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak /= 2**30 if sys.platform == "darwin" else 2**20
    print(f"\nResNet50, {samples} images of {shape}, {model.output_shape[-1]} classes")
    print(f"{result.steps.max()} steps, stopped: {', '.join(np.unique(result.stop_reason))}")
    print(f"{1e3 * each:.0f} ms a step and sample, bare passes {1e3 * statistics.median(bare):.0f}")
    print(f"ratio {each / statistics.median(bare):.2f}, peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
