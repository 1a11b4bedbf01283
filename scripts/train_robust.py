"""Trains the small robust network of a norm, on which constants of `MinimalL0` were chosen.

Four convolutions and two hidden layers of 200, as the robust MNIST networks of Rony et al. 2019
and Zhang et al. 2019 have, in 0..1: on the first 5,000 images of the MNIST test set that the
package ships, against projected gradient descent in Linf (0.3) or L2 (2.4), or by TRADES (0.3).
Some five minutes, on Torch:

    KERAS_BACKEND=torch python scripts/train_robust.py l2 results/l2.keras
    KERAS_BACKEND=torch python benchmarks/minimal_l0.py --model results/l2.keras --bounds 0 1
"""

import argparse
from pathlib import Path

import keras
import torch
from keras import layers
from torch.nn import functional

import isi_keras as isi

ROUNDS, BATCH, TRAINED, LR = 12, 64, 5000, 1e-3
RADIUS, UNTIL = {"linf": 0.3, "l2": 2.4, "trades": 0.3}, {"linf": 4, "l2": 5, "trades": 4}
STEPS, WEIGHT = 6, 6.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("norm", choices=RADIUS)
    parser.add_argument("path", type=Path, help="where to write the network, a .keras file")
    options = parser.parse_args()
    keras.utils.set_random_seed(2)
    torch.set_num_threads(1)
    model = network()
    _, (x, y) = isi.zoo.load("lenet-jsma")
    x, y = torch.tensor(x), torch.tensor(y)
    optimizer = torch.optim.Adam([each.value for each in model.trainable_variables], LR)
    for number in range(ROUNDS):
        radius = RADIUS[options.norm] * min(1.0, number / UNTIL[options.norm])
        order, right = torch.randperm(TRAINED), 0.0
        for begin in range(0, TRAINED - BATCH, BATCH):
            chosen = order[begin : begin + BATCH]
            images, labels = x[chosen], y[chosen]
            loss, logits = LOSSES[options.norm](model, images, labels, radius)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += (logits.argmax(1) == labels).sum().item()
        with torch.no_grad():
            clean = (model(x[5000:7000], training=False).argmax(1) == y[5000:7000]).float().mean()
        print(f"{number}: {right / TRAINED:.3f} at {radius:.2f}, {clean:.3f} clean", flush=True)
        options.path.parent.mkdir(parents=True, exist_ok=True)
        model.save(options.path)


def network():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Permute((3, 1, 2)),
            layers.Flatten(),
            layers.Dense(200, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(200, activation="relu"),
            layers.Dense(10),
        ]
    )


def against_linf(model, images, labels, radius):
    moved = torch.empty_like(images).uniform_(-radius, radius)
    for _ in range(STEPS if radius else 0):
        slope = slope_of(
            lambda at: functional.cross_entropy(model(at, training=False), labels), images, moved
        )
        moved = (moved.detach() + radius / 3 * slope.sign()).clamp(-radius, radius)
    return judged(model, images, moved, labels)


def against_l2(model, images, labels, radius):
    def norm(rows):
        return rows.flatten(1).norm(dim=1)[:, None, None, None] + 1e-12

    moved = torch.randn_like(images) * 0.01
    for _ in range(STEPS if radius else 0):
        slope = slope_of(
            lambda at: functional.cross_entropy(model(at, training=False), labels), images, moved
        )
        moved = moved.detach() + radius / 3 * slope / norm(slope)
        moved = moved * torch.clamp(radius / norm(moved), max=1.0)
        moved = (images + moved).clamp(0, 1) - images
    return judged(model, images, moved, labels)


def by_trades(model, images, labels, radius):
    with torch.no_grad():
        before = model(images, training=False).softmax(1)

    def apart(at):
        logits = model(at, training=False)
        return functional.kl_div(logits.log_softmax(1), before, reduction="sum")

    moved = torch.randn_like(images) * 0.001
    for _ in range(STEPS if radius else 0):
        slope = slope_of(apart, images, moved)
        moved = (moved.detach() + radius / 4 * slope.sign()).clamp(-radius, radius)
    clean = model(images, training=True)
    logits = model((images + moved.detach()).clamp(0, 1), training=True)
    far = functional.kl_div(logits.log_softmax(1), clean.softmax(1), reduction="batchmean")
    return functional.cross_entropy(clean, labels) + WEIGHT * far, logits


def slope_of(loss, images, moved):
    moved = moved.detach().requires_grad_()
    return torch.autograd.grad(loss((images + moved).clamp(0, 1)), moved)[0]


def judged(model, images, moved, labels):
    logits = model((images + moved.detach()).clamp(0, 1), training=True)
    return functional.cross_entropy(logits, labels), logits


LOSSES = {"linf": against_linf, "l2": against_l2, "trades": by_trades}

if __name__ == "__main__":
    main()
