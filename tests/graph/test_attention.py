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


class Masked(layers.Layer):
    """Attention to places, some ruled out, which is what `ruled_out` makes of scores and a mask."""

    def __init__(self, ruled_out):
        super().__init__()
        self.ruled_out = ruled_out

    def build(self, x_shape, kept_shape):
        self.kernels = [self.add_weight(shape=(4, 4), name=name) for name in "qkv"]

    def call(self, x, kept):
        query, key, value = (ops.matmul(x, kernel) for kernel in self.kernels)
        scores = ops.matmul(query, ops.swapaxes(key, 1, 2))
        mask = ops.cast(kept, "float32")[:, None]
        return ops.matmul(ops.softmax(self.ruled_out(scores, mask), -1), value)


BELOW = np.tril(np.ones((5, 5), "float32"))


def both_ways(mask):
    """Which key is kept for which query, if neither is padding."""
    return ops.swapaxes(mask, 1, 2) * mask


# How a mask is added to scores, and where it keeps them.
ADDED = {
    "added": (lambda s, m: s + (1.0 - m) * -1e9, lambda m: m),
    "less": (lambda s, m: s - 1e9 * (1.0 - m), lambda m: m),
    "divided": (lambda s, m: s + (m - 1.0) / 1e-4, lambda m: m),
    "of_huggingface": (lambda s, m: s + (1.0 - m) * -9999.0, lambda m: m),
    "of_ones": (lambda s, m: s + (ops.ones_like(m) - m) * -1e9, lambda m: m),
    "clipped": (lambda s, m: s + (1.0 - ops.clip(m, 0, 1)) * -1e9, lambda m: m),
    "floored": (lambda s, m: ops.maximum(s + (1.0 - m) * -1e9, -1e9), lambda m: m),
    "halved": (lambda s, m: (2 * s + (1.0 - m) * -1e4) / 2, lambda m: m),
    "bounded": (lambda s, m: ops.clip(s + (1.0 - m) * -1e9, -1e9, 50.0), lambda m: m),
    "by_its_logarithm": (lambda s, m: s + ops.log(m), lambda m: m),
    "least": (lambda s, m: s + (1 - m) * float(np.finfo("float32").min), lambda m: m),
    "causal": (
        lambda s, m: s + (1.0 - ops.multiply(m, BELOW)) * -1e9,
        lambda m: ops.multiply(m, BELOW),
    ),
    "causal_minimum": (
        lambda s, m: s + (1.0 - ops.minimum(m, BELOW)) * -1e9,
        lambda m: ops.multiply(m, BELOW),
    ),
    "both_ways": (lambda s, m: s + (1.0 - both_ways(m)) * -1e9, both_ways),
    "by_matmul": (
        lambda s, m: s + (1.0 - ops.matmul(ops.swapaxes(m, 1, 2), m)) * -1e9,
        both_ways,
    ),
}


def masked_models(dtype, rng, *spellings):
    """Models of words and a mask that differ in how it is applied, and inputs."""
    ids, mask = keras.Input((5,), dtype="int32"), keras.Input((5,), dtype=dtype)
    embedded, last = layers.Embedding(10, 4)(ids), layers.Dense(2, use_bias=False)
    pool, models = layers.GlobalAveragePooling1D(), []
    for ruled_out in spellings:
        hidden = Masked(ruled_out)(embedded, mask)
        models.append(keras.Model([ids, mask], last(pool(hidden))))
    weights = [rng.normal(size=weight.shape) for weight in models[0].get_weights()]
    for model in models:
        model.set_weights(weights)
    kept = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).astype(dtype)
    return [*models, [rng.integers(0, 10, (2, 5)), kept]]


@pytest.mark.parametrize("dtype", ["int32", "bool", "float32"])
@pytest.mark.parametrize("spelling", ADDED)
def test_a_mask_that_is_added_is_one_that_chooses(rng, spelling, dtype):
    """It would get a billion times the relevance of a place, and a bias as much less."""
    added, kept = ADDED[spelling]
    chosen = lambda scores, mask: ops.where(kept(mask) > 0, scores, -1e9)  # noqa: E731
    *models, x = masked_models(dtype, rng, added, chosen)
    for attention in ("values", "attnlrp"):
        composite = Composite("epsilon", attention=attention)
        one, other = (
            isi.explain(model, x, indicator=composite, target=1, conservation=True)
            for model in models
        )
        words, masks = one.relevance.values()
        np.testing.assert_array_equal(masks, 0)
        right = next(iter(other.relevance.values()))
        np.testing.assert_allclose(words, right, atol=1e-5 * np.abs(right).max())
        np.testing.assert_allclose(one.conservation["elsewhere"], 0, atol=1e-4)


QUANTITIES = {
    "years": lambda a, b: 30000.0 * (a - 1) + b,
    "seconds": lambda a, b: (a * 86400.0 - 86400.0) + b,
    "lacking": lambda a, b: b - 1e4 * (1 - a),
    "rescaled": lambda a, b: ((a - 1) * 1e5 + b) * 1e-5,
    "normalised": lambda a, b: (a - 1) / 1e-5 + b,
    "greatest": lambda a, b: ops.max(30000.0 * (a - 1) + b, axis=1, keepdims=True),
    "weights": lambda a, b: b * ops.softmax(((a - 1) * 1e5 + b) / 1e5, axis=-1),
}


@pytest.mark.filterwarnings("ignore:The input .* holds integers")
@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("name", QUANTITIES)
def test_a_large_multiple_is_no_mask(rng, name, dtype):
    """What is 0 at 1 keeps its share, as what is 0 at 0.999 does."""
    composite, found = isi.Relevance(Composite("z", attention="attnlrp")), []
    x = [rng.integers(2, 9, (3, 4)).astype(dtype) for _ in range(2)]
    for shift in (0.0, 1e-3):
        parts = [keras.Input((4,), dtype=dtype) for _ in range(2)]
        real = [ops.cast(part, "float32") for part in parts]
        model = keras.Model(parts, QUANTITIES[name](real[0] + shift, real[1]))
        logits = isi.logits(model, from_logits=True)
        found.append(isi.explain(logits, x, indicator=composite, target=0).relevance)
    for one, other in zip(*(each.values() for each in found), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3 * np.abs(other).max())
    assert np.abs(next(iter(found[0].values()))).max() > 1e-3


# What is added to scores and counts, in two spellings that are equal; and how large it is at most.
COUNTED = {
    "sizes": (lambda b, t: ops.log(b), lambda b, t: ops.log(b + 1e-30), 0.9),
    "probabilities": (lambda b, t: ops.log(1 - b), lambda b, t: ops.log((1 - b) * 0.5 * 2), 0.9),
    "distances": (lambda b, t: -1250 * b**2, lambda b, t: -12.5 * (10 * b) ** 2, 0.05),
    "metres": (lambda b, t: -1000 * b, lambda b, t: -10 * (100 * b), 0.003),
}


class Related(layers.Layer):
    """Attention of tokens to which something is added for each pair, fused or written out."""

    def __init__(self, added, fused=False):
        super().__init__()
        self.added, self.fused = added, fused

    def build(self, x_shape, pairs_shape):
        normal = keras.initializers.RandomNormal(seed=3)
        self.table = self.add_weight(shape=(1, 1, 4, 4), initializer=normal, name="table")

    def call(self, x, pairs):
        pairs = self.added(pairs[:, None], ops.convert_to_tensor(self.table))
        if self.fused:
            return ops.dot_product_attention(x, x, x, bias=pairs)
        scores = ops.einsum("nthd,nshd->nhts", x, x) / 3**0.5
        return ops.einsum("nhts,nshd->nthd", ops.softmax(scores + pairs), x)


def of_pairs(pairs, *layers_of, rule="epsilon", attention="attnlrp"):
    """What relevance tokens and pairs have, of a model for each layer."""
    x = [np.random.default_rng(5).normal(size=(2, 4, 1, 3)), pairs]
    x, head = [each.astype("float32") for each in x], layers.Dense(2, use_bias=False)
    found = []
    for layer in layers_of:
        inputs = [keras.Input((4, 1, 3)), keras.Input((4, 4))]
        model = keras.Model(inputs, head(layers.Flatten()(layer(*inputs))))
        composite = Composite(rule, attention=attention)
        explained = isi.explain(model, x, indicator=composite, target=1, conservation=True)
        np.testing.assert_allclose(explained.conservation["elsewhere"], 0, atol=1e-4)
        found.append(list(explained.relevance.values()))
    return found


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_added_to_scores_counts(rng, name):
    *spellings, most = COUNTED[name]
    pairs = rng.uniform(most / 30, most, (2, 4, 4))
    one, other = of_pairs(pairs, *map(Related, spellings))
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4 * np.abs(right).max())
        assert np.abs(left).max() > 1e-3


def test_a_bias_of_attention_that_is_an_input(rng):
    """By the operation it gets what it gets where it is added."""
    without = lambda b, t: -b  # noqa: E731
    pairs = rng.uniform(size=(2, 4, 4))
    fused, written = of_pairs(pairs, Related(without, True), Related(without))
    for left, right in zip(fused, written, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5 * np.abs(right).max())
    assert np.abs(written[1]).max() > 1e-2
    constant = np.linspace(-1, 1, 16, dtype="float32").reshape(1, 1, 4, 4)
    fused, _ = of_pairs(pairs, Related(lambda b, t: constant, True), Related(lambda b, t: 0 * b))
    assert np.isfinite(fused[0]).all()


class Fused(layers.Layer):
    """Attention by the operation, or written with others, of what a function makes of inputs."""

    def __init__(self, take, fused):
        super().__init__()
        self.take, self.fused = take, fused

    def build(self, x_shape, pairs_shape):
        normal = keras.initializers.RandomNormal(stddev=1.0, seed=3)
        shapes = {"memory": (1, 4, 1, 3), "kernel": (3, 3), "scale": ()}
        self.made = [
            self.add_weight(shape=s, initializer=normal, name=n) for n, s in shapes.items()
        ]

    def call(self, x, pairs):
        memory, kernel, scale = map(ops.convert_to_tensor, self.made)
        memory = memory + ops.zeros_like(x)
        of_tokens = ops.matmul(x, kernel)[:, :, 0]
        of_tokens = of_tokens[:, None, :, None, 0] + of_tokens[:, None, None, :, 1]
        names = ("query", "key", "value", "bias", "scale")
        given = dict.fromkeys(("query", "key", "value"), x) | self.take(
            {"x": x, "memory": memory, "scale": scale, "pairs": pairs[:, None], "own": of_tokens}
        )
        query, key, value, bias, scale = map(given.get, names)
        if self.fused:
            return ops.dot_product_attention(query, key, value, bias=bias, scale=scale)
        scores = ops.einsum("nthd,nshd->nhts", query, key) * (3**-0.5 if scale is None else scale)
        scores = scores if bias is None else scores + bias
        return ops.einsum("nhts,nshd->nthd", ops.softmax(scores), value)


TAKEN = {
    "a query that is learned": lambda t: {"query": t["memory"]},
    "a key that is learned": lambda t: {"key": t["memory"]},
    "values that are bounded": lambda t: {"value": ops.sigmoid(t["x"])},
    "a value that is learned": lambda t: {"value": t["memory"]},
    "a value alone": lambda t: {"query": t["memory"], "key": t["memory"]},
    "weights by a bias alone": lambda t: {
        "query": t["memory"],
        "key": t["memory"],
        "bias": t["own"],
    },
    "all but a key": lambda t: {"key": t["memory"], "bias": t["pairs"]},
    "a bias of tokens and a mask": lambda t: {"bias": t["own"] + (1 - t["pairs"]) * -1e9},
    "a mask that is taken away": lambda t: {"bias": t["own"] - (1 - t["pairs"]) * 1e9},
    "a scale": lambda t: {"scale": 0.3},
}
if keras.config.backend() != "torch":  # whose operation takes numbers only
    TAKEN["a scale that is learned"] = lambda t: {"scale": ops.exp(t["scale"])}
    TAKEN["a scale of the sample"] = lambda t: {
        "scale": ops.mean(t["x"] ** 2, axis=(1, 2, 3), keepdims=True)
    }


@pytest.mark.parametrize("rule", ["epsilon", "gamma"])
@pytest.mark.parametrize("attention", ["values", "attnlrp"])
@pytest.mark.parametrize("name", TAKEN)
def test_the_operation_is_what_it_is_written_out(rng, name, attention, rule):
    pairs = rng.integers(0, 2, (2, 4, 4))
    pairs[..., 0] = 1
    ways = (Fused(TAKEN[name], fused) for fused in (True, False))
    one, other = of_pairs(pairs, *ways, rule=rule, attention=attention)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5 * np.abs(other[0]).max())
    assert np.abs(one[0]).max() > 1e-2


@pytest.mark.parametrize("fused", [True, False])
def test_a_mask_beside_a_table(rng, fused):
    """As in T5, whose table of positions is added to the mask before both are to the scores."""
    added = Related(lambda mask, table: table + (1 - mask) * -1e4, fused)
    chosen = Related(lambda mask, table: ops.where(mask > 0, table, -1e4), fused)
    pairs = rng.integers(0, 2, (2, 4, 4))
    pairs[..., 0] = 1
    (one, masks), (other, none) = of_pairs(pairs, added, chosen)
    np.testing.assert_array_equal([masks, none], 0)
    np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())
    assert np.abs(other).max() > 1e-2


@pytest.mark.parametrize("fused", [True, False])
def test_a_query_that_is_learned_leaves_all_to_the_keys(rng, fused):
    """A product of one signal is no product of two: it is not halved."""

    class Head(layers.Layer):
        def build(self, shape):
            self.query = self.add_weight(shape=(1, 1, 1, 4), initializer="ones", name="query")
            self.kernel = self.add_weight(shape=(4, 4), initializer="orthogonal", name="kernel")

        def call(self, x):
            key = ops.matmul(x, self.kernel)
            if fused:
                query = ops.broadcast_to(self.query, (ops.shape(x)[0], 1, 1, 4))
                attended = ops.dot_product_attention(query, key[:, :, None], x[:, :, None])
                return attended[:, 0, 0]
            scores = ops.sum(key * self.query[0, 0], axis=-1) / 2
            return ops.sum(x * ops.softmax(scores, axis=-1)[..., None], axis=1)

    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layers.Dense(3, use_bias=False)(Head()(inputs)))
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    kernel, dense = (ops.convert_to_numpy(weight) for weight in model.weights[1:])
    composite = Composite("z", attention="attnlrp")
    found = isi.explain(model, x, indicator=composite, target=1, conservation=True)
    scores = (x @ kernel).sum(-1) / 2
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    shares = x * dense[:, 1]  # of which a half goes to the values, a half to the softmax
    received = weights * shares.sum(-1) / 2
    per_score = received - weights * received.sum(1, keepdims=True)
    right = weights[..., None] * shares / 2 + per_score[..., None] * x * kernel.sum(1) / 2
    np.testing.assert_allclose(found.relevance, right, atol=1e-5)
    np.testing.assert_allclose(found.conservation["elsewhere"], 0, atol=1e-5)
