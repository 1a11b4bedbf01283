"""Pixel flipping on a shipped LeNet: how fast does the score fall where each map says it rests?

Pixels are set to a baseline in the order of their relevance, the most relevant first, in 98 steps
of 8 pixels, and the probability of the predicted class is watched. Two baselines, as the order of
the methods depends on it: 0, from which these maps are measured, and -1, black, which removes ink.
A gradient has a direction, not a share, so the gradient and SmoothGrad are ranked by magnitude.
Integrated gradients start from 0 under both baselines.

python examples/faithfulness.py [--quick] [--out FOLDER]
"""

import argparse
import dataclasses
import json
import re
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.plotting import style
from isi_keras.results import write_atomically

BLUE, ORANGE, GREEN, PINK, SKY, RED, _, BLACK = style.PALETTE
DASHED, DOTTED = (0, (4, 2)), (0, (1, 1.5))
LINES = {
    "z": (BLUE, "-", 3.4),  # wide, as two other curves lie on it
    "epsilon": (SKY, DOTTED, 1.8),
    "epsilon_plus": (ORANGE, "-", 1.3),
    "epsilon_plus_flat": (ORANGE, DASHED, 1.3),
    "epsilon_alpha2beta1": (GREEN, "-", 1.3),
    "epsilon_alpha2beta1_flat": (GREEN, DASHED, 1.3),
    "epsilon_gamma_box": (PINK, "-", 1.3),
    "magnitude of the gradient": (RED, "-", 1.3),
    "magnitude of SmoothGrad": (RED, DASHED, 1.3),
    "integrated gradients": (BLACK, "-", 0.8),
    "random order": (style.NEUTRAL, DASHED, 1.3),
}
MAGNITUDES = {"magnitude of the gradient": "sensitivity", "magnitude of SmoothGrad": "smoothgrad"}
BASELINES = {0.0: "pixels set to 0 (grey)", -1.0: "pixels set to \N{MINUS SIGN}1 (black)"}
STEPS = 98


def main():
    options = parse()
    model, (x, _) = isi.zoo.load("lenet-mnist")
    x = x[: 5 if options.quick else 500]
    maps = {name: explained(model, x, name) for name in LINES if name != "random order"}
    flipped = {baseline: flip(model, maps, baseline, options.quick) for baseline in BASELINES}
    numbers = {str(baseline): measured(results) for baseline, results in flipped.items()}
    print(f"{len(x)} images; area under the curve, and AOPC: mean ± standard error")
    for baseline, rows in numbers.items():
        print(table(baseline, rows))
    steps = next(iter(flipped[0.0].values())).flipped
    numbers = {
        "model": "lenet-mnist",
        "images": len(x),
        "score": "probability of the predicted class",
        "flipped": [round(float(share), 4) for share in steps],
        "baselines": numbers,
    }
    save(options, numbers, draw(flipped, len(x)))


def explained(model, x, name):
    """The maps of a method; those of a gradient by magnitude, as their sign is a direction."""
    if name in MAGNITUDES:
        found = isi.explain(model, x, indicator=MAGNITUDES[name], batch_size=100)
        return dataclasses.replace(found, relevance=np.abs(found.relevance))
    whole = name == "integrated gradients"
    indicator = isi.IntegratedGradients(baseline=0.0) if whole else isi.Relevance(name)
    return isi.explain(model, x, indicator=indicator, batch_size=100)


def flip(model, maps, baseline, quick):
    """What pixel flipping says of each method."""
    steps = 7 if quick else STEPS
    results = {
        name: isi.pixel_flipping(model, found, baseline=baseline, steps=steps)
        for name, found in maps.items()
    }
    chance = isi.pixel_flipping(model, maps["z"], baseline=baseline, steps=steps, order="random")
    return {**results, "random order": chance}


def measured(results):
    """The numbers of each method, the smallest area first."""
    rows = {}
    for name, result in sorted(results.items(), key=lambda item: item[1].area().mean()):
        rows[name] = {
            "area": mean_and_error(result.area()),
            "aopc": mean_and_error(result.aopc()),
            "area_logit": mean_and_error(result.area("logit")),
            "curve": [round(float(mean), 4) for mean in result.probability.mean(axis=0)],
        }
    return rows


def mean_and_error(values):
    error = values.std(ddof=1) / np.sqrt(len(values))
    return {"mean": round(float(values.mean()), 6), "standard_error": round(float(error), 6)}


def table(baseline, rows):
    """A line for each method."""
    lines = [f"\n{'baseline ' + baseline:<28}{'area':>18}{'AOPC':>18}"]
    for name, row in rows.items():
        pairs = (
            f"{row[key]['mean']:.4f} ± {row[key]['standard_error']:.4f}" for key in ("area", "aopc")
        )
        lines.append(f"{name:<28}" + "".join(f"{pair:>18}" for pair in pairs))
    return "\n".join(lines)


def draw(flipped, count):
    """A panel for each baseline, its legend below it with the smallest area first."""
    with style.context():
        figure = style.figure(style.WIDTH, 2.6 + (len(LINES) + 3) * style.LINE)
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)
        axes = figure.subplots(1, len(flipped), sharey=True)
        for ax, (baseline, results) in zip(axes, flipped.items(), strict=True):
            panel(ax, results)
            ax.set_title(BASELINES[baseline])
        axes[0].set_ylabel(f"probability of the predicted class,\nmean of {count} images ± SE")
    return figure


def panel(ax, results):
    areas = {name: result.area().mean() for name, result in results.items()}
    ranked = sorted(areas, key=lambda name: areas[name])
    lines = {name: curve(ax, results[name], *LINES[name]) for name in LINES}
    ax.legend(
        [lines[name] for name in ranked],
        [f"{areas[name]:.3f}  {name}" for name in ranked],
        title="mean area under the curve",
        loc="upper left",
        bbox_to_anchor=(0, -0.2),
        borderaxespad=0,
        alignment="left",
        handlelength=3,
        title_fontsize=style.SMALL,
    )
    ax.set(xlim=(0, 100), ylim=(0, 1), xlabel="pixels flipped (%), most relevant first")
    ax.spines[["top", "right"]].set_visible(False)


def curve(ax, result, color, line, width):
    """The mean and a band of one standard error to either side."""
    share, probability = 100 * result.flipped, result.probability.astype("float64")
    mean = probability.mean(axis=0)
    error = probability.std(axis=0, ddof=1) / np.sqrt(len(result))
    ax.fill_between(share, mean - error, mean + error, color=color, alpha=0.2, linewidth=0)
    return ax.plot(share, mean, color=color, linestyle=line, linewidth=width)[0]


def save(options, numbers, figure):
    """The picture in two forms, and beside it the numbers with the command that made them."""
    path = options.out / Path(__file__).name
    for kind in ("png", "pdf"):
        write = partial(figure.savefig, format=kind)
        print("wrote", write_atomically(path.with_suffix(f".{kind}"), write))
    command = f"python examples/{path.stem}.py{' --quick' * options.quick}"
    made = {"command": command, "keras": keras.__version__, "backend": keras.backend.backend()}
    text = json.dumps(made | numbers, indent=2) + "\n"
    text = re.sub(r"\[[^\[\]]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)  # a line each
    path = path.with_suffix(".json")
    print("wrote", write_atomically(path, lambda file: file.write(text.encode())))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a test")
    parser.add_argument("--out", type=Path, default=Path("figures/examples"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
