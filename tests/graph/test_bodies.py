"""Loops and branches of `keras.ops` are what one would write without them."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import isi_keras as isi

STEPS, SIZE = 5, 4
X = np.random.default_rng(0).uniform(-1, 1, (3, STEPS, SIZE)).astype("float32")


class Called(layers.Layer):
    """A function of a tensor and two kernels."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def build(self, shape):
        self.one = self.add_weight(shape=(SIZE, SIZE), initializer="orthogonal", name="one")
        self.two = self.add_weight(shape=(SIZE, SIZE), initializer="orthogonal", name="two")

    def call(self, x):
        return self.function(x, self.one, self.two)


def step(state, now, kernel):
    return ops.tanh(ops.matmul(state, kernel) + now)


def ahead(x):
    """Time first."""
    return ops.transpose(x, (1, 0, 2))


def scanned(reverse):
    def function(x, one, two):
        h = ahead(ops.matmul(x, one))

        def body(state, now):  # closes over a kernel, which is symbolic while traced
            state = step(state, now, two)
            return state, state

        last, every = ops.scan(body, ops.zeros_like(h[0]), h, reverse=reverse)
        return ops.concatenate([last, every[0], every[3]], axis=-1)

    return function


def looped(reverse):
    def function(x, one, two):
        h = ops.matmul(x, one)
        state, made = ops.zeros_like(h[:, 0]), {}
        for at in reversed(range(STEPS)) if reverse else range(STEPS):
            state = made[at] = step(state, h[:, at], two)
        return ops.concatenate([state, made[0], made[3]], axis=-1)

    return function


def scan_of_a_length(x, one, two):
    def body(state, _):
        state = step(state, x[:, 0], one)
        return state, state

    return ops.scan(body, x[:, 1], length=3)[0]


def thrice(x, one, two):
    state = x[:, 1]
    for _ in range(3):
        state = step(state, x[:, 0], one)
    return state


def while_loop(x, one, two):
    def body(count, state):
        return count + 1, step(state, x[:, 0], one)

    return ops.while_loop(lambda count, state: count < 3, body, (0, x[:, 1]))[1]


def while_loop_at_most(x, one, two):
    def body(state):
        return step(state, x[:, 0], one)

    return ops.while_loop(lambda state: True, body, x[:, 1], maximum_iterations=3)


def fori_loop(x, one, two):
    return ops.fori_loop(1, 4, lambda at, state: step(state, x[:, 0], one), x[:, 1])


def fori_loop_from_zeros(x, one, two):
    """Nothing it is given is symbolic, and the backend would be asked."""
    zeros = ops.zeros((SIZE,))
    return x[:, 0] * ops.fori_loop(0, 3, lambda at, state: step(state, two[0], one), zeros)


def scan_from_zeros(x, one, two):
    def body(state, at):
        state = step(state, two[0], one)
        return state, state

    return x[:, 0] * ops.scan(body, ops.zeros((SIZE,)), ops.arange(3))[0]


def thrice_from_zeros(x, one, two):
    state = ops.zeros((SIZE,))
    for _ in range(3):
        state = step(state, two[0], one)
    return x[:, 0] * state


def while_loop_of_a_structure(x, one, two):
    def body(held):
        return {"count": held["count"] + 1, "state": step(held["state"], x[:, 0], one)}

    held = {"count": 0, "state": x[:, 1]}
    return ops.while_loop(lambda held: held["count"] < 3, body, held)["state"]


def associative(reverse):
    """The states of s = decay * s + input, by pairs."""

    def function(x, one, two):
        decay = ops.sigmoid(ops.matmul(x, one))

        def join(a, b):
            return a[0] * b[0], b[0] * a[1] + b[1]

        return ops.associative_scan(join, (decay, ops.matmul(x, two)), reverse=reverse, axis=1)[1]

    return function


def recurrence(reverse):
    def function(x, one, two):
        decay, h = ops.sigmoid(ops.matmul(x, one)), ops.matmul(x, two)
        state, made = None, {}
        for at in reversed(range(STEPS)) if reverse else range(STEPS):
            now = h[:, at]
            state = made[at] = now if state is None else decay[:, at] * state + now
        return ops.stack([made[at] for at in range(STEPS)], axis=1)

    return function


def mapped(name):
    def function(x, one, two):
        return getattr(ops, name)(lambda h: ops.relu(ops.matmul(h, one)), ahead(x))[2]

    return function


def without_a_map(x, one, two):
    return ops.relu(ops.matmul(x[:, 2], one))


def branches(taken):
    def function(x, one, two):
        flag = ops.mean(x) < (1e9 if taken else -1e9)  # so of any samples
        return ops.cond(flag, lambda: ops.matmul(x, one), lambda: ops.relu(ops.matmul(x, two)))

    return function


def switched(x, one, two):
    which = ops.cast(ops.mean(x) > -10, "int32") + 5  # beyond the last, which is taken
    made = [lambda h: ops.relu(h), lambda h: ops.matmul(h, one), lambda h: ops.matmul(h, two)]
    return ops.switch(which, made, x)


TWINS = {
    "scan": (scanned(False), looped(False)),
    "scan, backwards": (scanned(True), looped(True)),
    "scan of a length": (scan_of_a_length, thrice),
    "while_loop": (while_loop, thrice),
    "while_loop, at most": (while_loop_at_most, thrice),
    "while_loop of a structure": (while_loop_of_a_structure, thrice),
    "fori_loop": (fori_loop, thrice),
    "fori_loop from zeros": (fori_loop_from_zeros, thrice_from_zeros),
    "scan from zeros": (scan_from_zeros, thrice_from_zeros),
    "associative_scan": (associative(False), recurrence(False)),
    "associative_scan, backwards": (associative(True), recurrence(True)),
    "map": (mapped("map"), without_a_map),
    "vectorized_map": (mapped("vectorized_map"), without_a_map),
    "cond": (branches(True), lambda x, one, two: ops.matmul(x, one)),
    "cond, otherwise": (branches(False), lambda x, one, two: ops.relu(ops.matmul(x, two))),
    "switch": (switched, lambda x, one, two: ops.matmul(x, two)),
}


def model_of(function):
    keras.utils.set_random_seed(0)

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner, self.flat = Called(function), layers.Flatten()
            self.last = layers.Dense(3)

        def call(self, x):
            return self.last(self.flat(self.inner(x)))

    model = Model()
    model(X)
    return model


@pytest.mark.parametrize("key", TWINS)
def test_twins(key):
    models = [model_of(function) for function in TWINS[key]]
    models[1].set_weights(models[0].get_weights())
    for indicator in ("epsilon", "epsilon_plus", "sensitivity"):
        one, other = (isi.explain(model, X, indicator=indicator) for model in models)
        np.testing.assert_allclose(one.logits, ops.convert_to_numpy(models[0](X)), atol=1e-5)
        scale = np.abs(other.relevance).max()
        assert scale > 0
        np.testing.assert_allclose(one.relevance, other.relevance, atol=1e-5 * scale)


def until_it_is_small(x, one, two):
    return ops.while_loop(lambda h: ops.max(h) > 1e9, lambda h: (0.5 * h,), (x,))[0]


def as_often_as_said(x, one, two):
    return ops.fori_loop(0, ops.cast(ops.max(x) * 0 + 2, "int32"), lambda at, h: ops.relu(h), x)


def over_samples(x, one, two):
    return ops.map(ops.relu, x)


@pytest.mark.parametrize("function", [until_it_is_small, as_often_as_said])
def test_how_often_has_to_be_known(function):
    with pytest.raises(ValueError, match="no relevance rule for the layer 'called"):
        isi.explain(model_of(function), X)


def of_other_shapes(x, one, two):
    h = ops.matmul(x, one)
    return ops.cond(ops.mean(x) < 9, lambda: h, lambda: ops.mean(h, axis=-1, keepdims=True))


@pytest.mark.skipif(keras.config.backend() == "jax", reason="JAX itself refuses the model")
def test_branches_of_other_shapes():
    with pytest.raises(ValueError, match="the layer 'called"):
        isi.explain(model_of(of_other_shapes), X)


def divided_where_it_is_not_taken(x, one, two):
    return ops.cond(ops.mean(x) < 9, lambda: ops.matmul(x, one), lambda: x / (x - x))


@pytest.mark.parametrize("indicator", ["epsilon", "sensitivity"])
def test_what_is_infinite_in_a_branch_that_is_not_taken(indicator):
    with pytest.warns(UserWarning, match="3 of 3 samples .* are not finite, though the logits"):
        isi.explain(model_of(divided_where_it_is_not_taken), X, indicator=indicator)


def test_a_number_of_all_samples():
    """It is too small here to say that samples depend on each other."""
    model = model_of(lambda x, one, two: ops.matmul(x, one) * (1e-30 * ops.sum(x) + 1.0))
    with pytest.raises(ValueError, match="no relevance rule for one number of all samples"):
        isi.explain(model, X, indicator="epsilon", conservation=True)


def test_over_samples():
    """There is a graph for each number of them."""
    model = model_of(over_samples)
    for count in (3, 2):
        found = isi.explain(model, X[:count], indicator="epsilon", conservation=True)
        wanted = ops.convert_to_numpy(model(X[:count]))
        np.testing.assert_allclose(found.logits, wanted, atol=1e-5)


def test_elsewhere_they_are_as_ever():
    """A functional model is built, and eager values are computed, as Keras does."""
    isi.explain(model_of(TWINS["scan"][0]), X)
    x = keras.KerasTensor((STEPS, SIZE))
    carry, y = ops.scan(lambda s, now: (s + now, s), keras.KerasTensor((SIZE,)), x)
    assert carry.shape == (SIZE,)
    assert y.shape == (STEPS, SIZE)
    assert type(y._keras_history.operation).__name__ == "Scan"
    assert ops.cond(True, lambda: 1, lambda: 2) == 1
