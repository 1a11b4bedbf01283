"""What the propagation of relevance has to know of an activation function."""

from typing import Any, NamedTuple

import keras


class Kind(NamedTuple):
    """The character of an activation.

    Args:
        linear: it does nothing.
        homogeneous: `f(z) = f'(z) z`: the plain gradient passes relevance on unchanged.
        nonnegative: no value is below 0.
        squashed: its values are bounded, so that in a product it is the gate.
        gated: it multiplies one half of its input by the sigmoid of the other.
    """

    linear: bool = False
    homogeneous: bool = False
    nonnegative: bool = False
    squashed: bool = False
    gated: bool = False


_KINDS = {
    "linear": Kind(linear=True, homogeneous=True),
    "identity": Kind(linear=True, homogeneous=True),
    "relu": Kind(homogeneous=True, nonnegative=True),
    "leakyrelu": Kind(homogeneous=True),
    "prelu": Kind(homogeneous=True),
    "abs": Kind(homogeneous=True, nonnegative=True),
    "absolute": Kind(homogeneous=True, nonnegative=True),
    "relu6": Kind(nonnegative=True, squashed=True),
    "sigmoid": Kind(nonnegative=True, squashed=True),
    "hardsigmoid": Kind(nonnegative=True, squashed=True),
    "sparsesigmoid": Kind(nonnegative=True, squashed=True),
    "softmax": Kind(nonnegative=True, squashed=True),
    "sparsemax": Kind(nonnegative=True, squashed=True),
    "softplus": Kind(nonnegative=True),
    "squareplus": Kind(nonnegative=True),
    "exponential": Kind(nonnegative=True),
    "exp": Kind(nonnegative=True),
    "square": Kind(nonnegative=True),
    "glu": Kind(gated=True),
}


def of(activation: Any) -> Kind:
    """The character of a function, a layer or an operation; a plain `Kind` for an unknown one."""
    if activation is None:
        return _KINDS["linear"]
    if isinstance(activation, keras.layers.Activation):
        return of(activation.activation)
    if isinstance(activation, keras.layers.ReLU):
        bounded = activation.max_value is not None
        return Kind(
            homogeneous=not bounded and not activation.threshold,
            nonnegative=not activation.negative_slope,
            squashed=bounded,
        )
    return _KINDS.get(name(activation).replace("_", ""), Kind())


def name(activation: Any) -> str:
    """The name of an activation in small letters."""
    found = getattr(activation, "__name__", type(activation).__name__).lower()
    return found.removesuffix("_v2")  # tf.nn.softmax calls itself softmax_v2
