"""Pixel flipping against closed forms and a slow loop; randomised networks; concentration."""

import concurrent.futures
import dataclasses
import itertools
import json

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.networks import images, small_network
from scipy import stats
from skimage import metrics

import isi_keras as isi
from isi_keras.explanations import parameter_randomisation
from isi_keras.models import compiling


def linear_model(kernel, bias, final=None):
    kernel, bias = np.asarray(kernel, "float32"), np.asarray(bias, "float32")
    model = keras.Sequential([keras.Input(kernel.shape[:1]), layers.Dense(len(bias), final)])
    model.set_weights([kernel, bias])
    return model


def dense_network(shape, seed=3):
    """Images to three classes through ReLU, and the logits of one sample in float64."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(data_format="channels_last"),
            layers.Dense(7, activation="relu", bias_initializer="random_normal"),
            layers.Dense(3, activation="softmax", bias_initializer="random_normal"),
        ]
    )
    w1, b1, w2, b2 = (value.astype("float64") for value in model.get_weights())
    return model, lambda x: np.maximum(x.ravel() @ w1 + b1, 0) @ w2 + b2


def with_map(model, x, relevance, target=None):
    return dataclasses.replace(
        isi.explain(model, x, target=target), relevance=np.asarray(relevance, "float32")
    )


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def flipped_slowly(logits_of, explanation, patch, order, baseline, counts):
    """One sample, one patch, one input at a time, in float64; the curves of logit, probability."""
    logits, probabilities = [], []
    for x, relevance, fill, target in zip(
        explanation.x, explanation.relevance, baseline, explanation.target, strict=True
    ):
        regions = {}  # the inputs of each patch
        for place in np.ndindex(*x.shape):
            whole = patch is None or x.ndim == 1
            key = place if whole else tuple(p // patch for p in place[:-1])
            regions.setdefault(key, []).append(place)
        keys = sorted(regions)
        total = {key: sum(float(relevance[p]) for p in regions[key]) for key in keys}
        keys.sort(key=lambda key: -total[key] if order == "most" else total[key])
        now, done, curve = x.astype("float64"), 0, []
        for count in counts:
            for key in keys[done:count]:
                for p in regions[key]:
                    now[p] = fill[p]
            done = count
            curve.append(logits_of(now))
        logits.append([z[target] for z in curve])
        probabilities.append([softmax(z)[target] for z in curve])
    return np.array(logits), np.array(probabilities)


class TestLinearModel:
    """Without hidden layers relevance is `x * w`, and each flip to 0 takes exactly that away."""

    kernel = np.array([[4, 0], [-2, 1], [1, 3], [8, -1]])
    bias = np.array([1.0, 2.0])
    x = np.array([[2.0, 1.0, 3.0, 1.0], [-1.0, -4.0, 2.0, 0.5]])

    @pytest.fixture
    def explanation(self):
        self.model = linear_model(self.kernel, self.bias)
        return isi.explain(self.model, self.x, target=0)

    def test_every_value_of_the_curve(self, explanation):
        np.testing.assert_array_equal(explanation.relevance, [[8, -2, 3, 8], [-4, 8, 2, 4]])
        result = isi.pixel_flipping(self.model, explanation)
        np.testing.assert_array_equal(result.flipped, [0, 0.25, 0.5, 0.75, 1])
        np.testing.assert_array_equal(result.logit, [[18, 10, 2, -1, 1], [11, 3, -1, -3, 1]])
        other = np.array([[11, 11, 12, 3, 2], [3.5, 7.5, 8, 2, 2]])  # the logit of class 1
        expected = 1 / (1 + np.exp(other - result.logit))
        np.testing.assert_allclose(result.probability, expected, rtol=1e-6)

    def test_least_relevant_first(self, explanation):
        result = isi.pixel_flipping(self.model, explanation, order="least")
        np.testing.assert_array_equal(result.logit, [[18, 20, 17, 9, 1], [11, 15, 13, 9, 1]])

    def test_area_and_aopc_by_hand(self, explanation):
        result = isi.pixel_flipping(self.model, explanation)
        area = [(18 / 2 + 10 + 2 - 1 + 1 / 2) / 4, (11 / 2 + 3 - 1 - 3 + 1 / 2) / 4]
        np.testing.assert_allclose(result.area("logit"), area)
        aopc = [(0 + 8 + 16 + 19 + 17) / 5, (0 + 8 + 12 + 14 + 10) / 5]
        np.testing.assert_allclose(result.aopc("logit"), aopc)

    def test_the_area_is_the_mean_height_of_what_was_flipped(self, explanation):
        result = isi.pixel_flipping(self.model, explanation, steps=[1, 2])
        np.testing.assert_allclose(result.area("logit")[0], (18 / 2 + 10 + 2 / 2) / 2)

    def test_no_order_falls_faster(self, explanation):
        """The greatest first is the best order of all, the smallest first the worst."""
        areas = []
        for order in itertools.permutations(range(4)):
            by_order = dataclasses.replace(explanation, relevance=-np.array([order, order]))
            areas.append(isi.pixel_flipping(self.model, by_order).area("logit"))
        best = isi.pixel_flipping(self.model, explanation).area("logit")
        worst = isi.pixel_flipping(self.model, explanation, order="least").area("logit")
        np.testing.assert_array_equal(np.min(areas, axis=0), best)
        np.testing.assert_array_equal(np.max(areas, axis=0), worst)

    def test_baselines(self, explanation):
        flip = isi.pixel_flipping
        np.testing.assert_array_equal(
            flip(self.model, explanation, baseline=-explanation.x, steps=[1]).logit,
            [[18, 2], [11, -5]],
        )
        np.testing.assert_array_equal(
            flip(self.model, explanation, baseline=[1, 1, 1, 2.0], steps=[1]).logit,
            [[18, 14], [11, 1]],
        )
        same = flip(self.model, explanation, baseline=explanation.x).logit
        np.testing.assert_array_equal(same, same[:, :1].repeat(5, axis=1))

    def test_equal_ones_go_in_reading_order(self, explanation):
        flat = dataclasses.replace(explanation, relevance=np.zeros((2, 4)))
        for order in ("most", "least"):
            result = isi.pixel_flipping(self.model, flat, order=order)
            np.testing.assert_array_equal(result.logit[0], [18, 10, 12, 9, 1])


SHAPES = {"image": (5, 6, 2), "grey": (7, 4, 1), "signal": (9, 2), "table": (8,)}
PATCHES = {"image": (1, 2, 6, None), "grey": (1, 3, None), "signal": (1, 4), "table": (1, None)}
GRID = [(name, patch) for name in SHAPES for patch in PATCHES[name]]


@pytest.mark.parametrize("order", ["most", "least"])
@pytest.mark.parametrize(("name", "patch"), GRID)
def test_agrees_with_a_slow_loop(rng, name, patch, order):
    model, logits_of = dense_network(SHAPES[name])
    x = rng.uniform(-1, 1, (3, *SHAPES[name]))
    baseline = rng.uniform(-1, 1, x.shape).astype("float32")
    explanation = with_map(model, x, rng.normal(size=x.shape), target=[0, 1, 2])
    result = isi.pixel_flipping(
        model, explanation, patch=patch, order=order, baseline=baseline, steps=4, batch_size=2
    )
    counts = _counts_of(result, SHAPES[name], patch)
    logit, probability = flipped_slowly(logits_of, explanation, patch, order, baseline, counts)
    np.testing.assert_allclose(result.logit, logit, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result.probability, probability, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.target, [0, 1, 2])


def _counts_of(result, shape, patch):
    if patch is None or len(shape) == 1:
        patches = np.prod(shape)
    else:
        patches = np.prod([-(-side // patch) for side in shape[:-1]])
    steps = min(4, patches)
    counts = [step * patches // steps for step in range(steps + 1)]
    np.testing.assert_allclose(result.flipped, np.array(counts) / patches)
    return counts


@pytest.mark.parametrize("patch", [1, 2, None])
@pytest.mark.parametrize("order", ["most", "least", "random"])
@pytest.mark.parametrize("said", ["by the explanation", "to the function"])
def test_channels_first_equals_channels_last(rng, patch, order, said):
    model, x = small_network(), images(5)
    turned = keras.Sequential([keras.Input((2, 6, 5)), layers.Permute((2, 3, 1)), model])
    last = with_map(model, x, rng.normal(size=x.shape))
    remembered = "channels_first" if said == "by the explanation" else "channels_last"
    first = dataclasses.replace(
        last,
        x=np.moveaxis(x, -1, 1),
        relevance=np.moveaxis(last.relevance, -1, 1),
        data_format=remembered,
    )
    options = {"patch": patch, "order": order, "steps": 6}
    one = isi.pixel_flipping(model, last, **options)
    told = None if said == "by the explanation" else "channels_first"
    two = isi.pixel_flipping(turned, first, data_format=told, **options)
    assert two.config["config"]["data_format"] == "channels_first"
    np.testing.assert_array_equal(one.flipped, two.flipped)
    if patch is not None or order != "random":  # the features of a random order are numbered anew
        np.testing.assert_allclose(one.logit, two.logit, rtol=1e-5, atol=1e-5)


class TestFlipping:
    @pytest.fixture
    def model(self):
        return small_network()

    @pytest.fixture
    def explanation(self, model):
        return isi.explain(model, images(7))

    def test_begins_with_what_the_model_says(self, model, explanation):
        result = isi.pixel_flipping(model, explanation, steps=3)
        mine = np.arange(7), explanation.target
        np.testing.assert_allclose(result.logit[:, 0], explanation.logits[mine], rtol=1e-5)
        said = model.predict(explanation.x, verbose=0)[mine]
        np.testing.assert_allclose(result.probability[:, 0], said, rtol=1e-5)

    def test_ends_with_the_baseline_whatever_the_order(self, model, explanation):
        ends = [
            isi.pixel_flipping(model, explanation, order=order, steps=3, patch=patch).logit[:, -1]
            for order, patch in itertools.product(("most", "least", "random"), (1, 4, None))
        ]
        for end in ends[1:]:
            np.testing.assert_allclose(end, ends[0], rtol=1e-6, atol=1e-6)

    def test_batch_sizes_agree(self, model, explanation):
        for order in ("most", "random"):
            options = {"order": order, "steps": 4}
            whole = isi.pixel_flipping(model, explanation, batch_size=7, **options)
            for size in (1, 3, 100):
                part = isi.pixel_flipping(model, explanation, batch_size=size, **options)
                np.testing.assert_allclose(part.logit, whole.logit, rtol=1e-5, atol=1e-5)

    def test_a_random_order_follows_its_seed(self, model, explanation):
        one, same, other = (
            isi.pixel_flipping(model, explanation, order="random", seed=seed, steps=4).logit
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert not np.allclose(one, other)

    def test_a_random_order_differs_between_samples_and_ignores_the_map(self, model, explanation):
        same = dataclasses.replace(
            explanation,
            x=explanation.x[:1].repeat(2, axis=0),
            relevance=0 * explanation.relevance[:2],
            logits=explanation.logits[:2],
            target=explanation.target[:1].repeat(2),
        )
        result = isi.pixel_flipping(model, same, order="random", steps=4)
        assert not np.allclose(result.logit[0], result.logit[1])

    @pytest.mark.parametrize("order", ["most", "random"])
    def test_parts_with_their_first_index_equal_the_whole(self, model, explanation, order):
        options = {"order": order, "steps": 4, "seed": 3}
        whole = isi.pixel_flipping(model, explanation, **options)
        parts = [
            isi.pixel_flipping(model, explanation[begin:end], first_index=begin, **options)
            for begin, end in ((0, 3), (3, 4), (4, 7))
        ]
        joined = isi.FlippingResult.concatenate(parts)
        assert joined.config == whole.config
        np.testing.assert_allclose(joined.logit, whole.logit, rtol=1e-5, atol=1e-5)
        alone = isi.pixel_flipping(model, explanation[4:], **options).logit
        assert np.allclose(alone, parts[-1].logit) == (order == "most")

    def test_steps(self, model, explanation):
        def flipped(**options):
            return isi.pixel_flipping(model, explanation, **options).flipped * 30

        np.testing.assert_allclose(flipped(steps=4), [0, 7, 15, 22, 30])
        np.testing.assert_allclose(flipped(steps=1000), np.arange(31))
        np.testing.assert_allclose(flipped(steps=range(1, 5)), range(5))
        np.testing.assert_allclose(flipped(steps=range(5)), range(5))
        np.testing.assert_allclose(flipped(steps=[3, 30]), [0, 3, 30])
        np.testing.assert_allclose(flipped(steps=np.int64(2)), [0, 15, 30])

    def test_a_second_call_does_not_retrace(self, model, explanation):
        if keras.config.backend() == "torch":
            pytest.skip("Torch traces nothing")
        isi.pixel_flipping(model, explanation, batch_size=4)
        run = compiled_of(model, "flipping")
        assert run.traces == 1
        isi.pixel_flipping(
            model, explanation, batch_size=4, patch=2, order="random", baseline=1.0, steps=3
        )
        model.set_weights([2 * w for w in model.get_weights()])
        isi.pixel_flipping(model, explanation, batch_size=4)
        assert compiled_of(model, "flipping") is run
        assert run.traces == 1

    def test_sees_new_weights_and_alters_none(self, model, explanation):
        before = isi.pixel_flipping(model, explanation, steps=4)
        values = [w + 0.1 for w in model.get_weights()]
        model.set_weights(values)
        after = isi.pixel_flipping(model, explanation, steps=4)
        for kept, value in zip(model.get_weights(), values, strict=True):
            np.testing.assert_array_equal(kept, value)
        fresh = small_network(seed=5)
        fresh.set_weights(values)
        np.testing.assert_allclose(
            after.logit, isi.pixel_flipping(fresh, explanation, steps=4).logit, rtol=1e-6
        )
        assert not np.allclose(before.logit, after.logit)

    def test_a_subclassed_model(self):
        model, x = small_network(final=None), images(4)
        outer = Subclassed(model)
        outer(x)
        explanation = isi.explain(model, x)
        np.testing.assert_allclose(
            isi.pixel_flipping(outer, explanation, steps=4).logit,
            isi.pixel_flipping(model, explanation, steps=4).logit,
            rtol=1e-5,
            atol=1e-6,
        )

    def test_says_what_was_done(self, model, explanation):
        result = isi.pixel_flipping(model, explanation, patch=2, baseline=images(1), steps=2)
        assert json.loads(json.dumps(result.config)) == result.config
        assert result.config["class_name"] == "pixel_flipping"
        config = result.config["config"]
        assert config["indicator"]["class_name"] == "Relevance"
        assert config["patch"] == 2
        assert config["baseline"] == "shape (1, 6, 5, 2)"
        other = isi.pixel_flipping(model, explanation, steps=1)
        assert other.config["config"]["baseline"] == 0
        assert len(result) == 7


@pytest.mark.parametrize("final", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("units", [1, 3])
def test_probabilities_are_those_of_the_model(rng, units, final):
    """One sigmoid unit has the logits (-z, z), but its probability is the sigmoid of z alone."""
    if units == 1 and final != "sigmoid":
        pytest.skip("one unit needs a sigmoid")
    model = linear_model(rng.normal(size=(4, units)), rng.normal(size=units), final)
    x = rng.normal(size=(6, 4)).astype("float32")
    explanation = isi.explain(model, x)
    found = isi.pixel_flipping(model, explanation, steps=1).probability[:, 0]
    said = model.predict(x, verbose=0)
    if final is None:
        said = np.stack([softmax(z) for z in said])
    if units == 1:
        said = np.concatenate([1 - said, said], axis=1)
    np.testing.assert_allclose(found, said[np.arange(6), explanation.target], rtol=1e-5)


def test_relevance_of_the_shipped_network_beats_chance():
    model, (x, _) = isi.zoo.load("lenet-mnist")
    maps = isi.explain(model, x[:16])
    area = {
        order: isi.pixel_flipping(model, maps, order=order, steps=12).area()
        for order in ("most", "random", "least")
    }
    assert area["most"].mean() < 0.3 * area["random"].mean()
    assert area["random"].mean() < area["least"].mean()
    assert (area["most"] < area["random"]).mean() > 0.95
    coarse = {
        order: isi.pixel_flipping(model, maps, order=order, patch=4, steps=range(1, 9)).aopc()
        for order in ("most", "random")
    }
    assert coarse["most"].mean() > 2 * coarse["random"].mean()


BAD = {
    "explanation": ({"explanation": np.zeros(3)}, TypeError, r"Explanation\. Received: ndarray"),
    "order": ({"order": "MoRF"}, ValueError, r"order: 'MoRF'.*'most', 'least', 'random'"),
    "data_format": ({"data_format": "NHWC"}, ValueError, r"Unknown data_format: 'NHWC'"),
    "first index": ({"first_index": -1}, ValueError, r"first_index to be an integer, at least 0"),
    "patch of 0": ({"patch": 0}, ValueError, r"patch to be an integer, at least 1\. .*patch=0"),
    "patch": ({"patch": 2.5}, TypeError, r"patch to be an integer.*patch=2\.5"),
    "large patch": ({"patch": 7}, ValueError, r"than a sample of 6 x 5 pixels .*Pass at most 6"),
    "seed": ({"seed": -1}, ValueError, r"seed to be an integer, at least 0\. .*seed=-1"),
    "no steps": ({"steps": 0}, ValueError, r"steps to be an integer, at least 1\. .*steps=0"),
    "steps": ({"steps": 0.5}, TypeError, r"steps=0\.5\. Try steps=50"),
    "empty steps": ({"steps": []}, TypeError, r"steps=\[\]"),
    "only none": ({"steps": [0]}, ValueError, r"ascend from 1 to at most 30"),
    "falling": ({"steps": [3, 2]}, ValueError, r"ascend.*beginning with \[0, 3, 2\]"),
    "too many": ({"steps": [31]}, ValueError, r"at most 30, the number of patches"),
    "baseline": ({"baseline": np.zeros(3)}, ValueError, r"shape \(3,\).*\(4, 6, 5, 2\).*\(6, 5, 2"),
    "large baseline": ({"baseline": np.zeros((2, 4, 6, 5, 2))}, ValueError, r"does not broadcast"),
    "text": ({"baseline": "mean"}, TypeError, r"baseline='mean'"),
    "nan": ({"baseline": np.nan}, ValueError, r"baseline to be finite"),
    "batch size": ({"batch_size": 0}, ValueError, r"batch_size"),
}


@pytest.fixture(scope="module")
def explained():
    model = small_network()
    return model, isi.explain(model, images(4))


class TestErrors:
    @pytest.fixture
    def model(self, explained):
        return explained[0]

    @pytest.fixture
    def explanation(self, explained):
        return explained[1]

    @pytest.mark.parametrize("case", BAD)
    def test_bad_arguments(self, model, explanation, case):
        options, kind, match = BAD[case]
        with pytest.raises(kind, match=match):
            isi.pixel_flipping(model, **{"explanation": explanation, **options})

    def test_another_model(self, explanation):
        other = keras.Sequential([keras.Input((6, 5, 3)), layers.Flatten(), layers.Dense(3)])
        with pytest.raises(ValueError, match=r"expects inputs of shape \('N', 6, 5, 3\)"):
            isi.pixel_flipping(other, explanation)
        other = keras.Sequential([keras.Input((6, 5, 2)), layers.Flatten(), layers.Dense(4)])
        with pytest.raises(ValueError, match=r"another model.*3 classes.*of 4\. Explain this"):
            isi.pixel_flipping(other, explanation)

    def test_a_map_that_does_not_fit(self, model, explanation):
        short = dataclasses.replace(explanation, relevance=explanation.relevance[..., :1])
        with pytest.raises(ValueError, match=r"relevance of shape \(4, 6, 5, 1\) for x of"):
            isi.pixel_flipping(model, short)
        nan = dataclasses.replace(explanation, relevance=explanation.relevance * np.nan)
        with pytest.raises(ValueError, match=r"NaN or infinity, so it gives no order"):
            isi.pixel_flipping(model, nan)

    def test_a_table_has_no_patches(self):
        model = linear_model(np.eye(4), np.zeros(4))
        with pytest.raises(ValueError, match=r"\(N, 4\), has no patches.*patch=2"):
            isi.pixel_flipping(model, isi.explain(model, np.eye(4)), patch=2)

    def test_several_inputs(self, model, explanation):
        several = dataclasses.replace(explanation, x={"a": explanation.x, "b": explanation.x})
        with pytest.raises(TypeError, match=r"one input\. Received: one of 2 inputs"):
            isi.pixel_flipping(model, several)

    def test_scores_are_known_by_name(self, model, explanation):
        result = isi.pixel_flipping(model, explanation, steps=1)
        for measure in (result.curve, result.area, result.aopc):
            with pytest.raises(ValueError, match=r"Unknown score: 'p'.*'probability', 'logit'"):
                measure("p")


class Subclassed(keras.Model):
    """Makes its layers in another order than it calls them, and has a weight of its own."""

    def __init__(self, inner):
        super().__init__()
        self.head = layers.Dense(3, name="head")
        self.shift = self.add_weight(shape=(3,), initializer="zeros", name="shift")
        self.inner = inner
        keras.Sequential([self.head]).build((None, 3))
        self.head.set_weights([np.eye(3), np.zeros(3)])

    def call(self, x):
        return self.head(self.inner(x)) + self.shift


def functional_network():
    """Two towers that share a layer, a nested model, batch normalisation and preprocessing."""
    keras.utils.set_random_seed(7)
    adapted = layers.Normalization(name="adapted")
    adapted.adapt(images(8))
    shared = layers.Dense(6, activation="relu", name="shared")
    nested = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, name="inside"), layers.BatchNormalization(name="norm")],
        name="nested",
    )
    x = keras.Input((6, 5, 2))
    flat = layers.Flatten()(adapted(x))
    joined = layers.Add()([shared(flat), shared(-1.0 * flat)])
    out = layers.Dense(3, name="last")(nested(joined))
    model = keras.Model(x, out)
    rng = np.random.default_rng(0)
    norm = nested.get_layer("norm")
    norm.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in norm.get_weights()])
    return model


def compiled_of(model, key):
    (run,) = [
        kept
        for (first, *_), (_, kept) in compiling._KEPT[model].items()
        if first == key and isinstance(kept, compiling.Compiled)
    ]
    return run


class TestRandomisation:
    def test_equals_maps_of_networks_with_those_weights(self):
        """Cascading and alone, against fresh networks that hold the permuted weights."""
        model, x = small_network(), images(6)
        values, rng = model.get_weights(), np.random.default_rng(4)
        shuffled = {}
        for number in (2, 3, 0, 1):  # from the top down, kernel before bias
            flat = rng.permutation(values[number].ravel())
            shuffled[number] = flat.reshape(values[number].shape)
        original = isi.explain(model, x)
        for cascade, replaced in (
            (True, ([], [2, 3], [0, 1, 2, 3])),
            (False, ([], [2, 3], [0, 1])),
        ):
            result = isi.parameter_randomisation(model, x, cascade=cascade, seed=4, batch_size=4)
            assert [name.split("_")[0] for name in result.layers] == ["original", "dense", "conv2d"]
            assert result.similarity.shape == (6, 3)
            for column, numbers in enumerate(replaced):
                fresh = small_network(seed=9)
                fresh.set_weights([shuffled[n] if n in numbers else values[n] for n in range(4)])
                maps = isi.explain(fresh, x, target=original.target)
                expected = [
                    stats.spearmanr(np.abs(a).ravel(), np.abs(b).ravel()).statistic
                    for a, b in zip(original.relevance, maps.relevance, strict=True)
                ]
                np.testing.assert_allclose(result.similarity[:, column], expected, atol=1e-3)

    def test_randomising_no_layer_changes_nothing(self):
        result = isi.parameter_randomisation(small_network(), images(6))
        np.testing.assert_allclose(result.similarity[:, 0], 1, atol=1e-6)
        assert (result.similarity[:, 1:] < 0.999).all()

    @pytest.mark.parametrize("kind", ["sequential", "functional", "subclassed"])
    @pytest.mark.parametrize("fails", [False, True])
    def test_the_model_stays_as_it_is(self, monkeypatch, kind, fails):
        model, x = self.network(kind), images(3)
        before = {v.path: np.array(ops.convert_to_numpy(v)) for v in model.variables}
        values = [id(v._value) for v in model.variables]
        explain, calls = parameter_randomisation.explain, []

        def failing(*args, **kwargs):
            calls.append(1)
            if len(calls) == 4:
                raise RuntimeError("on the way")
            return explain(*args, **kwargs)

        if fails:
            monkeypatch.setattr(parameter_randomisation, "explain", failing)
            with pytest.raises(RuntimeError, match="on the way"):
                isi.parameter_randomisation(model, x, indicator="sensitivity")
        else:
            isi.parameter_randomisation(model, x, indicator="sensitivity")
        assert [id(v._value) for v in model.variables] == values
        for variable in model.variables:
            np.testing.assert_array_equal(ops.convert_to_numpy(variable), before[variable.path])
        assert all("call" not in vars(layer) for layer in model.layers)

    def network(self, kind):
        if kind == "functional":
            return functional_network()
        model = small_network(final=None)
        if kind == "subclassed":
            model = Subclassed(model)
            model(images(1))
        return model

    def test_other_threads_see_the_model_as_it_is(self, monkeypatch):
        model, x = small_network(), images(3)
        before, seen = model.get_weights(), []
        explain = parameter_randomisation.explain

        def watching(*args, **kwargs):
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                seen.append(pool.submit(model.get_weights).result())
            return explain(*args, **kwargs)

        monkeypatch.setattr(parameter_randomisation, "explain", watching)
        isi.parameter_randomisation(model, x)
        assert len(seen) == 4
        for one, other in itertools.product(seen, [before]):
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_layers_come_from_the_top_down(self):
        found = isi.parameter_randomisation(functional_network(), images(2))
        names = [path.split("/")[-1] for path in found.layers]
        assert names == ["original", "last", "norm", "inside", "shared"]
        subclassed = self.network("subclassed")
        found = isi.parameter_randomisation(subclassed, images(2), indicator="sensitivity")
        names = [path.split("/")[-1].split("_")[0] for path in found.layers]
        assert names == ["original", "subclassed", "head", "dense", "conv2d"]

    def test_layers_whose_call_is_passed_over_have_their_place(self):
        """A fused kernel of a backend may compute a recurrent layer without calling its cell."""
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((5, 3)),
                layers.Dense(4, name="first"),
                layers.LSTM(4, name="recurrent"),
                layers.Dense(2, name="last"),
            ]
        )
        x = np.random.default_rng(0).normal(size=(3, 5, 3))
        found = isi.parameter_randomisation(model, x, indicator="sensitivity")
        assert found.layers[1] == "last"
        assert "lstm" in found.layers[2]
        assert found.layers[3] == "first"

    def test_frozen_layers_are_made_random_too(self):
        model, x = small_network(), images(4)
        free = isi.parameter_randomisation(model, x)
        for layer in model.layers:
            layer.trainable = False
        frozen = isi.parameter_randomisation(model, x)
        np.testing.assert_array_equal(free.layers, frozen.layers)
        np.testing.assert_allclose(free.similarity, frozen.similarity, atol=1e-6)

    def test_seeds_and_batch_sizes(self):
        model, x = small_network(), images(5)
        one = isi.parameter_randomisation(model, x, seed=1, batch_size=5)
        same = isi.parameter_randomisation(model, x, seed=1, batch_size=2)
        other = isi.parameter_randomisation(model, x, seed=2)
        np.testing.assert_allclose(one.similarity, same.similarity, atol=1e-3)
        assert not np.allclose(one.similarity, other.similarity, atol=1e-3)

    def test_the_class_stays_that_of_the_original(self, monkeypatch):
        model, x = small_network(), images(6)
        predicted, targets = isi.explain(model, x).prediction, []
        explain = parameter_randomisation.explain

        def watching(*args, target, **kwargs):
            targets.append(target)
            return explain(*args, target=target, **kwargs)

        monkeypatch.setattr(parameter_randomisation, "explain", watching)
        result = isi.parameter_randomisation(model, x)
        assert targets[0] is None
        for target in targets[1:]:
            np.testing.assert_array_equal(target, predicted)
        np.testing.assert_array_equal(result.target, predicted)
        chosen = isi.parameter_randomisation(model, x, target=2)
        np.testing.assert_array_equal(chosen.target, np.full(6, 2))

    def test_traces_do_not_grow_with_the_layers(self):
        if keras.config.backend() == "torch":
            pytest.skip("Torch traces nothing")
        model, x = small_network(), images(4)
        isi.parameter_randomisation(model, x)
        run = compiled_of(model, "explain")
        before = run.traces
        assert before <= 2  # TensorFlow traces once for variables and once for tensors
        isi.parameter_randomisation(model, x, seed=1, cascade=False)
        assert run.traces == before

    def test_similarity_of_structure(self):
        model, x = small_network(), images(4)
        turned = keras.Sequential([keras.Input((2, 6, 5)), layers.Permute((2, 3, 1)), model])
        last = isi.parameter_randomisation(model, x, similarity="ssim")
        first = isi.parameter_randomisation(
            turned, np.moveaxis(x, -1, 1), similarity="ssim", data_format="channels_first"
        )
        np.testing.assert_allclose(last.similarity[:, 0], 1, atol=1e-6)
        np.testing.assert_allclose(last.similarity, first.similarity, atol=1e-4)
        rng = np.random.default_rng(0)
        one, two = rng.normal(size=(2, 3, 9, 8, 2))
        found = parameter_randomisation._ssim(one, two, "channels_last")
        for index in range(3):
            a, b = (np.abs(maps[index]).sum(-1) for maps in (one, two))
            expected = metrics.structural_similarity(a / a.max(), b / b.max(), data_range=1.0)
            np.testing.assert_allclose(found[index], expected, rtol=1e-9)

    def test_ranks_of_magnitudes_share_ties(self):
        one, two = np.array([[1.0, -1, 3, 0]]), np.array([[5.0, 4, -4, 0]])
        expected = stats.spearmanr([2.5, 2.5, 4, 1], [4, 2.5, 2.5, 1]).statistic
        np.testing.assert_allclose(parameter_randomisation._spearman(one, two, ""), [expected])

    def test_a_constant_map_has_no_ranks(self):
        model = linear_model(np.zeros((3, 2)), np.zeros(2))
        result = isi.parameter_randomisation(model, np.eye(3))
        assert np.isnan(result.similarity).all()

    @pytest.mark.parametrize(
        ("options", "kind", "match"),
        [
            ({"similarity": "cosine"}, ValueError, r"similarity: 'cosine'.*'spearman', 'ssim'"),
            ({"data_format": "NHWC"}, ValueError, r"Unknown data_format: 'NHWC'"),
            ({"seed": 0.5}, TypeError, r"seed to be an integer.*seed=0\.5"),
            ({"seed": -2}, ValueError, r"seed to be an integer, at least 0\. .*seed=-2"),
            ({"indicator": "gradcam"}, ValueError, r"Unknown indicator"),
            ({"target": 3}, ValueError, r"target to be from 0 to 2"),
        ],
    )
    def test_bad_arguments(self, options, kind, match):
        with pytest.raises(kind, match=match):
            isi.parameter_randomisation(small_network(), images(2), **options)

    def test_structure_is_seen_where_the_model_says_that_channels_are(self):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((2, 6, 5)),
                layers.ZeroPadding2D(data_format="channels_first"),
                layers.Flatten(),
                layers.Dense(3),
            ]
        )
        x = np.moveaxis(images(2), -1, 1)
        options = {"similarity": "ssim", "indicator": "sensitivity"}
        found = isi.parameter_randomisation(model, x, **options)
        assert found.config["config"]["data_format"] == "channels_first"
        told = isi.parameter_randomisation(model, x, data_format="channels_first", **options)
        np.testing.assert_array_equal(found.similarity, told.similarity)

    def test_structure_needs_images(self):
        model = linear_model(np.eye(4), np.zeros(4))
        with pytest.raises(ValueError, match=r"images.*Received: x of shape \(4, 4\).*'spearman'"):
            isi.parameter_randomisation(model, np.eye(4), similarity="ssim")

    def test_a_model_without_weights(self):
        model = keras.Sequential([keras.Input((2,)), layers.Rescaling(2.0), layers.Softmax()])
        with pytest.raises(ValueError, match=r"no weights that could be made random"):
            isi.parameter_randomisation(model, np.eye(2), indicator="sensitivity")

    def test_says_what_was_done(self):
        result = isi.parameter_randomisation(small_network(), images(2), indicator="sensitivity")
        assert json.loads(json.dumps(result.config)) == result.config
        assert result.config["class_name"] == "parameter_randomisation"
        assert result.config["config"]["indicator"]["class_name"] == "Sensitivity"
        assert len(result) == 2


def explanation_of(maps):
    maps = np.asarray(maps, "float32")
    number = np.zeros(len(maps), "int32")
    return isi.Explanation(
        x=maps,
        relevance=maps,
        logits=np.zeros((len(maps), 2)),
        prediction=number,
        target=number,
        config={},
    )


class TestConcentration:
    def test_one_hot(self):
        maps = explanation_of(-3 * np.eye(8).reshape(8, 2, 2, 2))
        np.testing.assert_allclose(isi.sparseness(maps), 1 - 1 / 8)
        np.testing.assert_array_equal(isi.complexity(maps), 0)

    def test_constant(self):
        maps = explanation_of(np.full((2, 5, 3), -0.25))
        np.testing.assert_allclose(isi.sparseness(maps), 0, atol=1e-12)
        np.testing.assert_allclose(isi.complexity(maps), np.log(15))

    def test_zeros_count_as_constant(self):
        maps = explanation_of(np.zeros((2, 6)))
        np.testing.assert_allclose(isi.sparseness(maps), 0, atol=1e-12)
        np.testing.assert_allclose(isi.complexity(maps), np.log(6))

    def test_agree_with_loops(self, rng):
        maps = rng.normal(size=(3, 4, 3))
        for index, values in enumerate(np.abs(maps.astype("float32").astype("float64"))):
            v = values.ravel()
            differences = sum(abs(a - b) for a in v for b in v)
            gini = differences / (2 * len(v) ** 2 * v.mean())
            entropy = -sum(a / v.sum() * np.log(a / v.sum()) for a in v)
            np.testing.assert_allclose(isi.sparseness(explanation_of(maps))[index], gini)
            np.testing.assert_allclose(isi.complexity(explanation_of(maps))[index], entropy)

    def test_neither_scale_nor_sign_nor_order_matters(self, rng):
        maps = rng.normal(size=(2, 5, 4))
        for measure in (isi.sparseness, isi.complexity):
            expected = measure(explanation_of(maps))
            assert expected.shape == (2,)
            for other in (-7 * maps, np.abs(maps), maps[:, ::-1], maps.transpose(0, 2, 1)):
                np.testing.assert_allclose(measure(explanation_of(other)), expected, rtol=1e-6)

    def test_several_inputs_are_one_map(self, rng):
        maps = rng.normal(size=(2, 6)).astype("float32")
        parts = {"a": maps[:, :2].reshape(2, 1, 2), "b": maps[:, 2:]}
        several = dataclasses.replace(explanation_of(maps), x=parts, relevance=parts)
        for measure in (isi.sparseness, isi.complexity):
            np.testing.assert_allclose(measure(several), measure(explanation_of(maps)))

    @pytest.mark.parametrize("measure", [isi.sparseness, isi.complexity])
    def test_errors(self, measure):
        with pytest.raises(TypeError, match=r"Explanation\. Received: ndarray.*explain returned"):
            measure(np.zeros((2, 3)))
        with pytest.raises(ValueError, match=r"infinity in 1 of 3 samples, the first at index 1"):
            measure(explanation_of([[1, 2], [np.nan, 1], [0, 1]]))


@pytest.mark.parametrize("kind", ["flipping", "randomisation"])
def test_a_saved_record_is_read_back(tmp_path, kind):
    model, x = small_network(), images(3)
    if kind == "flipping":
        record = isi.pixel_flipping(model, isi.explain(model, x), steps=2)
    else:
        record = isi.parameter_randomisation(model, x)
    path = record.save(tmp_path / "record")
    for loader in (type(record), isi.Result):
        again = loader.load(path)
        assert type(again) is type(record)
        for field in dataclasses.fields(record):
            one, two = getattr(record, field.name), getattr(again, field.name)
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one, two)
                assert one.dtype == two.dtype
            else:
                assert one == two
