"""A model and data of your own: eight sensors in [0, 1], and whether a pump is about to fail.

The data are made here by a rule that is known, so that the maps can be judged: the first three
sensors raise the stress on a pump, the next two lower it, and the last three do not matter.

python examples/own_model.py [--quick] [--out FOLDER]
"""

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.results import write_atomically

SENSORS = (
    "temperature",
    "vibration",
    "pressure",
    "oil level",
    "flow",
    "humidity",
    "voltage",
    "age of paint",
)
RAISING, LOWERING = 3, 2


def main():
    options = parse()
    keras.utils.set_random_seed(0)
    (x, y), (x_test, y_test) = pumps(4000), pumps(300)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pumps.keras"
        train(x, y, epochs=5 if options.quick else 20).save(path)
        model = keras.saving.load_model(path)

    explanation = isi.explain(model, x_test)
    used = np.abs(explanation.relevance).mean(axis=0)
    print("mean magnitude of relevance:")
    for index in np.argsort(-used):
        print(f"  {SENSORS[index]:<12}{used[index]:6.2f}")

    numbers = {"relevance": {name: float(mean) for name, mean in zip(SENSORS, used, strict=True)}}
    attack = isi.Attack("relevance", "l0", max_steps=len(SENSORS), bounds=(0, 1))
    result = attack(model, x_test, y=y_test)
    report = isi.evaluate(result)
    print(report)
    numbers |= {"attacked": report.attacked, "successes": report.successes}
    print("changed how often, of", report.successes, "successes:")
    changed = result.changed[result.success].sum(axis=0)
    for name, count in zip(SENSORS, changed, strict=True):
        print(f"  {name:<12}{count:6d}")
    numbers["changed"] = {name: int(n) for name, n in zip(SENSORS, changed, strict=True)}

    sure = np.argsort(np.abs(explanation.logits[:, 1]))[-200:]
    failing = sure[explanation.prediction[sure] == 1][:1]
    sound = sure[explanation.prediction[sure] == 0][:1]
    figure = isi.plotting.heatmaps(
        explanation,
        indices=np.concatenate([failing, sound]),
        columns=2,
        classes=("sound", "failing"),
        names=SENSORS,
    )
    save(options, numbers, figure)


def pumps(count):
    """Sensors, float32 `(count, 8)` in [0, 1], and 1 where a pump is failing."""
    x = np.random.default_rng(count).uniform(0, 1, (count, len(SENSORS))).astype("float32")
    stress = x[:, :RAISING].sum(axis=1) - x[:, RAISING : RAISING + LOWERING].sum(axis=1)
    return x, (stress > (RAISING - LOWERING) / 2).astype("int64")


def train(x, y, epochs):
    """A small network with one sigmoid unit, which counts as two classes."""
    model = keras.Sequential(
        [
            keras.Input((len(SENSORS),)),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


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
