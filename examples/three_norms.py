"""One model, one indicator, three norms: what an attack may change decides what comes out.

python examples/three_norms.py [--quick] [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

import isi_keras as isi
from isi_keras.plotting import images, panels, style
from isi_keras.results import write_atomically

NORMS = {"L0": isi.L0(), "L2": isi.L2(features=20, step_size=0.1), "Linf": isi.Linf(step_size=0.06)}
SHOWN = {"L0": ("l0_feature", "{:.0f} changed"), "L2": ("l2", "{:.1f}"), "Linf": ("linf", "{:.2f}")}
STEPS = 100
NOTE = "Below each image: its distance in the norm of its row, and the new prediction."


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
        measured[name] = isi.evaluate(attack(model, x[others]))
    print(table(measured))
    save(draw(drawn), options.out / "three_norms.png")


def table(reports):
    """Success, steps and the mean distances over successes, a line for each norm."""
    head = ("norm", "success", "steps", "L0", "L2", "Linf")
    lines = ["".join(f"{word:>9}" for word in head)]
    for name, report in reports.items():
        means = [report.measures[key].mean_success for key in ("l0_feature", "l2", "linf")]
        numbers = "".join(f"{number:>9.2f}" for number in (report.steps, *means))
        lines.append(f"{name:>9}{report.success_rate:>9.1%}{numbers}")
    return "\n".join(lines)


def draw(results):
    """A row of originals, then a row for each norm; below each image its distance."""
    first = next(iter(results.values()))
    count, side = len(first), 0.65
    with style.context():
        figure = style.figure(count * side + 0.4, 5.2 * side + 0.2, layout="compressed")
        axes = figure.subplots(1 + len(results), count)
        for ax, image, label in zip(axes[0], as_images(first.x), first.label, strict=True):
            panels.draw_image(ax, image)
            ax.set_title(str(label), pad=2)
        axes[0, 0].set_ylabel("original")
        for row, (name, result) in zip(axes[1:], results.items(), strict=True):
            measure, form = SHOWN[name]
            distances = isi.evaluation.distances(result.x, result.adversarial)[measure]
            row[0].set_ylabel(name)
            for index, ax in enumerate(row):
                panels.draw_image(ax, as_images(result.adversarial)[index])
                ax.set_xlabel(
                    f"{form.format(distances[index])}\n→ {result.prediction[index]}"
                    if result.success[index]
                    else "failed",
                    fontsize=style.SMALL,
                    labelpad=2,
                )
        figure.supxlabel(NOTE, fontsize=style.SMALL, color=style.MUTED)
    return figure


def as_images(x):
    return images.as_images(x, (-1, 1))


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
