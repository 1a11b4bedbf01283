"""Indicators side by side: what each says of the same decisions.

python examples/indicators.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

INDICATORS = {
    "sensitivity": "sensitivity",
    "gradient x input": "gradient_x_input",
    "SmoothGrad": "smoothgrad",
    "integrated gradients": isi.IntegratedGradients(baseline=0.0),
    "relevance, epsilon_plus": isi.Relevance("epsilon_plus"),
    "relevance, alpha2beta1": isi.Relevance("epsilon_alpha2beta1"),
}


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    digits = (7, 2) if options.quick else (7, 2, 0, 4)
    x = x[[np.argmax(y == digit) for digit in digits]]
    found = {name: isi.explain(model, x, indicator=how) for name, how in INDICATORS.items()}
    numbers = {
        name: {
            "sum_over_logit": mean(maps.relevance.sum((1, 2, 3)) / own_logit(maps)),
            "sparseness": mean(isi.sparseness(maps)),
        }
        for name, maps in found.items()
    }
    for name, row in numbers.items():
        print(f"{name:<26}" + "".join(f"{key} {value:6.2f}   " for key, value in row.items()))
    save(options, {"digits": digits} | numbers, isi.plotting.indicators(found, bounds=(-1, 1)))


def own_logit(maps):
    return maps.logits[np.arange(len(maps)), maps.target]


def mean(values):
    return float(np.mean(values))


def save(options, numbers, figure):
    """The picture, and beside it the numbers with the command that made them."""
    path = options.out / Path(__file__).with_suffix(".png").name
    print("wrote", write_atomically(path, partial(figure.savefig, format="png")))
    command = f"python examples/{path.stem}.py{' --quick' * options.quick}"
    made = {"command": command, "keras": keras.__version__, "backend": keras.backend.backend()}
    text = json.dumps(made | numbers, indent=2) + "\n"
    path = path.with_suffix(".json")
    print("wrote", write_atomically(path, lambda file: file.write(text.encode())))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a test")
    parser.add_argument("--out", type=Path, default=Path("figures/examples"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
