"""Relevance through whole models: conserved, without a trace, in each shape a model can have."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.composed import COMPOSED, composed
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras import composites
from isi_keras.composites import Composite
from isi_keras.models import compiling
from isi_keras.models.layers import nodes
from isi_keras.rules import AlphaBeta, Epsilon, Flat, Gamma, ZBox, ZPlus


def maps(relevance):
    return relevance.values() if isinstance(relevance, dict) else [relevance]


@pytest.mark.parametrize("name", COMPOSED)
@pytest.mark.parametrize(
    "rule", ["z", "epsilon_plus", "epsilon_alpha2beta1_flat", "epsilon_gamma_box"]
)
def test_relevance_is_accounted_for(name, rule):
    model, x = composed(name)
    plain = ops.convert_to_numpy(isi.logits(model)(x))
    before = [{**vars(node)} for node in nodes(model)], model.get_weights()
    found = isi.explain(model, x, indicator=isi.Relevance(rule), conservation=True)
    half = 0.05 if "float16" in name else 0
    np.testing.assert_allclose(found.logits, plain, rtol=1e-4 + half, atol=1e-4 + half)
    assert all(np.isfinite(each).all() for each in maps(found.relevance))
    assert any(each.any() for each in maps(found.relevance))
    report = found.conservation
    total = np.abs(report["explained"]) + sum(np.abs(report[k]) for k in ("inputs", "bias"))
    assert (np.abs(report["elsewhere"]) <= 2e-5 * total).all()
    np.testing.assert_allclose(
        sum(report[k] for k in ("inputs", "bias", "epsilon", "padding", "elsewhere")),
        report["explained"],
        rtol=1e-6,
        atol=1e-6,
    )
    after = [{**vars(node)} for node in nodes(model)], model.get_weights()
    for one, other in zip(before[0], after[0], strict=True):
        assert one.keys() == other.keys()
        assert all(one[key] is other[key] for key in one)
    for one, other in zip(before[1], after[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_channels_first_equals_channels_last():
    if keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow's CPU kernels know channels_last only")

    def model(data_format):
        shape = (6, 5, 2) if data_format == "channels_last" else (2, 6, 5)
        options = {"data_format": data_format}
        axis = -1 if data_format == "channels_last" else 1
        x = keras.Input(shape)
        h = layers.Conv2D(4, 3, **options)(x)
        h = layers.ReLU()(layers.BatchNormalization(axis=axis)(h))
        h = layers.SeparableConv2D(3, 2, activation="relu", **options)(h)
        return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D(**options)(h)))

    last, first = model("channels_last"), model("channels_first")
    rng = np.random.default_rng(0)
    last.set_weights([rng.uniform(0.2, 1, w.shape) for w in last.get_weights()])
    first.set_weights(last.get_weights())
    x = images(4)
    for rule in ("epsilon", *composites.NAMES):
        found = isi.explain(first, x.transpose(0, 3, 1, 2), indicator=isi.Relevance(rule))
        wanted = isi.explain(last, x, indicator=isi.Relevance(rule)).relevance
        np.testing.assert_allclose(found.relevance.transpose(0, 2, 3, 1), wanted, atol=1e-4)


def test_half_precision_equals_single():
    """Relevance of a model that computes in half precision is that of its weights in float32."""

    def model(policy):
        return keras.Sequential(
            [
                keras.Input((6, 5, 2)),
                layers.Conv2D(4, 3, dtype=policy),
                layers.BatchNormalization(dtype=policy),
                layers.ReLU(dtype=policy),
                layers.Flatten(dtype=policy),
                layers.Dense(3, "softmax", dtype=policy),
            ]
        )

    single = model("float32")
    for policy in ("mixed_float16", "mixed_bfloat16"):
        half = model(policy)
        half.set_weights(single.get_weights())
        for rule in ("z", "epsilon_alpha2beta1_flat"):
            indicator = isi.Relevance(rule)
            found, wanted = (isi.explain(m, images(4), indicator=indicator) for m in (half, single))
            np.testing.assert_allclose(found.relevance, wanted.relevance, rtol=1e-4, atol=1e-6)
        assert half.layers[0].compute_dtype != "float32"


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
@pytest.mark.parametrize("rule", ["zplus", "alpha2beta1", "gamma", "epsilon_alpha2beta1_flat"])
def test_double_precision_equals_single(rule):
    """Also where Keras casts around a batch normalisation, as it does on Torch and JAX."""

    def model(policy):
        kinds = [
            layers.BatchNormalization(dtype=policy),
            layers.Conv2D(3, 2, dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.ReLU(dtype=policy),
            layers.SeparableConv2D(3, 2, dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.Flatten(dtype=policy),
            layers.Dense(3, dtype=policy),
        ]
        made = keras.Sequential([keras.Input((6, 5, 2)), *kinds])
        random = np.random.default_rng(3)
        for weight in made.weights:
            values = random.normal(size=weight.shape)
            weight.assign(abs(values) + 0.3 if "variance" in weight.path else values)
        return made

    found, wanted = (
        isi.explain(model(policy), images(4), target=1, indicator=rule).relevance
        for policy in ("float64", "float32")
    )
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
@pytest.mark.parametrize("rule", ["epsilon", "zplus"])
@pytest.mark.parametrize(
    "types", [("float32", "float64"), ("float64", "float32"), ("float64", "bfloat16")]
)
def test_layers_of_several_precisions(types, rule):
    """A batch normalisation of another precision is merged as one of the same is."""
    x = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    pairs = (layers.Dense, layers.BatchNormalization), (layers.BatchNormalization, layers.Dense)

    def model(kinds, *types):
        parts = [
            kind(*([4] if kind is layers.Dense else []), dtype=dtype)
            for kind, dtype in zip(kinds, types, strict=True)
        ]
        return keras.Sequential([keras.Input((6,)), *parts, layers.Dense(3)])

    for kinds in pairs:
        made, plain = model(kinds, *types), model(kinds, "float32", "float32")
        plain.set_weights(made.get_weights())
        found, wanted = (
            isi.explain(m, x, target=1, indicator=rule, conservation=True) for m in (made, plain)
        )
        rounded = 0.05 if "bfloat16" in types else 1e-4
        scale = np.abs(wanted.relevance).max()
        np.testing.assert_allclose(found.relevance, wanted.relevance, atol=rounded * scale)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-4)


def test_a_class_that_is_masked_by_infinity():
    """It gets -1e9: the account closes, and attacks do what they do where -1e9 is the mask."""
    inputs, allowed = keras.Input((6,)), ops.convert_to_tensor([True, True, False, True])
    logits = layers.Dense(4)(layers.Dense(8, "relu")(inputs))
    x = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
    results = []
    for least in (-np.inf, -1e9):
        model = keras.Model(inputs, layers.Softmax()(ops.where(allowed, logits, least)))
        found = isi.explain(model, x, conservation=True)
        assert (found.logits[:, 2] == -1e9).all()
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)
        results.append(isi.Attack("relevance", "l2", bounds=(-4, 4))(model, x))
    assert results[0].success.any()
    np.testing.assert_allclose(results[0].adversarial, results[1].adversarial, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("least", [-np.inf, None])
def test_masked_classes_in_half_precision(policy, least):
    """Whether a mask lies before the softmax or after it, attacks end as in single precision."""
    x = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
    allowed, results = ops.convert_to_tensor([True, True, False, True]), []
    for dtype in ("float32", policy):
        inputs = keras.Input((6,))
        hidden = layers.Dense(8, "relu", dtype=dtype)(inputs)
        logits = layers.Dense(4, dtype=dtype)(hidden)
        if least is None:
            outputs = ops.where(allowed, ops.softmax(logits), ops.cast(0.0, logits.dtype))
        else:
            outputs = ops.softmax(ops.where(allowed, logits, ops.cast(least, logits.dtype)))
        model = keras.Model(inputs, outputs)
        random = np.random.default_rng(1)
        model.set_weights([0.4 * random.normal(size=w.shape) for w in model.weights])
        results.append(isi.Attack("relevance", "l2", bounds=(-4, 4))(model, x).success)
    assert results[0].mean() > 0.5
    assert (results[0] == results[1]).mean() >= 0.9


def test_of_a_unit_at_zero_the_first_class_is_predicted():
    """As by `p > 0.5`, also where -0 is held for less than 0; its map is not lost."""
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(1, "sigmoid", kernel_initializer="ones")]
    )
    x = np.array([[1, -1], [-1, 1], [2, -1]], "float32")
    found = isi.explain(model, x)
    np.testing.assert_array_equal(found.prediction, [0, 0, 1])
    np.testing.assert_array_equal(found.relevance, [[-1, 1], [1, -1], [2, -1]])


class Drawing(layers.Layer):
    """It drops one row of twenty."""

    def __init__(self, always):
        super().__init__()
        self.always, self.seed = always, keras.random.SeedGenerator(1)

    def call(self, x, training=False):
        if not (training or self.always):
            return x
        drawn = keras.random.uniform((ops.shape(x)[0], 1), seed=self.seed)
        return x * ops.cast(drawn > 0.05, x.dtype)


def test_what_draws_at_inference_is_refused_at_once():
    x = images(3).reshape(3, -1)

    def model(always):
        return keras.Sequential([keras.Input((60,)), Drawing(always), layers.Dense(3)])

    with pytest.raises(
        ValueError, match=r"draws at random at inference \(by .*seed_generator_state"
    ):
        isi.explain(model(True), x)
    recurrent = [layers.Reshape((20, 3)), layers.LSTM(4, dropout=0.2), layers.Dense(3)]
    dropping = keras.Sequential([keras.Input((60,)), *recurrent])  # it draws, and uses nothing
    for still in (model(False), dropping):
        assert np.isfinite(isi.explain(still, x).relevance).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_what_counts_is_the_class_that_half_precision_returns(policy):
    """Attacks by relevance end where the model's own prediction turns, not where single would."""
    kinds = [layers.Dense(16, "relu", dtype=policy), layers.Dense(3, dtype=policy)]
    model = keras.Sequential([keras.Input((8,)), *kinds, layers.Softmax(dtype="float32")])
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.3, w.shape) for w in model.weights])
    x = random.uniform(-1, 1, (300, 8)).astype("float32")

    def predicted(rows):
        return model.predict(rows, verbose=0).argmax(1)

    for norm in ("linf", "l2"):
        result = isi.Attack("relevance", norm, bounds=(-1, 1))(model, x)
        turned = predicted(result.adversarial) != predicted(x)
        assert result.success.sum() > 50
        assert turned[result.success].all()
    found = isi.explain(model, x, conservation=True)
    np.testing.assert_array_equal(found.prediction, predicted(x))
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)


def test_no_map_where_the_model_returns_no_number():
    """A mean of which a mask leaves nothing; the maps of the other samples stay as they are."""
    ids = keras.Input((7,), dtype="int32")
    rows = layers.Embedding(20, 8, mask_zero=True)(ids)
    model = keras.Model(ids, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(rows)))
    x = np.random.default_rng(0).integers(1, 20, (3, 7))
    wanted = isi.explain(model, x[[0, 2]]).relevance
    x[1] = 0
    with pytest.warns(UserWarning, match=r"NaN for 1 of 3 samples \(the first is sample 1\)"):
        found = isi.explain(model, x)
    assert np.isnan(found.relevance[1]).all()
    np.testing.assert_allclose(found.relevance[[0, 2]], wanted, atol=1e-6)


class TestSeveralInputs:
    def test_list_and_dictionary_agree(self):
        model, x = composed("two_inputs")
        names = [spec.name for spec in model.input_spec]
        by_list = isi.explain(model, x)
        by_name = isi.explain(model, dict(zip(names, x, strict=True)))
        assert list(by_list.relevance) == names
        for name in names:
            np.testing.assert_allclose(by_list.relevance[name], by_name.relevance[name], atol=1e-6)
            alone = by_list.select(name)
            np.testing.assert_array_equal(alone.x, by_list.x[name])
            np.testing.assert_array_equal(alone.relevance, by_list.relevance[name])
        with pytest.raises(ValueError, match=rf"no input 'nothing'\. Choose one of '{names[0]}'"):
            by_list.select("nothing")
        with pytest.raises(ValueError, match="one input only"):
            alone.select(name)

    def test_saved_and_loaded(self, tmp_path):
        model, x = composed("dict_inputs")
        inner = next(layer.name for layer in model.layers if isinstance(layer, layers.Dense))
        found = isi.explain(model, x, conservation=True, layers=[inner])
        again = isi.Explanation.load(found.save(tmp_path / "several"))
        for field in ("x", "relevance", "layers", "conservation"):
            one, other = getattr(found, field), getattr(again, field)
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])

    def test_errors(self):
        model, x = composed("two_inputs")
        with pytest.raises(ValueError, match=r"has 2 input\(s\).*Received: a ndarray"):
            isi.explain(model, x[0])
        with pytest.raises(ValueError, match=r"has 2 input\(s\).*Received: a list of 1"):
            isi.explain(model, x[:1])
        names = [spec.name for spec in model.input_spec]
        with pytest.raises(
            ValueError, match=rf"Missing: '{names[1]}'\. Received: '{names[0]}', 'b'"
        ):
            isi.explain(model, {names[0]: x[0], "b": x[1]})
        with pytest.raises(ValueError, match=r"same number of samples.*4, 3"):
            isi.explain(model, [x[0], x[1][:3]])
        with pytest.raises(ValueError, match=r"has 2 inputs of real numbers: .*moving="):
            isi.Attack(bounds=(-9, 9))(model, x)


class TestExplain:
    def test_against_is_a_difference_of_logits(self):
        model, x = small_network(), images(6)
        for indicator in ("relevance", "sensitivity"):
            one, other, both = (
                isi.explain(model, x, indicator=indicator, **classes)
                for classes in ({"target": 0}, {"target": 2}, {"target": 0, "against": 2})
            )
            np.testing.assert_allclose(
                both.relevance, one.relevance - other.relevance, rtol=1e-4, atol=1e-5
            )
            np.testing.assert_array_equal(both.against, np.full(6, 2))
        each = isi.explain(model, x, target=np.arange(6) % 3, against=(np.arange(6) + 1) % 3)
        np.testing.assert_array_equal(each.against, (np.arange(6) + 1) % 3)

    @pytest.mark.parametrize("rule", ["z", "epsilon_plus", "epsilon_plus_flat"])
    def test_layers_have_the_relevance_that_passes_them(self, rule):
        x = keras.Input((6, 5, 2))
        h = layers.Rescaling(2.0, name="scale")(x)
        h = layers.Conv2D(4, 3, activation="relu", use_bias=False, name="conv")(h)
        h = layers.Flatten(name="flat")(h)
        model = keras.Model(x, layers.Dense(3, use_bias=False, name="out")(h))
        names = ["scale", "conv", "flat", "out"]
        plain = isi.explain(model, images(4), indicator=isi.Relevance(rule))
        found = isi.explain(model, images(4), indicator=isi.Relevance(rule), layers=names)
        np.testing.assert_allclose(found.relevance, plain.relevance, atol=1e-6)
        assert list(found.layers) == names
        assert found.layers["conv"].shape == (4, 4, 3, 4)
        for relevance in (found.relevance, *found.layers.values()):
            np.testing.assert_allclose(
                relevance.reshape(4, -1).sum(1), found.logits.max(1), rtol=1e-3, atol=1e-4
            )
        np.testing.assert_allclose(found.layers["scale"], found.relevance, atol=1e-6)
        np.testing.assert_allclose(
            found.layers["out"], found.logits * (np.arange(3) == found.target[:, None]), atol=1e-5
        )

    def test_nested_and_shared_layers(self):
        model, x = composed("transfer")
        inner = next(layer for layer in nodes(model) if isinstance(layer, layers.ReLU))
        assert isi.explain(model, x, layers=[inner.name]).layers[inner.name].any()
        model, x = composed("shared_layer")
        calls = {}
        for node in nodes(model):
            if isinstance(node, layers.Layer) and len(getattr(node, "_inbound_nodes", ())) > 1:
                calls[node.name] = node
        name = next(iter(calls))
        found = isi.explain(model, x, layers=[name]).layers
        assert set(found) == {name, f"{name}/1"}

    def test_unknown_layers(self):
        with pytest.raises(ValueError, match=r"has no layer of the name 'cnov'.*'conv2d"):
            isi.explain(small_network(), images(2), layers=["cnov", "conv"])
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="one"), layers.Dense(2)])
        model.layers[1].name = "one"
        with pytest.raises(ValueError, match=r"several layers of the name 'one'"):
            isi.explain(model, np.ones((1, 4), "float32"), layers=["one"])
        ends = [layers.Dense(3), layers.Dense(2, "softmax", name="last")]
        with pytest.raises(ValueError, match=r"do not depend on what the layer 'last' returns"):
            isi.explain(
                keras.Sequential([keras.Input((4,)), *ends]), np.ones((1, 4)), layers=["last"]
            )

    def test_a_merged_layer_has_no_relevance_of_its_own(self):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(3, name="linear"),
                layers.BatchNormalization(),
                layers.Dense(2),
            ]
        )
        x = np.ones((1, 4), "float32")
        with pytest.raises(ValueError, match=r"merged into it.*fold=False"):
            isi.explain(model, x, layers=["linear"])
        apart = isi.Relevance(Composite("epsilon", fold=False))
        assert isi.explain(model, x, indicator=apart, layers=["linear"]).layers["linear"].any()

    @pytest.mark.parametrize("wanted", [{"layers": ["conv"]}, {"conservation": True}])
    def test_only_of_relevance(self, wanted):
        with pytest.raises(ValueError, match=r"about relevance.*indicator Sensitivity"):
            isi.explain(small_network(), images(1), indicator="sensitivity", **wanted)

    @pytest.mark.skipif(keras.config.backend() == "torch", reason="Torch traces nothing")
    def test_traced_once(self):
        model, x = small_network(), images(6)
        isi.explain(model, x, indicator=isi.Relevance("epsilon_plus_flat"), batch_size=3)
        runs = [made for _, made in compiling._KEPT[model].values() if hasattr(made, "traces")]
        traces = [run.traces for run in runs]
        isi.explain(model, x[::-1], indicator=isi.Relevance("epsilon_plus_flat"), batch_size=3)
        assert [run.traces for run in runs] == traces


class RawPreprocessing(keras.Model):
    """A model that computes with its input outside layers."""

    def __init__(self):
        super().__init__()
        self.conv, self.flat, self.out = layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(2)

    def call(self, x):
        return self.out(self.flat(self.conv(x / 2.0 + 1.0)))


BACKWARDS = np.array([2, 1, 0])
PICKED = {
    "take": lambda x: ops.take(x, [2, 1, 0], axis=-1),
    "take_by_an_array": lambda x: ops.take(x, BACKWARDS, axis=3),
    "take_along_axis": lambda x: ops.take_along_axis(x, BACKWARDS[None, None, None], axis=-1),
    "stacked": lambda x: ops.stack([x[..., 2], x[..., 1], x[..., 0]], axis=-1),
}


class TestFirstLayer:
    @pytest.mark.parametrize("rule", ["epsilon_plus_flat", "epsilon_gamma_box", "epsilon_plus"])
    def test_raw_preprocessing_is_preprocessing(self, rule):
        model, x = RawPreprocessing(), images(2)
        model(x)
        layer = layers.Rescaling(0.5, 1.0)
        inputs = keras.Input((6, 5, 2))
        wanted = keras.Model(inputs, model.out(model.flat(model.conv(layer(inputs)))))
        found, wanted = (
            isi.explain(each, x, indicator=isi.Relevance(rule), conservation=True)
            for each in (model, wanted)
        )
        if rule != "epsilon_plus":  # otherwise its shift is a bias, and not that of the layer
            np.testing.assert_allclose(found.relevance, wanted.relevance, atol=1e-5)
        np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)

    @pytest.mark.parametrize("name", PICKED)
    @pytest.mark.parametrize("rule", ["epsilon_plus_flat", "epsilon_gamma_box", "epsilon_plus"])
    def test_entries_that_are_picked_are_moved(self, rule, name):
        """As channels from RGB to BGR."""
        inputs, x = keras.Input((6, 5, 3)), np.repeat(images(2), [2, 1], axis=-1)
        conv, out = layers.Conv2D(3, 3), layers.Dense(2)
        found = [
            isi.explain(
                keras.Model(inputs, out(layers.Flatten()(conv(pick(inputs))))),
                x,
                indicator=isi.Relevance(rule),
                conservation=True,
            )
            for pick in (PICKED[name], lambda x: ops.flip(x, axis=-1))
        ]
        one, other = (each.relevance for each in found)
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())
        np.testing.assert_allclose(found[0].conservation["elsewhere"], 0, atol=1e-5)

    def test_a_rule_that_finds_no_first_layer_is_refused(self):
        x = keras.Input((6, 5, 2))
        h = layers.Conv2D(3, 3)(ops.log1p(ops.square(x)))
        model = keras.Model(x, layers.Dense(2)(layers.Flatten()(h)))
        indicator = isi.Relevance("epsilon_plus_flat")
        match = r"no linear layer is the first: the input meets Square in the model before one"
        with pytest.raises(ValueError, match=match):
            isi.explain(model, images(2), indicator=indicator)
        with pytest.raises(ValueError, match=match):
            isi.Attack(indicator)(model, images(2))

    def test_every_layer_at_the_input_has_the_rule(self):
        x = keras.Input((6, 5, 2))
        branches = [layers.Conv2D(3, size, padding="same")(x) for size in (1, 3)]
        h = layers.ReLU()(layers.Concatenate()([*branches, x]))
        model = keras.Model(x, layers.Dense(2)(layers.GlobalMaxPooling2D()(h)))
        report = isi.explain(
            model, images(3), indicator=isi.Relevance("epsilon_plus_flat"), conservation=True
        ).conservation
        np.testing.assert_allclose(report["elsewhere"], 0, atol=1e-5)

    @pytest.mark.parametrize(
        ("rule", "norm"), list(zip(composites.NAMES, ["l0", "l2", "l0", "linf", "l0"], strict=True))
    )
    def test_attacks_use_composites(self, rule, norm, lenet, golden):
        attack = isi.Attack(isi.Relevance(rule), norm, max_steps=30)
        result = attack(lenet, golden["x"][:8])
        assert result.changed.any()
        np.testing.assert_array_equal(result.changed, result.order > 0)
        map_ = isi.explain(lenet, golden["x"][:1], indicator=attack.indicator).relevance[0]
        if norm == "l0" and rule.endswith(("flat", "box")):
            assert np.argmax(map_) == np.argmax(result.order[0] == 1)


class TestComposite:
    def layer(self, name, kind=layers.Conv2D, *options):
        return kind(*options or (3, 3), name=name)

    def test_the_most_particular_rule_counts(self):
        composite = Composite(
            {"convolution": "zplus", "Conv1D": Gamma(0.5), "dense": Epsilon(0.1)},
            first={"convolution": ZBox(-2, 2)},
            names={"block5_*": AlphaBeta(3, 2), "*_head": "z"},
        )
        rule = composite.rule
        assert rule(self.layer("a"), False) == ZPlus()
        assert rule(self.layer("a"), True) == ZBox(-2, 2)
        assert rule(self.layer("block5_conv1"), True) == AlphaBeta(3, 2)
        assert rule(self.layer("a", layers.Conv1D), False) == Gamma(0.5)
        assert rule(self.layer("a", layers.Dense, 3), True) == Epsilon(0.1)
        assert rule(self.layer("a_head", layers.Dense, 3), False) == Epsilon(0)
        assert rule(layers.BatchNormalization(), False) == Epsilon()
        assert Composite(ZPlus(0.5)).rule(layers.BatchNormalization(), False) == Epsilon(0.5)

    def test_names_mean_what_zennit_means(self):
        conv, dense = self.layer("c"), self.layer("d", layers.Dense, 3)
        assert set(composites.NAMES) == {
            "epsilon_plus",
            "epsilon_plus_flat",
            "epsilon_alpha2beta1",
            "epsilon_alpha2beta1_flat",
            "epsilon_gamma_box",
        }
        for name in composites.NAMES:
            composite = composites.get(name)
            assert composite.rule(dense, False) == Epsilon()
            flat = name.endswith("_flat")
            assert (composite.rule(dense, True) == Flat()) is flat
            assert (composite.rule(conv, True) == Flat()) is flat
        assert composites.epsilon_gamma_box(0, 255).rule(conv, True) == ZBox(0, 255)

    def test_by_name_and_layer_in_a_model(self):
        """Naming every layer does what naming their kinds does."""
        model, x = small_network(), images(4)
        conv, dense = (layer.name for layer in model.layers if layer.weights)
        by_name = isi.Relevance(Composite("epsilon", names={conv: "zplus", dense: "epsilon"}))
        found = isi.explain(model, x, indicator=by_name).relevance
        wanted = isi.explain(model, x, indicator=isi.Relevance("epsilon_plus")).relevance
        np.testing.assert_array_equal(found, wanted)
        first = isi.Relevance(Composite("epsilon", names={conv: "flat"}))
        flat = isi.explain(model, x, indicator=first).relevance
        kinds = isi.Relevance(Composite("epsilon", first="flat"))
        np.testing.assert_array_equal(flat, isi.explain(model, x, indicator=kinds).relevance)
        wrong = isi.Relevance(Composite("epsilon", names={dense: "flat"}))
        with pytest.raises(ValueError, match=r"gives Flat, which serves the first layer only"):
            isi.explain(model, x, indicator=wrong)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"Unknown kind of layers: 'convolutions'\. Did you"):
            Composite({"convolutions": "zplus"})
        with pytest.raises(ValueError, match=r"Unknown gates: 'half'\. Did you mean 'halves'"):
            Composite(gates="half")
        with pytest.raises(TypeError, match=r"names to be a dictionary from patterns"):
            Composite(names="zplus")
        with pytest.raises(
            ValueError, match=r"Unknown rule: 'epsilon_pls'\. Did you mean 'epsilon_p"
        ):
            isi.Relevance("epsilon_pls")

    def test_configuration_survives(self):
        import json

        composite = Composite(
            {"convolution": Gamma(0.5)}, first={"dense": "flat"}, names={"a*": ZPlus()}, fold=False
        )
        indicator = isi.Relevance(composite)
        again = isi.Relevance.from_config(json.loads(json.dumps(indicator.get_config())))
        assert again == indicator
        assert again.rule.names == (("a*", ZPlus()),)
        other = Composite(names={"a*": "z", "*b": "gamma"})
        assert other != Composite(names={"*b": "gamma", "a*": "z"})
