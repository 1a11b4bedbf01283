"""What relevance costs beside the plain gradient of the same network.

Times one compiled forward and backward pass of VGG16 (random weights) at 224 x 224 for the gradient
and for each composite in turn, so that the machine's noise hits all alike; the ratios are to the
gradient of the same round.

    KERAS_BACKEND=tensorflow python benchmarks/relevance.py
"""

import argparse
import statistics
import time

import keras
import numpy as np

import isi_keras as isi
from isi_keras import backend, indicators
from isi_keras.models import compiling

COMPOSITES = (
    "z",
    "epsilon",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2beta1",
    "epsilon_alpha2beta1_flat",
    "epsilon_gamma_box",
)


def main():
    parser = argparse.ArgumentParser(description="Relevance against the plain gradient.")
    parser.add_argument("--model", default="VGG16", help="a class of keras.applications")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", nargs="+", default=COMPOSITES, choices=COMPOSITES)
    options = parser.parse_args()
    shape = (options.size, options.size, 3)
    model = getattr(keras.applications, options.model)(weights=None, input_shape=shape)
    x = np.random.default_rng(0).uniform(-1, 1, (options.batch_size, *shape)).astype("float32")
    print(
        f"{options.model}, batch of {options.batch_size} at {options.size} x {options.size}, "
        f"Keras {keras.__version__} on {keras.config.backend()}"
    )
    runs = {"gradient": timed(model, isi.Sensitivity(), x)}
    runs |= {name: timed(model, isi.Relevance(name), x) for name in options.only}
    seconds = {name: [] for name in runs}
    for _ in range(options.repeats):
        for name, run in runs.items():
            seconds[name].append(run())
    print("\ncomposite                    seconds   ratio (median, min, max)")
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(values, seconds["gradient"], strict=True)]
        print(
            f"{name:<26} {statistics.median(values):>9.2f}   "
            f"{statistics.median(ratios):.2f} {min(ratios):.2f} {max(ratios):.2f}"
        )


def timed(model, indicator, x):
    """A function that runs one compiled forward and backward pass and returns its seconds."""
    prepared = indicator.prepare(isi.logits(model).plan(x), x)

    def relevance(model, x):
        point = indicators.at(prepared, model, x)
        return point.pullback(keras.ops.ones_like(point.logits))

    compiled, batch = compiling.compiled(relevance, model), backend.tensor(x)

    def run():
        began = time.perf_counter()
        keras.tree.map_structure(keras.ops.convert_to_numpy, compiled(batch))
        return time.perf_counter() - began

    run()
    return run


if __name__ == "__main__":
    main()
