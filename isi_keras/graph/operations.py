"""What relevance has to know of each operation of Keras: a table, by the names of classes."""

from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They move entries about, and change none.
MOVES = _words(
    "Reshape Transpose Squeeze ExpandDims Pad Concatenate Stack GetItem Cast Flip Ravel Moveaxis "
    "Swapaxes Identity Repeat Tile BroadcastTo Split Roll Copy ConvertToTensor Unstack Rot90 Slice "
    "DepthToSpace SpaceToDepth Hstack Vstack PadImages CropImages Array View Rearrange "
    "StopGradient Flipud Fliplr ArraySplit Hsplit Vsplit"
)
# Linear in all of their arguments together, or at least of degree 1: f(2 x) = 2 f(x).
HOMOGENEOUS = _words(
    "MaxPool AdaptiveMaxPool Max Amax Maximum Minimum Min Amin Sum Mean Average Add Subtract "
    "Negative Cumsum Sort Where Diff Tril Triu Trace Diagonal Resize ExtractPatches Unfold Fold "
    "RealPart TakeAlongAxis SegmentReduction Median Nansum AveragePool AdaptiveAveragePool "
    "AffineTransform"
)
# Interpolations: entries of the model's input may pass them and are inputs still.
MIXING = _words("Resize")
# Functions of each entry (or, like a softmax, of a row that they squash).
ACTIVATIONS = _words(
    "Relu Relu6 LeakyRelu Elu Selu Celu Gelu Silu Sigmoid HardSigmoid HardSilu LogSigmoid "
    "Softplus Softsign Softmax LogSoftmax Tanh HardTanh TanhShrink SoftShrink HardShrink Threshold "
    "SparsePlus SparseSigmoid Squareplus Exp Expm1 Log Log1p Sqrt Square Power Absolute Abs Sin "
    "Cos Erf Arctan Arcsinh Clip Sparsemax Rsqrt Reciprocal Exp2 Log2 Log10 Sinh Cosh Cbrt Erfc "
    "Logsumexp"
)
STRAIGHT = _words("Relu LeakyRelu Absolute Abs")  # of degree 1
LINEAR = _words("Matmul Einsum Dot Tensordot Conv DepthwiseConv ConvTranspose Inner Vdot")
PRODUCTS = _words("Multiply Matmul Einsum Dot Tensordot Inner Vdot")
QUOTIENTS = _words("Divide TrueDivide DivideNoNan")
# They divide by a norm or a deviation, which is a constant for relevance.
NORMS = _words("LayerNorm RMSNorm Normalize")
# Bounded from below by 0 and from above, so that in a product they are the gate.
GATES = _words("Sigmoid HardSigmoid SparseSigmoid Softmax Sparsemax Relu6")
# They turn a deviation into a factor by which others are scaled.
SCALES = _words("Rsqrt Reciprocal")
NONNEGATIVE = (
    GATES | SCALES | _words("Relu Softplus Exp Exp2 Square Absolute Abs Squareplus SparsePlus Sqrt")
) - _words("Reciprocal")
KEEPS_SIGN = HOMOGENEOUS - _words("Subtract Negative Diff Resize AffineTransform")
# With constants they map each entry by itself.
AFFINE = _words("Multiply Add Subtract Divide TrueDivide Negative")
ENTRYWISE = AFFINE | _words(
    "Mod FloorDivide Remainder Minimum Maximum Clip Absolute Abs Cast Where Floor Ceil Round Trunc"
)
POOLINGS = _words("Mean AveragePool AdaptiveAveragePool")
# What a softmax or a sigmoid at the end of a model is called.
HEADS = _words("Softmax LogSoftmax Sigmoid")
# What may come after it and leaves it what it is.
AFTER_HEAD = _words(
    "Reshape Cast Squeeze ExpandDims Concatenate Stack GetItem Transpose Identity ConvertToTensor "
    "Ravel Flip Copy"
)
# The axes of a kernel that count its outputs and its inputs.
OUTPUT_AXIS = {"Matmul": -1, "Conv": -1, "DepthwiseConv": -1, "ConvTranspose": -2}
INPUT_AXIS = {"Matmul": 0, "Conv": -2, "DepthwiseConv": -2, "ConvTranspose": -1}
KNOWN = (
    MOVES
    | HOMOGENEOUS
    | ACTIVATIONS
    | LINEAR
    | PRODUCTS
    | QUOTIENTS
    | NORMS
    | _words("BatchNorm Moments Take OneHot DotProductAttention Softmax")
)


def is_convolution(kind: str) -> bool:
    """Whether it is a convolution of some kind."""
    return "Conv" in kind and kind in LINEAR


def channel_axis(node: Any, rank: int) -> int:
    """The axis of a tensor that counts the channels of a linear node."""
    first = node.argument("data_format") == "channels_first"
    return 1 if first and is_convolution(node.kind) else rank - 1
