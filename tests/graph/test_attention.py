"""The transformers in Keras are those that the golden relevance is of, and it adds up."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from makers.attention import MODELS, RULES, build, stored

import isi_keras as isi
from isi_keras.composites import Composite
from isi_keras.rules import Epsilon

CASES = [
    (name, path.removesuffix("/relevance"))
    for name in MODELS
    for path in sorted(stored(name))
    if path.endswith("/relevance")
]


@pytest.mark.parametrize("name", MODELS)
def test_logits(name):
    case = stored(name)
    logits = ops.convert_to_numpy(build(name)(case["x"]))
    np.testing.assert_allclose(logits, case["logits"], rtol=0, atol=1e-5)


@pytest.mark.once
def test_cases():
    assert set(CASES) >= {(name, rule) for name in MODELS for rule in RULES}


@pytest.mark.once
@pytest.mark.parametrize(("name", "rule"), CASES)
def test_relevance_adds_up(name, rule):
    case = stored(name)
    total = case[f"{rule}/relevance"].reshape(len(case["x"]), -1).sum(1)
    total += sum(value for path, value in case.items() if path.startswith(f"{rule}/elsewhere/"))
    logits = case["logits"][range(len(total)), case["target"]]
    np.testing.assert_allclose(total, logits, rtol=0, atol=1e-8)


@pytest.mark.once
@pytest.mark.parametrize("rule", RULES)
def test_padding_gets_none(rule):
    case = stored("bert_masked")
    np.testing.assert_array_equal(case[f"{rule}/relevance"] == 0, case["x"] == 0)


COMPOSITES = {
    "conservative": Composite(Epsilon(0.0)),
    "conservative_halves": Composite(Epsilon(0.0)),
    "attnlrp": Composite(Epsilon(0.0), attention="attnlrp"),
}


@pytest.mark.parametrize(("name", "rule"), CASES)
def test_relevance_equals_published_code(name, rule):
    """A gated unit of `llama` is a product of two signals here, which have halves of it."""
    if (name, rule) == ("llama", "conservative"):
        pytest.skip("there its gate is a constant")
    case = stored(name)
    found = isi.explain(
        build(name),
        case["x"],
        target=case["target"],
        indicator=isi.Relevance(COMPOSITES[rule]),
        conservation=True,
    )
    wanted = case[f"{rule}/relevance"]
    np.testing.assert_allclose(found.relevance, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    ended = sum(value for path, value in case.items() if path.startswith(f"{rule}/elsewhere/"))
    size = np.abs(wanted).reshape(len(wanted), -1).sum(1) + np.abs(ended)
    assert (np.abs(found.conservation["bias"] - ended) <= 1e-5 * size).all()
    assert (np.abs(found.conservation["elsewhere"]) <= 1e-5 * size).all()


KEEP = np.array([[True] * 4 + [False] * 2])


class Attending(layers.Layer):
    """Attention with padding, by the operation or written out."""

    def __init__(self, way, fused):
        super().__init__()
        self.way, self.fused = way, fused

    def call(self, x):
        keep = ops.convert_to_tensor(KEEP[:, None, :, None] & KEEP[:, None, None])
        bias = ops.where(keep, 0.0, -1e9)
        if self.fused:
            given = {"mask": keep} if self.way == "mask" else {"bias": bias}
            return ops.dot_product_attention(x, x, x, **given)
        scores = ops.einsum("nthd,nshd->nhts", x, x) * 3**-0.5
        scores = ops.where(keep, scores, -1e9) if self.way == "mask" else scores + bias
        return ops.einsum("nhts,nshd->nthd", ops.softmax(scores), x)


@pytest.mark.parametrize("way", ["mask", "bias"])
@pytest.mark.parametrize("indicator", ["sensitivity", "epsilon"])
def test_queries_that_may_look_at_nothing(rng, indicator, way):
    """Their weights are the same for all keys; on Torch the gradient of the operation is wrong."""
    x, head = rng.normal(size=(2, 6, 2, 3)).astype("float32"), layers.Dense(3)
    found = []
    for fused in (True, False):
        inputs = keras.Input((6, 2, 3))
        model = keras.Model(inputs, head(layers.Flatten()(Attending(way, fused)(inputs))))
        found.append(isi.explain(model, x, indicator=indicator, target=1).relevance)
    np.testing.assert_allclose(*found, atol=1e-5 * abs(found[1]).max())
    assert abs(found[0][:, 4:]).max() > 0.01
