"""The two passes of relevance in a small network: writes `figures/concepts/two_passes.svg`.

The numbers are what the package computes for a network of two inputs, two hidden units and one
logit, without biases.

    python scripts/two_passes.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
from matplotlib.patches import FancyArrowPatch

import isi_keras as isi
from isi_keras.plotting import style
from isi_keras.results import write_atomically

X = np.array([[1.0, 2.0]], "float32")
FIRST = np.array([[1.0, 2.0], [0.5, -0.5]], "float32")  # (inputs, hidden)
SECOND = np.array([[1.5], [-1.0]], "float32")  # (hidden, logit)
NOTES = ("circles: values; lines: weights", "circles: relevance; lines: what they carry")
RULES = {"z": "Backward, z rule", "zplus": "Backward, z+ rule"}
PLACES = {"x": (0.0, (1.2, 0.0)), "h": (1.5, (1.2, 0.0)), "y": (2.7, (0.6,))}
NODE = 0.22  # the radius of a node, in units of the axes


def main():
    options = parse()
    found = {rule: computed(rule) for rule in RULES}
    figure = draw(found)
    # Neither a date nor random names: the same file each time.
    with mpl.rc_context({"svg.hashsalt": "two_passes"}):
        path = options.out / "two_passes.svg"
        write_atomically(
            path, lambda file: figure.savefig(file, format="svg", metadata={"Date": None})
        )
    print("wrote", path)


def computed(rule):
    """Values and relevance of all nodes, and what each line carries under a rule."""
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(2, "relu", use_bias=False, name="hidden"),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    # The logit of the second class is always 0.
    model.set_weights([FIRST, np.concatenate([SECOND, 0 * SECOND], axis=1)])
    logits = isi.logits(model, from_logits=True)
    found = isi.explain(logits, X, target=0, indicator=rule, layers=["hidden"])
    values = {"x": X[0], "h": np.maximum(X[0] @ FIRST, 0), "y": found.logits[0, :1]}
    relevance = {"x": found.relevance[0], "h": found.layers["hidden"][0], "y": values["y"]}
    return values, relevance


def terms(values):
    """The products of value and weight on the lines of both layers."""
    return {"xh": values["x"][:, None] * FIRST, "hy": values["h"][:, None] * SECOND}


def shares(values, relevance, rule):
    """What each line carries back: the share of its term, of all or of the positive ones."""
    carried = {}
    for name, term in terms(values).items():
        counted = np.maximum(term, 0) if rule == "zplus" else term
        carried[name] = counted / counted.sum(0) * relevance[name[1]]
        np.testing.assert_allclose(carried[name].sum(1), relevance[name[0]], atol=1e-5)
    return carried


def draw(found):
    with style.context():
        figure = style.figure(style.WIDTH, 2.0)
        axes = figure.subplots(1, 3)
        values, _ = found["z"]
        weights = {"xh": FIRST, "hy": SECOND}
        panel(axes[0], "Forward, under any rule", values, weights, NOTES[0], forward=True)
        for ax, (rule, title) in zip(axes[1:], RULES.items(), strict=True):
            values, relevance = found[rule]
            panel(ax, title, relevance, shares(values, relevance, rule), NOTES[1], values=values)
    return figure


def panel(ax, title, nodes, lines, foot, *, values=None, forward=False):
    """One pass: nodes with their numbers, lines with theirs, arrows the way it goes."""
    ax.text(1.35, 1.95, title, ha="center", va="center")
    ax.set(xlim=(-0.3, 3.0), ylim=(-1.0, 2.1), aspect="equal")
    ax.axis("off")
    for name, numbers in lines.items():
        for (row, column), number in np.ndenumerate(numbers):
            line(ax, place(name[0], row), place(name[1], column), number, forward)
    for name, numbers in nodes.items():
        for index, number in enumerate(numbers):
            node(ax, place(name, index), number, colour(number, forward))
            if values is not None:
                x, y = place(name, index)
                down = -1 if name == "y" or index else 1
                ax.text(x, y + 0.36 * down, f"g = {text(number / values[name][index])}", **note())
    ax.text(1.35, -0.85, foot, **note())


def place(name, index):
    x, heights = PLACES[name]
    return x, heights[index]


def colour(number, forward):
    if forward or abs(number) < 1e-6:
        return "white"
    return style.POSITIVE if number > 0 else style.NEGATIVE


def node(ax, at, number, fill):
    ax.add_patch(
        mpl.patches.Circle(at, NODE, facecolor=fill, edgecolor=style.MUTED, linewidth=0.8, zorder=3)
    )
    ink = style.ink(fill)
    ax.text(*at, text(number), ha="center", va="center", color=ink, zorder=4)


def line(ax, begin, end, number, forward):
    """An arrow from node to node with its number beside it; dashed if it carries nothing."""
    nothing = not forward and abs(number) < 1e-6
    color = style.MUTED if forward else colour(number, forward)
    color = style.NEUTRAL if nothing else color
    ends = (begin, end) if forward else (end, begin)
    arrow = FancyArrowPatch(
        *ends, arrowstyle="-|>", mutation_scale=7, shrinkA=13, shrinkB=13, color=color,
        linewidth=0.8, linestyle=(0, (2, 2)) if nothing else "-",
    )  # fmt: skip
    ax.add_patch(arrow)
    crossing = begin[1] != end[1] and begin[0] == 0
    share = 0.27 if crossing else 0.5
    x, y = (b + share * (e - b) for b, e in zip(begin, end, strict=True))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    ax.text(
        x, y, text(number), ha="center", va="center", fontsize=style.SMALL, color=color, bbox=box
    )


def text(number):
    return f"{round(float(number), 4):g}".replace("-", "\N{MINUS SIGN}")


def note():
    return {"ha": "center", "va": "center", "fontsize": style.SMALL, "color": style.MUTED}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures/concepts"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
