"""What an attack changed: the original, the difference and the sum.

python examples/what_changed.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.evaluation import distances
from isi_keras.results import write_atomically


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    x, y = x[: 3 if options.quick else 4], y[: 3 if options.quick else 4]
    result = isi.Attack("relevance", "l0", max_steps=30, bounds=(-1, 1))(model, x, y=y)
    far = distances(result.x, result.adversarial, data_format=result.data_format)
    numbers = {
        "label": result.clean_prediction.tolist(),
        "prediction": result.prediction.tolist(),
        **{name: np.round(values, 4).tolist() for name, values in far.items()},
    }
    print(json.dumps(numbers, indent=2))
    save(options, numbers, isi.plotting.changes(result))


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
