"""What an epoch of adversarial training costs beyond the passes it cannot do without.

Trains the LeNet of the ISI paper on shipped images, as it is and with `AdversarialTraining`, and
times in turn with both the bare compiled passes that the second has to add: for each step of the
attack a forward and a backward pass by the input, and for the adversarial examples a forward and a
backward pass by the weights. The ratio is

    seconds of an adversarial epoch / (seconds of a plain epoch + seconds of these bare passes)

where all of one round are timed one after another, so that the machine's noise hits all alike. The
learning rate is 0: no epoch is easier than another.

    KERAS_BACKEND=tensorflow python benchmarks/fit.py
"""

import argparse
import time

import keras
from attack import bare_passes, spread, timed

import isi_keras as isi
from isi_keras import backend
from isi_keras.models import compiling

ATTACKS = {
    "FGSM": isi.Attack("sensitivity", isi.Linf(0.1, epsilon=0.1), max_steps=1),
    "PGD": isi.Attack("sensitivity", isi.Linf(0.025, epsilon=0.1), max_steps=7),
    "ISI, L0": isi.Attack("relevance", isi.L0(features=5), max_steps=2),
    "ISI, L0, 10 steps": isi.Attack("relevance", "l0", max_steps=10),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(ATTACKS), choices=ATTACKS)
    options = parser.parse_args()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    x, y = x[: options.samples], y[: options.samples]
    print(
        f"Keras {keras.__version__} on {keras.config.backend()}, {len(x)} images, "
        f"batches of {options.batch_size}"
    )
    size = options.batch_size
    by_input = bare_passes(model, x, batch_sizes=[size])[size]
    by_weights = weight_passes(model, x, size)
    epochs = {"plain": epoch(model, x, y, size)}
    for name in options.only:
        wrapped = isi.training.AdversarialTraining(model, ATTACKS[name])
        epochs[name] = epoch(wrapped, x, y, size)
    first = {name: timed(run)[0] for name, run in epochs.items()}
    passes, seconds = {"input": [], "weights": []}, {name: [] for name in epochs}
    for _ in range(options.repeats):
        passes["input"].append(len(x) * by_input())
        passes["weights"].append(len(x) * by_weights())
        for name, run in epochs.items():
            seconds[name].append(timed(run)[0])
    for name, values in passes.items():
        print(f"bare passes by the {name}: {spread(values)} s an epoch (median, min, max)")
    print("\ntraining             steps   first s   again s (median, min, max)   ratio")
    print(f"{'plain':<20} {0:>5}   {first['plain']:>7.2f}   {spread(seconds['plain'])}")
    for name in options.only:
        steps = ATTACKS[name].max_steps
        ratios = [
            whole / (plain + steps * one + other)
            for whole, plain, one, other in zip(
                seconds[name], seconds["plain"], passes["input"], passes["weights"], strict=True
            )
        ]
        print(
            f"{name:<20} {steps:>5}   {first[name]:>7.2f}   {spread(seconds[name])}"
            f"               {spread(ratios)}"
        )


def epoch(model, x, y, size):
    """A function that trains for an epoch."""
    model.compile(keras.optimizers.Adam(0.0), "sparse_categorical_crossentropy")
    return lambda: model.fit(x, y, batch_size=size, verbose=0)


def weight_passes(model, x, size):
    """A function that times a forward and a backward pass by the weights, seconds a sample."""

    def gradients(model, x):
        variables = model.trainable_variables

        def outputs(values):
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return model(x, training=True)

        found, pullback = backend.vjp(outputs, [variable.value for variable in variables])
        return pullback(found)

    run, batch = compiling.compiled(gradients, model), backend.tensor(x[:size])
    keras.tree.map_structure(keras.ops.convert_to_numpy, run(batch))

    def measure():
        count = max(1, 4096 // size)
        began = time.perf_counter()
        for _ in range(count):
            keras.tree.map_structure(keras.ops.convert_to_numpy, run(batch))
        return (time.perf_counter() - began) / count / size

    return measure


if __name__ == "__main__":
    main()
