"""Sensitivity beside relevance: where a change would matter, and what the decision rests on.

python examples/explain_digits.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    digits = (7, 2) if options.quick else (7, 2, 0, 4)
    x = x[[np.argmax(y == digit) for digit in digits]]
    found = {
        "sensitivity (derivative)": isi.explain(model, x, indicator="sensitivity"),
        "relevance (share)": isi.explain(model, x, indicator="relevance"),
    }
    maps = found["relevance (share)"]
    numbers = {
        str(digit): {
            "logit": float(maps.logits[index, maps.target[index]]),
            "sum_of_relevance": float(maps.relevance[index].sum()),
        }
        for index, digit in enumerate(digits)
    }
    for digit, row in numbers.items():
        print(f"digit {digit}: logit {row['logit']:.2f}, relevance {row['sum_of_relevance']:.2f}")
    save(options, {"digits": numbers}, isi.plotting.indicators(found, bounds=(-1, 1)))


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
