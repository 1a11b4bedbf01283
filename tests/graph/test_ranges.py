"""Between which numbers tensors lie, what is a gate, and spellings of one network alike."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import isi_keras as isi
from isi_keras import backend
from isi_keras.composites import Composite
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.ranges import Ranges
from isi_keras.graph.trace import trace

ROWS, SIZE = 3, 6
HIDDEN = np.tril(np.ones((SIZE, SIZE), bool))


def _across(a):
    """Columns that are divided by the sums of rows."""
    return a / (ops.sum(a, axis=-1)[:, None, :] + 1e-3)


def values(x):
    """A tensor of each kind of range, and functions of one and of two."""
    some = {
        "any": x,
        "positive": ops.relu(x),
        "gate": ops.sigmoid(x),
        "between": ops.tanh(x),
        "below": -ops.exp(x) - 1.0,
        "above": ops.exp(x) + 0.5,
    }
    one = {
        "abs": ops.abs,
        "ceil": ops.ceil,
        "clip": lambda t: ops.clip(t, -0.5, 2.0),
        "clipped to one": lambda t: ops.clip(t, 3.0, 3.0),
        "cube": lambda t: ops.power(t, 3),
        "cumsum": lambda t: ops.cumsum(t, axis=1),
        "divided": lambda t: t / -3.0,
        "erf": ops.erf,
        "expm1": lambda t: ops.expm1(ops.minimum(t, 2.0)),
        "flipped": lambda t: ops.flip(t, axis=1),
        "hard sigmoid": ops.hard_sigmoid,
        "inverse": lambda t: 1.0 / (ops.abs(t) + 0.25),
        "less": lambda t: 1.0 - t,
        "log1p": lambda t: ops.log1p(ops.relu(t)),
        "max": lambda t: ops.max(t, axis=1, keepdims=True),
        "mean": lambda t: ops.mean(t, axis=1, keepdims=True),
        "norm": lambda t: ops.norm(t, axis=1, keepdims=True),
        "padded": lambda t: ops.pad(t, ((0, 0), (1, 1))),
        "padded with 2": lambda t: ops.pad(t, ((0, 0), (1, 1)), constant_values=2.0),
        "relu with a slope": layers.ReLU(max_value=6, negative_slope=0.3),
        "relu up to 10": layers.ReLU(max_value=10),
        "relu from 1": layers.ReLU(threshold=1.0),
        "rounded": lambda t: ops.round(t, 1),
        "whole": lambda t: ops.cast(ops.cast(0.4 * t + 0.6, "int32"), "float32"),
        "bytes": lambda t: ops.cast(ops.cast(ops.clip(t, 0, 1), "uint8"), "float32") - 0.5,
        "share of another": lambda t: _across(
            ops.relu(ops.reshape(t, (-1, 2, 3))[:, :, :2]) + 0.01
        ),
        "greatest at least": lambda t: ops.max(-ops.relu(t), axis=1, initial=0.5),
        "divided or 0": lambda t: ops.divide_no_nan(1.0, ops.relu(t)),
        "padded to a size": lambda t: ops.image.resize(
            ops.reshape(t, (-1, 2, 3, 1)),
            (4, 4),
            pad_to_aspect_ratio=True,
            fill_value=-2.0,
        ),
        "interpolated": lambda t: ops.image.resize(
            ops.reshape(t, (-1, 2, 3, 1)), (5, 5), "bicubic"
        ),
        "reciprocal": lambda t: ops.reciprocal(ops.square(t) + 0.1),
        "relu6": lambda t: ops.relu6(4 * t),
        "root": lambda t: ops.sqrt(ops.abs(t)),
        "rsqrt": lambda t: ops.rsqrt(ops.square(t) + 0.1),
        "share": lambda t: ops.relu(t) / (ops.sum(ops.relu(t), axis=1, keepdims=True) + 1e-3),
        "sign": ops.sign,
        "sine": ops.sin,
        "softmax": lambda t: ops.softmax(t, axis=1),
        "softplus": ops.softplus,
        "softsign": ops.softsign,
        "square": ops.square,
        "sum": lambda t: ops.sum(t, axis=1, keepdims=True),
        "taken": lambda t: ops.take(t, np.array([1, 0]), axis=1),
        "times itself": lambda t: t * t,
        "top": lambda t: ops.top_k(t, 2)[0],
        "tril": lambda t: ops.reshape(ops.tril(ops.reshape(t, (-1, 2, 3))), (-1, 6)),
        "variance": lambda t: ops.var(t, axis=1, keepdims=True),
    }
    two = {
        "sum": ops.add,
        "difference": ops.subtract,
        "product": ops.multiply,
        "quotient": ops.divide,
        "greater": ops.maximum,
        "less": ops.minimum,
        "chosen": lambda a, b: ops.where(a > b, a, b),
        "joined": lambda a, b: ops.concatenate([a, b], axis=1),
        "outer": lambda a, b: ops.matmul(a[:, :, None], b[:, None, :]),
    }
    found = dict(some)
    found |= {f"{f} of {t}": one[f](some[t]) for f in one for t in some}
    found |= {f"{f} of {a}, {b}": two[f](some[a], some[b]) for f in two for a in some for b in some}
    return found


def test_every_value_lies_in_its_range():
    source = keras.Input((SIZE,))
    made = values(source)
    total = sum(
        ops.mean(ops.reshape(ops.abs(t), (-1, int(np.prod(t.shape[1:])))), axis=1)
        for t in made.values()
    )
    model = keras.Model(source, ops.stack([total, -total], axis=1))
    x = np.random.default_rng(0).normal(0, 3, (400, SIZE)).astype("float32")
    graph = trace(model, ops.convert_to_tensor(x[:2]), lambda layer: False)
    ranges = Ranges(graph)
    (symbol,) = keras.tree.flatten(graph.inputs)
    tensors = {id(symbol): ops.convert_to_tensor(x)}
    finite = 0
    for node in graph.nodes:
        args, kwargs = node.filled(lambda t: tensors[id(t)])
        outputs = keras.tree.flatten(node.op.call(*args, **kwargs))
        for tensor, value in zip(node.outputs, outputs, strict=True):
            tensors[id(tensor)] = value
            least, greatest = ranges.of(tensor)
            array = ops.convert_to_numpy(value).astype("float64")
            array = array[np.isfinite(array)]
            if array.size:
                slack = 1e-5 * max(1, abs(array).max())
                assert least - slack <= array.min(), (node, least, array.min())
                assert greatest + slack >= array.max(), (node, greatest, array.max())
            finite += np.isfinite([least, greatest]).any()
    assert finite > len(graph.nodes) / 2  # something is known of most


def scores(x):
    keys = ops.transpose(layers.Dense(4, use_bias=False, name="key")(x), (0, 2, 1))
    return ops.matmul(layers.Dense(4, use_bias=False, name="query")(x), keys)


def attended(weigh, activation=None, read=ops.matmul):
    """From an image of tokens to what is read of each, by weights of attention."""
    return lambda x, held: read(
        held(weigh(scores(x))), layers.Dense(4, activation, use_bias=False, name="value")(x)
    )


def counted(weights, values):
    """What is made of the weights alone, which get its relevance."""
    numbers = np.random.default_rng(8).normal(size=values.shape[1:]).astype("float32")
    return ops.matmul(weights, ops.multiply(ops.ones_like(values), numbers))


def gated(weigh):
    """One dense layer times a function of another."""
    return lambda x, held: (
        layers.Dense(5, use_bias=False, name="signal")(x)
        * held(weigh(layers.Dense(5, use_bias=False, name="gate")(x)))
    )


def over(values, axis=-1):
    return ops.sum(values, axis=axis, keepdims=True)


def stable(x):
    raised = ops.exp(x - ops.stop_gradient(ops.max(x, axis=-1, keepdims=True)))
    return raised / over(raised)


def masked(weights):
    return weights * ops.cast(HIDDEN, "float32")


# A softmax in other words, of all scores and of those that are not hidden.
SPELLED = (
    stable,
    lambda s: (e := ops.exp(s - ops.max(s, axis=-1, keepdims=True))) / over(e),
    lambda s: (e := ops.exp((2 * s - ops.max(s * 2, axis=-1)[..., None]) / 2)) / over(e),
    lambda s: (e := ops.exp(-ops.max(s, axis=(1, 2), keepdims=True) + s)) / over(e),
    lambda s: (e := ops.exp(s / 2 - ops.max(s, axis=-1, keepdims=True) / 2 + s / 2)) / over(e),
    lambda s: ops.softmax(s - ops.sort(s, axis=-1)[..., -1:]),
    lambda s: ops.softmax(-(ops.max(s, axis=-1, keepdims=True) - s)),
    lambda s: ops.softmax(s - ops.maximum(ops.max(s, axis=-1, keepdims=True), 0.0)),
    lambda s: ops.softmax(s - ops.max(s, axis=-1, keepdims=True)),
    lambda s: (e := ops.exp(s)) / ops.sum(e, axis=-1)[..., None],
    lambda s: (e := ops.exp(s)) * ops.reciprocal(over(e)),
    lambda s: (e := ops.exp(s)) * (1 / ops.expand_dims(ops.sum(e, axis=-1), -1)),
    lambda s: ops.exp(s) / over(ops.exp(s)),
    lambda s: ops.exp(ops.log_softmax(s)),
    lambda s: ops.exp(s - ops.logsumexp(s, axis=-1, keepdims=True)),
    lambda s: ops.exp(s - ops.log(ops.sum(ops.exp(s), axis=-1))[..., None]),
)
MADE = (
    lambda s: 2 * ops.softmax(s) / 2,
    lambda s: (ops.softmax(s) + ops.softmax(s + 1)) / 2,
    lambda s: ops.clip(ops.softmax(s), 0.0, 1.0) + 0.0,
)
MADE_HIDDEN = (
    lambda s: ops.softmax(ops.where(HIDDEN, s, -np.inf)),
    lambda s: ops.where(HIDDEN, ops.softmax(ops.where(HIDDEN, s, -1e9)), 0.0),
    lambda s: (a := masked(ops.softmax(s))) / over(a),
    lambda s: (e := masked(ops.exp(s))) / (over(e) + 1e-12),
    lambda s: (e := masked(ops.exp(s - ops.max(s, axis=-1, keepdims=True)))) / over(e),
)


def shared(scores):
    """Weights that sum to 1, of sigmoids."""
    return (gates := ops.sigmoid(scores)) / over(gates)


GATES = {
    "hidden by where": attended(lambda s: ops.where(HIDDEN, ops.softmax(s), 0.0)),
    "masked and shared anew": attended(lambda s: (a := masked(ops.softmax(s))) / over(a)),
    "shared with an epsilon": attended(lambda s: (a := ops.softmax(s)) / (1e-9 + over(a))),
    "shared along the other axis": attended(lambda s: (a := ops.softmax(s, 1)) / (1e-9 + over(a))),
    "written out": attended(stable),
    "written out with an epsilon": attended(lambda s: (e := ops.exp(s)) / (over(e) + 1e-7)),
    "written out with a maximum": attended(
        lambda s: (e := ops.exp(s)) / ops.maximum(over(e), 1e-7)
    ),
    "squared": attended(lambda s: ops.square(ops.softmax(s))),
    "rooted": attended(lambda s: ops.sqrt(ops.softmax(s))),
    "greatest alone": attended(
        lambda s: ops.where((a := ops.softmax(s)) >= ops.top_k(a, 2)[0][..., -1:], a, 0.0)
    ),
    "twice": attended(lambda s: ops.matmul(ops.softmax(s), ops.softmax(s))),
    "positive and shared": attended(lambda s: (p := ops.relu(s)) / (over(p) + 1e-3)),
    "at most one": gated(lambda g: ops.minimum(ops.relu(g), 1.0)),
    "cut by hand": gated(lambda g: ops.maximum(ops.minimum(g, 1.0), 0.0)),
    "tanh": gated(lambda g: (1 + ops.tanh(g)) / 2),
    "to an even power": gated(lambda g: ops.tanh(g) ** 2),
    "of a cosine": gated(lambda g: ops.power(ops.cos(g), 4)),
    "sine": gated(lambda g: 0.5 * ops.sin(g) + 0.5),
    "where or one": gated(lambda g: ops.where(g > 0, ops.sigmoid(g), 1.0)),
    "times an inverse": attended(
        lambda s: (e := ops.exp(s)) * ops.reciprocal(ops.sum(e, axis=-1)[..., None])
    ),
    "times constants of both signs": gated(
        lambda g: ops.sigmoid(g) * np.array([2, -1, 0.5, -3, 1], "float32")
    ),
    "ones less it": gated(lambda g: ops.ones_like(g) - ops.sigmoid(g)),
    "twos less it": gated(lambda g: ops.full_like(g, 2.0) - ops.stop_gradient(ops.sigmoid(g))),
    "where or zeros": gated(lambda g: ops.where(g > 0, ops.sigmoid(g), ops.zeros_like(g))),
    "selected": gated(
        lambda g: ops.einsum("ntj,ntjk->ntk", ops.sigmoid(g), ops.one_hot(ops.argsort(g), 5))
    ),
    "times constants of both signs by einsum": gated(
        lambda g: ops.einsum("ntj,j->ntj", ops.sigmoid(g), np.array([2, -1, 1, -3, 1], "float32"))
    ),
    "mixed by constants of one sign": gated(
        lambda g: ops.matmul(ops.sigmoid(g), -np.tril(np.ones((5, 5), "float32")))
    ),
    "never positive": gated(lambda g: -3 * ops.sigmoid(g)),
    "sigmoid by hand": gated(lambda g: 1 / (1 + ops.exp(-g))),
    "interpolated": gated(
        lambda g: ops.reshape(
            ops.image.resize(ops.reshape(ops.sigmoid(g), (-1, SIZE, 5, 1)), (SIZE, 5)),
            (-1, SIZE, 5),
        )
    ),
}


@pytest.mark.parametrize("name", GATES)
def test_a_gate_weighs_and_gets_nothing(name, weighted):
    """The map is the input times the gradient of the network whose gates are constants."""
    plain, constant = (weighted(GATES[name], held) for held in (None, ops.stop_gradient))
    x = np.random.default_rng(1).normal(size=(ROWS, SIZE, 3)).astype("float32")
    explanation = isi.explain(plain, x, target=1, indicator=isi.Relevance("z"))
    tensor = backend.tensor(x)
    _, pullback = backend.vjp(lambda t: constant(t)[:, 1], tensor)
    gradient = ops.convert_to_numpy(pullback(ops.ones((ROWS,))))
    wanted = gradient * x
    np.testing.assert_allclose(
        explanation.relevance, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max()
    )


@pytest.fixture
def weighted():
    """Makes a network of some weights that belong to the names of its layers."""

    def made(function, held):
        x = keras.Input((SIZE, 3))
        read = function(x, held or (lambda t: t))
        flat = ops.reshape(read, (-1, int(np.prod(read.shape[1:]))))
        model = keras.Model(x, layers.Dense(2, use_bias=False, name="out")(flat))
        for number, word in enumerate(("key", "query", "value", "gate", "signal", "out")):
            rng = np.random.default_rng(number)
            for layer in model.layers:
                if layer.name == word:
                    layer.set_weights([rng.normal(size=layer.kernel.shape)])
        return model

    return made


@pytest.mark.parametrize(
    "weigh",
    [
        ops.tanh,
        ops.softplus,
        ops.relu,
        lambda g: g - 1.0,
        lambda g: 2 * ops.sigmoid(g) - 1,
        lambda g: ops.exp(g) - 1,
        lambda g: ops.softmax(g) - 0.2,
        lambda g: ops.matmul(ops.sigmoid(g), np.tri(5, dtype="float32") - 0.5),
        layers.ReLU(max_value=6, negative_slope=0.3),
        layers.ReLU(threshold=1.0),
    ],
)
def test_what_is_unbounded_or_negative_is_no_gate(weigh, weighted):
    model = weighted(gated(weigh), None)
    graph = trace(model, ops.ones((2, SIZE, 3)), lambda layer: False)
    facts = Facts(graph, entries=False, first=False)
    product = [node for node in graph.nodes if node.kind == "Multiply"][-1]
    assert not any(facts.has(t, Fact.GATE) for t in product.tensors)


class TestAttention:
    @pytest.fixture
    def x(self):
        return np.random.default_rng(2).normal(size=(ROWS, SIZE, 4)).astype("float32")

    def model(self, attend, **options):
        keras.utils.set_random_seed(3)
        x = keras.Input((SIZE, 4))
        layer = layers.MultiHeadAttention(2, 3, name="heads", **options)
        return keras.Model(x, layers.Dense(2)(ops.reshape(attend(layer, x), (-1, SIZE * 4))))

    @pytest.mark.parametrize("attention", ["values", "attnlrp"])
    @pytest.mark.parametrize(
        "attend",
        [
            lambda layer, x: layer(x, x, use_causal_mask=True),
            lambda layer, x: layer(x, x, attention_mask=HIDDEN[None]),
            lambda layer, x: layer(x, x, use_causal_mask=True, return_attention_scores=True)[0],
        ],
    )
    def test_dropout_changes_nothing(self, attend, attention, x):
        """With it Keras computes attention in another way."""
        one, other = (self.model(attend, dropout=share) for share in (0.0, 0.1))
        other.set_weights(
            [w for w in one.get_weights() if w.dtype == "float32"]
            + other.get_weights()[len(one.get_weights()) :]
        )
        indicator = isi.Relevance(Composite("epsilon", attention=attention))
        maps = [isi.explain(m, x, target=0, indicator=indicator).relevance for m in (one, other)]
        np.testing.assert_allclose(*maps, rtol=0, atol=2e-5 * np.abs(maps[0]).max())

    def test_a_softmax_that_is_written_out(self, x, weighted):
        """Under AttnLRP, as the operation, with what is subtracted a constant or not."""

        models = [weighted(attended(f), None) for f in (ops.softmax, *SPELLED)]
        indicator = isi.Relevance(Composite("epsilon", attention="attnlrp"))
        found = [
            isi.explain(model, x[..., :3], target=0, indicator=indicator, conservation=True)
            for model in models
        ]
        for other in found[1:]:
            size = np.abs(found[0].relevance).max()
            np.testing.assert_allclose(
                other.relevance, found[0].relevance, rtol=0, atol=2e-5 * size
            )
            assert np.abs(other.conservation["elsewhere"]).max() < 1e-4 * size

    @pytest.mark.parametrize("activation", ["sigmoid", "relu6", None])
    def test_values_take_all_by_whatever_they_are_weighed(self, activation, x, weighted):
        """Also if they are bounded, as gates are; and of one number, or of several."""
        hidden = lambda s: ops.softmax(ops.where(HIDDEN, s, -1e9))  # noqa: E731
        product = lambda a, v: ops.sum(a[..., None] * v[:, None], axis=2)  # noqa: E731
        plain = [attended(f, activation) for f in (ops.softmax, *SPELLED, *MADE)]
        plain.append(attended(ops.softmax, activation, product))
        for models in (plain, [attended(f, activation) for f in (hidden, *MADE_HIDDEN)]):
            right, *others = (
                isi.explain(
                    weighted(model, None), x[..., :3], indicator="epsilon", conservation=True
                )
                for model in models
            )
            size = np.abs(right.relevance).max()
            for other in others:
                np.testing.assert_allclose(
                    other.relevance, right.relevance, rtol=0, atol=2e-5 * size
                )
                assert np.abs(other.conservation["elsewhere"]).max() < 1e-4 * size

    @pytest.mark.parametrize("attention", ["values", "attnlrp"])
    def test_what_is_no_shift_stays(self, attention, x, weighted):
        """A shift that is squared or divides, or a constant, is another matter."""
        below = lambda s: s - ops.max(s, axis=-1, keepdims=True)  # noqa: E731
        least = ops.max(ops.ones((1,)))
        spelled = {
            "squared": (
                lambda s: (d := below(s)) * d * -0.5,
                lambda s: ops.square(below(s)) * -0.5,
            ),
            "divides": (lambda s: 1.0 / (below(s) - 9), lambda s: ops.reciprocal(below(s) - 9)),
            "constant": (lambda s: s - least, lambda s: s - 1.0),
        }
        indicator = isi.Relevance(Composite("epsilon", attention=attention))
        for name, pair in spelled.items():
            one, other = (
                isi.explain(
                    weighted(attended(lambda s, f=f: ops.softmax(f(s)), None, counted), None),
                    x[..., :3],
                    target=0,
                    indicator=indicator,
                    conservation=True,
                )
                for f in pair
            )
            np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4)
            explained = one.conservation["explained"]
            np.testing.assert_allclose(explained, one.logits[:, 0], rtol=1e-3, err_msg=name)
            size = np.abs(other.relevance).max()
            assert size > 1e-2
            np.testing.assert_allclose(one.relevance, other.relevance, atol=1e-3 * size)

    @pytest.mark.parametrize("gate", [ops.sigmoid, ops.relu6, ops.exp, shared])
    def test_what_gates_of_experts_weigh_takes_all(self, gate):
        """Their probabilities sum to 1, but not over the experts."""
        products = {
            "einsum": lambda g, p: ops.einsum("ne,nec->nc", g, p),
            "rest": lambda g, p: ops.einsum("ne...,ne->n...", p, g),
            "before": lambda g, p: ops.einsum("...e,...ec->...c", g[:, None], p[:, None])[:, 0],
            "matmul": lambda g, p: ops.matmul(g[:, None], p)[:, 0],
            "dot": lambda g, p: layers.Dot(1)([g, p]),
            "multiply": lambda g, p: ops.sum(g[..., None] * p, axis=1),
            "repeated": lambda g, p: ops.sum(ops.repeat(g[..., None], 5, axis=-1) * p, axis=1),
            "tiled": lambda g, p: ops.sum(ops.tile(g[..., None], (1, 1, 5)) * p, axis=1),
            "spread": lambda g, p: ops.sum(g[..., None] * ops.ones_like(p) * p, axis=1),
        }
        if keras.backend.backend() != "tensorflow":  # which wants to be told what ... returns
            products["implicit"] = lambda g, p: ops.einsum("...e,...ec", g[:, None], p[:, None])[
                :, 0
            ]
        x = np.random.default_rng(3).normal(size=(ROWS, 9)).astype("float32")
        found = []
        for product in products.values():
            keras.utils.set_random_seed(1)
            inputs = keras.Input((9,))
            gates = gate(layers.Dense(3)(inputs[:, :4]))
            experts = ops.softmax(layers.Reshape((3, 5))(layers.Dense(15)(inputs[:, 4:])))
            model = keras.Model(inputs, layers.Dense(2)(product(gates, experts)))
            found.append(isi.explain(model, x, indicator="epsilon", target=0).relevance)
            np.testing.assert_allclose(found[-1], found[0], atol=1e-5 * np.abs(found[0]).max())
        assert not found[0][:, :4].any()
        assert np.abs(found[0][:, 4:]).max() > 0.01

    @pytest.mark.parametrize("weigh", [ops.softmax, shared])
    def test_probabilities_over_time_that_are_weighed(self, weigh):
        """Weights of the same shape as what they weigh are such by what they sum to 1 over."""
        moved = lambda s: ops.swapaxes(weigh(ops.swapaxes(s, 1, 2)), 1, 2)  # noqa: E731
        again = lambda s: ops.transpose(weigh(ops.moveaxis(s, 1, 2)), (0, 2, 1))  # noqa: E731
        products = {
            "sum": lambda w, p: ops.sum(moved(w) * p, axis=1),
            "turned": lambda w, p: ops.sum(ops.transpose(moved(w) * p, (0, 2, 1)), axis=2),
            "mean": lambda w, p: 4 * ops.mean(again(w) * p, axis=1),
            "einsum": lambda w, p: ops.einsum("ntc,ntc->nc", moved(w), p),
        }
        x = np.random.default_rng(3).normal(size=(ROWS, 4, 6)).astype("float32")
        found = []
        for product in products.values():
            keras.utils.set_random_seed(1)
            inputs = keras.Input((4, 6))
            scores, values = layers.Dense(5)(inputs[..., :3]), layers.Dense(5)(inputs[..., 3:])
            model = keras.Model(inputs, layers.Dense(2)(product(scores, ops.sigmoid(values))))
            found.append(isi.explain(model, x, indicator="epsilon", target=0).relevance)
            np.testing.assert_allclose(found[-1], found[0], atol=1e-5 * np.abs(found[0]).max())
        assert not found[0][..., :3].any()
        assert np.abs(found[0][..., 3:]).max() > 0.01

    @pytest.mark.parametrize("attention", ["values", "attnlrp"])
    def test_a_softmax_over_two_axes(self, attention, x, weighted):
        top = lambda s: ops.max(s, axis=(1, 2), keepdims=True)  # noqa: E731
        spelled = (
            layers.Softmax(axis=(1, 2)),
            lambda s: (e := ops.exp(s)) / over(e, (1, 2)),
            lambda s: (e := ops.exp(s - top(s))) / over(e, (1, 2)),
            lambda s: ops.exp(s - ops.logsumexp(s, axis=(1, 2), keepdims=True)),
        )
        indicator = isi.Relevance(isi.Composite("epsilon", attention=attention))
        right, *others = (
            isi.explain(weighted(attended(f), None), x[..., :3], target=0, indicator=indicator)
            for f in spelled
        )
        size = np.abs(right.relevance).max()
        assert size > 1e-2
        for other in others:
            np.testing.assert_allclose(other.relevance, right.relevance, atol=2e-5 * size)

    def test_a_softmax_of_what_differs_along_no_axis_keeps_its_bias(self):
        """What is added before exponentials is part of their softmax, but for a greatest value."""
        x = np.random.default_rng(3).normal(size=(ROWS, 4, 3)).astype("float32")
        for spelled in (lambda z: ops.exp(z) / over(ops.exp(z), 1), lambda z: ops.softmax(z, 1)):
            dense = layers.Dense(5, bias_initializer="ones")
            model = keras.Sequential(
                [keras.Input((4, 3)), dense, layers.Lambda(spelled), layers.Flatten()]
            )
            model.add(layers.Dense(2, use_bias=False))
            rng = np.random.default_rng(5)
            model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
            kernel, bias, last = model.get_weights()
            z = x @ kernel + bias
            shares = np.exp(z) / np.exp(z).sum(1, keepdims=True) * last[:, 0].reshape(4, 5)
            right = np.einsum("nti,io,nto->nti", x, kernel, shares / z)
            found = isi.explain(model, x, indicator="z", target=0)
            np.testing.assert_allclose(found.relevance, right, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("attention", ["values", "attnlrp"])
    def test_an_exponential_below_the_greatest_is_refused(self, attention, x, weighted):
        """Of the greatest, exp(0), nothing can be handed on, and no softmax is seen behind it."""
        raised = lambda s: masked(ops.exp(s - ops.max(s, axis=-1, keepdims=True)))  # noqa: E731
        read = lambda a, v: ops.sum(a / over(a), axis=-1, keepdims=True) * ops.ones_like(v)  # noqa: E731
        model = weighted(attended(raised, None, read), None)
        indicator = isi.Relevance(Composite("epsilon", attention=attention))
        with pytest.raises(ValueError, match=r"for exp\(z - max\(z\)\) in the model.*ops\.softmax"):
            isi.explain(model, x[..., :3], indicator=indicator)

    def test_other_exponentials_are_named(self, x, weighted):
        model = weighted(attended(lambda s: ops.exp(s) / (over(ops.exp(s)) + 1.0)), None)
        indicator = isi.Relevance(Composite("epsilon", attention="attnlrp"))
        with pytest.warns(UserWarning, match="Relevance passes exponentials in the model"):
            isi.explain(model, x[..., :3], target=0, indicator=indicator)

    @pytest.mark.parametrize("attention", ["values", "attnlrp"])
    def test_however_low_a_mask_lowers_scores(self, attention, x, weighted):
        indicator = isi.Relevance(Composite("epsilon", attention=attention))
        found = [
            isi.explain(
                weighted(attended(lambda s: ops.softmax(ops.where(HIDDEN, s, low))), None),  # noqa: B023
                x[..., :3],
                target=0,
                indicator=indicator,
                conservation=True,
            )
            for low in (-1e9, -np.inf)
        ]
        size = np.abs(found[0].relevance).max()
        np.testing.assert_allclose(found[1].relevance, found[0].relevance, rtol=0, atol=2e-5 * size)
        for each in found:
            assert np.abs(each.conservation["elsewhere"]).max() < 1e-4 * size

    def test_positions_that_see_nothing(self):
        """All that AttnLRP gives to scores that a mask hides is theirs, and they are constants."""
        x = np.random.default_rng(4).normal(size=(ROWS, SIZE, 4)).astype("float32")
        x[:, 4:] = 0

        def attend(layer, inputs):
            seen = layers.Masking(0.0)(inputs)
            return layer(seen, seen)

        indicator = isi.Relevance(Composite("epsilon", attention="attnlrp"))
        model = self.model(attend)
        found = isi.explain(model, x, target=0, indicator=indicator, conservation=True)
        size = np.abs(found.conservation["explained"]).max()
        assert np.abs(found.conservation["elsewhere"]).max() < 1e-4 * size


def convolutions(between):
    """A convolution and a batch normalisation with something between them, and after."""
    x = keras.Input((6, 6, 2))
    hidden = between(layers.Conv2D(3, 3, name="conv")(x))
    hidden = between(layers.BatchNormalization(name="norm")(hidden))
    hidden = layers.Flatten()(layers.ReLU()(hidden))
    return keras.Model(x, layers.Dense(3, name="out")(hidden))


def filled(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.3, 1.2, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("rule", ["epsilon_plus", "epsilon_alpha2beta1_flat", "epsilon_gamma_box"])
class TestSpellings:
    @pytest.fixture
    def x(self):
        return np.random.default_rng(5).uniform(-1, 1, (ROWS, 6, 6, 2)).astype("float32")

    def compared(self, one, other, x, rule, **options):
        indicator = isi.Relevance(rule)
        found = [isi.explain(m, x, indicator=indicator, **options) for m in (one, other)]
        size = np.abs(found[0].relevance).max()
        np.testing.assert_allclose(found[1].relevance, found[0].relevance, rtol=0, atol=1e-5 * size)
        return found

    def test_what_does_nothing_is_not_there(self, x, rule):
        def idle(h):
            return layers.Activation("linear")(layers.Dropout(0.5)(h))

        self.compared(filled(convolutions(lambda h: h)), filled(convolutions(idle)), x, rule)

    def test_layers_that_return_one_tensor_have_one_relevance(self, x, rule):
        def named(h):
            return layers.Dropout(0.5, name=f"drop_{h.shape[-1]}_{next(count)}")(h)

        count = iter(range(9))
        model = filled(convolutions(named))
        found = isi.explain(
            model, x, indicator=isi.Relevance(rule), layers=("norm", "drop_3_1")
        ).layers
        np.testing.assert_array_equal(found["norm"], found["drop_3_1"])
        assert np.abs(found["norm"]).max() > 0

    def test_a_bias_that_is_subtracted(self, x, rule):
        @keras.saving.register_keras_serializable("tests")
        class Less(layers.Layer):
            def build(self, shape):
                self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")
                self.bias = self.add_weight(shape=(4,), name="bias")

            def call(self, inputs):
                return ops.matmul(inputs, self.kernel) - self.bias

        def made(layer):
            return keras.Sequential(
                [keras.Input((6, 6, 2)), layer, layers.ReLU(), layers.Flatten(), layers.Dense(3)]
            )

        one, other = filled(made(layers.Dense(4))), made(Less())
        kernel, bias, *rest = one.get_weights()
        other.set_weights([kernel, -bias, *rest])
        self.compared(one, other, x, rule)

    def test_batch_normalisation_of_the_input_is_preprocessing(self, x, rule):
        if rule == "epsilon_plus":
            pytest.skip("without a rule for the first layer it is merged into that")
        layer = layers.BatchNormalization()

        def made(first):
            rest = [layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
            return keras.Sequential([keras.Input((6, 6, 2)), first, *rest])

        one = filled(made(layer))
        gamma, beta, mean, variance, *rest = one.get_weights()
        scale = gamma / np.sqrt(variance + layer.epsilon)
        other = made(layers.Rescaling(scale.tolist(), (beta - mean * scale).tolist()))
        other.set_weights(rest)
        self.compared(one, other, x, rule)


KEYS = {
    "None": lambda x: x[None][0],
    "a slice": lambda x: x[: np.int64(3)],
    "dots and a list": lambda x: x[..., [0, 2]],
    "a list between": lambda x: x[:, [2, 0, 1], 1:],
    "a list after None": lambda x: x[:, None, :, [3, 1]],
    "an array": lambda x: x[:, np.array([1, 1])],
    "a tuple": lambda x: x[:, (0, 2)],
    "bools": lambda x: x[:, :, np.array([True, False, True, True])],
    "negative": lambda x: x[:, -1],
}


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="its tensors take no lists")
@pytest.mark.parametrize("name", KEYS)
def test_keys_are_those_of_arrays(name):
    """The map is that of the linear network: its weights, scattered to where they were taken."""
    taken = KEYS[name]
    places = np.asarray(taken(np.arange(ROWS * 12).reshape(ROWS, 3, 4)))

    class Keyed(layers.Layer):
        def call(self, x):
            part = taken(x)
            return ops.sum(part, axis=tuple(range(1, len(part.shape))))[:, None]

    model = keras.Sequential([keras.Input((3, 4)), Keyed()])
    x = np.random.default_rng(7).normal(size=(ROWS, 3, 4)).astype("float32")
    found = isi.explain(isi.outputs(model), x, indicator=isi.Relevance("z"))
    wanted = np.zeros(ROWS * 12)
    np.add.at(wanted, places.ravel(), 1.0)
    np.testing.assert_allclose(found.relevance, wanted.reshape(x.shape) * x, rtol=0, atol=1e-6)


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="its tensors take no lists")
def test_several_lists_are_refused_by_name():
    class Keyed(layers.Layer):
        def call(self, x):
            return x[:, np.array([0, 1]), np.array([2, 3])]

        def compute_output_spec(self, x):
            return keras.KerasTensor((x.shape[0], 2))

    model = keras.Sequential([keras.Input((3, 4)), Keyed(), layers.Dense(2)])
    with pytest.raises(ValueError, match="only one is known"):
        isi.explain(model, np.ones((2, 3, 4), "float32"))


class TestEncodings:
    """Layers for tables beside others: what a step decides gets nothing, an index what it chose."""

    @pytest.mark.filterwarnings("ignore:.*non-contiguous")
    @pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
    def test_discretization(self, mode):
        x = keras.Input((3,))
        width = slice(1) if mode == "one_hot" else slice(3)
        steps = layers.Discretization([-0.5, 0.0, 0.5], output_mode=mode)(x[:, width])
        both = layers.Concatenate()([ops.cast(steps, "float32"), x])
        model = filled(keras.Model(x, layers.Dense(2, use_bias=False)(both)))
        rows = np.random.default_rng(8).uniform(-1, 1, (ROWS, 3)).astype("float32")
        found = isi.explain(model, rows, target=0, indicator=isi.Relevance("z"), conservation=True)
        (kernel,) = model.get_weights()
        np.testing.assert_allclose(found.relevance, rows * kernel[-3:, 0], rtol=1e-5, atol=1e-6)
        assert np.abs(found.conservation["elsewhere"]).max() < 1e-4

    @pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
    @pytest.mark.parametrize("wrap", [False, True])
    def test_category_encoding(self, mode, wrap):
        ids, x = keras.Input((2,), dtype="int32", name="ids"), keras.Input((3,), name="x")
        given = ids[:, :1] if mode == "one_hot" else ids
        encode = layers.CategoryEncoding(4, output_mode=mode)
        if wrap and mode == "multi_hot":
            encode = lambda t: ops.multi_hot(t, 4)  # noqa: E731
        model = keras.Model(
            [ids, x],
            layers.Dense(2, use_bias=False)(
                layers.Concatenate()([ops.cast(encode(given), "float32"), x])
            ),
        )
        filled(model)
        chosen = np.array([[0, 1], [3, 2], [2, 0]], "int32")
        rows = np.random.default_rng(9).uniform(-1, 1, (ROWS, 3)).astype("float32")
        found = isi.explain(model, [chosen, rows], target=0, indicator=isi.Relevance("z"))
        (kernel,) = model.get_weights()
        wanted = kernel[chosen, 0]
        if mode == "one_hot":
            wanted[:, 1] = 0
        np.testing.assert_allclose(found.relevance["ids"], wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.relevance["x"], rows * kernel[4:, 0], rtol=1e-5, atol=1e-6)
