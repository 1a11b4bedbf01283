"""A saliency map as a landscape: the peaks are the pixels that raise the logit of an 8 most.

python examples/surface.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

TARGET = 8


def main():
    options = parse()
    model, (x, _) = isi.zoo.load("lenet-mnist")
    maps = isi.explain(model, x[:1], target=TARGET, indicator="sensitivity")
    peak = np.unravel_index(np.abs(maps.relevance[0, ..., 0]).argmax(), (28, 28))
    numbers = {
        "predicted": int(maps.prediction[0]),
        "explained": TARGET,
        "greatest": float(maps.relevance[0, ..., 0][peak]),
        "row": int(peak[0]),
        "column": int(peak[1]),
    }
    print(numbers)
    save(options, numbers, isi.plotting.surface(maps).figure)


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
