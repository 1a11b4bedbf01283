"""Does training on adversarial examples make a LeNet harder to turn with few pixels?

First the LeNet of the ISI paper, trained on MNIST for some epochs as it is, and with
`AdversarialTraining`: in each step half of the loss is that of images of which the attack has just
changed up to 10 pixels, 5 at a time. Both are then attacked a pixel at a time, by the indicator
they were trained against (relevance) and by another (sensitivity).

Then the remark of the JSMA paper (section VI): with 18,000 adversarial samples added to the
training set, the success of the attack fell by 7.2 % and its mean distortion rose by 37.5 %.

python examples/adversarial_training.py [--quick] [--out FOLDER] [--data FILE]
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras.evaluation import robust_within
from isi_keras.plotting import style
from isi_keras.results import write_atomically
from isi_keras.zoo import as_input, lenet_isi, lenet_jsma

BATCH_SIZE = 128
TRAINED_WITH = isi.Attack("relevance", isi.L0(features=5), max_steps=2, bounds=(-1, 1))
ATTACKS = {
    name: isi.Attack(name, "l0", max_steps=30, bounds=(-1, 1))
    for name in ("relevance", "sensitivity")
}
BUDGETS = range(31)
SHOWN = 10
COLORS = {"plain": style.PALETTE[5], "adversarial": style.PALETTE[0]}
DASHES = {"relevance": "-", "sensitivity": (0, (4, 2))}
JSMA = isi.JSMA(theta=1.0, gamma=0.145)
SHARES = (0.026, 0.145)
CLASSES = 10


def main():
    options = parse()
    data = images(options)
    numbers = {"robustness": robustness(data, options), "jsma_remark": remark(data, options)}
    print(json.dumps(numbers["jsma_remark"], indent=2))
    save(options, numbers, draw(numbers["robustness"]))


def images(options):
    """Training and test images, uint8, and their labels; for a quick trial some shipped ones."""
    if options.quick:
        _, (x, y) = isi.zoo.load("lenet-mnist")
        x = np.rint((x[:500, ..., 0] + 1) * 127.5).astype("uint8")
        return (x[:450], y[:450]), (x[450:], y[450:500])
    if options.data is None:
        return keras.datasets.mnist.load_data()
    with np.load(options.data) as file:
        return tuple((file[f"x_{split}"], file[f"y_{split}"]) for split in ("train", "test"))


def robustness(data, options):
    """How training on adversarial examples changes accuracy, clean and attacked, for each seed."""
    (x, y), (x_test, y_test) = data
    x, x_test = as_input(x), as_input(x_test)
    samples = 20 if options.quick else options.samples
    runs = []
    for seed in range(1 if options.quick else options.seeds):
        for kind in COLORS:
            model, seconds = trained(kind, seed, x, y, options.epochs)
            accuracy = (
                model.predict(x_test, batch_size=1000, verbose=0).argmax(-1) == y_test
            ).mean()
            curves = {}
            for name, attack in ATTACKS.items():
                result = attack(model, x_test[:samples], y=y_test[:samples], batch_size=256)
                curves[name] = robust_within(result, BUDGETS).round(4).tolist()
            run = {"seed": seed, "training": kind, "clean_accuracy": float(accuracy)}
            run |= {f"robust_at_{SHOWN}": {k: curve[SHOWN] for k, curve in curves.items()}}
            print(run, f"{seconds:.0f} s", flush=True)
            runs.append({**run, "curves": curves})
    return {
        "images": len(x),
        "epochs": options.epochs,
        "attacked": samples,
        "trained_with": TRAINED_WITH.get_config(),
        "summary": summary(runs),
        "runs": runs,
    }


def trained(kind, seed, x, y, epochs):
    """The network after some epochs, and the seconds that took."""
    keras.utils.set_random_seed(seed)
    model = lenet_isi(seed)
    run = isi.training.AdversarialTraining(model, TRAINED_WITH) if kind == "adversarial" else model
    run.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // BATCH_SIZE))
        ),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    began = time.perf_counter()
    run.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model, time.perf_counter() - began


def summary(runs):
    """Mean and standard deviation over the seeds, in percent."""
    found = {}
    for kind in COLORS:
        those = [run for run in runs if run["training"] == kind]
        values = {"clean_accuracy": [run["clean_accuracy"] for run in those]}
        for name in ATTACKS:
            values[f"robust_at_{SHOWN}_{name}"] = [r["curves"][name][SHOWN] for r in those]
        found[kind] = {name: mean_and_spread(each) for name, each in values.items()}
    return found


def mean_and_spread(values):
    spread = 100 * np.std(values, ddof=1) if len(values) > 1 else 0.0
    return {"mean": round(100 * float(np.mean(values)), 2), "spread": round(float(spread), 2)}


def remark(data, options):
    """The JSMA before and after 18,000 adversarial samples were added to the training set."""
    (x, y), (x_test, y_test) = data
    wanted, sources, attacked = (20, 2, 2) if options.quick else (18_000, 2_150, 1_000)
    x, y = as_input(x[:50_000], (0, 1)), y[:50_000]
    x_test, y_test = as_input(x_test[:attacked], (0, 1)), y_test[:attacked]
    before = fitted(x, y, options.jsma_epochs)
    aims = (np.arange(CLASSES) + np.zeros((sources, 1), int)).ravel()
    places = np.repeat(np.arange(sources), CLASSES)
    places, aims = (part[y[places] != aims] for part in (places, aims))
    crafted = JSMA(before, x[places], target=aims, batch_size=512)
    chosen = np.flatnonzero(crafted.success)[:wanted]
    more = np.concatenate([x, crafted.adversarial[chosen]])
    after = fitted(more, np.concatenate([y, y[places[chosen]]]), options.jsma_epochs)
    then, now = (measured(model, x_test, y_test) for model in (before, after))
    return {
        "epochs": options.jsma_epochs,
        "added": len(chosen),
        "before": then,
        "after": now,
        "success_change": now["success_rate"] / then["success_rate"] - 1,
        "distortion_change": now["mean_distortion"] / then["mean_distortion"] - 1,
        "paper": {"success_change": -0.072, "distortion_change": 0.375},
    }


def fitted(x, y, epochs):
    """The LeNet of the JSMA paper, trained from the same start."""
    keras.utils.set_random_seed(0)
    model = lenet_jsma(0)
    rate = keras.optimizers.schedules.CosineDecay(0.05, epochs * -(-len(x) // BATCH_SIZE))
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def measured(model, x, y):
    """Success and mean distortion of the targeted JSMA within its budget."""
    found = isi.hardness(model, x, y, attack=JSMA, budgets=SHARES, distances=False, batch_size=512)
    found = found.attempts
    within = found.succeeds_within()
    right = (model.predict(x, batch_size=1000, verbose=0).argmax(-1) == y).mean()
    return {
        "attempts": len(found),
        "accuracy_of_attacked": float(right),
        "success_rate": float(within.mean()),
        "mean_distortion": float(found.distortion[within].mean()),
    }


def draw(found):
    """Robust accuracy against changed pixels: the mean of the seeds, and all of them as a band."""
    with style.context():
        figure = style.figure(style.WIDTH / 2, 3.1)
        ax = figure.subplots()
        for kind, color in COLORS.items():
            for name, dashes in DASHES.items():
                curves = np.array(
                    [run["curves"][name] for run in found["runs"] if run["training"] == kind]
                )
                ax.fill_between(
                    BUDGETS, *(100 * part for part in (curves.min(0), curves.max(0))),
                    step="post", color=color, alpha=0.2, linewidth=0,
                )  # fmt: skip
                ax.plot(
                    BUDGETS, 100 * curves.mean(0), color=color, linestyle=dashes, linewidth=1.4,
                    drawstyle="steps-post", label=f"{kind} training, {name}",
                )  # fmt: skip
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, handlelength=3)
        ax.set(xlim=(0, max(BUDGETS)), ylim=(0, 101), xlabel="inputs changed, at most")
        seeds = len({run["seed"] for run in found["runs"]})
        said = "1 seed" if seeds == 1 else f"{seeds} seeds"
        ax.set_ylabel(f"robust accuracy (%)\nof {found['attacked']} images, {said}")
        ax.spines[["top", "right"]].set_visible(False)
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
    parser.add_argument(
        "--data", type=Path, help="an .npz like that of keras.datasets.mnist; default: download it"
    )
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--jsma-epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=1000, help="test images attacked")
    return parser.parse_args()


if __name__ == "__main__":
    main()
