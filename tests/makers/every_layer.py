"""Every layer of `keras.layers` in a small model, or why there is none.

`tests/test_every_layer.py` fails if `keras.layers` has a class that is in neither table.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from makers.every_op import ACTIVATIONS, Draw, indices, signed

BATCH = 2
# Inputs, without the batch.
FLAT, SERIES, IMAGE, VOLUME, PICTURE = (6,), (6, 4), (6, 6, 4), (4, 4, 4, 2), (8, 8, 3)


class Place(NamedTuple):
    """Where a layer stands in a model.

    Args:
        function: takes a symbolic tensor for each shape and returns what the layer makes of them.
        shapes: of the inputs, without the batch.
        dtype: of the inputs.
        draw: makes their values.
        batch: the size of the batch, if the layer has to know it.
    """

    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...] = (FLAT,)
    dtype: str = "float32"
    draw: Draw = signed
    batch: int | None = None

    def model(self) -> keras.Model:
        """The layer, `Flatten` and `Dense(3)`; weights drawn anew, so that none is trivial."""
        inputs = [
            keras.Input(batch_shape=(self.batch, *shape), dtype=self.dtype) for shape in self.shapes
        ]
        made = keras.tree.flatten(self.function(*inputs))
        if self.draw is _ending:  # `Flatten` warns that it drops the mask
            made = [layers.GlobalAveragePooling1D()(y) if len(y.shape) == 3 else y for y in made]
        made = [layers.Flatten()(y) for y in made]
        y = layers.Concatenate()(made) if len(made) > 1 else made[0]
        if not y.dtype.startswith("float"):
            y = ops.cast(y, "float32")
        model = keras.Model(inputs if len(inputs) > 1 else inputs[0], layers.Dense(3)(y))
        _draw_weights(model)
        return model

    def inputs(self, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        values = [self.draw(rng, (BATCH, *shape)).astype(self.dtype) for shape in self.shapes]
        return values if len(values) > 1 else values[0]


def _draw_weights(model: keras.Model) -> None:
    rng = np.random.default_rng(5)
    for weight in model.weights:
        name = weight.path.rpartition("/")[2]
        if keras.backend.is_float_dtype(weight.dtype) and name not in ("count", "mean", "variance"):
            low, high = (0.5, 1.5) if name in ("moving_variance", "gamma", "scale") else (-0.5, 0.5)
            weight.assign(rng.uniform(low, high, weight.shape).astype(weight.dtype))


def classes() -> dict[str, type]:
    """Every class that `keras.layers` exports, each once: aliases are left out."""
    names = [name for name in dir(layers) if not name.startswith("_")]
    found: dict[type, str] = {}
    for name in names:
        kind = getattr(layers, name)
        if inspect.isclass(kind) and (kind not in found or kind.__name__ == name):
            found[kind] = name
    return {name: kind for kind, name in found.items()}


def exported_functions() -> set[str]:
    names = [name for name in dir(layers) if not name.startswith("_")]
    return {name for name in names if not inspect.isclass(getattr(layers, name))}


def class_of(key: str) -> str:
    """The name of the class of a key of `PLACES`: what follows a colon tells variants apart."""
    return key.partition(":")[0]


def _in(shape: tuple[int, ...], name: str, *args, **options) -> Place:
    return Place(lambda x: getattr(layers, name)(*args, **options)(x), (shape,))


def _each(words: str, shape: tuple[int, ...], *args, **options) -> dict[str, Place]:
    return {name: _in(shape, name, *args, **options) for name in words.split()}


def _by_rank(stem: str, *args, ranks=(1, 2, 3), **options) -> dict[str, Place]:
    shapes = {1: SERIES, 2: IMAGE, 3: VOLUME}
    return {f"{stem}{k}D": _in(shapes[k], f"{stem}{k}D", *args, **options) for k in ranks}


def _normalized() -> layers.Layer:
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(1).normal(1, 2, (20, 6)).astype("float32"))
    return layer


def _masked(layer: layers.Layer) -> Callable:
    """The layer behind one that says which steps count; the last ones of some rows do not."""
    return lambda x: layer(layers.Masking(-1.0)(x))


def _ending(rng, shape):
    """Series of different lengths: what follows the last step is -1."""
    values = rng.uniform(-0.9, 1, shape)
    values[0, -2:] = -1.0
    return values


def _tokens(rng, shape):
    """Numbers of tokens; the rest of the first row is zeros."""
    values = rng.integers(1, 5, shape)
    values[0, -2:] = 0
    return values


def _masked_series(make: Callable[[], layers.Layer]) -> Place:
    return Place(lambda x: _masked(make())(x), (SERIES,), draw=_ending)


def _masked_pair(kind: Callable) -> Callable:
    def attended(x):
        masked = layers.Masking(-1.0)(x)
        return kind(2, 3)(masked, masked)

    return attended


def _adapted(layer: layers.Layer, x):
    """A layer with an adaptation of low rank."""
    made = layer(x)
    layer.enable_lora(2)
    return made


def _quantized(layer: layers.Layer, x, mode: str = "int8"):
    layer.build(x.shape)
    layer.kernel.assign(np.random.default_rng(6).uniform(-0.5, 0.5, layer.kernel.shape))
    layer.quantize(mode)
    return layer(x)


def _reversed(x):
    """Tokens to vectors, and vectors to scores of tokens, with the same weights."""
    embedding = layers.ReversibleEmbedding(5, 4)
    return embedding(layers.Dense(4, "tanh")(embedding(x)), reverse=True)


class MinimalCell(layers.Layer):
    """A recurrent cell that a user wrote."""

    def __init__(self, units: int, **options):
        super().__init__(**options)
        self.state_size = self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        made = ops.tanh(inputs @ self.kernel + states[0] @ self.recurrent_kernel)
        return made, [made]


def _recurrent(name: str) -> dict[str, Place]:
    """The configurations of a recurrent layer."""
    kind = getattr(layers, name)
    options: dict[str, dict] = {
        "": {},
        ": sequences": {"return_sequences": True},
        ": state": {"return_state": True},
        ": backwards": {"go_backwards": True, "return_sequences": True},
        ": no bias": {"use_bias": False},
        ": other activation": {"activation": "relu"},
        ": dropout": {"dropout": 0.2, "recurrent_dropout": 0.2},
        ": unrolled": {"unroll": True},
    }
    made: dict[str, Place] = {
        name + key: _in(SERIES, name, 3, **chosen) for key, chosen in options.items()
    }
    made[f"{name}: masked"] = _masked_series(lambda: kind(3))
    made[f"{name}: masked sequences"] = _masked_series(lambda: kind(3, return_sequences=True))
    made[f"{name}: stacked"] = Place(
        lambda x: kind(2)(kind(3, return_sequences=True)(x)), (SERIES,)
    )
    made[f"{name}: stateful"] = Place(lambda x: kind(3, stateful=True)(x), (SERIES,), batch=BATCH)
    return made


def _attended(**options) -> Callable:
    return lambda x: layers.MultiHeadAttention(2, 3, **options)(x, x)


def _initial(x, state):
    return layers.GRU(3)(x, initial_state=state)


# Those that a layer runs under a name, but for one that halves its input.
_NAMES = [name for name in ACTIVATIONS if ":" not in name and name not in ("glu", "threshold")]

PLACES: dict[str, Place] = {
    # Sums of products.
    "Dense": _in(FLAT, "Dense", 4, activation="relu"),
    **{f"Dense: {name}": _in(FLAT, "Dense", 4, activation=name) for name in _NAMES},
    "Dense: steps": _in(SERIES, "Dense", 4),
    "Dense: no bias": _in(FLAT, "Dense", 4, use_bias=False),
    "Dense: low rank": Place(lambda x: _adapted(layers.Dense(4), x)),
    "Dense: quantized": Place(lambda x: _quantized(layers.Dense(4), x)),
    "EinsumDense": _in(SERIES, "EinsumDense", "abc,cd->abd", (6, 5), bias_axes="d"),
    "EinsumDense: heads": _in(
        SERIES, "EinsumDense", "abc,cde->abde", (6, 2, 3), bias_axes="de", activation="relu"
    ),
    "EinsumDense: no bias": _in(SERIES, "EinsumDense", "abc,bd->adc", (3, 4)),
    **_by_rank("Conv", 5, 3, activation="relu"),
    "Conv1D: causal": _in(SERIES, "Conv1D", 5, 3, padding="causal", dilation_rate=2),
    "Conv1D: strides": _in(SERIES, "Conv1D", 5, 3, strides=2, padding="same"),
    "Conv2D: same": _in(IMAGE, "Conv2D", 5, 3, strides=2, padding="same"),
    "Conv2D: dilated": _in(IMAGE, "Conv2D", 5, 2, dilation_rate=2),
    "Conv2D: groups": _in(IMAGE, "Conv2D", 6, 3, groups=2),
    "Conv2D: each channel": _in(IMAGE, "Conv2D", 4, 3, groups=4, use_bias=False),
    "Conv2D: no bias": _in(IMAGE, "Conv2D", 5, 3, use_bias=False),
    "Conv2D: low rank": Place(lambda x: _adapted(layers.Conv2D(5, 3), x), (IMAGE,)),
    **_by_rank("DepthwiseConv", 3, depth_multiplier=2, ranks=(1, 2)),
    "DepthwiseConv2D: dilated": _in(IMAGE, "DepthwiseConv2D", 2, dilation_rate=2),
    "DepthwiseConv2D: strides": _in(IMAGE, "DepthwiseConv2D", 3, 2, padding="same"),
    **_by_rank("SeparableConv", 5, 3, ranks=(1, 2)),
    "SeparableConv2D: multiplied": _in(
        IMAGE, "SeparableConv2D", 5, 3, padding="same", depth_multiplier=2, activation="relu"
    ),
    "Conv1DTranspose": _in(SERIES, "Conv1DTranspose", 5, 3, strides=2),
    "Conv2DTranspose": _in(IMAGE, "Conv2DTranspose", 5, 3, strides=2),
    "Conv2DTranspose: same": _in(IMAGE, "Conv2DTranspose", 5, 3, strides=2, padding="same"),
    "Conv2DTranspose: padded": _in(
        IMAGE, "Conv2DTranspose", 5, 3, strides=2, padding="same", output_padding=1
    ),
    "Conv3DTranspose": _in(VOLUME, "Conv3DTranspose", 3, 2, strides=2),
    "SpectralNormalization": Place(
        lambda x: layers.SpectralNormalization(layers.Conv2D(5, 3))(x), (IMAGE,)
    ),
    "SpectralNormalization: dense": Place(
        lambda x: layers.SpectralNormalization(layers.Dense(5))(x)
    ),
    # Tokens.
    "Embedding": Place(lambda x: layers.Embedding(5, 4)(x), (FLAT,), "int32", _tokens),
    "Embedding: mask": Place(
        lambda x: layers.LSTM(3)(layers.Embedding(5, 4, mask_zero=True)(x)),
        (FLAT,),
        "int32",
        _tokens,
    ),
    "Embedding: mask for a mean": Place(
        lambda x: layers.GlobalAveragePooling1D()(layers.Embedding(5, 4, mask_zero=True)(x)),
        (FLAT,),
        "int32",
        _tokens,
    ),
    "Embedding: low rank": Place(
        lambda x: _adapted(layers.Embedding(5, 4), x), (FLAT,), "int32", _tokens
    ),
    "ReversibleEmbedding": Place(
        lambda x: layers.ReversibleEmbedding(5, 4)(x), (FLAT,), "int32", _tokens
    ),
    "ReversibleEmbedding: reversed": Place(lambda x: _reversed(x), (FLAT,), "int32", _tokens),
    # Entry by entry.
    "Activation": _in(FLAT, "Activation", "tanh"),
    **{f"Activation: {name}": _in(FLAT, "Activation", name) for name in _NAMES},
    "Activation: function": Place(lambda x: layers.Activation(ops.sin)(x)),
    "ELU": _in(FLAT, "ELU", 0.5),
    "LeakyReLU": _in(FLAT, "LeakyReLU", 0.1),
    "PReLU": _in(FLAT, "PReLU", "ones"),
    "PReLU: shared": _in(IMAGE, "PReLU", "ones", shared_axes=(1, 2)),
    "ReLU": _in(FLAT, "ReLU"),
    "ReLU: bounded": _in(FLAT, "ReLU", max_value=0.5, negative_slope=0.1, threshold=0.1),
    "Softmax": _in(FLAT, "Softmax"),
    "Softmax: axis": _in(SERIES, "Softmax", axis=1),
    "Softmax: axes": _in(SERIES, "Softmax", axis=(1, 2)),
    "Softmax: mask": Place(lambda x: x * layers.Softmax()(x, mask=x > 0)),
    "Lambda": Place(lambda x: layers.Lambda(lambda v: v * v)(x)),
    "Identity": _in(FLAT, "Identity"),
    "ActivityRegularization": _in(FLAT, "ActivityRegularization", 0.1),
    # Scaled.
    "BatchNormalization": _in(IMAGE, "BatchNormalization"),
    "BatchNormalization: axis": _in(IMAGE, "BatchNormalization", axis=1),
    "BatchNormalization: offset alone": _in(FLAT, "BatchNormalization", scale=False),
    "BatchNormalization: bare": _in(FLAT, "BatchNormalization", center=False, scale=False),
    "BatchNormalization: masked": _masked_series(layers.BatchNormalization),
    "LayerNormalization": _in(SERIES, "LayerNormalization"),
    "LayerNormalization: axes": _in(SERIES, "LayerNormalization", axis=(1, 2)),
    "LayerNormalization: axis": _in(SERIES, "LayerNormalization", axis=1),
    "LayerNormalization: bare": _in(SERIES, "LayerNormalization", center=False, scale=False),
    "GroupNormalization": _in(IMAGE, "GroupNormalization", 2),
    "GroupNormalization: one": _in(IMAGE, "GroupNormalization", 1),
    "GroupNormalization: each": _in(IMAGE, "GroupNormalization", -1),
    "RMSNormalization": _in(SERIES, "RMSNormalization"),
    "UnitNormalization": _in(FLAT, "UnitNormalization"),
    "UnitNormalization: axes": _in(SERIES, "UnitNormalization", axis=(1, 2)),
    "Normalization": Place(lambda x: _normalized()(x)),
    "Normalization: given": _in(FLAT, "Normalization", mean=0.3, variance=2.0),
    "Normalization: inverted": _in(FLAT, "Normalization", mean=0.3, variance=2.0, invert=True),
    "Rescaling": _in(PICTURE, "Rescaling", 2.0, offset=-1.0),
    "Rescaling: each channel": _in(PICTURE, "Rescaling", [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]),
    # Moved.
    "Flatten": _in(IMAGE, "Flatten"),
    "Permute": _in(SERIES, "Permute", (2, 1)),
    "Reshape": _in(FLAT, "Reshape", (3, 2)),
    "RepeatVector": _in(FLAT, "RepeatVector", 2),
    **_by_rank("Cropping", 1),
    **_by_rank("UpSampling", 2),
    "UpSampling2D: bilinear": _in(IMAGE, "UpSampling2D", 2, interpolation="bilinear"),
    **_by_rank("ZeroPadding", 1),
    "Masking": Place(lambda x: layers.Masking(-1.0)(x), (SERIES,), draw=_ending),
    # Pooled.
    **_by_rank("MaxPooling", 2),
    **_by_rank("AveragePooling", 2),
    "AveragePooling2D: same": _in(IMAGE, "AveragePooling2D", 4, 2, "same"),
    "MaxPooling2D: same": _in(IMAGE, "MaxPooling2D", 4, 2, "same"),
    **_by_rank("GlobalMaxPooling"),
    **_by_rank("GlobalAveragePooling"),
    "GlobalAveragePooling1D: masked": _masked_series(layers.GlobalAveragePooling1D),
    "GlobalAveragePooling2D: kept": _in(IMAGE, "GlobalAveragePooling2D", keepdims=True),
    **_by_rank("AdaptiveAveragePooling", 2),
    **_by_rank("AdaptiveMaxPooling", 2),
    # Several into one.
    **{
        name: Place(lambda x, y, name=name: getattr(layers, name)()([x, y]), (FLAT, FLAT))
        for name in ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
    },
    "Add: masked": Place(
        lambda x, y: layers.Add()([layers.Masking(-1.0)(x), layers.Masking(-1.0)(y)]),
        (SERIES, SERIES),
        draw=_ending,
    ),
    "Concatenate: axis": Place(lambda x, y: layers.Concatenate(1)([x, y]), (SERIES, SERIES)),
    "Multiply: gate": Place(
        lambda x, y: layers.Multiply()([x, layers.Dense(6, "sigmoid")(y)]), (FLAT, FLAT)
    ),
    "Dot": Place(lambda x, y: layers.Dot(1)([x, y]), (FLAT, FLAT)),
    "Dot: cosine": Place(lambda x, y: layers.Dot(1, normalize=True)([x, y]), (FLAT, FLAT)),
    "Dot: axes": Place(lambda x, y: layers.Dot((2, 1))([x, y]), (SERIES, (4, 5))),
    # Attention.
    "Attention": Place(lambda q, v: layers.Attention()([q, v]), (SERIES, SERIES)),
    "Attention: key": Place(
        lambda q, v, k: layers.Attention(use_scale=True)([q, v, k]), (SERIES, SERIES, SERIES)
    ),
    "Attention: causal": Place(
        lambda q, v: layers.Attention()([q, v], use_causal_mask=True), (SERIES, SERIES)
    ),
    "Attention: concatenated": Place(
        lambda q, v: layers.Attention(score_mode="concat")([q, v]), (SERIES, SERIES)
    ),
    "Attention: masked": Place(
        lambda q, v: layers.Attention(dropout=0.1)(
            [layers.Masking(-1.0)(q), layers.Masking(-1.0)(v)]
        ),
        (SERIES, SERIES),
        draw=_ending,
    ),
    "AdditiveAttention": Place(lambda q, v: layers.AdditiveAttention()([q, v]), (SERIES, SERIES)),
    "AdditiveAttention: no scale": Place(
        lambda q, v: layers.AdditiveAttention(use_scale=False)([q, v]), (SERIES, SERIES)
    ),
    "MultiHeadAttention": Place(_attended(), (SERIES,)),
    "MultiHeadAttention: across": Place(
        lambda q, v, k: layers.MultiHeadAttention(2, 3, value_dim=2, output_shape=5)(q, v, k),
        (SERIES, (5, 3), (5, 2)),
    ),
    "MultiHeadAttention: causal": Place(
        lambda x: layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True), (SERIES,)
    ),
    "MultiHeadAttention: dropout": Place(_attended(dropout=0.2), (SERIES,)),
    "MultiHeadAttention: no bias": Place(_attended(use_bias=False), (SERIES,)),
    "MultiHeadAttention: axes": Place(
        lambda x: layers.MultiHeadAttention(2, 3, attention_axes=(2,))(x, x), ((3, 4, 5),)
    ),
    "MultiHeadAttention: mask": Place(
        lambda x: layers.MultiHeadAttention(2, 3)(
            x, x, attention_mask=np.tril(np.ones((1, 6, 6), bool))
        ),
        (SERIES,),
    ),
    "MultiHeadAttention: masked": Place(
        _masked_pair(layers.MultiHeadAttention), (SERIES,), draw=_ending
    ),
    "MultiHeadAttention: scores": Place(
        lambda x: layers.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True), (SERIES,)
    ),
    "MultiHeadAttention: gate": Place(_attended(use_gate=True), (SERIES,)),
    "GroupQueryAttention": Place(lambda x: layers.GroupQueryAttention(3, 4, 2)(x, x), (SERIES,)),
    "GroupQueryAttention: causal": Place(
        lambda x: layers.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True), (SERIES,)
    ),
    "GroupQueryAttention: dropout": Place(
        lambda x: layers.GroupQueryAttention(3, 4, 2, dropout=0.1, use_bias=False)(x, x), (SERIES,)
    ),
    # Recurrent.
    **_recurrent("SimpleRNN"),
    **_recurrent("GRU"),
    **_recurrent("LSTM"),
    "GRU: reset before": _in(SERIES, "GRU", 3, reset_after=False),
    "GRU: initial state": Place(_initial, (SERIES, (3,))),
    **{
        f"{name}Cell": Place(
            lambda x, name=name: layers.RNN(getattr(layers, f"{name}Cell")(3))(x), (SERIES,)
        )
        for name in ("SimpleRNN", "GRU", "LSTM")
    },
    "RNN": Place(lambda x: layers.RNN(layers.GRUCell(3), return_sequences=True)(x), (SERIES,)),
    "RNN: own cell": Place(lambda x: layers.RNN(MinimalCell(3))(x), (SERIES,)),
    "RNN: masked": _masked_series(lambda: layers.RNN(layers.LSTMCell(3))),
    "StackedRNNCells": Place(
        lambda x: layers.RNN(layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)]))(x),
        (SERIES,),
    ),
    "Bidirectional": Place(lambda x: layers.Bidirectional(layers.LSTM(3))(x), (SERIES,)),
    **{
        f"Bidirectional: {mode}": Place(
            lambda x, mode=mode: layers.Bidirectional(
                layers.GRU(3, return_sequences=True), merge_mode=mode
            )(x),
            (SERIES,),
        )
        for mode in ("sum", "mul", "ave", "concat", None)
    },
    "Bidirectional: others": Place(
        lambda x: layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.GRU(3, go_backwards=True)
        )(x),
        (SERIES,),
    ),
    "Bidirectional: masked": _masked_series(lambda: layers.Bidirectional(layers.LSTM(3))),
    "Bidirectional: state": Place(
        lambda x: layers.Bidirectional(layers.LSTM(3, return_state=True))(x), (SERIES,)
    ),
    "TimeDistributed": Place(
        lambda x: layers.TimeDistributed(layers.Conv2D(2, 3))(x), ((3, 5, 5, 2),)
    ),
    "TimeDistributed: dense": Place(
        lambda x: layers.TimeDistributed(layers.Dense(5, "relu"))(x), (SERIES,)
    ),
    "TimeDistributed: masked": _masked_series(lambda: layers.TimeDistributed(layers.Dense(5))),
    "TimeDistributed: model": Place(
        lambda x: layers.TimeDistributed(
            keras.Sequential([layers.Dense(5, "relu"), layers.Dense(2)])
        )(x),
        (SERIES,),
    ),
    "ConvLSTM1D": _in((3, 6, 2), "ConvLSTM1D", 2, 3),
    "ConvLSTM2D": _in((3, 5, 5, 2), "ConvLSTM2D", 2, 3),
    "ConvLSTM2D: sequences": _in(
        (3, 5, 5, 2), "ConvLSTM2D", 2, 3, padding="same", return_sequences=True
    ),
    "ConvLSTM3D": _in((2, 3, 3, 3, 2), "ConvLSTM3D", 2, 2),
    # Noise: nothing, after training.
    **_each("AlphaDropout Dropout GaussianDropout GaussianNoise", FLAT, 0.2),
    **_by_rank("SpatialDropout", 0.2),
    # Discrete.
    "CategoryEncoding": Place(
        lambda x: layers.CategoryEncoding(5, "multi_hot")(x), ((2,),), "int32", indices
    ),
    "CategoryEncoding: one": Place(
        lambda x: layers.CategoryEncoding(5, "one_hot")(x), ((1,),), "int32", indices
    ),
    "CategoryEncoding: counts": Place(
        lambda x: layers.CategoryEncoding(5, "count")(x), (FLAT,), "int32", indices
    ),
    "Discretization": _in(FLAT, "Discretization", [-0.5, 0.0, 0.5]),
    "Discretization: one": _in((1,), "Discretization", [-0.5, 0.0], output_mode="one_hot"),
    "Hashing": Place(lambda x: layers.Hashing(5)(x), (FLAT,), "int32", indices),
    "HashedCrossing": Place(
        lambda x, y: layers.HashedCrossing(5)([x, y]), ((1,), (1,)), "int32", indices
    ),
    "HashedCrossing: one": Place(
        lambda x, y: layers.HashedCrossing(5, output_mode="one_hot")([x, y]),
        ((1,), (1,)),
        "int32",
        indices,
    ),
    "IntegerLookup": Place(
        lambda x: layers.IntegerLookup(vocabulary=[1, 2, 3])(x), (FLAT,), "int64", indices
    ),
    "IntegerLookup: multi": Place(
        lambda x: layers.IntegerLookup(vocabulary=[1, 2, 3], output_mode="multi_hot")(x),
        ((2,),),
        "int64",
        indices,
    ),
    # Sound.
    "MelSpectrogram": _in(
        (64,), "MelSpectrogram", fft_length=16, sequence_stride=8, num_mel_bins=4, max_freq=4000
    ),
    "STFTSpectrogram": _in((64, 1), "STFTSpectrogram", frame_length=16, frame_step=8),
    "STFTSpectrogram: real": _in(
        (64, 1), "STFTSpectrogram", mode="real", frame_length=16, frame_step=8
    ),
    # Pictures.
    "CenterCrop": _in(PICTURE, "CenterCrop", 4, 4),
    "CenterCrop: enlarged": _in(PICTURE, "CenterCrop", 12, 12),
    "Resizing": _in(PICTURE, "Resizing", 5, 5),
    "Resizing: nearest": _in(PICTURE, "Resizing", 5, 5, interpolation="nearest"),
    "Resizing: cropped": _in(PICTURE, "Resizing", 4, 6, crop_to_aspect_ratio=True),
    **_each("AutoContrast Equalization Solarization", PICTURE, value_range=(0, 1)),
    "ContrastLimitedAdaptiveHistogramEqualization": _in(
        PICTURE, "ContrastLimitedAdaptiveHistogramEqualization", value_range=(0, 1)
    ),
    **_each("AugMix RandAugment", PICTURE, value_range=(0, 1)),
    **_each("RandomBrightness RandomContrast RandomShear RandomRotation", PICTURE, 0.2),
    **_each("RandomZoom", PICTURE, 0.2),
    **_each("RandomTranslation", PICTURE, 0.2, 0.2),
    **_each("RandomColorDegeneration RandomHue RandomSharpness RandomSaturation", PICTURE, 0.2),
    **_each(
        "RandomColorJitter RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur "
        "RandomGrayscale RandomInvert RandomPerspective",
        PICTURE,
    ),
    "RandomPosterization": _in(PICTURE, "RandomPosterization", 4, value_range=(0, 1)),
    "RandomCrop": _in(PICTURE, "RandomCrop", 8, 8),
    "Pipeline": Place(
        lambda x: layers.Pipeline([layers.RandomFlip(), layers.Rescaling(0.5)])(x), (PICTURE,)
    ),
}

_BASE = "is a base class"
_TEXT = "takes text"
# The classes without a model.
REASONS: dict[str, str] = {
    "InputLayer": "is what every model here begins with",
    "InputSpec": "describes inputs",
    "Layer": _BASE,
    "Wrapper": _BASE,
    "StringLookup": _TEXT,
    "TextVectorization": _TEXT,
    "CutMix": "mixes pictures and labels for training",
    "MixUp": "mixes pictures and labels for training",
    "MaxNumBoundingBoxes": "takes boxes",
    "FlaxLayer": "holds a module of Flax",
    "JaxLayer": "holds a function of JAX",
    "TorchModuleWrapper": "holds a module of Torch",
    "TFSMLayer": "holds a saved model of TensorFlow",
}
# What `keras.layers` exports beside classes: functions that run the layer of their name, and these.
FUNCTIONS = {"add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"}
FUNCTIONS |= {"Input", "deserialize", "serialize"}

# Places of what older versions of Keras lack, or get wrong.
SINCE: dict[str, tuple[int, int]] = {
    "Discretization: one": (3, 14),
    "MultiHeadAttention: gate": (3, 14),
}


def installed() -> dict[str, Place]:
    """The places of what the installed version of Keras has."""
    version = tuple(int(part) for part in keras.__version__.split(".")[:2])
    there = classes()
    return {
        key: place
        for key, place in PLACES.items()
        if class_of(key) in there and version >= SINCE.get(key, version)
    }
