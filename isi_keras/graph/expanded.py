"""Layers that go to the backend, written with operations of Keras."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from isi_keras import _keras
from isi_keras.graph.nodes import Called, Own

# What augments does nothing at inference.
IDLE = (
    "AugMix CutMix MixUp RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter "
    "RandomContrast RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur "
    "RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation "
    "RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom"
)


class _Backend:
    """What preprocessing layers ask their backend for, from `keras.ops`."""

    name, __name__ = keras.config.backend(), ops.__name__
    image = ops.image
    is_int_dtype = staticmethod(keras.backend.is_int_dtype)
    numpy = nn = math = core = linalg = property(lambda self: self)

    def digitize(self, x, bins):
        return ops.digitize(x, np.asarray(bins, "float32"))

    def __getattr__(self, name: str):
        return getattr(ops, name)


def overriding(kind: type) -> dict[str, Any]:
    """The methods that shadows of a class of layers have in place of its own."""
    found: dict[str, Any] = {}
    for base, method, function in _METHODS:
        if issubclass(kind, base) and getattr(kind, method) is getattr(base, method):
            found.setdefault(method, function)
    if issubclass(kind, layers.Bidirectional):
        found.update(dict.fromkeys(_keras.FUSED_RECURRENT, lambda self, *args: False))
    if issubclass(kind, layers.RNN):
        found["inner_loop"] = _inner_loop
    if hasattr(kind, "get_dropout_mask"):  # of recurrent cells, drawn also where it is not used
        found["get_dropout_mask"] = found["get_recurrent_dropout_mask"] = lambda self, x: None
    if issubclass(kind, layers.GRUCell):  # the other slices in a way that symbolic tensors refuse
        found["implementation"] = property(lambda self: 2)
    if issubclass(kind, _FOR_DATA):
        found["backend"] = property(lambda self: _Backend())
    return found


# ---- layers


def _idle(self, data, **kwargs):
    return ops.cast(data, self.compute_dtype)


def _softmax(self, inputs, mask=None):
    if mask is not None:
        if keras.backend.standardize_dtype(mask.dtype) != "bool":
            mask = ops.greater(mask, 0.5)
        half = keras.backend.standardize_dtype(inputs.dtype) == "float16"
        inputs = ops.where(mask, inputs, -3e4 if half else -1e9)
    outputs = ops.softmax(inputs, axis=self.axis)
    return outputs if mask is None else ops.where(mask, outputs, 0.0)


def _in_groups(self, inputs, kernel):
    """Keras infers no shape of a convolution in groups."""
    causal = self.padding == "causal"
    options = {
        "strides": list(self.strides),
        "padding": "valid" if causal else self.padding,
        "dilation_rate": self.dilation_rate,
        "data_format": self.data_format,
    }
    shape = self.compute_output_shape(inputs.shape)
    if causal:
        inputs = ops.pad(inputs, self._compute_causal_padding())
    if self.groups == 1:
        return ops.conv(inputs, kernel, **options)
    function = Called(ops.conv, options)
    return Own("Conv", function, shape, inputs.dtype, **options)(inputs, kernel)


def _by_its_operation(self, inputs):
    """As all convolutions but this one do."""
    return super(layers.Conv1D, self).call(inputs)


def _recurrent(self, sequences, initial_state=None, mask=None, training=False):
    """As Keras runs it, but for what it does to keep states from batch to batch."""
    if initial_state is None and self.stateful:
        initial_state = self.states
    if initial_state is None:
        initial_state = self.get_initial_state(1)
    initial_state = keras.tree.map_structure(lambda s: _begun(sequences, s), initial_state)
    if not keras.tree.is_nested(initial_state):
        initial_state = [initial_state]
    last, outputs, states = self.inner_loop(sequences, list(initial_state), mask)
    output = outputs if self.return_sequences else last
    return (output, *states) if self.return_state else output


def _begun(sequences, state):
    """The first state, of each sample: a signal, and a bias if it does not depend on the input."""
    state = ops.convert_to_tensor(state)
    shape = (sequences.shape[0], *state.shape[1:])
    return Own("State", _first_state, shape, state.dtype)(state, sequences)


def _first_state(state, sequences):
    rows = ops.zeros_like(sequences[(slice(None), *[0] * (len(sequences.shape) - 1))])
    spread = ops.reshape(rows, (-1, *([1] * (len(state.shape) - 1))))
    return state + ops.cast(spread, state.dtype)


def _inner_loop(self, sequences, initial_state, mask=None, training=False):
    """Unrolled over time."""
    steps = list(range(sequences.shape[1]))
    states, outputs = list(initial_state), []
    for step in reversed(steps) if self.go_backwards else steps:
        output, new = self.cell(sequences[:, step], states)
        new = list(new) if keras.tree.is_nested(new) else [new]
        if mask is not None:
            goes = mask[:, step]
            old = outputs[-1] if outputs and not self.zero_output_for_mask else 0.0
            output = _where(goes, output, old)
            new = keras.tree.map_structure(lambda n, o: _where(goes, n, o), new, states)  # noqa: B023
        states = new
        outputs.append(output)
    return outputs[-1], ops.stack(outputs, axis=1), states


def _where(mask, one, other):
    for _ in range(len(one.shape) - len(mask.shape)):
        mask = ops.expand_dims(mask, -1)
    return ops.where(mask, one, other)


def _batch_normalized(self, inputs, training=None, mask=None):
    """With a scale of ones beside an offset: Keras 3.15 refuses one alone of symbolic tensors."""
    dtype = keras.backend.result_type(inputs.dtype, "float32")
    mean, variance = (ops.cast(v, dtype) for v in (self.moving_mean, self.moving_variance))
    offset = ops.cast(self.beta, dtype) if self.center else None
    scale = ops.cast(self.gamma, dtype) if self.scale else None
    if offset is not None and scale is None:
        scale = ops.ones_like(variance)
    x = ops.cast(inputs, dtype)
    outputs = ops.batch_normalization(x, mean, variance, self.axis, offset, scale, self.epsilon)
    return ops.cast(outputs, self.compute_dtype)


def _averaged(self, inputs, mask=None):
    """A mean over the steps that a mask leaves is one operation, as a mean over all is."""
    last = self.data_format == "channels_last"
    if mask is None or keras.backend.standardize_dtype(mask.dtype) != "bool":
        return layers.GlobalAveragePooling1D.call(self, inputs, mask)
    options = {"axis": 1 if last else 2, "keepdims": self.keepdims}
    shape = self.compute_output_shape(inputs.shape)
    function = Called(_mean_of_some, options)
    kept = ops.expand_dims(mask, 2 if last else 1)
    return Own("Mean", function, shape, inputs.dtype, **options)(inputs, kept)


def _mean_of_some(x, kept, axis, keepdims):
    kept = ops.cast(kept, x.dtype)
    summed = ops.sum(x * kept, axis=axis, keepdims=keepdims)
    return summed / ops.sum(kept, axis=axis, keepdims=keepdims)


def _distributed(self, inputs, training=None, mask=None):
    """Time steps as samples; one by one if they are masked."""
    if mask is not None:
        parts = [
            self.layer(inputs[:, step], **_if_taken(self.layer, mask[:, step]))
            for step in range(inputs.shape[1])
        ]
        return ops.stack(parts, axis=1)
    outputs = self.layer(ops.reshape(inputs, (-1, *inputs.shape[2:])))
    return ops.reshape(outputs, (-1, inputs.shape[1], *outputs.shape[1:]))


def _if_taken(layer, mask) -> dict[str, Any]:
    return {"mask": mask} if "mask" in inspect.signature(layer.call).parameters else {}


def _encoded(self, inputs, count_weights=None):
    """With operations of Keras, where the layer converts what TensorFlow may have computed."""
    mode, kind = self.output_mode, self.compute_dtype
    if mode == "int":
        return ops.cast(inputs, kind)
    if mode == "one_hot" and inputs.shape[-1] == 1 and len(inputs.shape) > 1:
        inputs = ops.squeeze(inputs, -1)
    hot = ops.one_hot(inputs, self.num_tokens, dtype=kind)
    if mode == "one_hot":
        return hot
    if mode == "multi_hot":
        return ops.max(hot, axis=min(1, len(inputs.shape) - 1))
    weights = 1.0 if count_weights is None else ops.expand_dims(ops.cast(count_weights, kind), -1)
    return ops.sum(hot * weights, axis=1)


def _adaptive(function: Callable) -> Callable:
    """Keras 3.15 infers another shape than it returns."""

    def call(self, inputs):
        sizes = tuple(self.output_size)
        last = self.data_format != "channels_first"
        shape = (inputs.shape[0], *sizes, inputs.shape[-1])
        shape = shape if last else (*inputs.shape[:2], *sizes)
        options = {"output_size": sizes, "data_format": self.data_format}
        kind = "AdaptiveAveragePool" if "average" in function.__name__ else "AdaptiveMaxPool"
        return Own(kind, Called(function, options), shape, inputs.dtype, **options)(inputs)

    return call


# Layers that hold a backend of their own, for use in `tf.data`, which `keras.ops` can stand for.
_FOR_DATA = tuple(
    _keras.layers_named(
        "Rescaling Normalization Resizing CenterCrop MelSpectrogram AutoContrast Solarization "
        "Discretization"
    )
)
_ADAPTIVE = {
    word: getattr(ops, f"adaptive_{word.lower()}_pool", None) for word in ("Average", "Max")
}  # which the oldest Keras has not
_METHODS: list[tuple[type, str, Callable]] = [
    *((kind, "call", _idle) for kind in _keras.layers_named(IDLE)),
    (layers.Softmax, "call", _softmax),
    (layers.Conv1D, "call", _by_its_operation),
    (layers.BatchNormalization, "call", _batch_normalized),
    (layers.CategoryEncoding, "call", _encoded),
    (layers.GlobalAveragePooling1D, "call", _averaged),
    *(
        (kind, "convolution_op", _in_groups)
        for kind in (layers.Conv1D, layers.Conv2D, layers.Conv3D)
    ),
    *(
        (kind, "call", _recurrent)
        for kind in (layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN)
    ),
    *(
        (kind, "call", _recurrent)
        for kind in _keras.layers_named("ConvLSTM1D ConvLSTM2D ConvLSTM3D")
    ),
    (layers.TimeDistributed, "call", _distributed),
    *(
        (kind, "call", _adaptive(function))
        for word, function in _ADAPTIVE.items()
        if function is not None
        for kind in _keras.layers_named(
            " ".join(f"Adaptive{word}Pooling{rank}D" for rank in (1, 2, 3))
        )
    ),
]


# ---- functions


def _activation(kind: str, function: Callable) -> Callable:
    def activated(x):
        return Own(kind, function, x.shape, x.dtype)(x)

    return activated


# Functions that refuse symbolic tensors.
ACTIVATIONS: dict[Callable, Callable] = {
    keras.activations.hard_silu: _activation("HardSilu", keras.activations.hard_silu),
    keras.activations.mish: _activation("Mish", keras.activations.mish),
    keras.activations.sparsemax: _activation("Sparsemax", keras.activations.sparsemax),
}
