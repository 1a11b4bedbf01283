"""Goals: classes by a margin, labels, values; on linear models the least number is known."""

import json

import keras
import numpy as np
import pytest

import isi_keras as isi
from isi_keras import _component, goals
from isi_keras.attacks import crafting

INPUTS, LABELS = 12, 3
GREEDY = isi.Attack("sensitivity", "l0", 13, (-1, 1), "margin", scale="reach")
MINIMAL = isi.MinimalL0(budget=60, restarts=0, bounds=(-1, 1))
TORCH = keras.config.backend() == "torch"
COMPILED_LONG = pytest.param(MINIMAL, marks=[] if TORCH else pytest.mark.large)


def linear(units, final=None):
    model = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(units, final)])
    rng = np.random.default_rng(3)
    model.set_weights([0.5 * rng.normal(size=(INPUTS, units)), 0.2 * rng.normal(size=units)])
    return model


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(4).uniform(-1, 1, (12, INPUTS)).astype("float32")


@pytest.fixture(scope="module")
def labels():
    return linear(LABELS, "sigmoid")


@pytest.fixture(scope="module")
def values():
    return linear(2)


def logits_of(model, x):
    kernel, bias = (part.astype("float64") for part in model.get_weights())
    return x.astype("float64") @ kernel + bias


def least(model, x, way, needed):
    """How few inputs raise a combination `way` of the outputs by what is needed, `(N,)`."""
    slope = model.get_weights()[0].astype("float64") @ way
    gain = np.where(slope > 0, 1 - x, x + 1) * np.abs(slope)
    reach = np.cumsum(np.sort(gain, axis=1)[:, ::-1], axis=1)
    enough = reach > needed[:, None]
    assert enough[:, -1].all()
    return np.where(needed < 0, 0, enough.argmax(1) + 1)


def check(result, fewest):
    held = fewest == 0
    assert (result.stop_reason[held] == "already_target").all()
    assert result.success[~held].all()
    np.testing.assert_array_equal(result.changed.sum(1), fewest)
    assert len(set(fewest.tolist())) > 1


@pytest.mark.parametrize("attack", [GREEDY, COMPILED_LONG], ids=["greedy", "minimal"])
def test_labels_and_values_take_the_least_number(attack, labels, values, x):
    z, v = logits_of(labels, x), logits_of(values, x)
    unit, two, zero = np.eye(LABELS), np.eye(2), np.zeros(len(x))
    for goal, model, way, needed, holds in [
        (goals.LabelOn(1), labels, unit[1], -z[:, 1], lambda z: z[:, 1] > 0),
        (goals.LabelOff(2), labels, -unit[2], z[:, 2], lambda z: z[:, 2] < 0),
        (goals.LabelOn(1, margin=0.5), labels, unit[1], 0.5 - z[:, 1], lambda z: z[:, 1] > 0.4999),
        (goals.Above(0.7, output=1), values, two[1], 0.7 - v[:, 1], lambda v: v[:, 1] > 0.7),
        (goals.Below(-0.5), values, -two[0], v[:, 0] + 0.5, lambda v: v[:, 0] <= -0.5),
        (goals.Above(v[:, 0] + 0.6), values, two[0], zero + 0.6, lambda z: z[:, 0] > -9),
    ]:
        result = attack(model, x, goal=goal)
        check(result, least(model, x, way, needed))
        found = logits_of(model, result.adversarial)
        assert holds(found)[result.success].all()
        np.testing.assert_allclose(result.logits, found, atol=1e-5)
        np.testing.assert_array_equal(result.prediction[result.success], int(result.target[0]))


def test_a_margin_is_a_lead_of_logits(values, x):
    """Recounted from what the model itself predicts."""
    z, rows = logits_of(values, x), np.arange(len(x))
    label = z.argmax(1)
    gap = np.abs(z[:, 0] - z[:, 1])
    way = np.array([1.0, -1.0])
    fewest = np.where(
        label == 0, least(values, x, -way, gap + 0.8), least(values, x, way, gap + 0.8)
    )
    result = GREEDY(values, x, goal=goals.Untargeted(margin=0.8))
    check(result, fewest)
    after = values.predict(result.adversarial, verbose=0)
    assert (after[rows, 1 - label] - after[rows, label] >= 0.8 - 1e-5).all()
    result = GREEDY(values, x, goal=goals.Target(1, margin=0.8))
    after = values.predict(result.adversarial, verbose=0)
    assert (after[:, 1] - after[:, 0] >= 0.8 - 1e-5)[result.success].all()
    assert (result.changed.sum(1) == least(values, x, -way, 0.8 - z[:, 1] + z[:, 0])).all()
    assert goals.of(result[3:5]).classes == 1


def test_of_one_sigmoid_unit_the_margin_is_its_own_logit(x):
    model = linear(1, "sigmoid")
    z = logits_of(model, x)[:, 0]
    result = GREEDY(model, x, goal=goals.Target(1, margin=0.5))
    check(result, least(model, x, np.ones(1), 0.5 - z))
    on = GREEDY(model, x, goal=goals.LabelOn(0, margin=0.5))
    np.testing.assert_array_equal(on.adversarial, result.adversarial)


def test_without_a_margin_it_is_what_it_was(values, x):
    for plain, goal in [({}, goals.Untargeted()), ({"target": 1}, goals.Target(1))]:
        one, other = GREEDY(values, x, **plain), GREEDY(values, x, goal=goal)
        np.testing.assert_array_equal(one.adversarial, other.adversarial)
        assert one.goal is None
        assert other.goal is not None
        assert one.logits is None
        assert other.logits is None


def test_sets_of_labels_become_what_was_asked(labels, x):
    clean = logits_of(labels, x) > 0
    wanted = clean.copy()
    wanted[:, 0] = ~wanted[:, 0]
    result = GREEDY(labels, x, goal=goals.LabelSet(wanted, margin=0.1))
    after = logits_of(labels, result.adversarial)
    assert result.success.mean() > 0.5
    np.testing.assert_array_equal((after > 0)[result.success], wanted[result.success])
    assert (np.abs(after) >= 0.0999)[result.success].all()
    np.testing.assert_array_equal(goals.of(result[4:6]).labels, wanted[4:6])
    for attack in (GREEDY, MINIMAL):
        result = attack(labels, x, goal=goals.LabelSet())
        changed = (logits_of(labels, result.adversarial) > 0) != clean
        assert result.success.all()
        assert changed.any(1).all()
    z = logits_of(labels, x)
    fewest = np.min(
        [
            np.where(own > 0, least(labels, x, -unit, own), least(labels, x, unit, -own))
            for unit, own in zip(np.eye(LABELS), z.T, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_array_equal(result.changed.sum(1), fewest)  # by MinimalL0
    some = GREEDY(labels, x, goal=goals.LabelSet([1, -1, 0]))
    after = logits_of(labels, some.adversarial)[some.success] > 0
    assert after[:, 0].all()
    assert not after[:, 2].any()


def test_any_of_several_classes(x):
    model = linear(4)
    z, _kernel = logits_of(model, x), np.eye(4)
    label = z.argmax(1)
    for goal, wanted in [(goals.AnyOf([1, 3]), [1, 3]), (goals.NoneOf([0, 2]), [1, 3])]:
        result = MINIMAL(model, x, goal=goal)
        start = np.isin(label, wanted)
        assert (result.stop_reason[start] == "already_target").all()
        assert result.success[~start].all()
        assert (~start).sum() > 3
        assert np.isin(model.predict(result.adversarial, verbose=0).argmax(1), wanted).all()
        np.testing.assert_array_equal(result.clean_prediction, label)
    for kind in (goals.AnyOf, goals.NoneOf):
        with pytest.raises(ValueError, match=r"classes that differ.*Received: 3 more than once"):
            kind([3, 1, 3])
    surely = GREEDY(model, x, goal=goals.AnyOf([1, 3], margin=0.4))
    after = logits_of(model, surely.adversarial)
    assert ((after[:, 1::2].max(1) - after[:, ::2].max(1)) >= 0.3999)[surely.success].all()
    assert surely.success.sum() > 3


def test_true_labels_leave_out_what_is_wrong(labels, x):
    z = logits_of(labels, x) > 0
    y = z.astype("int32")
    y[:3] = 1 - y[:3]
    for goal in (goals.LabelOn(1), goals.LabelSet()):
        result = GREEDY(labels, x, y=y, goal=goal)
        np.testing.assert_array_equal(result.right, np.arange(len(x)) >= 3)
        assert (result.stop_reason[:3] == "misclassified").all()
    result = GREEDY(labels, x, y=y[:, 1], goal=goals.LabelOn(1))
    np.testing.assert_array_equal(result.y, y[:, 1])
    assert isi.evaluate(result).clean_accuracy == 0.75


def test_saved_cut_and_joined(labels, values, x, tmp_path):
    result = GREEDY(values, x, goal=goals.Below(np.linspace(-1, 0, len(x))))
    again = isi.AttackResult.load(result.save(tmp_path / "goal"))
    assert goals.of(again) == goals.of(result)
    np.testing.assert_array_equal(again.logits, result.logits)
    both = isi.AttackResult.concatenate([result[:5], result[5:]])
    np.testing.assert_array_equal(goals.of(both).value, np.linspace(-1, 0, len(x)))
    parts = GREEDY(values, x[5:], goal=goals.of(result[5:]), batch_size=3)
    np.testing.assert_array_equal(parts.adversarial, result.adversarial[5:])


def test_other_indicators_and_norms(labels, values, x):
    jsma = isi.JSMA(variant="wjsma", gamma=1.0, bounds=(-1, 1))
    result = jsma(values, x, goal=goals.Above(0.3))
    assert result.success.any()
    assert (logits_of(values, result.adversarial)[:, 0] > 0.3)[result.success].all()
    relevance = isi.Attack("relevance", "l0", 13, (-1, 1))
    result = relevance(labels, x, goal=goals.LabelOff(0))
    assert result.success.any()
    assert (logits_of(labels, result.adversarial)[:, 0] < 0)[result.success].all()


def test_of_outputs_as_values(labels, x):
    """Probabilities, by the way of `outputs`."""
    result = GREEDY(isi.outputs(labels), x, goal=goals.Above(0.8, output=2))
    after = labels.predict(result.adversarial, verbose=0)[:, 2]
    assert (after > 0.8)[result.success].all()
    np.testing.assert_allclose(result.logits[:, 2], after, atol=1e-6)
    z = logits_of(labels, x)[:, 2]
    check(result, least(labels, x, np.eye(LABELS)[2], np.log(4) - z))


def test_robustness_by_a_goal(labels, values, x):
    attacks = {"greedy": GREEDY, "minimal": MINIMAL}
    y = (logits_of(labels, x) > 0).astype("int32")
    found = isi.robustness(labels, x, y, attacks=attacks, goal=goals.LabelSet())
    assert found.robust_accuracy(12) == 0
    assert found.right.all()
    direct = MINIMAL(labels, x, goal=goals.LabelSet()).changed.sum(1)
    np.testing.assert_array_equal(found.least, direct)
    goal = goals.Above(0.5)
    found = isi.robustness(values, x, None, attacks=attacks, goal=goal)
    z = logits_of(values, x)[:, 0]
    np.testing.assert_array_equal(found.least, least(values, x, np.eye(2)[0], 0.5 - z))
    np.testing.assert_array_equal(found.right, z <= 0.5)
    assert found.config["config"]["goal"]["class_name"] == "Above"


def test_in_training_and_in_the_monitor(labels, x, tmp_path):
    y = (logits_of(labels, x) > 0).astype("int32")
    attack = isi.Attack("sensitivity", "l0", 5, (-1, 1))
    for goal in (goals.LabelSet(), goals.LabelOff(0, margin=0.3)):
        craft = crafting.Crafting(attack, labels, x, goal=goal)
        inside = keras.ops.convert_to_numpy(craft(keras.ops.convert_to_tensor(x), y))
        np.testing.assert_allclose(inside, attack(labels, x, y=y, goal=goal).adversarial, atol=1e-6)
    trained = isi.training.AdversarialTraining(labels, attack, goal=goals.LabelSet())
    trained.compile("sgd", keras.losses.BinaryCrossentropy())
    trained.fit(x, y, verbose=0)
    trained.save(tmp_path / "trained.keras")
    again = keras.saving.load_model(tmp_path / "trained.keras")
    assert again.goal == goals.LabelSet()
    assert again.attack == attack
    assert again.evaluate(x, y, verbose=0) == pytest.approx(trained.evaluate(x, y, verbose=0))
    monitor = isi.callbacks.RobustnessMonitor(attack, x, y, goal=goals.LabelSet())
    monitor.set_model(labels)
    monitor.on_train_begin()
    logs = {}
    monitor.on_epoch_end(0, logs)
    result = attack(labels, x, y=y, goal=goals.LabelSet())
    assert logs["val_robust_accuracy"] == 1 - result.success.mean() < 1


@pytest.mark.filterwarnings("ignore:.*softmax over axis")
@pytest.mark.parametrize(
    ("model", "given", "text"),
    [
        ("labels", {}, r"ends in 3 sigmoids: .*not a prediction.*LabelOn\(k\).*Untargeted\("),
        ("labels", {"target": 1}, r"ends in 3 sigmoids.*goals\.Target\(classes=1"),
        ("labels", {"goal": goals.LabelOn(3)}, r"label to be from 0 to 2"),
        ("labels", {"goal": goals.Above(0)}, r"ends in a Sigmoid.*isi_keras\.outputs\(model\)"),
        ("labels", {"goal": goals.LabelSet([1, 0])}, r"labels of shape \(3,\) or \(12, 3\)"),
        ("labels", {"goal": goals.LabelOn(0), "y": [2] * 12}, r"labels that hold, 0 and 1"),
        ("values", {"goal": goals.Above(0), "y": [0] * 12}, r"neither right nor wrong"),
        ("values", {"goal": goals.Above(0, output=2)}, r"output to be from 0 to 1"),
        ("values", {"goal": goals.Above([0.0, 1.0])}, r"one for each of 12 samples"),
        ("values", {"goal": goals.Untargeted(), "target": 1}, r"both target=1 and goal="),
        ("values", {"goal": goals.AnyOf([0, 1])}, r"leave out one at least of the 2"),
        ("values", {"goal": goals.AnyOf([5])}, r"from 0 to 1, as the model has 2"),
        ("softmax", {"goal": goals.LabelOn(0)}, r"ends in a softmax.*Target\(k\)"),
        ("scores", {}, r"taken as values, of which the greatest.*Above\(value, output=k\)"),
        ("one", {}, r"cannot be known.*goals\.Above\(value\) or Below"),
        ("one", {"goal": goals.Untargeted(1.0)}, r"cannot be known.*goals\.Above"),
        ("always", {}, r"softmax over one unit, which is always 1.*Dense\(1, 'sigmoid'\)"),
    ],
)
def test_errors_say_how_to_go_on(model, given, text, labels, values, x):
    made = {
        "labels": lambda: labels,
        "values": lambda: values,
        "softmax": lambda: linear(3, "softmax"),
        "scores": lambda: isi.outputs(linear(3, "softmax")),
        "one": lambda: linear(1),
        "always": lambda: linear(1, "softmax"),
    }
    with pytest.raises(ValueError, match=text):
        GREEDY(made[model](), x, **given)


def test_goals_that_cannot_be():
    for make, text in [
        (lambda: goals.Untargeted(-1), r"a number at least 0. Received: margin=-1"),
        (lambda: goals.Above(np.nan), r"finite number in the unit of the output"),
        (lambda: goals.LabelSet([2, 0]), r"1 \(to hold\), 0 \(not to hold\)"),
        (lambda: goals.AnyOf([]), r"at least one class"),
        (lambda: goals.get("untargetted"), r"Did you mean 'untargeted'"),
    ]:
        with pytest.raises(ValueError, match=text):
            make()


def test_attacks_that_choose_classes_say_no(values, x):
    for attack, goal, text in [
        (
            isi.JSMA(untargeted="runner_up", bounds=(-1, 1)),
            goals.Untargeted(1.0),
            r"without a margin",
        ),
        (
            isi.JSMA(untargeted="runner_up", bounds=(-1, 1)),
            goals.AnyOf([0]),
            r"Leave untargeted out",
        ),
        (
            isi.JSMA(variant="mjsma", once=True, bounds=(-1, 1)),
            goals.NoneOf([0]),
            r"chooses its classes itself",
        ),
        (isi.Attack(stop_when="turned"), goals.Target(1, 2.0), r"without a margin"),
    ]:
        with pytest.raises(ValueError, match=text):
            attack(values, x, goal=goal)


MADE = {
    "Untargeted": goals.Untargeted(0.5),
    "Target": goals.Target([1, 0]),
    "AnyOf": goals.AnyOf([1, 2]),
    "NoneOf": goals.NoneOf(1, margin=2),
    "LabelOn": goals.LabelOn(np.array([1, 2])),
    "LabelOff": goals.LabelOff(1),
    "LabelSet": goals.LabelSet([[1, 0], [0, -1]]),
    "Above": goals.Above(np.array([0.5, 1.0]), output=1),
    "Below": goals.Below(2),
}


def test_goals_survive_json():
    """Each there is."""
    known = {name for name in goals.__all__ if isinstance(getattr(goals, name), type)}
    assert set(MADE) == known - {"Goal", "Asked"}
    for goal in MADE.values():
        again = goals.get(json.loads(json.dumps(_component.serialize(goal))))
        assert again == goal
        assert hash(again) == hash(goal)
    assert MADE["LabelOn"].recorded()[1].tolist() == [1, 2]
    assert MADE["AnyOf"].recorded()[1] is None


@pytest.mark.once
def test_robustness_of_one_value_as_it_is(values, x):
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(1)])
    above = goals.Above(float(model.predict(x, verbose=0).max()) + 0.1)
    found = isi.robustness(model, x, None, attacks=["sensitivity_l0"], goal=above)
    alone = isi.robustness(isi.outputs(model), x, None, attacks=["sensitivity_l0"], goal=above)
    np.testing.assert_array_equal(found.distance, alone.distance)


def test_one_output_for_all_samples():
    with pytest.raises(ValueError, match="number of one output, the same for all samples"):
        goals.Above(0.5, output=[0, 1])
