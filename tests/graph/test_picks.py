"""Gradients of a greatest or least value, which JAX loses where XLA rounds twice."""

import keras
import numpy as np
import pytest
from keras import ops
from makers.rows import rows

import isi_keras as isi
from isi_keras import backend
from isi_keras.graph import picks

X = np.array([[1.0, 3.0, 3.0], [-2.0, -np.inf, 0.0], [np.inf, 1.0, 2.0]], "float32")
# What is infinite gets nothing.
AXES = {
    ("Max", 1): [[0, 0.5, 0.5], [0, 0, 1], [0, 0, 0]],
    ("Min", 1): [[1, 0, 0], [0, 0, 0], [0, 1, 0]],
    ("Amax", (0, 1)): np.zeros((3, 3)),
}


def operation(kind, axis):
    x = keras.KerasTensor((2, 2))
    return getattr(ops, kind.lower())(x, axis=axis)._keras_history.operation


@pytest.mark.parametrize(("kind", "axis"), AXES)
def test_of_axes(kind, axis):
    op = operation(kind, axis)
    value, pullback = backend.vjp(lambda x: picks.picked(kind, op, x), backend.tensor(X))
    expected = getattr(np, kind.lower())(X, axis=axis)
    np.testing.assert_array_equal(ops.convert_to_numpy(value), expected)
    found = ops.convert_to_numpy(pullback(ops.ones_like(value)))
    np.testing.assert_array_equal(found, AXES[kind, axis])


def test_what_is_no_number_spoils_the_gradient():
    x = backend.tensor(np.array([[1.0, np.nan], [1.0, 2.0]], "float32"))
    value, pullback = backend.vjp(lambda x: picks.picked("Max", operation("Max", 1), x), x)
    found = ops.convert_to_numpy(pullback(ops.ones_like(value)))
    assert np.isnan(found[0]).any()
    np.testing.assert_array_equal(found[1], [0, 1])


def test_integers_stay_exact():
    x = backend.tensor(np.array([[2**30 + 1, 5]], "int32"))
    found = picks.picked("Max", operation("Max", 1), x)
    assert ops.convert_to_numpy(found).tolist() == [2**30 + 1]


def test_nothing_is_lost_where_a_maximum_is_computed_twice():
    """Without this a third of it was, on JAX with few optimisations, as these tests have them."""
    model, x = rows()["custom"]["point net"]()
    found = isi.explain(model, x, indicator="epsilon", conservation=True).conservation
    assert np.abs(found["elsewhere"]).max() < 1e-4 * np.abs(found["explained"]).max()
