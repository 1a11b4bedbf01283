"""The base of the attacks, by one that goes another way: `docs/how-to/add-an-attack.md`."""

import dataclasses
import json
import re
from typing import Any

import keras
import numpy as np
import pytest
from makers.compiled import compiled_of
from makers.networks import images, small_network
from makers.paths import ROOT

import isi_keras as isi
from isi_keras import attacks, training
from isi_keras.attacks import crafting
from isi_keras.models import compiling
from isi_keras.results import Stop

PAGE = (ROOT / "docs" / "how-to" / "add-an-attack.md").read_text()
CODE = re.search(r"```python\n(import dataclasses\n.*?)```", PAGE, re.DOTALL)[1]  # pyright: ignore


@pytest.fixture(scope="module")
def bisection():
    """The class of the page."""
    page = {"__name__": __name__}
    exec(CODE.replace("Bisection", "Halving"), page)  # the test of the page has one of that name
    return page["Halving"]


def linear(inputs=12, bias=3.0):
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(2)])
    rng = np.random.default_rng(1)
    model.set_weights([0.5 * rng.normal(size=(inputs, 2)), np.array([bias, 0.0])])
    return model


def least(w, margin, gain):
    """How few of the greatest gains make up the margin; 0 if all do not."""
    enough = np.flatnonzero(np.cumsum(np.sort(np.abs(w) * gain)[::-1]) > margin)
    return int(enough[0]) + 1 if len(enough) else 0


def check_least(model, result, bounds, target=None):
    kernel, bias = (part.astype("float64") for part in model.get_weights())
    x = result.x.astype("float64")
    logits, counts = x @ kernel + bias, set()
    for index, point in enumerate(x):
        label = logits[index].argmax()
        goal = 1 - label if target is None else target
        if goal == label:
            assert result.stop_reason[index] == "already_target"
            continue
        w = kernel[:, goal] - kernel[:, label]
        gain = np.where(w > 0, bounds[1] - point, point - bounds[0])
        count = least(w, logits[index, label] - logits[index, goal], gain)
        assert result.stop_reason[index] == ("success" if count else "exhausted")
        if count:
            assert result.changed[index].sum() == count
        counts.add(count)
    assert len(counts) > 1


def test_the_page_says_it_in_few_lines():
    code = CODE[CODE.index("class Memory") :]
    assert len(code.splitlines()) <= 80


@pytest.mark.parametrize("target", [None, 1])
@pytest.mark.parametrize("bounds", [(-1, 1), (-2, 3)])
def test_an_attack_of_ones_own_finds_the_least_number(bisection, rng, bounds, target):
    model = linear()
    x = rng.uniform(-1, 1, (40, 12))
    result = bisection(bounds=bounds)(model, x, target=target, batch_size=16)
    check_least(model, result, bounds, target)
    np.testing.assert_array_equal(result.order > 0, result.changed)
    np.testing.assert_array_equal(result.forward, result.steps + 1)
    np.testing.assert_array_equal(result.backward, result.forward)
    assert result.steps.max() <= 2 + np.ceil(np.log2(12))
    again = model.predict(result.adversarial, verbose=0).argmax(-1)
    np.testing.assert_array_equal(again, result.prediction)


def test_other_bounds_and_another_model_are_no_stale_trace(bisection, rng):
    x = rng.uniform(-1, 1, (20, 12))
    model = linear()
    for bounds in ((-1, 1), (-4, 1), (-1, 1)):
        check_least(model, bisection(bounds=bounds)(model, x), bounds)
    model.set_weights([-part for part in model.get_weights()])
    check_least(model, bisection()(model, x), (-1, 1))


def test_it_is_the_same_in_any_batch(bisection):
    model, x = small_network(), images(23)
    whole = bisection()(model, x, batch_size=23)
    for size in (1, 7):
        parts = bisection()(model, x, batch_size=size)
        for name in ("adversarial", "stop_reason", "steps", "prediction", "order"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_it_leaves_alone_what_needs_no_attack(bisection):
    model, x = small_network(), images(12)
    label = model.predict(x, verbose=0).argmax(-1)
    y = np.where(np.arange(12) < 5, (label + 1) % 3, label)
    result = bisection()(model, x, y=y)
    assert set(result.stop_reason[:5]) == {"misclassified"}
    np.testing.assert_array_equal(result.adversarial[:5], x[:5])
    assert (result.forward[:5] == 1).all()
    assert not np.isin(result.stop_reason[5:], "misclassified").any()


def test_a_trajectory_holds_the_logits_of_every_pass(bisection):
    model, x = small_network(final=None), images(6)
    result = bisection()(model, x, trajectory=True)
    at_end = result.trajectory[np.arange(6), result.steps]
    np.testing.assert_allclose(at_end, model.predict(result.adversarial, verbose=0), atol=1e-5)
    np.testing.assert_allclose(result.trajectory[:, 0], model.predict(x, verbose=0), atol=1e-5)


def test_it_serves_hardness_monitor_and_training(bisection):
    """Each takes any attack: there is no list of them."""
    model, x = small_network(), images(24)
    y = model.predict(x, verbose=0).argmax(-1)
    found = isi.hardness(model, x[:6], y[:6], attack=bisection(), distances=False)
    direct = bisection()(model, np.repeat(x[:6], 2, axis=0), target=found.target)
    np.testing.assert_array_equal(np.isfinite(found.min_budget), direct.success)
    share = direct.changed.reshape(12, -1).mean(axis=1)
    np.testing.assert_allclose(found.distortion, share, rtol=1e-6)
    monitor = isi.callbacks.RobustnessMonitor(bisection(), x, y, budgets=(1,))
    trained = training.AdversarialTraining(model, bisection())
    trained.compile("sgd", "sparse_categorical_crossentropy")
    history = trained.fit(x, y, batch_size=12, callbacks=[monitor], verbose=0).history
    assert np.isfinite(history["adversarial_loss"]).all()
    assert 0 <= history["val_robust_accuracy"][0] <= 1


def test_in_a_trace_it_does_what_it_does_from_the_host(bisection):
    model, x = small_network(), images(12)
    y = model.predict(x, verbose=0).argmax(-1)
    craft = crafting.Crafting(bisection(), model, x)
    inside = keras.ops.convert_to_numpy(craft(keras.ops.convert_to_tensor(x), y))
    np.testing.assert_allclose(inside, bisection()(model, x, y=y).adversarial, atol=1e-6)


def test_it_comes_back_from_its_configuration(bisection):
    attack = bisection(max_steps=9, bounds=([0.0, 1.0], 2))
    config = {"class_name": "Halving", "config": attack.get_config()}
    assert attacks.get(json.loads(json.dumps(config))) == attack
    assert attacks.get("isi") == isi.Attack()
    assert attacks.get("jsma") == isi.JSMA()
    with pytest.raises(TypeError, match="Expected attack to be one of 'isi', 'jsma'"):
        attacks.get(3)


def test_what_a_step_is_told_anew_compiles_nothing_anew():
    """Bounds and steps of an `Attack`; without `arguments` every field counts."""
    model, x = small_network(), images(4)
    compiling._KEPT.clear()
    attack = isi.Attack("sensitivity", "l0", max_steps=3)
    for other in (attack, dataclasses.replace(attack, max_steps=5, bounds=(-2, 2))):
        other(model, x)
    if keras.config.backend() != "torch":  # which traces nothing
        assert compiled_of(model, attack).traces == 1


@pytest.mark.parametrize(
    ("options", "error"), [({"max_steps": 0}, ValueError), ({"max_steps": 2.5}, TypeError)]
)
def test_the_base_checks_fields(bisection, options, error):
    with pytest.raises(error, match=r"Expected max_steps to be an integer, at least 1"):
        bisection(**options)


@pytest.mark.once
@pytest.mark.parametrize("untargeted", ["random", "runner_up", "easiest"])
def test_chosen_targets_follow_the_number_of_a_sample(untargeted):
    """Parts of a run aim at what the whole aims at."""
    model, x = small_network(), images(9)
    jsma = isi.JSMA(0.5, 1.0, bounds=(-1, 1), untargeted=untargeted, seed=5)
    whole = jsma(model, x)
    parts = [jsma(model, x[begin : begin + 4], first_index=begin) for begin in (0, 4, 8)]
    np.testing.assert_array_equal(np.concatenate([part.target for part in parts]), whole.target)
    np.testing.assert_array_equal(
        np.concatenate([part.adversarial for part in parts]), whole.adversarial
    )


@pytest.mark.once
def test_samples_that_all_have_their_target_are_results_and_a_word():
    model, x = small_network(), images(12)
    label = model.predict(x, verbose=0).argmax(-1)
    with pytest.warns(UserWarning, match="true labels go into `y`"):
        result = isi.Attack("sensitivity", "l0")(model, x, target=label)
    assert set(result.stop_reason) == {"already_target"}
    assert not result.attacked.any()


def test_a_plan_is_made_for_each_shape(bisection):
    """A model of free size: what was planned for small images serves no large ones."""
    keras.utils.set_random_seed(1)
    pool, dense = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)
    model = keras.Sequential(
        [keras.Input((None, None, 1)), keras.layers.Conv2D(8, 3, activation="relu"), pool, dense]
    )
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    small, large = (rng.uniform(-1, 1, (4, side, side, 1)) for side in (5, 8))
    bisection()(model, small)
    found, wanted = bisection()(model, large), bisection()(fresh, large)
    np.testing.assert_array_equal(found.adversarial, wanted.adversarial)


def broken(step):
    """An attack whose plan is wrong."""

    @dataclasses.dataclass(frozen=True, eq=False)
    class Broken(attacks.BaseAttack):
        max_steps: int = 3
        bounds: Any = (-1.0, 1.0)

        def plan(self, planned, sample, targeted):
            forward = planned.forward()

            def made(model, samples, state, limits):
                return step(state, forward(model, state.x), limits)

            return attacks.Plan(attacks.State.begin, made)

    return Broken()


def stop_at_once(state):
    return state.stop * 0 + int(Stop.MAX_STEPS)


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (
            lambda state, logits, limits: (state.advanced(stop_at_once(state)), logits),
            r"Broken is wrong: 4 of 4 samples ended without their logits: call state.observed",
        ),
        (
            lambda state, logits, limits: (
                state.observed(logits, (1, 0))._replace(x=state.x + 3.0, stop=stop_at_once(state)),
                logits,
            ),
            r"4 of 4 samples are outside the bounds: clip to samples.low",
        ),
        (
            lambda state, logits, limits: (state.observed(logits, (1, 0)), logits),
            r"has not ended after 4 passes\. Let a plan end it with Stop.MAX_STEPS",
        ),
        (
            lambda state, logits, limits: (
                state.observed(logits, (1, 0))._replace(
                    steps=state.steps + 9, stop=stop_at_once(state)
                ),
                logits,
            ),
            r"took more than max_steps=3 steps",
        ),
    ],
    ids=["unseen", "outside", "endless", "steps"],
)
def test_a_wrong_plan_is_an_error(step, match):
    with pytest.raises(RuntimeError, match=match):
        broken(step)(small_network(), images(4))


@pytest.mark.once
def test_numbers_of_samples_may_be_given_one_by_one():
    model, x = small_network(), images(6)
    jsma = isi.JSMA(0.5, 1.0, bounds=(-1, 1), untargeted="random", seed=5)
    whole, order = jsma(model, x), np.array([4, 0, 5])
    np.testing.assert_array_equal(
        jsma(model, x[order], first_index=order).target, whole.target[order]
    )
    for wrong in (2**31, np.arange(3), np.zeros(6)):
        with pytest.raises(ValueError, match=r"Expected first_index to be a number below 2\*\*31"):
            jsma(model, x, first_index=wrong)
