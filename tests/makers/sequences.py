"""Models of series, texts, sets and graphs as people write them themselves."""

import keras
import numpy as np
from keras import layers, ops

from makers.samples import SAMPLES, SEED, Makers, ids, image, sequential

SEQUENCES = Makers()


def padded(length: int, vocabulary: int) -> np.ndarray:
    """Texts of which each second one ends with padding."""
    x = ids(length, vocabulary)
    x[1::2, -length // 3 :] = 0
    return x


@SEQUENCES.add
def wavenet():
    """Dilated causal convolutions with gates; what each skips ahead is summed."""
    inputs = keras.Input((24, 2))
    h, skipped = layers.Conv1D(8, 1)(inputs), []
    for rate in (1, 2, 4):
        options = {"padding": "causal", "dilation_rate": rate}
        signal = layers.Conv1D(8, 2, activation="tanh", **options)(h)
        both = signal * layers.Conv1D(8, 2, activation="sigmoid", **options)(h)
        skipped.append(layers.Conv1D(8, 1)(both))
        h = h + layers.Conv1D(8, 1)(both)
    h = layers.Conv1D(8, 1, activation="relu")(ops.relu(sum(skipped)))
    return keras.Model(inputs, layers.Dense(3)(h[:, -1])), image(24, 2)


@SEQUENCES.add
def temporal_convolutions():
    inputs = keras.Input((24, 2))
    h = inputs
    for rate in (1, 2):
        deep = layers.Conv1D(8, 3, padding="causal", dilation_rate=rate, activation="relu")(h)
        deep = layers.LayerNormalization()(layers.SpatialDropout1D(0.2)(deep))
        h = layers.Activation("relu")(layers.Conv1D(8, 1)(h) + deep)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalMaxPooling1D()(h))), image(24, 2)


@SEQUENCES.add
def deep_sets():
    """The mean over the members that are there."""
    inputs = {
        "members": keras.Input((6, 4), name="members"),
        "there": keras.Input((6,), name="there"),
    }
    h = layers.Dense(8, "relu")(layers.Dense(8, "relu")(inputs["members"]))
    there = inputs["there"][..., None]
    h = ops.sum(h * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1)
    model = keras.Model(inputs, layers.Dense(3)(layers.Dense(8, "relu")(h)))
    there = (np.random.default_rng(SEED).uniform(size=(SAMPLES, 6)) < 0.7).astype("float32")
    return model, {"members": image(6, 4), "there": there}


@SEQUENCES.add
def attention_pooling():
    """As multiple-instance learning has it: a softmax says which instances count."""
    inputs = keras.Input((6, 8, 8, 1))
    tower = [layers.Conv2D(6, 3, activation="relu"), layers.Flatten(), layers.Dense(8, "relu")]
    h = layers.TimeDistributed(keras.Sequential([keras.Input((8, 8, 1)), *tower]))(inputs)
    gates = layers.Dense(6, "tanh")(h) * layers.Dense(6, "sigmoid")(h)
    weights = ops.softmax(layers.Dense(1)(gates), axis=1)
    return keras.Model(inputs, layers.Dense(3)(ops.sum(weights * h, axis=1))), image(6, 8, 8, 1)


@SEQUENCES.add
def set_transformer():
    """Members attend to each other, then one learned question to all."""

    class Question(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(1, 1, shape[-1]), name="kernel")

        def call(self, x):
            return ops.broadcast_to(self.kernel, (ops.shape(x)[0], 1, x.shape[-1]))

    inputs = keras.Input((6, 4))
    h = layers.Dense(8)(inputs)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 4)(h, h))
    pooled = layers.MultiHeadAttention(2, 4)(Question()(h), h)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(pooled))), image(6, 4)


@SEQUENCES.add
def point_net():
    """Points are turned by a matrix that the points themselves give, then the maximum is taken."""
    inputs = keras.Input((10, 3))
    turn = ops.max(layers.Conv1D(8, 1, activation="relu")(inputs), axis=1)
    turn = ops.reshape(layers.Dense(9)(turn), (-1, 3, 3)) + np.eye(3, dtype="float32")
    h = layers.Conv1D(8, 1)(ops.matmul(inputs, turn))
    h = layers.ReLU()(layers.BatchNormalization()(h))
    return keras.Model(inputs, layers.Dense(3)(ops.max(h, axis=1))), image(10, 3)


@SEQUENCES.add
def graph_convolution():
    """The neighbours are fixed."""
    near = np.eye(6) + np.eye(6, k=1) + np.eye(6, k=-1)
    near = (near / near.sum(1, keepdims=True)).astype("float32")
    inputs = keras.Input((6, 4))
    h = inputs
    for _ in range(2):
        h = ops.relu(ops.matmul(near, layers.Dense(8)(h)))
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=1))), image(6, 4)


@SEQUENCES.add
def graph_attention():
    """The neighbours come as a second input."""
    nodes, near = keras.Input((6, 4)), keras.Input((6, 6))
    h = layers.Dense(8)(nodes)
    score = layers.Dense(1)(h) + ops.transpose(layers.Dense(1)(h), (0, 2, 1))
    score = ops.where(near > 0, ops.leaky_relu(score), -1e9)
    h = ops.elu(ops.matmul(ops.softmax(score), h))
    rng = np.random.default_rng(SEED)
    joined = np.maximum(rng.uniform(size=(SAMPLES, 6, 6)) < 0.4, np.eye(6)).astype("float32")
    return keras.Model([nodes, near], layers.Dense(3)(ops.mean(h, axis=1))), [image(6, 4), joined]


@SEQUENCES.add
def text_convolutions():
    """Several widths side by side, the greatest of each."""
    inputs = keras.Input((12,), dtype="int32")
    h = layers.Embedding(20, 8)(inputs)
    found = [layers.Conv1D(4, size, activation="relu")(h) for size in (2, 3, 4)]
    h = layers.Concatenate()([layers.GlobalMaxPooling1D()(part) for part in found])
    return keras.Model(inputs, layers.Dense(3)(layers.Dropout(0.5)(h))), ids(12, 20)


class Places(layers.Layer):
    """Adds sines of several wavelengths to embeddings that it scales."""

    def call(self, x):
        steps, width = x.shape[1:]
        angle = np.arange(steps)[:, None] / 100 ** (np.arange(0, width, 2) / width)  # (T, width/2)
        waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
        return width**0.5 * x + ops.convert_to_tensor(waves, "float32")


@SEQUENCES.add
def text_transformer():
    """Keras carries the mask of padding through."""
    inputs = keras.Input((12,), dtype="int32")
    h = Places()(layers.Embedding(20, 8)(inputs))
    mask = ops.not_equal(inputs, 0)
    for _ in range(2):
        seen = layers.MultiHeadAttention(2, 4)(h, h, attention_mask=mask[:, None])
        h = layers.LayerNormalization()(h + layers.Dropout(0.1)(seen))
        h = layers.LayerNormalization()(h + layers.Dense(8)(layers.Dense(16, "relu")(h)))
    h = layers.GlobalAveragePooling1D()(h, mask=mask)
    return keras.Model(inputs, layers.Dense(3)(h)), padded(12, 20)


@SEQUENCES.add
def text_transformer_with_masks():
    """The mask comes from the embedding and goes on by itself."""
    inputs = keras.Input((12,), dtype="int32")
    h = layers.Embedding(20, 8, mask_zero=True)(inputs)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 4)(h, h))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(h))), padded(12, 20)


def turned(x):
    """Rotary positions: each pair of entries is turned by an angle that grows with its place."""
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[1])[:, None] / 100 ** (np.arange(half) / half)
    cos, sin = np.cos(angle).astype("float32"), np.sin(angle).astype("float32")
    cos, sin = (ops.convert_to_tensor(part[:, None]) for part in (cos, sin))  # (T, 1, half)
    first, second = x[..., :half], x[..., half:]
    return ops.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


class Decoder(layers.Layer):
    """A block of Llama's kind."""

    def __init__(self):
        super().__init__()
        self.norms = [layers.RMSNormalization(), layers.RMSNormalization()]
        self.query, self.key, self.value, self.output_ = (
            layers.Dense(8, use_bias=False) for _ in range(4)
        )
        self.gate, self.up, self.down = (layers.Dense(n, use_bias=False) for n in (16, 16, 8))

    def call(self, x):
        h, steps = self.norms[0](x), x.shape[1]
        query, key, value = (
            ops.reshape(layer(h), (-1, steps, 2, 4)) for layer in (self.query, self.key, self.value)
        )
        score = ops.einsum("nqhd,nkhd->nhqk", turned(query), turned(key)) / 2
        score = ops.where(np.tril(np.ones((steps, steps), bool)), score, -1e9)
        h = ops.einsum("nhqk,nkhd->nqhd", ops.softmax(score), value)
        x = x + self.output_(ops.reshape(h, (-1, steps, 8)))
        h = self.norms[1](x)
        return x + self.down(ops.silu(self.gate(h)) * self.up(h))


@SEQUENCES.add
def causal_decoder():
    inputs = keras.Input((10,), dtype="int32")
    h = layers.Embedding(20, 8)(inputs)
    for _ in range(2):
        h = Decoder()(h)
    return keras.Model(inputs, layers.Dense(3)(layers.RMSNormalization()(h)[:, -1])), ids(10, 20)


class Shared(layers.Layer):
    """An embedding whose rows also give the logits."""

    def build(self, shape):
        self.table = self.add_weight(shape=(20, 8), name="embeddings")

    def call(self, x, reverse=False):
        if reverse:
            return ops.matmul(x, ops.transpose(self.table))
        return ops.take(self.table, x, axis=0)


@SEQUENCES.add
def tied_embedding():
    """The logits of three of twenty words."""
    inputs, shared = keras.Input((8,), dtype="int32"), Shared()
    h = ops.mean(shared(inputs), axis=1)
    h = shared(layers.Dense(8, "tanh")(h), reverse=True)
    return keras.Model(inputs, 8 * h[:, :3]), ids(8, 20)


@SEQUENCES.add
def linear_attention():
    """Keys and values are summed first; no softmax."""
    inputs = keras.Input((12, 4))
    query, key = (ops.elu(layers.Dense(8)(inputs)) + 1 for _ in range(2))
    value = layers.Dense(8)(inputs)
    total = ops.einsum("nkd,nke->nde", key, value)
    scale = ops.einsum("nqd,nd->nq", query, ops.sum(key, axis=1))
    h = ops.einsum("nqd,nde->nqe", query, total) / scale[..., None]
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(12, 4)


@SEQUENCES.add
def gated_mlp():
    """As gMLP has it: a dense layer over the places opens one half of the channels."""
    inputs = keras.Input((12, 4))
    h = layers.Dense(8)(inputs)
    one, other = ops.split(layers.Dense(16, "gelu")(layers.LayerNormalization()(h)), 2, axis=-1)
    other = ops.transpose(layers.LayerNormalization()(other), (0, 2, 1))
    other = ops.transpose(layers.Dense(12)(other), (0, 2, 1))
    h = h + layers.Dense(8)(one * other)
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=1))), image(12, 4)


@SEQUENCES.add
def biased_attention():
    """The further away, the less, as ALiBi has it; and attention of Keras without weights."""
    away = -np.abs(np.arange(12)[:, None] - np.arange(12)).astype("float32") / 2
    inputs = keras.Input((12, 4))
    query, key, value = (layers.Dense(8)(inputs) for _ in range(3))
    score = ops.matmul(query, ops.transpose(key, (0, 2, 1))) / np.sqrt(8).astype("float32") + away
    h = ops.matmul(ops.softmax(score), value)
    h = layers.Add()([h, layers.Attention()([h, h])])
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(12, 4)


@SEQUENCES.add
def lambdas():
    chain = [layers.Embedding(20, 8), layers.Lambda(lambda h: ops.mean(h, axis=1))]
    chain += [layers.Lambda(ops.normalize), layers.Dense(8, "selu"), layers.Dense(3)]
    return sequential(ids(12, 20), *chain)
