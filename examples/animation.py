"""One attack as a film: a 7 becomes a 3, pixel by pixel.

python examples/animation.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras

import isi_keras as isi
from isi_keras.results import write_atomically

TARGET = 3


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    attack = isi.Attack("relevance", "l0", max_steps=8 if options.quick else 60, bounds=(-1, 1))
    result = attack(model, x[:1], y=y[:1], target=TARGET, trajectory=True)
    path = options.out / "animation.gif"
    print("wrote", isi.plotting.animation(result, 0, path, seconds=0.25))
    numbers = {
        "from": int(result.clean_prediction[0]),
        "target": TARGET,
        "reached": bool(result.success[0]),
        "steps": int(result.steps[0]),
        "changed": int(result.changed.sum()),
    }
    print(numbers)
    save(options, numbers, isi.plotting.trajectory(result))


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
