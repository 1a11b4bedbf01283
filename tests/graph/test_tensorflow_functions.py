"""Layers that call TensorFlow: each function that is known does what Keras' operation does."""

import importlib

import keras
import numpy as np
import pytest
from keras import layers

import isi_keras as isi

if keras.config.backend() != "tensorflow":
    pytest.skip("is about TensorFlow", allow_module_level=True)

functions = importlib.import_module("isi_keras.backend._tensorflow_functions")
tf = importlib.import_module("tensorflow")
TABLE = tf.constant([1.0, 2.0])
POSITIVE = (
    "abs exp log log1p expm1 sqrt rsqrt square sin cos tan tanh sinh cosh sigmoid softplus sign "
    "floor ceil round reciprocal erf"
)
ANY_SIGN = "relu relu6 elu selu softsign silu gelu leaky_relu softmax log_softmax"
REDUCING = (
    "reduce_sum reduce_mean reduce_max reduce_min reduce_prod reduce_std reduce_variance "
    "reduce_logsumexp"
)
PAIRS = "add subtract multiply divide maximum minimum pow floordiv squared_difference divide_no_nan"
COMPARING = "less less_equal greater greater_equal equal not_equal"


def of_name(module, name, *more, **options):
    return lambda x: getattr(module, name)(x, *more, **options)


def compared(name):
    return lambda x: x * tf.cast(getattr(tf, name)(x, tf.ones((3, 4))), tf.float32)


def chosen(condition):
    return lambda x: tf.where(condition(x), x, -x)


def images(x):
    return tf.reshape(x, (-1, 2, 3, 2))


def both(x):
    return tf.logical_and(x > 0.5, tf.logical_or(x < 1.0, tf.logical_not(x < 1.5)))


CASES = {
    **{name: of_name(tf.math, name) for name in POSITIVE.split()},
    **{name: lambda x, name=name: getattr(tf.nn, name)(x - 1) for name in ANY_SIGN.split()},
    **{name: of_name(tf.math, name, axis=1) for name in REDUCING.split()},
    **{name: of_name(tf.math, name, tf.constant([0.7] * 4)) for name in PAIRS.split()},
    **{name: compared(name) for name in COMPARING.split()},
    "add": lambda x: tf.math.add(x, x),
    "kept": of_name(tf, "reduce_sum", axis=[1, 2], keepdims=True),
    "negative": of_name(tf, "negative"),
    "argmax": lambda x: x[:, 0] * tf.cast(tf.argmax(x, 1), "float32"),
    "argmin": lambda x: x[:, :, 0] * tf.cast(tf.argmin(x, 2), "float32"),
    "is_nan": chosen(tf.math.is_nan),
    "logical": chosen(both),
    "any": lambda x: tf.where(tf.reduce_any(x > 1.2, axis=2), x[:, :, 0], x[:, :, 1]),
    "all": lambda x: tf.where(tf.reduce_all(x > 0.6, axis=2), x[:, :, 0], x[:, :, 1]),
    "equals": lambda x: x * tf.cast(tf.ones((3, 4)) == x, "float32"),
    "not equals": lambda x: x * tf.cast(tf.ones((3, 4)) != x, "float32"),
    "swish": lambda x: tf.nn.silu(x, 1.5),
    "gelu 2": lambda x: tf.nn.gelu(x - 1, approximate=True),
    "einsum": lambda x: tf.einsum("abc,cd->abd", x, tf.ones((4, 2))),
    "matmul": lambda x: tf.matmul(x, x, transpose_b=True),
    "matmul 2": lambda x: tf.matmul(x, tf.ones((3, 2)), transpose_a=True),
    "tensordot": lambda x: tf.tensordot(x, tf.ones((4, 2)), 1),
    "reshape": lambda x: tf.reshape(x, (tf.shape(x)[0], -1)),
    "transpose": lambda x: tf.transpose(x, [0, 2, 1]) * tf.ones((4, 3)),
    "concat": lambda x: tf.concat([x, 2 * x], -1),
    "stack": lambda x: tf.stack([x, 2 * x], axis=2),
    "unstack": lambda x: tf.unstack(x, axis=1)[1],
    "split": lambda x: tf.split(x, 2, axis=-1)[1],
    "split 2": lambda x: tf.split(x, [1, 3], axis=2)[1],
    "whole sum": lambda x: x * tf.cast(tf.reduce_sum(tf.cast(99 * x, "uint8"), 1, True), "float32"),
    "tile 2": lambda x: tf.tile(x, tf.constant([1, 2, 1])),
    "split 3": lambda x: tf.concat(tf.split(x, [1, -1, 2], axis=-1)[::-1], 2),
    "expand_dims": lambda x: tf.expand_dims(x, 1) * tf.ones((2, 3, 4)),
    "squeeze": lambda x: tf.squeeze(x[:, :1], axis=[1]),
    "tile": lambda x: tf.tile(x, [1, 2, 1]),
    "repeat": lambda x: tf.repeat(x, 2, axis=2),
    "reverse": lambda x: tf.reverse(x, [1, 2]),
    "roll": lambda x: tf.roll(x, 1, 2),
    "slice": lambda x: tf.slice(x, [0, 1, 0], [-1, 2, 3]),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 2]], constant_values=2.0),
    "pad 2": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0]], "REFLECT"),
    "clip": lambda x: tf.clip_by_value(x, 0.7, 1.2),
    "identity": lambda x: tf.identity(x),
    "stop_gradient": lambda x: x * tf.stop_gradient(x),
    "rank": lambda x: x * float(tf.rank(x)),
    "like": lambda x: x * tf.ones_like(x) + tf.zeros_like(x),
    "broadcast_to": lambda x: tf.broadcast_to(x[:, :1], (tf.shape(x)[0], 3, 4)),
    "gather": lambda x: tf.gather(x, [2, 0], axis=1),
    "gather 2": lambda x: tf.gather(tf.gather(x, [0], axis=2), [[2, 0]], axis=1),
    "embedding": lambda x: x * tf.nn.embedding_lookup(TABLE, tf.cast(x > 1, "int32")),
    "top_k": lambda x: tf.math.top_k(x, 2)[0],
    "add_n": lambda x: tf.add_n([x, x * x]),
    "l2_normalize": lambda x: tf.math.l2_normalize(x, -1),
    "norm": lambda x: tf.norm(x, axis=[1, 2], keepdims=True),
    "moments": lambda x: tf.concat(tf.nn.moments(x, [1]), -1),
    "cumsum": lambda x: tf.cumsum(x, 1),
    "bias_add": lambda x: tf.nn.bias_add(x, tf.range(4.0)),
    "conv2d": lambda x: tf.nn.conv2d(images(x), tf.ones((2, 2, 2, 3)), [1, 1, 2, 1], "SAME"),
    "max_pool": lambda x: tf.nn.max_pool2d(images(x), 2, 1, "VALID"),
    "avg_pool": lambda x: tf.nn.avg_pool2d(images(x), 2, [1, 1], "SAME"),
    "convert": lambda x: tf.convert_to_tensor(x) * 2,
    "ensure_shape": lambda x: tf.ensure_shape(x, (None, 3, 4)),
}


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).uniform(0.3, 1.7, (3, 3, 4)).astype("float32")


def test_each_is_what_keras_computes(x, monkeypatch):
    """One network of them all: its graph has to compute what it does, and its gradient to agree."""
    asked = set()

    def counting(name, of):
        return lambda *args, **kwargs: asked.add(name) or of(*args, **kwargs)

    for name, of in functions.KNOWN.items():
        monkeypatch.setitem(functions.KNOWN, name, counting(name, of))
    inputs = keras.Input((3, 4))
    shapes = {name: (None, *of(tf.constant(x)).shape[1:]) for name, of in CASES.items()}
    found = [
        layers.Flatten()(layers.Lambda(of, shapes[name][1:])(inputs)) for name, of in CASES.items()
    ]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(found)))
    explained = isi.explain(model, x, target=0, indicator="sensitivity")
    with tf.GradientTape() as tape:
        held = tf.constant(x)
        tape.watch(held)
        logits = model(held)[:, 0]
    np.testing.assert_allclose(explained.logits[:, 0], logits, rtol=1e-5)
    wanted = tape.gradient(logits, held)
    np.testing.assert_allclose(explained.relevance, wanted, rtol=1e-3, atol=1e-3)
    assert asked == set(functions.KNOWN)


class Own(layers.Layer):
    """A layer of before Keras 3."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(5, shape[-1]), initializer="random_normal")
        self.bias = self.add_weight(shape=(5,), initializer="random_normal")

    def call(self, x):
        return tf.nn.relu(tf.matmul(x, self.kernel, transpose_b=True) + self.bias)


def test_a_layer_that_calls_tensorflow_is_what_its_twin_is(x):
    twin = keras.Sequential([keras.Input((3, 4)), layers.Dense(5, "relu"), layers.Flatten()])
    own = keras.Sequential([keras.Input((3, 4)), Own(), layers.Flatten()])
    for seed in range(2):  # weights are no constants of the graph
        kernel, bias = (np.random.default_rng(seed).normal(size=s) for s in ((4, 5), 5))
        twin.set_weights([kernel, bias])
        own.set_weights([kernel.T, bias])
        for composite in ("epsilon", "epsilon_plus", "epsilon_alpha2beta1"):
            found, wanted = (isi.explain(m, x, indicator=composite).relevance for m in (own, twin))
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


class Varied(layers.Layer):
    """A variable that Keras does not know, read while the graph is made."""

    def build(self, shape):
        self.factor = tf.Variable(tf.ones(shape[1:]))

    def call(self, x):
        return x * tf.nn.softmax(self.factor)


def test_a_variable_of_tensorflow_is_seen_as_it_is(x):
    model = keras.Sequential([keras.Input((3, 4)), Varied(), layers.Flatten(), layers.Dense(2)])
    isi.explain(model, x)
    model.layers[0].factor.assign(x[0])
    np.testing.assert_allclose(isi.explain(model, x).logits, model(x), rtol=1e-6)


@pytest.mark.parametrize(
    "of",
    [
        lambda x: tf.cumsum(x, 1, exclusive=True),
        lambda x: x + tf.cast(tf.reduce_mean(tf.cast(9 * x, "int32"), 1, keepdims=True), "float32"),
        lambda x: tf.einsum("acb", x),
        lambda x: tf.math.bessel_i0(x),
        lambda x: tf.gather(x, tf.zeros_like(x[:, :, 0], "int32"), axis=2, batch_dims=1),
    ],
)
def test_others_are_refused_by_the_name_of_their_layer(x, of):
    shape = tuple(of(tf.constant(x)).shape[1:])
    model = keras.Sequential(
        [keras.Input((3, 4), 3), layers.Lambda(of, shape, name="odd"), layers.Flatten()]
    )
    with pytest.raises(ValueError, match="There is no relevance rule for the layer 'odd'"):
        isi.explain(model, x)
