"""Layer-wise relevance propagation against NumPy, Zennit and closed forms."""

import dataclasses
import itertools
from collections.abc import Callable

import keras
import numpy as np
import oracles
import pytest
from keras import layers, ops
from makers.networks import images, small_network
from makers.paths import GOLDEN
from makers.relevance import GOLDEN_RULES, composite_of, relevance_of

import isi_keras as isi
from isi_keras import composites, rules
from isi_keras.composites import Composite
from isi_keras.graph.run import ratio
from isi_keras.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, ZPlus

with np.load(GOLDEN / "zennit.npz", allow_pickle=False) as _data:
    ZENNIT = dict(_data)
KINDS = sorted({tuple(name.split("/")[1:3]) for name in ZENNIT if name.startswith("layer")})
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
# Each rule with the options of its oracle; more than one value of each option.
RULES = [
    *(
        Epsilon(epsilon, bias)
        for epsilon, bias in itertools.product([0.0, 1e-6, 0.25], [True, False])
    ),
    *(
        rule(bias=bias, epsilon=epsilon)
        for rule in (ZPlus, Flat, WSquare)
        for bias, epsilon in itertools.product([True, False], [1e-6, 0.1])
    ),
    *(AlphaBeta(alpha, alpha - 1, bias=bias) for alpha in (1, 2, 3.5) for bias in (True, False)),
    *(Gamma(gamma, bias=bias) for gamma in (0, 0.25, 10) for bias in (True, False)),
    *(ZBox(low, high) for low, high in [(-1, 1), (-4, 5), ([-3] * 6, [4, 4, 4, 5, 5, 6])]),
]


def test_every_rule_is_in_the_grid():
    assert {type(rule).__name__ for rule in RULES} == set(oracles.RULES)
    assert {type(rule) for rule in GOLDEN_RULES.values()} == {type(rule) for rule in RULES}


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


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_equals_the_oracle(rule):
    model, weights = mlp(7, (6, 8, 5, 3))
    x = np.random.default_rng(8).normal(size=(25, 6)).astype("float32")
    options = dataclasses.asdict(rule)
    each = [(type(rule).__name__, options)] * len(weights)
    if not rule.proportional:
        options |= {name: np.asarray(options[name]) for name in ("low", "high") if name in options}
        each[1:] = [("Epsilon", {})] * (len(weights) - 1)
    steps = []
    for (w, b), (name, chosen) in zip(weights, each, strict=True):
        steps += [oracles.Linear(w.astype("float64"), b.astype("float64"), name, chosen)]
        steps += [oracles.ReLU()]
    indicator = isi.Relevance(composite_of(rule))
    for target in (None, 1):
        found = isi.explain(model, x, target=target, indicator=indicator)
        for index, sample in enumerate(x):
            logits = oracles.forward(steps[:-1], sample)[-1]
            classes = int(logits.argmax()) if target is None else target
            seed = oracles.seed(logits, classes, 1, "logit")
            wanted = oracles.relevance(steps[:-1], sample, seed)
            tolerance = 2e-5 * max(np.abs(wanted).max(), 1e-3)
            np.testing.assert_allclose(found.relevance[index], wanted, rtol=0, atol=tolerance)
            np.testing.assert_allclose(found.logits[index], logits, rtol=1e-4, atol=1e-4)
            assert found.target[index] == classes


@pytest.mark.parametrize(("kind", "bias"), KINDS, ids=["-".join(k) for k in KINDS])
@pytest.mark.parametrize("name", GOLDEN_RULES)
def test_layers_equal_zennit(kind, bias, name):
    case = {n.split("/")[-1]: v for n, v in ZENNIT.items() if n.startswith(f"layer/{kind}/{bias}/")}
    layer = LAYERS[kind](case["r"].shape[-1], use_bias=bias == "bias")
    model = keras.Sequential([keras.Input(case["x"].shape[1:]), layer])
    layer.set_weights([case[name] for name in ("kernel", "bias") if name in case])
    plain = ops.convert_to_numpy(model(case["x"]))
    relevance, z = relevance_of(model, composite_of(GOLDEN_RULES[name]), case["x"], case["r"])
    np.testing.assert_allclose(z, plain.reshape(z.shape), atol=1e-6)
    # Next to pre-activations of 0, float32 cancels: only there do they agree less closely.
    close = np.abs(z).min() > 1e-2 or name != "epsilon"
    tolerance = (1e-5 if close else 1e-3) * np.abs(case[name]).max()
    np.testing.assert_allclose(relevance, case[name], rtol=0, atol=tolerance)


NETWORKS = {
    "dense": [
        keras.Input((12,)),
        layers.Dense(9, "relu"),
        layers.Dense(8, "relu"),
        layers.Dense(5),
    ],
    "lenet": [
        keras.Input((28, 28, 1)),
        layers.ZeroPadding2D(2),
        layers.Conv2D(6, 5, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(8, 5, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(16, "relu"),
        layers.Dense(10),
    ],
    "convbn": [
        keras.Input((16, 16, 3)),
        layers.Conv2D(6, 3),
        layers.BatchNormalization(epsilon=1e-5),
        layers.ReLU(),
        layers.AveragePooling2D(2),
        layers.Conv2D(8, 3),
        layers.BatchNormalization(epsilon=1e-5),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(5),
    ],
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("composite", ["epsilon", *composites.NAMES])
def test_networks_equal_zennit(network, composite):
    case = {n.split("/")[-1]: v for n, v in ZENNIT.items() if n.startswith(f"net/{network}/")}
    model = keras.Sequential(NETWORKS[network])
    for index, layer in enumerate([layer for layer in model.layers if layer.weights]):
        names = [f"{word}{index}" for word in ("w", "b", "mean", "var")]
        layer.set_weights([case[name] for name in names if name in case])
    found = isi.explain(model, case["x"], indicator=isi.Relevance(composite))
    np.testing.assert_array_equal(found.prediction, case["label"])
    np.testing.assert_allclose(found.logits, case["logits"], atol=1e-6)
    # As above: the epsilon rule on convbn meets pre-activations next to 0.
    vanishing = network == "convbn" and composite == "epsilon"
    tolerance = (1e-3 if vanishing else 1e-5) * np.abs(case[composite]).max()
    np.testing.assert_allclose(found.relevance, case[composite], rtol=0, atol=tolerance)


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


@pytest.mark.parametrize("rule", ["z", *rules.NAMES, *composites.NAMES], ids=str)
def test_logits_are_unchanged_bit_for_bit(rule):
    model, x = small_network(final=None), images()
    if rule in ("flat", "wsquare", "zbox"):
        rule = Composite("epsilon", first=rule)
    plain = isi.explain(model, x, indicator="sensitivity").logits
    np.testing.assert_array_equal(
        isi.explain(model, x, indicator=isi.Relevance(rule)).logits, plain
    )


@pytest.mark.parametrize("rule", ["z", "epsilon", *composites.NAMES])
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


def test_errors_of_rules_of_ones_own():
    """Each says which rule it is and what it has to return."""

    class Undecorated(Rule):
        epsilon: float = 1e-6
        bias: bool = True

        def parts(self, linear):
            return [(1.0, linear.plain())]

    @dataclasses.dataclass(frozen=True, eq=False)
    class WithoutEpsilon(Rule):
        bias: bool = True

        def parts(self, linear):
            return [(1.0, linear.plain())]

    @dataclasses.dataclass(frozen=True, eq=False)
    class Parts(Rule):
        made: Callable = None
        epsilon: float = 1e-6
        bias: bool = True

        def parts(self, linear):
            return self.made(linear)

        def get_config(self):
            return {"made": str(self.made)}

    class Same(Epsilon):
        """No field is added, so that it need not be decorated."""

    with pytest.raises(
        TypeError, match=r"Expected Undecorated to be a dataclass\. Write @dataclass"
    ):
        Undecorated()
    with pytest.raises(TypeError, match=r"WithoutEpsilon to have the fields epsilon and bias"):
        WithoutEpsilon()
    model, x = small_network(), images(2)
    np.testing.assert_array_equal(
        isi.explain(model, x, indicator=Same()).relevance,
        isi.explain(model, x, indicator="epsilon").relevance,
    )
    failures = [
        (lambda linear: linear.plain(), r"The rule .*Parts\(.*has to return a list of pairs"),
        (lambda linear: [(1.0, linear.run(linear.ones, linear.kernel))], r"proportional = False"),
    ]
    for made, match in failures:
        with pytest.raises(ValueError, match=match):
            isi.explain(model, x, indicator=isi.Composite({"dense": Parts(made)}))


def test_bad_components():
    with pytest.raises(
        ValueError, match=r"epsilon to be 0 or positive, and finite\. Received: epsilon=-1"
    ):
        Epsilon(-1)
    with pytest.raises(ValueError, match=r"Received: alpha=2, beta=2.*Try AlphaBeta\(alpha=3"):
        AlphaBeta(2, 2)
    with pytest.raises(ValueError, match=r"gamma to be 0 or positive, and finite\. R.*gamma=-1"):
        Gamma(-1)
    with pytest.raises(ValueError, match=r"low below high everywhere\. Received: low=1, high=0"):
        ZBox(1, 0)
    with pytest.raises(ValueError, match=r"Flat .*first layer only.*Composite\('epsilon', first="):
        isi.Relevance(Flat())
    with pytest.raises(ValueError, match=r"Unknown rule: 'epsilom'\. Did you mean 'epsilon'\?"):
        isi.Relevance("epsilom")
    with pytest.raises(TypeError, match=r"Expected rule to be one of 'z', 'epsilon'.*rule=3"):
        isi.Relevance(3)
    with pytest.raises(ValueError, match=r"Unknown on_unknown: 'eror'\. Did you mean 'error'"):
        isi.Relevance(on_unknown="eror")
