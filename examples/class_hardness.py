"""How hard each digit is to turn into each other: the JSMA on the LeNet of its paper.

python examples/class_hardness.py [--quick] [--out FOLDER]

The paper has 97.1 % success at a mean distortion of 4.02 % within a budget of 14.5 %, 64.7 % at
3.62 % where inputs are decreased, and a rank correlation of about 0.79 between hardness and
adversarial distance (read off its figures). The last is not that of equation 13, see
docs/reproducing.md.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np
from scipy.stats import spearmanr

import isi_keras as isi
from isi_keras.attacks.hardness import BUDGETS
from isi_keras.results import write_atomically

BUDGET = 0.145


def main():
    options = parse()
    count = 3 if options.quick else 300
    budgets = (0.026, BUDGET) if options.quick else BUDGETS
    model, (x, y) = isi.zoo.load("lenet-jsma")
    x, y = x[:count], y[:count]
    found = isi.hardness(model, x, y, attack=isi.JSMA(theta=1.0), budgets=budgets, batch_size=512)
    numbers = {"samples": count, "attempts": len(found), "increase": rates(found)}
    fewer = isi.hardness(
        model,
        x,
        y,
        attack=isi.JSMA(theta=-1.0),
        budgets=(budgets[0], BUDGET),
        batch_size=512,
        distances=False,
    )
    numbers["decrease"] = rates(fewer)
    hard, distance = found.hardness(), found.adversarial_distance()
    seen = ~np.isnan(hard)
    numbers["rank_correlation"] = float(spearmanr(hard[seen], distance[seen]).statistic)
    numbers["robustness"] = found.robustness()
    print(json.dumps(numbers, indent=2))
    save(options, numbers, isi.plotting.hardness(found, budget=BUDGET))


def rates(found):
    """Success rate and mean distortion of the successes within the budget."""
    found = found.attempts
    within = found.succeeds_within(BUDGET)
    return {
        "success_rate": float(within.mean()),
        "mean_distortion": float(found.distortion[within].mean()),
    }


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
