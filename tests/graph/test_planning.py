"""What a plan refuses, and constants that are one with a linear operation."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import isi_keras as isi
from isi_keras.composites import Composite
from isi_keras.rules import AlphaBeta, Epsilon, Gamma, ZBox

pytestmark = pytest.mark.filterwarnings("ignore:.*__array_wrap__ must accept")

W = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")
K = np.random.default_rng(3).normal(size=(3, 3, 2, 4)).astype("float32")
D = K[..., :2]
B, G = (np.random.default_rng(n).normal(size=4).astype("float32") for n in (4, 5))


class Function(layers.Layer):
    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, *args):
        return self.function(*args)


ALIKE = {
    "half": (lambda x: ops.matmul(x, W) * 0.5 + B, lambda x: ops.matmul(x, W * 0.5) + B),
    "gain": (lambda x: ops.matmul(x, W) * G + B, lambda x: ops.matmul(x, W * G) + B),
    "gain of a sum": (
        lambda x: (ops.matmul(x, W) + B) * G,
        lambda x: ops.matmul(x, W * G) + B * G,
    ),
    "divided": (
        lambda x: (ops.matmul(x, W) - B) / G,
        lambda x: ops.matmul(x, W / G) - B / G,
    ),
    "two biases": (
        lambda x: ops.matmul(x, W) + 0.25 * B + 0.75 * B,
        lambda x: ops.matmul(x, W) + B,
    ),
    "below 0": (
        lambda x: (ops.matmul(x, W) + B) * -2.0 - G,
        lambda x: ops.matmul(x, W * -2) + (B * -2 - G),
    ),
    "less": (lambda x: -ops.matmul(x, W) + B, lambda x: ops.matmul(x, -W) + B),
    "from a constant": (
        lambda x: ops.subtract(B, ops.matmul(x, W) + G) * 2.0,
        lambda x: ops.matmul(x, W * -2) + 2 * (B - G),
    ),
    "einsum": (
        lambda x: ops.einsum("ni,io->no", x, W) * G + B,
        lambda x: ops.matmul(x, W * G) + B,
    ),
    "kernel first": (
        lambda x: ops.einsum("io,ni->no", W, x) * G + B,
        lambda x: ops.matmul(x, W * G) + B,
    ),
    "wide": (
        lambda x: ops.matmul(x, W) * G.astype("float64"),
        lambda x: ops.matmul(x, W * G),
    ),
    "dot": (lambda x: ops.dot(x, W) * G + B, lambda x: ops.dot(x, W * G) + B),
    "convolution": (lambda x: ops.conv(x, K) * G + B, lambda x: ops.conv(x, K * G) + B),
    "by depth": (
        lambda x: ops.depthwise_conv(x, D) * G + B,
        lambda x: ops.depthwise_conv(x, D * G.reshape(2, 2)) + B,
    ),
    "another axis": (  # of the places, not of the outputs: it stays by itself
        lambda x: ops.conv(x, K) * np.arange(1, 5, dtype="float32")[:, None] + B,
        lambda x: ops.multiply(ops.conv(x, K), np.arange(1, 5, dtype="float32")[:, None]) + B,
    ),
}
RULES = {
    "zplus": Composite("zplus"),
    "alpha2beta1": Composite(AlphaBeta(2, 1)),
    "gamma": Composite(Gamma(0.3)),
    "wsquare": Composite("epsilon", first="wsquare"),
    "flat": Composite("epsilon", first="flat"),
}


def model_of(function, shape):
    chain = [keras.Input(shape), Function(function), layers.ReLU(), layers.Flatten()]
    return keras.Sequential([*chain, layers.Dense(2, use_bias=False)])


@pytest.mark.parametrize("name", ALIKE)
@pytest.mark.parametrize("rule", RULES)
def test_a_constant_beside_a_linear_operation_is_one_with_it(rng, name, rule):
    shape = (6, 6, 2) if name in ("convolution", "by depth", "another axis") else (5,)
    x = rng.normal(size=(3, *shape)).astype("float32")
    one, other = (model_of(function, shape) for function in ALIKE[name])
    other.set_weights(one.get_weights())
    found, wanted = (
        isi.explain(m, x, target=1, indicator=isi.Relevance(RULES[rule]), conservation=True)
        for m in (one, other)
    )
    np.testing.assert_allclose(found.relevance, wanted.relevance, rtol=1e-3, atol=2e-5)
    if rule in ("zplus", "gamma"):
        whole = sum(found.conservation[part] for part in ("inputs", "bias", "epsilon"))
        np.testing.assert_allclose(whole, found.conservation["explained"], rtol=1e-4, atol=1e-5)


def test_weight_normalisation_by_hand():
    """z+ of `(x V) g`, where `g` turns a sign: the rule sees `V g`, as it would of one kernel."""
    x = np.array([[1.0, 1.0, 4.0]], "float32")
    kernel = np.array([[1.0, -2.0], [2.0, 1.0], [-1.0, 0.5]], "float32")
    gain = np.array([-1.0, 0.5], "float32")
    inputs = keras.Input((3,))
    hidden = Function(lambda t: ops.relu(ops.matmul(t, kernel) * gain))(inputs)
    sums = Function(lambda t: ops.sum(t, axis=1, keepdims=True))(hidden)
    found = isi.explain(
        isi.outputs(keras.Model(inputs, sums)), x, indicator=isi.Relevance(Composite("zplus"))
    )
    positive = np.maximum(kernel * gain, 0)
    z = np.maximum(x @ (kernel * gain), 0)
    wanted = x * (positive @ (z / (x @ positive + 1e-12)).T).T
    np.testing.assert_allclose(found.relevance, wanted, rtol=1e-5)


class TestBox:
    X = np.array([[0.2, 0.9, 0.5, 0.1, 0.7]], "float32")

    def wanted(self, x, low, high, kernel):
        t = x[0] * kernel - low * np.maximum(kernel, 0) - high * np.minimum(kernel, 0)
        return t / t.sum() * (x[0] @ kernel)

    @pytest.mark.parametrize(
        ("before", "to"),
        [
            (lambda: layers.Rescaling(-1.0, 1.0), lambda x: 1 - x),
            (lambda: layers.Rescaling(-2.0, 0.5), lambda x: 0.5 - 2 * x),
            (lambda: Function(lambda t: 1 - t / 2), lambda x: 1 - x / 2),
            (lambda: layers.Rescaling(3.0, -1.0), lambda x: 3 * x - 1),
        ],
    )
    def test_it_turns_with_the_sign_of_a_scale(self, before, to):
        kernel = np.array([1.0, 2, -1, 0.5, -0.5], "float32")
        dense = layers.Dense(1, use_bias=False)
        inputs = keras.Input((5,))
        model = keras.Model(inputs, dense(before()(inputs)))
        dense.set_weights([kernel[:, None]])
        composite = Composite("epsilon", first=ZBox(0.0, 1.0, epsilon=0.0))
        found = isi.explain(isi.outputs(model), self.X, indicator=isi.Relevance(composite))
        low, high = sorted((to(0.0), to(1.0)))
        wanted = self.wanted(to(self.X), low, high, kernel)
        np.testing.assert_allclose(found.relevance[0], wanted, rtol=1e-4)

    def test_of_each_channel_by_its_own_sign(self, rng):
        """A batch normalisation of the input, with factors of both signs."""
        norm, dense = layers.BatchNormalization(epsilon=0.0), layers.Dense(1, use_bias=False)
        inputs = keras.Input((5,))
        model = keras.Model(inputs, dense(norm(inputs)))
        gamma = np.array([1.0, -1.0, 2.0, -0.5, -3.0], "float32")
        norm.set_weights([gamma, gamma * 0, gamma * 0, gamma * 0 + 1])
        kernel = rng.normal(size=5).astype("float32")
        dense.set_weights([kernel[:, None]])
        composite = Composite("epsilon", first=ZBox(0.0, 1.0, epsilon=0.0))
        found = isi.explain(isi.outputs(model), self.X, indicator=isi.Relevance(composite))
        wanted = self.wanted(self.X * gamma, np.minimum(gamma, 0), np.maximum(gamma, 0), kernel)
        np.testing.assert_allclose(found.relevance[0], wanted, rtol=1e-4)

    def test_bad_bounds(self):
        model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
        composite = Composite("epsilon", first=ZBox([0.0] * 4, [1.0] * 4))
        with pytest.raises(ValueError, match=r"one sample of shape \(5,\).*of shape \(4,\)"):
            isi.explain(model, self.X, indicator=isi.Relevance(composite))
        with pytest.raises(ValueError, match="of shapes that go together"):
            ZBox([0, 0], [1, 1, 1])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Gamma(float("inf")), ValueError, "gamma to be 0 or positive, and finite"),
        (lambda: AlphaBeta(float("nan"), float("nan")), ValueError, "alpha to be 0 or positive"),
        (lambda: Epsilon(float("inf")), ValueError, "epsilon to be 0 or positive, and finite"),
        (lambda: Epsilon("a"), TypeError, "epsilon to be 0 or positive, and finite"),
        (lambda: Composite({"Conv2d": "zplus"}), ValueError, "Did you mean 'Conv2D'"),
    ],
)
def test_bad_settings(make, error, text):
    with pytest.raises(error, match=text):
        make()


class TestFirst:
    """A rule for the first layer finds one for all inputs of real numbers, or says so."""

    def explained(self, model, data, composite="epsilon_plus_flat"):
        return isi.explain(model, data, indicator=composite, target=0)

    @pytest.fixture
    def inputs(self):
        return keras.Input((4,)), keras.Input((1,), dtype="int32")

    @pytest.fixture
    def data(self, rng):
        return [rng.normal(size=(3, 4)).astype("float32"), np.array([[0], [3], [1]], "int32")]

    def test_numbers_that_meet_looked_up_rows(self, inputs, data):
        floats, ids = inputs
        looked_up = layers.Flatten()(layers.Embedding(5, 3)(ids))
        joined = layers.Concatenate(name="joined")([floats, looked_up])
        model = keras.Model(inputs, layers.Dense(2)(layers.Dense(6, "relu")(joined)))
        with pytest.raises(ValueError, match="an input meets Concatenate in joined"):
            self.explained(model, data)
        assert self.explained(model, data, "epsilon_gamma_box").relevance is not None
        assert self.explained(model, data, "epsilon_plus").relevance is not None

    def test_ids_in_a_column(self, data):
        floats = keras.Input((4,))
        ids = Function(lambda x: ops.cast(x[:, 3:], "int32"))(floats)
        looked_up = layers.Flatten()(layers.Embedding(5, 3)(ids))
        rest = Function(lambda x: x[:, :3])(floats)
        model = keras.Model(floats, layers.Dense(2)(layers.Concatenate()([rest, looked_up])))
        with pytest.raises(ValueError, match="the input meets Concatenate"):
            self.explained(model, np.abs(data[0]))

    def test_numbers_with_a_layer_of_their_own(self, inputs, data):
        """Flat: each of the four gets the same."""
        floats, ids = inputs
        looked_up = layers.Flatten()(layers.Embedding(5, 3)(ids))
        joined = layers.Concatenate()([layers.Dense(6)(floats), looked_up])
        found = self.explained(keras.Model(inputs, layers.Dense(2)(joined)), data)
        shares = next(part for part in found.relevance.values() if part.shape == (3, 4))
        np.testing.assert_allclose(shares, np.repeat(shares[:, :1], 4, 1), rtol=1e-4)

    @pytest.mark.parametrize("before", [layers.MaxPool1D, layers.LayerNormalization])
    def test_each_of_several_inputs_has_one(self, rng, before):
        """Not only one of them."""
        inputs = [keras.Input((6, 3)), keras.Input((6, 3))]
        second = before(name="between")(inputs[1])
        flats = [layers.Flatten()(layers.Conv1D(3, 2)(t)) for t in (inputs[0], second)]
        model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(flats)))
        x = [rng.normal(size=(2, 6, 3)).astype("float32") for _ in inputs]
        with pytest.raises(ValueError, match=r"an input meets \w+ in between before one"):
            self.explained(model, x)
        assert self.explained(model, x, "epsilon_plus").relevance is not None

    def test_a_table_beside_an_image_needs_no_rule_for_convolutions(self, rng):
        inputs = [keras.Input((8, 8, 3)), keras.Input((5,))]
        image = layers.Flatten()(layers.Conv2D(2, 3, name="image")(inputs[0]))
        joined = layers.Concatenate(name="joined")([image, inputs[1]])
        model = keras.Model(inputs, layers.Dense(2)(layers.Dense(6, "relu")(joined)))
        x = [rng.normal(size=(2, *shape)).astype("float32") for shape in ((8, 8, 3), (5,))]
        named = isi.Relevance(Composite("epsilon", names={"image": "flat"}))
        for composite in ("epsilon_gamma_box", named):
            assert len(self.explained(model, x, composite).relevance) == 2
        with pytest.raises(ValueError, match="an input meets Concatenate in joined"):
            self.explained(model, x)

    def test_what_masking_leaves_out(self, rng):
        """Flat: the same for all inputs of a step that counts, nothing for the others."""
        model = keras.Sequential([keras.Input((5, 3)), layers.Masking(), layers.GRU(4)])
        model.add(layers.Dense(2))
        x = rng.normal(size=(2, 5, 3)).astype("float32")
        x[:, 3:] = 0
        found = self.explained(model, x).relevance
        np.testing.assert_array_equal(found[:, 3:], 0)
        np.testing.assert_allclose(found[:, :3], found[:, :3, :1].repeat(3, 2), rtol=1e-3)
        assert (np.abs(found[:, :3]) > 0).all()

    def test_text_has_looked_up_rows_for_a_first_layer(self, inputs, data):
        looked_up = layers.Flatten()(layers.Embedding(5, 3)(inputs[1]))
        model = keras.Model(inputs[1], layers.Dense(2)(looked_up))
        assert self.explained(model, data[1]).relevance.shape == (3, 1)

    def test_the_input_again_further_on(self, rng):
        """As in a U-Net or a DenseNet."""
        inputs = keras.Input((6, 6, 2))
        inner = layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
        joined = layers.Concatenate()([inputs, inner])
        model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(joined)))
        x = rng.normal(size=(2, 6, 6, 2)).astype("float32")
        assert np.isfinite(self.explained(model, x).relevance).all()


class TestInnerLayers:
    def model(self):
        return keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(4, "relu", name="hidden"),
                layers.BatchNormalization(name="norm"),
                layers.Dense(3),
            ]
        )

    def test_a_normalisation_that_is_one_with_the_next_layer(self, rng):
        model, x = self.model(), rng.normal(size=(2, 6)).astype("float32")
        with pytest.raises(ValueError, match=r"'norm' is merged into the linear layer after it"):
            isi.explain(model, x, indicator="z", layers=["hidden", "norm"])
        apart = isi.Relevance(Composite(Epsilon(0.0), fold=False))
        found = isi.explain(model, x, indicator=apart, layers=["norm"], conservation=True)
        rest = keras.Sequential([keras.Input((4,)), model.layers[-1]])
        inner = keras.Model(model.inputs, model.get_layer("norm").output).predict(x, verbose=0)
        wanted = isi.explain(rest, inner, target=found.target, indicator="z").relevance
        np.testing.assert_allclose(found.layers["norm"], wanted, rtol=1e-4, atol=1e-6)

    def test_rows_that_are_no_samples(self, rng):
        inputs = keras.Input((2, 4, 4, 2))
        inner = layers.TimeDistributed(layers.Conv2D(2, 2, name="inner"), name="outer")(inputs)
        model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inner)))
        x = rng.normal(size=(3, 2, 4, 4, 2)).astype("float32")
        with pytest.raises(ValueError, match=r"'inner' returns are no samples: 6 rows of 3"):
            isi.explain(model, x, indicator="z", layers=["inner"])
        assert isi.explain(model, x, indicator="z", layers=["outer"]).layers["outer"].shape[0] == 3

    def test_two_calls_of_one_layer(self, rng):
        """What scales its input is not one with the call before."""

        class Scaled(layers.Layer):
            def build(self, shape):
                self.gain = self.add_weight(shape=(5,), initializer="random_normal")
                self.kernel = self.add_weight(shape=(5, 5), initializer="random_normal")

            def call(self, x):
                return ops.matmul(x * self.gain, self.kernel)

        inputs, layer = keras.Input((5,)), Scaled(name="twice")
        model = keras.Model(inputs, layers.Dense(3)(layer(layer(inputs))))
        x = rng.normal(size=(2, 5)).astype("float32")
        found = isi.explain(model, x, indicator="z", layers=["twice"], conservation=True)
        for part in (found.layers["twice"], found.layers["twice/1"]):
            np.testing.assert_allclose(part.sum(1), found.conservation["explained"], rtol=1e-3)

    def test_a_name_alone(self, rng):
        with pytest.raises(TypeError, match="layers to be a list of names"):
            isi.explain(self.model(), np.ones((2, 6), "float32"), layers="norm")


@pytest.mark.skipif(keras.config.backend() == "jax", reason="JAX has float64 only if asked")
@pytest.mark.parametrize(
    "composite", ["epsilon_plus", "epsilon_alpha2beta1_flat", "epsilon_gamma_box"]
)
def test_layers_in_double_precision(rng, composite):
    """While the default stays float32."""

    def made(dtype):
        kinds = {"dtype": dtype, "activation": "relu"}
        chain = [layers.Conv2D(4, 3, **kinds), layers.Conv2D(4, 3, **kinds), layers.Flatten()]
        return keras.Sequential([keras.Input((8, 8, 2)), *chain, layers.Dense(3, dtype=dtype)])

    double, single = made("float64"), made("float32")
    single.set_weights(double.get_weights())
    x = rng.normal(size=(2, 8, 8, 2)).astype("float32")
    found, wanted = (isi.explain(m, x, target=1, indicator=composite) for m in (double, single))
    scale = np.abs(wanted.relevance).max()
    np.testing.assert_allclose(found.relevance, wanted.relevance, atol=1e-5 * scale)


def test_constants_in_double_precision(rng):
    """As NumPy makes them: a window, a filter bank."""
    bank = np.linspace(-1, 1, 20).reshape(5, 4)
    x = rng.normal(size=(3, 5)).astype("float32")
    one, other = (
        model_of(lambda t: ops.matmul(t, bank), (5,)),
        model_of(lambda t: ops.matmul(t, bank.astype("float32")), (5,)),
    )
    other.set_weights(one.get_weights())
    for indicator in ("z", "epsilon_plus"):
        found, wanted = (isi.explain(m, x, target=1, indicator=indicator) for m in (one, other))
        np.testing.assert_allclose(found.relevance, wanted.relevance, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_convolutions_in_groups_over_time(rng, padding):
    """Equal to the convolutions of each group, side by side."""
    layer = layers.Conv1D(6, 3, groups=2, padding=padding, dilation_rate=2, use_bias=False)
    model = keras.Sequential(
        [keras.Input((12, 4)), layer, layers.ReLU(), layers.Flatten(), layers.Dense(2)]
    )
    parts = [layers.Conv1D(3, 3, padding=padding, dilation_rate=2, use_bias=False) for _ in "ab"]
    inputs = keras.Input((12, 4))
    halves = [Function(lambda t, n=n: t[:, :, 2 * n : 2 * n + 2])(inputs) for n in range(2)]
    joined = layers.Concatenate()([part(half) for part, half in zip(parts, halves, strict=True)])
    dense = layers.Dense(2)
    other = keras.Model(inputs, dense(layers.Flatten()(layers.ReLU()(joined))))
    dense.set_weights(model.layers[-1].get_weights())
    kernel = layer.get_weights()[0]
    for number, part in enumerate(parts):
        part.set_weights([kernel[:, :, 3 * number : 3 * number + 3]])
    x = rng.normal(size=(3, 12, 4)).astype("float32")
    for rule in ("z", "epsilon_plus"):
        found, wanted = (isi.explain(m, x, target=1, indicator=rule) for m in (model, other))
        np.testing.assert_allclose(found.relevance, wanted.relevance, rtol=1e-3, atol=1e-5)


def test_select_is_what_conditions_say(rng):
    """A choice may be a number, which a gate is not made of where it is below 0."""
    a, b, c = (rng.normal(size=s).astype("float32") for s in ((5, 7), (5, 7), (7, 2)))
    x = rng.normal(size=(4, 5)).astype("float32")
    found = []
    for factor in (
        lambda t: ops.select([t @ b > 0], [ops.sigmoid(t @ b)], default=-1.0),
        lambda t: ops.where(t @ b > 0, ops.sigmoid(t @ b), -1.0),
    ):
        layer = Function(lambda t, factor=factor: ((t @ a) * factor(t)) @ c)
        model = isi.logits(keras.Sequential([keras.Input((5,)), layer]), from_logits=True)
        found.append(isi.explain(model, x, target=1, indicator="z").relevance)
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize(
    "end",
    [
        lambda z: ops.softmax(ops.where(np.array([True, False, True]), z, -1e9)),
        lambda z: ops.where(np.array([True, False, True]), ops.softmax(z), 0.0),
    ],
)
def test_classes_that_a_mask_rules_out_are_not_looked_at(rng, end):
    chain = [keras.Input((5,)), layers.Dense(6, "relu"), layers.Dense(3), Function(end)]
    x = rng.normal(size=(4, 5)).astype("float32")
    found = isi.explain(keras.Sequential(chain), x, indicator="epsilon", conservation=True)
    assert (found.prediction != 1).all()
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)


def test_a_factor_of_fewer_axes_than_channels_first_has(rng):
    """A mask of places, which is no gain of channels."""
    if keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow has no such convolution on a CPU")
    kernel = rng.normal(size=(3, 3, 4, 6)).astype("float32")
    places = rng.normal(size=(6, 6)).astype("float32")
    layer = Function(
        lambda t: ops.conv(t, kernel, padding="same", data_format="channels_first") * places
    )
    chain = [keras.Input((4, 6, 6)), layer, layers.ReLU(), layers.Flatten(), layers.Dense(2)]
    x = rng.normal(size=(2, 4, 6, 6)).astype("float32")
    found = isi.explain(keras.Sequential(chain), x, indicator="epsilon_plus", conservation=True)
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)


@pytest.mark.parametrize(
    "make", [lambda: layers.IntegerLookup(vocabulary=[3, 5, 7]), lambda: layers.Hashing(6)]
)
def test_ids_that_get_other_numbers_before_they_are_looked_up(make):
    """Each has the relevance of its row, as if the numbers had been given outside."""
    numbering, rows = make(), layers.Embedding(8, 3)
    inputs, numbers = (keras.Input((4,), dtype="int32") for _ in "ab")
    head = layers.Dense(2)
    ids = np.array([[3, 5, 9, 7], [1, 7, 7, 3]], "int32")
    model = keras.Model(inputs, head(layers.Flatten()(rows(numbering(inputs)))))
    inner = keras.Model(numbers, head(layers.Flatten()(rows(numbers))))
    if keras.config.backend() == "jax":
        with pytest.raises(ValueError, match="by steps alone"):
            isi.explain(model, ids)
        return
    given = np.asarray(ops.convert_to_numpy(numbering(ids))).astype("int32")
    found = isi.explain(model, ids, target=1, indicator="z").relevance
    wanted = isi.explain(inner, given, target=1, indicator="z").relevance
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
