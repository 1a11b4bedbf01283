"""`JSMA` and what it is made of: against NumPy oracles, closed forms, and what always holds."""

import json

import keras
import numpy as np
import oracles
import pytest
from keras import layers
from makers.compiled import compiled_of

import isi_keras as isi
from isi_keras import aims, attacks, indicators, models, norms
from isi_keras.models import compiling

# Torch is faster with full batches; the others compile for each number of slots.
SLOTS = 8 if keras.config.backend() == "torch" else 1


def drawn(*shapes, seed):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=shape) * (0.5 if len(shape) > 1 else 0.2)) for shape in shapes]


class Dense:
    """Forty inputs, four classes; the weights can be drawn anew."""

    def __init__(self):
        self.shape, self.channels = (40,), 1
        self.model = keras.Sequential(
            [keras.Input((40,)), layers.Dense(12, "relu"), layers.Dense(4, "softmax")]
        )

    def seeded(self, seed):
        w, b, last, c = drawn((40, 12), (12,), (12, 4), (4,), seed=seed)
        self.model.set_weights([w, b, last, c])
        w, b, last, c = (array.astype("float64") for array in self.model.get_weights())
        return [oracles.Linear(w, b), oracles.ReLU(), oracles.Linear(last, c)]


class Convolutional:
    """Images of 5 x 4 pixels and two channels, three classes."""

    def __init__(self):
        self.shape, self.channels = (5, 4, 2), 2
        self.model = keras.Sequential(
            [
                keras.Input(self.shape),
                layers.Conv2D(4, 3, activation="relu"),
                layers.Flatten(),
                layers.Dense(3),
            ]
        )

    def seeded(self, seed):
        self.model.set_weights(drawn((3, 3, 2, 4), (4,), (24, 3), (3,), seed=seed))
        kernel, bias, last, c = (array.astype("float64") for array in self.model.get_weights())
        step, _ = oracles.convolution(kernel, bias, self.shape)
        return [step, oracles.ReLU(), oracles.Linear(last, c)]


@pytest.fixture(scope="module")
def dense():
    return Dense()


@pytest.fixture(scope="module")
def convolutional():
    return Convolutional()


def samples(shape, count=8, seed=0):
    """Multiples of an eighth, so that steps of a half end at the bounds; many are at a bound."""
    x = np.random.default_rng(seed).integers(-3, 12, (count, *shape)) / 8
    return np.clip(x, 0, 1).astype("float32")


def agree(network, jsma, x, result, targets, stop_when="target", **options):
    """The result is, in every part, that of the oracle."""
    attack = jsma.for_shape(x.shape[1:])
    options |= {"steps": attack.max_steps, "most": attack.max_inputs}
    passes = len(network[-1].b) if jsma.variant == "mjsma" else 2
    np.testing.assert_array_equal(result.forward, result.steps + 1)
    np.testing.assert_array_equal(result.backward, passes * (result.steps + 1))
    for index, (sample, target) in enumerate(zip(x, targets, strict=True)):
        adversarial, order, taken, reason = oracles.jsma(
            network, sample, target, theta=jsma.theta, pairs=jsma.pairs,
            variant=jsma.variant, once=jsma.once, skip_saturated=jsma.skip_saturated,
            output=jsma.output, stop_when=stop_when, order=result.order[index], **options,
        )  # fmt: skip
        assert result.stop_reason[index] == reason
        assert result.steps[index] == taken
        np.testing.assert_array_equal(result.adversarial[index].ravel(), adversarial)
        np.testing.assert_array_equal(result.order[index].ravel(), order)


def labels(network, x):
    return np.array([oracles.forward(network, sample)[-1].argmax() for sample in x])


def check(made, jsma, targeted=True, seeds=range(4)):
    """The attack on networks of several seeds is that of the oracle; how the samples ended."""
    reasons = set()
    channels = made.channels if jsma.unit == "position" else 1
    for seed in seeds:
        network, x = made.seeded(seed), samples(made.shape, seed=seed)
        classes = made.model.output_shape[-1]
        targets = (labels(network, x) + np.arange(len(x)) % classes) % classes
        result = jsma(made.model, x, target=targets if targeted else None, batch_size=SLOTS)
        if not targeted:
            targets = [None] * len(x)
        agree(network, jsma, x, result, targets, channels=channels)
        reasons |= set(result.stop_reason.tolist())
    return reasons


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("of_pairs", [True, False])
@pytest.mark.parametrize("theta", [0.5, -0.5])
def test_equals_the_oracle(dense, theta, of_pairs, targeted):
    """As published, pairs and single inputs, both ways, with and without a target."""
    reasons = check(dense, isi.JSMA(theta, 0.4, pairs=of_pairs), targeted)
    assert {"success", "inadmissible"} <= reasons  # the budget is used, all of it is at its bound
    if targeted and not of_pairs:
        assert "inadmissible" in reasons


@pytest.mark.parametrize("unit", ["feature", "pixel"])
@pytest.mark.parametrize("domain", ["published", "once", "skip_saturated"])
def test_search_domains_equal_the_oracle(convolutional, domain, unit):
    options = {} if domain == "published" else {domain: True}
    check(convolutional, isi.JSMA(0.5, 0.3, unit=unit, **options))


@pytest.mark.parametrize("theta", [0.5, -0.5])
@pytest.mark.parametrize("variant", ["wjsma", "tjsma"])
def test_weighted_variants_equal_the_oracle(dense, variant, theta):
    check(dense, isi.JSMA(theta, 0.4, variant=variant))


@pytest.mark.parametrize("variant", ["jsma", "wjsma"])
def test_probabilities_equal_the_oracle(dense, variant):
    check(dense, isi.JSMA(0.5, 0.4, variant=variant, output="probabilities"))


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("of_pairs", [True, False])
def test_the_maximal_variant_equals_the_oracle(dense, of_pairs, output):
    jsma = isi.JSMA(0.5, 0.4, variant="mjsma", once=True, pairs=of_pairs, output=output)
    check(dense, jsma, False)


class TestBudget:
    @pytest.mark.parametrize(
        ("gamma", "of_pairs", "unit", "steps"),
        [
            (0.145, True, "feature", 56),  # the paper's
            (0.145, False, "feature", 113),
            (0.145, True, "pixel", 56),
            (1, True, "feature", 392),
            (0.1, False, "feature", 78),
            (2 / 784, True, "feature", 1),
            (0.3, False, "feature", 235),
        ],
    )
    def test_steps(self, gamma, of_pairs, unit, steps):
        jsma = isi.JSMA(gamma=gamma, pairs=of_pairs, unit=unit)
        assert jsma.for_shape((28, 28, 1)).max_steps == steps

    def test_a_share_of_steps_that_rounding_brought_below_a_whole_number(self):
        """0.29 times 100 is below 29 in floating point."""
        assert isi.JSMA(gamma=0.29, pairs=False).for_shape((100,)).max_steps == 29
        assert isi.JSMA(gamma=0.07).for_shape((100,)).max_steps == 3

    def test_pixels_count_once(self):
        for unit, steps in (("feature", 10), ("pixel", 5)):
            assert isi.JSMA(gamma=0.5, unit=unit).for_shape((5, 4, 2)).max_steps == steps
            assert isi.JSMA(gamma=0.25, unit=unit).for_shape((20,)).max_steps == 2

    @pytest.mark.parametrize("gamma", [0.05, 0.13, 0.3, 1.0])
    def test_no_more_inputs_than_the_share_change(self, dense, gamma):
        dense.seeded(0)
        x = samples((40,), seed=1)
        result = isi.JSMA(0.5, gamma)(dense.model, x, target=2, batch_size=SLOTS)
        steps = 2 * int(gamma * 20)  # an input is at its bound after two
        assert (result.steps <= steps).all()
        assert (result.steps[result.stop_reason == "max_steps"] == steps).all()
        assert (result.changed.sum(1) <= gamma * 40).all()
        assert (result.order <= steps).all()

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"gamma": 0.04}, r"gamma=0\.04 .* 2 of 40 inputs\. Pass at least gamma=0\.05"),
            ({"gamma": 0.02, "pairs": False}, r"1 of 40 inputs\. Pass at least gamma=0\.025"),
        ],
    )
    def test_less_than_a_step(self, dense, options, text):
        with pytest.raises(ValueError, match=text):
            isi.JSMA(**options)(dense.model, samples((40,)), target=1)


def linear(weights, bias=None):
    """A model whose logits are `x @ weights + bias`."""
    weights = np.asarray(weights, "float32")
    model = keras.Sequential([keras.Input(weights.shape[:1]), layers.Dense(weights.shape[1])])
    model.set_weights([weights, np.zeros(weights.shape[1]) if bias is None else np.asarray(bias)])
    return model


class TestLinearModels:
    """Derivatives are the weights, so everything is known."""

    def test_the_example_of_the_paper(self):
        """Of (5, 0.1) and (-0.5, -6) neither is admissible, both together are."""
        weights = np.array([[0.1, 5, 0], [-6, -0.5, 0], [-1, -1, 0]])
        model, x = linear(weights, [9, 0, -9]), np.array([[0.25, 0.5, 0.75]], "float32")
        alone = isi.JSMA(0.125, 1, pairs=False)(model, x, target=1)
        assert alone.stop_reason.tolist() == ["inadmissible"]
        assert alone.steps.tolist() == [0]
        np.testing.assert_array_equal(alone.adversarial, x)
        np.testing.assert_array_equal(alone.order, [[0, 0, 0]])
        both = isi.JSMA(0.125, 1)(model, x, target=1)
        np.testing.assert_array_equal(both.order, [[1, 1, 0]])
        first = isi.Attack("jacobian_saliency", isi.Salient(step_size=0.125), 1, (0, 1))
        adversarial = first(model, x, target=1).adversarial
        np.testing.assert_array_equal(adversarial, [[0.375, 0.625, 0.75]])
        # The amount that is added where all signs are turned is below 0, which CleverHans misses.
        model.set_weights([-weights, np.array([9, 0, -9])])
        assert isi.JSMA(0.125, 1)(model, x, target=1).stop_reason.tolist() == ["inadmissible"]
        turned = isi.JSMA(-0.125, 1)(model, x, target=1)
        np.testing.assert_array_equal(turned.order, both.order)
        assert (turned.adversarial[0, :2] < x[0, :2]).all()

    def test_inputs_at_the_bound_are_taken_without_effect(self):
        """As published the first step is lost; then they are out of the domain."""
        weights = np.array([[0, 4], [0, 3], [0, 2], [0, 1]]) * [-1, 1] + [-1, 0]
        model, x = linear(weights, [100, 0]), np.array([[1, 1, 0.5, 0]], "float32")
        wasted = isi.JSMA(1.0, 1.0)(model, x, target=1)
        assert wasted.steps.tolist() == [2]
        np.testing.assert_array_equal(wasted.order, [[0, 0, 2, 2]])
        skipping = isi.JSMA(1.0, 1.0, skip_saturated=True)(model, x, target=1)
        assert skipping.stop_reason.tolist() == ["inadmissible"]
        assert skipping.steps.tolist() == [1]
        np.testing.assert_array_equal(skipping.order, [[0, 0, 1, 1]])
        np.testing.assert_array_equal(skipping.adversarial, wasted.adversarial)

    def test_the_number_of_steps_between_two_classes(self):
        """With logits `w x` and `-w x + b` pairs are taken in the order of `w`, until they do."""
        rng = np.random.default_rng(0)
        w = rng.permutation(np.arange(1, 25)).astype("float64")
        bounds = np.array([20.5, 100.5, 300.5, 599.5])
        model = linear(np.stack([-w, w], axis=1))
        for bound in bounds:
            model.set_weights([model.get_weights()[0], np.array([bound, -bound])])
            result = isi.JSMA(gamma=1)(model, np.zeros((1, 24)), target=1)
            needed = (np.cumsum(np.sort(w)[::-1])[1::2] < bound).sum() + 1
            assert result.steps.tolist() == [min(needed, 12)]
            assert result.success.tolist() == [needed <= 12]
            wanted = np.zeros(24, int)
            wanted[np.argsort(-w)] = np.repeat(np.arange(1, 13), 2)
            np.testing.assert_array_equal(result.order[0], wanted * (wanted <= needed))

    def test_probabilities_take_the_two_greatest_derivatives(self):
        """As they sum to 1 the others fall by what the target rises: the factors are equal."""
        rng = np.random.default_rng(3)
        weights, x = rng.normal(size=(30, 5)), rng.random((20, 30), "float32")
        target = np.array(((x @ weights).argmax(1) + 1) % 5, "int32")
        indicator = isi.JacobianSaliency(output="probabilities")
        u, v, _ = factors(weights, x, indicator, aims.Reaching(target))
        np.testing.assert_array_equal(u, v)
        jsma = isi.JSMA(0.125, 0.07, output="probabilities")
        result = jsma(linear(weights), x, target=target, batch_size=SLOTS)
        for row in range(20):
            wanted = np.sort(np.argsort(-u[row, 0])[:2])
            np.testing.assert_array_equal(np.flatnonzero(result.order[row]), wanted)
        u, v, _ = factors(weights, x, isi.JacobianSaliency(), aims.Reaching(target))
        assert np.abs(u - v).max() > 1


def factors(weights, x, indicator, goal, made=None):
    """The factors of a saliency map of logits `x @ weights`; `made` gets each pullback."""
    weights, x = (keras.ops.convert_to_tensor(part, "float32") for part in (weights, x))

    def pullback(cotangent):
        if made is not None:
            made.append(cotangent)
        return {"x": keras.ops.matmul(cotangent, keras.ops.transpose(weights))}

    point = indicators.Point(x, keras.ops.matmul(x, weights), pullback, lambda other: None)
    found = indicator.significance(point, goal, 0.0).factors
    return (*map(keras.ops.convert_to_numpy, found[:2]), found.ways)


class TestContracts:
    @pytest.mark.parametrize("theta", [0.3, -0.3])
    def test_inputs_move_one_way_within_the_bounds(self, dense, theta):
        dense.seeded(2)
        low, high = np.linspace(-1, 0, 40), np.linspace(0.5, 2, 40)
        x = np.random.default_rng(0).uniform(low, high, (8, 40)).astype("float32")
        kept, bounds = x.copy(), (low, high)
        result = isi.JSMA(theta, 1, bounds=bounds)(dense.model, x, target=1, batch_size=SLOTS)
        np.testing.assert_array_equal(x, kept)
        assert (result.adversarial >= low.astype("float32")).all()
        assert (result.adversarial <= high.astype("float32")).all()
        moved = np.sign(theta) * (result.adversarial - x)
        assert moved.min() == 0
        assert moved.max() > 0.5
        np.testing.assert_array_equal(result.order > 0, result.changed)
        np.testing.assert_allclose(result.bounds, (low, high), rtol=1e-6)

    def test_an_input_changes_once_if_asked(self, dense):
        network, x = dense.seeded(3), samples((40,), seed=3)
        target = (labels(network, x) + 1) % 4
        result = isi.JSMA(0.25, 1, once=True)(dense.model, x, target=target, batch_size=SLOTS)
        steps = np.abs(result.adversarial - x)
        assert set(np.unique(steps)) == {0, 0.125, 0.25}

    def test_batch_sizes_agree_and_a_second_call_does_not_retrace(self, convolutional):
        network, x = convolutional.seeded(1), samples(convolutional.shape, 7, seed=1)
        model, jsma, target = convolutional.model, isi.JSMA(0.5, 0.3), (labels(network, x) + 1) % 3
        whole, part = (jsma(model, x, target=target, batch_size=size) for size in (3, 1))
        for name in ("adversarial", "order", "steps", "stop_reason"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))
        if keras.config.backend() != "torch":
            run = compiled_of(model, jsma.for_shape(x.shape[1:]))
            before = run.traces
            for changed in (isi.JSMA(0.5, 0.2), isi.JSMA(0.5, 0.3, bounds=(0, 2))):
                changed(model, x, target=target, batch_size=3)
            assert run.traces == before

    @pytest.mark.parametrize("maximal", [False, True])
    def test_passes_are_made(self, maximal):
        """Two backward passes whatever the number of classes; one for each if maximal."""
        made, indicator = [], isi.JacobianSaliency(maximal=maximal)
        weights = np.eye(7, dtype="float32")
        factors(weights, weights, indicator, aims.Leaving(np.arange(7)), made)
        assert len(made) == indicator.cost(7)[1] == (7 if maximal else 2)

    def test_components_and_records(self, tmp_path):
        jsma = isi.JSMA(-0.5, 0.4, variant="tjsma", unit="pixel", bounds=(np.zeros(9), 1), seed=3)
        again = isi.JSMA.from_config(json.loads(json.dumps(jsma.get_config())))
        assert again == jsma != isi.JSMA()
        assert hash(again) == hash(jsma)
        model = linear(np.random.default_rng(0).normal(size=(9, 3)), [9, 0, 0])
        result = jsma(model, samples((9,)), target=1, batch_size=SLOTS)
        loaded = isi.AttackResult.load(result.save(tmp_path / "result"))
        for name in ("adversarial", "order", "stop_reason", "target", "backward"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(result, name))
        assert attacks.get(loaded.config) == jsma
        np.testing.assert_array_equal(loaded.bounds[0], np.zeros(9))

    def test_numbers_of_numpy_are_numbers(self):
        jsma = isi.JSMA(np.float32(0.5), np.float32(0.25), seed=np.int64(3))
        assert jsma == isi.JSMA(0.5, 0.25, seed=3)
        assert jsma.for_shape((40,)).norm == isi.Salient(step_size=0.5)


class TestChosenTargets:
    """Each moves towards a class of its own choice and ends as soon as the prediction is new."""

    def attacked(self, dense, choice, seed=0):
        network = dense.seeded(5)
        x, jsma = samples((40,), 12, seed=7), isi.JSMA(0.5, 0.6, untargeted=choice, seed=seed)
        result = jsma(dense.model, x, batch_size=SLOTS)
        agree(network, jsma, x, result, result.target, stop_when="turned")
        label = labels(network, x)
        np.testing.assert_array_equal(result.clean_prediction, label)
        np.testing.assert_array_equal(result.success, result.prediction != label)
        assert (result.target != label).all()
        assert attacks.get(result.config) == jsma
        return result, network, x

    def test_runner_up(self, dense):
        result, network, x = self.attacked(dense, "runner_up")
        for sample, target in zip(x, result.target, strict=True):
            assert np.argsort(oracles.forward(network, sample)[-1])[-2] == target

    def test_random(self, dense):
        one, *_ = self.attacked(dense, "random")
        two, *_ = self.attacked(dense, "random")
        np.testing.assert_array_equal(one.target, two.target)
        other, *_ = self.attacked(dense, "random", seed=1)
        assert (other.target != one.target).any()
        assert len(set(other.target - other.clean_prediction)) > 2

    def test_easiest(self, dense):
        result, network, x = self.attacked(dense, "easiest")
        distances = isi.adversarial_distance(dense.model, x)
        for sample, label, target, row in zip(
            x, result.clean_prediction, result.target, distances, strict=True
        ):
            wanted = [oracles.adversarial_distance(network, sample, t) for t in range(4)]
            np.testing.assert_allclose(row, wanted, rtol=0, atol=1e-6)
            wanted[label] = 2
            assert np.argmin(wanted) == target

    def test_some_turn_to_another_class(self, dense):
        results = [self.attacked(dense, choice)[0] for choice in ("random", "easiest")]
        assert any((r.success & (r.prediction != r.target)).any() for r in results)


@pytest.mark.parametrize(
    "options", [{}, {"increase": False}, {"weighted": True}, {"summed": True}], ids=str
)
@pytest.mark.parametrize("of_pairs", [True, False])
def test_adversarial_distance_equals_the_oracle(convolutional, of_pairs, options):
    network, x = convolutional.seeded(0), samples(convolutional.shape, 6, seed=2)
    model, indicator = convolutional.model, isi.JacobianSaliency(**options)
    variant = "wjsma" if "weighted" in options else "jsma"
    wanted = [
        [
            oracles.adversarial_distance(
                network, sample, t, pairs=of_pairs, variant=variant,
                increase=options.get("increase", True),
            )
            for t in range(3)
        ]
        for sample in x
    ]  # fmt: skip
    found = isi.adversarial_distance(model, x, pairs=of_pairs, indicator=indicator, batch_size=4)
    assert found.shape == (6, 3)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    (run,) = runs(model, "distance", indicator, of_pairs)
    before, target = run.traces, np.array([2, 0, 1, 1, 0, 2])
    for aim in (target, 1):
        column = isi.adversarial_distance(
            model, x, target=aim, pairs=of_pairs, indicator=indicator, batch_size=4
        )
        np.testing.assert_array_equal(column, found[np.arange(6), aim])
    if keras.config.backend() != "torch":
        assert run.traces == before


def test_adversarial_distance_in_batches(convolutional, capsys):
    convolutional.seeded(0)
    x = samples(convolutional.shape, 6, seed=2)
    whole = isi.adversarial_distance(convolutional.model, x, verbose=1)
    assert "6/6" in capsys.readouterr().out
    for size in (1, 4, 6):
        part = isi.adversarial_distance(convolutional.model, x, batch_size=size)
        np.testing.assert_array_equal(part, whole)
    assert capsys.readouterr().out == ""


def runs(model, *key):
    """What was compiled for a model under a key that begins like this."""
    return [
        kept
        for known, (_, kept) in compiling._KEPT[model].items()
        if known[: len(key)] == key and isinstance(kept, compiling.Compiled)
    ]


class TestMaps:
    """`explain` with the saliency, of models of one and of several inputs."""

    @pytest.mark.parametrize("increase", [True, False])
    @pytest.mark.parametrize("variant", ["jsma", "wjsma"])
    @pytest.mark.parametrize("output", ["logits", "probabilities"])
    @pytest.mark.parametrize("summed", [False, True])
    def test_equals_the_oracle(self, convolutional, summed, output, variant, increase):
        network, x = convolutional.seeded(4), samples(convolutional.shape, seed=4)
        indicator = isi.JacobianSaliency(increase, output, variant == "wjsma", summed)
        planned = models.logits(convolutional.model).plan(x)
        point = indicators.at(
            indicator.prepare(planned, x), convolutional.model, keras.ops.convert_to_tensor(x)
        )
        target = np.arange(8, dtype="int32") % 3
        found = indicator.significance(point, aims.Reaching(target), 0.0)
        score, way = (keras.ops.convert_to_numpy(part).reshape(8, -1) for part in found[:2])
        for index, sample in enumerate(x):
            slopes, shares = oracles.derivatives(network, sample, output)
            (one,) = oracles.alternatives(slopes, shares, 0, target[index], variant, increase)
            wanted = np.diag(oracles.saliency_map(*one, np.ones(40, bool), pairs=False))
            wanted = np.maximum(wanted, 0)
            np.testing.assert_allclose(
                score[index], wanted, rtol=0, atol=2e-5 * np.abs(slopes).max() ** 2
            )
            np.testing.assert_array_equal(way[index], (1 if increase else -1) * (score[index] > 0))

    def test_of_several_inputs(self):
        rng = np.random.default_rng(1)
        a, b = keras.Input((3,), name="a"), keras.Input((2, 2), name="b")
        joined = layers.Concatenate()([a, layers.Flatten()(b)])
        dense = layers.Dense(3)
        model = keras.Model({"a": a, "b": b}, dense(joined))
        w = rng.normal(size=(7, 3)).astype("float32")
        dense.set_weights([w, np.zeros(3)])
        x = {"a": rng.random((4, 3)), "b": rng.random((4, 2, 2))}
        found = isi.explain(model, x, target=1, indicator="jacobian_saliency")
        wanted = np.maximum(w[:, 1], 0) * np.maximum(-w[:, 0] - w[:, 2], 0)
        assert wanted.any()
        for name, part, shape in (("a", wanted[:3], (4, 3)), ("b", wanted[3:], (4, 2, 2))):
            rows = np.tile(part, (4, 1)).reshape(shape)
            np.testing.assert_allclose(found.relevance[name], rows, rtol=1e-6)
        found = isi.explain(model, x, target=1, against=2, indicator="jacobian_saliency")
        wanted = np.maximum(w[:, 1], 0) * np.maximum(-w[:, 2], 0)
        np.testing.assert_allclose(found.relevance["a"][0], wanted[:3], rtol=1e-6)

    def test_rounding_decides_where_sums_of_probabilities_cancel(self):
        """Of a class of probability 1e-11 only the exact derivatives know what helps it."""
        rng = np.random.default_rng(0)
        kernel = rng.normal(size=(40, 4)).astype("float32")
        x, near, far = np.zeros((1, 40), "float32"), [2, 1, 0, 0], [25, 24, 0, 0]
        for bias, agree in ((near, True), (far, False)):
            model, shares = linear(kernel, bias), np.exp(bias) / np.exp(bias).sum()
            helps = kernel[:, 3] > kernel @ shares  # a probability rises if its logit does so most
            exact, summed = (
                isi.explain(
                    model,
                    x,
                    target=3,
                    indicator=isi.JacobianSaliency(output="probabilities", summed=summed),
                ).relevance[0]
                for summed in (False, True)
            )
            np.testing.assert_array_equal(exact > 0, helps)
            assert ((summed > 0) == helps).all() == agree
            assert not (summed > 0)[~helps].any()

    def test_a_maximal_saliency_of_probabilities_has_no_such_rounding(self):
        """What a class gains the others lose, however improbable it is."""
        kernel, bias = np.random.default_rng(0).normal(size=(40, 4)), [25, 24, 0, 0]
        model, shares = linear(kernel, bias), np.exp(bias) / np.exp(bias).sum()
        x, indicator = (
            np.zeros((1, 40), "float32"),
            isi.JacobianSaliency(output="probabilities", maximal=True),
        )
        prepared = indicator.prepare(models.logits(model).plan(x), x)
        point = indicators.at(prepared, model, keras.ops.convert_to_tensor(x))
        goal = aims.Leaving(np.zeros(1, "int32"))
        wanted = (shares * (kernel - (kernel @ shares)[:, None])).T
        for factor in indicator.significance(point, goal, 0.0).factors[:2]:
            of_others = keras.ops.convert_to_numpy(factor)[0, 1:4]
            np.testing.assert_allclose(of_others, wanted[1:], rtol=1e-3)

    def test_inputs_without_saliency_are_not_moved_by_other_norms(self):
        """`L0` takes them last, and then leaves them as they are."""
        model = linear([[-1, 2], [0, -3], [-1, 1]], [50, 0])
        attack = isi.Attack("jacobian_saliency", "l0", max_steps=3, bounds=(0, 1))
        result = attack(model, np.full((1, 3), 0.5), target=1)
        np.testing.assert_array_equal(result.adversarial, [[1, 0.5, 1]])
        np.testing.assert_array_equal(result.order, [[1, 0, 2]])


def test_the_network_of_the_logical_and():
    """Figure 5: at (1, 0.37) the second input alone has to grow, and a little is enough."""
    rng = np.random.default_rng(1)
    x = rng.random((1000, 2), "float32")
    y = (x >= 0.5).all(1)
    hidden, last = layers.Dense(2, "sigmoid"), layers.Dense(1, "sigmoid")
    model = keras.Sequential([keras.Input((2,)), hidden, last])
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.Adam(0.0663), "binary_crossentropy")
    model.fit(x, y, epochs=100, batch_size=250, shuffle=False, verbose=0)
    assert ((model.predict(x, verbose=0)[:, 0] > 0.5) == y).mean() > 0.98

    start = np.array([[1, 0.37]], "float32")
    found = isi.explain(model, start, target=1, indicator="gradient")
    assert found.prediction.tolist() == [0]
    assert found.relevance[0, 1] > 5 * abs(found.relevance[0, 0])
    assert found.relevance[0, 1] > 0
    for indicator, norm in (
        ("sensitivity", isi.L2(features=1, step_size=0.01)),
        ("jacobian_saliency", isi.Salient(features=1, step_size=0.01)),
    ):
        result = isi.Attack(indicator, norm, max_steps=20, bounds=(0, 1))(model, start, target=1)
        assert result.success.tolist() == [True]
        assert result.adversarial[0, 0] == 1
        assert 0.43 < result.adversarial[0, 1] < 0.56


class TestErrors:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: isi.JSMA(0), r"theta to be a number above or below 0\. Received: theta=0\."),
            (lambda: isi.JSMA(np.nan), r"theta=nan"),
            (lambda: isi.JSMA(np.inf), r"theta=inf"),
            (lambda: isi.JSMA(True), r"theta=True"),
            (lambda: isi.JSMA("big"), r"theta='big'"),
            (lambda: isi.JSMA(gamma=0), r"above 0 and up to 1 \(14\.5 % is 0\.145\).*gamma=0\."),
            (lambda: isi.JSMA(gamma=14.5), r"Received: gamma=14\.5"),
            (lambda: isi.JSMA(gamma=np.nan), r"gamma=nan"),
            (lambda: isi.JSMA(gamma="all"), r"gamma='all'"),
            (lambda: isi.JSMA(variant="wjmsa"), r"Unknown variant: 'wjmsa'\. Did you .*'wjsma'\?"),
            (lambda: isi.JSMA(unit="pixels"), r"Unknown unit: 'pixels'\. Choose one of"),
            (lambda: isi.JSMA(variant="mjsma"), r"would undo its own.*once=False\. Pass once=True"),
            (lambda: isi.JSMA(seed=-1), r"seed to be an integer, at least 0\. Received: seed=-1"),
            (lambda: isi.JSMA(output="logit"), r"Unknown output: 'logit'\. Did .*'logits'\?"),
            (lambda: isi.JSMA(bounds=(1, 0)), r"low <= high everywhere\. Received: \(1, 0\)"),
            (
                lambda: isi.JacobianSaliency(weighted=True, maximal=True),
                r"weighted or maximal, not both\. Received: both as True",
            ),
            (
                lambda: isi.JacobianSaliency(summed=True, maximal=True),
                r"summed or maximal, not both\. Received: both as True",
            ),
            (
                lambda: isi.JSMA(untargeted="runnerup"),
                r"Unknown untargeted: 'runnerup'\. .*'runner_up'\?",
            ),
            (
                lambda: isi.JSMA(variant="mjsma", once=True, untargeted="random"),
                r"'mjsma' chooses its classes itself\. Received: untargeted='random'",
            ),
            (lambda: isi.JacobianSaliency(output="scores"), r"Unknown output: 'scores'"),
            (lambda: indicators.get("jacobian"), r"Did you mean 'jacobian_saliency'\?"),
            (lambda: norms.get("salent"), r"Did you mean 'salient'\?"),
        ],
    )
    def test_bad_arguments(self, make, text):
        with pytest.raises(ValueError, match=text):
            make()

    def test_a_seed_is_an_integer(self):
        with pytest.raises(TypeError, match=r"seed=0\.5"):
            isi.JSMA(seed=0.5)

    def test_the_maximal_variant_takes_no_target(self, dense):
        jsma = isi.JSMA(variant="mjsma", once=True)
        with pytest.raises(ValueError, match=r"'mjsma' chooses its classes itself.*Leave it out"):
            jsma(dense.model, samples((40,)), target=1)

    def test_a_maximal_saliency_takes_no_target(self, dense):
        attack = isi.Attack(isi.JacobianSaliency(maximal=True), "salient", bounds=(0, 1))
        text = r"maximal saliency chooses the class itself.*maximal=False\), or pass no target"
        with pytest.raises(ValueError, match=text):
            attack(dense.model, samples((40,)), target=1)

    def test_indicators_without_factors(self, dense):
        attack = isi.Attack("sensitivity", "salient", bounds=(0, 1))
        with pytest.raises(ValueError, match=r"two factors of a saliency.*or the norm L0"):
            attack(dense.model, samples((40,)))

    @pytest.mark.parametrize("indicator", ["sensitivity", isi.JacobianSaliency(maximal=True)])
    def test_distances_of_other_indicators(self, dense, indicator):
        with pytest.raises(ValueError, match=r"JacobianSaliency that is not maximal\. Received: "):
            isi.adversarial_distance(dense.model, samples((40,)), indicator=indicator)
