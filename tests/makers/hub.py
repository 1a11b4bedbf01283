"""Small models of the families of KerasHub, with seeded weights, and two inputs for each.

Nothing is downloaded. Images and texts go to a family's classifier, or to a head on its backbone;
a language model's logits are those of the token that follows the last. With keras-hub 0.32 each
runs on TensorFlow, JAX and Torch. Of what keras-hub declares, keras, regex and tokenizers suffice.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from makers.architectures import smooth
from makers.hub_heads import LENGTH, VOCABULARY
from makers.hub_images import IMAGES
from makers.hub_texts import DECODERS, ENCODERS

FAMILIES: dict[str, Callable[[], keras.Model]] = {**IMAGES, **ENCODERS, **DECODERS}
_SEED = 7


def family(name: str) -> tuple[keras.Model, Any]:
    """A model that returns logits `(N, classes)`, and two samples as it takes them."""
    keras.utils.set_random_seed(_SEED)
    model = FAMILIES[name]()
    padded = name not in DECODERS
    seed_weights(model)
    measure(model, samples(model, 16, padded))
    return model, samples(model, 2, padded)


def samples(model: keras.Model, count: int, padded: bool):
    """Smooth images, or the ids of tokens, of which each second sample ends with padding."""
    if isinstance(model.input, dict):
        made = {name: _sample(name, entry, count) for name, entry in model.input.items()}
    else:
        made = _sample("images", model.input, count)
    if padded and "padding_mask" in made:
        made["padding_mask"][1::2, -2:] = 0
        made["token_ids"][1::2, -2:] = 0
    return made


def _sample(name: str, entry, count: int) -> np.ndarray:
    shape = (count, *(LENGTH if size is None else size for size in entry.shape[1:]))
    if name.endswith("token_ids"):
        return np.random.default_rng(_SEED).integers(2, VOCABULARY, shape).astype("int32")
    if name.endswith("mask"):
        return np.ones(shape, entry.dtype)
    if name == "segment_ids":
        return np.tile(np.arange(LENGTH) >= LENGTH // 2, (count, 1)).astype("int32")
    return (2 * smooth(shape, _SEED) - 1).astype("float32")


def seed_weights(model: keras.Model) -> None:
    """Draws kernels and embeddings anew, and adds noise to biases and scales."""
    rng = np.random.default_rng(_SEED)
    for weight in model.trainable_weights:
        shape = tuple(weight.shape)
        if len(shape) < 2 or weight.name.endswith("bias"):
            value = keras.ops.convert_to_numpy(weight) + rng.normal(0, 0.1, shape)
        else:
            value = rng.normal(0, (1.5 / np.prod(shape[:-1])) ** 0.5, shape)
        weight.assign(value.astype("float32"))


def measure(model: keras.Model, x) -> None:
    """Sets each BatchNormalization to the statistics of what reaches it in training."""
    every = model._flatten_layers()
    found = [layer for layer in every if isinstance(layer, layers.BatchNormalization)]
    before = [layer.momentum for layer in found]
    for layer in found:
        layer.momentum = 0.0
    if found:
        model(x, training=True)
    for layer, momentum in zip(found, before, strict=True):
        layer.momentum = momentum
