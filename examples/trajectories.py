"""How an attack goes: one digit step by step, and the probability of many.

python examples/trajectories.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.plotting import style
from isi_keras.results import write_atomically

SHOWN = 0  # the 7


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    count = 10 if options.quick else 500
    found = {}
    for target in (None, 3):
        attack = isi.Attack("relevance", "l0", max_steps=40, bounds=(-1, 1))
        found[target] = attack(model, x[:count], y=y[:count], target=target, trajectory=True)
    one = isi.plotting.trajectory(found[None], SHOWN)
    path = options.out / "trajectory.png"
    print("wrote", write_atomically(path, partial(one.savefig, format="png")))
    numbers = {
        "untargeted" if target is None else f"target {target}": measured(result)
        for target, result in found.items()
    }
    print(json.dumps(numbers, indent=2))
    save(options, {"images": count} | numbers, draw(found))


def measured(result):
    """How many steps it took, and how many were still running after some."""
    steps = result.steps[result.attacked]
    return {
        "attacked": len(steps),
        "successes": int(result.success.sum()),
        "median_steps": float(np.median(steps)),
        "running_after": {str(step): int((steps > step).sum()) for step in (5, 10, 20, 30)},
    }


def draw(found):
    """The probability of the class that was predicted, and of a target; bands over all images."""
    with style.context():
        figure = style.figure(style.WIDTH, 2.8)
        for ax, result in zip(figure.subplots(1, 2), found.values(), strict=True):
            isi.plotting.trajectories(result, ax=ax)
    return figure


def save(options, numbers, figure):
    """The picture in two forms, and beside it the numbers with the command that made them."""
    path = options.out / Path(__file__).name
    for kind in ("png", "pdf"):
        write = partial(figure.savefig, format=kind)
        print("wrote", write_atomically(path.with_suffix(f".{kind}"), write))
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
