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
}


@pytest.fixture
def x(rng):
    return 3 * rng.normal(size=(40, 4)).astype("float32")


@pytest.mark.parametrize("name", ONE)
def test_one_softmax_wherever_its_classes_lie(x, name):
    model = head(ONE[name])
    found = isi.explain(model, x, indicator="z")
    np.testing.assert_array_equal(found.prediction, model.predict(x, verbose=0).argmax(-1))
    assert not isi.logits(model).plan(x).graphs.grouped
    if name != "sigmoids":
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
