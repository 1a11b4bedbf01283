"""Every digit into every other: a targeted attack as a grid of sources and targets.

python examples/targeted.py [--quick] [--out FOLDER]
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
    digits = np.arange(3 if options.quick else 10)
    right = np.flatnonzero(model.predict(x[:1000], verbose=0).argmax(-1) == y[:1000])
    sources = [right[y[right] == digit][0] for digit in digits]
    attack = isi.Attack("relevance", "l0", max_steps=60, bounds=(-1, 1))
    result = attack(
        model,
        np.repeat(x[sources], len(digits), axis=0),
        target=np.tile(digits, len(digits)),
    )
    report = isi.evaluate(result)
    print(report)
    failed = result.attacked & ~result.success
    numbers = {
        "attacked": report.attacked,
        "success_rate": report.success_rate,
        "mean_l0": report.measures["l0_feature"].mean_success,
        "failed": [
            {"source": int(source), "target": int(target)}
            for source, target in zip(
                result.clean_prediction[failed], result.target[failed], strict=True
            )
        ],
    }
    save(options, numbers, isi.plotting.targets(result))


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
