"""The picture of the first page: a photograph, what speaks for its class, and what turns it.

    KERAS_BACKEND=torch python scripts/landing.py [--budget PASSES] [--out FOLDER]

Four square pictures without text, so that the page may lay them out on any screen. Their captions
are on the page, the numbers in them in `landing.json`. Needs `pip install 'isi-keras[photos]'`.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.plotting import images, panels, style

NAME = "efficientnet-lite0"
PERCENTILE = 99.5  # of a map's magnitudes: the strongest colour
INCHES, DPI, EDGE = 3.0, 160, 2


def main():
    options = parse()
    bounds, classes = isi.zoo.BOUNDS[NAME], isi.zoo.imagenet_classes()
    model, (x, y) = isi.zoo.load(NAME)
    f = isi.logits(model)
    maps = isi.explain(f, x[:1], indicator="epsilon_plus")
    attack = isi.MinimalL0(budget=options.budget, restarts=0, unit="position", bounds=bounds)
    result = attack(f, x[:1], y=y[:1])
    photograph, turned = images.as_images(np.stack([x[0], result.adversarial[0]]), bounds)
    (values,) = images.as_maps(maps.relevance)
    limit = panels.limit_of(values, PERCENTILE)
    rows, columns = np.nonzero(result.order[0].any(axis=-1))

    def ringed(ax):
        panels.draw_image(ax, turned)
        ring = {"marker": "o", "s": 160, "facecolors": "none", "linewidths": 2.2}
        ax.scatter(columns, rows, edgecolors=style.PALETTE[6], **ring)

    drawn = {
        "photograph": lambda ax: panels.draw_image(ax, photograph),
        "map": lambda ax: panels.draw_signed(ax, values, limit),
        "overlay": lambda ax: panels.draw_over(ax, photograph, values, limit),
        "turned": ringed,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, draw in drawn.items():
        save(draw, options.out / f"{name}.png")
    before, after = (classes[part[0]] for part in (result.clean_prediction, result.prediction))
    numbers = {
        "command": f"python scripts/landing.py --budget {options.budget}",
        "backend": keras.backend.backend(),
        "before": before,
        "after": after,
        "pixels": len(rows),
        "of": int(np.prod(x.shape[1:3])),
        "success": bool(result.success[0]),
    }
    (options.out / "landing.json").write_text(json.dumps(numbers, indent=2) + "\n")
    print(numbers)


def save(draw, path):
    """One panel, without text, inside a white edge of some pixels."""
    with style.context():
        figure = style.figure(INCHES, INCHES)
        figure.set_layout_engine("none")
        edge = EDGE / (INCHES * DPI)
        ax = figure.add_axes((edge, edge, 1 - 2 * edge, 1 - 2 * edge))
        draw(ax)
        ax.set_axis_off()
        figure.savefig(path, dpi=DPI)
    print("wrote", path)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=80, help="passes of the attack")
    parser.add_argument("--out", type=Path, default=Path("figures/landing"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
