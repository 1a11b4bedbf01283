"""Models of tables, and small networks of unusual parts."""

import keras
import numpy as np
from keras import layers, ops

from makers.samples import SAMPLES, SEED, Makers, image, sequential, table

TABLES = Makers()


def categories(*counts: int) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    return np.stack([rng.integers(0, n, SAMPLES) for n in counts], axis=1).astype("int32")


@TABLES.add
def perceptron():
    return sequential(table(8), layers.Dense(12, "relu"), layers.Dense(12, "tanh"), layers.Dense(3))


@TABLES.add
def tabular_transformer():
    """Each column is a token; categories and numbers together."""
    kinds, numbers = keras.Input((3,), dtype="int32"), keras.Input((4,))
    tokens = [layers.Embedding(5, 8)(kinds[:, i]) for i in range(3)]
    tokens += [layers.Dense(8)(numbers[:, i : i + 1]) for i in range(4)]
    h = ops.stack(tokens, axis=1)
    for _ in range(2):
        h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 4)(h, h))
        h = layers.LayerNormalization()(h + layers.Dense(8)(layers.Dense(16, "gelu")(h)))
    model = keras.Model([kinds, numbers], layers.Dense(3)(layers.Flatten()(h)))
    return model, [categories(5, 5, 5), table(4)]


@TABLES.add
def wide_and_deep():
    """One-hot categories to the logits directly, embedded ones through layers."""
    inputs = {
        "kinds": keras.Input((2,), dtype="int32", name="kinds"),
        "numbers": keras.Input((4,), name="numbers"),
    }
    wide = layers.Flatten()(ops.one_hot(inputs["kinds"], 5))
    deep = layers.Flatten()(layers.Embedding(5, 4)(inputs["kinds"]))
    deep = ops.concatenate([deep, layers.BatchNormalization()(inputs["numbers"])], axis=-1)
    logits = layers.Add()([layers.Dense(3)(wide), layers.Dense(3)(layers.Dense(8, "relu")(deep))])
    return keras.Model(inputs, logits), {"kinds": categories(5, 5), "numbers": table(4)}


@TABLES.add
def deep_and_cross():
    """Each layer multiplies by the inputs once more."""
    inputs = keras.Input((6,))
    h = inputs
    for _ in range(2):
        h = inputs * layers.Dense(6)(h) + h
    h = ops.concatenate([h, layers.Dense(8, "relu")(inputs)], axis=-1)
    return keras.Model(inputs, layers.Dense(3)(h)), table(6)


@TABLES.add
def factorization_machine():
    """Half of the square of a sum less the sum of squares."""

    class Pairs(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 6), name="kernel")

        def call(self, x):
            whole = ops.square(ops.matmul(x, self.kernel))
            return (whole - ops.matmul(ops.square(x), ops.square(self.kernel))) / 2

    inputs = keras.Input((6,))
    h = layers.Dense(3)(Pairs()(inputs)) + layers.Dense(3, use_bias=False)(inputs)
    return keras.Model(inputs, h), table(6)


@TABLES.add
def highway():
    """A gate says how much is carried past each layer."""
    inputs = keras.Input((8,))
    h = inputs
    for _ in range(2):
        gate = layers.Dense(8, "sigmoid")(h)
        h = gate * layers.Dense(8, "relu")(h) + (1 - gate) * h
    return keras.Model(inputs, layers.Dense(3)(h)), table(8)


@TABLES.add
def mixture_of_experts():
    """The two best experts, weighted."""
    inputs = keras.Input((8,))
    score = layers.Dense(4)(inputs)
    best, _ = ops.top_k(score, 2)
    weights = ops.softmax(ops.where(score >= best[:, -1:], score, -1e9))
    experts = ops.stack([layers.Dense(6, "relu")(inputs) for _ in range(4)], axis=1)
    h = ops.sum(weights[..., None] * experts, axis=1)
    return keras.Model(inputs, layers.Dense(3)(h)), table(8)


@TABLES.add
def radial_basis():
    class Distances(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(12, shape[-1]), name="centers_kernel")

        def call(self, x):
            away = ops.sum(ops.square(x[:, None] - 4 * self.kernel), axis=-1)
            return ops.exp(-away / 8)

    return sequential(table(4), Distances(), layers.Dense(3))


@TABLES.add
def sines():
    chain = [layers.Dense(12, ops.sin), layers.Dense(12, ops.sin), layers.Dense(3)]
    return sequential(table(4), *chain)


@TABLES.add
def splines():
    """Each edge has a sum of bumps of its own, as Kolmogorov-Arnold networks have it."""

    class Splines(layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.units = units

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 7, self.units), name="kernel")
            self.base = self.add_weight(shape=(shape[-1], self.units), name="base_kernel")

        def call(self, x):
            places = ops.linspace(-2.0, 2.0, 7)
            bumps = ops.square(ops.relu(1 - ops.square(x[..., None] - places)))
            bent = ops.einsum("nik,iko->no", bumps, self.kernel)
            return bent + ops.matmul(ops.silu(x), self.base)

    return sequential(table(4), Splines(8), Splines(8), layers.Dense(3))


@TABLES.add
def hypernetwork():
    """One input gives the kernel that the other meets."""
    inputs, task = keras.Input((6,)), keras.Input((4,))
    kernel = ops.reshape(layers.Dense(48)(layers.Dense(8, "tanh")(task)), (-1, 6, 8))
    h = ops.relu(ops.einsum("ni,nio->no", inputs, kernel))
    return keras.Model([inputs, task], layers.Dense(3)(h)), [table(6), image(4, 1)[..., 0]]


@TABLES.add
def gated_residual():
    """As temporal fusion transformers have it, with a softmax that selects variables."""
    inputs = keras.Input((6,))
    share = ops.softmax(layers.Dense(6)(layers.Dense(8, "elu")(inputs)))
    h = layers.Dense(8)(share * inputs)
    deep = layers.Dense(8)(layers.Dense(8, "elu")(h))
    deep = layers.Dense(8, "sigmoid")(deep) * layers.Dense(8)(deep)
    return keras.Model(inputs, layers.Dense(3)(layers.LayerNormalization()(h + deep))), table(6)


@TABLES.add
def soft_trees():
    """Four leaves, each reached with the product of what its two splits say."""
    inputs = keras.Input((6,))
    right = ops.sigmoid(layers.Dense(3)(inputs))
    left = 1 - right
    reached = [left[:, 0] * left[:, 1], left[:, 0] * right[:, 1]]
    reached += [right[:, 0] * left[:, 2], right[:, 0] * right[:, 2]]
    return keras.Model(inputs, layers.Dense(3)(ops.stack(reached, axis=1))), table(6)


@TABLES.add
def tied_autoencoder():
    """A code, what it gives back through the same kernel turned, and the classes from both."""

    class Tied(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")
            self.bias = self.add_weight(shape=(4,), name="bias")

        def call(self, x):
            code = ops.relu(ops.matmul(x, self.kernel) + self.bias)
            return code, ops.matmul(code, ops.transpose(self.kernel))

    inputs = keras.Input((8,))
    code, back = Tied()(inputs)
    h = ops.concatenate([code, ops.tanh(back)], axis=-1)
    return keras.Model(inputs, layers.Dense(3)(h)), table(8)


@TABLES.add
def euler_steps():
    """One layer used again and again, as an ordinary differential equation has it."""
    inputs, flow = keras.Input((6,)), layers.Dense(6, "tanh")
    h = inputs
    for _ in range(5):
        h = h + 0.2 * flow(h)
    return keras.Model(inputs, layers.Dense(3)(h)), table(6)


class Positive(layers.Dense):
    """Its kernel is the exponential of what is learned, so that more never means less."""

    def call(self, x):
        return ops.tanh(ops.matmul(x, ops.exp(self.kernel) / 8) + self.bias)


@TABLES.add
def monotone():
    return sequential(table(6), Positive(8), Positive(8), layers.Dense(3))


@TABLES.add
def joined_heads():
    """A head for each class, put together."""
    inputs = keras.Input((6,))
    h = layers.Dense(8, "relu")(inputs)
    logits = [layers.Dense(1)(layers.Dense(4, "relu")(h)) for _ in range(3)]
    return keras.Model(inputs, layers.Concatenate()(logits)), table(6)


def _precise(policy: str):
    chain = [layers.Dense(8, "relu", dtype=policy), layers.LayerNormalization(dtype=policy)]
    return sequential(table(6), *chain, layers.Dense(3, dtype=policy))


@TABLES.add
def pure_float16():
    return _precise("float16")


@TABLES.add
def pure_bfloat16():
    return _precise("bfloat16")


@TABLES.add
def pure_float64():
    return _precise("float64")


@TABLES.add
def activations():
    """Activations of many kinds, after normalisations without scale."""
    inputs = keras.Input((8,))
    h = inputs
    for activation in ("softplus", "mish", "hard_silu", "celu", "sparse_plus"):
        h = layers.BatchNormalization(scale=False, center=False)(layers.Dense(8)(h))
        h = layers.Activation(activation)(h)
    return keras.Model(inputs, layers.Dense(3)(h)), table(8)


@TABLES.add
def low_rank_adapted():
    """Dense layers with LoRA beside their kernels."""
    return sequential(table(8), layers.Dense(12, "relu"), layers.Dense(12, "relu"), layers.Dense(3))


@TABLES.add
def quantized():
    """Dense layers whose kernels are whole numbers of eight bits."""
    return sequential(table(8), layers.Dense(12, "relu"), layers.Dense(12, "relu"), layers.Dense(3))


def _adapt(model: keras.Model) -> None:
    rng = np.random.default_rng(SEED)
    for layer in model.layers:
        layer.enable_lora(2)
        for kernel in (layer.lora_kernel_a, layer.lora_kernel_b):
            kernel.assign(rng.normal(0, 0.3, kernel.shape))


def _quantize(model: keras.Model) -> None:
    for layer in model.layers:
        layer.quantize("int8")


AFTERWARDS = {"low_rank_adapted": _adapt, "quantized": _quantize}
