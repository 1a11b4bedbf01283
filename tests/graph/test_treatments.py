"""How relevance passes each kind of layer, against matrices, closed forms and conservation."""

import dataclasses
import functools
import inspect
import itertools
import operator
import warnings

import keras
import numpy as np
import oracles
import pytest
from keras import layers, ops
from makers.relevance import GOLDEN_RULES, Flattened, composite_of, relevance_of

import isi_keras as isi
from isi_keras import backend
from isi_keras.composites import Composite
from isi_keras.graph import propagation, registry, softmaxes
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.trace import trace
from isi_keras.rules import Epsilon, ZPlus

FIRST = keras.config.backend() == "tensorflow"  # whose CPU kernels know channels_last only

LINEAR = {
    "dense": ((5,), lambda: layers.Dense(4)),
    "dense of images": ((3, 2, 4), lambda: layers.Dense(3)),
    "einsum": ((3, 4), lambda: layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")),
    "einsum heads": (
        (3, 4),
        lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"),
    ),
    "causal": ((6, 2), lambda: layers.Conv1D(3, 3, padding="causal")),
    "same": ((5, 4, 2), lambda: layers.Conv2D(3, 3, padding="same")),
    "grouped": ((5, 4, 4), lambda: layers.Conv2D(6, 2, groups=2)),
    "depthwise 1d": ((6, 3), lambda: layers.DepthwiseConv1D(3, depth_multiplier=2, padding="same")),
    "depthwise": ((5, 4, 2), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2)),
    "transposed 1d": ((4, 2), lambda: layers.Conv1DTranspose(3, 3, strides=2)),
    "transposed": ((3, 4, 2), lambda: layers.Conv2DTranspose(3, 3, padding="same")),
    "transposed 3d": ((2, 3, 2, 2), lambda: layers.Conv3DTranspose(2, 2)),
    "normalization": ((4, 3), lambda: layers.BatchNormalization()),
    "average": ((4, 6, 2), lambda: layers.AveragePooling2D(2)),
    "global average": ((4, 3, 2), lambda: layers.GlobalAveragePooling2D()),
    "without bias": ((5, 4, 2), lambda: layers.Conv2D(3, 2, use_bias=False)),
    **(
        {}
        if FIRST
        else {
            "first": ((2, 5, 4), lambda: layers.Conv2D(3, 3, data_format="channels_first")),
            "first depthwise": (
                (2, 5, 4),
                lambda: layers.DepthwiseConv2D(3, data_format="channels_first"),
            ),
        }
    ),
}


def single(shape, layer, seed=0):
    """A model of one layer with random weights; variances are positive."""
    model = keras.Sequential([keras.Input(shape), layer])
    rng = np.random.default_rng(seed)
    layer.set_weights(
        [
            rng.uniform(0.5, 2, weight.shape)
            if "variance" in weight.name
            else rng.normal(size=weight.shape)
            for weight in layer.weights
        ]
    )
    return model


def matrix_of(model, shape):
    """A linear layer as a matrix `(J, K)` and a bias `(K,)`, by its value at each unit vector."""
    size = int(np.prod(shape))
    units = np.concatenate([np.zeros((1, size)), np.eye(size)]).reshape(-1, *shape)
    found = ops.convert_to_numpy(model(units.astype("float32"))).astype("float64")
    found = found.reshape(len(units), -1)
    return found[1:] - found[0], found[0]


ELEMENTWISE = ("normalization", "average", "global average")
GRID = [
    (kind, name, sign)
    for kind, name, sign in itertools.product(LINEAR, GOLDEN_RULES, ("any", "nonnegative"))
    if GOLDEN_RULES[name].proportional or (sign == "any" and kind not in ELEMENTWISE)
]


@pytest.mark.parametrize(("kind", "rule", "sign"), GRID)
def test_linear_layers_equal_the_oracle(kind, rule, sign):
    (shape, make), rule = LINEAR[kind], GOLDEN_RULES[rule]
    model, rng = single(shape, make()), np.random.default_rng(1)
    w, b = matrix_of(model, shape)
    x = rng.normal(size=(2, *shape)).astype("float32")
    if sign == "nonnegative":  # known to be so, as it comes from a ReLU
        model = keras.Sequential([keras.Input(shape), layers.ReLU(), *model.layers])
        x = np.abs(x) + 0.1
    r = rng.normal(size=(2, w.shape[1])).astype("float32")
    composite = composite_of(rule)
    if kind in ELEMENTWISE:
        composite = Composite({"normalization": rule, "pooling": rule})
    found, z = relevance_of(model, composite, x, r)
    options, name = dataclasses.asdict(rule), type(rule).__name__
    if name == "Flat":
        options["connected"] = w != 0
    wanted = [
        oracles.RULES[name](a.ravel(), w, b, own, **options)
        for a, own in zip(x.astype("float64"), r, strict=True)
    ]
    np.testing.assert_allclose(z, x.reshape(2, -1) @ w + b, rtol=1e-4, atol=1e-4)
    # Float32 has the less to say of a quotient, the nearer its denominator is to 0.
    tolerance = 1e-4 / min(1, 10 * np.abs(z).min()) * np.abs(wanted).max()
    np.testing.assert_allclose(found.reshape(2, -1), wanted, rtol=0, atol=tolerance)


def test_separable_is_two_linear_layers():
    shape = (5, 4, 3)
    layer = layers.SeparableConv2D(4, 3, depth_multiplier=2, padding="same")
    model, rng = single(shape, layer), np.random.default_rng(2)
    depthwise, pointwise, bias = layer.get_weights()
    first = single(
        shape, layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=False)
    )
    first.set_weights([depthwise])
    second = single((5, 4, 6), layers.Conv2D(4, 1))
    second.set_weights([pointwise, bias])
    x = rng.normal(size=(2, *shape)).astype("float32")
    r = rng.normal(size=(2, 5 * 4 * 4)).astype("float32")
    both = keras.Sequential([keras.Input(shape), *first.layers, *second.layers])
    for rule in ("epsilon", "zplus", "alpha2beta1", "gamma"):
        found, z = relevance_of(model, Composite(rule), x, r)
        wanted, apart = relevance_of(both, Composite(rule), x, r)
        np.testing.assert_allclose(z, apart, atol=1e-5)
        np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    for first_rule in ("flat", "wsquare", "zbox"):
        composite = Composite("epsilon", first=first_rule)
        found, wanted = (relevance_of(m, composite, x, r)[0] for m in (model, both))
        np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


NO_FUNCTIONS_OF_AN_ENTRY = ("get", "serialize", "deserialize", "glu", "threshold")


def elementwise_activations():
    names = {
        name
        for name, function in vars(keras.activations).items()
        if inspect.isfunction(function) and name not in NO_FUNCTIONS_OF_AN_ENTRY
    }
    return sorted(names)


@pytest.mark.parametrize("name", elementwise_activations())
@pytest.mark.parametrize("place", ["fused", "layer"])
def test_activations_pass_relevance_unchanged(name, place):
    x = np.random.default_rng(0).uniform(0.6, 2, (3, 5)).astype("float32")
    function = keras.activations.get(name)
    if place == "fused":
        model = keras.Sequential([keras.Input((5,)), layers.Dense(5, function, use_bias=False)])
        model.set_weights([np.eye(5)])
    else:
        model = keras.Sequential([keras.Input((5,)), layers.Activation(function)])
    outputs = ops.convert_to_numpy(model(x))
    r = np.where(outputs, np.random.default_rng(1).normal(size=x.shape), 0).astype("float32")
    outputs = np.where(outputs, outputs, 1)
    composite = Composite(Epsilon(1e-9))
    passes, at = Flattened(model, composite, x), ops.convert_to_tensor(x)
    z, pullback = backend.vjp(lambda v: passes.outputs(at, v), passes.variables(at))
    relevance = x * ops.convert_to_numpy(pullback(ops.convert_to_tensor(r / outputs))["x"])
    np.testing.assert_allclose(ops.convert_to_numpy(z), ops.convert_to_numpy(model(x)), rtol=1e-5)
    np.testing.assert_allclose(relevance, r, rtol=1e-4, atol=1e-5)


def test_what_is_said_of_activations():
    z = np.linspace(-9, 9, 182).astype("float32").reshape(91, 2)
    said = {Fact.NONNEGATIVE: set(), Fact.GATE: set()}
    for name in elementwise_activations():
        graph = trace(keras.Sequential([keras.Input((2,)), layers.Activation(name)]), z)
        facts = Facts(graph, False, False)
        value = ops.convert_to_numpy(keras.activations.get(name)(ops.convert_to_tensor(z)))
        if facts.has(graph.output, Fact.NONNEGATIVE):
            assert value.min() >= 0, name
        if facts.has(graph.output, Fact.GATE) and name != "exponential":
            assert np.abs(value).max() <= 6, name
        for fact, names in said.items():
            names |= {name} if facts.has(graph.output, fact) else set()
    assert said[Fact.NONNEGATIVE] >= {"relu", "sigmoid", "softmax", "softplus", "exponential"}
    assert said[Fact.GATE] >= {"sigmoid", "hard_sigmoid", "softmax", "exponential"}
    assert "relu" not in said[Fact.GATE]


def test_a_gated_linear_unit_gives_all_to_the_signal():
    model = keras.Sequential([keras.Input((6,)), layers.Activation("glu")])
    x, r = np.random.default_rng(0).normal(size=(2, 2, 6)).astype("float32")
    found, _ = relevance_of(model, Composite("epsilon"), x, r[:, :3])
    np.testing.assert_allclose(found, np.concatenate([r[:, :3], 0 * r[:, :3]], 1), atol=1e-5)


OTHERS = [
    None,
    "a",
    0j,
    [0.5],
    (0.5,),
    float,
    0,
    0.1,
    np.float32(0.5),
    np.float64(0.1),
    np.full(5, 0.1),
    np.zeros(5, "int32"),
]


class TestNormalization:
    x = np.random.default_rng(3).normal(size=(2, 5, 8)).astype("float32")
    r = np.random.default_rng(4).normal(size=(2, 5, 8)).astype("float32")

    def test_layer_normalization_equals_numpy(self):
        model = single((5, 8), layers.LayerNormalization())
        gamma, beta = model.get_weights()
        x = self.x.astype("float64")
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-3)
        y = centred / deviation * gamma + beta
        share = self.r / y * gamma / deviation
        wanted = x * (share - share.mean(-1, keepdims=True))
        found, z = relevance_of(model, Composite("epsilon"), self.x, self.r)
        np.testing.assert_allclose(z, y.reshape(2, -1), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-3 * np.abs(wanted).max())

    @pytest.mark.parametrize(
        "make",
        [
            lambda: layers.LayerNormalization(center=False),
            lambda: layers.LayerNormalization(axis=[1, 2], center=False),
            lambda: layers.GroupNormalization(4, center=False),
            lambda: layers.RMSNormalization(),
            lambda: layers.UnitNormalization(),
        ],
    )
    def test_relevance_is_kept_without_shift(self, make):
        model = single((5, 8), make())
        found, _ = relevance_of(model, Composite("epsilon"), self.x, self.r)
        np.testing.assert_allclose(found.sum((1, 2)), self.r.sum((1, 2)), rtol=1e-3, atol=1e-3)

    def test_scale_alone_changes_nothing(self):
        """Root mean square normalisation is a constant for relevance."""
        for make in (layers.RMSNormalization, layers.UnitNormalization):
            model = single((5, 8), make())
            found, _ = relevance_of(model, Composite("epsilon"), self.x, self.r)
            np.testing.assert_allclose(found, self.r, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("axis", [-1] if FIRST else [-1, 1])
    def test_group_normalization_equals_layer_normalization_for_one_group(self, axis):
        group = single((5, 8), layers.GroupNormalization(1, axis=axis, center=False, scale=False))
        whole = single((5, 8), layers.LayerNormalization(axis=[1, 2], center=False, scale=False))
        found, wanted = (
            relevance_of(m, Composite("epsilon"), self.x, self.r)[0] for m in (group, whole)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


class TestBatchNormalization:
    """Merged into its neighbour it is what the merged layer would be."""

    x = np.random.default_rng(5).normal(size=(2, 6, 5, 3)).astype("float32")

    @staticmethod
    def affine(normalization):
        gamma, beta, mean, variance = normalization.get_weights()
        scale = gamma / np.sqrt(variance + normalization.epsilon)
        return scale, beta - mean * scale

    def merged(self, kind, order):
        """A pair of layers with random weights, and the one layer they are together."""
        make = {
            "conv": lambda: layers.Conv2D(4, 3),
            "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
            "transposed": lambda: layers.Conv2DTranspose(4, 3),
            "dense": lambda: layers.Dense(4),
        }[kind]
        pair = [make(), layers.BatchNormalization()]
        model = keras.Sequential(
            [keras.Input((6, 5, 3)), *(pair if order == "after" else pair[::-1])]
        )
        rng = np.random.default_rng(6)
        for layer in pair:
            layer.set_weights(
                [
                    rng.uniform(0.5, 2, w.shape)
                    * rng.choice([-1, 1] if "var" not in w.name else [1], w.shape)
                    for w in layer.weights
                ]
            )
        scale, shift = self.affine(pair[1])
        kernel, bias = pair[0].get_weights()
        if order == "after":
            factor = scale.reshape(kernel.shape[-2:]) if kind == "depthwise" else scale
            kernel = kernel * (factor[:, None] if kind == "transposed" else factor)
            bias = bias * scale + shift
        else:
            one = make()
            keras.Sequential([keras.Input((6, 5, 3)), one])
            one.set_weights([kernel, bias])
            bias = ops.convert_to_numpy(
                one(np.broadcast_to(shift, (1, 6, 5, 3)).astype("float32"))
            )[0, 2, 2]
            kernel = kernel * (scale if kind == "transposed" else scale[:, None])
        whole = keras.Sequential([keras.Input((6, 5, 3)), make()])
        whole.set_weights([kernel, bias])
        return model, whole

    @pytest.mark.parametrize("rule", ["epsilon", "zplus", "alpha2beta1", "gamma"])
    @pytest.mark.parametrize("kind", ["conv", "depthwise", "transposed", "dense"])
    @pytest.mark.parametrize("order", ["after", "before"])
    def test_equals_the_merged_layer(self, rule, kind, order):
        if kind == "transposed" and order == "before":
            pytest.skip("at its border a transposed convolution has another bias")
        model, whole = self.merged(kind, order)
        size = int(np.prod(whole.output_shape[1:]))
        r = np.random.default_rng(7).normal(size=(2, size)).astype("float32")
        found, z = relevance_of(model, Composite(rule), self.x, r)
        wanted, together = relevance_of(whole, Composite(rule), self.x, r)
        np.testing.assert_allclose(z, together, atol=1e-4)
        near = np.abs(together).min()
        np.testing.assert_allclose(
            found, wanted, atol=max(2e-5 / near, 1e-4) * np.abs(wanted).max()
        )

    def test_between_two_layers_it_belongs_to_the_first(self):
        dense, whole = self.merged("dense", "after")
        last = layers.Dense(5)
        models = [
            keras.Sequential([keras.Input((6, 5, 3)), *chain.layers, last])
            for chain in (dense, whole)
        ]
        last.set_weights([*np.random.default_rng(0).normal(size=(1, 4, 5)), np.arange(5.0)])
        r = np.random.default_rng(7).normal(size=(2, 150)).astype("float32")
        for rule in ("epsilon", "zplus"):
            found, wanted = (relevance_of(m, Composite(rule), self.x, r)[0] for m in models)
            np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())

    def test_apart_it_is_a_layer_with_its_own_rule(self):
        model, whole = self.merged("conv", "after")
        r = np.ones((2, int(np.prod(whole.output_shape[1:]))), "float32")
        folded, _ = relevance_of(model, Composite("zplus"), self.x, r)
        apart, _ = relevance_of(model, Composite("zplus", fold=False), self.x, r)
        assert np.abs(folded - apart).max() > 0.1 * np.abs(folded).max()

    def test_the_weights_stay(self):
        model, _ = self.merged("conv", "after")
        before = model.get_weights()
        relevance_of(model, Composite("zplus"), self.x, np.ones((2, 4 * 4 * 3), "float32"))
        for one, other in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


class TestProducts:
    x = np.random.default_rng(8).uniform(0.5, 2, (3, 4)).astype("float32")
    r = np.random.default_rng(9).normal(size=(3, 4)).astype("float32")

    def gated(self, gate):
        x = keras.Input((4,))
        return keras.Model(x, layers.Multiply()([x, gate(x)]))

    @pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid", "softmax", "relu6", "exponential"])
    def test_the_signal_takes_all(self, gate):
        model = self.gated(layers.Activation(gate))
        found, _ = relevance_of(model, Composite("epsilon"), self.x, self.r)
        np.testing.assert_allclose(found, self.r, rtol=1e-4)

    def test_halves(self):
        """Both paths lead to the same input, so it gets two halves; each alone gets one."""
        a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
        model = keras.Model([a, b], layers.Multiply()([a, b]))
        found = isi.explain(model, [self.x, 2 * self.x], target=1)
        for relevance in found.relevance.values():
            np.testing.assert_allclose(relevance[:, 1], self.x[:, 1] ** 2, rtol=1e-5)
        model = self.gated(layers.Activation("sigmoid"))
        halves, _ = relevance_of(model, Composite("epsilon", gates="halves"), self.x, self.r)
        np.testing.assert_allclose(halves, self.r, rtol=1e-4)

    def test_a_constant_factor_and_a_quotient(self):
        x = keras.Input((4,))
        for outputs in (x * 3.0, x / 3.0, x / (x + 1.0)):
            found, _ = relevance_of(keras.Model(x, outputs), Composite("epsilon"), self.x, self.r)
            np.testing.assert_allclose(found, self.r, rtol=1e-5)

    def test_constants_in_sums_are_biases(self):
        x = keras.Input((4,))
        for outputs, share in ((x + 3.0, self.x / (self.x + 3)), (2.0 - x, -self.x / (2 - self.x))):
            model = keras.Model(x, outputs)
            found, _ = relevance_of(model, Composite("epsilon"), self.x, self.r)
            np.testing.assert_allclose(found, share * self.r, rtol=1e-4)
            report = isi.explain(model, self.x, conservation=True).conservation
            np.testing.assert_allclose(report["elsewhere"], 0, atol=1e-5)


class TestAttention:
    x = np.random.default_rng(10).normal(size=(2, 5, 6)).astype("float32")

    def test_relevance_goes_to_the_values_by_the_attention_weights(self):
        x = keras.Input((5, 6))
        attention = layers.MultiHeadAttention(2, 3, flash_attention=False)
        outputs, scores = attention(x, x, return_attention_scores=True)
        model, weights = keras.Model(x, outputs), keras.Model(x, scores)
        rng = np.random.default_rng(11)
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        a = ops.convert_to_numpy(weights(self.x)).astype("float64")  # (N, H, T, S)
        value, out = attention._value_dense.get_weights(), attention._output_dense.get_weights()
        r = rng.normal(size=(2, 5, 6)).astype("float32")
        h = np.einsum("nsc,chd->nshd", self.x, value[0]) + value[1]
        mixed = np.einsum("nhts,nshd->nthd", a, h)
        y = np.einsum("nthd,hdc->ntc", mixed, out[0]) + out[1]
        c = np.einsum("ntc,hdc->nthd", r / y, out[0])
        c = np.einsum("nhts,nthd->nshd", a, c)
        wanted = self.x * np.einsum("nshd,chd->nsc", c, value[0])
        found, z = relevance_of(model, Composite(Epsilon(1e-9)), self.x, r)
        np.testing.assert_allclose(z, y.reshape(2, -1), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3 * np.abs(wanted).max())

    @pytest.mark.parametrize("make", [layers.Attention, layers.AdditiveAttention])
    @pytest.mark.parametrize("count", [2, 3])
    def test_attention_layers(self, make, count):
        inputs = [keras.Input((5, 6), name=name) for name in ("query", "value", "key")[:count]]
        h = layers.Flatten()(make()(inputs))
        model = keras.Model(inputs, layers.Dense(3, use_bias=False)(h))
        found = isi.explain(model, [self.x, 2 * self.x, self.x][:count], conservation=True)
        assert not found.relevance["query"].any()
        np.testing.assert_allclose(
            found.relevance["value"].sum((1, 2)), found.conservation["explained"], rtol=1e-3
        )

    def test_grouped_queries(self):
        x = keras.Input((5, 6))
        h = layers.GroupQueryAttention(3, 4, 2)(x, x)
        model = keras.Model(x, layers.Dense(3)(layers.Flatten()(h)))
        report = isi.explain(model, self.x, conservation=True).conservation
        np.testing.assert_allclose(report["elsewhere"], 0, atol=1e-5)


class TestPreprocessing:
    """What is relevant after it is so before it: as if it were done outside the model."""

    raw = np.random.default_rng(12).uniform(0, 255, (3, 6, 5, 3)).astype("float32").round()
    raw[:, :2] = 0  # pixels of value 0 have relevance too

    @pytest.mark.parametrize("rule", ["epsilon", "epsilon_plus", "epsilon_plus_flat"])
    def test_equals_preprocessed_data(self, rule):
        before = [
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.RandomFlip(),
            layers.Normalization(mean=[0.1, 0.2, -0.1], variance=[0.5, 1, 2]),
            layers.ZeroPadding2D(1),
        ]
        after = [layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
        inside = keras.Sequential([keras.Input((6, 5, 3)), *before, *after])
        outside = keras.Sequential([keras.Input((8, 7, 3)), *after])
        processed = self.raw
        for layer in before:
            processed = ops.convert_to_numpy(
                layer(processed, training=False) if "random" in layer.name else layer(processed)
            )
        found = isi.explain(inside, self.raw, indicator=isi.Relevance(rule)).relevance
        wanted = isi.explain(outside, processed, indicator=isi.Relevance(rule)).relevance
        np.testing.assert_allclose(found, wanted[:, 1:-1, 1:-1], rtol=1e-3, atol=1e-5)
        assert np.abs(found[:, :2]).max() > 0

    def test_a_box_is_preprocessed(self):
        after = [layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
        inside = keras.Sequential(
            [keras.Input((6, 5, 3)), layers.Rescaling(1 / 127.5, offset=-1), *after]
        )
        outside = keras.Sequential([keras.Input((6, 5, 3)), *after])
        box = isi.composites.epsilon_gamma_box
        found = isi.explain(inside, self.raw, indicator=isi.Relevance(box(0, 255))).relevance
        wanted = isi.explain(outside, self.raw / 127.5 - 1, indicator=isi.Relevance(box(-1, 1)))
        np.testing.assert_allclose(found, wanted.relevance, rtol=1e-3, atol=1e-5)


def test_embeddings_have_the_relevance_of_their_rows():
    ids = keras.Input((7,), dtype="int32")
    embedded = layers.Embedding(11, 4, name="rows")(ids)
    h = layers.Conv1D(5, 3, activation="relu")(embedded)
    model = keras.Model(ids, layers.Dense(3)(layers.GlobalMaxPooling1D()(h)))
    x = np.random.default_rng(13).integers(0, 11, (4, 7))
    found = isi.explain(model, x, layers=["rows"])
    np.testing.assert_allclose(found.relevance, found.layers["rows"].sum(-1), rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(found.x, x)
    with pytest.raises((TypeError, ValueError), match=r"integer"):
        isi.Attack(bounds=(0, 10))(model, x)


class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


class Shifted(layers.Layer):
    """A linear layer of somebody's own."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), initializer="random_normal")
        self.bias = self.add_weight(shape=(3,), initializer="random_normal")
        self.activation = keras.activations.relu

    def call(self, x):
        return self.activation(ops.matmul(x, self.kernel) + self.bias)


class Turned(Shifted):
    """It falls where inputs and kernel rise."""

    def call(self, x):
        return self.activation(self.bias - ops.matmul(x, self.kernel))


class Unit(Shifted):
    """Its kernel is divided by its length."""

    def call(self, x):
        return self.activation(ops.matmul(x, self.kernel / ops.norm(self.kernel)) + self.bias)


class Cubed(layers.Layer):
    def call(self, x):
        return x**3


class ConstantsFirst(layers.Layer):
    """A tensor of the backend on the left, which JAX's do not leave to what is on the right."""

    def call(self, x):
        places = ops.arange(5, dtype="float32")
        return (places + x) * 0.5 - (places - places * x) - 0.5 * (places - x) - x


class Missing(layers.Layer):
    """0 stands for a value that is missing, which counts as -5."""

    def __init__(self, way):
        super().__init__()
        self.way, self.zeros = way, ops.zeros(5)

    def call(self, x):
        ways = {"=": x == 0.0, "left": 0.0 == x, "!=": ops.logical_not(x != 0.0)}  # noqa: SIM300
        ways["tensor"] = self.zeros == x
        ways["tensor !="] = ops.logical_not(self.zeros != x)
        ways["tensor <"] = ops.logical_not(ops.logical_or(self.zeros < x, self.zeros > x))
        return ops.where(ways.get(self.way, x == 0.0), -5.0, x)


class Framework(layers.Layer):
    """A layer that calls its framework, by what a trace does not answer for."""

    def call(self, x):
        match keras.config.backend():
            case "tensorflow":
                import tensorflow as tf

                return tf.quantization.fake_quant_with_min_max_args(x, 0, 9, 16)
            case "jax":
                import jax

                return jax.nn.relu(x)
            case "torch":
                import torch

                return torch.relu(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class Asking(layers.Layer):
    """A layer that decides in Python by what it is given."""

    def call(self, x):
        return 2 * x if ops.sum(x) > 1e9 else 3 * x


class LoudDense(layers.Dense):
    def call(self, x, training=None):
        return super().call(x) * 3


class TestPooling:
    """It has the rule for "pooling", however it is spelled."""

    composites = (
        Composite({"pooling": "zplus"}),
        Composite("epsilon", names={"mean": "zplus"}),
        Composite({"pooling": isi.rules.Epsilon(0.3)}),
    )

    def model(self, masked, seed=0):
        ids = keras.Input((4,), dtype="int32")
        rows = layers.Embedding(6, 3, mask_zero=masked)(ids)
        mean = layers.GlobalAveragePooling1D(name="mean")(rows)
        model = keras.Model(ids, layers.Dense(3)(mean))
        random = np.random.default_rng(seed)
        model.set_weights([random.normal(size=w.shape) for w in model.weights])
        return model

    @pytest.mark.parametrize("composite", composites)
    def test_a_mask_that_leaves_all(self, composite):
        ids = np.array([[3, 1, 2, 4], [5, 2, 2, 1]])
        found, wanted = (
            isi.explain(self.model(masked), ids, target=1, indicator=composite).relevance
            for masked in (True, False)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)

    def test_a_mask_with_holes(self):
        """Against NumPy: the mean is a matrix, of which a mask leaves some rows."""
        model, ids = self.model(True), np.array([[0, 1, 2, 4], [0, 0, 3, 1]])
        found = isi.explain(model, ids, target=1, indicator=self.composites[0], conservation=True)
        table, kernel, bias = (w.astype("float64") for w in model.get_weights())
        for row, relevance in zip(ids, found.relevance, strict=True):
            kept = (row != 0) / (row != 0).sum()
            mean = oracles.Linear(np.kron(kept[:, None], np.eye(3)), np.zeros(3), "ZPlus")
            last, x = oracles.Linear(kernel, bias), table[row].ravel()
            seed = last.output(mean.output(x)) * np.eye(3)[1]
            wanted = mean.relevance(x, last.relevance(mean.output(x), seed))
            np.testing.assert_allclose(relevance, wanted.reshape(4, 3).sum(1), rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)

    def test_as_an_operation(self):
        x = np.random.default_rng(7).normal(size=(2, 6, 6, 2)).astype("float32")
        inputs = keras.Input((6, 6, 2))
        start, end = layers.Conv2D(3, 1, activation="tanh"), layers.Dense(3)
        pools = layers.AveragePooling2D(2), lambda t: ops.average_pool(t, 2, 2)
        maps = [
            isi.explain(
                keras.Model(inputs, end(layers.Flatten()(pool(start(inputs))))),
                x,
                target=1,
                indicator=self.composites[0],
            ).relevance
            for pool in pools
        ]
        np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-6)


def einsum(equation, *shape, bias=""):
    axes = bias or equation.partition("->")[2][-1]
    return lambda: layers.EinsumDense(equation, shape, bias_axes=axes)


QUANTIZED = {
    "dense": (lambda: layers.Dense(3), 0),
    "einsum": (einsum("abc,cd->abd", 5, 3), 0),
    "two new axes": (einsum("abc,cde->abde", 5, 2, 2), 0),
    "two axes summed": (einsum("abc,bcd->ad", 3), (0, 1)),
    "a bias of each place": (einsum("abc,cd->abd", 5, 3, bias="bd"), 0),
    "a shared axis": (einsum("abc,bcd->abd", 5, 3), 1),
}
"""Dense layers of an input (N, 5, 6), and the axes of their kernels that have one step."""
_BITS = {
    "int8": keras.quantizers.Int8QuantizationConfig,
    "int4": keras.quantizers.Int4QuantizationConfig,
}
if "block_size" in inspect.signature(_BITS["int4"]).parameters:  # the oldest Keras has none
    _BITS["int4"] = functools.partial(_BITS["int4"], block_size=None)


# Functions that are infinite at 0, and such that almost are.
AT_POLES = {
    "tanh": (lambda x: ops.tanh(ops.log(x)), lambda x: ops.tanh(ops.log(x + 1e-20))),
    "sigmoid": (lambda x: ops.sigmoid(ops.log(x)), lambda x: ops.sigmoid(ops.log(x + 1e-25))),
    "inverse": (lambda x: ops.tanh(1 / x), lambda x: ops.tanh(1 / (x + 1e-20))),
    "power": (lambda x: 1 / (1 + ops.power(x, -1.0)), lambda x: 1 / (1 + 1 / (x + 1e-15))),
    "chosen": (
        lambda x: ops.where(x > 0, ops.power(x, -0.5), 0.0),
        lambda x: ops.where(x > 0, ops.power(x + 1e-15, -0.5), 0.0),
    ),
}

# How constants get beside a signal.
BESIDE = {
    "concatenate": lambda token, h: ops.concatenate([token, h], axis=1),
    "stack": lambda token, h: ops.stack([token, h], axis=1),
    "hstack": lambda token, h: ops.hstack([h, token]),
    "dstack": lambda token, h: ops.dstack([token, h]),
    "append": lambda token, h: ops.append(h, token, axis=1),
    "slice_update": lambda token, h: ops.slice_update(
        ops.cast(ops.tile(token, (1, 2, 1)), "float32"), (0, 4, 0), h
    ),
    "where": lambda token, h: ops.where(
        np.arange(8)[:, None] < 4, ops.tile(token, (1, 2, 1)), ops.tile(h, (1, 2, 1))
    ),
}


def _without_divisor(rewrite, graph):
    """A graph with the scores themselves where they were rewritten as weights."""
    made = rewrite(graph)
    for node in made.nodes:
        if node.kind == "Softmax" and node not in graph.nodes:
            node.op.function = lambda x: x
    return made


class TestLayersOfOnesOwn:
    x = np.random.default_rng(15).normal(size=(4, 6)).astype("float32")

    @pytest.fixture(autouse=True)
    def _registry(self, monkeypatch):
        monkeypatch.setattr(registry, "_REGISTERED", {})

    def model(self, layer):
        return keras.Sequential([keras.Input((6,)), layers.Dense(5), layer, layers.Dense(2)])

    def test_layers_of_operations_need_no_word(self):
        """Each is as the layers of Keras are that compute the same."""
        dense = keras.Sequential([keras.Input((5,)), layers.Dense(4)])
        pairs = (
            (Doubled(), layers.Rescaling(2.0)),
            (
                ConstantsFirst(),
                layers.Rescaling([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, -1.0, -2.0, -3.0, -4.0]),
            ),
            (Cubed(), layers.Activation(lambda x: x**3)),
            (layers.Lambda(lambda x: x), layers.Identity()),
            (LoudDense(4), None),
        )
        for own, plain in pairs:
            one = self.model(own)
            found = isi.explain(one, self.x, conservation=True)
            np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)
            if plain is not None:
                other = self.model(plain)
                other.set_weights(one.get_weights())
                wanted = isi.explain(other, self.x).relevance
                np.testing.assert_allclose(found.relevance, wanted, rtol=1e-4, atol=1e-5)
        assert dense.built

    @pytest.mark.parametrize("way", ["=", "left", "!=", "tensor", "tensor !=", "tensor <"])
    def test_comparisons_are_of_values(self, way):
        """The samples that the graph is compared for at first miss nothing."""
        model = keras.Sequential([keras.Input((5,)), Missing(way), layers.Dense(3)])
        x = self.x[:, :5].copy()
        x[2:, 1] = 0
        found = isi.explain(model, x, target=0, indicator="sensitivity")
        wanted = np.repeat(ops.convert_to_numpy(model.layers[-1].kernel)[None, :, 0], 4, axis=0)
        np.testing.assert_allclose(found.relevance, np.where(x == 0, 0, wanted), rtol=1e-5)
        np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(x)), rtol=1e-5)
        accounted = isi.explain(model, x, conservation=True).conservation
        np.testing.assert_allclose(accounted["elsewhere"], 0, atol=1e-4)

    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    @pytest.mark.parametrize("compare", [operator.eq, operator.ne])
    @pytest.mark.parametrize("other", OTHERS, ids=repr)
    def test_comparisons_answer_as_the_backend_does(self, compare, other, dtype):
        """A tensor, or at once that they are not equal, or an error."""
        if isinstance(other, complex) and dtype == "float16":
            pytest.skip("Torch warns of it once a process")

        def compared(x):
            found = compare(x, other)
            return (2 + found) * x if isinstance(found, bool) else x * ops.cast(found, x.dtype)

        x = self.x[:, :5].copy()
        x[:, 1], x[:, 2], x[:, 3] = 0, 0.5, 0.1
        layer = layers.Lambda(compared, dtype=dtype)
        model = keras.Sequential([keras.Input((5,)), layer, layers.Dense(3)])
        try:
            wanted = ops.convert_to_numpy(model(x))
        except (TypeError, ValueError, UserWarning):
            with pytest.raises((TypeError, ValueError, UserWarning)):
                isi.explain(model, x)
        else:
            found = isi.explain(model, x, indicator="sensitivity").logits
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("left", [np.float32(0.5), np.full(5, 0.5, "float32")], ids=["0", "1"])
    def test_numpy_on_the_left(self, left):
        layer = layers.Lambda(lambda x: ops.where(left == x, 2.0, x))
        model = keras.Sequential([keras.Input((5,)), layer, layers.Dense(3)])
        x = self.x[:, :5].copy()
        x[:, 2] = 0.5
        found = isi.explain(model, x)
        np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(x)), rtol=1e-5)

    def test_a_layer_that_builds_a_model_as_it_is_called(self):
        """Keras looks for tensors in lists of them meanwhile, which is about objects."""

        def built(x):
            entry = keras.Input(x.shape[1:])
            doubled = keras.Model(entry, 2 * entry)
            return keras.Sequential([layers.Rescaling(3.0), layers.Rescaling(0.5)])(doubled(x))

        model = self.model(layers.Lambda(built))
        found = isi.explain(model, self.x, conservation=True)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)
        np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(self.x)), rtol=1e-5)

    def test_infinite_constants(self):
        """An account of biases changed the map, as no share of infinity is 0."""
        masked = layers.Lambda(lambda x: ops.max(ops.where(x > 0, x, -np.inf), axis=1))
        model = keras.Sequential([keras.Input((4, 6)), masked, layers.Dense(3, use_bias=False)])
        x = np.abs(np.random.default_rng(1).normal(size=(3, 4, 6))).astype("float32")
        x[:, 1] *= -1
        plain, found = isi.explain(model, x), isi.explain(model, x, conservation=True)
        np.testing.assert_array_equal(found.relevance, plain.relevance)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)

    @pytest.mark.parametrize("name", AT_POLES)
    def test_what_is_infinite_inside(self, name):
        """No relevance passes it, and it makes nothing else infinite."""
        infinite, near = AT_POLES[name]
        x = np.abs(np.random.default_rng(1).normal(size=(3, 6))).astype("float32")
        x[:2, 1:3] = 0
        found = []
        for function in (infinite, near):
            model = keras.Sequential([keras.Input((6,)), layers.Lambda(function), layers.Dense(3)])
            model.layers[-1].kernel.assign(np.random.default_rng(2).normal(size=(6, 3)))
            found.append(isi.explain(model, x, target=1, conservation=True))
            np.testing.assert_allclose(found[-1].logits, ops.convert_to_numpy(model(x)), rtol=1e-5)
        one, other = found
        np.testing.assert_allclose(one.relevance, other.relevance, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(one.conservation["elsewhere"], 0, atol=1e-5)
        assert not one.relevance[:2, 1:3].any()

    @pytest.mark.parametrize("function", [ops.sigmoid, ops.softplus, ops.tanh, ops.relu6])
    @pytest.mark.parametrize("hide", ["weight", "pad"])
    def test_what_is_hidden_where_no_constant_shows_it(self, hide, function):
        """As by a mask that is a weight which is not trained."""

        class Hiding(layers.Layer):
            def build(self, shape):
                self.mask = self.add_weight(shape=(4,), trainable=False, name="mask")
                self.mask.assign([0.0, -np.inf, 0.0, -np.inf])
                self.dense = layers.Dense(4)
                self.dense.build(shape)

            def call(self, x):
                x = self.dense(x)
                if hide == "weight":
                    return function(x + self.mask)
                return function(ops.pad(x, ((0, 0), (1, 1)), constant_values=-np.inf))

        keras.utils.set_random_seed(2)
        model = keras.Sequential([keras.Input((6,)), Hiding(), layers.Dense(3)])
        x = np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
        found = isi.explain(model, x, target=1, conservation=True)
        np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(x)), rtol=1e-4)
        assert np.isfinite(found.relevance).all()
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)

    @pytest.mark.parametrize("name", BESIDE)
    @pytest.mark.parametrize("dtype", ["float32", "int32"])
    def test_constants_beside_a_signal(self, dtype, name):
        """A class token that is no weight is a bias, for one sample as for several."""

        class Beside(keras.Model):
            def __init__(self):
                super().__init__()
                self.hidden, self.last = layers.Dense(3), layers.Dense(2, use_bias=False)

            def call(self, x):
                token = 2 * ops.ones((ops.shape(x)[0], 4, 3), dtype)
                both = BESIDE[name](token, self.hidden(x))
                return self.last(ops.reshape(both, (-1, 24)))

        keras.utils.set_random_seed(2)
        model, x = Beside(), np.random.default_rng(1).normal(size=(3, 4, 3)).astype("float32")
        model(x)
        found = isi.explain(model, x, target=1, conservation=True, indicator="epsilon")
        places = ops.reshape(BESIDE[name](ops.ones((1, 4, 3)), ops.zeros((1, 4, 3))), (1, -1))
        bias = 2 * ops.convert_to_numpy(places @ ops.convert_to_tensor(model.last.kernel))[0, 1]
        np.testing.assert_allclose(found.conservation["bias"], bias, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)

    def test_small_numbers_keep_their_relevance(self):
        """A logarithm of small probabilities passes on all that it gets."""
        model = keras.Sequential(
            [keras.Input((6,)), layers.Lambda(ops.log), layers.Dense(3, use_bias=False)]
        )
        x = np.random.default_rng(1).uniform(1e-12, 1e-9, size=(3, 6)).astype("float32")
        found = isi.explain(model, x, target=1)
        wanted = np.log(x.astype("float64")) * ops.convert_to_numpy(model.weights[0])[:, 1]
        np.testing.assert_allclose(found.relevance, wanted, rtol=1e-5)

    def test_integers_that_are_multiplied_are_said(self):
        """A mask that is multiplied as a number takes a half, as any factor does."""
        x, mask = keras.Input((4, 3), name="x"), keras.Input((4,), dtype="int32", name="mask")
        for weigh, said in (
            (lambda m: m, True),
            (lambda m: m / ops.sum(m, axis=1, keepdims=True), True),
            (lambda m: m > 0, False),
        ):
            weights = ops.cast(weigh(mask), "float32")[..., None]
            pooled = ops.sum(layers.Dense(3)(x) * weights, axis=1) / ops.sum(weights, axis=1)
            model = keras.Model({"x": x, "mask": mask}, layers.Dense(2)(pooled))
            given = {"x": np.ones((2, 4, 3), "float32"), "mask": np.array([[1, 1, 1, 0]] * 2)}
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = isi.explain(model, given)
            text = "".join(str(each.message) for each in caught)
            assert ("The input 'mask' holds integers and is multiplied" in text) == said
            assert bool(found.relevance["mask"].any()) == said

    @pytest.mark.parametrize("options", [{}, {"gates": "halves"}, {"attention": "attnlrp"}])
    def test_booleans_that_are_multiplied_take_nothing(self, options):
        """Under every rule they weigh, also as shares of their sum."""
        x, mask = keras.Input((4, 3), name="x"), keras.Input((4,), dtype="bool", name="mask")
        weights = ops.cast(mask, "float32")[..., None]
        shares = weights / ops.sum(weights, axis=1, keepdims=True)
        masked = {"x": np.ones((2, 4, 3), "float32"), "mask": np.array([[1, 1, 0, 1]] * 2, bool)}
        found = []
        for pool in (
            lambda h: ops.sum(h * weights, axis=1) / 3,
            lambda h: ops.sum(h * shares, axis=1),
            lambda h: ops.sum(ops.where(mask[..., None], h, 0.0), axis=1) / 3,
        ):
            keras.utils.set_random_seed(1)
            pooled = pool(layers.Dense(3)(x))
            model = keras.Model({"x": x, "mask": mask}, layers.Dense(2)(pooled))
            indicator = isi.Relevance(isi.Composite("epsilon", **options))
            found.append(isi.explain(model, masked, target=0, indicator=indicator).relevance)
            assert not found[-1]["mask"].any()
            np.testing.assert_allclose(found[-1]["x"], found[0]["x"], rtol=1e-4, atol=1e-6)
        assert np.abs(found[0]["x"]).max() > 1e-2

    @pytest.mark.parametrize("options", [{}, {"gates": "halves"}, {"attention": "attnlrp"}])
    def test_neighbours_that_are_booleans_take_nothing(self, options):
        """However an adjacency is normalised, it says where to look, as a constant would."""
        near = np.array([[[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]] * 2, bool)
        x = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("float32")
        eye = np.eye(4, dtype="float32")

        def by_degree(a):
            degree = ops.sum(a, axis=-1)
            scale = ops.where(degree > 0, ops.power(degree, -0.5), 0.0)
            return scale[..., None] * a * scale[:, None]

        def in_matrices(a):
            scale = ops.rsqrt(ops.maximum(ops.sum(a, axis=-1), 1e-6))[..., None] * eye
            return ops.matmul(ops.matmul(scale, a), scale)

        shares = lambda a: a / ops.maximum(ops.sum(a, axis=-1, keepdims=True), 1.0)  # noqa: E731
        for normalise in (
            by_degree,
            in_matrices,
            shares,
            lambda a: by_degree(a + eye),
            lambda a: shares(ops.multiply(1 - eye, a)),
            lambda a: ops.softmax(ops.where(a + eye > 0, 0.0, -1e9)),
        ):
            found = []
            for held in (False, True):
                keras.utils.set_random_seed(1)
                inputs = [keras.Input((4, 3)), keras.Input((4, 4), dtype="bool")]
                signal = layers.Dense(5)(inputs[0])
                weights = normalise(ops.cast(inputs[1], "float32"))
                weights = ops.stop_gradient(weights) if held else weights
                read = ops.reshape(ops.matmul(weights, signal), (-1, 20))
                model = keras.Model(inputs, layers.Dense(2)(read))
                indicator = isi.Relevance(isi.Composite("epsilon", **options))
                found.append(isi.explain(model, [x, near], target=0, indicator=indicator).relevance)
            (signals, neighbours), (right, _) = (list(each.values()) for each in found)
            assert not neighbours.any()
            assert np.abs(signals).max() > 1e-2
            np.testing.assert_allclose(signals, right, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("attention", ["values", "attnlrp"])
    def test_what_is_made_of_booleans_is_no_mask(self, attention):
        """Their counts, differences and linear maps are numbers, as of reals that are 0 and 1."""
        kernel = np.random.default_rng(1).normal(size=(3, 3)).astype("float32")
        indicator = isi.Relevance(isi.Composite("epsilon", attention=attention))
        for make in (
            lambda f: ops.matmul(f, kernel),
            lambda f: 2 * f - 1,
            lambda f: f * kernel[0] - 0.1,  # without a term it is a gate, as the sum is
            lambda f: ops.sum(f, axis=-1, keepdims=True) - 1.5,
        ):
            found = []
            for dtype in ("bool", "float32"):
                keras.utils.set_random_seed(1)
                x, flags = keras.Input((3,), name="x"), keras.Input((3,), dtype=dtype, name="flags")
                product = x * make(ops.cast(flags, "float32"))
                model = keras.Model({"x": x, "flags": flags}, layers.Dense(2)(product))
                given = {"x": np.ones((2, 3), "float32"), "flags": np.array([[1, 0, 1]] * 2, dtype)}
                found.append(isi.explain(model, given, indicator=indicator).relevance)
            for name in ("x", "flags"):
                np.testing.assert_allclose(*(each[name] for each in found), rtol=1e-4, atol=1e-6)
                assert np.abs(found[0][name]).max() > 1e-2

    @pytest.mark.parametrize("order", ["abc", "cab", "bca"])
    def test_a_layer_that_multiplies_several(self, order):
        """It multiplies two at a time; each of its factors gets the same."""
        inputs, found = keras.Input((5,)), []
        twice = layers.Multiply()
        for multiply in (
            layers.Multiply(),
            lambda f: ops.einsum("ni,ni,ni->ni", *f),
            lambda f: twice([f[0], twice(f[1:])]),
            lambda f: f[0] * (f[1] * f[2]),
        ):
            keras.utils.set_random_seed(1)
            factors = {name: layers.Dense(4)(inputs[:, k : k + 3]) for k, name in enumerate("abc")}
            model = keras.Model(inputs, layers.Dense(2)(multiply([factors[k] for k in order])))
            x = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")
            found.append(isi.explain(model, x, target=0, indicator="epsilon").relevance)
        for one, other in (found[:2], found[2:]):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert np.abs(found[0] - found[2]).max() > 1e-2

    def test_a_selection_is_no_layer(self):
        """What depends on the input is no kernel with a rule, if relevance passes it or not."""
        x, inputs, found = np.random.default_rng(1).normal(size=(3, 6)), keras.Input((6,)), []
        for select in (
            lambda h, rows: ops.take_along_axis(h, rows[..., None], axis=1),
            lambda h, rows: ops.matmul(ops.one_hot(rows, 4), h),
        ):
            keras.utils.set_random_seed(1)
            rows = ops.top_k(layers.Dense(4)(inputs), 2)[1]
            values = layers.Reshape((4, 3))(layers.Dense(12, "relu")(inputs))
            model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(select(values, rows))))
            found.append(isi.explain(model, x.astype("float32"), indicator="alpha2beta1").relevance)
        np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)
        assert np.abs(found[0]).max() > 1e-2

    def test_a_gate_beside_two_signals(self):
        """It takes nothing, and they equal parts, of one `einsum` as of one layer."""
        x = np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
        inputs, found = keras.Input((6,)), []
        for multiply in (layers.Multiply(), lambda f: ops.einsum("ni,ni,ni->ni", *f)):
            keras.utils.set_random_seed(1)
            factors = [layers.Dense(4)(inputs[:, 2 * k : 2 * k + 2]) for k in range(3)]
            factors[1] = ops.sigmoid(factors[1])
            model = keras.Model(inputs, layers.Dense(2)(multiply(factors)))
            found.append(isi.explain(model, x, target=0, indicator="z").relevance)
        np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)
        assert not found[0][:, 2:4].any()
        sums = found[0][:, :2].sum(axis=1), found[0][:, 4:].sum(axis=1)
        np.testing.assert_allclose(*sums, rtol=1e-4, atol=1e-5)

    @pytest.mark.once(on="jax")  # Torch does not run it with weights that are tensors
    @pytest.mark.parametrize("options", [{}, {"attention": "attnlrp"}])
    def test_an_average_is_a_weighted_sum(self, options):
        inputs, found = keras.Input((4, 3)), []
        for pool in (
            lambda v, w: ops.average(v, axis=1, weights=w),
            lambda v, w: ops.sum(v * w, axis=1) / ops.sum(w, axis=1),
        ):
            keras.utils.set_random_seed(1)
            pooled = pool(layers.Dense(5)(inputs), ops.sigmoid(layers.Dense(5)(inputs)))
            model = keras.Model(inputs, layers.Dense(2)(pooled))
            x = np.random.default_rng(1).normal(size=(3, 4, 3)).astype("float32")
            indicator = isi.Relevance(isi.Composite("epsilon", **options))
            found.append(isi.explain(model, x, target=0, indicator=indicator).relevance)
        np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)

    def test_error_names_the_layer(self):
        match = (
            r"rule for the layer 'odd' of class Framework\. It cannot be seen through.*"
            r"register\(Framework, 'linear'\)"
        )
        model = self.model(Framework(name="odd"))
        for attempt in (isi.explain, isi.Attack(bounds=(-9, 9))):
            with pytest.raises(ValueError, match=match):
                attempt(model, self.x)
        gradient = isi.explain(model, self.x, indicator="sensitivity")
        np.testing.assert_allclose(
            gradient.logits, ops.convert_to_numpy(model(self.x)), rtol=1e-4, atol=1e-5
        )
        assert isi.Attack("sensitivity", bounds=(-9, 9))(model, self.x).changed.any()

    def test_error_of_another_function(self, monkeypatch):
        """Rewriting a model for its rules must not change what it computes."""
        changed = functools.partial(_without_divisor, softmaxes.with_softmaxes)
        monkeypatch.setattr(propagation, "with_softmaxes", changed)
        model = self.model(layers.Lambda(lambda x: ops.softmax(x - ops.max(x, -1)[:, None])))
        with pytest.raises(ValueError, match="it returns other outputs"):
            isi.explain(model, self.x, indicator="epsilon")

    def test_error_of_a_list_says_what_to_write(self):
        model = self.model(layers.Lambda(lambda x: ops.add(x, [0.25] * x.shape[-1]), name="odd"))
        with pytest.raises(ValueError, match=r"'odd' .* a list .*convert_to_tensor"):
            isi.explain(model, self.x)

    def test_error_names_a_layer_that_asks_for_values(self):
        class Holder(keras.Model):
            def __init__(self):
                super().__init__()
                self.odd, self.last = Asking(name="odd"), layers.Dense(2)

            def call(self, x):
                return self.last(self.odd(x))

        model = Holder()
        model(self.x)
        with pytest.raises(ValueError, match=r"'odd' of class Asking"):
            isi.explain(model, self.x)

    def test_error_names_the_operation(self):
        model = self.model(layers.Lambda(lambda x: ops.cumprod(x, axis=-1), name="odd"))
        match = r"for the operation Cumprod in the layer 'odd' of class Lambda.*sensitivity"
        with pytest.raises(ValueError, match=match):
            isi.explain(model, self.x)

    def test_steps_alone_are_refused(self):
        model = self.model(layers.Lambda(lambda x: ops.cast(x > 0, "float32")))
        with pytest.raises(ValueError, match=r"by steps alone: no relevance passes"):
            isi.explain(model, self.x)

    def test_gradient_on_request(self):
        model = self.model(layers.Lambda(lambda x: ops.cumprod(x, axis=-1), name="odd"))
        with pytest.warns(
            UserWarning, match=r"no relevance rule for these layers.*'odd' \(Lambda\)"
        ):
            found = isi.explain(model, self.x, indicator=isi.Relevance(on_unknown="gradient"))
        gradient = isi.explain(model, self.x, indicator="sensitivity").relevance
        np.testing.assert_allclose(found.relevance, self.x * gradient, rtol=1e-4, atol=1e-5)

    def test_what_was_registered_wrongly_is_said_to_lose_relevance(self):
        isi.register(Cubed, "gradient")
        with pytest.warns(UserWarning, match=r"The layer 'odd', as it was registered, loses"):
            isi.explain(self.model(Cubed(name="odd")), self.x)

    def test_homogeneous(self):
        isi.register(Doubled, "gradient")
        report = isi.explain(self.model(Doubled()), self.x, conservation=True).conservation
        np.testing.assert_allclose(report["elsewhere"], 0, atol=1e-5)

    def test_activation(self):
        isi.register(Cubed, "activation")
        plain, cubed = self.model(layers.Activation(lambda x: x**3)), self.model(Cubed())
        cubed.set_weights(plain.get_weights())
        np.testing.assert_allclose(
            isi.explain(cubed, self.x).relevance, isi.explain(plain, self.x).relevance, rtol=1e-5
        )

    def test_what_is_registered_may_compute_in_place(self):
        class Bounded(layers.Layer):
            def call(self, x):
                if keras.config.backend() == "torch" and not isinstance(x, keras.KerasTensor):
                    return x.clamp_(-0.1, 0.1)
                return ops.clip(x, -0.1, 0.1)

        isi.register(Bounded, "activation")
        own = self.model(Bounded())
        plain = self.model(layers.Activation(lambda x: ops.clip(x, -0.1, 0.1)))
        plain.set_weights(own.get_weights())
        found, wanted = (isi.explain(m, self.x, indicator="zplus").relevance for m in (own, plain))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize("shift", [1, 2])
    def test_an_activation_that_mixes_entries_is_said(self, shift):
        """Registered so, it passes relevance unchanged, as some do with norms."""

        class Whitened(layers.Layer):
            def call(self, x):
                return x - ops.roll(x, shift, axis=-1)

        isi.register(Whitened, "activation")
        with pytest.warns(UserWarning, match="'odd' of class Whitened, registered as 'activation'"):
            isi.explain(self.model(Whitened(name="odd")), self.x)

    @pytest.mark.parametrize("rule", ["z", "epsilon", "zplus", "alpha2beta1", "gamma"])
    def test_linear(self, rule):
        isi.register(Shifted, "linear")
        plain, own = self.model(layers.Dense(3, "relu")), self.model(Shifted())
        own.set_weights([*plain.get_weights()])
        found, wanted = (
            isi.explain(m, self.x, indicator=isi.Relevance(rule)).relevance for m in (own, plain)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)

    def test_function(self):
        isi.register(Cubed, lambda layer, call, x: x * ops.stop_gradient(x**2))
        report = isi.explain(self.model(Cubed()), self.x, conservation=True).conservation
        np.testing.assert_allclose(report["elsewhere"], 0, atol=1e-4)

    def test_errors(self):
        with pytest.raises(TypeError, match=r"Expected a subclass of keras\.layers\.Layer"):
            isi.register(Doubled(), "linear")
        with pytest.raises(ValueError, match=r"Unknown treatment: 'liner'\. Did you mean 'linear'"):
            isi.register(Doubled, "liner")
        with pytest.raises(TypeError, match=r"or a function \(layer, call, x\)\. Received: 3"):
            isi.register(Doubled, 3)

    @pytest.mark.parametrize(
        ("kind", "match"),
        [
            (Turned, r"'odd' of class Turned, registered as 'linear', returns values below 0"),
            (Unit, r"'odd' of class Unit, registered as 'linear', is not linear in its kernel"),
        ],
    )
    def test_what_is_linear_otherwise_is_refused_where_signs_count(self, kind, match):
        """Seen through, its map is that of the kernel with the sign in it."""
        isi.register(kind, None)
        own, x = self.model(kind(name="odd")), self.x
        seen = {rule: isi.explain(own, x, indicator=rule).relevance for rule in ("z", "zplus")}
        isi.register(kind, "linear")
        np.testing.assert_allclose(isi.explain(own, x).relevance, seen["z"], rtol=1e-4, atol=1e-6)
        with pytest.raises(ValueError, match=match):
            isi.explain(own, x, indicator="zplus")
        isi.register(kind, None)
        again = isi.explain(own, x, indicator="zplus")
        np.testing.assert_array_equal(again.relevance, seen["zplus"])

    @pytest.mark.parametrize(
        ("treatment", "match"),
        [
            (lambda layer, call, x: None, r"has to return what the layer does, \(None, 3\)\. It"),
            (lambda layer, call, x: x, r"what the layer does, \(None, 3\)\. It returned: \(3, 5\)"),
            (lambda call, x: x, r"of class Shifted failed\. It is called as \(layer, call, x, "),
            (
                "activation",
                r"is no function of each entry: of the shape \(3, 5\) it makes \(3, 3\)",
            ),
        ],
    )
    def test_errors_of_what_was_registered(self, treatment, match):
        isi.register(Shifted, treatment)
        with pytest.raises(ValueError, match=match):
            isi.explain(self.model(Shifted(name="odd")), self.x)

    def test_a_rule_whose_weights_do_not_sum_to_1(self):
        @dataclasses.dataclass(frozen=True, eq=False)
        class Half(isi.rules.Rule):
            epsilon: float = 1e-6
            bias: bool = True

            def parts(self, linear):
                return [(0.5, linear.plain())]

        with pytest.raises(ValueError, match=r"parts of .*Half\(.* have to sum to 1"):
            isi.explain(self.model(Cubed()), self.x, indicator=Half())

    def test_a_registered_layer_hides_what_is_in_it(self):
        isi.register(Shifted, "linear")
        model = keras.Sequential([keras.Input((6,)), Shifted(name="odd")])
        with pytest.raises(ValueError, match=r"last operation is the layer 'odd' as a whole"):
            isi.explain(model, self.x)

    @pytest.mark.parametrize(
        ("kind", "mode"),
        [(kind, "int8") for kind in QUANTIZED] + [(kind, "int4") for kind in [*QUANTIZED][:5]],
    )
    def test_quantized_weights_are_scaled_back(self, kind, mode):
        """As by the weights that the same rounding leaves, found by NumPy from the plain ones."""
        make, axes = QUANTIZED[kind]
        inputs = keras.Input((5, 6))
        layer = make()
        model = keras.Model(inputs, layers.Flatten()(layer(inputs)))
        x = np.random.default_rng(5).normal(size=(3, 5, 6)).astype("float32")
        layer.bias.assign(np.random.default_rng(6).normal(size=layer.bias.shape))
        kernel = ops.convert_to_numpy(layer.kernel)
        most = {"int8": 127, "int4": 7}[mode]
        step = np.abs(kernel).max(axis=axes, keepdims=True) / most
        rounded = np.round(kernel / step) * step
        layer.kernel.assign(rounded)
        plain = {}
        rules = "epsilon", "zplus", "alpha2beta1", "gamma"
        firsts = isi.rules.WSquare(), isi.rules.Flat(), isi.rules.ZBox(-4, 4)
        rules = [*rules, *(isi.Composite("epsilon", first=first) for first in firsts)]
        for number, rule in enumerate(rules):
            plain[number] = isi.explain(model, x, indicator=rule, target=1).relevance
        layer.kernel.assign(kernel)
        layer.quantize(mode, config=_BITS[mode]())
        for number, rule in enumerate(rules):
            found = isi.explain(model, x, indicator=rule, target=1, conservation=True)
            np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(x)), atol=1e-5)
            scale = np.abs(plain[number]).max()  # the inputs are rounded too
            np.testing.assert_allclose(found.relevance, plain[number], atol=0.05 * scale)
            np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)

    def test_the_function_at_the_end_of_a_quantized_layer_is_seen(self):
        """A softmax is taken off, and others are treated as they are elsewhere."""

        class Placed(layers.Layer):
            def __init__(self):
                super().__init__()
                self.words, self.places = layers.Embedding(9, 8), layers.Embedding(6, 8)

            def call(self, ids):
                return self.words(ids) + self.places(np.arange(6))

        ids, placed = keras.Input((6,), dtype="int32"), Placed()
        mixed = layers.EinsumDense("abc,cd->abd", (None, 7), activation="relu")
        hidden = layers.Reshape((42,))(mixed(placed(ids)))
        model = keras.Model(ids, layers.Dense(3, "softmax")(hidden))
        x = np.random.default_rng(7).integers(0, 9, (4, 6))
        plain = isi.explain(model, x, indicator="zplus", target=1)
        for layer in (placed.words, placed.places, mixed, model.layers[-1]):
            layer.quantize("int8")
        found = isi.explain(model, x, indicator="zplus", target=1, conservation=True)
        np.testing.assert_array_equal(found.prediction, model.predict(x, verbose=0).argmax(-1))
        scale = np.abs(plain.relevance).max()
        np.testing.assert_allclose(found.relevance, plain.relevance, atol=0.05 * scale)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)

    @pytest.mark.parametrize(
        "computed", [lambda n: n // 2, lambda n: n % 5, lambda n: ops.clip(n, 2, 7)]
    )
    def test_whole_numbers_may_be_computed_with(self, computed):
        """What looks up a row of its own for each token has the map of the rows that are meant."""
        ids, rows = keras.Input((6,), dtype="int32"), keras.Input((6,), dtype="int32")
        tail = keras.Sequential(
            [layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2, bias_initializer="ones")]
        )
        x = np.random.default_rng(3).integers(0, 9, (5, 6)).astype("int32")
        found = isi.explain(keras.Model(ids, tail(computed(ids))), x, indicator="epsilon")
        meant = ops.convert_to_numpy(computed(ops.convert_to_tensor(x)))
        wanted = isi.explain(keras.Model(rows, tail(rows)), meant, indicator="epsilon")
        np.testing.assert_allclose(found.relevance, wanted.relevance, atol=1e-6)
        assert np.abs(found.relevance).max() > 1e-3

    def test_quantized_layers_that_compute_in_half_precision(self):
        """What they round is absorbed with epsilon, and the logits are the model's own."""
        inputs = keras.Input((5, 8))
        half = {"dtype": "mixed_bfloat16"}
        inner = (
            layers.Dense(8, "relu", **half),
            layers.EinsumDense("abc,cd->abd", (5, 6), bias_axes="d", **half),
        )
        hidden = layers.Flatten()(inner[1](inner[0](inputs)))
        last = layers.Dense(3, "softmax", **half)
        model = keras.Model(inputs, last(hidden))
        x = np.random.default_rng(8).normal(size=(6, 5, 8)).astype("float32")
        plain = isi.explain(model, x, indicator="zplus", target=1)
        for layer in (*inner, last):
            layer.quantize("int8")
        found = isi.explain(model, x, indicator="zplus", target=1, conservation=True)
        np.testing.assert_array_equal(found.prediction, model.predict(x, verbose=0).argmax(-1))
        scale = np.abs(plain.relevance).max()
        np.testing.assert_allclose(found.relevance, plain.relevance, atol=0.1 * scale)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)

    def test_adaptation_of_low_rank_in_a_quantized_layer(self):
        """Its two matrices are not rounded, and their product is added to what is."""
        inputs, layer, plain = keras.Input((6,)), layers.Dense(5), layers.Dense(5)
        last = layers.Dense(3)
        adapted, right = (keras.Model(inputs, last(each(inputs))) for each in (layer, plain))
        kernel = ops.convert_to_numpy(layer.kernel)
        step = np.abs(kernel).max(axis=0) / 127
        layer.quantize("int8")
        layer.enable_lora(2)
        rng = np.random.default_rng(9)
        matrices = layer.lora_kernel_a, layer.lora_kernel_b
        for matrix in matrices:
            matrix.assign(rng.normal(size=matrix.shape))
        one, two = map(ops.convert_to_numpy, matrices)
        plain.kernel.assign(np.round(kernel / step) * step + one @ two)
        x = (rng.integers(-127, 128, size=(4, 6)) / 127).astype("float32")
        x[:, 0] = 1  # so that the inputs are what they are rounded to
        for rule in ("epsilon", "zplus", "gamma", isi.Composite("epsilon", first="flat")):
            found, wanted = (
                isi.explain(model, x, indicator=rule, target=1) for model in (adapted, right)
            )
            scale = np.abs(wanted.relevance).max()
            np.testing.assert_allclose(found.relevance, wanted.relevance, atol=1e-3 * scale)

    def test_words_of_few_bits_that_are_looked_up_and_compared(self):
        ids, words = keras.Input((6,), dtype="int32"), layers.ReversibleEmbedding(9, 8)
        hidden = layers.Dense(8)(layers.GlobalAveragePooling1D()(words(ids)))
        model = keras.Model(ids, words(hidden, reverse=True))
        x = np.random.default_rng(7).integers(0, 9, (4, 6))
        kernel = ops.convert_to_numpy(words.embeddings)
        step = np.abs(kernel).max(axis=-1, keepdims=True) / 127
        words.embeddings.assign(np.round(kernel / step) * step)
        plain = isi.explain(model, x, indicator="zplus", target=1)
        words.embeddings.assign(kernel)
        words.quantize("int8")
        found = isi.explain(model, x, indicator="zplus", target=1, conservation=True)
        scale = np.abs(plain.relevance).max()
        np.testing.assert_allclose(found.relevance, plain.relevance, atol=0.02 * scale)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)

    def test_other_quantized_layers_are_refused(self):
        model = keras.Sequential([keras.Input((6,)), layers.Dense(2, name="small")])
        model.layers[0].quantize("float8")
        model = isi.logits(model, from_logits=True)
        with pytest.raises(ValueError, match=r"'small' of class Dense, as it is quantized"):
            isi.explain(model, np.ones((2, 6), "float32"))

    def test_low_rank_adaptation(self):
        model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "relu"), layers.Dense(2)])
        model.layers[0].enable_lora(2)
        rng = np.random.default_rng(16)
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        plain = keras.Sequential([keras.Input((6,)), layers.Dense(4, "relu"), layers.Dense(2)])
        plain.layers[0].set_weights(
            [ops.convert_to_numpy(model.layers[0].kernel), model.layers[0].bias]
        )
        plain.layers[1].set_weights(model.layers[1].get_weights())
        found, wanted = (
            isi.explain(m, self.x, indicator=isi.Relevance(ZPlus())).relevance
            for m in (model, plain)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


RULED_OUT = {
    "returned": lambda scores: scores,
    "maximum": lambda scores: ops.max(scores, axis=1, keepdims=True),
}


@pytest.mark.parametrize("name", RULED_OUT)
def test_large_numbers_that_cancel_are_said(rng, name):
    """As those of a mask that is added to what is no weight of attention."""
    x = {"x": rng.normal(size=(2, 4)).astype("float32")}
    x["mask"] = np.array([[1, 1, 0], [1, 0, 1]], "float32")
    dense, models = layers.Dense(3, bias_initializer="ones"), []
    for rule_out in (
        lambda scores, mask: scores + (1.0 - mask) * -1e9,
        lambda scores, mask: ops.where(mask > 0, scores, -1e9),
    ):
        inputs = {key: keras.Input(part.shape[1:], name=key) for key, part in x.items()}
        models.append(
            keras.Model(inputs, RULED_OUT[name](rule_out(dense(inputs["x"]), inputs["mask"])))
        )
    added, chosen = (isi.logits(model, from_logits=True) for model in models)
    with pytest.warns(UserWarning, match=r"most of all those of the input 'mask', are .* cancel"):
        found = isi.explain(added, x, indicator="epsilon", target=0)
    right = isi.explain(chosen, x, indicator="epsilon", target=0)
    assert np.abs(right.relevance["mask"]).max() == 0 < np.abs(found.relevance["mask"]).max()
    words = right.relevance["x"]
    np.testing.assert_allclose(found.relevance["x"], words, atol=1e-5 * np.abs(words).max())


def test_a_row_that_is_ruled_out_explains_nothing(rng):
    x = rng.normal(size=(1, 4)).astype("float32")
    x[:, 0] = -1
    inputs = keras.Input((4,))
    outputs = ops.where(inputs[:, :1] > 0, ops.softmax(layers.Dense(3)(inputs)), 0.0)
    found = isi.explain(keras.Model(inputs, outputs), x, indicator="epsilon")
    np.testing.assert_array_equal(found.relevance, 0)
