"""Which treatment each class of layers has."""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from isi_keras import _checks, _keras
from isi_keras.lrp import linear_treatments, treatments
from isi_keras.lrp.treatments import Treatment
from isi_keras.models import compiling
from isi_keras.rules.linear import Weights

_DENSE = {
    layers.Dense: Weights(inputs=0),
    layers.EinsumDense: Weights(outputs=None),
}
_CONVOLUTION = Weights(inputs=-2)
_TRANSPOSED = Weights(outputs=-2, inputs=-1)
_CONVOLUTIONS = {
    layers.Conv1D: _CONVOLUTION,
    layers.Conv2D: _CONVOLUTION,
    layers.Conv3D: _CONVOLUTION,
    layers.DepthwiseConv1D: _CONVOLUTION,
    layers.DepthwiseConv2D: _CONVOLUTION,
    layers.Conv1DTranspose: _TRANSPOSED,
    layers.Conv2DTranspose: _TRANSPOSED,
    layers.Conv3DTranspose: _TRANSPOSED,
}
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_GROUPS: dict[Treatment, str] = {
    linear_treatments.separable: "SeparableConv1D SeparableConv2D",
    linear_treatments.batch_normalization: "BatchNormalization",
    treatments.normalization: "LayerNormalization GroupNormalization",
    treatments.preprocessing: "Rescaling Normalization",
    treatments.activation: (
        "Activation ReLU LeakyReLU PReLU ELU Softmax RMSNormalization UnitNormalization"
    ),
    treatments.embedding: "Embedding",
    treatments.product: "Multiply Dot",
    treatments.attention: "Attention AdditiveAttention",
    treatments.signed: "Subtract UpSampling2D Resizing",  # bicubic overshoots
    treatments.shape: (
        "InputLayer Identity Flatten Reshape Permute Concatenate Dropout SpatialDropout1D "
        "SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise "
        "ActivityRegularization ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D "
        "Cropping3D Masking "  # and what augments images while training
        "AugMix CutMix MixUp RandAugment RandomBrightness RandomColorDegeneration "
        "RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip "
        "RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective "
        "RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear "
        "RandomTranslation RandomZoom"
    ),
    treatments.gradient: (
        "RepeatVector UpSampling1D UpSampling3D MaxPooling1D MaxPooling2D "
        "MaxPooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D "
        "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D Add Average Maximum Minimum "
        "CenterCrop"
    ),
    linear_treatments.averaging: (
        "AveragePooling1D AveragePooling2D AveragePooling3D AdaptiveAveragePooling1D "
        "AdaptiveAveragePooling2D AdaptiveAveragePooling3D GlobalAveragePooling1D "
        "GlobalAveragePooling2D GlobalAveragePooling3D"
    ),
}
# Classes of keras.applications that Keras does not export: homogeneous, or nothing at inference.
_PRIVATE: dict[str | None, Treatment] = {
    "LayerScale": treatments.signed,
    "CustomScaleLayer": treatments.signed,
    "StochasticDepth": treatments.shape,
}
_RECURRENT = (layers.RNN, layers.Bidirectional)
_CALLED: dict[str, Treatment] = {
    **dict.fromkeys(("Multiply", "Matmul", "Dot", "Einsum", "Tensordot"), treatments.product),
    **dict.fromkeys(("Divide", "TrueDivide"), treatments.quotient),
    **dict.fromkeys(("Add", "Subtract"), treatments.addition),
    **dict.fromkeys(
        (  # noqa: SIM905
            "Reshape Transpose Squeeze ExpandDims Pad Concatenate Stack GetItem Cast Flip Ravel "
            "Moveaxis Swapaxes StopGradient"
        ).split(),
        treatments.shape,
    ),
    **dict.fromkeys(
        (  # noqa: SIM905
            "Relu Relu6 LeakyRelu Elu Selu Celu Gelu Silu Sigmoid HardSigmoid HardSilu LogSigmoid "
            "Softplus Softsign Softmax LogSoftmax Tanh HardTanh TanhShrink SoftShrink HardShrink "
            "Threshold SparsePlus SparseSigmoid Squareplus Exp Expm1 Log Log1p Sqrt Square Power "
            "Absolute Sin Cos Erf"
        ).split(),
        treatments.activation,
    ),
    **dict.fromkeys(("Mean", "Sum", "Max", "Maximum"), treatments.gradient),
}
_REGISTERED: dict[type, Treatment] = {}


def _keras_classes() -> dict[type, Treatment]:
    known: dict[type, Treatment] = {
        kind: functools.partial(linear_treatments.linear, weights=weights)
        for kind, weights in {**_DENSE, **_CONVOLUTIONS}.items()
    }
    for treatment, names in _GROUPS.items():
        known.update(dict.fromkeys(_keras.layers_named(names), treatment))
    return known


_KNOWN = _keras_classes()
TREATMENTS: dict[str, Treatment] = {
    "linear": functools.partial(linear_treatments.linear, weights=Weights(outputs=None)),
    "activation": treatments.activation,
    "gradient": treatments.affine,
}


def register(layer: type, treatment: str | Callable) -> None:
    """Tells how relevance passes through a class of layers of your own.

    Args:
        layer: the class, a subclass of `keras.layers.Layer`. If it holds other layers, it is
            treated as a whole.
        treatment: `"linear"` for a layer with the attributes `kernel` and `bias` (or no bias) that
            is linear in its input, in `kernel` and in `bias`, up to the function `activation` at
            its end: it gets the rules of a composite. `"activation"` for a function of each entry,
            through which relevance passes unchanged. `"gradient"` for one that is homogeneous
            (`f(2 x) = 2 f(x)`), such as pooling or a learned scale, also if it adds something that
            does not depend on `x`, such as a position embedding. Or a function `(layer, call,
            x, *args, **kwargs)` that returns what `call(x, *args, **kwargs)` does, such that its
            gradient times `x` is the relevance; build it of `keras.ops`, with
            `keras.ops.stop_gradient` on what is to be a constant.

    Raises:
        TypeError: if `layer` is not such a class, or `treatment` neither a name nor a function.
        ValueError: for an unknown name.

    Example:
        >>> import keras, isi_keras as isi
        >>> class Doubled(keras.layers.Layer):
        ...     def call(self, x):
        ...         return 2 * x
        >>> isi.register(Doubled, "gradient")
    """
    if not (isinstance(layer, type) and issubclass(layer, layers.Layer)):
        raise TypeError(f"Expected a subclass of keras.layers.Layer. Received: layer={layer!r}.")
    if isinstance(treatment, str):
        if treatment not in TREATMENTS:
            raise ValueError(_checks.unknown("treatment", treatment, TREATMENTS))
    elif not callable(treatment):
        raise TypeError(
            f"Expected treatment to be one of {', '.join(map(repr, TREATMENTS))} or a function "
            f"(layer, call, x). Received: {treatment!r}."
        )
    named = isinstance(treatment, str)
    _REGISTERED[layer] = TREATMENTS[treatment] if named else _custom(treatment)
    compiling.forget()


def _custom(function: Callable) -> Treatment:
    def treatment(run, layer, call, args, kwargs):
        return function(layer, call, run.entered(args[0]), *args[1:], **kwargs)

    return treatment


def treatment_of(node: Any) -> Treatment | None:
    """The treatment of a layer or operation; `None` if there is none."""
    kind = type(node)
    if isinstance(node, keras.Model):
        return next((_REGISTERED[k] for k in kind.__mro__ if k in _REGISTERED), None)
    for ancestor in kind.__mro__:
        found = _REGISTERED.get(ancestor, _KNOWN.get(ancestor))
        # A subclass that computes something else is another layer.
        if found is not None and (ancestor in _REGISTERED or kind.call is ancestor.call):
            return None if _keras.read(node, "quantization_mode") else found
    if isinstance(node, keras.layers.Layer):
        return _PRIVATE.get(_keras.application_layer(kind))
    return _CALLED.get(_keras.operation(node), treatments.signed)


def refused(node: Any) -> str:
    """Why there is no relevance for a node, and what to do."""
    if isinstance(node, _RECURRENT):
        return (
            f"Relevance through the recurrent layer {node.name!r} of class {type(node).__name__} "
            "is not defined here. Use indicator='sensitivity', or replace it by convolutions or "
            "attention."
        )
    described = f"the layer {node.name!r} of class {type(node).__name__}"
    if _keras.read(node, "quantization_mode"):
        return (
            f"There is no relevance rule for {described}, as it is quantized to "
            f"{node.quantization_mode}. Explain the model before its quantization."
        )
    return (
        f"There is no relevance rule for {described}. Tell how relevance passes through it, e.g. "
        f"isi_keras.register({type(node).__name__}, 'linear'), 'activation', 'gradient' or a "
        "function; or pass Relevance(on_unknown='gradient') to let its plain gradient stand; or "
        "use indicator='sensitivity', which needs no rules."
    )


def is_recurrent(node: Any) -> bool:
    """Whether a node is a recurrent layer."""
    return isinstance(node, _RECURRENT)
