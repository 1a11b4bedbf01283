"""Sensitivity beside relevance: where a change would matter, and what the decision rests on.

python examples/explain_digits.py [--quick] [--out FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np

import isi_keras as isi
from isi_keras.plotting import images, panels, style
from isi_keras.results import write_atomically

TITLES = ("input", "sensitivity\n(derivative of the logit)", "relevance\n(share of the logit)")
NOTE = (
    "Sensitivity: where red, a brighter pixel raises the logit. Relevance: what is red speaks for\n"
    "the predicted class, what is blue against it. Each map has its own colour scale."
)


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")
    digits = (7, 2) if options.quick else (7, 2, 0, 4)
    x = x[[np.argmax(y == digit) for digit in digits]]
    sensitivity = isi.explain(model, x, indicator="sensitivity")
    relevance = isi.explain(model, x, indicator="relevance")
    for index, digit in enumerate(digits):
        own = relevance.logits[index, relevance.target[index]]
        total = relevance.relevance[index].sum()
        print(f"digit {digit}: logit {own:.2f}, sum of relevance {total:.2f}")
    save(draw(sensitivity, relevance), options.out / "explain_digits.png")


def draw(sensitivity, relevance):
    """A row for each image: the input and its two maps, each map on its own scale."""
    count = len(relevance)
    inputs = images.as_images(relevance.x, (-1, 1))
    maps = [images.as_maps(each.relevance) for each in (sensitivity, relevance)]
    with style.context():
        figure = style.figure(5.2, 1.32 * count + 0.65, layout="compressed")
        axes = figure.subplots(count, 3)
        for index, row in enumerate(axes):
            panels.draw_image(row[0], inputs[index])
            logit = relevance.logits[index, relevance.target[index]]
            row[0].set_ylabel(f"predicted {relevance.prediction[index]}\nlogit {logit:.1f}")
            for ax, values in zip(row[1:], maps, strict=True):
                panels.draw_signed(ax, values[index], panels.limit_of(values[index]))
                panels.color_bar(ax, room=0.1)
        for ax, title in zip(axes[0], TITLES, strict=True):
            ax.set_title(title)
        figure.supxlabel(NOTE, fontsize=style.SMALL, color=style.MUTED)
    return figure


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
