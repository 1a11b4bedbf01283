"""Which rule serves which layer, written as exchanges of the layers' `call`."""

from typing import Any

import keras

from isi_keras import rules
from isi_keras.rewrite import Swap, leaves, rewritten

ON_UNKNOWN = ("error", "gradient")

_layers = keras.layers
_LINEAR = (
    _layers.Dense,
    _layers.EinsumDense,
    _layers.Conv1D,
    _layers.Conv2D,
    _layers.Conv3D,
    _layers.Conv1DTranspose,
    _layers.Conv2DTranspose,
    _layers.Conv3DTranspose,
    _layers.DepthwiseConv1D,
    _layers.DepthwiseConv2D,
    _layers.BatchNormalization,
    _layers.Rescaling,
    _layers.Normalization,
)
_ACTIVATION = (
    _layers.Activation,
    _layers.ReLU,
    _layers.LeakyReLU,
    _layers.PReLU,
    _layers.ELU,
)
# Their plain gradient is the proportional split of relevance, or they do nothing at inference.
_GRADIENT = (
    _layers.InputLayer,
    _layers.Identity,
    _layers.Flatten,
    _layers.Reshape,
    _layers.Permute,
    _layers.RepeatVector,
    _layers.ZeroPadding1D,
    _layers.ZeroPadding2D,
    _layers.ZeroPadding3D,
    _layers.Cropping1D,
    _layers.Cropping2D,
    _layers.Cropping3D,
    _layers.UpSampling1D,
    _layers.UpSampling2D,
    _layers.UpSampling3D,
    _layers.MaxPooling1D,
    _layers.MaxPooling2D,
    _layers.MaxPooling3D,
    _layers.AveragePooling1D,
    _layers.AveragePooling2D,
    _layers.AveragePooling3D,
    _layers.GlobalMaxPooling1D,
    _layers.GlobalMaxPooling2D,
    _layers.GlobalMaxPooling3D,
    _layers.GlobalAveragePooling1D,
    _layers.GlobalAveragePooling2D,
    _layers.GlobalAveragePooling3D,
    _layers.Add,
    _layers.Subtract,
    _layers.Average,
    _layers.Maximum,
    _layers.Minimum,
    _layers.Concatenate,
    _layers.Dropout,
    _layers.SpatialDropout1D,
    _layers.SpatialDropout2D,
    _layers.SpatialDropout3D,
    _layers.AlphaDropout,
    _layers.GaussianDropout,
    _layers.GaussianNoise,
    _layers.ActivityRegularization,
)
# Functions f with f(z) = f'(z) z, whose gradient already passes relevance through unchanged.
_HOMOGENEOUS = (keras.activations.linear, keras.activations.relu, keras.activations.leaky_relu)
# What the surrogate of an activation divides by is kept this far from zero.
_PASS_EPSILON = 1e-7


def swaps(model: keras.Model, rule: rules.Rule, on_unknown: str, head=()) -> tuple[Swap, ...]:
    """The exchanges that turn the gradient of a model into relevance divided by the input.

    Args:
        model: the model, which is only read.
        rule: the rule of every linear layer.
        on_unknown: what to do about a layer without a rule, `"error"` or `"gradient"`.
        head: the exchanges that remove the final softmax; their layers end in no activation.

    Raises:
        ValueError: if `on_unknown` is `"error"` and a layer has no rule; the text names it.
    """
    bare = {id(swap.layer): swap.name for swap in head}
    exchanges = []
    for layer in leaves(model):
        if bare.get(id(layer)) == "call":
            continue
        call = _rewritten_call(layer, rule, id(layer) in bare, on_unknown)
        if call is not None:
            exchanges.append(Swap(layer, "call", call))
    return tuple(exchanges)


def _rewritten_call(layer, rule: rules.Rule, is_bare: bool, on_unknown: str) -> Any:
    """The `call` that hands relevance on; `None` where the plain gradient already does."""
    if isinstance(layer, _LINEAR):
        passes = is_bare or _homogeneous(getattr(layer, "activation", None))
        # z / z = 1: with epsilon 0 the rule is the plain gradient.
        if passes and rule == rules.Epsilon(epsilon=0.0):
            return None
        return _linear_call(layer, rule)
    if isinstance(layer, _ACTIVATION):
        return None if is_bare or _homogeneous(layer) else _activation_call(layer)
    if isinstance(layer, _GRADIENT) or not isinstance(layer, keras.layers.Layer):
        return None
    if on_unknown == "gradient":
        return None
    raise ValueError(
        f"There is no relevance rule for the layer {layer.name!r} of class "
        f"{type(layer).__name__}. Pass Relevance(on_unknown='gradient') to let its plain gradient "
        "stand, or use indicator='sensitivity', which needs no rules."
    )


def _linear_call(layer, rule: rules.Rule):
    original = layer.call

    def call(x, *args, **kwargs):
        activation = getattr(layer, "activation", None)
        without_activation = (
            [] if activation is None else [Swap(layer, "activation", keras.activations.linear)]
        )
        with rewritten(without_activation):
            z = original(x, *args, **kwargs)
        z = rules.surrogate(rule, lambda _: z, x, z)
        return z if activation is None else _passed(activation, z)

    return call


def _activation_call(layer):
    original = layer.call
    return lambda x, *args, **kwargs: _passed(lambda z: original(z, *args, **kwargs), x)


def _passed(activation, z):
    """`activation(z)`, through which relevance passes unchanged."""
    if _homogeneous(activation):
        return activation(z)
    value = activation(z)
    return rules.carrying(value, z * _stopped_ratio(value, z))


def _stopped_ratio(value, z):
    return keras.ops.stop_gradient(rules.ratio(value, z, _PASS_EPSILON))


def _homogeneous(activation) -> bool:
    if isinstance(activation, _layers.Activation):
        activation = activation.activation
    if isinstance(activation, _layers.ReLU):
        return activation.max_value is None and not activation.threshold
    return (
        activation is None
        or activation in _HOMOGENEOUS
        or isinstance(activation, _layers.LeakyReLU | _layers.PReLU)
    )
