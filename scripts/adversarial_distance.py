"""Where the JSMA paper's adversarial distances may come from: writes the table of the docs.

The mean over all pairs, and how far means over targets and over sources spread, for the distance on
logits (as published) and on probabilities, counted over all inputs (as published) and over blank
ones, which alone can still grow by the paper's step of 1. For the shipped network and for others,
trained here with the paper's rate for some epochs of batches of 100.

    KERAS_BACKEND=tensorflow python scripts/adversarial_distance.py [--mnist FILE] [--out FILE]
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.cli.jsma_paper import published, rank_correlation
from isi_keras.results import write_atomically

CLASSES, BATCH_SIZE, RATE = 10, 100, 0.1
# Activation, factor of the initial kernels, and of the last one.
NETWORKS = {
    "tanh": ("tanh", 1.0, 1.0),
    "tanh, last kernel from 0": ("tanh", 1.0, 0.0),
    "sigmoid, kernels from 4 times": ("sigmoid", 4.0, 4.0),
}


def main():
    options = parse()
    shipped, (x, y) = isi.zoo.load("lenet-jsma")
    networks = {"shipped": lambda: shipped}
    if options.mnist is not None:
        with np.load(options.mnist) as file:
            pixels, labels = file["x_train"][:50_000], file["y_train"][:50_000]
        pixels = isi.zoo.as_input(pixels, isi.zoo.BOUNDS["lenet-jsma"])
        networks |= {
            name: lambda kind=kind: trained(kind, pixels, labels, options.epochs)
            for name, kind in NETWORKS.items()
        }
    rows = []
    for name, make in networks.items():
        model = make()
        accuracy = float((model.predict(x, batch_size=1000, verbose=0).argmax(1) == y).mean())
        for row in measured(model, x[: options.samples], y[: options.samples]):
            rows.append({"network": name, "accuracy": accuracy, **row})
            print(rows[-1], flush=True)
    numbers = {
        "samples": options.samples,
        "epochs": options.epochs,
        "keras": keras.__version__,
        "backend": keras.config.backend(),
        "rows": rows,
    }
    print(table(numbers))
    if options.out is not None:
        text = json.dumps(numbers, indent=2) + "\n"
        print("wrote", write_atomically(options.out, lambda file: file.write(text.encode())))


def trained(kind, x, y, epochs):
    """The paper's network with another activation and start, after some epochs."""
    activation, first, last = kind
    keras.utils.set_random_seed(0)
    model = isi.zoo.lenet_jsma(seed=0)
    for layer in model.layers[:-1]:
        if hasattr(layer, "activation"):
            layer.activation = keras.activations.get(activation)
    kernels = [weight for weight in model.weights if weight.path.endswith("kernel")]
    for kernel in kernels[:-1]:
        kernel.assign(first * kernel)
    kernels[-1].assign(last * kernels[-1])
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def measured(model, x, y):
    """For each way to count: the mean, the spreads and rank correlations with the paper's."""
    paper = published()["matrices"]
    for output in ("logits", "probabilities"):
        for inputs, free in (("all", None), ("blank", x == 0)):
            distances = isi.adversarial_distance(
                model, x, indicator=isi.JacobianSaliency(output=output), free=free, batch_size=50
            )
            found = np.array([distances[y == source].mean(0) for source in range(CLASSES)])
            np.fill_diagonal(found, np.nan)
            yield {
                "output": output,
                "inputs": inputs,
                **spreads(found),
                "distance": rank_correlation(found, paper["adversarial_distance"]),
                "hardness": rank_correlation(found, paper["hardness"]),
            }


def spreads(matrix):
    """The mean, and the standard deviation of means over targets and over sources."""
    return {
        "mean": float(np.nanmean(matrix)),
        "targets": float(np.nanmean(matrix, axis=0).std()),
        "sources": float(np.nanmean(matrix, axis=1).std()),
    }


def table(numbers):
    """The table of `docs/reproducing.md`."""
    lines = [
        "| network | accuracy | derivatives of | pairs of | mean | over targets | over sources "
        "| with the paper's distance | with its hardness |",
        "|---|---:|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in numbers["rows"]:
        cells = [row["network"], f"{row['accuracy']:.1%}", row["output"], f"{row['inputs']} inputs"]
        values = (row[name] for name in ("mean", "targets", "sources", "distance", "hardness"))
        lines.append("| " + " | ".join([*cells, *(f"{value:.2f}" for value in values)]) + " |")
    paper = published()["matrices"]
    values = spreads(paper["adversarial_distance"])
    own = rank_correlation(paper["adversarial_distance"], paper["hardness"])
    cells = [f"{value:.2f}" for value in (*values.values(), 1, own)]
    lines.append("| the paper's | 99.4% | | | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, help="MNIST as .npz; without it nothing is trained")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--samples", type=int, default=100, help="test images")
    parser.add_argument("--out", type=Path, help="where to write the numbers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
