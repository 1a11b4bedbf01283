"""A robust evaluation: what several attacks leave of the accuracy, and how near each comes to all.

python examples/robust_evaluation.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras

import isi_keras as isi
from isi_keras.results import write_atomically


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    count = 20 if options.quick else 500
    found = isi.robustness(model, x[:count], y[:count])
    report = isi.evaluate(found)
    print(report)
    save(options, numbers_of(report), isi.plotting.robustness(found).figure)


def numbers_of(report):
    """Robust accuracy at some distances, and how each attack did; seconds differ each time."""
    levels = {
        f"{level.distance:g}": [level.robust_accuracy, level.low, level.high]
        for level in report.levels
    }
    names = ("success_rate", "nearest", "mean", "median", "optimality", "passes")
    attacks = {
        attack: {name: getattr(line, name) for name in names}
        for attack, line in report.attacks.items()
    }
    return {"images": report.samples, "robust_accuracy": levels, "attacks": attacks}


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
