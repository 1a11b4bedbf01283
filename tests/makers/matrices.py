"""Layers as float64 matrices `(J, K)` from flat inputs to flat outputs, channels last, by loops."""

import numpy as np


def conv_matrix(kernel, shape, strides=1, padding="valid", dilation=1, groups=1):
    """The matrix of a convolution in any number of dimensions, and the shape of its output.

    A depthwise kernel `(*window, C, M)` is `kernel.reshape(*window, 1, C * M)` with `groups=C`.
    The matrix of a transposed convolution, whose Keras kernel is `(*window, filters, channels)`, is
    the transpose of this one for the same kernel and the shape of *its output*.

    Args:
        kernel: `(*window, channels / groups, filters)`.
        shape: `(*space, channels)` of the input.
        padding: "valid", "same", "causal", or how many zeros on each side.
    """
    *window, fan_in, filters = kernel.shape
    space, steps = np.array(shape[:-1]), np.broadcast_to(strides, len(window))
    dilation = np.broadcast_to(dilation, len(window))
    span = (np.array(window) - 1) * dilation + 1
    if padding == "same":
        zeros = np.maximum((-(-space // steps) - 1) * steps + span - space, 0)
        before = zeros // 2
    elif padding == "causal":
        zeros = before = span - 1
    else:
        before = 0 if padding == "valid" else padding
        zeros = 2 * before
    positions = (space + zeros - span) // steps + 1
    whole = np.zeros((*window, shape[-1], filters))
    for k in range(filters):
        first = k // (filters // groups) * fan_in
        whole[..., first : first + fan_in, k] = kernel[..., k]
    matrix = np.zeros((*shape, *positions, filters))
    for position in np.ndindex(*positions):
        for offset in np.ndindex(*window):
            source = position * steps + offset * dilation - before
            if (source >= 0).all() and (source < space).all():
                matrix[(*source, slice(None), *position)] = whole[offset]
    output_shape = (*positions.tolist(), filters)
    return matrix.reshape(np.prod(shape), np.prod(output_shape)), output_shape


def windows(shape, size, strides=None, padding="valid"):
    """1 where an input is in the window of a pooling's output, else 0, and the output's shape.

    Divided by their sum over the inputs, they are the matrix of average pooling.
    """
    ones = np.ones((*np.broadcast_to(size, len(shape) - 1), 1, shape[-1]))
    return conv_matrix(ones, shape, strides or size, padding, groups=shape[-1])


def merged(kernel, bias, gamma, beta, mean, variance, epsilon):
    """Kernel and bias of a convolution with the batch normalization that follows in them."""
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale, (bias - mean) * scale + beta
