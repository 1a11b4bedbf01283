"""The gradient and its means: closed forms, NumPy oracles, and what holds on every model."""

import itertools
import json

import keras
import numpy as np
import oracles
import pytest
from keras import layers
from makers.networks import images, small_network
from typer.testing import CliRunner

import isi_keras as isi
from isi_keras import indicators
from isi_keras.cli import commands

NOISY, PATH = isi.SmoothGrad(samples=8, noise=0.2, seed=3), isi.IntegratedGradients(8, 0.25)
EVERY = {
    "gradient": isi.Sensitivity(),
    "gradient_x_input": isi.Sensitivity(times_input=True),
    "smoothgrad": NOISY,
    "integrated_gradients": PATH,
}
# With what is no mean derivative, but made of derivatives all the same.
ALL = {**EVERY, "jacobian_saliency": isi.JacobianSaliency()}


def dense_network(sizes=(7, 9, 4), seed=3):
    rng = np.random.default_rng(seed)
    weights = [
        (rng.normal(size=pair).astype("float32"), rng.normal(size=pair[1]).astype("float32"))
        for pair in itertools.pairwise(sizes)
    ]
    model = keras.Sequential([keras.Input(sizes[:1])])
    for n in sizes[1:]:
        model.add(layers.Dense(n, activation="softmax" if n == sizes[-1] else "relu"))
    model.set_weights([array for pair in weights for array in pair])
    return model, oracles.mlp([(w.astype("float64"), b.astype("float64")) for w, b in weights])


def drawn(indicator, *shape):
    rng = np.random.default_rng(indicator.seed)
    return rng.standard_normal((indicator.samples, *shape), dtype="float32").astype("float64")


def mean_derivative(indicator, shape):
    """The oracle of the derivative that an indicator means: a function of one sample."""
    if isinstance(indicator, isi.SmoothGrad):
        draws = drawn(indicator, *shape)
        return lambda net, x, seed: oracles.smoothgrad(net, x, seed, draws, indicator.noise)
    if isinstance(indicator, isi.IntegratedGradients):
        baseline = np.broadcast_to(np.asarray(indicator.baseline, "float64"), shape).ravel()
        return lambda net, x, seed: oracles.path_gradient(net, x, seed, indicator.steps, baseline)
    return oracles.gradient


class TestLinearModels:
    """Everything is known: the derivative is the weights, wherever it is taken."""

    @pytest.fixture
    def model(self):
        model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
        model.set_weights([self.kernel, np.array([0.5, -1, 2], "float32")])
        return model

    kernel = np.random.default_rng(0).integers(-4, 5, (6, 3)).astype("float32")
    x = np.random.default_rng(1).integers(-3, 4, (5, 6)).astype("float32")
    target = np.array([0, 1, 2, 1, 0])

    def test_maps(self, model):
        weights = self.kernel.T[self.target]
        baseline = np.arange(6.0)
        for indicator, wanted in (
            ("sensitivity", weights),
            ("gradient", weights),
            ("gradient_x_input", self.x * weights),
            (isi.SmoothGrad(samples=16), weights),
            (isi.IntegratedGradients(steps=16), self.x * weights),
            (isi.IntegratedGradients(16, baseline=-1.0), (self.x + 1) * weights),
            (isi.IntegratedGradients(16, baseline), (self.x - baseline) * weights),
        ):
            found = isi.explain(model, self.x, target=self.target, indicator=indicator)
            np.testing.assert_array_equal(found.relevance, wanted)

    def test_against_another_class(self, model):
        for indicator in EVERY.values():
            found, one, other = (
                isi.explain(model, self.x, indicator=indicator, **classes).relevance
                for classes in ({"target": 1, "against": 2}, {"target": 1}, {"target": 2})
            )
            np.testing.assert_array_equal(found, one - other)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("target", [None, 1])
def test_equals_the_oracle(name, target):
    model, network = dense_network()
    indicator, x = EVERY[name], np.random.default_rng(4).uniform(-1, 1, (20, 7)).astype("float32")
    found = isi.explain(model, x, target=target, indicator=indicator, batch_size=8)
    derivative = mean_derivative(indicator, (7,))
    for index, sample in enumerate(x.astype("float64")):
        logits = oracles.forward(network, sample)[-1]
        classes = logits.argmax() if target is None else target
        wanted = derivative(network, sample, oracles.seed(logits, classes, 1, "logit"))
        if name == "gradient_x_input":
            wanted = sample * wanted
        if name == "integrated_gradients":
            wanted = (sample - 0.25) * wanted
        np.testing.assert_allclose(
            found.relevance[index], wanted, rtol=0, atol=1e-5 * np.abs(wanted).max()
        )


def test_a_convolution_equals_the_oracle():
    """Draws, ranges and baselines of images; a baseline for each channel."""
    model, x = small_network(), images(5)
    kernel, bias, dense, last = (w.astype("float64") for w in model.get_weights())
    step, _ = oracles.convolution(kernel, bias, (6, 5, 2))
    network = [step, oracles.ReLU(), oracles.Linear(dense, last)]
    channels = np.array([0.5, -0.5])
    for indicator in (NOISY, isi.IntegratedGradients(6, channels)):
        found = isi.explain(model, x, target=2, indicator=indicator).relevance
        derivative = mean_derivative(indicator, (6, 5, 2))
        for index, sample in enumerate(x.astype("float64")):
            wanted = derivative(network, sample, np.eye(3)[2]).reshape(6, 5, 2)
            if indicator is not NOISY:
                wanted = (sample - channels) * wanted
            np.testing.assert_allclose(found[index], wanted, rtol=0, atol=1e-5)


def product_model(by_name):
    """The logit is the sum over `a * b`: a quadratic, for which the midpoint rule is exact."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    last = layers.Dense(2, use_bias=False)
    logits = last(layers.Multiply()([a, b]))
    model = keras.Model({"a": a, "b": b} if by_name else [b, a], logits)
    last.set_weights([np.ones((4, 2), "float32") * [1, 2]])
    rng = np.random.default_rng(5)
    return model, {name: rng.uniform(-1, 1, (6, 4)).astype("float32") for name in "ab"}


@pytest.mark.parametrize("by_name", [True, False])
class TestSeveralInputs:
    """Of a model that was built with a dictionary, or with a list whose order is `b`, `a`."""

    def explained(self, by_name, indicator):
        model, x = product_model(by_name)
        found = isi.explain(model, x, target=1, indicator=indicator).relevance
        again = isi.explain(
            model, x if by_name else [x["b"], x["a"]], indicator=indicator, target=1
        )
        for name, part in again.relevance.items():
            np.testing.assert_array_equal(found[name], part)
        return x["a"], x["b"], found

    def test_gradients(self, by_name):
        a, b, found = self.explained(by_name, "gradient")
        np.testing.assert_allclose(found["a"], 2 * b, rtol=1e-6)
        a, b, found = self.explained(by_name, "gradient_x_input")
        np.testing.assert_allclose(found["a"], 2 * a * b, rtol=1e-6)
        np.testing.assert_allclose(found["b"], 2 * a * b, rtol=1e-6)

    @pytest.mark.parametrize("steps", [1, 5])
    def test_integrated_gradients(self, by_name, steps):
        """From `(a0, b0)`: `(a - a0) * (b + b0)` and `(b - b0) * (a + a0)`."""
        each = {"b": -1.0, "a": [1.0, 2.0, 3.0, 4.0]}
        for baseline, a0, b0 in (
            (0.5, 0.5, 0.5),
            (each if by_name else list(each.values()), np.array(each["a"]), -1.0),
        ):
            a, b, found = self.explained(by_name, isi.IntegratedGradients(steps, baseline))
            np.testing.assert_allclose(found["a"], (a - a0) * (b + b0), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(found["b"], (b - b0) * (a + a0), rtol=1e-4, atol=1e-5)
            gain = 2 * (a * b - a0 * b0).sum(1)
            total = found["a"].sum(1) + found["b"].sum(1)
            np.testing.assert_allclose(total, gain, rtol=1e-4, atol=1e-4)

    def test_smoothgrad(self, by_name):
        """Each input has draws and a range of its own."""
        a, b, found = self.explained(by_name, NOISY)
        rng = np.random.default_rng(NOISY.seed)
        draws = {
            name: rng.standard_normal((8, 4), dtype="float32") for name in ("ab", "ba")[not by_name]
        }
        for name, other, rows in (("a", "b", b), ("b", "a", a)):
            sigma = 0.2 * np.ptp(rows, axis=1, keepdims=True)
            wanted = 2 * (rows + sigma * draws[other].mean(0))
            np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-5)

    def test_baselines_that_do_not_fit(self, by_name):
        text = r"dictionary of one for each input" if by_name else r"each of 2 inputs, in the model"
        for baseline in ({"a": 0.0}, [0.0, 1.0, 2.0]):
            with pytest.raises(ValueError, match=f"{text}.*Received: baseline="):
                self.explained(by_name, isi.IntegratedGradients(2, baseline))
        wide = {"a": [0.0, 1.0], "b": 0.0} if by_name else [0.0, [0.0, 1.0]]
        with pytest.raises(ValueError, match=r"baseline of x\[.*\(4,\) of one sample.*\[0.0, 1.0"):
            self.explained(by_name, isi.IntegratedGradients(2, wide))


def test_a_uniform_sample_gets_no_noise():
    model, x = small_network(), images(4)
    x[1] = 0.5
    plain, smooth = (isi.explain(model, x, indicator=i).relevance for i in ("gradient", NOISY))
    np.testing.assert_allclose(smooth[1], plain[1], rtol=1e-5, atol=1e-7)
    assert np.abs(smooth[0] - plain[0]).max() > 1e-3


@pytest.mark.once  # on each backend they equal the oracle
@pytest.mark.parametrize("baseline", [0.0, -1.0])
def test_integrated_gradients_are_complete_on_the_shipped_network(baseline):
    """They sum to the rise of the logit: within 2% at 32 steps, and closer with more."""
    model, (x, _) = isi.zoo.load()
    x = x[:20]
    without = isi.explain(model, np.full_like(x[:1], baseline), indicator="gradient").logits[0]
    errors = []
    for steps in (4, 8, 16, 32, 64):
        found = isi.explain(model, x, indicator=isi.IntegratedGradients(steps, baseline))
        gain = found.logits.max(1) - without[found.target]
        errors.append(np.abs(found.relevance.sum((1, 2, 3), dtype="float64") / gain - 1))
    np.testing.assert_array_less(errors[3], 0.02)
    means = np.mean(errors, axis=1)
    np.testing.assert_array_less(means[1:], means[:-1])
    assert means[4] < 0.25 * means[1]


@pytest.mark.parametrize("name", ALL)
def test_batches_agree(name):
    """A sample has the same map in any batch and in any slot."""
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )
    x = images(7)
    whole = isi.explain(model, x, indicator=ALL[name], batch_size=7).relevance
    for size in (1, 3, 100):
        part = isi.explain(model, x, indicator=ALL[name], batch_size=size).relevance
        np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-5)
    turned = isi.explain(model, x[::-1], indicator=ALL[name], batch_size=7).relevance
    np.testing.assert_allclose(turned[::-1], whole, rtol=1e-4, atol=1e-5)


def test_seeds_and_samples():
    model, x = small_network(), images(4)

    def maps(**options):
        return isi.explain(model, x, indicator=isi.SmoothGrad(**options)).relevance

    np.testing.assert_array_equal(maps(), maps(seed=0))
    assert np.abs(maps(seed=1) - maps()).max() > 1e-3
    far = np.abs(maps(samples=4, seed=1) - maps(samples=4, seed=2)).mean()
    near = np.abs(maps(samples=400, seed=1) - maps(samples=400, seed=2)).mean()
    assert near < 0.3 * far  # a tenth, as the square root of the number says


NORMS = {
    "l0": (isi.L0(features=2), {"features": 2}),
    "l2": (
        isi.L2(4, 0.15, relative=False, skip_saturated=False),
        {"features": 4, "step_size": 0.15},
    ),
    "linf": (isi.Linf(0.05, relative=False), {"step_size": 0.05}),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["smoothgrad", "integrated_gradients"])
@pytest.mark.parametrize(("target", "objective"), [(None, "logit"), (None, "margin"), (1, "logit")])
def test_attacks_equal_the_oracle(name, norm, target, objective):
    """Under "margin" too: the other class is chosen at the point itself, not at each copy."""
    model, network = dense_network()
    rng, indicator, (component, options) = np.random.default_rng(4), EVERY[name], NORMS[norm]
    x = rng.uniform(-1, 1, (12, 7)).astype("float32")
    attack = isi.Attack(indicator, component, max_steps=5, objective=objective)
    result = attack(model, x, target=target, batch_size=5)
    derivative = mean_derivative(indicator, (7,))
    weights = [(step.w, step.b) for step in network if isinstance(step, oracles.Linear)]
    low, high = np.full(7, -1.0), np.full(7, 1.0)
    for index, sample in enumerate(x):
        wanted, steps, reason = oracles.attack(
            derivative, norm, weights, sample, low, high, 5, target, objective, **options
        )
        np.testing.assert_allclose(result.adversarial[index], wanted, atol=1e-5)
        assert result.steps[index] == steps
        assert result.stop_reason[index] == reason
    np.testing.assert_array_equal(result.forward, (result.steps + 1) * 9)
    np.testing.assert_array_equal(result.backward, (result.steps + 1) * 8)
    assert isi.evaluate(result).backward == result.backward.sum()


def test_gradient_times_input_attacks_as_the_gradient_does():
    model, x = small_network(), images()
    one, two = (
        isi.Attack(name, max_steps=4)(model, x) for name in ("gradient", "gradient_x_input")
    )
    np.testing.assert_array_equal(one.order, two.order)
    np.testing.assert_array_equal(one.forward, one.steps + 1)
    np.testing.assert_array_equal(one.backward, one.steps + 1)


class Counting(keras.Operation):
    """Says how often Python ran it, and how many samples it saw in all."""

    def call(self, x):
        CALLS.append(x.shape[0])
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


CALLS: list[int | None] = []


@pytest.mark.parametrize("kind", [isi.SmoothGrad, isi.IntegratedGradients])
def test_cost(kind):
    """What is traced does not grow with the number of copies; Torch, which runs, shows the cost."""
    inputs = keras.Input((5,))
    model, x = keras.Model(inputs, layers.Dense(3)(Counting()(inputs))), np.eye(5)
    isi.explain(model, x, indicator="sensitivity")  # which plans the model
    counts = []
    for number in (3, 30):
        indicator = kind(number)
        assert indicator.cost(10) == (1 + number, number)
        CALLS.clear()
        isi.explain(model, x, indicator=indicator)
        counts.append(CALLS.count(5) + CALLS.count(None))
    if keras.config.backend() == "torch":
        assert counts == [1 + 3, 1 + 30]
    else:
        assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ALL)
def test_mixed_precision(policy, name):
    dtype = keras.DTypePolicy(policy)
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            layers.Conv2D(4, 3, activation="relu", dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(3, "softmax", dtype=dtype),
        ]
    )
    found = isi.explain(model, images(), indicator=ALL[name]).relevance
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0


@pytest.mark.parametrize("name", ALL)
def test_components(name):
    indicator = ALL[name]
    config = json.loads(json.dumps(indicator.get_config()))
    again = indicators.get({"class_name": type(indicator).__name__, "config": config})
    assert again == indicator
    assert hash(again) == hash(indicator)
    named = indicators.get(name)
    assert type(named) is type(indicator)
    assert isi.Attack(name).indicator == named
    assert named.cost(10) == (1, 1) if isinstance(named, isi.Sensitivity) else named.cost(10)[1] > 1


def test_baselines_are_equal_by_their_values():
    rows = np.array([[0.5, 1.0], [0.0, -1.0]], "float32")
    assert isi.IntegratedGradients(baseline=rows) == isi.IntegratedGradients(baseline=rows.tolist())
    assert isi.IntegratedGradients(baseline=rows) != isi.IntegratedGradients(baseline=-rows)
    assert isi.IntegratedGradients(baseline=np.float32(0.5)).baseline == 0.5
    text = json.dumps(isi.IntegratedGradients(baseline={"a": rows, "b": 0}).get_config())
    assert json.loads(text)["baseline"] == {"a": rows.tolist(), "b": 0}


def test_results_know_their_indicator(tmp_path):
    model, x = small_network(), images(3)
    found = isi.explain(model, x, indicator=isi.SmoothGrad(samples=4, seed=7))
    again = isi.Explanation.load(found.save(tmp_path / "map"))
    assert indicators.get(again.config) == isi.SmoothGrad(samples=4, seed=7)


@pytest.mark.once
def test_the_command_line_knows_the_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    for name in ("gradient_x_input", "smoothgrad", "integrated_gradients", "jacobian_saliency"):
        words = ["explain", "lenet-mnist", "--indicator", name, "--samples", "2"]
        done = CliRunner().invoke(commands.app, words)
        assert done.exit_code == 0, done.output
        (path,) = tmp_path.glob(f"results/lenet-mnist-{name}-*.npz")
        saved = isi.Explanation.load(path)
        assert indicators.get(saved.config) == indicators.get(name)


class TestErrors:
    @pytest.mark.parametrize("name", ALL)
    def test_integers_have_no_derivative(self, name):
        ids, rows = keras.Input((4,), dtype="int32", name="ids"), keras.Input((2,), name="rows")
        words = layers.Flatten()(layers.Embedding(9, 3)(ids))
        text = keras.Model(ids, layers.Dense(2)(words), name="text")
        both = keras.Model([ids, rows], layers.Dense(2)(layers.Concatenate()([words, rows])))
        x, other = np.ones((2, 4), "int32"), np.ones((2, 2), "float32")
        advice = "no derivative. Use indicator='relevance'.*outputs of its Embedding"
        with pytest.raises(ValueError, match=rf"'text' takes integers in x \(int32\).*{advice}"):
            isi.explain(text, x, indicator=ALL[name])
        for data in ({"ids": x, "rows": other}, [x, other]):
            with pytest.raises(ValueError, match=r"integers in the input 'ids' \(int32\)"):
                isi.explain(both, data, indicator=ALL[name])

    def test_an_input_of_one_value_has_no_range(self):
        age, rest = keras.Input((1,), name="age"), keras.Input((3,), name="rest")
        model = keras.Model([age, rest], layers.Dense(2)(layers.Concatenate()([age, rest])))
        x = {"age": np.ones((2, 1)), "rest": np.ones((2, 3))}
        text = r"two values.*Received: the input 'age' of shape \('N', 1\).*'integrated_gradients'"
        with pytest.raises(ValueError, match=text):
            isi.explain(model, x, indicator="smoothgrad")
        assert isi.explain(model, x, indicator="integrated_gradients").relevance["age"].any()

    def test_a_baseline_of_another_shape(self):
        text = r"baseline of x to be.*\(6, 5, 2\) of one sample\. Received: "
        for baseline, received in (
            ([0.0, 1.0, 2.0], r"\[0\.0, 1\.0, 2\.0\]"),
            (np.zeros((1, 6, 5, 2)), r"an array of shape \(1, 6, 5, 2\)"),
            ({"a": 0.0}, r"\{'a': 0\.0\}"),
            ([[0.0], [1.0, 2.0]], r"\[\[0\.0\], \[1\.0, 2\.0\]\]"),
        ):
            indicator = isi.IntegratedGradients(baseline=baseline)
            for attempt in (
                isi.Attack(indicator),
                lambda *a, i=indicator: isi.explain(*a, indicator=i),
            ):
                with pytest.raises(ValueError, match=text + received):
                    attempt(small_network(), images(2))

    @pytest.mark.parametrize(
        ("make", "kind", "text"),
        [
            (lambda: isi.SmoothGrad(samples=0), ValueError, r"samples.*at least 1\. .*samples=0"),
            (lambda: isi.SmoothGrad(samples=2.5), TypeError, r"samples to be an integer.*=2\.5"),
            (lambda: isi.SmoothGrad(samples=True), TypeError, r"samples=True"),
            (lambda: isi.SmoothGrad(seed=-1), ValueError, r"seed.*at least 0\. .*seed=-1"),
            (lambda: isi.SmoothGrad(noise=0), ValueError, r"noise to be a number above 0.*noise=0"),
            (lambda: isi.SmoothGrad(noise=-0.1), ValueError, r"Received: noise=-0\.1"),
            (lambda: isi.SmoothGrad(noise=np.inf), ValueError, r"finite.*noise=inf\. Try 0\.15"),
            (lambda: isi.SmoothGrad(noise="much"), TypeError, r"noise='much'"),
            (lambda: isi.IntegratedGradients(steps=0), ValueError, r"at least 1\. .*steps=0"),
            (lambda: isi.IntegratedGradients(baseline="black"), TypeError, r"baseline='black'"),
            (lambda: isi.IntegratedGradients(baseline=np.nan), ValueError, r"finite.*=nan"),
            (lambda: isi.IntegratedGradients(baseline=[0, [True]]), TypeError, r"=\[0, \[True\]\]"),
            (lambda: isi.IntegratedGradients(baseline=None), TypeError, r"baseline=None"),
            (lambda: isi.IntegratedGradients(baseline=[]), ValueError, r"baseline=\[\]"),
            (lambda: indicators.get("smoothgard"), ValueError, r"Did you mean 'smoothgrad'\?"),
        ],
    )
    def test_bad_arguments(self, make, kind, text):
        with pytest.raises(kind, match=text):
            make()
