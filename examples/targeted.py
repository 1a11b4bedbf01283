"""Every digit into every other: a targeted attack as a grid of sources and targets.

python examples/targeted.py [--quick] [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    digits = np.arange(3 if options.quick else 10)
    right = np.flatnonzero(model.predict(x[:1000], verbose=0).argmax(-1) == y[:1000])
    sources = [right[y[right] == digit][0] for digit in digits]
    attack = isi.Attack("relevance", "l0", max_steps=60, bounds=(-1, 1))
    result = attack(
        model,
        np.repeat(x[sources], len(digits), axis=0),
        target=np.tile(digits, len(digits)),
    )
    print(isi.evaluate(result))
    save(isi.plotting.targets(result), options.out / "targeted.png")


def save(figure, path):
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
    print("wrote", path)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a test")
    parser.add_argument("--out", type=Path, default=Path("figures/examples"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
