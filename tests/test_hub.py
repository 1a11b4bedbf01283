"""The small models of KerasHub are built without a download, and none of them is trivial."""

import keras
import numpy as np
import pytest

pytest.importorskip("keras_hub")

from makers.hub import DECODERS, FAMILIES, family

import isi_keras as isi

LIGHT = ("ViT", "BERT", "Llama")
REFUSED = {  # and why
    "RWKV-7": "cannot be seen through",
}
TOGETHER = ("GPT-OSS",)  # experts have no samples, so biases are accounted for over the batch

pytestmark = [
    pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning"),
    pytest.mark.filterwarnings("ignore:The 'rwkv_ops' package is not installed:UserWarning"),
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning"),  # Torch < 2.13
]


@pytest.mark.parametrize("name", LIGHT)
def test_light_families(name):
    _check(name)


@pytest.mark.large
@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in LIGHT])
def test_families(name):
    _check(name)


def _check(name):
    """The network is none that is trivial; its logits are right and no relevance is lost."""
    model, x = family(name)
    assert {len(array) for array in keras.tree.flatten(x)} == {2}
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    logits = keras.ops.convert_to_numpy(model(x))
    assert logits.shape == (2, 50 if name in DECODERS else 5)
    assert np.isfinite(logits).all()
    assert logits.std(1).mean() > 0.05
    assert np.abs(logits[0] - logits[1]).max() > 0.02
    if name in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[name]):
            isi.explain(model, x, indicator="epsilon")
        return
    found = isi.explain(model, x, indicator="epsilon", conservation=True)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-3, atol=1e-4)
    where = found.conservation
    size = sum(np.abs(part) for key, part in where.items() if key != "elsewhere")
    lost = where["elsewhere"]
    lost = lost.sum(keepdims=True) if name in TOGETHER else lost
    assert (np.abs(lost) < 1e-3 * size).all()
    maps = found.relevance.values() if isinstance(found.relevance, dict) else [found.relevance]
    assert any(np.abs(each).max() > 0 for each in maps)


def test_a_family_is_the_same_each_time():
    (first, x), (second, y) = family("BERT"), family("BERT")
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in x:
        np.testing.assert_array_equal(x[name], y[name])
