"""Models with several inputs: one moves, the others are held as they are given."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

import isi_keras as isi
from isi_keras import goals

MOVED, HELD, COUNT = 8, 3, 7
GREEDY = isi.Attack("sensitivity", "l0", 9, (-1, 1), "margin", scale="reach")


def two_inputs(by_name):
    """The one input by a linear layer, the other by a network, of which a sum is classified."""
    moved, held = keras.Input((MOVED,), name="moved"), keras.Input((HELD,), name="held")
    aside = layers.Dense(2, name="aside")(layers.Dense(5, "tanh")(held))
    total = layers.Add()([layers.Dense(2, name="own")(moved), aside])
    inputs = {"held": held, "moved": moved} if by_name else [held, moved]
    return keras.Model(inputs, layers.Softmax()(total))


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (COUNT, MOVED)).astype("float32")


@pytest.fixture(scope="module")
def held():
    return 2 * np.random.default_rng(1).normal(size=(COUNT, HELD)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return two_inputs(by_name=True)


def given(model, x, held):
    return {"moved": x, "held": held} if isinstance(model.input, dict) else [held, x]


class Alone:
    """The same model with what one sample holds in its weights."""

    def __init__(self, model):
        source = keras.Input((MOVED,))
        own = layers.Dense(2)
        self.model = keras.Model(source, layers.Softmax()(own(source)))
        self._aside = keras.Model(model.input, model.get_layer("aside").output)
        self._own, self._whole = model.get_layer("own").get_weights(), model

    def __call__(self, row):
        every = given(self._whole, np.zeros((1, MOVED), "float32"), row[None])
        kernel, bias = self._own
        self.model.set_weights([kernel, bias + self._aside.predict(every, verbose=0)[0]])
        return self.model


ATTACKS = {
    "greedy": GREEDY,
    "relevance": isi.Attack("relevance", "l2", 9, (-1, 1)),
    "jsma": isi.JSMA(gamma=1.0, bounds=(-1, 1), untargeted="easiest"),
    "minimal": isi.MinimalL0(budget=40, restarts=0, bounds=(-1, 1)),
}


TORCH = keras.config.backend() == "torch"
LONG = [] if TORCH else [pytest.mark.large]  # to compile


@pytest.mark.parametrize(
    "name",
    ["greedy", "relevance", *(pytest.param(name, marks=LONG) for name in ("jsma", "minimal"))],
)
def test_it_is_as_if_the_held_input_were_constant(model, x, held, name):
    attack = ATTACKS[name]
    alone = Alone(model)
    result = attack(isi.logits(model, moving="moved"), given(model, x, held), batch_size=3)
    np.testing.assert_array_equal(result.x, x)
    np.testing.assert_array_equal(result.held["held"], held)
    for index, row in enumerate(held[:3]):
        one = attack(alone(row), x[index : index + 1])
        np.testing.assert_allclose(result.adversarial[index], one.adversarial[0], atol=1e-5)
        assert result.stop_reason[index] == one.stop_reason[0]
    assert result.success.any()
    again = model.predict(given(model, result.adversarial, held), verbose=0).argmax(-1)
    np.testing.assert_array_equal(again, result.prediction)


def test_the_least_number_is_known(model, x, held):
    found = isi.logits(model)  # the structure of inputs is checked when they come
    z = found.predict(given(model, x, held))
    label, rows = z.argmax(1), np.arange(COUNT)
    slope = np.diff(model.get_layer("own").get_weights()[0], axis=1)[:, 0]
    slope = slope * np.where(label == 1, -1, 1)[:, None]
    gain = np.sort(np.where(slope > 0, 1 - x, x + 1) * np.abs(slope))[:, ::-1]
    enough = np.cumsum(gain, axis=1) > (z[rows, label] - z[rows, 1 - label])[:, None]
    result = GREEDY(isi.logits(model, moving="moved"), given(model, x, held))
    np.testing.assert_array_equal(result.success, enough.any(1))
    fewest = enough.argmax(1) + 1
    np.testing.assert_array_equal(result.changed.sum(1)[result.success], fewest[result.success])


def test_a_list_of_inputs_is_as_a_dictionary_of_them(model, x, held):
    listed = two_inputs(by_name=False)
    listed.set_weights(model.get_weights())
    attack = isi.Attack("sensitivity", "l0", bounds=(-9, 9))
    result, same = (
        attack(isi.logits(one, moving="held"), given(one, x, held)) for one in (listed, model)
    )
    np.testing.assert_array_equal(result.adversarial, same.adversarial)
    np.testing.assert_array_equal(result.x, held)
    np.testing.assert_array_equal(result.held["moved"], x)


def test_all_of_them_move_together(model, x, held):
    """As one row of numbers; as a model of one input that it takes apart itself."""
    order = ["moved", "held"]
    bounds = np.repeat([-1.0, -9.0], [MOVED, HELD]), np.repeat([1.0, 9.0], [MOVED, HELD])
    row = keras.Input((MOVED + HELD,))
    parts = given(model, row[:, :MOVED], row[:, MOVED:])
    whole = keras.Model(row, model(parts))
    minimal = isi.MinimalL0(budget=30, restarts=0, bounds=bounds)
    for attack in (isi.Attack("relevance", "l0", 9, bounds), *([minimal] if TORCH else [])):
        result = attack(isi.logits(model, moving=order), given(model, x, held))
        same = attack(whole, np.concatenate([x, held], axis=1))
        np.testing.assert_allclose(result.adversarial, same.adversarial, atol=1e-5)
        assert result.held is None
    again = model.predict(given(model, **rename(result.inputs)), verbose=0).argmax(-1)
    np.testing.assert_array_equal(again, result.prediction)


def rename(inputs):
    return {"x": inputs["moved"], "held": inputs["held"]}


def test_records_and_robustness(model, x, held, tmp_path):
    source = isi.logits(model, moving="moved")
    result = GREEDY(source, given(model, x, held), goal=goals.Untargeted(0.2))
    again = isi.AttackResult.load(result.save(tmp_path / "several"))[2:4]
    assert again.moving == {"moved": [MOVED]}
    np.testing.assert_array_equal(again.held["held"], held[2:4])
    np.testing.assert_array_equal(again.inputs["moved"], result.adversarial[2:4])
    assert isi.evaluate(result).measures["l0_feature"].mean_success >= 1
    y = result.clean_prediction
    found = isi.robustness(source, given(model, x, held), y, attacks=[GREEDY])
    direct = GREEDY(source, given(model, x, held))
    np.testing.assert_array_equal(np.isfinite(found.least), direct.success)
    np.testing.assert_array_equal(found[1:3].held["held"], held[1:3])
    distance = isi.adversarial_distance(source, given(model, x, held), pairs=False)
    whole = isi.adversarial_distance(Alone(model)(held[0]), x[:1], pairs=False)
    np.testing.assert_allclose(distance[:1], whole, atol=1e-6)


def test_hardness_is_that_of_attacks_on_the_input_that_moves(model, x, held):
    source, y = isi.logits(model, moving="moved"), model.predict(given(model, x, held), verbose=0)
    y = y.argmax(-1)
    found = isi.hardness(source, given(model, x, held), y, attack=GREEDY, budgets=(0.1, 1.0))
    direct = dataclasses.replace(GREEDY, max_steps=MOVED)(
        source, given(model, x, held), target=1 - y
    )
    share = (direct.adversarial != x).sum(-1) / MOVED
    np.testing.assert_array_equal(found.min_budget, np.where(direct.success, share, np.inf))
    distance = isi.adversarial_distance(source, given(model, x, held), target=1 - y)
    np.testing.assert_allclose(found.distance, distance, atol=1e-6)
    streamed = isi.hardness(
        source, lambda: iter([(given(model, x, held), y)]), None, attack=GREEDY, budgets=(0.1, 1.0)
    )
    np.testing.assert_array_equal(streamed.min_budget, found.min_budget)


def test_integers_are_held_and_one_input_may_be_in_a_list(x):
    tokens, values = keras.Input((4,), dtype="int32", name="ids"), keras.Input((MOVED,), name="v")
    word = layers.Flatten()(layers.Embedding(6, 3)(tokens))
    both = layers.Dense(6, "relu")(layers.Concatenate()([word, values]))
    model = keras.Model([tokens, values], layers.Dense(3)(both))
    ids = np.random.default_rng(2).integers(0, 6, (COUNT, 4))
    for attack in (isi.Attack("relevance", "l0", 9, (-1, 1)), GREEDY):
        result = attack(model, [ids, x])
        assert list(result.moving) == ["v"]
        assert result.success.any()
        again = model.predict([ids, result.adversarial], verbose=0).argmax(-1)
        np.testing.assert_array_equal(again, result.prediction)
    with pytest.raises(TypeError, match=r"takes integers in 'ids'.*another input, which holds"):
        GREEDY(isi.logits(model, moving="ids"), [ids, x])
    single = keras.Input((MOVED,), name="single")
    for inputs, some in (([single], [x]), ({"single": single}, {"single": x})):
        one = keras.Model(inputs, layers.Dense(2)(single))
        result = GREEDY(one, some)
        bare = keras.Sequential([keras.Input((MOVED,)), layers.Dense(2)])
        bare.set_weights(one.get_weights())
        np.testing.assert_array_equal(result.adversarial, GREEDY(bare, x).adversarial)
        assert result.held is None


def test_errors_name_the_inputs(model, x, held):
    every, mixed = given(model, x, held), given(model, x, np.zeros((COUNT, HELD), "uint8"))
    with pytest.raises(ValueError, match=r"2 inputs of real numbers: .*logits\(model, moving='h"):
        GREEDY(model, every)
    with pytest.raises(ValueError, match=r"no input 'image'\. Choose one of 'held', 'moved'"):
        GREEDY(isi.logits(model, moving="image"), every)
    with pytest.raises(ValueError, match=r"'held' is uint8, 'moved' is float32.*`integer`"):
        GREEDY(isi.logits(model, moving=["held", "moved"]), mixed)
    with pytest.raises(ValueError, match=r"name each input once"):
        isi.logits(model, moving=["held", "held"])
    with pytest.raises(ValueError, match=r"Say which an attack moves"):
        isi.hardness(model, every, np.zeros(COUNT, int))
