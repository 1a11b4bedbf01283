"""The oracle of recurrent layers against Keras' layers, sums, and networks with frozen gates."""

from functools import partial

import keras
import numpy as np
import pytest
import recurrent_oracle
from keras import layers, ops
from recurrent_oracle import sigmoid

STEPS, FEATURES, UNITS = 5, 3, 4
KINDS = {
    "lstm": (layers.LSTM, recurrent_oracle.lstm),
    "gru": (layers.GRU, recurrent_oracle.gru),
    "gru_before": (
        partial(layers.GRU, reset_after=False),
        partial(recurrent_oracle.gru, reset_after=False),
    ),
    "simple_rnn": (layers.SimpleRNN, recurrent_oracle.simple_rnn),
}
MASKS = {"all": None, "some": [False, True, True, False, True], "end": [True] * 3 + [False] * 2}
kinds = pytest.mark.parametrize("kind", KINDS)


def weights(rng, kind, use_bias=True):
    count = {"lstm": 4, "gru": 3, "gru_before": 3, "simple_rnn": 1}[kind] * UNITS
    shapes = (FEATURES, count), (UNITS, count), (2, count) if kind == "gru" else (count,)
    kernel, recurrent_kernel, bias = (rng.normal(size=shape) for shape in shapes)
    return kernel, recurrent_kernel, bias if use_bias else None


@kinds
@pytest.mark.parametrize(
    "options",
    [{}, {"return_sequences": True, "go_backwards": True}, {"use_bias": False}],
    ids=["last", "all_backwards", "no_bias"],
)
@pytest.mark.parametrize("mask", MASKS)
def test_outputs_are_those_of_keras(rng, kind, options, mask):
    make, oracle = KINDS[kind]
    layer = make(UNITS, **options)
    layer.build((1, STEPS, FEATURES))
    arrays = weights(rng, kind, options.get("use_bias", True))
    layer.set_weights([array for array in arrays if array is not None])
    x, mask = rng.normal(size=(STEPS, FEATURES)), MASKS[mask]
    expected = layer(x[None].astype("float32"), mask=None if mask is None else np.array([mask]))
    every = options.get("return_sequences", False)
    relevance = np.zeros((STEPS, UNITS) if every else UNITS)
    backwards = options.get("go_backwards", False)
    found, *_ = oracle(x, *arrays, relevance, go_backwards=backwards, mask=mask)
    np.testing.assert_allclose(found, ops.convert_to_numpy(expected)[0], rtol=0, atol=1e-5)


@kinds
def test_other_activations_are_those_of_keras(rng, kind):
    make, oracle = KINDS[kind]
    gate = {} if kind == "simple_rnn" else {"recurrent_activation": keras.activations.hard_sigmoid}
    layer = make(UNITS, activation="relu", **gate)
    layer.build((1, STEPS, FEATURES))
    arrays, x = weights(rng, kind), rng.normal(size=(STEPS, FEATURES))
    layer.set_weights(arrays)
    if gate:
        gate = {"recurrent_activation": lambda z: np.clip(z / 6 + 0.5, 0, 1)}
    options = {"activation": lambda z: np.maximum(z, 0), **gate}
    found, of_x, absorbed = oracle(x, *arrays, np.ones(UNITS), **options)
    expected = ops.convert_to_numpy(layer(x[None].astype("float32")))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_x.sum() + absorbed, UNITS, rtol=0, atol=1e-10)


@pytest.mark.once
@kinds
@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize("go_backwards", [True, False])
@pytest.mark.parametrize("mask", MASKS)
def test_relevance_adds_up(rng, kind, every, epsilon, go_backwards, mask):
    relevance = rng.normal(size=(STEPS, UNITS) if every else UNITS)
    x, mask = rng.normal(size=(STEPS, FEATURES)), MASKS[mask]
    options = {"epsilon": epsilon, "go_backwards": go_backwards, "mask": mask}
    for use_bias in (True, False):
        arrays = weights(rng, kind, use_bias)
        _, of_x, absorbed = KINDS[kind][1](x, *arrays, relevance, **options)
        assert np.abs(of_x).max() > 0.01
        scale = max(1, np.abs(of_x).max())
        np.testing.assert_allclose(
            of_x.sum() + absorbed, relevance.sum(), rtol=0, atol=1e-10 * scale
        )
        if use_bias or epsilon:
            assert abs(absorbed) > 1e-3
        elif mask is None or not every:  # or else the initial state may be an output
            assert abs(absorbed) < 1e-10 * scale
        if mask is not None:
            np.testing.assert_array_equal(of_x[~np.array(mask)], 0)


@pytest.mark.once
@kinds
@pytest.mark.parametrize("mask", MASKS)
def test_relevance_is_what_entries_add_while_gates_stand_still(rng, kind, mask):
    """With gates and slopes held, the output is a sum over entries of the input and over biases."""
    arrays, x = weights(rng, kind), rng.normal(size=(STEPS, FEATURES))
    mask, head = MASKS[mask], rng.normal(size=UNITS)
    held = []
    output = held_still(kind, arrays, x, mask, held, record=True) @ head
    relevance = held_still(kind, arrays, x, mask, held) * head
    found, of_x, _ = KINDS[kind][1](x, *arrays, relevance, mask=mask)
    np.testing.assert_allclose(found @ head, output, rtol=1e-12)
    no_bias = (*arrays[:2], np.zeros_like(arrays[2]))
    for t, i in np.ndindex(x.shape):
        alone = np.zeros_like(x)
        alone[t, i] = x[t, i]
        expected = held_still(kind, no_bias, alone, mask, held) @ head
        np.testing.assert_allclose(of_x[t, i], expected, rtol=0, atol=1e-11)


def held_still(kind, arrays, x, mask, held, record=False):
    """The last output, with the gates and the slopes of activations that `held` has or gets."""
    kernel, recurrent_kernel, bias = arrays
    given = iter(list(held))

    def hold(compute, z):
        if record:
            held.append(compute(z))
        return held[-1] if record else next(given)

    def squash(z):
        return z * hold(lambda z: np.tanh(z) / z, z)

    h, c = np.zeros(UNITS), np.zeros(UNITS)
    for row, looks in zip(x, mask or [True] * STEPS, strict=True):
        if not looks:
            continue
        if kind == "simple_rnn":
            h = squash(row @ kernel + h @ recurrent_kernel + bias)
        elif kind == "lstm":
            z = np.split(row @ kernel + h @ recurrent_kernel + bias, 4)
            i, f, o = (hold(sigmoid, z[gate]) for gate in (0, 1, 3))
            c = f * c + i * squash(z[2])
            h = o * squash(c)
        else:
            of_x, of_h = row @ kernel, h @ recurrent_kernel
            of_x, of_h = (of_x + bias[0], of_h + bias[1]) if kind == "gru" else (of_x + bias, of_h)
            (zx, rx, nx), (zh, rh, nh) = np.split(of_x, 3), np.split(of_h, 3)
            z, r = hold(sigmoid, zx + zh), hold(sigmoid, rx + rh)
            new = r * nh if kind == "gru" else (r * h) @ np.split(recurrent_kernel, 3, 1)[2]
            h = z * h + (1 - z) * squash(nx + new)
    return h
