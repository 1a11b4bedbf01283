"""What relevance has to know of each operation of Keras: a table, by the names of classes."""

from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They move entries about, and change none.
MOVES = _words(
    "Append Array ArraySplit BroadcastTo Cast Concatenate Conj Conjugate ConvertToTensor Copy "
    "CropImages DepthToSpace Diag Diagflat Diagonal Dsplit Dstack ExpandDims ExtractPatches "
    "ExtractSequences Flip Fliplr Flipud Full GetItem Hsplit Hstack Identity Meshgrid Moveaxis "
    "Pad PadImages Ravel Real Rearrange Repeat Reshape Roll Rot90 SaturateCast Slice "
    "SliceUpdate SpaceToDepth Split Squeeze Stack Swapaxes Tile Transpose Tril Triu "
    "Unfold Unstack View Vsplit Vstack"
)
# Of degree 1 in all of their arguments together: f(2 x) = 2 f(x). Their gradient conserves.
HOMOGENEOUS = _words(
    "AdaptiveAveragePool AdaptiveMaxPool Add Amax Amin Average AveragePool Cumsum Deg2rad Diff "
    "FFT FFT2 Fmax Fmin Fold GaussianBlur Hypot IFFT2 IRFFT ISTFT Ldexp Linspace MapCoordinates "
    "Max Maximum MaxPool Mean Median Min Minimum Nancumsum Nanmax Nanmean Nanmedian Nanmin "
    "Nanpercentile Nanquantile Nanstd Nansum NanToNum Negative Norm Percentile Ptp Quantile "
    "Rad2deg Resize RFFT RGBToGrayscale ScaleAndTranslate Scatter ScatterUpdate SegmentMax "
    "SegmentMin SegmentReduction SegmentSum SobelEdges Sort Std STFT Subtract Sum TakeAlongAxis "
    "TopK Trace Trapezoid Where"
)
# Of degree 2: half their gradient conserves.
SQUARES = _words("Nanvar Var")
# Interpolations: entries of the model's input may pass them and are inputs still.
MIXING = _words("Resize")
# Functions of each entry (or, like a softmax, of a row that they squash).
ACTIVATIONS = _words(
    "Abs Absolute Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Cbrt Ceil Celu Clip Cos "
    "Cosh Elu Erf Erfc Erfinv Exp Exp2 Expm1 Fabs Floor Fmod Gelu HardShrink HardSigmoid HardSilu "
    "HardTanh I0 LeakyRelu Log Log10 Log1p Log2 LogSigmoid LogSoftmax Logaddexp Logaddexp2 Mish "
    "Mod Nextafter Power Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Silu Sin Sinc Sinh "
    "SoftShrink Softmax Softplus Softsign SparsePlus SparseSigmoid Sparsemax Sqrt Square "
    "Squareplus Tan Tanh TanhShrink Threshold Trunc"
)
# Of these, such as are of degree 1 at most, whatever they are given.
TAME = _words(
    "Celu Clip Elu Gelu HardSigmoid HardSilu HardTanh Mish Relu6 Selu Sigmoid Silu Softplus "
    "Softsign Tanh"
)
STRAIGHT = _words("Abs Absolute Fabs LeakyRelu Relu")  # of degree 1
PRODUCTS = _words("Correlate Cross Dot Einsum Inner Kron Matmul Multiply Outer Tensordot Vdot")
LINEAR = (PRODUCTS - {"Multiply"}) | _words("Conv ConvTranspose DepthwiseConv")
QUOTIENTS = _words("Divide TrueDivide DivideNoNan")
# They divide by a norm or a deviation, which is a constant for relevance.
NORMS = _words("LayerNorm RMSNorm Normalize")
# Bounded from below by 0 and from above, so that in a product they are the gate.
GATES = _words("Sigmoid HardSigmoid SparseSigmoid Softmax Sparsemax Relu6")
# Gates without an upper bound: decays, and weights of attention before they are divided.
WEIGHTS = _words("Exp Exp2")
# They turn a deviation into a factor by which others are scaled.
SCALES = _words("Rsqrt Reciprocal")
KEEPS_SIGN = _words(
    "AdaptiveAveragePool AdaptiveMaxPool Add Amax Amin Average AveragePool Cumsum Fmax Fmin Max "
    "MaxPool Maximum Mean Median Min Minimum Nanmax Nanmean Nanmin Nansum Sort Sum TakeAlongAxis "
    "TopK Where"
)
# What they make of gates is a gate, whatever lies beside.
KEEPS_GATES = MIXING | _words(
    "AveragePool Clip GaussianBlur MapCoordinates Max MaxPool Maximum Mean Minimum Power Relu "
    "ScaleAndTranslate Sqrt Square Take TakeAlongAxis TopK Where"
)
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
OUTPUT_AXIS = dict.fromkeys(_words("Matmul Dot Einsum Conv DepthwiseConv"), -1)
OUTPUT_AXIS["ConvTranspose"] = -2
INPUT_AXIS = {"Matmul": 0, "Dot": 0, "Conv": -2, "DepthwiseConv": -2, "ConvTranspose": -1}
# What becomes simpler operations, or a node of its own, before relevance sees it.
REWRITTEN = _words("Glu MultiHot ReLU Select SeparableConv")
# What has a treatment of its own.
SPECIAL = _words("BatchNorm DotProductAttention Moments OneHot State Take")
# Constants, whatever they are given.
CONSTANTS = _words("Arange EmptyLike FullLike Imag Ndim OnesLike Size StopGradient ZerosLike")
# Steps: their outputs are integers, or as good as such, through which no relevance goes.
DISCRETE = _words(
    "All AllClose Angle Any Argmax Argmin Argpartition Argsort Bincount BitwiseAnd BitwiseInvert "
    "BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor CountNonzero Digitize "
    "Equal FloorDivide Gcd Greater GreaterEqual Heaviside InTopK IsIn Isclose Isfinite Isinf "
    "Isnan Isneginf Isposinf Isreal Lcm LeftShift Less LessEqual LogicalAnd LogicalNot LogicalOr "
    "LogicalXor MatrixRank Nanargmax Nanargmin Nonzero NotEqual RightShift SearchSorted Signbit "
    "UnravelIndex"
)
# They hold a Python function, which the graph does not show: what holds them is a node of its own.
BODIES = _words("AssociativeScan Cond ForiLoop JVP Map Scan Switch VectorizedMap WhileLoop")
# Nothing is defined for them: products of many entries, transforms, factorisations, losses.
REFUSED = _words(
    "AffineTransform BinaryCrossentropy CDist CTCDecode CTCLoss CategoricalCrossentropy Cholesky "
    "CholeskyInverse Corrcoef Cumprod Det Eig Eigh ElasticTransform Geomspace HSVToRGB Histogram "
    "Inv Logdet Logspace Logsumexp Lstsq LuFactor Nancumprod Nanprod PSNR PerspectiveTransform "
    "Pinv Polar Prod Qr RGBToHSV SSIM SVD SegmentProd Slogdet Solve SolveTriangular "
    "SparseCategoricalCrossentropy Unique Vander ViewAsComplex ViewAsReal"
)
KNOWN = (
    MOVES | HOMOGENEOUS | SQUARES | ACTIVATIONS | LINEAR | PRODUCTS | QUOTIENTS | NORMS | SPECIAL
)


def is_convolution(kind: str) -> bool:
    """Whether it is a convolution of some kind."""
    return "Conv" in kind and kind in LINEAR


def channel_axis(node: Any, rank: int) -> int:
    """The axis of a tensor that counts the channels of a linear node."""
    first = node.argument("data_format") == "channels_first"
    return 1 if first and is_convolution(node.kind) else rank - 1
