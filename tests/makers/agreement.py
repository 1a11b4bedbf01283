"""What each backend must find alike; run in an interpreter of its own for each."""

import keras
import numpy as np

import isi_keras as isi

RUNS = [("relevance", norm, None) for norm in ("l0", "l2", "linf")] + [("sensitivity", "l0", 1)]


def fixed_network():
    rng = np.random.default_rng(7)
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.MaxPooling2D((2, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    return model


def attack_all(model, x):
    found = {
        f"map-{i}": isi.explain(model, x, indicator=i).relevance
        for i in ("relevance", "sensitivity")
    }
    for indicator, norm, target in RUNS:
        result = isi.Attack(indicator, norm, max_steps=6)(model, x, target=target)
        found[f"{indicator}-{norm}-{target}"] = result.adversarial
    return found
