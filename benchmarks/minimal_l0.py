"""How few inputs do attacks change, in how many passes and seconds?

Attacks the same images of a shipped network, or of one's own, with `MinimalL0`, greedy ISI, JSMA
and, on Torch with the package adv-lib, sigma-zero and FMN. Mean over the successes; in the median a
failure counts as infinity. A pass is a forward and a backward one, a forward one alone a third.
Times are in ms a sample, of a second call, of all attacks on the same network, framework and
machine: by the clock and of the processor, which other processes disturb less.

adv-lib is not required; without it its rows are left out. To have them:

    pip install --no-deps adv-lib tqdm

    KERAS_BACKEND=torch python benchmarks/minimal_l0.py --samples 100 --json figures/minimal_l0.json
"""

import argparse
import importlib
import importlib.util
import json
import sys
import time
import types
from pathlib import Path

import keras
import numpy as np

import isi_keras as isi
from isi_keras import backend

FIRST = 5000
"""Nothing was chosen on the images from here on."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--first", type=int, default=FIRST, help="the first test image")
    parser.add_argument("--network", nargs="+", choices=isi.zoo.NAMES, default=isi.zoo.NAMES)
    parser.add_argument("--model", type=Path, help="a .keras file for MNIST, in their place")
    parser.add_argument("--bounds", nargs=2, type=float, default=(0.0, 1.0), help="of its inputs")
    parser.add_argument("--only", nargs="+", help="rows, by the beginning of their names")
    parser.add_argument("--json", type=Path, help="where to write the numbers, and a table beside")
    options = parser.parse_args()
    print(f"Keras {keras.__version__} on {keras.config.backend()}, {options.samples} images")
    networks = {name: isi.zoo.BOUNDS[name] for name in options.network}
    if options.model:
        networks = {options.model: tuple(options.bounds)}
    found = []
    for name, bounds in networks.items():
        found += measured(name, bounds, options.first, options.samples, options.only)
    text = table(found)
    print(text)
    if options.json:
        known = {"backend": keras.config.backend(), "keras": keras.__version__}
        known |= {"samples": options.samples, "first": options.first, "rows": found}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(known, indent=1) + "\n")
        options.json.with_suffix(".md").write_text(text + "\n")


def measured(name, bounds, first, samples, only=None):
    """A row of numbers for each attack on a network: one of the zoo, or a file."""
    if isinstance(name, Path):
        model, (x, y) = keras.models.load_model(name), isi.zoo.load("lenet-jsma")[1]
        x = x * (bounds[1] - bounds[0]) + bounds[0]
    else:
        model, (x, y) = isi.zoo.load(name)
    right = isi.logits(model).predict(x).argmax(-1) == y
    chosen = np.flatnonzero(right & (np.arange(len(x)) >= first))[:samples]
    x, y = x[chosen], y[chosen]
    rows = []
    for word, run in (ours(bounds) | peers(bounds)).items():
        if only and not word.startswith(tuple(only)):
            continue
        run(model, x[:8], y[:8])
        began, used = time.perf_counter(), time.process_time()
        adversarial, passes = run(model, x, y)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        turned = isi.logits(model).predict(adversarial).argmax(-1) != y
        count = (adversarial != x).reshape(len(x), -1).sum(1)
        row = {
            "network": name.stem if isinstance(name, Path) else name,
            "attack": word,
            "mean": float(count[turned].mean()) if turned.any() else float("nan"),
            "median": float(np.median(np.where(turned, count, np.inf))),
            "success": float(turned.mean()),
            "passes": float(passes.mean()),
            "most_passes": float(passes.max()),
            "ms": 1e3 * seconds / len(x),
            "cpu_ms": 1e3 * used / len(x),
        }
        rows.append(row)
        print(table([row]).splitlines()[-1], flush=True)
    return rows


def ours(bounds):
    """Our attacks by what to call them: functions from a model and images to adversarial ones."""
    width = bounds[1] - bounds[0]
    attacks = {
        "MinimalL0()": isi.MinimalL0(bounds=bounds),
        "MinimalL0(budget=60)": isi.MinimalL0(budget=60, bounds=bounds),
        "greedy, sensitivity": isi.Attack(
            "sensitivity",
            isi.L0(skip_saturated=True),
            max_steps=100,
            bounds=bounds,
            objective="margin",
        ),
        "ISI, relevance": isi.Attack("relevance", "l0", max_steps=100, bounds=bounds),
        "JSMA": isi.JSMA(theta=width, gamma=0.2, bounds=bounds, untargeted="runner_up"),
    }

    def runs(attack):
        def run(model, x, y):
            result = attack(model, x, y=y)
            return result.adversarial, (result.forward + 2 * result.backward) / 3

        return run

    return {word: runs(attack) for word, attack in attacks.items()}


def peers(bounds):
    """adv-lib's attacks likewise, on Torch; none without it."""
    if keras.config.backend() != "torch" or importlib.util.find_spec("adv_lib") is None:
        print("Without adv-lib: pip install --no-deps adv-lib tqdm, and KERAS_BACKEND=torch.")
        return {}
    import torch

    sigma_zero = member("sigma_zero", "sigma_zero")
    fmn = member("fast_minimum_norm", "fmn")
    low, high = bounds

    def runs(attack, steps):
        def run(model, x, y):
            forward = isi.logits(model).plan(x[:1]).forward()

            class Network(torch.nn.Module):
                def forward(self, images):
                    return forward(model, images.permute(0, 2, 3, 1) * (high - low) + low)

            images = backend.tensor((x - low) / (high - low)).permute(0, 3, 1, 2)
            moved = attack(Network(), images, torch.tensor(y, device=images.device))
            moved = torch.where(moved == images, images, moved)
            moved, images = (part.permute(0, 2, 3, 1).cpu().numpy() for part in (moved, images))
            same = moved == images
            adversarial = np.where(same, x, moved * np.float32(high - low) + np.float32(low))
            return adversarial, np.full(len(x), float(steps))

        return run

    found = {
        f"sigma-zero, {steps}": runs(
            lambda net, x, y, steps=steps: sigma_zero(net, x, y, num_steps=steps), steps
        )
        for steps in (100, 300, 1000)
    }
    found["FMN, 100"] = runs(lambda net, x, y: fmn(net, x, y, norm=0, steps=100), 100)
    return found


def member(module, name):
    """One attack of adv-lib, without the pictures and networks that its package imports."""
    root = Path(importlib.util.find_spec("adv_lib").origin).parent
    for part in ("attacks", "utils"):
        package = types.ModuleType(f"adv_lib.{part}")
        package.__path__ = [str(root / part)]
        sys.modules.setdefault(f"adv_lib.{part}", package)
    return getattr(importlib.import_module(f"adv_lib.attacks.{module}"), name)


def table(rows):
    lines = [
        "| network | attack | mean L0 | median L0 | success | passes, mean (most) | ms | CPU ms |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        "| {network} | {attack} | {mean:.2f} | {median:.1f} | {success:.0%} | "
        "{passes:.0f} ({most_passes:.0f}) | {ms:.0f} | {cpu_ms:.0f} |".format(**row)
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
