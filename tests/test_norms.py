"""Norms against loops, and the search for the greatest scores against sorting."""

import numpy as np
import oracles
import pytest
from keras import ops

import isi_keras as isi
from isi_keras import norms
from isi_keras.norms import _greatest

NORMS = {
    "l0": (isi.L0(), {}),
    "l0 by mask": (isi.L0(unit="pixel"), {}),
    "l0 several": (isi.L0(features=3), {"features": 3}),
    "l2": (isi.L2(features=4, step_size=0.15), {"features": 4, "step_size": 0.15}),
    "linf": (isi.Linf(step_size=0.07), {"step_size": 0.07}),
    "linf epsilon": (isi.Linf(0.07, 0.1), {"step_size": 0.07, "epsilon": 0.1}),
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
    score = rng.integers(-3, 4, (n, d)).astype("float32")
    direction = rng.integers(-1, 2, (n, d)).astype("float32")
    order = (rng.random((n, d)) < 0.4).astype("int32")
    norm, options = NORMS[name]
    bounds = tensors(np.asarray(-1, "float32"), np.asarray(1, "float32"))
    number, active = np.full(n, 7, "int32"), rng.random(n) < 0.8
    step = norms.Step(*tensors(x, origin, order, number, active), bounds)
    move = norm.move(*tensors(score, direction), step)
    moved, orders, any_moved = (ops.convert_to_numpy(part) for part in move)
    np.testing.assert_array_equal(moved[~active], x[~active])
    np.testing.assert_array_equal(orders[~active], order[~active])
    for i in np.flatnonzero(active):
        wanted, chosen = oracles.move(
            name.split()[0], x[i].astype("float64"), origin[i], score[i], direction[i],
            order[i] > 0, np.full(d, -1.0), np.full(d, 1.0), **options,
        )  # fmt: skip
        np.testing.assert_allclose(moved[i], wanted, atol=1e-6)
        np.testing.assert_array_equal(orders[i], np.where(chosen & (order[i] == 0), 7, order[i]))
        assert any_moved[i] == chosen.any()


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
        (lambda: isi.L0(features=1.5), r"features=1\.5"),
        (lambda: isi.L0(features=True), r"features=True"),
        (lambda: isi.L0(unit="pixels"), r"Unknown unit: 'pixels'\. Did you mean 'pixel'\?"),
        (lambda: isi.L2(step_size=0), r"step_size to be a number above 0\. Received: step_size=0"),
        (lambda: isi.Linf(step_size=-0.1), r"step_size=-0\.1"),
        (lambda: isi.Linf(epsilon=0), r"epsilon to be a number above 0\. Received: epsilon=0"),
    ],
)
def test_bad_values(make, match):
    with pytest.raises(ValueError, match=match):
        make()
