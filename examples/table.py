"""A table of real data: what would have to be otherwise for a wine to pass as another cultivar's?

Without a domain the attack makes wines that cannot be. With one the columns that nobody can
change stay, those that can change go one way only, and whole numbers stay whole.

python examples/table.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

X, Y, NAMES = isi.zoo.wine()
RANGE = isi.Domain(X.min(axis=0), X.max(axis=0), names=NAMES)
CELLAR = isi.Domain(
    X.min(axis=0),
    X.max(axis=0),
    names=NAMES,
    mutable=[name not in ("ash", "alcalinity of ash", "hue") for name in NAMES],
    direction={"alcohol": 1, "malic acid": -1, "colour": -1},
    integer=["magnesium", "proline"],
)


def main():
    options = parse()
    keras.utils.set_random_seed(0)
    model = train(epochs=20 if options.quick else 200)
    attacks = {
        name: isi.Attack("sensitivity", "l0", scale="reach", objective="margin", bounds=domain)
        for name, domain in (("any value in the range", RANGE), ("with a domain", CELLAR))
    }
    results = {name: attack(model, X, y=Y) for name, attack in attacks.items()}
    numbers = {name: counted(result) for name, result in results.items()}
    for name, found in numbers.items():
        print(name, json.dumps(found))
    save(options, numbers, draw(results))


def train(epochs):
    """A small network; what standardises the columns is a part of it."""
    scale = keras.layers.Normalization()
    scale.adapt(X)
    model = keras.Sequential(
        [keras.Input((X.shape[1],)), scale, keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(X, Y, batch_size=32, epochs=epochs, verbose=0)
    return model


def counted(result):
    """How many turned, by how many columns, and how many of those are wines that can be."""
    broken = CELLAR.violations(result.x, result.adversarial)
    can_be = ~np.any([where.any(axis=1) for where in broken.values()], axis=0)
    turned = result.success
    return {
        "attacked": int(result.attacked.sum()),
        "turned": int(turned.sum()),
        "columns": round(float(result.changed[turned].sum(axis=1).mean()), 2),
        "possible": int((can_be & turned).sum()),
    }


def draw(results):
    """How often each column was changed."""
    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    places = np.arange(len(NAMES))
    for shift, (name, result) in zip((-0.2, 0.2), results.items(), strict=True):
        share = result.changed[result.success].mean(axis=0)
        ax.barh(places + shift, share, height=0.4, label=name)
    ax.set_yticks(places, NAMES)
    ax.invert_yaxis()
    ax.set_xlabel("share of the turned wines in which the column was changed")
    ax.legend()
    return figure


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
