"""The small models of KerasHub are built without a download, and none of them is trivial."""

import keras
import numpy as np
import pytest

pytest.importorskip("keras_hub")

from makers.hub import DECODERS, FAMILIES, family

LIGHT = ("ResNetV2", "ViT", "BERT", "Llama")
CASES = [
    name if name in LIGHT else pytest.param(name, marks=pytest.mark.large) for name in FAMILIES
]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
def test_family(name):
    model, x = family(name)
    assert {len(array) for array in keras.tree.flatten(x)} == {2}
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    logits = keras.ops.convert_to_numpy(model(x))
    assert logits.shape == (2, 50 if name in DECODERS else 5)
    assert np.isfinite(logits).all()
    assert logits.std(1).mean() > 0.05
    assert np.abs(logits[0] - logits[1]).max() > 0.02


def test_a_family_is_the_same_each_time():
    (first, x), (second, y) = family("BERT"), family("BERT")
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in x:
        np.testing.assert_array_equal(x[name], y[name])
