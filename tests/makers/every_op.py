"""Every function of `keras.ops`: a sample that makes its operation, or why there is none.

`tests/test_every_op.py` fails if `keras.ops` has a name that is in neither table. The samples hold
no opinion about relevance; they are what any table of operations can be tried on.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def signed(rng, shape):
    return rng.uniform(-1, 1, shape)


def positive(rng, shape):
    return rng.uniform(0.1, 0.9, shape)


def apart(rng, shape):
    """Of either sign, and not near zero."""
    return rng.uniform(0.1, 0.9, shape) * rng.choice((-1, 1), shape)


def above_one(rng, shape):
    return rng.uniform(1.1, 2, shape)


def indices(rng, shape):
    return rng.integers(1, 4, shape)


def booleans(rng, shape):
    return rng.integers(0, 2, shape)


def definite(rng, shape):
    """Symmetric matrices whose eigenvalues are positive."""
    root = rng.uniform(-1, 1, shape)
    return root @ np.swapaxes(root, -1, -2) + np.eye(shape[-1])


def triangular(rng, shape):
    return np.tril(rng.uniform(0.5, 1, shape))


class Sample(NamedTuple):
    """How an operation comes into a model.

    Args:
        function: takes one tensor and returns what `keras.ops` makes of it, for a `KerasTensor`
            and for an array alike. No operation of another class is in between, unless the
            function of `keras.ops` itself is made of several.
        shape: the shape of the tensor.
        dtype: its type.
        draw: makes its values, where the operation is defined.
    """

    function: Callable[[Any], Any]
    shape: tuple[int, ...] = (2, 6)
    dtype: str = "float32"
    draw: Draw = signed

    def tensor(self) -> keras.KerasTensor:
        return keras.KerasTensor(self.shape, self.dtype)

    def values(self, seed: int = 0) -> np.ndarray:
        return np.asarray(self.draw(np.random.default_rng(seed), self.shape), self.dtype)

    def input(self, seed: int = 0):
        """The values as a tensor of the backend."""
        return ops.convert_to_tensor(self.values(seed))


def operations(sample: Sample) -> list[keras.Operation]:
    """The operations that a sample makes, in order."""
    x = keras.Input(batch_shape=sample.shape, dtype=sample.dtype)
    made = sample.function(x)
    if made is x:
        return []
    function = keras.Function(x, made)
    return [node for node in function.operations if not isinstance(node, keras.layers.InputLayer)]


def functions(namespace=ops, prefix: str = "") -> dict[str, Callable]:
    """Every public function of `keras.ops`, each once: a module's name is part of it only if the
    function is not in `keras.ops` itself (`"image.resize"`)."""
    names = [name for name in dir(namespace) if not name.startswith("_")]
    found = {name: getattr(namespace, name) for name in names}
    made = {prefix + name: f for name, f in found.items() if not inspect.ismodule(f)}
    for name, module in found.items():
        if inspect.ismodule(module):
            made |= functions(module, f"{prefix}{name}.")
    known: dict[int, str] = {}
    for name in sorted(made, key=lambda name: ("." in name, name)):
        known.setdefault(id(made[name]), name)
    return {name: made[name] for name in sorted(known.values())}


def function_of(key: str) -> str:
    """The name of the function of a key of `SAMPLES`: what follows a colon tells variants apart."""
    return key.partition(":")[0]


def _constant(*shape, seed: int = 7, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape).astype("float32")


def _plain(name: str) -> Callable:
    return lambda x: getattr(ops, name)(x)


def _many(words: str, **options) -> dict[str, Sample]:
    return {name: Sample(_plain(name), **options) for name in words.split()}


def _left(name: str, other: np.ndarray) -> Callable:
    return lambda x: getattr(ops, name)(x, other)


def _right(name: str, other: np.ndarray) -> Callable:
    return lambda x: getattr(ops, name)(other, x)


def _both(name: str) -> Callable:
    return lambda x: getattr(ops, name)(x, x)


def _pairs(words: str, other: np.ndarray, **options) -> dict[str, Sample]:
    """Functions of two tensors: `x` is the first, the second, or both."""
    made = {}
    for name in words.split():
        made[name] = Sample(_left(name, other), **options)
        made[f"{name}: right"] = Sample(_right(name, other), **options)
        made[f"{name}: both"] = Sample(_both(name), **options)
    return made


ROW = _constant(2, 6)
POSITIVE = _constant(2, 6, low=0.5, high=1.5)
INTEGERS = np.arange(1, 13, dtype="int32").reshape(2, 6) % 4
BOOLEANS = ROW > 0
VECTOR = _constant(6)
MATRIX = _constant(6, 4)
SQUARE = _constant(2, 3, 3) + 2 * np.eye(3, dtype="float32")
SERIES, IMAGE, VOLUME = (2, 8, 4), (2, 6, 6, 4), (2, 4, 4, 4, 3)
PICTURE = (2, 8, 8, 3)
HEADS = (2, 4, 2, 3)
HEAD = _constant(*HEADS)
CAUSAL = np.tril(np.ones((4, 4), bool))
CORNERS = np.array([[[0, 0], [0, 7], [7, 0], [7, 7]]] * 2, "float32")
POINTS = _constant(3, 5, low=0, high=5)
GAMMA, BETA = POSITIVE[0], ROW[0]

SAMPLES: dict[str, Sample] = {
    # Of one tensor, entry by entry.
    **_many(
        "abs absolute angle arcsinh arctan cbrt ceil celu conj conjugate copy cos cosh deg2rad "
        "elu erf erfc exp exp2 expm1 fabs floor gelu hard_shrink hard_sigmoid hard_silu hard_tanh "
        "i0 imag isfinite isinf isnan isneginf isposinf isreal leaky_relu log_sigmoid "
        "nan_to_num negative rad2deg real relu relu6 round selu sigmoid sign signbit silu sin sinc "
        "sinh soft_shrink softplus softsign sparse_plus sparse_sigmoid square squareplus "
        "stop_gradient tan tanh tanh_shrink trunc array convert_to_tensor empty_like "
        "ones_like zeros_like"
    ),
    **_many("arccos arcsin arctanh erfinv"),
    **_many("log log10 log1p log2 rsqrt sqrt", draw=positive),
    **_many("reciprocal", draw=apart),
    **_many("arccosh", draw=above_one),
    **_many("bitwise_invert bitwise_not", dtype="int32", draw=indices),
    **_many("logical_not", dtype="bool", draw=booleans),
    "cast": Sample(lambda x: ops.cast(x, "float16")),
    "cast: to integers": Sample(lambda x: ops.cast(x, "int32")),
    "cast: from integers": Sample(lambda x: ops.cast(x, "float32"), dtype="int32", draw=indices),
    "cast: from booleans": Sample(lambda x: ops.cast(x, "float32"), dtype="bool", draw=booleans),
    "saturate_cast": Sample(lambda x: ops.saturate_cast(x, "float16")),
    "saturate_cast: to integers": Sample(lambda x: ops.saturate_cast(x, "uint8")),
    "celu: alpha": Sample(lambda x: ops.celu(x, 0.5)),
    "clip": Sample(lambda x: ops.clip(x, -0.5, 0.5)),
    "clip: not below zero": Sample(lambda x: ops.clip(x, 0.0, 6.0)),
    "digitize": Sample(lambda x: ops.digitize(x, np.array([-0.5, 0.0, 0.5], "float32"))),
    "elu: alpha": Sample(lambda x: ops.elu(x, 0.5)),
    "full_like": Sample(lambda x: ops.full_like(x, 2.0)),
    "gelu: exact": Sample(lambda x: ops.gelu(x, approximate=False)),
    "leaky_relu: slope": Sample(lambda x: ops.leaky_relu(x, 0.1)),
    "round: decimals": Sample(lambda x: ops.round(x, 1)),
    "squareplus: b": Sample(lambda x: ops.squareplus(x, 1)),
    "threshold": Sample(lambda x: ops.threshold(x, 0.2, 0.0)),
    "threshold: default": Sample(lambda x: ops.threshold(x, 0.2, 0.5)),
    "one_hot": Sample(lambda x: ops.one_hot(x, 4), dtype="int32", draw=indices),
    "multi_hot": Sample(lambda x: ops.multi_hot(x, 4), dtype="int32", draw=indices),
    "view": Sample(lambda x: ops.view(x, "int32")),
    # Of two tensors, entry by entry.
    **_pairs("add subtract multiply maximum minimum fmax fmin logaddexp logaddexp2 hypot", ROW),
    **_pairs("arctan2 heaviside nextafter", ROW),
    **_pairs("divide true_divide divide_no_nan mod fmod floor_divide", POSITIVE, draw=apart),
    **_pairs("power", POSITIVE, draw=positive),
    "power: square": Sample(lambda x: ops.power(x, 2)),
    "power: cube": Sample(lambda x: ops.power(x, 3)),
    **_pairs("equal greater greater_equal isclose less less_equal not_equal", ROW),
    **_pairs("allclose", ROW),
    **_pairs("logical_and logical_or logical_xor", BOOLEANS, dtype="bool", draw=booleans),
    **_pairs(
        "bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift left_shift "
        "right_shift gcd lcm",
        INTEGERS,
        dtype="int32",
        draw=indices,
    ),
    "ldexp": Sample(lambda x: ops.ldexp(x, INTEGERS)),
    "ldexp: right": Sample(lambda x: ops.ldexp(ROW, x), dtype="int32", draw=indices),
    "multiply: number": Sample(lambda x: ops.multiply(x, 2.0)),
    "add: number": Sample(lambda x: ops.add(x, 2.0)),
    "add: broadcast": Sample(lambda x: ops.add(x, VECTOR)),
    "multiply: broadcast": Sample(lambda x: ops.multiply(x, ROW), (6,)),
    "isin": Sample(lambda x: ops.isin(x, np.arange(3)), dtype="int32", draw=indices),
    "isin: right": Sample(lambda x: ops.isin(np.arange(3), x), dtype="int32", draw=indices),
    "searchsorted": Sample(lambda x: ops.searchsorted(np.sort(VECTOR), x), (5,)),
    "polar": Sample(lambda x: ops.polar(x, ROW), draw=positive),
    "polar: right": Sample(lambda x: ops.polar(POSITIVE, x)),
    "where": Sample(lambda x: ops.where(BOOLEANS, x, ROW)),
    "where: right": Sample(lambda x: ops.where(BOOLEANS, ROW, x)),
    "where: both": Sample(lambda x: ops.where(BOOLEANS, x, x)),
    "where: condition": Sample(lambda x: ops.where(x, ROW, 0.0), dtype="bool", draw=booleans),
    "select": Sample(lambda x: ops.select([BOOLEANS, ~BOOLEANS], [x, ROW], 0.0)),
    "select: conditions": Sample(
        lambda x: ops.select([x], [ROW], 0.0), dtype="bool", draw=booleans
    ),
    # Of all entries or those along an axis.
    **_many("all any", dtype="bool", draw=booleans),
    **_many(
        "amax amin argmax argmin average count_nonzero max mean median min nanargmax nanargmin "
        "nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar norm prod ptp std sum var "
        "logsumexp ravel squeeze transpose flip fliplr flipud diagflat corrcoef cumsum cumprod "
        "nancumsum nancumprod argsort sort trapezoid tril triu trace diagonal rot90 diff "
        "log_softmax softmax sparsemax normalize glu layer_normalization rms_normalization "
        "unstack nonzero ndim size"
    ),
    **_many("histogram unique vander", shape=(6,)),
    "argmax: axis": Sample(lambda x: ops.argmax(x, axis=-1)),
    "argpartition": Sample(lambda x: ops.argpartition(x, 2), (6,)),
    "average: weights": Sample(lambda x: ops.average(x, axis=1, weights=np.abs(VECTOR))),
    "average: of the weights": Sample(
        lambda x: ops.average(ROW, axis=1, weights=x), (6,), draw=positive
    ),
    "amax: axis": Sample(lambda x: ops.amax(x, axis=1)),
    "amin: axis": Sample(lambda x: ops.amin(x, axis=1)),
    "max: axis": Sample(lambda x: ops.max(x, axis=1, keepdims=True)),
    "max: initial": Sample(lambda x: ops.max(x, axis=1, initial=0.5)),
    "min: axis": Sample(lambda x: ops.min(x, axis=1, keepdims=True)),
    "mean: axis": Sample(lambda x: ops.mean(x, axis=1, keepdims=True)),
    "median: axis": Sample(lambda x: ops.median(x, axis=1)),
    "sum: axis": Sample(lambda x: ops.sum(x, axis=1, keepdims=True)),
    "std: axis": Sample(lambda x: ops.std(x, axis=1)),
    "var: axis": Sample(lambda x: ops.var(x, axis=1)),
    "prod: axis": Sample(lambda x: ops.prod(x, axis=1)),
    "logsumexp: axis": Sample(lambda x: ops.logsumexp(x, axis=1)),
    "cumsum: axis": Sample(lambda x: ops.cumsum(x, axis=1)),
    "cumprod: axis": Sample(lambda x: ops.cumprod(x, axis=1)),
    "percentile": Sample(lambda x: ops.percentile(x, 30.0)),
    "nanpercentile": Sample(lambda x: ops.nanpercentile(x, 30.0)),
    "quantile": Sample(lambda x: ops.quantile(x, 0.3)),
    "nanquantile": Sample(lambda x: ops.nanquantile(x, 0.3)),
    "norm: axis": Sample(lambda x: ops.norm(x, axis=-1)),
    "norm: of absolute values": Sample(lambda x: ops.norm(x, ord=1, axis=-1)),
    "norm: greatest": Sample(lambda x: ops.norm(x, ord=np.inf, axis=-1)),
    "norm: nuclear": Sample(lambda x: ops.norm(x, ord="nuc")),
    "moments": Sample(lambda x: ops.moments(x, axes=[1])),
    "top_k": Sample(lambda x: ops.top_k(x, 2)),
    "in_top_k": Sample(lambda x: ops.in_top_k(np.array([0, 1]), x, 2)),
    "in_top_k: targets": Sample(
        lambda x: ops.in_top_k(x, _constant(2, 4), 2), (2,), "int32", indices
    ),
    "bincount": Sample(lambda x: ops.bincount(x, minlength=4), dtype="int32", draw=indices),
    "bincount: weights": Sample(lambda x: ops.bincount(INTEGERS, weights=x, minlength=4)),
    "segment_sum": Sample(lambda x: ops.segment_sum(x, np.array([1, 1]), 2)),
    "segment_max": Sample(lambda x: ops.segment_max(x, np.array([0, 0]), 1)),
    "segment_min": Sample(lambda x: ops.segment_min(x, np.array([0, 0]), 1)),
    "segment_prod": Sample(lambda x: ops.segment_prod(x, np.array([0, 0]), 1)),
    "adaptive_average_pool": Sample(lambda x: ops.adaptive_average_pool(x, (2, 2)), IMAGE),
    "adaptive_average_pool: overlapping": Sample(
        lambda x: ops.adaptive_average_pool(x, (4, 4)), IMAGE
    ),
    "adaptive_average_pool: number": Sample(lambda x: ops.adaptive_average_pool(x, 2), IMAGE),
    "adaptive_average_pool: 1": Sample(lambda x: ops.adaptive_average_pool(x, (4,)), SERIES),
    "adaptive_max_pool": Sample(lambda x: ops.adaptive_max_pool(x, (2, 2)), IMAGE),
    "adaptive_max_pool: 1": Sample(lambda x: ops.adaptive_max_pool(x, (4,)), SERIES),
    "average_pool": Sample(lambda x: ops.average_pool(x, (2, 2), (2, 2)), IMAGE),
    "average_pool: same": Sample(lambda x: ops.average_pool(x, 4, 2, "same"), IMAGE),
    "average_pool: 1": Sample(lambda x: ops.average_pool(x, 3, 2), SERIES),
    "average_pool: 3": Sample(lambda x: ops.average_pool(x, (2, 2, 2), (2, 2, 2)), VOLUME),
    "max_pool": Sample(lambda x: ops.max_pool(x, (2, 2), (2, 2)), IMAGE),
    "max_pool: same": Sample(lambda x: ops.max_pool(x, 4, 2, "same"), IMAGE),
    "max_pool: 1": Sample(lambda x: ops.max_pool(x, 3, 2), SERIES),
    "max_pool: 3": Sample(lambda x: ops.max_pool(x, (2, 2, 2), (2, 2, 2)), VOLUME),
    # Scaled to a norm, a mean, a sum.
    "batch_normalization": Sample(
        lambda x: ops.batch_normalization(x, BETA, GAMMA, -1, GAMMA * 0.5, GAMMA)
    ),
    "batch_normalization: bare": Sample(lambda x: ops.batch_normalization(x, BETA, GAMMA, -1)),
    "batch_normalization: axis": Sample(
        lambda x: ops.batch_normalization(x, BETA, GAMMA, 1, BETA, GAMMA), (2, 6, 4)
    ),
    "layer_normalization: scaled": Sample(lambda x: ops.layer_normalization(x, GAMMA, BETA)),
    "layer_normalization: axes": Sample(
        lambda x: ops.layer_normalization(x, axis=(1, 2)), (2, 6, 4)
    ),
    "rms_normalization: scaled": Sample(lambda x: ops.rms_normalization(x, GAMMA)),
    "normalize: order": Sample(lambda x: ops.normalize(x, order=1)),
    "softmax: axis": Sample(lambda x: ops.softmax(x, axis=0)),
    "softmax: axes": Sample(lambda x: ops.softmax(x, axis=(1, 2)), (2, 6, 4)),
    "log_softmax: axes": Sample(lambda x: ops.log_softmax(x, axis=(1, 2)), (2, 6, 4)),
    "glu: axis": Sample(lambda x: ops.glu(x, axis=0)),
    # Moves, copies, leaves out.
    "append": Sample(lambda x: ops.append(x, ROW)),
    "append: right": Sample(lambda x: ops.append(ROW, x, axis=0)),
    "append: both": Sample(lambda x: ops.append(x, x, axis=1)),
    "array_split": Sample(lambda x: ops.array_split(x, 4, axis=1)),
    "broadcast_to": Sample(lambda x: ops.broadcast_to(x, (3, 2, 6))),
    "concatenate": Sample(lambda x: ops.concatenate([x, x], axis=1)),
    "concatenate: constant": Sample(lambda x: ops.concatenate([x, ROW], axis=0)),
    "depth_to_space": Sample(lambda x: ops.depth_to_space(x, 2), IMAGE),
    "diag": Sample(lambda x: ops.diag(x), (6,)),
    "diag: of a matrix": Sample(lambda x: ops.diag(x)),
    "diff: twice": Sample(lambda x: ops.diff(x, n=2)),
    "dsplit": Sample(lambda x: ops.dsplit(x, 2), SERIES),
    "dstack": Sample(lambda x: ops.dstack([x, x])),
    "expand_dims": Sample(lambda x: ops.expand_dims(x, 1)),
    "extract_sequences": Sample(lambda x: ops.extract_sequences(x, 4, 2)),
    "flip: axis": Sample(lambda x: ops.flip(x, axis=1)),
    "fold": Sample(lambda x: ops.fold(x, 3, 2), (1, 4, 4)),
    "get_item": Sample(lambda x: ops.get_item(x, (slice(None), slice(0, 3)))),
    "get_item: integer": Sample(lambda x: ops.get_item(x, 0)),
    "get_item: new axis": Sample(lambda x: ops.get_item(x, (Ellipsis, None))),
    "hsplit": Sample(lambda x: ops.hsplit(x, 2)),
    "hstack": Sample(lambda x: ops.hstack([x, x])),
    "meshgrid": Sample(lambda x: ops.meshgrid(x, VECTOR), (6,)),
    "moveaxis": Sample(lambda x: ops.moveaxis(x, 0, 1)),
    "pad": Sample(lambda x: ops.pad(x, ((0, 0), (1, 2)))),
    "pad: number": Sample(lambda x: ops.pad(x, ((1, 1), (1, 1)), constant_values=2.0)),
    "pad: reflect": Sample(lambda x: ops.pad(x, ((0, 0), (1, 2)), mode="reflect")),
    "rearrange": Sample(lambda x: ops.rearrange(x, "a (b c) -> (a c) b", c=2)),
    "repeat": Sample(lambda x: ops.repeat(x, 2, axis=1)),
    "repeat: by entry": Sample(lambda x: ops.repeat(x, np.array([1, 2]), axis=0)),
    "reshape": Sample(lambda x: ops.reshape(x, (-1, 3))),
    "roll": Sample(lambda x: ops.roll(x, 2, axis=1)),
    "scatter": Sample(lambda x: ops.scatter(np.array([[3], [1]]), x, (4, 6))),
    "scatter: to one place": Sample(lambda x: ops.scatter(np.array([[1], [1]]), x, (4, 6))),
    "scatter: indices": Sample(
        lambda x: ops.scatter(x, np.ones(6, "float32"), (4,)), (6, 1), "int32", indices
    ),
    "scatter_update": Sample(lambda x: ops.scatter_update(x, np.array([[0, 1]]), VECTOR[:1])),
    "scatter_update: right": Sample(
        lambda x: ops.scatter_update(ROW, np.array([[0, 1], [1, 2]]), x), (2,)
    ),
    "scatter_update: add": Sample(
        lambda x: ops.scatter_update(ROW, np.array([[0, 1], [0, 1]]), x, "add"), (2,)
    ),
    "scatter_update: mul": Sample(
        lambda x: ops.scatter_update(x, np.array([[0, 1]]), VECTOR[:1], "mul")
    ),
    "scatter_update: max": Sample(
        lambda x: ops.scatter_update(x, np.array([[0, 1]]), VECTOR[:1], "max")
    ),
    "slice": Sample(lambda x: ops.slice(x, (0, 1), (2, 3))),
    "slice_update": Sample(lambda x: ops.slice_update(x, (0, 1), ROW[:, :3])),
    "slice_update: right": Sample(lambda x: ops.slice_update(ROW, (0, 1), x), (2, 3)),
    "space_to_depth": Sample(lambda x: ops.space_to_depth(x, 2), IMAGE),
    "split": Sample(lambda x: ops.split(x, 3, axis=1)),
    "squeeze: axis": Sample(lambda x: ops.squeeze(x, 1), (2, 1, 6)),
    "stack": Sample(lambda x: ops.stack([x, x], axis=1)),
    "swapaxes": Sample(lambda x: ops.swapaxes(x, 0, 1)),
    "take": Sample(lambda x: ops.take(x, np.array([2, 0, 2]), axis=1)),
    "take: flat": Sample(lambda x: ops.take(x, np.array([2, 0, 2]))),
    "take: indices": Sample(lambda x: ops.take(MATRIX, x, axis=0), dtype="int32", draw=indices),
    "take_along_axis": Sample(lambda x: ops.take_along_axis(x, INTEGERS, axis=1)),
    "take_along_axis: indices": Sample(
        lambda x: ops.take_along_axis(ROW, x, axis=1), dtype="int32", draw=indices
    ),
    "tile": Sample(lambda x: ops.tile(x, (2, 1))),
    "transpose: axes": Sample(lambda x: ops.transpose(x, (0, 2, 1)), (2, 6, 4)),
    "unfold": Sample(lambda x: ops.unfold(x, 2), (2, 3, 4, 4)),
    "unravel_index": Sample(lambda x: ops.unravel_index(x, (2, 3)), dtype="int32", draw=indices),
    "vsplit": Sample(lambda x: ops.vsplit(x, 2)),
    "vstack": Sample(lambda x: ops.vstack([x, x])),
    "view_as_complex": Sample(lambda x: ops.view_as_complex(x), (2, 3, 2)),
    "view_as_real": Sample(lambda x: ops.view_as_real(x), dtype="complex64"),
    # Sums of products.
    "cdist": Sample(lambda x: ops.cdist(x, ROW)),
    "cdist: both": Sample(lambda x: ops.cdist(x, x)),
    "conv": Sample(lambda x: ops.conv(x, _constant(3, 3, 4, 5)), IMAGE),
    "conv: 1": Sample(lambda x: ops.conv(x, _constant(3, 4, 5), 2, "same"), SERIES),
    "conv: 3": Sample(lambda x: ops.conv(x, _constant(2, 2, 2, 3, 5)), VOLUME),
    "conv: dilated": Sample(lambda x: ops.conv(x, _constant(2, 2, 4, 5), dilation_rate=2), IMAGE),
    "conv: groups": Sample(lambda x: ops.conv(x, _constant(3, 3, 2, 6)), IMAGE),
    "conv: kernel": Sample(lambda x: ops.conv(_constant(*IMAGE), x), (3, 3, 4, 5)),
    "conv_transpose": Sample(lambda x: ops.conv_transpose(x, _constant(3, 3, 5, 4), 2), IMAGE),
    "conv_transpose: 1": Sample(
        lambda x: ops.conv_transpose(x, _constant(3, 5, 4), 2, "same"), SERIES
    ),
    "conv_transpose: 3": Sample(
        lambda x: ops.conv_transpose(x, _constant(2, 2, 2, 5, 3), 2), VOLUME
    ),
    "correlate": Sample(lambda x: ops.correlate(x, VECTOR[:3]), (6,)),
    "correlate: right": Sample(lambda x: ops.correlate(VECTOR, x), (3,)),
    "correlate: both": Sample(lambda x: ops.correlate(x, x, "full"), (6,)),
    "cross": Sample(lambda x: ops.cross(x, _constant(2, 3)), (2, 3)),
    "cross: right": Sample(lambda x: ops.cross(_constant(2, 3), x), (2, 3)),
    "depthwise_conv": Sample(lambda x: ops.depthwise_conv(x, _constant(3, 3, 4, 2)), IMAGE),
    "depthwise_conv: 1": Sample(
        lambda x: ops.depthwise_conv(x, _constant(3, 4, 1), 2, "same"), SERIES
    ),
    "dot": Sample(lambda x: ops.dot(x, MATRIX)),
    "dot: right": Sample(lambda x: ops.dot(MATRIX[:2].T, x)),
    "dot: both": Sample(lambda x: ops.dot(x, x), (6, 6)),
    "dot_product_attention": Sample(lambda x: ops.dot_product_attention(x, x, x), HEADS),
    "dot_product_attention: query": Sample(
        lambda x: ops.dot_product_attention(x, HEAD, HEAD), HEADS
    ),
    "dot_product_attention: key": Sample(lambda x: ops.dot_product_attention(HEAD, x, HEAD), HEADS),
    "dot_product_attention: value": Sample(
        lambda x: ops.dot_product_attention(HEAD, HEAD, x), HEADS
    ),
    "dot_product_attention: mask": Sample(
        lambda x: ops.dot_product_attention(x, x, x, mask=CAUSAL[None, None]), HEADS
    ),
    "dot_product_attention: bias": Sample(
        lambda x: ops.dot_product_attention(x, x, x, bias=_constant(1, 2, 4, 4)), HEADS
    ),
    "dot_product_attention: causal": Sample(
        lambda x: ops.dot_product_attention(x, x, x, is_causal=True), HEADS
    ),
    "einsum": Sample(lambda x: ops.einsum("ij,jk->ik", x, MATRIX)),
    "einsum: right": Sample(lambda x: ops.einsum("ji,jk->ik", MATRIX[:2], x)),
    "einsum: both": Sample(lambda x: ops.einsum("ij,kj->ik", x, x)),
    "einsum: one": Sample(lambda x: ops.einsum("ij->j", x)),
    "einsum: three": Sample(lambda x: ops.einsum("ij,jk,lj->ikl", x, MATRIX, ROW)),
    "inner": Sample(lambda x: ops.inner(x, ROW)),
    "inner: both": Sample(lambda x: ops.inner(x, x)),
    "kron": Sample(lambda x: ops.kron(x, ROW)),
    "kron: both": Sample(lambda x: ops.kron(x, x)),
    "matmul": Sample(lambda x: ops.matmul(x, MATRIX)),
    "matmul: right": Sample(lambda x: ops.matmul(MATRIX[:2].T, x)),
    "matmul: both": Sample(lambda x: ops.matmul(x, x), (2, 6, 6)),
    "outer": Sample(lambda x: ops.outer(x, VECTOR), (6,)),
    "outer: both": Sample(lambda x: ops.outer(x, x), (6,)),
    "separable_conv": Sample(
        lambda x: ops.separable_conv(x, _constant(3, 3, 4, 2), _constant(1, 1, 8, 5)), IMAGE
    ),
    "separable_conv: 1": Sample(
        lambda x: ops.separable_conv(x, _constant(3, 4, 2), _constant(1, 8, 5)), SERIES
    ),
    "tensordot": Sample(lambda x: ops.tensordot(x, MATRIX, axes=1)),
    "tensordot: right": Sample(lambda x: ops.tensordot(MATRIX[:2].T, x, axes=1)),
    "tensordot: both": Sample(lambda x: ops.tensordot(x, x, axes=2)),
    "trapezoid: places": Sample(lambda x: ops.trapezoid(x, np.arange(6, dtype="float32") ** 2)),
    "vdot": Sample(lambda x: ops.vdot(x, VECTOR), (6,)),
    "vdot: both": Sample(lambda x: ops.vdot(x, x), (6,)),
    # Matrices.
    "cholesky": Sample(lambda x: ops.cholesky(x), (2, 3, 3), draw=definite),
    "cholesky_inverse": Sample(lambda x: ops.cholesky_inverse(x), (3, 3), draw=triangular),
    "det": Sample(lambda x: ops.det(x), (2, 3, 3)),
    "eig": Sample(lambda x: ops.eig(x), (2, 3, 3)),
    "eigh": Sample(lambda x: ops.eigh(x), (2, 3, 3), draw=definite),
    "inv": Sample(lambda x: ops.inv(x), (2, 3, 3), draw=definite),
    "logdet": Sample(lambda x: ops.logdet(x), (2, 3, 3), draw=definite),
    "lstsq": Sample(lambda x: ops.lstsq(x, _constant(6, 2)), (6, 3)),
    "lstsq: right": Sample(lambda x: ops.lstsq(_constant(6, 3), x), (6, 2)),
    "lu_factor": Sample(lambda x: ops.lu_factor(x), (3, 3), draw=definite),
    "matrix_rank": Sample(lambda x: ops.matrix_rank(x), (2, 3, 3)),
    "pinv": Sample(lambda x: ops.pinv(x)),
    "qr": Sample(lambda x: ops.qr(x), (2, 3, 3), draw=definite),
    "slogdet": Sample(lambda x: ops.slogdet(x), (2, 3, 3), draw=definite),
    "solve": Sample(lambda x: ops.solve(x, _constant(2, 3, 1)), (2, 3, 3), draw=definite),
    "solve: right": Sample(lambda x: ops.solve(SQUARE, x), (2, 3, 2)),
    "solve_triangular": Sample(
        lambda x: ops.solve_triangular(x, _constant(2, 3, 1), lower=True),
        (2, 3, 3),
        draw=triangular,
    ),
    "solve_triangular: right": Sample(
        lambda x: ops.solve_triangular(SQUARE, x, lower=True), (2, 3, 2)
    ),
    "svd": Sample(lambda x: ops.svd(x), (2, 3, 3)),
    # Spectra.
    "fft": Sample(lambda x: ops.fft((x, ROW))),
    "fft2": Sample(lambda x: ops.fft2((x, ROW))),
    "ifft2": Sample(lambda x: ops.ifft2((x, ROW))),
    "rfft": Sample(lambda x: ops.rfft(x)),
    "irfft": Sample(lambda x: ops.irfft((x, ROW))),
    "stft": Sample(lambda x: ops.stft(x, 4, 2, 4), (2, 12)),
    "istft": Sample(lambda x: ops.istft((x, x), 4, 2, 4), (2, 5, 3)),
    # Losses and likenesses.
    "binary_crossentropy": Sample(
        lambda x: ops.binary_crossentropy(BOOLEANS.astype("float32"), x), draw=positive
    ),
    "binary_crossentropy: target": Sample(
        lambda x: ops.binary_crossentropy(x, np.clip(POSITIVE / 2, 0.1, 0.9)), draw=positive
    ),
    "categorical_crossentropy": Sample(
        lambda x: ops.categorical_crossentropy(POSITIVE, x), draw=positive
    ),
    "sparse_categorical_crossentropy": Sample(
        lambda x: ops.sparse_categorical_crossentropy(np.array([1, 2]), x), draw=positive
    ),
    "sparse_categorical_crossentropy: logits": Sample(
        lambda x: ops.sparse_categorical_crossentropy(np.array([1, 2]), x, from_logits=True)
    ),
    "ctc_loss": Sample(
        lambda x: ops.ctc_loss(np.array([[1, 2], [2, 1]]), x, np.array([2, 2]), np.array([6, 6])),
        (2, 6, 4),
    ),
    "ctc_decode": Sample(lambda x: ops.ctc_decode(x, np.array([6, 6])), (2, 6, 4)),
    "psnr": Sample(lambda x: ops.psnr(x, ROW, 2.0)),
    # Images.
    "image.affine_transform": Sample(
        lambda x: ops.image.affine_transform(x, _constant(2, 8) * 0.1 + [1, 0, 0, 0, 1, 0, 0, 0]),
        PICTURE,
    ),
    "image.crop_images": Sample(lambda x: ops.image.crop_images(x, 1, 1, 1, 1), PICTURE),
    "image.elastic_transform": Sample(
        lambda x: ops.image.elastic_transform(x, 2.0, 1.0, seed=0), PICTURE
    ),
    "image.extract_patches": Sample(lambda x: ops.image.extract_patches(x, 4), PICTURE),
    "image.extract_patches: overlapping": Sample(
        lambda x: ops.image.extract_patches(x, 3, 1, padding="same"), PICTURE
    ),
    "image.extract_patches_3d": Sample(
        lambda x: ops.image.extract_patches_3d(x, (2, 2, 2), (2, 2, 2)), VOLUME
    ),
    "image.gaussian_blur": Sample(
        lambda x: ops.image.gaussian_blur(x, data_format="channels_last"), PICTURE
    ),
    "image.hsv_to_rgb": Sample(lambda x: ops.image.hsv_to_rgb(x), PICTURE, draw=positive),
    "image.map_coordinates": Sample(
        lambda x: ops.image.map_coordinates(x, POINTS[:2], order=1), (6, 6)
    ),
    "image.map_coordinates: coordinates": Sample(
        lambda x: ops.image.map_coordinates(_constant(6, 6), x, order=1), (2, 5), draw=above_one
    ),
    "image.pad_images": Sample(lambda x: ops.image.pad_images(x, 1, 1, 1, 1), PICTURE),
    "image.perspective_transform": Sample(
        lambda x: ops.image.perspective_transform(x, CORNERS, CORNERS * 0.9), PICTURE
    ),
    "image.resize": Sample(lambda x: ops.image.resize(x, (5, 5)), PICTURE),
    "image.resize: nearest": Sample(
        lambda x: ops.image.resize(x, (16, 16), interpolation="nearest"), PICTURE
    ),
    "image.resize: bicubic": Sample(
        lambda x: ops.image.resize(x, (12, 12), interpolation="bicubic"), PICTURE
    ),
    "image.rgb_to_grayscale": Sample(lambda x: ops.image.rgb_to_grayscale(x), PICTURE),
    "image.rgb_to_hsv": Sample(lambda x: ops.image.rgb_to_hsv(x), PICTURE, draw=positive),
    "image.scale_and_translate": Sample(
        lambda x: ops.image.scale_and_translate(
            x, (2, 5, 5, 3), np.full(2, 0.6, "float32"), np.zeros(2, "float32"), (1, 2), "linear"
        ),
        PICTURE,
    ),
    "image.sobel_edges": Sample(lambda x: ops.image.sobel_edges(x), PICTURE),
    "image.ssim": Sample(
        lambda x: ops.image.ssim(x, _constant(2, 12, 12, 3), filter_size=7), (2, 12, 12, 3)
    ),
    # Places between two.
    "full": Sample(lambda x: ops.full((2,), x), ()),
    "geomspace": Sample(lambda x: ops.geomspace(x, 2.0, 5), (6,), draw=positive),
    "linspace": Sample(lambda x: ops.linspace(x, 2.0, 5), (6,)),
    "linspace: right": Sample(lambda x: ops.linspace(0.0, x, 5), (6,)),
    "logspace": Sample(lambda x: ops.logspace(x, 2.0, 5), (6,)),
    # Tensors that are rarely the only symbolic argument.
    "batch_normalization: mean": Sample(lambda x: ops.batch_normalization(ROW, x, GAMMA, -1), (6,)),
    "batch_normalization: scale": Sample(
        lambda x: ops.batch_normalization(ROW, BETA, GAMMA, -1, scale=x), (6,)
    ),
    "clip: bounds": Sample(lambda x: ops.clip(ROW, -x, x), (), draw=positive),
    "conv_transpose: kernel": Sample(
        lambda x: ops.conv_transpose(_constant(*IMAGE), x), (3, 3, 5, 4)
    ),
    "depthwise_conv: kernel": Sample(
        lambda x: ops.depthwise_conv(_constant(*IMAGE), x), (3, 3, 4, 2)
    ),
    "digitize: bins": Sample(lambda x: ops.digitize(ROW, x), (1,)),
    "dot_product_attention: only the mask": Sample(
        lambda x: ops.dot_product_attention(HEAD, HEAD, HEAD, mask=x),
        (2, 1, 4, 4),
        "bool",
        booleans,
    ),
    "dot_product_attention: only the bias": Sample(
        lambda x: ops.dot_product_attention(HEAD, HEAD, HEAD, bias=x), (2, 2, 4, 4)
    ),
    "layer_normalization: gamma": Sample(lambda x: ops.layer_normalization(ROW, x), (6,)),
    "pad: constant": Sample(lambda x: ops.pad(ROW, ((1, 1), (1, 1)), constant_values=x), ()),
    "percentile: q": Sample(lambda x: ops.percentile(ROW, x), (), draw=positive),
    "repeat: repeats": Sample(lambda x: ops.repeat(VECTOR, x), (6,), "int32", indices),
    "rms_normalization: scale": Sample(lambda x: ops.rms_normalization(ROW, x), (6,)),
    "searchsorted: sorted": Sample(lambda x: ops.searchsorted(x, VECTOR), (1,)),
    "segment_sum: segments": Sample(
        lambda x: ops.segment_sum(VECTOR, x, 4), (6,), "int32", indices
    ),
    "separable_conv: kernel": Sample(
        lambda x: ops.separable_conv(_constant(*IMAGE), x, _constant(1, 1, 8, 5)), (3, 3, 4, 2)
    ),
    "slice: start": Sample(lambda x: ops.slice(MATRIX, (x, 0), (2, 3)), (), "int32", indices),
    "slice_update: start": Sample(
        lambda x: ops.slice_update(MATRIX, x, MATRIX[:2, :1]), (2,), "int32", indices
    ),
    "trapezoid: only the places": Sample(lambda x: ops.trapezoid(VECTOR, x), (6,)),
    "unique: size": Sample(lambda x: ops.unique(x, size=4), (6,)),
    "where: only a condition": Sample(lambda x: ops.where(x), dtype="bool", draw=booleans),
    # Functions over tensors.
    "associative_scan": Sample(lambda x: ops.associative_scan(ops.add, x)),
    "cond": Sample(
        lambda x: ops.cond(x, lambda: ops.ones((6,)), lambda: ops.zeros((6,))),
        (),
        "bool",
        booleans,
    ),
    "cond: decided": Sample(lambda x: ops.cond(True, lambda: ops.relu(x), lambda: ops.tanh(x))),
    "fori_loop": Sample(lambda x: ops.fori_loop(0, 3, lambda i, s: ops.tanh(s), x)),
    "map": Sample(lambda x: ops.map(ops.tanh, x)),
    "scan": Sample(lambda x: ops.scan(lambda s, v: (s + v, s * v), ops.zeros((6,)), x)),
    "switch": Sample(lambda x: ops.switch(1, [ops.relu, ops.tanh], x)),
    "vectorized_map": Sample(lambda x: ops.vectorized_map(ops.tanh, x)),
    "while_loop": Sample(
        lambda x: ops.while_loop(lambda s: ops.sum(s) < 9, lambda s: (s + 1.0,), (x,))
    ),
    "jvp": Sample(lambda x: ops.jvp(ops.tanh, (x,), (ROW,))),
}

_SHAPES = "takes sizes, not a tensor, and makes a constant"
_WINDOW = "takes the length of a window, and refuses a symbolic one"
_FACT = "returns no tensor"
# The functions without a sample.
REASONS: dict[str, str] = {
    "arange": "takes numbers, and a symbolic one cannot say how many entries there are",
    **dict.fromkeys("empty eye identity ones tri zeros".split(), _SHAPES),  # noqa: SIM905
    **dict.fromkeys("bartlett blackman hamming hanning kaiser".split(), _WINDOW),  # noqa: SIM905
    **dict.fromkeys("dtype is_tensor shape".split(), _FACT),  # noqa: SIM905
    "convert_to_numpy": "needs values, and raises for a symbolic tensor",
    "custom_gradient": "takes a function, and what it returns goes to the backend",
    "vectorize": "takes a function, and is not there on TensorFlow",
}

_UNSEEN = "Keras looks at another argument only, and hands this one to the backend"
# Samples that raise for a symbolic tensor: why. Some versions of Keras trace some of them.
UNTRACEABLE: dict[str, str] = {
    **dict.fromkeys(
        (
            "average: of the weights",
            "bincount: weights",
            "clip: bounds",
            "conv: kernel",
            "conv_transpose: kernel",
            "dot_product_attention: only the bias",
            "dot_product_attention: only the mask",
            "repeat: repeats",
            "segment_sum: segments",
            "separable_conv: kernel",
            "trapezoid: only the places",
        ),
        _UNSEEN,
    ),
    "adaptive_average_pool: number": "Keras wants to know how many sizes there are",
    "conv: groups": "Keras wants as many channels in the kernel as in the input",
}
# Samples of which Keras promises another shape or type than it makes: which.
MISJUDGED: dict[str, str] = {
    **dict.fromkeys(
        (
            "adaptive_average_pool",
            "adaptive_average_pool: 1",
            "adaptive_average_pool: overlapping",
            "adaptive_max_pool",
            "adaptive_max_pool: 1",
        ),
        "one axis too many, where the channels are last",
    ),
    "bincount": "the last size is not known",
    "corrcoef": "the shape of the input, not a row and a column for each variable",
    **dict.fromkeys(("cross", "cross: right"), "exchanged axes, in Keras 3.13"),
    "eig": "real, not complex",
    **dict.fromkeys(("inner", "inner: both"), "no axes, in Keras 3.14"),
    "lu_factor": "pivots that are no integers",
    "multi_hot": "integers, not numbers",
    "ndim": "a tensor, not a number",
    "nonzero": "the count is not known",
    "polar": "real, not complex",
    "polar: right": "real, not complex",
    "slogdet": "the shape of another output",
    "unique": "the count is not known",
    "where: only a condition": "one tensor of the shape of the condition, not indices",
}
# Samples whose operation, run by itself, does not make what the function makes: why.
MISRUN: dict[str, str] = {
    **dict.fromkeys(
        ("conv_transpose", "conv_transpose: 1", "conv_transpose: 3"),
        "`ConvTranspose.call` exchanges `padding` and `output_padding`",
    ),
    **dict.fromkeys(
        ("softmax: axes", "log_softmax: axes"), "its `call` knows one axis; the function, several"
    ),
    "histogram": "its `call` looks for what the backend has elsewhere",
    "view_as_complex": "its `call` raises on TensorFlow",
    "where: only a condition": "Keras promises one tensor; there is one for each axis",
}

_REDUCTIONS = ("scatter_update: add", "scatter_update: mul", "scatter_update: max")
# Samples of what older versions of Keras lack, or get wrong.
SINCE: dict[str, tuple[int, int]] = {
    **dict.fromkeys(_REDUCTIONS, (3, 14)),
    "image.extract_patches: overlapping": (3, 14),
}


def installed() -> dict[str, Sample]:
    """The samples of what the installed version of Keras has."""
    version = tuple(int(part) for part in keras.__version__.split(".")[:2])
    there = functions()
    return {
        key: sample
        for key, sample in SAMPLES.items()
        if function_of(key) in there and version >= SINCE.get(key, version)
    }


# The functions of `keras.activations`: what layers run under a name.
ACTIVATIONS: dict[str, Sample] = {
    **{
        name: Sample(getattr(keras.activations, name))
        for name in dir(keras.activations)
        if not name.startswith("_") and name not in ("get", "serialize", "deserialize")
    },
    "relu: leaky": Sample(lambda x: keras.activations.relu(x, negative_slope=0.1)),
    "relu: bounded": Sample(lambda x: keras.activations.relu(x, max_value=6)),
    "relu: from": Sample(lambda x: keras.activations.relu(x, threshold=0.5)),
    "threshold": Sample(lambda x: keras.activations.threshold(x, 0.2, 0.0)),
}
# Those that hand a symbolic tensor to the backend, which raises.
UNTRACEABLE_ACTIVATIONS = ("hard_silu", "hard_swish", "mish", "sparsemax")
OTHERS: dict[str, Sample] = {
    "quantizers.fake_quant_with_min_max_vars": Sample(
        lambda x: keras.quantizers.fake_quant_with_min_max_vars(x, -1.0, 1.0)
    ),
}

# What Python writes for a tensor: by the method of `KerasTensor` that runs.
OPERATORS: dict[str, Sample] = {
    "__abs__": Sample(lambda x: abs(x)),
    "__add__": Sample(lambda x: x + ROW),
    "__radd__": Sample(lambda x: 1.0 + x),
    "__sub__": Sample(lambda x: x - ROW),
    "__rsub__": Sample(lambda x: 1.0 - x),
    "__mul__": Sample(lambda x: x * ROW),
    "__rmul__": Sample(lambda x: 2.0 * x),
    "__matmul__": Sample(lambda x: x @ MATRIX),
    "__truediv__": Sample(lambda x: x / POSITIVE),
    "__rtruediv__": Sample(lambda x: 1.0 / x, draw=apart),
    "__neg__": Sample(lambda x: -x),
    "__pow__": Sample(lambda x: x**2),
    "__rpow__": Sample(lambda x: 2.0**x),
    "__floordiv__": Sample(lambda x: x // 2.0),
    "__rfloordiv__": Sample(lambda x: 2.0 // x, draw=positive),
    "__mod__": Sample(lambda x: x % 2.0),
    "__rmod__": Sample(lambda x: 2.0 % x, draw=positive),
    "__lt__": Sample(lambda x: x < 0.0),
    "__le__": Sample(lambda x: x <= 0.0),
    "__gt__": Sample(lambda x: x > 0.0),
    "__ge__": Sample(lambda x: x >= 0.0),
    "__ne__": Sample(lambda x: x != 0.0),
    "__and__": Sample(lambda x: x & BOOLEANS, dtype="bool", draw=booleans),
    "__or__": Sample(lambda x: x | BOOLEANS, dtype="bool", draw=booleans),
    "__xor__": Sample(lambda x: x ^ BOOLEANS, dtype="bool", draw=booleans),
    "__invert__": Sample(lambda x: ~x, dtype="bool", draw=booleans),
    "__getitem__": Sample(lambda x: x[:, 1:3]),
    "__round__": Sample(lambda x: round(x)),
    "reshape": Sample(lambda x: x.reshape((3, 4))),
    "squeeze": Sample(lambda x: x.squeeze(1), (2, 1, 6)),
}
