"""The oracles themselves: rules, composites and matrices against Zennit, Keras' layers and sums."""

import keras
import numpy as np
import oracles
import pytest
from keras import layers
from makers import matrices
from makers.paths import GOLDEN

with np.load(GOLDEN / "zennit.npz", allow_pickle=False) as _data:
    ZENNIT = {name: value.astype("float64") for name, value in _data.items()}
KINDS = sorted({tuple(name.split("/")[1:3]) for name in ZENNIT if name.startswith("layer/")})
RULES = {
    "epsilon": ("Epsilon", {}),
    "epsilon_0.25": ("Epsilon", {"epsilon": 0.25}),
    "zplus": ("ZPlus", {}),
    "alpha2beta1": ("AlphaBeta", {"alpha": 2, "beta": 1}),
    "gamma_0.25": ("Gamma", {"gamma": 0.25}),
    "flat": ("Flat", {}),
    "wsquare": ("WSquare", {}),
    "zbox": ("ZBox", {"low": -1, "high": 1}),
}
GEOMETRY = {"conv2d_stride2": {"strides": 2}, "conv2d_dilation2": {"dilation": 2}}
COMPOSITES = sorted(
    name.removeprefix("net/dense/") for name in ZENNIT if name.startswith("net/dense/epsilon")
)


def arrays(prefix):
    return {n.removeprefix(prefix): v for n, v in ZENNIT.items() if n.startswith(prefix)}


def linear(kind, case, rule, options):
    """The step of a golden layer."""
    kernel, shape, output_shape = case["kernel"], case["x"].shape[1:], case["r"].shape[1:]
    bias = case.get("bias", np.zeros(output_shape[-1]))
    if kind == "dense":
        return oracles.Linear(kernel, bias, rule, options)
    if kind == "depthwise_conv2d":
        kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
        return oracles.convolution(kernel, bias, shape, rule, options, groups=shape[-1])[0]
    if kind == "conv2d_transpose":
        back, _ = oracles.convolution(kernel, [0], output_shape, rule, options, strides=2)
        options = {name: np.transpose(value) for name, value in back.options.items()}
        return oracles.Linear(back.w.T, np.tile(bias, len(back.w) // len(bias)), rule, options)
    return oracles.convolution(kernel, bias, shape, rule, options, **GEOMETRY.get(kind, {}))[0]


def dense(case, rules):
    weights = [(case[f"w{i}"], case[f"b{i}"]) for i in range(3)]
    return [
        step
        for (w, b), rule in zip(weights, rules(["dense"] * 3), strict=True)
        for step in (oracles.Linear(w, b, *rule), oracles.ReLU())
    ][:-1]


def lenet(case, rules):
    """Zennit takes the padding as a layer of its own: under `flat` and `box` it gets a share."""
    rules = rules(["conv", "conv", "dense", "dense"])
    padding, shape = matrices.conv_matrix(np.ones((1, 1, 1, 1)), (28, 28, 1), padding=2)
    steps = [oracles.Rearrange(padding)]
    for i in range(2):
        step, shape = oracles.convolution(case[f"w{i}"], case[f"b{i}"], shape, *rules[i])
        pool, shape = matrices.windows(shape, 2)
        steps += [step, oracles.ReLU(), oracles.MaxPool(pool > 0)]
    hidden, last = (oracles.Linear(case[f"w{i}"], case[f"b{i}"], *rules[i]) for i in (2, 3))
    return [*steps, hidden, oracles.ReLU(), last]


def convbn(case, rules):
    """Zennit merges each normalization into the convolution before it."""
    first, second, last = rules(["conv", "conv", "dense"])
    names = ("w", "b", "mean", "var")
    kernels = [
        matrices.merged(
            case[f"w{i}"], case[f"b{i}"], *(case[f"{n}{i + 1}"] for n in names), epsilon=1e-5
        )
        for i in (0, 2)
    ]
    one, shape = oracles.convolution(*kernels[0], (16, 16, 3), *first)
    pool, shape = matrices.windows(shape, 2)
    average = oracles.Linear(pool / pool.sum(0), 0)
    two, _ = oracles.convolution(*kernels[1], shape, *second)
    relu = oracles.ReLU()
    return [one, relu, average, two, relu, oracles.Linear(case["w4"], case["b4"], *last)]


@pytest.mark.parametrize(("kind", "bias"), KINDS, ids=["-".join(k) for k in KINDS])
@pytest.mark.parametrize("name", RULES)
def test_layers_equal_zennit(kind, bias, name):
    case, (rule, options) = arrays(f"layer/{kind}/{bias}/"), RULES[name]
    step, count = linear(kind, case, rule, options), len(case["x"])
    found = [
        step.relevance(a, r)
        for a, r in zip(case["x"].reshape(count, -1), case["r"].reshape(count, -1), strict=True)
    ]
    # The golden inputs are stored in float32: next to zero, pre-activations are not Zennit's own.
    tolerance = 1e-3 if name == "epsilon" else 1e-6
    wanted = case[name].reshape(count, -1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("network", [dense, lenet, convbn])
@pytest.mark.parametrize("name", COMPOSITES)
def test_networks_equal_zennit(network, name):
    case = arrays(f"net/{network.__name__}/")
    steps = network(case, lambda kinds: oracles.composite(name, kinds, low=-1, high=1))
    for x, label, logits, wanted in zip(
        case["x"], case["label"], case["logits"], case[name], strict=True
    ):
        np.testing.assert_allclose(oracles.forward(steps, x)[-1], logits, rtol=0, atol=1e-6)
        found = oracles.relevance(steps, x, np.arange(len(logits)) == label)
        tolerance = (1e-5 if name == "epsilon" else 1e-6) * np.abs(case[name]).max()
        np.testing.assert_allclose(found, wanted.ravel(), rtol=0, atol=tolerance)


def test_composites_need_no_convolution():
    plain = ("Epsilon", {})
    assert oracles.composite("epsilon_gamma_box", ["dense"] * 2) == [plain] * 2
    assert oracles.composite("epsilon_plus_flat", ["dense"] * 2) == [("Flat", {}), plain]
    box, gamma, _ = oracles.composite("epsilon_gamma_box", ["conv", "conv", "dense"], 0, 255)
    assert box == ("ZBox", {"low": 0, "high": 255})
    assert gamma == ("Gamma", {"gamma": 0.25})


def on_7_inputs(rule, **options):
    """What a rule makes of a layer of 7 inputs and 4 outputs with biases, and its arguments."""
    rng = np.random.default_rng(5)
    a, w, b, r = (rng.normal(size=size) for size in (7, (7, 4), 4, 4))
    return oracles.RULES[rule](a, w, b, r, **options), (a, w, b, r)


@pytest.mark.parametrize("rule", oracles.RULES)
def test_relevance_is_kept_without_biases(rule):
    kept, (a, w, b, r) = on_7_inputs(rule, epsilon=0, bias=False)
    np.testing.assert_allclose(kept.sum(), r.sum())
    if rule != "Gamma":  # its bias still decides on the sign
        np.testing.assert_array_equal(oracles.RULES[rule](a, w, 0 * b, r, epsilon=0), kept)


def test_alpha_beta_and_gamma_reach_other_rules():
    none, some = on_7_inputs("Gamma", gamma=0)[0], on_7_inputs("Epsilon")[0]
    np.testing.assert_allclose(none, some)
    one, plus = on_7_inputs("AlphaBeta", alpha=1, beta=0)[0], on_7_inputs("ZPlus")[0]
    np.testing.assert_allclose(one, plus)
    huge, (a, w, b, r) = on_7_inputs("Gamma", gamma=1e12, bias=False)
    up = oracles.RULES["ZPlus"](a, w, b, r * (a @ w + b > 0), bias=False)
    down = oracles.RULES["ZPlus"](a, -w, b, r * (a @ w + b < 0), bias=False)
    np.testing.assert_allclose(huge, up + down, atol=1e-5)


@pytest.mark.parametrize("rule", oracles.RULES)
def test_nothing_over_nothing_is_nothing(rule):
    zeros = np.zeros(3), np.zeros((3, 2)), np.zeros(2), np.ones(2)
    wanted = np.full(3, 2 / 3) if rule == "Flat" else np.zeros(3)
    np.testing.assert_allclose(oracles.RULES[rule](*zeros, epsilon=0), wanted)


def test_by_hand():
    a, w, b, r = np.array([1.0, -2.0]), np.array([[3.0], [1.0]]), np.array([1.0]), np.array([12.0])
    wanted = {
        "Epsilon": [18, -12],  # 3 and -2 of 3 - 2 + 1 = 2
        "ZPlus": [9, 0],  # 3 of 3 + 1
        "AlphaBeta": [18, -12],  # 2 * 3 / 4 and -2 / -2
        "Gamma": [15, -8],  # 1.25 * 3 and -2 of 1.25 * 3 - 2 + 1.25 * 1 = 3
        "Flat": [6, 6],
        "WSquare": [108 / 11, 12 / 11],  # 9 and 1 of 9 + 1 + 1
        "ZBox": [144 / 13, 12 / 13],  # 3 + 3 * 3 and -2 + 3 * 1 of their sum
    }
    for name, rule in oracles.RULES.items():
        options = {"low": -3.0, "high": 5.0} if name == "ZBox" else {}
        found = rule(a, w, b, r, epsilon=0, **options)
        np.testing.assert_allclose(found, wanted[name], err_msg=name)


def test_gradient_and_relevance_of_networks_agree():
    """With epsilon 0, LRP is gradient times input, which small differences confirm."""
    case, plain = arrays("net/lenet/"), ("Epsilon", {"epsilon": 0})
    steps, x, seed = lenet(case, lambda kinds: [plain] * 4), case["x"][0].ravel(), np.arange(10.0)
    gradient = oracles.gradient(steps, x, seed)
    np.testing.assert_allclose(oracles.relevance(steps, x, seed), x * gradient, atol=1e-9)
    way = np.random.default_rng(0).normal(size=x.shape) * 1e-7
    ends = [seed @ oracles.forward(steps, x + sign * way)[-1] for sign in (-1, 1)]
    np.testing.assert_allclose(np.diff(ends), 2 * way @ gradient, rtol=1e-5)


SAME = {"padding": "same"}


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (layers.Conv2D(4, (3, 2), **SAME), SAME),
        (layers.Conv2D(4, 3, strides=2, **SAME), {"strides": 2, **SAME}),
        (layers.Conv2D(4, 2, dilation_rate=(1, 3)), {"dilation": (1, 3)}),
        (layers.Conv2D(6, 3, groups=2), {"groups": 2}),
        (layers.Conv1D(3, 3, padding="causal"), {"padding": "causal"}),
        (layers.Conv3D(2, 2, **SAME), SAME),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, **SAME), {"groups": 4, **SAME}),
        (layers.Conv2DTranspose(3, 3, strides=2, **SAME), {"strides": 2, **SAME}),
        (layers.AveragePooling2D(3, 1, **SAME), {"size": 3, "strides": 1, **SAME}),
    ],
    ids=lambda value: getattr(value, "name", None) or "-".join(map(str, value.values())),
)
def test_matrices_equal_keras(layer, options, rng):
    name = type(layer).__name__
    shape = (*(7, 6, 5)[: next(n for n in (1, 2, 3) if f"{n}D" in name)], 4)
    x = rng.normal(size=(2, *shape)).astype("float32")
    wanted = keras.ops.convert_to_numpy(layer(x))
    if name == "AveragePooling2D":
        pool, output_shape = matrices.windows(shape, **options)
        matrix = pool / pool.sum(0)
    else:
        kernel, output_shape = layer.get_weights()[0], wanted.shape[1:]
        if name == "DepthwiseConv2D":
            kernel = kernel.reshape(3, 3, 1, 8)
        if name == "Conv2DTranspose":
            back, back_shape = matrices.conv_matrix(kernel, output_shape, **options)
            assert back_shape == shape
            matrix = back.T
        else:
            matrix, output_shape = matrices.conv_matrix(kernel, shape, **options)
    assert wanted.shape[1:] == output_shape
    found = x.reshape(2, -1) @ matrix
    np.testing.assert_allclose(wanted.reshape(2, -1), found, rtol=1e-4, atol=1e-5)
