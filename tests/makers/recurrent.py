"""Models with recurrent layers, by their names, and four inputs for each."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from makers.samples import Makers, finished, ids, image, sequential

RECURRENT = Makers()
STEPS = 6


def recurrent(name: str) -> tuple[keras.Model, Any]:
    """A model that returns three logits, with seeded weights, and four samples as it takes them."""
    return finished(RECURRENT[name])


def _padded() -> np.ndarray:
    x = ids(STEPS, 20)
    x[1::2, -2:] = 0
    return x


def _series(*chain):
    return sequential(image(STEPS, 4), *chain, layers.Dense(3))


def _text(*chain):
    return sequential(_padded(), layers.Embedding(20, 6, mask_zero=True), *chain, layers.Dense(3))


@RECURRENT.add
def simple_rnn():
    return _series(layers.SimpleRNN(6))


@RECURRENT.add
def relu_rnn():
    return _series(layers.SimpleRNN(6, "relu"))


@RECURRENT.add
def lstm_of_all_steps():
    return _series(layers.LSTM(6, return_sequences=True), layers.GlobalAveragePooling1D())


@RECURRENT.add
def gru_reset_before():
    return _series(layers.GRU(6, reset_after=False))


@RECURRENT.add
def stacked_lstm():
    return _series(layers.LSTM(6, return_sequences=True), layers.LSTM(6, dropout=0.2))


@RECURRENT.add
def stacked_gru():
    return _series(layers.GRU(6, return_sequences=True, recurrent_dropout=0.2), layers.GRU(6))


@RECURRENT.add
def stacked_cells():
    return _series(layers.RNN([layers.LSTMCell(6), layers.GRUCell(6)]))


@RECURRENT.add
def backwards_lstm():
    return _series(layers.LSTM(6, go_backwards=True))


@RECURRENT.add
def bidirectional_lstm():
    return _series(layers.Bidirectional(layers.LSTM(5)))


@RECURRENT.add
def bidirectional_gru():
    both = layers.Bidirectional(layers.GRU(5, return_sequences=True), merge_mode="sum")
    return _series(both, layers.Bidirectional(layers.GRU(5), merge_mode="ave"))


@RECURRENT.add
def text_lstm():
    return _text(layers.LSTM(6))


@RECURRENT.add
def text_bidirectional_gru():
    return _text(layers.Bidirectional(layers.GRU(5)))


@RECURRENT.add
def masked_gru():
    """Steps of nothing but zeros are left out."""
    model, x = _series(layers.Masking(), layers.GRU(6))
    x[1::2, -2:] = 0
    return model, x


@RECURRENT.add
def stateful_gru():
    """Its states stay from call to call."""
    inputs = keras.Input(batch_shape=(4, STEPS, 4))
    model = keras.Model(inputs, layers.Dense(3)(layers.GRU(6, stateful=True)(inputs)))
    return model, image(STEPS, 4)[:4]


@RECURRENT.add
def lstm_with_attention():
    """The last state asks, all states answer."""
    inputs = keras.Input((STEPS, 4))
    h, last, _ = layers.LSTM(6, return_sequences=True, return_state=True)(inputs)
    weights = ops.softmax(ops.einsum("ntd,nd->nt", h, layers.Dense(6)(last)))
    h = ops.concatenate([ops.einsum("nt,ntd->nd", weights, h), last], axis=-1)
    return keras.Model(inputs, layers.Dense(3)(h)), image(STEPS, 4)


@RECURRENT.add
def encoder_and_decoder():
    """The states of one are where the other begins."""
    inputs = keras.Input((STEPS, 4))
    _, *states = layers.LSTM(6, return_state=True)(inputs)
    h = layers.LSTM(6)(layers.RepeatVector(3)(states[0]), initial_state=states)
    return keras.Model(inputs, layers.Dense(3)(h)), image(STEPS, 4)


@RECURRENT.add
def convolutional_lstm():
    inputs = keras.Input((4, 8, 8, 2))
    h = layers.ConvLSTM2D(4, 3)(inputs)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(4, 8, 8, 2)


@RECURRENT.add
def convolutional_lstm_1d():
    inputs = keras.Input((4, 8, 2))
    h = layers.ConvLSTM1D(4, 3, padding="same", return_sequences=True)(inputs)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(4, 8, 2)


@RECURRENT.add
def video():
    """A convolution for each frame, then an LSTM."""
    inputs = keras.Input((4, 8, 8, 1))
    h = layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu"))(inputs)
    h = layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(layers.MaxPooling2D())(h))
    return keras.Model(inputs, layers.Dense(3)(layers.LSTM(6)(h))), image(4, 8, 8, 1)


@RECURRENT.add
def convolution_and_lstm():
    before = [layers.Conv1D(6, 3, activation="relu"), layers.MaxPooling1D(2)]
    return sequential(image(16, 4), *before, layers.LSTM(6), layers.Dense(3))


class Minimal(layers.Layer):
    """A recurrent cell with one gate."""

    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = units

    def build(self, shape):
        size = shape[-1] + self.units
        self.gate = self.add_weight(shape=(size, self.units), name="gate_kernel")
        self.new = self.add_weight(shape=(size, self.units), name="kernel")

    def call(self, x, states):
        state = states[0]
        gate = ops.sigmoid(ops.matmul(ops.concatenate([x, state], axis=-1), self.gate))
        new = ops.matmul(ops.concatenate([x, gate * state], axis=-1), self.new)
        state = (1 - gate) * state + gate * ops.tanh(new)
        return state, [state]


@RECURRENT.add
def cell_of_ones_own():
    return _series(layers.RNN(Minimal(6)))


class Loop(layers.Layer):
    """A loop of Python over the steps."""

    def __init__(self):
        super().__init__()
        self.cell = layers.LSTMCell(6)

    def call(self, x):
        states = [ops.zeros_like(x[:, 0, :1]) + ops.zeros((1, 6)) for _ in range(2)]
        for step in range(x.shape[1]):
            _, states = self.cell(x[:, step], states)
        return states[0]


@RECURRENT.add
def loop_over_a_cell():
    return _series(Loop())


class Scan(layers.Layer):
    """A leaky sum over the steps by `ops.scan`."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 6), name="kernel")

    def call(self, x):
        def step(state, now):
            state = ops.tanh(0.5 * state + now)
            return state, state

        h = ops.transpose(ops.matmul(x, self.kernel), (1, 0, 2))
        return ops.scan(step, ops.zeros_like(h[0]), h)[0]


@RECURRENT.add
def scan():
    return _series(Scan())
