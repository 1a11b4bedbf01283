"""A first attack: change as few pixels as it takes until a shipped LeNet sees another digit.

python examples/first_attack.py [--quick] [--out FOLDER]
"""

import argparse
from pathlib import Path

import isi_keras as isi
from isi_keras.results import write_atomically


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    count = 20 if options.quick else 500
    attack = isi.Attack("relevance", "l0", max_steps=30, bounds=(-1, 1))
    result = attack(model, x[:count], y=y[:count])
    print(isi.evaluate(result))
    figure = isi.plotting.examples(result, count=10, columns=5)
    save(figure, options.out / "first_attack.png")


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
