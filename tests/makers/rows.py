"""The rows of the table of architectures: which models, and what is measured of each."""

import functools
import importlib.util
import re
import statistics
import time
import traceback

import keras
import numpy as np

import isi_keras as isi
from makers import architectures, composed, custom, recurrent

APPLICATIONS, HUB = "keras.applications", "KerasHub"


def rows() -> dict[str, dict]:
    """For each kind of models, by their names, what returns a model of logits and its inputs."""
    old = {name: functools.partial(composed.composed, name) for name in composed.COMPOSED}
    steps = {name: old.pop(name) for name in ("lstm", "gru")}
    steps |= {name: functools.partial(recurrent.recurrent, name) for name in recurrent.RECURRENT}
    own = {name: functools.partial(custom.custom, name) for name in custom.CUSTOM}

    def at_224(name):
        model = architectures.build(name, size=224, samples=4)
        return model, architectures.images(name, 2, 1, size=224)

    def vit():
        return architectures.build("ViT"), architectures.images("ViT", 2, 1)

    large = [name for name in architectures.KINDS if name != "ViT"]
    found = {APPLICATIONS: {name: functools.partial(at_224, name) for name in large}}
    if importlib.util.find_spec("keras_hub"):
        from makers import hub

        found[HUB] = {name: functools.partial(hub.family, name) for name in hub.FAMILIES}
    else:
        print("Without keras-hub: its models are left out.", flush=True)
    found["recurrent"] = {_words(name): make for name, make in steps.items()}
    found["custom"] = {_words(name): make for name, make in ({"vit": vit} | old | own).items()}
    return found


def _words(name: str) -> str:
    return name.replace("_", " ")


def row(make, rounds: int) -> dict:
    """The numbers of one model, or the first sentence of what went wrong, and where."""
    found, stage = {}, "model"
    began = time.perf_counter()
    try:
        model, x = make()
        found |= {"inputs": shapes(x), "parameters": model.count_params()}
        plain, probable = logits(model, x)
        stage = "relevance"
        found |= accounted(model, x, plain, probable)
        if rounds:
            stage = "time"
            found |= compared(model, x, rounds)
    except Exception as error:
        traceback.print_exc()
        found |= {"refused": sentence(error), "stage": stage}
    found["seconds"] = round(time.perf_counter() - began, 1)
    return found


def logits(model, x):
    """What `model(x)` returns, or the logarithms if these are probabilities, and whether so."""
    # Layers that augment images do so unless told not to.
    plain = keras.ops.convert_to_numpy(model(x, training=False)).astype("float64")
    for layer in model.layers:  # which would begin where this call ended
        if getattr(layer, "stateful", False):
            layer.reset_states()
    if not np.isfinite(plain).all():
        raise ValueError("The model itself returns values that are not finite.")
    if (plain >= 0).all() and np.allclose(plain.sum(1), 1, atol=1e-2):
        return np.log(plain), True
    return plain, False


def accounted(model, x, plain, probable: bool) -> dict:
    """How far the explained logits are from `plain`, and how much of them was lost on the way."""
    found = isi.explain(model, x, indicator="epsilon", conservation=True)
    scale, apart = np.abs(found.logits).max(), found.logits - plain
    if probable:  # softmax leaves open what is added to all logits of a sample
        apart -= apart.mean(1, keepdims=True)
    finite = all(np.isfinite(part).all() for part in keras.tree.flatten(found.relevance))
    return {
        "logits": _short(np.abs(apart).max() / scale),
        "elsewhere": _short(np.abs(found.conservation["elsewhere"]).max() / scale),
        "finite": finite,
    }


def compared(model, x, rounds: int) -> dict:
    """The ratio of times, but of models of whole numbers, by which there may be no gradient."""
    whole = any(part.dtype.kind in "iu" for part in keras.tree.flatten(x))
    try:
        return {"ratio": ratio(model, x, rounds)}
    except ValueError:
        if whole:
            return {}
        raise


def ratio(model, x, rounds: int) -> float:
    """The median time of relevance, in medians of that of the plain gradient, taken by turns."""
    seconds = {"epsilon": [], "sensitivity": []}
    for turn in range(rounds + 1):
        for indicator, times in seconds.items():
            began = time.perf_counter()
            isi.explain(model, x, indicator=indicator)
            if turn:  # the first one compiles
                times.append(time.perf_counter() - began)
    relevance, gradient = map(statistics.median, seconds.values())
    return _short(relevance / gradient)


def _short(value) -> float:
    """Three digits are enough."""
    return float(f"{value:.3g}")


def shapes(x) -> str:
    """The shapes of the inputs of one sample."""
    parts = keras.tree.flatten(x)
    return ", ".join(" x ".join(map(str, part.shape[1:])) for part in parts)


def sentence(error: Exception) -> str:
    """The first sentence of what an error says, which Keras wraps in others."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    if text.startswith("Exception encountered when calling") and "\n\n" in text:
        text = text.split("\n\n")[1]
    text = re.sub(r"\s+", " ", text)
    text = re.split(r"(?<=[.!?])\s(?=[A-Z])", text)[0] if text else "It says nothing."
    named = isinstance(error, TypeError | ValueError | NotImplementedError)
    return (text if named else f"{type(error).__name__}: {text}")[:240]
