"""How a small model is traced, run and explained: writes `figures/concepts/traced_graph.svg`.

The operations are those of the package's trace, the numbers what it computes under the z rule.

    python scripts/traced_graph.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import isi_keras as isi
from isi_keras.graph.forward import Weights, put
from isi_keras.graph.nodes import Weight
from isi_keras.graph.trace import trace
from isi_keras.plotting import style
from isi_keras.results import write_atomically

X = np.array([[1.0, 2.0]], "float32")
HIDDEN, HIDDEN_BIAS = np.array([[1.0, 2.0], [0.5, -0.5]]), np.array([2.0, 1.0])
GATE = np.log(3) * np.array([[1.0, 1.0], [0.0, -1.0]])
CLASS, CLASS_BIAS = np.array([[1.0, 0.0], [-2.0, 0.0]]), np.array([1.0, 0.0])

TALL, WIDE = 0.36, 0.7  # of a box, inches as all lengths here
SIZE = 4.95  # height of the figure
SIDE = 0.31  # from the middle of a panel to its upper and its lower row
PANELS = {"trace": 4.0, "forward": 2.45, "backward": 0.78}  # where the middle of each is
TITLES = {
    "trace": (0.84, "1  Traced once: layers become operations, the softmax at the end is cut off"),
    "forward": (0.7, "2  Forward: the values that the model computes"),
    "backward": (0.92, "3  Backward: relevance, each value times the gradient that arrives"),
}
BOXES = {
    "x": (0.4, 0.0),
    "hidden/Matmul": (1.36, SIDE),
    "hidden/Add": (2.24, SIDE),
    "hidden/Relu": (3.12, SIDE),
    "gate/Matmul": (1.36, -SIDE),
    "gate/Sigmoid": (3.12, -SIDE),
    "product/Multiply": (4.02, 0.0),
    "class/Matmul": (4.9, 0.0),
    "class/Add": (5.74, 0.0),
    "class/Softmax": (6.58, 0.0),
}
SECOND = {
    "hidden/Matmul": "kernel",
    "hidden/Add": "bias",
    "hidden/Relu": "\N{GREATER-THAN OR EQUAL TO} 0",
    "gate/Matmul": "kernel",
    "gate/Sigmoid": "gate",
    "product/Multiply": "",
    "class/Matmul": "kernel",
    "class/Add": "bias",
    "class/Softmax": "",
}
LINES = (
    ("x", "hidden/Matmul"),
    ("hidden/Matmul", "hidden/Add"),
    ("hidden/Add", "hidden/Relu"),
    ("hidden/Relu", "product/Multiply"),
    ("x", "gate/Matmul"),
    ("gate/Matmul", "gate/Sigmoid"),
    ("gate/Sigmoid", "product/Multiply"),
    ("product/Multiply", "class/Matmul"),
    ("class/Matmul", "class/Add"),
    ("class/Add", "class/Softmax"),
)
LAYERS = {"hidden": "Dense, relu", "gate": "Dense, sigmoid", "class": "Dense, softmax"}
END = "class/Softmax"


def main():
    options = parse()
    model = network()
    figure = draw(values_of(model), relevance_of(model))
    # Neither a date nor random names: the same file each time.
    with mpl.rc_context({"svg.hashsalt": "traced_graph"}):
        path = options.out / "traced_graph.svg"
        write_atomically(
            path, lambda file: figure.savefig(file, format="svg", metadata={"Date": None})
        )
    print("wrote", path)


def network():
    x = keras.Input((2,))
    hidden = keras.layers.Dense(2, "relu", name="hidden")(x)
    gate = keras.layers.Dense(2, "sigmoid", use_bias=False, name="gate")(x)
    product = keras.layers.Multiply(name="product")([hidden, gate])
    model = keras.Model(x, keras.layers.Dense(2, "softmax", name="class")(product))
    model.set_weights([HIDDEN, HIDDEN_BIAS, GATE, CLASS, CLASS_BIAS])
    return model


def values_of(model):
    """What each operation of the traced model computes."""
    graph = trace(model, X)
    named, values, weights = (
        {"x": X[0]},
        {id(keras.tree.flatten(graph.inputs)[0]): X},
        Weights(wide=False),
    )

    def value(tensor):
        return weights(tensor) if isinstance(tensor, Weight) else values[id(tensor)]

    for node in graph.nodes:
        args, kwargs = node.filled(value)
        put(values, node, node.op.call(*args, **kwargs))
        found = keras.ops.convert_to_numpy(values[id(node.outputs[0])])
        named[f"{node.where}/{node.kind}"] = found[0]
    if set(named) != set(BOXES):
        raise ValueError(f"Traced otherwise than drawn: {sorted(set(named) ^ set(BOXES))}.")
    for name in ("class/Matmul", "class/Add"):
        named[name] = named[name][:1]  # of the class that is explained
    return named


def relevance_of(model):
    """The relevance of what each operation returns, and what biases keep of it."""
    values = values_of(model)
    found = isi.explain(model, X, target=0, layers=["hidden", "gate", "product"], conservation=True)
    of = {name: relevance[0] for name, relevance in found.layers.items()}
    logit = values["class/Add"]
    hidden = HIDDEN_BIAS / values["hidden/Add"] * of["hidden"]
    kept = {"class/Add": CLASS_BIAS[:1], "hidden/Add": hidden}
    named = {
        "x": found.relevance[0],
        "hidden/Matmul": of["hidden"] - kept["hidden/Add"],
        "hidden/Add": of["hidden"],
        "hidden/Relu": of["hidden"],
        "gate/Sigmoid": of["gate"],
        "product/Multiply": of["product"],
        "class/Matmul": logit - kept["class/Add"],
        "class/Add": logit,
    }
    check(named, kept, {name: part[0] for name, part in found.conservation.items()})
    return named, kept


def check(named, kept, account):
    """What is drawn adds up as the package says it does."""
    equal = np.testing.assert_allclose
    equal(named["gate/Sigmoid"], 0)
    equal(sum(part.sum() for part in kept.values()), account["bias"], rtol=1e-5)
    equal(named["x"].sum(), account["inputs"], rtol=1e-5)
    equal(named["hidden/Matmul"].sum(), named["x"].sum(), rtol=1e-5)
    equal(named["product/Multiply"].sum(), named["class/Matmul"].sum(), rtol=1e-5)
    equal(account["inputs"] + account["bias"], account["explained"], rtol=1e-5)


def draw(values, explained):
    relevance, kept = explained
    with style.context():
        figure = style.figure(style.WIDTH, SIZE)
        ax = figure.subplots()
        ax.set(xlim=(0, style.WIDTH), ylim=(0, SIZE), aspect="equal")
        ax.axis("off")
        for panel, middle in PANELS.items():
            above, title = TITLES[panel]
            ax.text(0.05, middle + above, title, ha="left", va="center")
        traced(ax, PANELS["trace"])
        forwards(ax, PANELS["forward"], values)
        backwards(ax, PANELS["backward"], relevance, kept)
    return figure


def traced(ax, middle):
    for name, kind in LAYERS.items():
        inside = [BOXES[box] for box in BOXES if box.startswith(f"{name}/")]
        left = min(x for x, _ in inside) - WIDE / 2 - 0.06
        right = max(x for x, _ in inside) + WIDE / 2 + 0.06
        y = middle + inside[0][1]
        frame(ax, left, y - TALL / 2 - 0.06, right - left, TALL + 0.12)
        above = y - TALL / 2 - 0.14 if name == "gate" else y + TALL / 2 + 0.13
        ax.text(left + 0.02, above, f"{name} ({kind})", **note(ha="left"))
    for begin, end in LINES[:-1]:
        arrow(ax, begin, end, middle)
    for name in BOXES:
        x, y = at(name, middle)
        operation = "input" if name == "x" else name.partition("/")[2]
        box(ax, x, y, dashed=name == END)
        second = SECOND.get(name, "")
        ink = style.NEUTRAL if name == END else "black"
        ax.text(x, y + (0.07 if second else 0), operation, **number(ink))
        ax.text(x, y - 0.085, second, **note())
    x, y = at(END, middle)
    cut = x - WIDE / 2 - 0.07
    ax.plot([cut, cut], [y - 0.3, y + 0.3], color=style.FAILED, linewidth=1.0)
    ax.text(cut, y - 0.39, "cut", **note(color=style.FAILED))


def forwards(ax, middle, values):
    for begin, end in LINES[:-1]:
        arrow(ax, begin, end, middle)
    for name in list(BOXES)[:-1]:
        x, y = at(name, middle)
        box(ax, x, y)
        ax.text(x, y, ", ".join(map(text, values[name])), **number(size=style.SMALL))
    x, y = at("class/Add", middle)
    ax.text(x + WIDE / 2 + 0.08, y, "the logit", **note(ha="left"))


def backwards(ax, middle, relevance, kept):
    for begin, end in LINES[:-1]:
        idle = "gate" in begin + end
        arrow(ax, end, begin, middle, idle=idle)
    for name in list(BOXES)[:-1]:
        x, y = at(name, middle)
        idle = name.startswith("gate/")
        box(ax, x, y, dashed=idle)
        numbers(ax, x, y, [] if idle else relevance[name])
    for name, part in kept.items():
        x, y = at(name, middle)
        down = 1 if name == "hidden/Add" else -1
        ends = (x, y + down * TALL / 2), (x, y + down * (TALL / 2 + 0.15))
        line(ax, *ends)
        ends_at = y + down * (TALL / 2 + 0.22)
        ax.text(x - 0.33, ends_at, "bias", **note(ha="right"))
        numbers(ax, x, ends_at, part)
    x, y = BOXES["hidden/Add"][0], middle - SIDE - TALL / 2 - 0.12
    ax.text(x, y, "the gate weighs, and gets nothing", **note())
    inputs, biases = relevance["x"].sum(), sum(part.sum() for part in kept.values())
    logit = text(relevance["class/Add"].sum())
    total = f"{logit} = {text(inputs)} in the inputs + {text(biases)} in biases"
    ax.text(style.WIDTH - 0.07, y, total, **note(ha="right"))
    x, y = at("class/Add", middle)
    ax.text(x + WIDE / 2 + 0.08, y, "the logit", **note(ha="left"))


def at(name, middle):
    x, y = BOXES[name]
    return x, middle + y


def box(ax, x, y, *, dashed=False):
    ax.add_patch(
        mpl.patches.Rectangle(
            (x - WIDE / 2, y - TALL / 2), WIDE, TALL, facecolor="white", linewidth=0.8,
            edgecolor=style.NEUTRAL if dashed else style.MUTED, zorder=3,
            linestyle=(0, (2, 2)) if dashed else "-",
        )
    )  # fmt: skip


def frame(ax, x, y, width, height):
    ax.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#EEF1F7", edgecolor="none", zorder=0,
        )
    )  # fmt: skip


def arrow(ax, begin, end, middle, *, idle=False):
    """From box to box, either way."""
    (x, y), (u, v) = at(begin, middle), at(end, middle)
    side = np.sign(u - x) * WIDE / 2
    line(ax, (x + side, y), (u - side, v), idle=idle)


def line(ax, begin, end, *, idle=False):
    color = style.NEUTRAL if idle else style.MUTED
    ax.add_patch(
        FancyArrowPatch(
            begin, end, arrowstyle="-|>", mutation_scale=6, shrinkA=1, shrinkB=1, color=color,
            linewidth=0.8, linestyle=(0, (2, 2)) if idle else "-", zorder=2,
        )
    )  # fmt: skip


def numbers(ax, x, y, parts):
    """Numbers side by side, red above zero and blue below."""
    if not len(parts):
        ax.text(x, y, "0, 0", **number(style.NEUTRAL, style.SMALL))
        return
    words = [text(part) + ("," if k < len(parts) - 1 else "") for k, part in enumerate(parts)]
    widths = [style.text_width(word, style.SMALL) for word in words]
    space = 0.05
    left = x - (sum(widths) + space * (len(words) - 1)) / 2
    for part, word, width in zip(parts, words, widths, strict=True):
        color = style.POSITIVE if part > 0 else style.NEGATIVE if part < 0 else style.MUTED
        ax.text(left, y, word, **{**number(color, style.SMALL), "ha": "left"})
        left += width + space


def text(value):
    return f"{round(float(value), 2) + 0.0:g}".replace("-", "\N{MINUS SIGN}")


def number(color="black", size=style.TEXT):
    return {"ha": "center", "va": "center", "zorder": 4, "color": color, "fontsize": size}


def note(*, ha="center", color=style.MUTED):
    return {"ha": ha, "va": "center", "fontsize": style.SMALL, "color": color, "zorder": 4}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures/concepts"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
