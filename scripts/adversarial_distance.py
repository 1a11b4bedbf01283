"""Where the JSMA paper's adversarial distances come from: writes the tables of the docs.

The distance is counted with the derivatives of logits, as the paper says, and with those of
probabilities, exact or summed in single precision. For each way: the mean over all pairs of
classes, how far means over targets and over sources spread, and rank correlations. The targeted
JSMA, whose hardness they are compared with, attacks logits, as the paper says, or probabilities.
For the shipped network, and for one trained here in the way of the paper: its rate, no momentum, no
decay, and as many steps as its 200 epochs of batches of 500.

    KERAS_BACKEND=torch python scripts/adversarial_distance.py [--mnist FILE] [--out FILE]
"""

import argparse
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.cli import record
from isi_keras.cli.jsma_paper import BUDGET, between_classes, published, rank_correlation

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
    numbers = {"samples": options.samples, "epochs": options.epochs, "networks": {}}
    for name, model in networks.items():
        right = model.predict(x, batch_size=1000, verbose=0).argmax(1) == y
        chosen = np.flatnonzero(right[: options.samples])
        found = {"accuracy": float(right.mean()), **measured(model, x[chosen], y[chosen])}
        numbers["networks"][name] = found
        print(name, found, flush=True)
    for table in tables(numbers["networks"]):
        print(table, end="\n\n")
    if options.out is not None:
        print("wrote", record.write(options.out, command(options), SOURCE, **numbers))


def trained(x, y, epochs):
    """The paper's network, trained with its rate for some epochs.

    The last kernel begins at 0, as in the tutorial of Theano that the network seems to be of.
    """
    keras.utils.set_random_seed(0)
    model = isi.zoo.lenet_jsma(seed=0)
    model.layers[-1].kernel.assign(keras.ops.zeros_like(model.layers[-1].kernel))
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=2)
    return model


def measured(model, x, y):
    """The distances by each way to count, and the attacks on each output, compared."""
    paper = published()["matrices"]
    distances, attacks = {}, {}
    for name, indicator in WAYS.items():
        each = isi.adversarial_distance(model, x, indicator=indicator, batch_size=512)
        distances[name] = between_classes(each, y)
    hard = {}
    for output in ("logits", "probabilities"):
        attack = isi.JSMA(theta=1.0, output=output)
        found = isi.hardness(model, x, y, attack=attack, distances=False, batch_size=512)
        within = found.within(BUDGET)
        hard[output] = np.where(found.count() > 0, found.hardness(), np.nan)
        attacks[output] = {
            "success_rate": float(within.mean()),
            "distortion": float(found.distortion[within].mean()),
            "paper": rank_correlation(hard[output], paper["hardness"]),
        }
    rows = {
        name: {
            **spreads(matrix),
            "paper": rank_correlation(matrix, paper["adversarial_distance"]),
            **{output: rank_correlation(matrix, hard[output]) for output in hard},
        }
        for name, matrix in distances.items()
    }
    return {"distances": rows, "attacks": attacks}


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


def tables(networks):
    """The two tables of `docs/reproducing.md`: of the distances, and of the attacks."""
    paper = published()
    matrices = paper["matrices"]
    own = rank_correlation(matrices["adversarial_distance"], matrices["hardness"])
    spread = spreads(matrices["adversarial_distance"])
    distances = [
        "| network | derivatives of | mean | over targets | over sources "
        "| with the paper's distance | with hardness, attack on logits | on probabilities |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    attacks = [
        "| network | accuracy | attack on | success | distortion | hardness with the paper's |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for network, found in networks.items():
        for name, row in found["distances"].items():
            distances.append(line(network, name, *(f"{value:.2f}" for value in row.values())))
        for output, row in found["attacks"].items():
            percent = [f"{row[key]:.2%}" for key in ("success_rate", "distortion")]
            accuracy = f"{found['accuracy']:.1%}"
            attacks.append(line(network, accuracy, output, *percent, f"{row['paper']:.2f}"))
    cells = [f"{value:.2f}" for value in (*spread.values(), 1, own)]
    distances.append(line("the paper's", "", *cells, ""))
    percent = [f"{paper['sets']['test'][i]:.2f}%" for i in (0, 2)]
    attacks.append(line("the paper's", "99.4%", "", *percent, "1.00"))
    return "\n".join(distances), "\n".join(attacks)


def line(*cells):
    return f"| {' | '.join(cells)} |"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, help="MNIST as .npz; without it nothing is trained")
    parser.add_argument("--epochs", type=int, default=40, help=f"of batches of {BATCH_SIZE}")
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--out", type=Path, help="where to write the numbers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
