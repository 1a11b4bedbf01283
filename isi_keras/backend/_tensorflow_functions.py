"""Functions of TensorFlow as Keras' operations, for layers that call TensorFlow themselves.

TensorFlow refuses symbolic tensors, and asks before it does (`GlobalOpDispatcher`). In a thread
that traces a model the answer is the operation of Keras that computes the same; what is not in
`KNOWN`, or is called with options that Keras has not, stays refused. That both agree is checked as
for every graph: it has to compute what the model does.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from isi_keras._operators import tracing


def _of_one(operation):
    return lambda *args, x=None, features=None, name=None: operation(
        *args, *(given for given in (x, features) if given is not None)
    )


def _of_two(operation):
    return lambda x, y, name=None: operation(x, y)


def _reducing(name):
    operation = getattr(ops, name)

    def reduced(input_tensor, axis=None, keepdims=False, name=None):
        if not isinstance(input_tensor, keras.KerasTensor):
            return None
        whole = not keras.backend.is_float_dtype(input_tensor.dtype)
        if whole and operation not in _OF_ANY:  # TensorFlow's means of whole numbers are whole
            return None
        found = operation(input_tensor, axis=_axes(axis), keepdims=bool(keepdims))
        return ops.cast(found, input_tensor.dtype) if whole else found

    return reduced


def _arg(operation):
    return lambda input, axis=None, output_type=None, name=None: operation(
        input, axis=0 if axis is None else axis
    )


def _axes(axis):
    axis = axis if axis is None else np.asarray(axis).tolist()
    return tuple(axis) if isinstance(axis, list) else axis


def _matmul(a, b, transpose_a=False, transpose_b=False, **others):
    if any(value not in (None, False) for key, value in others.items() if key != "name"):
        return None
    a = ops.swapaxes(a, -1, -2) if transpose_a else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if transpose_b else b)


def _gather(params, indices, validate_indices=None, name=None, axis=None, batch_dims=0):
    if batch_dims == 0:
        return ops.take(params, indices, axis=0 if axis is None else axis)
    along = batch_dims == len(params.shape) - 1 == len(indices.shape) - 1
    if not along or axis not in (None, batch_dims):
        return None
    return ops.take_along_axis(params, indices, batch_dims)


def _split(value, num_or_size_splits, axis=0, num=None, name=None):
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis)
    sizes = [int(size) for size in num_or_size_splits]
    if -1 in sizes:
        sizes[sizes.index(-1)] = value.shape[axis] - sum(sizes) - 1
    return ops.split(value, np.cumsum(sizes)[:-1].tolist(), axis)


def _slice(input_, begin, size, name=None):
    ends = [None if many == -1 else at + many for at, many in zip(begin, size, strict=True)]
    return input_[tuple(slice(at, end) for at, end in zip(begin, ends, strict=True))]


def _pad(tensor, paddings, mode="CONSTANT", name=None, constant_values=0):
    values = {"constant_values": constant_values} if mode.upper() == "CONSTANT" else {}
    return ops.pad(tensor, [tuple(map(int, pair)) for pair in paddings], mode.lower(), **values)


def _where(condition, x=None, y=None, name=None):
    return None if x is None or y is None else ops.where(condition, x, y)


def _softmax(operation):
    return lambda logits, axis=None, name=None: operation(
        logits, -1 if axis is None else _axes(axis)
    )


def _l2_normalize(x, axis=None, epsilon=1e-12, name=None, dim=None):
    square = ops.sum(ops.square(x), _axes(axis), keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, epsilon))


def _norm(tensor, ord="euclidean", axis=None, keepdims=None, name=None):
    if ord not in ("euclidean", 2) or (ord == 2 and not isinstance(axis, int)):
        return None
    return ops.sqrt(ops.sum(ops.square(tensor), _axes(axis), keepdims=bool(keepdims)))


def _inner(window):
    """The middle of four numbers for images with the channels behind; `None` if it is no such."""
    if isinstance(window, int):
        return window
    window = tuple(window)
    if len(window) == 4:
        return window[1:3] if (window[0], window[3]) == (1, 1) else None
    return window if len(window) == 2 else None


def _conv2d(
    input, filter, strides, padding, use_cudnn_on_gpu=True, data_format="NHWC", dilations=None, **_
):
    steps, wide = _inner(strides), _inner(1 if dilations is None else dilations)
    if data_format != "NHWC" or not isinstance(padding, str) or None in (steps, wide):
        return None
    return ops.conv(input, filter, steps, padding.lower(), "channels_last", wide)


def _pool(operation):
    def pooled(input, ksize, strides, padding, data_format="NHWC", name=None):
        size, steps = _inner(ksize), _inner(strides)
        if data_format != "NHWC" or not isinstance(padding, str) or None in (size, steps):
            return None
        return operation(input, size, steps, padding.lower(), "channels_last")

    return pooled


def _cumsum(x, axis=0, exclusive=False, reverse=False, name=None):
    return None if exclusive or reverse else ops.cumsum(x, axis)


def _converted(value, dtype=None, dtype_hint=None, name=None):
    if not isinstance(value, keras.KerasTensor):
        return None
    return value if dtype is None else ops.cast(value, tf.as_dtype(dtype).name)


_SAME = (
    "abs exp log log1p expm1 sqrt rsqrt square sin cos tan tanh sinh cosh sigmoid softplus sign "
    "floor ceil round reciprocal erf relu relu6 elu selu softsign logical_not"
)
_PAIRS = (
    "add subtract multiply divide maximum minimum less less_equal greater greater_equal equal "
    "not_equal logical_and logical_or"
)
_OF_ANY = ops.sum, ops.prod, ops.max, ops.min, ops.any, ops.all
_REDUCED = "sum mean max min prod any all std logsumexp"
KNOWN = {
    **{name: _of_one(getattr(ops, name)) for name in _SAME.split()},
    **{name: _of_two(getattr(ops, name)) for name in _PAIRS.split()},
    **{f"reduce_{name}": _reducing(name) for name in _REDUCED.split()},
    "reduce_variance": _reducing("var"),
    "argmax_v2": _arg(ops.argmax),
    "argmin_v2": _arg(ops.argmin),
    "neg": _of_one(ops.negative),
    "is_nan": _of_one(ops.isnan),
    "tensor_equals": _of_two(ops.equal),
    "tensor_not_equals": _of_two(ops.not_equal),
    "pow": _of_two(ops.power),
    "floordiv": _of_two(ops.floor_divide),
    "div_no_nan": _of_two(ops.divide_no_nan),
    "squared_difference": _of_two(lambda x, y: ops.square(x - y)),
    "swish": lambda features, beta=1.0: features * ops.sigmoid(beta * features),
    "gelu": lambda features, approximate=False, name=None: ops.gelu(features, approximate),
    "leaky_relu": lambda features, alpha=0.2, name=None: ops.leaky_relu(features, alpha),
    "softmax_v2": _softmax(ops.softmax),
    "log_softmax_v2": _softmax(ops.log_softmax),
    "einsum": lambda equation, *inputs, **_: (
        ops.einsum(equation, *inputs) if "->" in equation else None
    ),
    "matmul": _matmul,
    "tensordot": lambda a, b, axes, name=None: ops.tensordot(a, b, axes),
    "reshape": lambda tensor, shape, name=None: ops.reshape(tensor, shape),
    "transpose_v2": lambda a, perm=None, conjugate=False, name=None: ops.transpose(a, perm),
    "concat": lambda values, axis, name=None: ops.concatenate(values, axis),
    "stack": lambda values, axis=0, name=None: ops.stack(values, axis),
    "unstack": lambda value, num=None, axis=0, name=None: ops.unstack(value, num, axis),
    "split": _split,
    "expand_dims_v2": lambda input, axis, name=None: ops.expand_dims(input, axis),
    "squeeze_v2": lambda input, axis=None, name=None: ops.squeeze(input, _axes(axis)),
    "tile": lambda input, multiples, name=None: ops.tile(input, _axes(multiples)),
    "repeat": lambda input, repeats, axis=None, name=None: ops.repeat(input, repeats, axis),
    "reverse_v2": lambda tensor, axis, name=None: ops.flip(tensor, _axes(axis)),
    "roll": lambda input, shift, axis, name=None: ops.roll(input, shift, axis),
    "slice": _slice,
    "pad": _pad,
    "where_v2": _where,
    "cast": lambda x, dtype, name=None: ops.cast(x, tf.as_dtype(dtype).name),
    "clip_by_value": lambda t, clip_value_min, clip_value_max, name=None: ops.clip(
        t, clip_value_min, clip_value_max
    ),
    "identity": lambda input, name=None: input,
    "stop_gradient": lambda input, name=None: ops.stop_gradient(input),
    "shape_v2": lambda input, out_type=None, name=None: ops.shape(input),
    "rank": lambda input, name=None: len(input.shape),
    "zeros_like_v2": lambda input, dtype=None, name=None, layout=None: ops.zeros_like(input, dtype),
    "ones_like_v2": lambda input, dtype=None, name=None, layout=None: ops.ones_like(input, dtype),
    "broadcast_to": lambda input, shape, name=None: ops.broadcast_to(input, shape),
    "gather": _gather,
    "embedding_lookup_v2": lambda params, ids, max_norm=None, name=None: (
        ops.take(params, ids, axis=0) if max_norm is None else None
    ),
    "top_k": lambda input, k=1, sorted=True, **_: ops.top_k(input, k, sorted),
    "add_n": lambda inputs, name=None: sum(inputs[1:], inputs[0]),
    "l2_normalize": _l2_normalize,
    "norm": _norm,
    "cumsum": _cumsum,
    "bias_add": lambda value, bias, data_format=None, name=None: (
        value + bias if data_format in (None, "NHWC") else None
    ),
    "conv2d": _conv2d,
    "max_pool2d": _pool(ops.max_pool),
    "avg_pool2d": _pool(ops.average_pool),
    "convert_to_tensor_v2_with_dispatch": _converted,
    "ensure_shape": lambda x, shape, name=None: x,
}


class _Answer(tf.__internal__.dispatch.GlobalOpDispatcher):
    def handle(self, op, args, kwargs):
        known = KNOWN.get(op.__name__) if tracing() else None
        found = None if known is None else known(*args, **kwargs)
        return self.NOT_SUPPORTED if found is None else found


def register() -> None:
    """TensorFlow asks from now on."""
    _Answer().register()
