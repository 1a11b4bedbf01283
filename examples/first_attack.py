"""A first attack: change as few pixels as it takes until a shipped LeNet sees another digit.

python examples/first_attack.py [--quick] [--out FOLDER]
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
    attack = isi.Attack("relevance", "l0", max_steps=30, bounds=(-1, 1))
    result = attack(model, x[:count], y=y[:count])
    report = isi.evaluate(result)
    print(report)
    numbers = {
        "attacked": report.attacked,
        "success_rate": report.success_rate,
        "mean_l0": report.measures["l0_feature"].mean_success,
    }
    save(options, numbers, isi.plotting.examples(result, count=10))


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
