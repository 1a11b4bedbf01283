"""`vjp` and `jit` for TensorFlow."""

import tensorflow as tf


def vjp(fn, x):
    """Returns `fn(x)` and the pullback of `fn` at `x`, which may be called more than once."""
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(x)
        y = fn(x)

    def pullback(cotangent):
        return tape.gradient(
            y, x, output_gradients=cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    return y, pullback


def jit(fn):
    """Compiles a pure function of tensors."""
    return tf.function(fn, autograph=False)
