"""Where the JSMA paper's adversarial distances come from: writes the table of the docs.

The distance is counted with the derivatives of logits, as the paper says, and with those of
probabilities, exact or summed in single precision. For each way: the mean over all pairs of
classes, how far means over targets and over sources spread, and rank correlations. For the shipped
network, and for one trained here in the way of the paper: its rate, no momentum, no decay, and as
many steps as its 200 epochs of batches of 500.

    KERAS_BACKEND=tensorflow python scripts/adversarial_distance.py [--mnist FILE] [--out FILE]
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from train_lenet import lenet_jsma_from_zero

import isi_keras as isi
from isi_keras.cli import record
from isi_keras.cli.jsma_paper import between_classes, published, rank_correlation

SOURCE = "Papernot et al. 2016, arXiv 1511.07528v1, equation 13 and figure 15"
BATCH_SIZE, RATE = 100, 0.1
WAYS = {
    "logits": isi.JacobianSaliency(),
    "probabilities": isi.JacobianSaliency(output="probabilities"),
    "summed probabilities": isi.JacobianSaliency(output="probabilities", summed=True),
}


def main():
    options = parse()
    shipped, (x, y) = isi.zoo.load("lenet-jsma")
    networks = {"shipped": shipped}
    if options.mnist is not None:
        with np.load(options.mnist) as file:
            pixels, labels = file["x_train"][:50_000], file["y_train"][:50_000]
        pixels = isi.zoo.as_input(pixels, isi.zoo.BOUNDS["lenet-jsma"])
        networks["the paper's training"] = trained(pixels, labels, options.epochs)
    rows = []
    for name, model in networks.items():
        accuracy = float((model.predict(x, batch_size=1000, verbose=0).argmax(1) == y).mean())
        for row in measured(model, x[: options.samples], y[: options.samples]):
            rows.append({"network": name, "accuracy": accuracy, **row})
            print(rows[-1], flush=True)
    print(table(rows))
    if options.out is not None:
        numbers = {"samples": options.samples, "epochs": options.epochs, "rows": rows}
        print("wrote", record.write(options.out, command(options), SOURCE, **numbers))


def trained(x, y, epochs):
    """The paper's network, trained with its rate for some epochs."""
    keras.utils.set_random_seed(0)
    model = lenet_jsma_from_zero(seed=0)
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=2)
    return model


def measured(model, x, y):
    """For each way to count: the mean, the spreads and the correlations."""
    paper = published()["matrices"]
    found = isi.hardness(model, x, y, distances=False, batch_size=512)
    hard = np.where(found.count() > 0, found.hardness(), np.nan)
    for name, indicator in WAYS.items():
        each = isi.adversarial_distance(model, x, indicator=indicator, batch_size=512)
        distances = between_classes(each, y)
        yield {
            "derivatives": name,
            **spreads(distances),
            "paper": rank_correlation(distances, paper["adversarial_distance"]),
            "hardness": rank_correlation(distances, hard),
        }


def spreads(matrix):
    """The mean, and the standard deviation of means over targets and over sources."""
    return {
        "mean": float(np.nanmean(matrix)),
        "targets": float(np.nanmean(matrix, axis=0).std()),
        "sources": float(np.nanmean(matrix, axis=1).std()),
    }


def command(options):
    """What leads to the same numbers; of the MNIST file the name alone, not where it lies."""
    words = [f"KERAS_BACKEND={keras.config.backend()} python scripts/adversarial_distance.py"]
    words += [] if options.mnist is None else [f"--mnist {options.mnist.name}"]
    words += [f"--epochs {options.epochs} --samples {options.samples} --out {options.out}"]
    return " ".join(words)


def table(rows):
    """The table of `docs/reproducing.md`."""
    lines = [
        "| network | accuracy | derivatives of | mean | over targets | over sources "
        "| with the paper's distance | with the network's hardness |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = [row["network"], f"{row['accuracy']:.1%}", row["derivatives"]]
        values = (row[name] for name in ("mean", "targets", "sources", "paper", "hardness"))
        lines.append("| " + " | ".join([*cells, *(f"{value:.2f}" for value in values)]) + " |")
    paper = published()["matrices"]
    values = spreads(paper["adversarial_distance"])
    own = rank_correlation(paper["adversarial_distance"], paper["hardness"])
    cells = [f"{value:.2f}" for value in (*values.values(), 1, own)]
    lines.append("| the paper's | 99.4% | | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, help="MNIST as .npz; without it nothing is trained")
    parser.add_argument("--epochs", type=int, default=40, help=f"of batches of {BATCH_SIZE}")
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--out", type=Path, help="where to write the numbers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
