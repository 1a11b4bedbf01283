"""`vjp` and `jit` for TensorFlow."""

import functools

import tensorflow as tf

SHRINK = 2


def vjp(fn, x):
    """Returns `fn(x)` and the pullback of `fn` at `x`, a structure, for any number of calls."""
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        for tensor in tf.nest.flatten(x):
            tape.watch(tensor)
        y = fn(x)

    def pullback(cotangent):
        return tape.gradient(
            y, x, output_gradients=cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    return y, pullback


def uncompiled(fn):
    """The function itself: what is compiled around it is of one piece."""
    return fn


def jit(fn):
    """Compiles a pure function of tensors, once for each set of shapes.

    A function of its own for each: TensorFlow warns of one that is traced often, which is meant.
    """
    functions = {}

    def run(*tensors):
        shapes = tuple(tuple(tensor.shape) for tensor in tf.nest.flatten(tensors))
        if shapes not in functions:
            functions[shapes] = tf.function(functools.partial(fn), autograph=False)
        return functions[shapes](*tensors)

    return run
