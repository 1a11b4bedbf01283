"""Pixel flipping on small vision transformers: which rule through attention finds what counts?

Vision transformers (patches of 4 by 4, width 32, two blocks) learn the first 8,000 digits that the
package ships, one for each seed. Pixels of held-out digits are set to grey and to black in the
order of each map, the most relevant first. The network of the first seed is drawn.

python scripts/attention_faithfulness.py [--quick] [--seeds 0 1 2] [--out FOLDER]
"""

import argparse
import dataclasses
import json
import re
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import layers

import isi_keras as isi
from isi_keras.composites import Composite
from isi_keras.plotting import style
from isi_keras.results import write_atomically
from isi_keras.rules import Epsilon, Gamma

NAME = "attention-faithfulness.png"
GAMMAS = {"convolution": Gamma(0.25), "dense": Gamma(0.05)}
METHODS = {
    "values, epsilon": isi.Relevance(Composite(Epsilon(), attention="values")),
    "AttnLRP, epsilon": isi.Relevance(Composite(Epsilon(), attention="attnlrp")),
    "values, gamma": isi.Relevance(Composite(GAMMAS, attention="values")),
    "AttnLRP, gamma": isi.Relevance(Composite(GAMMAS, attention="attnlrp")),
    "gradient x input": "gradient_x_input",
}
RANDOM, REFERENCE = "random order", "values, epsilon"
BASELINES = {"grey": 0.0, "black": -1.0}
TRAINING = 8_000
STEPS = [*range(4, 81, 4), *range(168, 785, 88)]  # of 784 pixels; those up to 80 are drawn
DRAWN = 21


class Position(layers.Layer):
    """Adds a learned vector to each token."""

    def build(self, shape):  # noqa: D102
        initializer = keras.initializers.RandomNormal(0.02)
        self.position = self.add_weight(shape[1:], initializer, name="position")

    def call(self, x):  # noqa: D102
        return x + self.position


def vit(width=32, blocks=2):
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(width, 4, strides=4)(inputs)
    x = Position()(layers.Reshape((-1, width))(x))  # (N, 49, width)
    for _ in range(blocks):
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, width // 4)(h, h)])
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        h = layers.Dense(2 * width, activation="gelu")(h)
        x = layers.Add()([x, layers.Dense(width)(h)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(inputs, layers.Dense(10)(x), name="vit")


def trained(x, y, seed, epochs):
    keras.utils.set_random_seed(seed)
    model = vit()
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // 64))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def flipped(model, maps, baseline):
    flip = partial(isi.pixel_flipping, model, baseline=baseline, steps=STEPS)
    curves = {name: flip(found) for name, found in maps.items()}
    return curves | {RANDOM: flip(maps[REFERENCE], order="random")}


def beginning(result):
    """The steps that are drawn."""
    cut = {score: result.curve(score)[:, :DRAWN] for score in ("logit", "probability")}
    return dataclasses.replace(result, flipped=result.flipped[:DRAWN], **cut)


def measured(curves):
    """Mean areas of the beginning and of all, and their excess over those of the reference."""
    rows, reference = {}, curves[REFERENCE]
    for name, result in curves.items():
        rows[name] = {"curve": [round(float(p), 4) for p in result.probability.mean(axis=0)]}
        for part, cut in {"drawn": beginning, "all": lambda whole: whole}.items():
            for score in ("probability", "logit"):
                area = cut(result).area(score)
                rows[name][f"{score}, {part}"] = mean_and_error(area)
                excess = area - cut(reference).area(score)
                rows[name][f"{score}, {part}, excess"] = mean_and_error(excess)
    return rows


def mean_and_error(values):
    error = values.std(ddof=1) / np.sqrt(len(values))
    return [round(float(values.mean()), 4), round(float(error), 4)]


def sums(maps):
    """The quartiles of the sum of a map over the logit it explains."""
    shares = {
        name: found.relevance.sum(axis=(1, 2, 3))
        / np.take_along_axis(found.logits, found.target[:, None], axis=1)[:, 0]
        for name, found in maps.items()
    }
    return {n: np.round(np.quantile(s, (0.25, 0.5, 0.75)), 3).tolist() for n, s in shares.items()}


def draw(curves):
    """A panel for each baseline."""
    with style.context():
        figure = style.figure(style.WIDTH, 3.6)
        axes = figure.subplots(1, len(curves), sharey=True)
        for ax, (shade, results) in zip(axes, curves.items(), strict=True):
            isi.plotting.faithfulness({n: beginning(r) for n, r in results.items()}, ax=ax)
            ax.set_xlabel(f"pixels set to {shade} (%), most relevant first")
            ax.label_outer()
    return figure


def main():
    options = parse()
    model, (x, y) = isi.zoo.load("lenet-mnist")  # for its digits, in [-1, 1]
    epochs, count = (1, 8) if options.quick else (8, 200)
    seen, held_out = slice(500 if options.quick else TRAINING), slice(TRAINING, None)
    report = {"keras": keras.__version__, "backend": keras.backend.backend(), "images": count}
    report |= {"training_images": seen.stop, "epochs": epochs, "flipped": STEPS, "networks": {}}
    for seed in options.seeds:
        model = trained(x[seen], y[seen], seed, epochs)
        right = model.predict(x[held_out], verbose=0).argmax(axis=-1) == y[held_out]
        logits = isi.logits(model, from_logits=True)
        explain = partial(isi.explain, logits, x[held_out][:count])
        maps = {name: explain(indicator=method) for name, method in METHODS.items()}
        curves = {shade: flipped(logits, maps, b) for shade, b in BASELINES.items()}
        rows = {shade: measured(results) for shade, results in curves.items()}
        accuracy = round(float(right.mean()), 4)
        report["networks"][seed] = {"accuracy": accuracy, "sums": sums(maps), "flipped": rows}
        print(f"seed {seed}: accuracy {accuracy:.2%} of {right.size} held-out digits")
        for shade, found in rows.items():
            for name, row in found.items():
                print(f"{shade:<6}{name:<17}", [v for k, v in row.items() if "prob" in k])
        if seed == options.seeds[0]:
            write_atomically(options.out / NAME, partial(draw(curves).savefig, format="png"))
        save(report, (options.out / NAME).with_suffix(".json"))


def save(report, path):
    """Writes the numbers, a list of them to a line."""
    text = json.dumps(report, indent=1) + "\n"
    text = re.sub(r"\[[^\[\]]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    write_atomically(path, lambda file: file.write(text.encode()))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="a network each")
    parser.add_argument("--out", type=Path, default=Path("figures/relevance"), metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
