"""Norms against loops, and the search for the greatest scores against sorting."""

import numpy as np
import oracles
import pytest
from keras import ops
from makers.components import components

import isi_keras as isi
from isi_keras import indicators, norms
from isi_keras.norms.steps import _greatest

NORMS = {
    "l0": (isi.L0(), {}),
    "l0 by mask": (isi.L0(unit="pixel"), {}),
    "l0 several": (isi.L0(features=3), {"features": 3}),
    "l0 skipping": (isi.L0(skip_saturated=True), {"skip_saturated": True}),
    "l0 several skipping": (
        isi.L0(features=3, skip_saturated=True),
        {"features": 3, "skip_saturated": True},
    ),
    "l2": (isi.L2(4, 0.075, skip_saturated=False), {"features": 4, "step_size": 0.15}),
    "linf": (isi.Linf(0.035), {"step_size": 0.07}),
    "linf epsilon": (isi.Linf(0.07, 0.1, relative=False), {"step_size": 0.07, "epsilon": 0.1}),
    **{
        f"salient {name}".strip(): (
            isi.Salient(**options, relative=False),
            {**options, "ways": ways},
        )
        for name, ways, options in (
            ("", (1.0,), {}),
            ("down", (-1.0,), {"step_size": 0.5}),
            ("single", (1.0,), {"features": 1}),
            ("once", (1.0,), {"once": True}),
            ("skipping", (-1.0,), {"skip_saturated": True}),
            ("scaled", (1.0,), {"scaled": True, "step_size": 0.5}),
            ("both ways", (1.0, -1.0), {"once": True, "step_size": 0.5}),
            ("both ways single", (1.0, -1.0), {"features": 1, "skip_saturated": True}),
        )
    },
}


def test_every_norm_is_here():
    """A norm that is not tested below fails here the moment it exists."""
    assert {type(norm) for norm, _ in NORMS.values()} == {
        kind for kind in components() if issubclass(kind, norms.Norm)
    }


def tensors(*arrays):
    return [ops.convert_to_tensor(a, dtype=str(a.dtype)) for a in arrays]


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_oracle(name, seed):
    """Scores from a few values so that ties are common, some features used, some at the bound."""
    rng = np.random.default_rng(seed)
    n, d = 100, 8
    origin = rng.uniform(-1, 1, (n, d)).astype("float32")
    x = np.where(rng.random((n, d)) < 0.3, np.sign(origin), origin).astype("float32")
    norm, options = NORMS[name]
    score = rng.integers(-3, 4, (n, d)).astype("float32")
    direction = rng.integers(-1, 2, (n, d)).astype("float32")
    ways = options.get("ways", (1.0,))
    u, v = rng.integers(-4, 3, (2, n, len(ways), d)).astype("float32")
    order = (rng.random((n, d)) < 0.4).astype("int32")
    bounds = tensors(np.asarray(-1, "float32"), np.asarray(1, "float32"))
    number, active = np.full(n, 7, "int32"), rng.random(n) < 0.8
    step = norms.Step(*tensors(x, origin, order, number, active), bounds)
    score_, direction_, u_, v_ = tensors(score, direction, u, v)
    significance = indicators.Significance(
        score_, direction_, score_, indicators.Factors(u_, v_, ways)
    )
    move = norm.move(significance, step)
    moved, orders, any_moved = (ops.convert_to_numpy(part) for part in move)
    np.testing.assert_array_equal(moved[~active], x[~active])
    np.testing.assert_array_equal(orders[~active], order[~active])
    for i in np.flatnonzero(active):
        wanted, chosen = oracles.move(
            name.split()[0], x[i].astype("float64"), origin[i], score[i], direction[i],
            order[i] > 0, np.full(d, -1.0), np.full(d, 1.0), **options,
            **({"u": u[i], "v": v[i]} if isinstance(norm, isi.Salient) else {}),
        )  # fmt: skip
        np.testing.assert_allclose(moved[i], wanted, atol=1e-6)
        np.testing.assert_array_equal(orders[i], np.where(chosen & (order[i] == 0), 7, order[i]))
        assert any_moved[i] == chosen.any()


@pytest.mark.parametrize("features", [1, 2])
def test_a_way_without_an_admissible_pair_is_not_taken(features):
    """Whatever the scale of its factors."""
    u = np.array([[[3e38] * 3, [1e-12] * 3]], "float32")  # (N, M, D)
    v = np.array([[[-1] * 3, [1e-12] * 3]], "float32")
    bounds = tensors(np.asarray(0, "float32"), np.asarray(1, "float32"))
    x, order = np.full((1, 3), 0.5, "float32"), np.zeros((1, 3), "int32")
    state = tensors(x, x, order, np.ones(1, "int32"), np.ones(1, bool))
    factors = indicators.Factors(*tensors(u, v), (1.0, -1.0))
    move = isi.Salient(features=features).move(
        indicators.Significance(None, None, None, factors), norms.Step(*state, bounds)
    )
    wanted = np.where(np.arange(3) < features, 0, 0.5)[None]
    np.testing.assert_array_equal(ops.convert_to_numpy(move.x), wanted)


@pytest.mark.parametrize("count", [1, 2, 5, 30, 99])
@pytest.mark.parametrize("values", [1, 3, 1000])
def test_greatest(count, values):
    """Ties, nothing free, fewer free than wanted: as a stable sort would choose."""
    rng = np.random.default_rng(count + values)
    score = rng.integers(0, values, (200, 30)).astype("float32")
    free = rng.random((200, 30)) < np.linspace(0, 1, 200)[:, None]
    found = ops.convert_to_numpy(_greatest(*tensors(score, free), count))
    for row in range(200):
        order = [i for i in np.argsort(-score[row], kind="stable") if free[row, i]][:count]
        np.testing.assert_array_equal(np.flatnonzero(found[row]), np.sort(order))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: isi.L0(features=0),
            r"features to be an integer, at least 1\. Received: features=0",
        ),
        (
            lambda: isi.L0(unit="pixels"),
            r"Unknown unit: 'pixels'\. Choose one of 'feature', 'position'",
        ),
        (lambda: isi.L2(step_size=0), r"step_size to be a number above 0\. Received: step_size=0"),
        (lambda: isi.Linf(step_size=-0.1), r"step_size=-0\.1"),
        (lambda: isi.Linf(epsilon=0), r"epsilon to be a number above 0\. Received: epsilon=0"),
        (lambda: isi.Salient(features=3), r"1, or 2 for pairs\. Received: features=3"),
        (lambda: isi.Salient(features=True), r"features=True"),
        (lambda: isi.Salient(step_size=0), r"step_size to be a number above 0.*step_size=0"),
        (
            lambda: isi.Salient(unit="pixels"),
            r"Unknown unit: 'pixels'\. Choose one of 'feature', 'position'",
        ),
    ],
)
def test_bad_values(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize("features", [1.5, True])
def test_bad_kinds(features):
    with pytest.raises(TypeError, match=rf"an integer, at least 1\. Received: features={features}"):
        isi.L0(features=features)
