"""The end of a model: which axis counts its classes, and what is predicted."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import isi_keras as isi
from isi_keras.training import AdversarialTraining


def head(function, shape=(4,)):
    """A model of one dense layer and what is made of its six outputs."""

    class End(layers.Layer):
        def call(self, x):
            return function(x)

    inputs = keras.Input(shape)
    return keras.Model(inputs, End()(layers.Dense(6)(inputs)))


def written_out(raised):
    return raised / ops.sum(raised, axis=-1, keepdims=True)


def split(x, *functions):
    parts = zip(functions, ops.split(x, len(functions), axis=-1), strict=True)
    return ops.concatenate([function(part) for function, part in parts], axis=-1)


ONE = {
    "channels first": lambda z: ops.softmax(ops.reshape(z, (-1, 6, 1, 1)), axis=1)[:, :, 0, 0],
    "all by number": lambda z: ops.softmax(z)[:, 0:6],
    "ellipsis": lambda z: ops.softmax(z)[..., :],
    "flattened": lambda z: ops.reshape(ops.softmax(ops.reshape(z, (-1, 6, 1)), axis=1), (-1, 6)),
    "logarithm": lambda z: ops.log(ops.softmax(z)),
    "new axis": lambda z: ops.squeeze(ops.softmax(z[:, None]), 1),
    "of two": lambda z: ops.stack([ops.softmax(z), ops.softmax(-z)], axis=1)[:, 0],
    "turned": lambda z: ops.transpose(ops.softmax(ops.reshape(z, (-1, 6, 1)), axis=1), (0, 2, 1))[
        :, 0
    ],
    "flipped": lambda z: ops.flip(ops.softmax(z), axis=1),
    "sigmoids": lambda z: split(z, ops.sigmoid, ops.sigmoid),
    "sigmoids and complements": lambda z: split(z, ops.sigmoid, lambda part: 1 - ops.sigmoid(part)),
    "bounded": lambda z: ops.clip(ops.softmax(z), 1e-7, 1 - 1e-7),
    "bounded from below": lambda z: ops.maximum(1e-6, ops.softmax(z)),
    "percent": lambda z: layers.Rescaling(100.0)(ops.softmax(z)),
    "smoothed": lambda z: 0.9 * ops.softmax(z) + 0.1 / 6,
    "divided": lambda z: (ops.softmax(z) - 0.5) / 2.0,
    "logarithm of a sum": lambda z: ops.log(ops.softmax(z) + 1e-7),
    "logarithm of bounds": lambda z: ops.log(ops.clip(ops.softmax(z), 1e-7, 1.0)),
    "a term, then a factor": lambda z: (ops.softmax(z) + 0.5) / 0.01,
    "a difference made good": lambda z: ops.log(ops.softmax(z) - 0.1 + 0.2),
    "labels within bounds": lambda z: ops.clip(ops.sigmoid(z), 1e-7, 1 - 1e-7),
    "rounded": lambda z: ops.cast(ops.cast(ops.softmax(30 * z), "float16"), "float32"),
    "of a logarithm": lambda z: ops.exp(ops.log_softmax(z)),
    "written out": lambda z: written_out(ops.exp(z - ops.max(z, -1, keepdims=True))),
}
SEVERAL = {
    "rows": lambda z: ops.reshape(ops.softmax(ops.reshape(z, (-1, 2, 3))), (-1, 6)),
    "columns": lambda z: ops.reshape(ops.softmax(ops.reshape(z, (-1, 2, 3)), axis=1), (-1, 6)),
    "side by side": lambda z: split(z, ops.softmax, ops.softmax),
    "beside sigmoids": lambda z: split(z, ops.softmax, ops.sigmoid),
    "sigmoids first": lambda z: split(z, ops.sigmoid, ops.softmax),
}
PARTS = {
    "of the classes": lambda z: ops.softmax(z)[:, 1:],
    "of another axis": lambda z: ops.softmax(ops.reshape(z, (-1, 2, 3)), axis=1)[:, 0],
    "of a group": lambda z: ops.reshape(ops.softmax(z), (-1, 2, 3))[:, 0],
    "of two axes": lambda z: ops.concatenate(
        [ops.softmax(ops.reshape(z, (-1, 2, 3)), axis=axis) for axis in (1, 2)], axis=1
    )[:, 0],
}
UNORDERED = {
    "narrow bounds": lambda z: ops.clip(ops.softmax(z), 0.2, 1.0),
    "low bounds": lambda z: ops.clip(ops.softmax(z), 0.0, 0.8),
    "turned over": lambda z: 1 - ops.softmax(z),
    "negative": lambda z: -2.0 * ops.softmax(z),
    "by class": lambda z: ops.softmax(z) * ops.arange(1.0, 7.0),
    "whole numbers": lambda z: ops.cast(255 * ops.softmax(z), "uint8"),
    "inverse": lambda z: 1 / ops.softmax(z),
    "value between bounds": lambda z: 100 * ops.sigmoid(z),
    "masked with 0, above a logarithm": lambda z: ops.where(
        np.arange(6) > 2, ops.log(ops.softmax(z)), 0.0
    ),
    "masked with 0, above others": lambda z: ops.where(np.arange(6) > 2, ops.softmax(z) - 0.5, 0.0),
    "bounded after a factor": lambda z: ops.minimum(10 * ops.softmax(z), 1.0),
    "bounded after a term": lambda z: ops.clip(ops.softmax(z) - 1, 0.0, 1.0),
    "lost beside a large number": lambda z: ops.softmax(z) + 1e8,
    "bounded logarithms": lambda z: ops.maximum(ops.log_softmax(z), -0.5),
    "logarithm of a difference": lambda z: ops.log(ops.softmax(z) - 0.1),
    "bounds of as many": lambda z: ops.maximum(ops.softmax(ops.tile(z, (1, 200))), 1e-3),
    "bounds of labels": lambda z: ops.clip(ops.sigmoid(z), 1e-3, 1 - 1e-3),
    "lost beside a term": lambda z: 1e-4 * ops.softmax(z) + 9,
    "bounded logarithm": lambda z: ops.maximum(ops.log(ops.softmax(z)), -0.1),
}
PAIRS = {
    "joined": lambda p: ops.concatenate([1 - p, p], axis=-1),
    "stacked": lambda p: ops.stack([1 - p[:, 0], p[:, 0]], axis=-1),
    "by layers": lambda p: layers.Concatenate()([layers.Lambda(lambda p: 1.0 - p)(p), p]),
    "bounded": lambda p: ops.clip(ops.concatenate([1 - p, p], axis=-1), 1e-7, 1 - 1e-7),
    "first": lambda p: ops.concatenate([p, 1 - p], axis=-1),
}


SHIFTED = {
    "softmax": lambda z: ops.softmax(z - ops.max(z, axis=-1, keepdims=True)),
    "log": lambda z: ops.log_softmax((2 * z - 2 * ops.amax(z, axis=-1)[:, None]) / 2),
    "added": lambda z: ops.softmax(z + ops.negative(ops.max(z, axis=-1, keepdims=True)) + 0.0),
    "held": lambda z: ops.softmax(z - ops.stop_gradient(ops.max(z, axis=-1, keepdims=True))),
    "log-sum": lambda z: z - ops.logsumexp(z, axis=-1, keepdims=True),
    "log-sum without its axis": lambda z: z + -ops.logsumexp(z, axis=1)[:, None],
    "log-sum of exponentials": lambda z: z - ops.log(ops.sum(ops.exp(z), 1))[:, None],
    "log-sum below": lambda z: _below(z) - ops.log(ops.sum(ops.exp(_below(z)), 1, keepdims=True)),
    "log-sum above": lambda z: (
        z - (_top(z) + ops.log(ops.sum(ops.exp(z - _top(z)), axis=-1, keepdims=True)))
    ),
    "exponential": lambda z: ops.exp(z - ops.logsumexp(z, axis=-1, keepdims=True)),
    "of a difference": lambda z: (
        (twice := 2 * z) - (z + ops.logsumexp(twice - z, axis=-1, keepdims=True))
    ),
}


def _top(z):
    return ops.max(z, axis=-1, keepdims=True)


def _below(z):
    return z - _top(z)


@pytest.mark.parametrize("name", SHIFTED)
def test_a_softmax_below_its_greatest(x, name):
    """The class that wins would have a logit of 0, and a map of nothing."""
    found = []
    for end in (SHIFTED[name], ops.softmax):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((4,))
        model = keras.Model(inputs, end(layers.Dense(3)(inputs)))
        found.append(isi.explain(model, x, indicator="z"))
        found.append(isi.explain(model, x, indicator="sensitivity"))
    for one, other in zip(found[:2], found[2:], strict=True):
        np.testing.assert_allclose(one.relevance, other.relevance, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(one.prediction, other.prediction)
        assert np.abs(one.relevance).max() > 0.1


@pytest.mark.parametrize(
    "end",
    [
        lambda z: ops.softmax(z - ops.repeat(_top(z), 3, axis=-1)),
        lambda z: ops.softmax(ops.clip(_below(z), -80.0, 0.0)),
        lambda z: ops.softmax(ops.stack([z[:, k] - _top(z)[:, 0] for k in range(3)], axis=-1)),
        _below,
        lambda z: z + ops.min(-z, axis=-1, keepdims=True),
        lambda z: (z + 1) - _top(z + 1),
        lambda z: z - ops.take_along_axis(z, ops.argmax(z, axis=-1)[:, None], axis=-1),
    ],
)
def test_where_the_greatest_logit_is_0_for_each_sample(x, end):
    """A map of nothing, and an attack that does not begin, would say nothing of the model."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, end(layers.Dense(3)(inputs)))
    with pytest.raises(ValueError, match=r"greatest of the logits of the model .* is 0 for each"):
        isi.logits(model).predict(x)


def test_what_looks_like_a_log_softmax_and_is_none(x):
    """Reshaped, a sum over one axis stands along another one of the same length."""
    inputs = keras.Input((4,))
    z = layers.Reshape((4, 4))(layers.Dense(16)(inputs))
    top = ops.max(z, axis=1, keepdims=True)
    total = top + ops.log(ops.sum(ops.exp(z - top), axis=1, keepdims=True))
    model = keras.Model(inputs, layers.Flatten()(ops.exp(z - ops.reshape(total, (-1, 4, 1)))))
    found = isi.logits(model, from_logits=True).predict(x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def test_exponentials_that_overflow(x):
    """The model returns NaN where a softmax would not."""
    inputs = keras.Input((4,))
    raised = ops.exp(300 * layers.Dense(3)(inputs))
    model = keras.Model(inputs, raised / ops.sum(raised, axis=-1, keepdims=True))
    with pytest.raises(ValueError, match="returns NaN, as its exponentials overflow"):
        isi.explain(model, x)


def test_nearest_prototypes_of_samples_that_are_some():
    """Their greatest logit is 0 too, and nothing is subtracted."""
    prototypes = np.random.default_rng(1).normal(size=(3, 2, 4)).astype("float32")
    inputs = keras.Input((4,))
    distances = ops.sum(ops.square(inputs[:, None, None] - prototypes), axis=-1)
    model = keras.Model(inputs, ops.softmax(ops.max(-distances, axis=-1)))
    found = isi.logits(model).predict(prototypes[:, 0])
    np.testing.assert_array_equal(found.argmax(-1), np.arange(3))


def test_a_greatest_that_is_subtracted_from_another(x):
    """As of advantages, whose value is then the greatest logit."""
    inputs = keras.Input((4,))
    value, advantage = layers.Dense(1)(inputs), layers.Dense(3)(inputs)
    model = keras.Model(inputs, ops.clip(value + advantage - _top(advantage), -1e3, 1e3))
    found = isi.logits(model, from_logits=True).predict(x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "softmax", [ops.softmax, lambda z: (e := ops.exp(_below(z))) / ops.sum(e, -1, keepdims=True)]
)
def test_sums_of_softmaxes_in_other_words_are_no_logits_either(x, softmax):
    inputs = keras.Input((4,))
    z = layers.Reshape((5, 3))(layers.Dense(15)(inputs))
    model = keras.Model(inputs, ops.sum(softmax(z), axis=1))
    with pytest.raises(ValueError, match="behind which is a Softmax"):
        isi.explain(model, x)


def test_a_sigmoid_that_is_written_twice(x):
    inputs = keras.Input((4,))
    z = layers.Dense(1)(inputs)
    model = keras.Model(inputs, ops.concatenate([1 - ops.sigmoid(z), ops.sigmoid(z)], axis=-1))
    result = isi.MinimalL0(bounds=(-9, 9))(model, x[:8])
    after = model.predict(result.adversarial, verbose=0).argmax(-1)
    np.testing.assert_array_equal(result.success, after != result.clean_prediction)
    assert result.success.any()


@pytest.fixture
def x(rng):
    return 3 * rng.normal(size=(40, 4)).astype("float32")


@pytest.mark.parametrize("name", ONE)
def test_one_softmax_wherever_its_classes_lie(x, name):
    model = head(ONE[name])
    found = isi.explain(model, x, indicator="z")
    np.testing.assert_array_equal(found.prediction, model.predict(x, verbose=0).argmax(-1))
    assert not isi.logits(model).plan(x).graphs.grouped
    if "sigmoids" not in name and "labels" not in name:
        attack = isi.Attack("sensitivity", "linf", bounds=(-9, 9), max_steps=200)
        result = attack(model, x[:8])
        turned = model.predict(result.adversarial, verbose=0).argmax(-1)
        np.testing.assert_array_equal(result.success, turned != result.clean_prediction)
        assert result.success.any()


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_softmaxes_the_greatest_output_is_predicted(x, name):
    """The greatest logit is often that of another class: they were never comparable."""
    model = head(SEVERAL[name])
    outputs = model.predict(x, verbose=0)
    found = isi.explain(model, x, indicator="z")
    np.testing.assert_array_equal(found.prediction, outputs.argmax(-1))
    np.testing.assert_array_equal(found.target, found.prediction)
    assert (found.logits.argmax(-1) != found.prediction).any()
    given = isi.explain(model, x, target=outputs.argmax(-1), indicator="z")
    np.testing.assert_array_equal(given.relevance, found.relevance)
    kernel, bias = model.layers[1].get_weights()
    np.testing.assert_allclose(found.logits, x @ kernel + bias, rtol=1e-4, atol=1e-5)
    for attack in (
        isi.Attack("sensitivity", "l0", bounds=(-9, 9)),
        isi.MinimalL0(bounds=(-9, 9)),
        isi.JSMA(bounds=(-9, 9)),
    ):
        with pytest.raises(ValueError, match=r"several groups side by side.*keras\.Model\("):
            attack(model, x, target=np.zeros(len(x), "int32"))
    with pytest.raises(ValueError, match="several groups side by side"):
        isi.pixel_flipping(model, found)
    with pytest.raises(ValueError, match="several groups side by side"):
        AdversarialTraining(model, isi.Attack("sensitivity", "linf")).compile("sgd", "mse")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_a_softmax_is_none(x, name):
    with pytest.raises(ValueError, match=r"cannot be known.*behind which is a Softmax"):
        isi.explain(head(PARTS[name]), x)


@pytest.mark.parametrize("name", UNORDERED)
def test_what_may_change_the_order_is_none(x, name):
    with pytest.raises(
        ValueError, match=r"cannot be known.*behind which is a (Softmax|Sigmoid|LogSoftmax)"
    ):
        isi.explain(head(UNORDERED[name]), x)


@pytest.mark.parametrize("name", PAIRS)
def test_a_probability_beside_its_complement_is_that_of_one_unit(x, name):
    """`[1 - p, p]` has the map, and the attacks, of the model that returns `p`."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(5, "elu", bias_initializer="ones")(inputs)
    probability = layers.Dense(1, "sigmoid", bias_initializer="ones")(hidden)

    class End(layers.Layer):
        def call(self, p):
            return PAIRS[name](p)

    one, two = (keras.Model(inputs, end) for end in (probability, End()(probability)))
    turned = name == "first"
    right, found = (isi.explain(model, x, indicator="epsilon") for model in (one, two))
    np.testing.assert_array_equal(found.prediction, two.predict(x, verbose=0).argmax(-1))
    np.testing.assert_array_equal(found.prediction, right.prediction ^ turned)
    np.testing.assert_allclose(found.relevance, right.relevance, atol=1e-6)
    np.testing.assert_allclose(found.logits, right.logits[:, :: -1 if turned else 1], atol=1e-6)
    attack = isi.MinimalL0(bounds=(-9, 9))
    result = attack(two, x[:8])
    after = two.predict(result.adversarial, verbose=0).argmax(-1)
    np.testing.assert_array_equal(result.success, after != result.clean_prediction)
    assert result.success.any()


def test_a_complement_alone(x):
    inputs = keras.Input((4,))
    p = layers.Dense(1, "sigmoid")(inputs)
    found = isi.explain(keras.Model(inputs, 1 - p), x, indicator="z")
    right = isi.explain(keras.Model(inputs, p), x, indicator="z")
    np.testing.assert_array_equal(found.prediction, 1 - right.prediction)
    np.testing.assert_allclose(found.relevance, right.relevance, atol=1e-6)


def test_two_probabilities_that_are_no_complements(x):
    """Each is a label of its own."""
    inputs = keras.Input((4,))
    p, q = (layers.Dense(1, "sigmoid")(inputs) for _ in range(2))
    model = keras.Model(inputs, ops.concatenate([1 - p, q], axis=-1))
    logits = isi.explain(model, x, indicator="z").logits
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), model.predict(x, verbose=0), atol=1e-5)
    with pytest.raises(ValueError, match="each is a label of its own"):
        isi.MinimalL0(bounds=(-9, 9))(model, x[:2])
