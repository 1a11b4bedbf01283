"""Relevance through recurrent layers, against an oracle in float64 and by conservation."""

from functools import partial

import keras
import numpy as np
import pytest
import recurrent_oracle
from keras import layers, ops
from makers.relevance import explained

import isi_keras as isi
from isi_keras.composites import Composite
from isi_keras.rules import Epsilon

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
Z = Composite(Epsilon(0.0))


def drawn(model, rng):
    """The model with weights, biases among them, that are not 0."""
    for weight in model.weights:
        if keras.backend.is_float_dtype(weight.dtype):
            weight.assign(rng.normal(size=weight.shape).astype("float32") * 0.7)
    return model


def sequence(rng, rows=2, mask=None):
    x = rng.normal(size=(rows, STEPS, FEATURES)).astype("float32")
    if mask is not None:
        x[:, ~np.array(mask)] = 0  # which `Masking` takes for masked
    return x


@pytest.mark.filterwarnings("ignore:Layer 'flatten.*mask attached")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_equals_the_oracle(rng, kind, every, backwards, mask):
    make, oracle = KINDS[kind]
    layer = make(UNITS, return_sequences=every, go_backwards=backwards)
    chain = [keras.Input((STEPS, FEATURES)), layer]
    if mask != "all":
        chain.insert(1, layers.Masking())
    head = layers.Dense(3, use_bias=False)
    model = drawn(keras.Sequential([*chain, layers.Flatten(), head]), rng)
    x = sequence(rng, mask=MASKS[mask])
    found = explained(model, Z, x, target=1)
    kernel = head.get_weights()[0][:, 1].astype("float64")
    weights = [weight.astype("float64") for weight in layer.get_weights()]
    for row, relevance, absorbed in zip(x, found.relevance, found.absorbed["bias"], strict=True):
        options = {"go_backwards": backwards, "mask": MASKS[mask]}
        zeros = np.zeros((STEPS, UNITS) if every else UNITS)
        outputs, *_ = oracle(row, *weights, zeros, **options)
        seed = (outputs.ravel() * kernel).reshape(outputs.shape)
        _, wanted, lost = oracle(row, *weights, seed, **options)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(relevance, wanted, rtol=0, atol=2e-4 * scale)
        np.testing.assert_allclose(absorbed, lost, rtol=0, atol=2e-4 * max(scale, abs(lost)))


def conv_lstm(shape=(4, 5, 5, 2)):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.ConvLSTM2D(3, 2, padding="same"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def encoder_decoder():
    x = keras.Input((STEPS, FEATURES))
    _, *state = layers.LSTM(UNITS, return_state=True)(x)
    h = layers.LSTM(UNITS)(ops.flip(x, axis=1), initial_state=state)
    return keras.Model(x, layers.Dense(3)(h))


def stacked_cells():
    cells = [layers.LSTMCell(UNITS), layers.GRUCell(UNITS), layers.SimpleRNNCell(UNITS)]
    return keras.Sequential([keras.Input((STEPS, FEATURES)), layers.RNN(cells), layers.Dense(3)])


class Cell(layers.Layer):
    """A cell of somebody's own."""

    def __init__(self, units):
        super().__init__()
        self.state_size, self.inner, self.gate = units, layers.Dense(units), layers.Dense(units)

    def build(self, shape):
        self.inner.build((shape[0], shape[1] + self.state_size))
        self.gate.build((shape[0], shape[1] + self.state_size))

    def call(self, x, states):
        both = ops.concatenate([x, states[0]], axis=-1)
        gate = ops.sigmoid(self.gate(both))
        h = gate * states[0] + (1 - gate) * ops.tanh(self.inner(both))
        return h, [h]


def of(*chain):
    return lambda: keras.Sequential(
        [keras.Input((STEPS, FEATURES)), *(make() for make in chain), layers.Dense(3)]
    )


LAST = layers.GlobalAveragePooling1D
MODELS = {
    "stacked": of(
        lambda: layers.LSTM(UNITS, return_sequences=True),
        lambda: layers.GRU(UNITS, return_sequences=True),
        lambda: layers.SimpleRNN(UNITS),
    ),
    **{
        f"bidirectional {mode}": of(
            lambda mode=mode: layers.Bidirectional(
                layers.LSTM(UNITS, return_sequences=True), merge_mode=mode
            ),
            LAST,
        )
        for mode in ("concat", "sum", "ave", "mul")
    },
    "bidirectional gru": of(lambda: layers.Bidirectional(layers.GRU(UNITS))),
    "masked bidirectional": of(layers.Masking, lambda: layers.Bidirectional(layers.LSTM(UNITS))),
    "masked outputs": of(
        layers.Masking,
        lambda: layers.LSTM(UNITS, return_sequences=True, zero_output_for_mask=True),
        layers.Flatten,
    ),
    "distributed": of(lambda: layers.TimeDistributed(layers.Dense(4, "relu")), layers.Flatten),
    "distributed, then lstm": of(
        lambda: layers.TimeDistributed(layers.Dense(4, "relu")), lambda: layers.LSTM(UNITS)
    ),
    "cells": stacked_cells,
    "own cell": of(lambda: layers.RNN(Cell(UNITS))),
    "states handed on": encoder_decoder,
    "dropout": of(lambda: layers.LSTM(UNITS, dropout=0.3, recurrent_dropout=0.2)),
    "unrolled": of(lambda: layers.GRU(UNITS, unroll=True)),
}


@pytest.mark.filterwarnings("ignore:Layer 'flatten.*mask attached")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rule", ["z", "epsilon_plus"])
def test_relevance_is_accounted_for(rng, name, rule):
    model = drawn(MODELS[name](), rng)
    x = sequence(rng, 3, MASKS["end"] if "mask" in name else None)
    plain = ops.convert_to_numpy(model(x))
    found = explained(model, isi.Relevance(rule).composite, x)
    np.testing.assert_allclose(found.logits, plain, rtol=1e-4, atol=1e-5)
    lost, size = found.elsewhere(0)
    assert (np.abs(lost) <= 1e-4 * size).all()
    assert found.relevance.any()
    if "mask" in name:
        assert not found.relevance[:, 3:].any()


def test_convolutions_in_time(rng):
    model = drawn(conv_lstm(), rng)
    x = rng.normal(size=(2, 4, 5, 5, 2)).astype("float32")
    found = explained(model, Z, x)
    np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(x)), rtol=1e-4, atol=1e-4)
    lost, size = found.elsewhere(0)
    assert (np.abs(lost) <= 1e-4 * size).all()


def test_time_distributed_is_a_layer_at_each_step(rng):
    inner = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(3, 3), layers.Flatten()])
    folded = keras.Sequential(
        [
            keras.Input((4, 6, 6, 1)),
            layers.TimeDistributed(inner),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    drawn(folded, rng)
    x = keras.Input((4, 6, 6, 1))
    parts = [ops.expand_dims(inner(x[:, step]), 1) for step in range(4)]
    apart = keras.Model(x, folded.layers[-1](layers.Flatten()(ops.concatenate(parts, axis=1))))
    data = rng.normal(size=(3, 4, 6, 6, 1)).astype("float32")
    for rule in ("z", "zplus", "epsilon_alpha2beta1"):
        composite = isi.Relevance(rule).composite
        one, other = (explained(model, composite, data) for model in (folded, apart))
        np.testing.assert_allclose(
            one.relevance, other.relevance, atol=1e-5 * np.abs(other.relevance).max()
        )
        for part in ("bias", "epsilon"):
            np.testing.assert_allclose(
                one.absorbed[part], other.absorbed[part], rtol=1e-3, atol=1e-4
            )


def test_a_stateful_layer_starts_from_its_states_and_keeps_them(rng):
    x = keras.Input(batch_shape=(2, STEPS, FEATURES))
    layer = layers.LSTM(UNITS, stateful=True)
    model = drawn(keras.Model(x, layers.Dense(3)(layer(x))), rng)
    data = sequence(rng)
    before = [ops.convert_to_numpy(state) for state in layer.states]
    found = isi.explain(model, data, conservation=True, batch_size=2)
    for state, was in zip(layer.states, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(state), was)
    np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(data)), rtol=1e-4)
    size = np.abs(found.relevance).sum((1, 2)) + np.abs(found.conservation["explained"])
    assert (np.abs(found.conservation["elsewhere"]) <= 1e-4 * size).all()


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before", "simple_rnn"])
@pytest.mark.parametrize("given", ["kept", "learned", "constant"])
def test_a_given_first_state_is_a_signal(rng, kind, given):
    """Gates of a state get nothing, as of one that is an input; what it adds is a bias."""
    make, _ = KINDS[kind]
    count = 2 if kind == "lstm" else 1
    states = [2 * rng.normal(size=(1, UNITS)).astype("float32") for _ in range(count)]
    x = sequence(rng, rows=1)
    inputs, own = keras.Input((STEPS, FEATURES)), [keras.Input((UNITS,)) for _ in states]
    head = layers.Dense(2, use_bias=False)
    wanting = drawn(keras.Model([inputs, *own], head(make(UNITS)(inputs, initial_state=own))), rng)
    if given == "kept":
        fixed = keras.Input((STEPS, FEATURES), batch_size=1)
        layer = make(UNITS, stateful=True)
        model = keras.Model(fixed, layers.Dense(2, use_bias=False)(layer(fixed)))
        for variable, state in zip(layer.states, states, strict=True):
            variable.assign(state)
    else:
        begun = Begun(states, trainable=given == "learned")(inputs)
        layer = make(UNITS)
        hidden = layer(inputs, initial_state=begun)
        model = keras.Model(inputs, layers.Dense(2, use_bias=False)(hidden))
    layer.set_weights(wanting.layers[-2].get_weights())
    model.layers[-1].set_weights(head.get_weights())
    taken = isi.logits(model, from_logits=True), isi.logits(wanting, from_logits=True)
    options = {"target": 1, "indicator": isi.Relevance(Z), "conservation": True}
    found = isi.explain(taken[0], x, **options)
    wanted = isi.explain(taken[1], [x, *states], **options)
    first, *others = wanted.relevance.values()
    np.testing.assert_allclose(found.relevance, first, rtol=1e-4, atol=1e-6)
    bias = wanted.conservation["bias"] + sum(part.sum(axis=1) for part in others)
    np.testing.assert_allclose(found.conservation["bias"], bias, rtol=1e-3, atol=1e-5)


class Begun(layers.Layer):
    """First states that do not depend on the input, one row for each sample."""

    def __init__(self, states, trainable):
        super().__init__()
        self.rows = [
            self.add_weight(shape=row.shape, trainable=trainable, name=f"state{number}")
            for number, row in enumerate(states)
        ]
        for weight, row in zip(self.rows, states, strict=True):
            weight.assign(row)

    def call(self, x):
        return [ops.tile(row, (ops.shape(x)[0], 1)) for row in self.rows]


def test_attacks_turn_a_recurrent_model(rng):
    model = drawn(MODELS["stacked"](), rng)
    x = np.clip(sequence(rng, 4), -1, 1)
    result = isi.Attack("relevance", isi.L0(unit="position"), bounds=(-1, 1))(model, x)
    logits = ops.convert_to_numpy(model(result.adversarial))
    np.testing.assert_array_equal(logits.argmax(-1), result.prediction)
