"""ISI against JSMA under equal rules: who turns more digits with fewer pixels, and at what cost?

Equal for all: the network, the images (those it recognises), the mode (untargeted: any other class
counts; targeted: each image towards each other class), the budget (at most 40 of 784 pixels, which
are set to black or white), the batch size, and that the second of two calls is timed. Each attack
is as published in all else. What differs by their nature: ISI changes a pixel a step, up or down;
JSMA a pair, up only (M-JSMA one pixel, up or down); a step of JSMA costs one forward and two
backward passes, one of M-JSMA as many backward passes as there are classes, one of ISI one of each.

python examples/isi_against_jsma.py [--quick] [--out FOLDER]
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

PIXELS, BUDGET = 784, 40
BATCH = 256
ISI = {"max_steps": BUDGET, "bounds": (-1, 1)}
JSMA = {"theta": 1.0, "gamma": BUDGET / PIXELS, "bounds": (-1, 1)}
TARGETED = {
    "ISI, relevance": isi.Attack("relevance", "l0", **ISI),
    "ISI, sensitivity": isi.Attack("sensitivity", "l0", **ISI),
    "JSMA": isi.JSMA(**JSMA),
}
UNTARGETED = {
    **TARGETED,
    "M-JSMA": isi.JSMA(variant="mjsma", pairs=False, once=True, **JSMA),
}
MODES = {"untargeted": UNTARGETED, "targeted": TARGETED}


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    right = np.flatnonzero(model.predict(x[:1000], verbose=0).argmax(-1) == y[:1000])
    right = right[: 4 if options.quick else 500]
    few = right[: 1 if options.quick else 100]
    towards = np.array([[c for c in range(10) if c != y[index]] for index in few])
    found = {
        "untargeted": run(model, UNTARGETED, x[right], y[right], None),
        "targeted": run(
            model, TARGETED, np.repeat(x[few], 9, 0), np.repeat(y[few], 9), towards.ravel()
        ),
    }
    numbers = {
        mode: {name: measured(result) for name, result in results.items()}
        for mode, results in found.items()
    }
    print(table(numbers))
    rules = {"budget": BUDGET, "pixels": PIXELS, "images": len(right), "images_targeted": len(few)}
    save(options, rules | {"batch_size": BATCH} | numbers, draw(found))


def run(model, attacks, x, y, target):
    """The results of the second call of each attack; the first compiles."""
    found = {}
    for name, attack in attacks.items():
        attack(model, x, y=y, target=target, batch_size=BATCH)
        found[name] = attack(model, x, y=y, target=target, batch_size=BATCH)
    return found


def measured(result):
    """What is compared; distances are over the successes, the median over all attacks too."""
    report = isi.evaluate(result)
    changed = report.measures["l0_feature"]
    median = changed.median_all
    return {
        "attacks": report.attacked,
        "success_rate": report.success_rate,
        "mean_l0": changed.mean_success,
        "median_l0_of_all": median if np.isfinite(median) else None,
        "forward": report.forward / report.attacked,
        "backward": report.backward / report.attacked,
        "seconds": report.seconds,
    }


def table(numbers):
    """A line for each attack and mode."""
    head = ("success", "mean L0", "median", "forward", "backward", "seconds")
    lines = []
    for mode, rows in numbers.items():
        attacks = next(iter(rows.values()))["attacks"]
        lines.append(
            f"{mode + f', {attacks} attacks':<28}" + "".join(f"{word:>10}" for word in head)
        )
        for name, row in rows.items():
            median = row["median_l0_of_all"]
            cells = (
                f"{row['success_rate']:.2%}",
                f"{row['mean_l0']:.2f}",
                "-" if median is None else f"{median:.0f}",
                *(f"{row[key]:.1f}" for key in ("forward", "backward", "seconds")),
            )
            lines.append(f"{name:<28}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def draw(found):
    """A panel for each mode: what is left of the accuracy against the pixels changed."""
    with style.context():
        figure = style.figure(style.WIDTH, 3.3)
        axes = figure.subplots(1, len(found))
        for ax, (mode, results) in zip(axes, found.items(), strict=True):
            isi.plotting.robust_accuracy(results, ax=ax)
            ax.set_xlim(0, BUDGET)
            unit = "images" if mode == "untargeted" else "images, each towards 9 classes"
            count = len(next(iter(results.values()))) // (1 if mode == "untargeted" else 9)
            ax.set_ylabel(f"{mode}: not turned (%)\nof {count} {unit}")
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
