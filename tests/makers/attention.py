"""The transformers that `golden/attention.npz` has weights, inputs and relevance of."""

from functools import partial

import keras
import numpy as np
from keras import layers, ops

from makers.paths import GOLDEN

WIDTH, HEADS, SIZE, HIDDEN, BLOCKS = 8, 2, 4, 16, 2
TOKENS, LENGTH = 11, 6
RULES = ("conservative", "attnlrp")


class ClassToken(layers.Layer):
    """Puts a learned token before the others."""

    def build(self, input_shape):
        self.token = self.add_weight(name="token", shape=(1, 1, input_shape[-1]))

    def call(self, x):
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1)


class Positions(layers.Layer):
    """Adds what was learned for each position."""

    def build(self, input_shape):
        self.positions = self.add_weight(name="positions", shape=input_shape[1:])

    def call(self, x):
        return x + self.positions


class RotaryAttention(layers.Layer):
    """Causal attention of a Llama: turned queries and keys, one head of keys for all queries."""

    def build(self, input_shape):
        def projection(name, heads):
            return layers.EinsumDense("btw,whs->bths", (None, heads, SIZE), name=name)

        self.query, self.key, self.value = (
            projection(name, heads) for name, heads in (("query", HEADS), ("key", 1), ("value", 1))
        )
        self.attention_output = layers.EinsumDense(
            "bths,hsw->btw", (None, WIDTH), name="attention_output"
        )
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.attention_output.build((*input_shape[:2], HEADS, SIZE))

    def call(self, x):
        queries, keys, values = turned(self.query(x)), turned(self.key(x)), self.value(x)
        keys, values = ops.repeat(keys, HEADS, axis=2), ops.repeat(values, HEADS, axis=2)
        scores = ops.einsum("bths,buhs->bhtu", queries, keys) / SIZE**0.5
        allowed = ops.convert_to_tensor(np.tri(x.shape[1], dtype="bool"))
        scores = ops.where(allowed, scores, -1e9)
        mixed = ops.einsum("bhtu,buhs->bths", ops.softmax(scores), values)
        return self.attention_output(mixed)


def turned(x):
    """Rotary positions: the halves of `(B, T, H, S)` are the sides of what is turned."""
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * 10000.0 ** (-np.arange(half) / half)
    angles = np.concatenate([angles, angles], -1)[:, None]  # (T, 1, S)
    angles = ops.convert_to_tensor(angles, x.dtype)
    other = ops.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    return x * ops.cos(angles) + other * ops.sin(angles)


def attention(name: str, x, **options):
    return layers.MultiHeadAttention(HEADS, SIZE, name=f"{name}_attention")(x, x, **options)


def perceptron(name: str, x, activation):
    x = layers.Dense(HIDDEN, activation=activation, name=f"{name}_expand")(x)
    return layers.Dense(WIDTH, name=f"{name}_contract")(x)


def pre_normalized(x, activation, epsilon: float, **options):
    def norm(name):
        return layers.LayerNormalization(epsilon=epsilon, name=name)

    for name in (f"block{i}" for i in range(BLOCKS)):
        x = layers.add([x, attention(name, norm(f"{name}_norm1")(x), **options)])
        x = layers.add([x, perceptron(name, norm(f"{name}_norm2")(x), activation)])
    return norm("norm")(x)


def vit() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(WIDTH, 4, strides=4, name="patches")(image)
    x = ClassToken(name="class_token")(layers.Reshape((4, WIDTH))(x))
    x = pre_normalized(Positions(name="positions")(x), "gelu", 1e-6)
    return keras.Model(image, layers.Dense(5, name="head")(x[:, 0]))


def bert(padded: bool = False) -> keras.Model:
    """Where `padded`, nothing looks at words that are 0.

    The mask is explicit: that of `Embedding(mask_zero=True)` gets lost at the first sum, as
    attention takes it off its inputs when the model runs.
    """
    words = keras.Input((LENGTH,), dtype="int32")
    looks = {"attention_mask": ops.not_equal(words, 0)[:, None]} if padded else {}

    def norm(name):
        return layers.LayerNormalization(epsilon=1e-5, name=name)

    x = layers.Embedding(TOKENS, WIDTH, name="tokens")(words)
    x = norm("norm")(Positions(name="positions")(x))
    for name in (f"block{i}" for i in range(BLOCKS)):
        x = norm(f"{name}_norm1")(layers.add([x, attention(name, x, **looks)]))
        x = norm(f"{name}_norm2")(layers.add([x, perceptron(name, x, "gelu")]))
    return keras.Model(words, layers.Dense(3, name="head")(x[:, 0]))


def gpt2() -> keras.Model:
    """Its logits are of the next word; the words' embeddings are the weights of the head, too."""
    words = keras.Input((LENGTH,), dtype="int32")
    tokens = layers.ReversibleEmbedding(TOKENS, WIDTH, name="tokens")
    gelu = partial(keras.activations.gelu, approximate=True)
    x = Positions(name="positions")(tokens(words))
    x = pre_normalized(x, gelu, 1e-5, use_causal_mask=True)
    return keras.Model(words, tokens(x[:, -1], reverse=True))


def llama() -> keras.Model:
    """Its logits are of the next word."""
    words = keras.Input((LENGTH,), dtype="int32")

    def norm(name):
        return layers.RMSNormalization(epsilon=1e-6, name=name)

    def dense(units, name, activation=None):
        return layers.Dense(units, activation=activation, use_bias=False, name=name)

    x = layers.Embedding(TOKENS, WIDTH, name="tokens")(words)
    for name in (f"block{i}" for i in range(BLOCKS)):
        y = norm(f"{name}_norm1")(x)
        x = layers.add([x, RotaryAttention(name=f"{name}_attention")(y)])
        y = norm(f"{name}_norm2")(x)
        gate = dense(HIDDEN, f"{name}_gate", "silu")(y)
        y = layers.multiply([gate, dense(HIDDEN, f"{name}_up")(y)])
        x = layers.add([x, dense(WIDTH, f"{name}_down")(y)])
    return keras.Model(words, dense(TOKENS, "head")(norm("norm")(x)[:, -1]))


MODELS = {
    "vit": vit,
    "bert": bert,
    "bert_masked": partial(bert, padded=True),
    "gpt2": gpt2,
    "llama": llama,
}


def stored(name: str) -> dict[str, np.ndarray]:
    """What is stored of a case, by the rest of its name: `x`, `logits`, `attnlrp/relevance`."""
    with np.load(GOLDEN / "attention.npz", allow_pickle=False) as data:
        return {n.removeprefix(f"{name}/"): data[n] for n in data if n.startswith(f"{name}/")}


def build(name: str) -> keras.Model:
    """The model of a case, with its weights; it returns logits."""
    model = MODELS[name]()
    weights = stored(f"{name.removesuffix('_masked')}/weights")
    for variable in model.weights:
        variable.assign(weights.pop(variable.path))
    if weights:
        raise ValueError(f"The model has no {sorted(weights)}.")
    return model
