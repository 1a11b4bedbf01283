"""The epsilon rule against NumPy, Zennit and closed forms."""

import itertools

import keras
import numpy as np
import oracles
import pytest
from conftest import GOLDEN, images, small_network
from keras import layers, ops

import isi_keras as isi
from isi_keras import backend, composites
from isi_keras.rewrite import rewritten
from isi_keras.rules import Epsilon, ratio

with np.load(GOLDEN / "zennit_epsilon.npz", allow_pickle=False) as _data:
    ZENNIT = dict(_data)
KINDS = sorted({tuple(name.split("/")[1:3]) for name in ZENNIT})
LAYERS = {
    "dense": lambda n, **o: layers.Dense(n, **o),
    "conv1d": lambda n, **o: layers.Conv1D(n, 3, **o),
    "conv2d": lambda n, **o: layers.Conv2D(n, 3, **o),
    "conv2d_stride2": lambda n, **o: layers.Conv2D(n, 3, strides=2, **o),
    "conv2d_dilation2": lambda n, **o: layers.Conv2D(n, 3, dilation_rate=2, **o),
    "conv3d": lambda n, **o: layers.Conv3D(n, 2, **o),
    "conv2d_transpose": lambda n, **o: layers.Conv2DTranspose(n, 3, strides=2, **o),
    "depthwise_conv2d": lambda n, **o: layers.DepthwiseConv2D(3, depth_multiplier=2, **o),
}


def mlp(seed, sizes, activation="relu"):
    rng = np.random.default_rng(seed)
    weights = [
        (rng.normal(size=pair).astype("float32"), rng.normal(size=pair[1]).astype("float32"))
        for pair in itertools.pairwise(sizes)
    ]
    model = keras.Sequential(
        [keras.Input((sizes[0],))]
        + [layers.Dense(n, activation=activation) for n in sizes[1:-1]]
        + [layers.Dense(sizes[-1], activation="softmax")]
    )
    model.set_weights([array for pair in weights for array in pair])
    return model, weights


@pytest.mark.parametrize("epsilon", [0.0, 1e-6, 0.25])
@pytest.mark.parametrize("sizes", [(6, 4), (6, 8, 4), (6, 8, 5, 3)])
@pytest.mark.parametrize("target", [None, 1])
def test_equals_the_oracle(epsilon, sizes, target):
    model, weights = mlp(7, sizes)
    x = np.random.default_rng(8).normal(size=(25, 6)).astype("float32")
    found = isi.explain(model, x, target=target, indicator=isi.Relevance(Epsilon(epsilon)))
    doubles = [(w.astype("float64"), b.astype("float64")) for w, b in weights]
    for index, sample in enumerate(x):
        logits = oracles.forward(doubles, sample)[-1]
        classes = int(logits.argmax()) if target is None else target
        wanted = oracles.RULES["Epsilon"](
            doubles, sample, oracles.seed(logits, classes, 1, "logit"), epsilon
        )
        np.testing.assert_allclose(
            found.relevance[index], wanted, rtol=0, atol=2e-5 * np.abs(wanted).max()
        )
        np.testing.assert_allclose(found.logits[index], logits, rtol=1e-4, atol=1e-4)
        assert found.target[index] == classes


@pytest.mark.parametrize(("kind", "bias"), KINDS, ids=["-".join(k) for k in KINDS])
@pytest.mark.parametrize("rule", ["epsilon", "epsilon_0.25"])
def test_layers_equal_zennit(kind, bias, rule):
    case = {n.split("/")[-1]: v for n, v in ZENNIT.items() if n.startswith(f"layer/{kind}/{bias}/")}
    layer = LAYERS[kind](case["r"].shape[-1], use_bias=bias == "bias")
    model = keras.Sequential([keras.Input(case["x"].shape[1:]), layer])
    layer.set_weights([case[name] for name in ("kernel", "bias") if name in case])
    chosen = Epsilon(0.25 if "0.25" in rule else 1e-6)
    swaps = composites.swaps(model, chosen, "error")

    def run(x):
        with rewritten(swaps):
            return layer(x)

    x, plain = ops.convert_to_tensor(case["x"]), ops.convert_to_numpy(model(case["x"]))
    z, pullback = backend.vjp(run, x)
    np.testing.assert_allclose(ops.convert_to_numpy(z), plain, atol=1e-6)
    relevance = ops.convert_to_numpy(x * pullback(ops.convert_to_tensor(case["r"]) / z))
    greatest = np.abs(case[rule]).max()
    np.testing.assert_allclose(relevance, case[rule], rtol=0, atol=1e-3 * greatest)
    # Away from pre-activations next to zero, where float32 cancels, they agree closely.
    if np.abs(ops.convert_to_numpy(z)).min() > 1e-2 or rule == "epsilon_0.25":
        np.testing.assert_allclose(relevance, case[rule], rtol=0, atol=1e-5 * greatest)


def test_epsilon_zero_is_gradient_times_input_on_relu_networks():
    x = keras.Input((8, 8, 2))
    h = layers.Conv2D(4, 3, activation="relu", bias_initializer="random_normal")(x)
    h = layers.MaxPooling2D()(h)
    skip = layers.Conv2D(4, 1)(h)
    h = layers.BatchNormalization(moving_mean_initializer="random_normal")(h)
    h = layers.ReLU()(layers.Add()([h, skip]))
    h = layers.Concatenate()([layers.GlobalAveragePooling2D()(h), layers.Flatten()(h)])
    model = keras.Model(x, layers.Dense(3, "softmax")(h))
    data = np.random.default_rng(0).normal(size=(5, 8, 8, 2)).astype("float32")
    relevance = isi.explain(model, data, indicator="relevance").relevance
    gradient = isi.explain(model, data, indicator="sensitivity").relevance
    np.testing.assert_allclose(relevance, data * gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "silu", "relu6", "elu"])
@pytest.mark.parametrize("epsilon", [0.0, 1e-6])
def test_relevance_sums_to_the_logit_without_biases(activation, epsilon):
    model, _ = mlp(3, (6, 9, 7, 4), activation)
    for layer in model.layers:
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, 0 * bias])
    apart = keras.Sequential([keras.Input((6,))])  # activations as layers of their own
    for layer in model.layers:
        apart.add(layers.Dense(layer.units))
        apart.layers[-1].set_weights(layer.get_weights())
        if layer is not model.layers[-1]:
            apart.add(layers.Activation(activation))
    x = np.random.default_rng(1).normal(size=(10, 6)).astype("float32")
    for network in (model, apart):
        found = isi.explain(network, x, indicator=isi.Relevance(Epsilon(epsilon)))
        np.testing.assert_allclose(
            found.relevance.sum(1), found.logits.max(1), rtol=2e-3, atol=1e-3
        )
    close = isi.explain(model, x, indicator="relevance")
    np.testing.assert_allclose(
        close.relevance, isi.explain(apart, x).relevance, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("rule", ["z", "epsilon", Epsilon(0.25)])
def test_logits_are_unchanged_bit_for_bit(rule):
    model, x = small_network(final=None), images()
    plain = isi.explain(model, x, indicator="sensitivity").logits
    np.testing.assert_array_equal(
        isi.explain(model, x, indicator=isi.Relevance(rule)).logits, plain
    )


@pytest.mark.parametrize("rule", ["z", "epsilon"])
def test_batches_agree(rule):
    model, x = small_network(), images(7)
    whole = isi.explain(model, x, indicator=isi.Relevance(rule), batch_size=7)
    for size in (1, 3, 100):
        part = isi.explain(model, x, indicator=isi.Relevance(rule), batch_size=size)
        np.testing.assert_allclose(part.relevance, whole.relevance, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(part.prediction, whole.prediction)


def test_ratio():
    cases = np.array([[1, 2], [1, -2], [0, 0], [3, 0], [-3, 0]], "float32")
    plain = ops.convert_to_numpy(
        ratio(ops.convert_to_tensor(cases[:, 0]), ops.convert_to_tensor(cases[:, 1]), 0.0)
    )
    np.testing.assert_allclose(plain, [0.5, -0.5, 1, 1, 1])
    some = ops.convert_to_numpy(
        ratio(ops.convert_to_tensor(cases[:, 0]), ops.convert_to_tensor(cases[:, 1]), 0.5)
    )
    np.testing.assert_allclose(some, [0.4, -0.4, 0, 6, -6])


def test_gradient_times_input_of_a_linear_model_by_target():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, use_bias=False)])
    kernel = np.arange(9, dtype="float32").reshape(3, 3)
    model.set_weights([kernel])
    x = np.array([[1, 2, 3], [-1, 0, 1]], "float32")
    found = isi.explain(model, x, target=np.array([2, 0]))
    np.testing.assert_allclose(found.relevance, x * kernel[:, [2, 0]].T)
    np.testing.assert_array_equal(found.target, [2, 0])


class TestUnknownLayers:
    @pytest.fixture
    def model(self):
        return keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(5),
                layers.LayerNormalization(name="norm"),
                layers.Dense(2),
            ]
        )

    def test_error_names_the_layer(self, model):
        x = np.ones((1, 6), "float32")
        for attempt in (isi.explain, isi.Attack(bounds=(0, 2))):
            with pytest.raises(
                ValueError,
                match=r"rule for the layer 'norm' of class LayerNorm.*on_unknown='gradient'",
            ):
                attempt(model, x)

    def test_gradient_on_request(self, model):
        x = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
        found = isi.explain(model, x, indicator=isi.Relevance(on_unknown="gradient"))
        gradient = isi.explain(model, x, indicator="sensitivity").relevance
        np.testing.assert_allclose(found.relevance, x * gradient, rtol=1e-4, atol=1e-5)


def test_bad_components():
    with pytest.raises(ValueError, match=r"epsilon to be 0 or positive\. Received: epsilon=-1"):
        Epsilon(-1)
    with pytest.raises(ValueError, match=r"Unknown rule: 'epsilom'\. Did you mean 'epsilon'\?"):
        isi.Relevance("epsilom")
    with pytest.raises(TypeError, match=r"Expected rule to be one of 'z', 'epsilon'.*rule=3"):
        isi.Relevance(3)
    with pytest.raises(ValueError, match=r"Unknown on_unknown: 'eror'\. Did you mean 'error'"):
        isi.Relevance(on_unknown="eror")
