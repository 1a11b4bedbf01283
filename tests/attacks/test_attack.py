"""The attack: against a NumPy oracle, closed forms, and contracts that always hold."""

import itertools

import keras
import numpy as np
import oracles
import pytest
from makers.compiled import compiled_of
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.models import compiling
from isi_keras.results import Stop

LOW, HIGH = -1.0, 1.0
NORMS = {
    "l0": (isi.L0(), {}),
    "l0-3": (isi.L0(features=3), {"features": 3}),
    "l2": (
        isi.L2(4, 0.15, relative=False, skip_saturated=False),
        {"features": 4, "step_size": 0.15},
    ),
    "linf": (isi.Linf(0.05, relative=False), {"step_size": 0.05}),
    "linf-epsilon": (
        isi.Linf(0.05, epsilon=0.12, relative=False),
        {"step_size": 0.05, "epsilon": 0.12},
    ),
    "salient": (isi.Salient(step_size=0.4, relative=False), {}),
}
WITH_ORACLE = [norm for norm in NORMS if norm != "salient"]  # which tests/test_jsma.py compares
GRID = list(itertools.product(["relevance", "sensitivity"], WITH_ORACLE, [None, 1]))
GRID_IDS = ["-".join(map(str, case)) for case in GRID]
EVERY = [*GRID, *itertools.product(["jacobian_saliency"], ["l0", "salient"], [None, 1])]
EVERY_IDS = ["-".join(map(str, case)) for case in EVERY]


def dense_network(seed=3, sizes=(7, 9, 4)):
    rng = np.random.default_rng(seed)
    weights = [
        (rng.normal(size=pair).astype("float32"), rng.normal(size=pair[1]).astype("float32"))
        for pair in itertools.pairwise(sizes)
    ]
    model = keras.Sequential([keras.Input((sizes[0],))])
    for layer, (_, bias) in enumerate(weights):
        last = layer == len(weights) - 1
        model.add(keras.layers.Dense(len(bias), activation="softmax" if last else "relu"))
    model.set_weights([array for pair in weights for array in pair])
    return model, [(w.astype("float64"), b.astype("float64")) for w, b in weights]


@pytest.mark.parametrize("objective", ["logit", "margin"])
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize(("indicator", "norm", "target"), GRID, ids=GRID_IDS)
def test_equals_the_oracle(indicator, norm, target, bounds, objective):
    model, weights = dense_network()
    x = np.random.default_rng(4).uniform(*bounds, (20, 7)).astype("float32")
    component, options = NORMS[norm]
    attack = isi.Attack(indicator, component, max_steps=6, bounds=bounds, objective=objective)
    result = attack(model, x, target=target, batch_size=8)
    same = 0
    for index, sample in enumerate(x):
        wanted, steps, reason = oracles.attack(
            indicator, norm.split("-")[0], weights, sample, np.full(7, bounds[0]),
            np.full(7, bounds[1]), 6, target, objective, **options,
        )  # fmt: skip
        same += int(
            np.allclose(result.adversarial[index], wanted, atol=1e-5)
            and result.steps[index] == steps
            and result.stop_reason[index] == reason
        )
    assert same == len(x)


@pytest.mark.parametrize(("indicator", "norm", "target"), EVERY, ids=EVERY_IDS)
def test_contracts(indicator, norm, target):
    model, x = small_network(), images()
    weights = [w.copy() for w in model.get_weights()]
    attributes = [dict(vars(layer)) for layer in model.layers]
    kept = x.copy()
    attack = isi.Attack(indicator, NORMS[norm][0], max_steps=5)
    result = attack(model, x, target=target, batch_size=5, trajectory=True)

    assert result.adversarial.min() >= LOW
    assert result.adversarial.max() <= HIGH
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for layer, before in zip(model.layers, attributes, strict=True):
        assert vars(layer).keys() == before.keys()
        assert vars(layer).get("activation") is before.get("activation")
    np.testing.assert_array_equal(x, kept)
    predicted = model.predict(x, verbose=0).argmax(-1)
    np.testing.assert_array_equal(result.clean_prediction, predicted)
    after = model.predict(result.adversarial, verbose=0).argmax(-1)
    np.testing.assert_array_equal(result.prediction, after)
    turned = after != predicted if target is None else after == target
    np.testing.assert_array_equal(result.success, turned & (result.stop_reason != "already_target"))
    np.testing.assert_array_equal(result.order > 0, result.changed)
    assert (result.order <= result.steps[:, None, None, None]).all()
    if norm.startswith("l0"):
        assert (result.changed.sum((1, 2, 3)) <= result.steps * attack.norm.features).all()
        assert np.isin(result.adversarial[result.changed], (LOW, HIGH)).all()
    if norm == "linf-epsilon":
        assert np.abs(result.adversarial - x).max() <= 0.12 + 1e-6
    for index, steps in enumerate(result.steps):
        assert np.isfinite(result.trajectory[index, : steps + 1]).all()
        assert np.isnan(result.trajectory[index, steps + 1 :]).all()
        assert result.trajectory[index, steps].argmax() == result.prediction[index]


@pytest.mark.parametrize(("indicator", "norm", "target"), EVERY, ids=EVERY_IDS)
def test_batch_sizes_agree_and_a_second_call_does_not_retrace(indicator, norm, target):
    model, x = small_network(), images(11)
    attack = isi.Attack(indicator, NORMS[norm][0], max_steps=5)
    whole = attack(model, x, target=target, batch_size=11)
    for size in (1, 4):
        part = attack(model, x, target=target, batch_size=size)
        np.testing.assert_allclose(part.adversarial, whole.adversarial, atol=1e-6)
        np.testing.assert_array_equal(part.stop_reason, whole.stop_reason)
        np.testing.assert_array_equal(part.order, whole.order)
    if keras.config.backend() != "torch":
        run = compiled_of(model, attack)
        before = run.traces
        isi.Attack(indicator, NORMS[norm][0], max_steps=4, bounds=(-2, 2))(
            model, x, target=target, batch_size=4
        )
        assert run.traces == before


def test_a_batch_shrinks_as_samples_end(monkeypatch):
    if keras.config.backend() == "jax":
        monkeypatch.setattr("isi_keras.backend._jax._FEWEST", 1)
    model, x = small_network(), images(32)
    attack = isi.Attack("relevance", "l0", max_steps=12)
    alone = attack(model, x, batch_size=1)
    assert len(np.unique(alone.steps)) > 2
    before = compiled_of(model, attack).traces
    whole = attack(model, x)
    np.testing.assert_allclose(whole.adversarial, alone.adversarial, atol=1e-6)
    np.testing.assert_array_equal(whole.steps, alone.steps)
    np.testing.assert_array_equal(whole.stop_reason, alone.stop_reason)
    traced = {"tensorflow": 0, "jax": 2, "torch": None}[keras.config.backend()]
    if traced is not None:  # Torch traces nothing
        assert compiled_of(model, attack).traces == before + traced


def test_a_batch_that_has_to_keep_its_size_does(rng):
    """Layers keep a state of each sample, or something asks how many samples there are."""
    stateful = keras.Input(batch_shape=(16, 5, 4)), keras.layers.GRU(6, stateful=True)
    counting = keras.Input((5, 4)), Counting()
    x = rng.uniform(-1, 1, (40, 5, 4)).astype("float32")
    attack = isi.Attack("sensitivity", "l0", max_steps=6)
    for inputs, layer in (stateful, counting):
        model = keras.Model(inputs, keras.layers.Dense(3)(layer(inputs)))
        result = attack(model, x[: 40 // 16 * 16], batch_size=16)
        assert len(np.unique(result.steps)) > 1
        again = isi.logits(model).predict(result.adversarial, batch_size=16)
        np.testing.assert_array_equal(again.argmax(-1), result.prediction)


@keras.saving.register_keras_serializable("tests")
class Counting(keras.layers.Layer):
    """The mean over time, of as many rows as come."""

    def call(self, x):
        return keras.ops.reshape(keras.ops.mean(x, axis=1), (x.shape[0], x.shape[2]))

    def compute_output_shape(self, shape):
        return shape[0], shape[2]


def test_until_another_class_is_predicted():
    """With a target, "turned" ends with the first prediction that is not the clean one."""
    model, _ = dense_network()
    x = np.random.default_rng(8).uniform(-1, 1, (60, 7)).astype("float32")
    label = isi.explain(model, x).prediction
    target, early = (label + 1) % 4, 0
    until_target, turned = (
        isi.Attack("sensitivity", "l0", max_steps=7, stop_when=stop_when)(
            model, x, target=target, trajectory=True
        )
        for stop_when in ("target", "turned")
    )
    for index in range(len(x)):
        predictions = until_target.trajectory[index].argmax(-1)[: until_target.steps[index] + 1]
        new = np.flatnonzero(predictions != label[index])
        assert turned.success[index] == (len(new) > 0)
        if len(new):
            assert turned.steps[index] == new[0]
            assert turned.prediction[index] == predictions[new[0]]
            early += predictions[new[0]] != target[index]
    assert early > 3
    assert turned.config["config"]["stop_when"] == "turned"
    np.testing.assert_array_equal(turned.target, target)
    free = [
        isi.Attack("sensitivity", "l0", stop_when=stop_when)(model, x)
        for stop_when in ("target", "turned")
    ]
    np.testing.assert_array_equal(free[0].order, free[1].order)
    with pytest.raises(ValueError, match=r"Unknown stop_when: 'turn'\. Did you mean 'turned'\?"):
        isi.Attack(stop_when="turn")


@pytest.mark.parametrize("indicator", ["relevance", "sensitivity"])
def test_least_number_of_changes_on_a_linear_model(indicator, rng):
    """Flipping the inputs that speak most for the margin is optimal, so the count is known."""
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(2)])
    for _ in range(5):
        w = rng.normal(size=(30, 2)).astype("float32")
        model.set_weights([w, rng.normal(size=2).astype("float32")])
        x = rng.choice([-1.0, 1.0], (40, 30)).astype("float32")
        result = isi.Attack(
            indicator, isi.L0(skip_saturated=True), max_steps=30, objective="margin"
        )(model, x)
        logits = x.astype("float64") @ w + model.get_weights()[1]
        sign = np.where(logits[:, 0] >= logits[:, 1], 1.0, -1.0)
        margin = np.abs(logits[:, 0] - logits[:, 1])
        pull = x * (w[:, 0].astype("float64") - w[:, 1]) * sign[:, None]  # (N, 30)
        gains = 2 * np.sort(np.maximum(pull, 0), axis=1)[:, ::-1]
        least = (np.cumsum(gains, axis=1) < margin[:, None]).sum(1) + 1
        possible = gains.sum(1) > margin
        np.testing.assert_array_equal(result.success, possible)
        changed = result.changed.sum(1)
        np.testing.assert_array_equal(changed[possible], least[possible])


def test_one_sigmoid_unit_is_two_classes(rng):
    """On one linear unit sensitivity flips the largest weights first: the count is known."""
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(1, "sigmoid")])
    w, b = rng.normal(size=(12, 1)).astype("float32"), np.zeros(1, "float32")
    model.set_weights([w, b])
    x = rng.choice([-1.0, 1.0], (30, 12)).astype("float32")
    result = isi.Attack("relevance", "l0", max_steps=12)(model, x)
    np.testing.assert_array_equal(result.clean_prediction, (x @ w > 0).astype("int32")[:, 0])
    pull = np.sort(np.maximum(x * w[:, 0] * np.where(x @ w > 0, 1, -1), 0), axis=1)[:, ::-1]
    least = (2 * np.cumsum(pull, axis=1) <= np.abs(x @ w)).sum(1) + 1
    assert result.success.all()
    np.testing.assert_array_equal(result.changed.sum(1), least)


@pytest.mark.parametrize("indicator", ["relevance", "sensitivity"])
def test_data_in_unit_bounds_are_treated_as_those_in_symmetric_bounds(indicator):
    """A network behind `x -> 2 x - 1` on [0, 1] is attacked like the network itself on [-1, 1]."""
    model, _ = dense_network()
    shifted = keras.Sequential(
        [keras.Input((7,)), *(type(a).from_config(a.get_config()) for a in model.layers)]
    )
    (w, b), rest = model.get_weights()[:2], model.get_weights()[2:]
    shifted.set_weights([2 * w, b - w.sum(0), *rest])
    x = np.random.default_rng(5).uniform(-1, 1, (15, 7)).astype("float32")
    one = isi.Attack(indicator, "l0", max_steps=7)(model, x)
    two = isi.Attack(indicator, "l0", max_steps=7, bounds=(0, 1))(shifted, (x + 1) / 2)
    np.testing.assert_array_equal(one.order, two.order)
    np.testing.assert_allclose(two.adversarial * 2 - 1, one.adversarial, atol=1e-5)


def test_bounds_of_each_feature():
    model, weights = dense_network()
    low, high = np.linspace(-1, 0, 7, dtype="float32"), np.linspace(0.5, 2, 7, dtype="float32")
    x = np.random.default_rng(6).uniform(low, high, (10, 7)).astype("float32")
    result = isi.Attack("relevance", "l0", max_steps=4, bounds=(low, high))(model, x)
    for index, sample in enumerate(x):
        wanted, _, reason = oracles.attack(
            "relevance", "l0", weights, sample, low, high, 4, None, "logit"
        )
        np.testing.assert_allclose(result.adversarial[index], wanted, atol=1e-6)
        assert result.stop_reason[index] == reason
    np.testing.assert_allclose(result.bounds, (low, high))


def test_weights_are_never_constants():
    model, x = small_network(), images()
    attack = isi.Attack("relevance", "l0", max_steps=6)
    first = attack(model, x)
    maps = isi.explain(model, x).relevance
    other = small_network(seed=9)
    model.set_weights(other.get_weights())
    np.testing.assert_array_equal(attack(model, x).order, attack(other, x).order)
    assert not np.array_equal(attack(model, x).order, first.order)
    np.testing.assert_allclose(
        isi.explain(model, x).relevance, isi.explain(other, x).relevance, atol=1e-6
    )
    assert not np.allclose(isi.explain(model, x).relevance, maps)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(12) % 3, epochs=2, verbose=0)
    fresh = small_network(seed=11)
    fresh.set_weights(model.get_weights())
    np.testing.assert_array_equal(attack(model, x).order, attack(fresh, x).order)


def test_training_in_between_does_not_retrace():
    if keras.config.backend() == "torch":
        pytest.skip("Torch traces nothing")
    model, x = small_network(), images()
    attack = isi.Attack("relevance", "l0", max_steps=3)
    attack(model, x)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(12) % 3, epochs=1, verbose=0)
    attack(model, x)
    run, before = compiled_of(model, attack), compiled_of(model, attack).traces
    model.fit(x, np.arange(12) % 3, epochs=1, verbose=0)
    model.predict(x, verbose=0)
    attack(model, x)
    assert compiled_of(model, attack) is run
    assert run.traces == before


def test_a_changed_model_is_attacked_as_it_is_now():
    model, x = small_network(), images()
    attack = isi.Attack("sensitivity", "l0", max_steps=3)
    attack(model, x)
    model.layers[0].activation = keras.activations.tanh
    fresh = small_network()
    fresh.layers[0].activation = keras.activations.tanh
    np.testing.assert_array_equal(attack(model, x).order, attack(fresh, x).order)
    np.testing.assert_allclose(
        isi.explain(model, x).logits, isi.explain(fresh, x).logits, atol=1e-6
    )


class Scaled(keras.layers.Layer):
    """A layer that holds another and a plain setting."""

    def __init__(self):
        super().__init__()
        self.dense, self.scale = keras.layers.Dense(3), 1.0

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x) * self.scale


def test_a_changed_container_and_a_new_adaptation_are_seen():
    x = np.random.default_rng(0).uniform(0, 1, (8, 6)).astype("float32")
    normalization, scaled = keras.layers.Normalization(), Scaled()
    normalization.adapt(x)
    model = keras.Sequential([keras.Input((6,)), normalization, scaled, keras.layers.Softmax()])

    def change():
        scaled.scale = 3.0

    for changing in (change, lambda: normalization.adapt(5 * x + 3)):
        before = isi.explain(model, x).logits
        changing()
        wanted = keras.ops.convert_to_numpy(scaled(normalization(x)))
        assert not np.allclose(before, wanted)
        np.testing.assert_allclose(isi.explain(model, x).logits, wanted, rtol=1e-5, atol=1e-5)


def test_equal_scores_go_to_the_lowest_index():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([np.tile(np.array([[1.0, -1.0]], "float32"), (6, 1))])
    x = np.stack([np.ones(6, "float32"), -np.ones(6, "float32")])
    result = isi.Attack("relevance", "l0", max_steps=6)(model, x)
    np.testing.assert_array_equal(result.order, [[1, 2, 3, 4, 0, 0], [1, 2, 3, 0, 0, 0]])
    result = isi.Attack("relevance", isi.L0(features=2))(model, x)
    np.testing.assert_array_equal(result.order, [[1, 1, 2, 2, 0, 0], [1, 1, 2, 2, 0, 0]])


def test_pixels_change_all_channels_at_once():
    model, x = small_network(), images()
    result = isi.Attack("sensitivity", isi.L0(unit="pixel", features=2), max_steps=3)(model, x)
    changed = result.order > 0
    pixels = changed.any(-1)
    assert (pixels.sum((1, 2)) <= 2 * result.steps).all()
    # Both channels of a picked pixel are moved, unless one already is where it would go.
    assert changed[pixels].mean() > 0.95
    gradient = isi.explain(model, x, target=0, indicator="sensitivity").relevance
    first = isi.Attack("sensitivity", isi.L0(unit="pixel"), max_steps=1)(model, x)
    for index in np.flatnonzero((first.clean_prediction == 0) & (first.steps == 1)):
        best = np.abs(gradient[index]).sum(-1).argmax()
        assert np.flatnonzero((first.order[index] > 0).any(-1)) == best


@pytest.mark.once  # on each backend its steps are those of the oracle
def test_skip_saturated_wastes_no_step(golden, lenet):
    x = golden["x"]
    plain = isi.Attack("sensitivity", isi.L0(), max_steps=30)(lenet, x)
    skipping = isi.Attack("sensitivity", isi.L0(skip_saturated=True), max_steps=30)(lenet, x)
    np.testing.assert_array_equal(skipping.changed.sum((1, 2, 3)), skipping.steps)
    assert (plain.changed.sum((1, 2, 3)) < plain.steps).any()
    # The inputs changed are the same and in the same order; only the idle steps are gone.
    both = plain.success & skipping.success
    assert both.sum() > 50
    np.testing.assert_array_equal(plain.adversarial[both], skipping.adversarial[both])
    assert (skipping.steps[both] <= plain.steps[both]).all()
    assert (skipping.success | ~plain.success).all()


class TestStopReasons:
    def test_no_gradient(self):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.set_weights([np.zeros((4, 3), "float32"), np.array([1, 0, 0], "float32")])
        for indicator, norm in itertools.product(
            ["relevance", "sensitivity"], ["l0", "l2", "linf"]
        ):
            result = isi.Attack(indicator, norm)(model, -np.ones((2, 4), "float32"))
            assert result.stop_reason.tolist() == ["no_gradient"] * 2
            assert result.steps.tolist() == [0, 0]
            np.testing.assert_array_equal(result.x, result.adversarial)

    def test_no_pair_is_admissible(self):
        """One sample stops at once, the other once its inputs have reached the bound."""
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        weights = np.array([[-1, 1, -1], [-1, 1, -1], [1, -1, -1], [1, -1, -1]], "float32")
        model.set_weights([weights, np.array([50, 0, -50], "float32")])
        attack = isi.Attack("jacobian_saliency", "salient", bounds=(0, 1))
        x = np.full((2, 4), 0.5, "float32")
        result = attack(model, x, target=[2, 1])
        assert result.stop_reason.tolist() == ["inadmissible"] * 2
        assert result.steps.tolist() == [0, 1]
        np.testing.assert_array_equal(result.adversarial, [[0.5] * 4, [1, 1, 0.5, 0.5]])
        np.testing.assert_array_equal(result.order, [[0] * 4, [1, 1, 0, 0]])

    @pytest.mark.parametrize(
        ("norm", "reason"), [("l0", "exhausted"), ("l2", "no_change"), ("linf", "no_change")]
    )
    def test_nothing_left_to_change(self, norm, reason):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.set_weights([np.ones((3, 2), "float32") * [[1, 0]], np.array([9, 0], "float32")])
        result = isi.Attack("sensitivity", norm)(model, np.full((1, 3), -0.9, "float32"))
        assert result.stop_reason.tolist() == [reason]
        assert result.adversarial.min() == -1

    def test_max_steps_already_target_and_misclassified(self):
        model, x = small_network(), images()
        label = isi.explain(model, x).prediction
        result = isi.Attack("relevance", "l0", max_steps=1)(model, x, target=int(label[0]))
        assert set(result.stop_reason) <= {"success", "max_steps", "already_target"}
        np.testing.assert_array_equal(result.stop_reason == "already_target", label == label[0])
        y = label.copy()
        y[:3] = (y[:3] + 1) % 3
        result = isi.Attack("relevance", "l0", max_steps=50)(model, x, y=y)
        assert result.stop_reason[:3].tolist() == ["misclassified"] * 3
        assert not np.isin(result.stop_reason[3:], "misclassified").any()
        np.testing.assert_array_equal(result.adversarial[:3], x[:3])
        np.testing.assert_array_equal(result.attacked, [False] * 3 + [True] * 9)

    def test_not_finite(self):
        model = small_network()
        model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
        result = isi.Attack()(isi.logits(model, from_logits=False), images())
        assert set(result.stop_reason) == {"not_finite"}

    def test_every_reason_is_explained_and_reachable(self):
        assert {stop.label for stop in Stop if stop > Stop.RUNNING} == {
            "success", "max_steps", "no_gradient", "exhausted", "inadmissible", "no_change",
            "already_target", "misclassified", "not_finite",
        }  # fmt: skip


def test_a_step_leaves_finished_samples_alone():
    """A sample's result does not depend on how long its neighbours run."""
    model, x = small_network(), images()
    together = isi.Attack("relevance", "l0", max_steps=20)(model, x, batch_size=12)
    for index in range(len(x)):
        alone = isi.Attack("relevance", "l0", max_steps=20)(model, x[index : index + 1])
        np.testing.assert_array_equal(alone.adversarial[0], together.adversarial[index])


def test_only_unfinished_samples_are_computed():
    """The slots spend few passes beyond those the samples need."""
    model, x = small_network(), images(200)
    passes = []
    original = compiling.Compiled.__call__

    def counting(self, samples, *rest):
        passes.append(len(samples.x))
        return original(self, samples, *rest)

    compiling.Compiled.__call__ = counting
    try:
        result = isi.Attack("relevance", "l0", max_steps=30)(model, x, batch_size=32)
    finally:
        compiling.Compiled.__call__ = original
    needed = result.forward.sum()
    beyond = 1.15 * needed + 32 * 8 if keras.config.backend() == "jax" else 1.1 * needed
    assert needed <= sum(passes) <= beyond


def test_models_of_an_attack_are_released():
    import gc
    import weakref

    model = small_network()
    isi.Attack("relevance", "l0", max_steps=2)(model, images())
    isi.explain(model, images())
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_progress_is_shown(capsys):
    isi.Attack(max_steps=2)(small_network(), images(), verbose=1)
    shown = capsys.readouterr().out
    assert "12/12" in shown
    assert "success: " in shown
    isi.Attack(max_steps=2)(small_network(), images())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("indicator", ["relevance", "sensitivity", isi.Relevance("epsilon")])
def test_mixed_precision(policy, indicator):
    """Maps and results are float32 and finite, and the contracts hold."""
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            keras.layers.Conv2D(4, 3, activation="relu", dtype=policy),
            keras.layers.BatchNormalization(dtype=policy),
            keras.layers.Flatten(dtype=policy),
            keras.layers.Dense(3, "softmax", dtype=policy),
        ]
    )
    x = images()
    explanation = isi.explain(model, x, indicator=indicator)
    assert explanation.relevance.dtype == explanation.logits.dtype == np.float32
    assert np.isfinite(explanation.relevance).all()
    assert np.abs(explanation.relevance).max() > 0
    result = isi.Attack(indicator, "l0", max_steps=20)(model, x)
    assert result.adversarial.dtype == np.float32
    assert result.success.any()
    assert not (result.stop_reason == "not_finite").any()


def test_inputs_that_rounding_put_outside_the_bounds_are_set_on_them():
    model, x = small_network(), images()
    x[0, 0, 0, 0] = np.nextafter(np.float32(1), np.float32(2))
    result = isi.Attack("sensitivity", "linf", max_steps=3)(model, x)
    assert result.x.max() == 1
    assert result.adversarial.max() <= 1


@pytest.mark.parametrize(
    ("indicator", "norm"),
    [
        ("sensitivity", isi.L0(unit="pixel")),
        ("jacobian_saliency", isi.Salient(step_size=0.5, unit="pixel")),
    ],
    ids=["l0", "salient"],
)
def test_channels_of_a_pixel_follow_the_data_format(indicator, norm):
    """The same network on transposed images is attacked at the same pixels."""
    model, x = small_network(), images()
    first = keras.Sequential(
        [keras.Input((2, 6, 5)), keras.layers.Permute((2, 3, 1)), *model.layers]
    )
    attack = isi.Attack(indicator, norm, max_steps=4)
    last = attack(model, x)
    assert last.steps.max() > 1
    keras.config.set_image_data_format("channels_first")
    try:
        found = attack(first, np.moveaxis(x, -1, 1))
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(np.moveaxis(found.order, 1, -1), last.order)
