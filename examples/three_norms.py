"""One model, one indicator, three norms: what an attack may change decides what comes out.

python examples/three_norms.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

NORMS = {
    "L0": isi.L0(),
    "L2": isi.L2(features=20, step_size=0.05),
    "Linf": isi.Linf(step_size=0.03),
}
STEPS = 100


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    right = np.flatnonzero(model.predict(x[:1000], verbose=0).argmax(-1) == y[:1000])
    one_of_each = [right[y[right] == digit][0] for digit in range(4 if options.quick else 10)]
    others = right[: 10 if options.quick else 500]
    drawn, measured = {}, {}
    for name, norm in NORMS.items():
        attack = isi.Attack("relevance", norm, max_steps=STEPS, bounds=(-1, 1))
        drawn[name] = attack(model, x[one_of_each])
        measured[name] = numbers_of(isi.evaluate(attack(model, x[others])))
    print(table(measured))
    save(options, {"images": len(others)} | measured, isi.plotting.attacks(drawn))


def numbers_of(report):
    """Success, steps and the mean distances over successes."""
    means = {key: report.measures[key].mean_success for key in ("l0_feature", "l2", "linf")}
    return {"success_rate": report.success_rate, "steps": report.steps} | means


def table(measured):
    """A line for each norm."""
    lines = ["".join(f"{word:>9}" for word in ("norm", "success", "steps", "L0", "L2", "Linf"))]
    for name, (rate, *numbers) in ((name, row.values()) for name, row in measured.items()):
        lines.append(f"{name:>9}{rate:>9.1%}" + "".join(f"{number:>9.2f}" for number in numbers))
    return "\n".join(lines)


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
