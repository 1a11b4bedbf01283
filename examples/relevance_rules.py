"""The same decisions under six rules: what a rule of relevance propagation decides about a map.

python examples/relevance_rules.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

BOX = isi.composites.epsilon_gamma_box(-1, 1)  # the least and the greatest value of a pixel
RULES = {
    "z (gradient x input)": "z",
    "epsilon": "epsilon",
    "epsilon_plus": "epsilon_plus",
    "epsilon_alpha2beta1": "epsilon_alpha2beta1",
    "epsilon_plus_flat": "epsilon_plus_flat",
    "epsilon_gamma_box": BOX,
}


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    digits = (7, 2) if options.quick else (7, 2, 0, 4)
    x = x[[np.argmax(y == digit) for digit in digits]]
    found = {
        name: isi.explain(model, x, indicator=isi.Relevance(rule), conservation=True)
        for name, rule in RULES.items()
    }
    numbers = {name: account(explanation) for name, explanation in found.items()}
    print(table(numbers))
    save(options, {"digits": digits} | numbers, isi.plotting.indicators(found, bounds=(-1, 1)))


def account(explanation):
    """Where the logit went, means over the images."""
    report = {key: float(part.mean()) for key, part in explanation.conservation.items()}
    return report | {"share_of_biases": report["bias"] / report["explained"]}


def table(numbers):
    """A line for each rule."""
    head = f"{'mean of the images':<22}{'logit':>8}{'relevance':>11}{'biases':>8}{'padding':>9}"
    lines = [f"{head}{'share of biases':>17}"]
    for name, row in numbers.items():
        parts = f"{row['explained']:>8.2f}{row['inputs']:>11.2f}{row['bias']:>8.2f}"
        lines.append(f"{name:<22}{parts}{row['padding']:>9.2f}{row['share_of_biases']:>17.2%}")
    return "\n".join(lines)


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
