"""Where the JSMA paper's adversarial distances come from: writes the tables of the docs.

The distance is counted with the derivatives of logits, as the paper says, and with those of
probabilities, exact or summed in single precision. For each way: the mean over all pairs of
classes, how far means over targets and over sources spread, and rank correlations. The targeted
JSMA, whose hardness they are compared with, attacks logits, as the paper says, or probabilities.
The network is `lenet-jsma`.

    KERAS_BACKEND=tensorflow python scripts/adversarial_distance.py [--samples N] [--out FILE]
"""

import argparse
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.papers import report
from isi_keras.papers.jsma import BUDGET, between_classes, published, rank_correlation

SOURCE = "Papernot et al. 2016, arXiv 1511.07528v1, equation 13 and figure 15"
BATCH_SIZE = 512
WAYS = {
    "logits": isi.JacobianSaliency(),
    "probabilities": isi.JacobianSaliency(output="probabilities"),
    "summed probabilities": isi.JacobianSaliency(output="probabilities", summed=True),
}


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-jsma")
    right = model.predict(x, batch_size=1000, verbose=0).argmax(axis=1) == y
    chosen = np.flatnonzero(right[: options.samples])
    numbers = {"samples": options.samples, **measured(model, x[chosen], y[chosen])}
    for table in tables(numbers):
        print(table, end="\n\n")
    if options.out is not None:
        print("wrote", report.write(options.out, command(options), SOURCE, **numbers))


def measured(model, x, y):
    """The distances by each way to count, and the attacks on each output, compared."""
    paper = published()["matrices"]
    distances, attacks = {}, {}
    for name, indicator in WAYS.items():
        each = isi.adversarial_distance(model, x, indicator=indicator, batch_size=BATCH_SIZE)
        distances[name] = between_classes(each, y)
    hard = {}
    for output in ("logits", "probabilities"):
        attack = isi.JSMA(theta=1.0, output=output)
        found = isi.hardness(model, x, y, attack=attack, distances=False, batch_size=BATCH_SIZE)
        found = found.attempts
        within = found.succeeds_within(BUDGET)
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
    script = f"KERAS_BACKEND={keras.config.backend()} python scripts/adversarial_distance.py"
    return f"{script} --samples {options.samples} --out {options.out}"


def tables(found):
    """The two tables of `docs/reproducing.md`: of the distances, and of the attacks."""
    paper = published()
    matrices = paper["matrices"]
    distances = [
        "| derivatives of | mean | over targets | over sources | with the paper's distance "
        "| with hardness, attack on logits | on probabilities |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in found["distances"].items():
        distances.append(line(name, *(f"{value:.2f}" for value in row.values())))
    own = rank_correlation(matrices["adversarial_distance"], matrices["hardness"])
    spread = spreads(matrices["adversarial_distance"])
    cells = [f"{value:.2f}" for value in (*spread.values(), 1, own)]
    distances.append(line("the paper's", *cells, ""))
    attacks = [
        "| attack on | success | distortion | hardness with the paper's |",
        "|---|---:|---:|---:|",
    ]
    for output, row in found["attacks"].items():
        percent = [f"{row[key]:.2%}" for key in ("success_rate", "distortion")]
        attacks.append(line(output, *percent, f"{row['paper']:.2f}"))
    percent = [f"{paper['sets']['test'][i]:.2f}%" for i in (0, 2)]
    attacks.append(line("the paper's", *percent, "1.00"))
    return "\n".join(distances), "\n".join(attacks)


def line(*cells):
    return f"| {' | '.join(cells)} |"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="test images")
    parser.add_argument("--out", type=Path, help="where to write the numbers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
