"""The galleries of the 2020 repository for CIFAR-10: any other class, and each towards each.

The first call downloads CIFAR-10 (170 MB) and trains the published network, hours on a CPU and
minutes on a GPU; the weights stay in WEIGHTS for the next one. `--quick` needs neither: it trains a
moment on small made-up pictures of ten colours, to see that all of this runs. It shows nothing of
CIFAR-10.

python examples/cifar.py [--quick] [--out FOLDER]
"""

import argparse
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
WEIGHTS = Path("results/cifar_isi.weights.h5")


def main():
    options = parse()
    (x, y), (x_test, y_test) = made_up() if options.quick else cifar()
    model = isi.zoo.cifar_isi(seed=0)
    train(model, x, y, options.quick)
    predicted = model.predict(x_test, verbose=0).argmax(-1)
    right = np.flatnonzero(predicted == y_test)
    attack = isi.Attack("relevance", "l0", max_steps=10 if options.quick else 100, bounds=(-1, 1))
    some = right[: 10 if options.quick else 1000]
    result = attack(model, x_test[some], y=y_test[some])
    found = np.unique(y_test[right])[: 3 if options.quick else None]
    sources = [right[y_test[right] == label][0] for label in found]
    aimed = attack(
        model, np.repeat(x_test[sources], len(found), 0), target=np.tile(found, len(found))
    )
    numbers = {
        "data": "made up" if options.quick else "CIFAR-10",
        "accuracy": float(np.mean(predicted == y_test)),
        "untargeted": measured(result),
        "targeted": measured(aimed),
    }
    print(json.dumps(numbers, indent=2))
    grid = isi.plotting.targets(aimed, classes=CLASSES)
    path = options.out / "cifar_targeted.png"
    print("wrote", write_atomically(path, partial(grid.savefig, format="png")))
    save(options, numbers, isi.plotting.examples(result, classes=CLASSES))


def cifar():
    """CIFAR-10 in [-1, 1], as the published network takes it."""
    return [
        (x.astype("float32") / 127.5 - 1, y.ravel().astype("int64"))
        for x, y in keras.datasets.cifar10.load_data()
    ]


def made_up():
    """Noisy pictures, each class a colour of its own; for a trial without a download."""
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(10), 20)
    colors = rng.uniform(-0.8, 0.8, (10, 1, 1, 3))
    x = np.clip(colors[y] + rng.normal(0, 0.1, (len(y), 32, 32, 3)), -1, 1).astype("float32")
    return (x, y), (x[:50], y[:50])


def train(model, x, y, quick):
    """Trains, or reads the weights that an earlier call left."""
    if not quick and WEIGHTS.exists():
        model.load_weights(WEIGHTS)
        return
    optimizer = keras.optimizers.Adam(1e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=20 if quick else 128, epochs=2 if quick else 50, verbose=0)
    if not quick:
        WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
        model.save_weights(WEIGHTS)


def measured(result):
    report = isi.evaluate(result)
    mean = report.measures["l0_feature"].mean_success
    return {
        "attacked": report.attacked,
        "success_rate": report.success_rate,
        "mean_l0": mean if np.isfinite(mean) else None,
    }


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
