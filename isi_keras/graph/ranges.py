"""Between which numbers the entries of each tensor lie, by interval arithmetic."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _checks
from isi_keras.graph import operations as table
from isi_keras.graph.forward import as_array
from isi_keras.graph.nodes import Graph, Node, Tensor
from isi_keras.graph.sums import sum_of

Range = tuple[float, float]
ANY: Range = (-math.inf, math.inf)
POSITIVE: Range = (0.0, math.inf)


class Ranges:
    """The least and the greatest value of each tensor, as far as the operations alone say.

    The inputs of the model and its weights may be anything.

    Args:
        graph: the graph.
    """

    def __init__(self, graph: Graph):
        self._producers, self._known = graph.producers, {}
        for node in graph.nodes:
            for number, tensor in enumerate(node.outputs):
                self._known[id(tensor)] = self._of_output(node, number)

    def of(self, value: Any) -> Range:
        """The range of a tensor, of an array or of a number."""
        if isinstance(value, Tensor):
            return self._known.get(id(value), (0.0, 1.0) if _is_bool(value) else ANY)
        if _checks.is_number(value):
            return float(value), float(value)
        held = ops.is_tensor(value) or isinstance(value, np.ndarray)
        value = as_array(value) if held else np.zeros(0)
        return (float(value.min()), float(value.max())) if value.size else ANY

    def is_positive(self, value: Any) -> bool:
        """Whether a value is known not to be below 0."""
        return self.of(value)[0] >= 0

    def is_share(self, node: Node) -> bool:
        """Whether something not below 0 is divided by its sum, as a softmax that is written out.

        A positive number may have been added to the sum.
        """
        upper, lower = node.args[:2]
        producer = self._producers.get(id(lower))
        while producer is not None and producer.kind in _SUMMED:
            inner = [t for t in producer.tensors if id(t) in self._producers]
            rest = [v for v in producer.args[:2] if not any(v is t for t in inner)]
            if len(inner) != 1 or not all(map(self.is_positive, rest)):
                return False
            lower, producer = inner[0], self._producers.get(id(inner[0]))
        total = sum_of(self._producers, lower, upper)
        return total is not None and self.is_positive(upper)

    def _of_output(self, node: Node, number: int) -> Range:
        tensor = node.outputs[number]
        if _is_bool(tensor):
            return 0.0, 1.0
        low, high = self._computed(node, number)
        if _is_float(tensor):
            return low, high
        if not keras.backend.is_int_dtype(tensor.dtype):
            return ANY
        held = np.iinfo(keras.backend.standardize_dtype(tensor.dtype))
        if not held.min <= low <= high <= held.max:
            return ANY  # integers go round
        return float(math.trunc(low)), float(math.trunc(high))

    def _computed(self, node: Node, number: int) -> Range:
        kind = node.kind
        if kind in table.QUOTIENTS and self.is_share(node):
            return 0.0, 1.0
        if number and kind in ("TopK", "Moments"):
            return POSITIVE
        if kind in _FIXED:
            return _FIXED[kind]
        if kind == "Round":
            ends = np.round(self.of(node.args[0]), node.argument("decimals", 0))
            return float(ends[0]), float(ends[1])
        if kind == "Relu6":
            most = float(getattr(node.op, "max_value", 6.0))
            low, high = self.of(node.args[0])
            return min(max(low, 0.0), most), min(max(high, 0.0), most)
        if kind in _OF_ENDS:
            low, high = self.of(node.args[0])
            return _end(_OF_ENDS[kind], low), _end(_OF_ENDS[kind], high)
        if kind == "Reciprocal":
            return _quotient((1.0, 1.0), self.of(node.args[0]))
        if kind in _OF_TWO:
            return self._of_two(node, _OF_TWO[kind])
        if kind == "Rsqrt":
            low, high = self.of(node.args[0])
            return _quotient((1.0, 1.0), (math.sqrt(max(low, 0)), math.sqrt(max(high, 0))))
        if kind in ("Abs", "Absolute", "Fabs"):
            low, high = self.of(node.args[0])
            return max(0.0, low, -high), max(-low, high)
        if kind == "Negative":
            return _product(self.of(node.args[0]), (-1.0, -1.0))
        if kind == "Square":
            return self._power(node.args[0], 2)
        if kind == "Clip":
            low, high = self.of(node.args[0])
            least, most = node.argument("x_min"), node.argument("x_max")
            if least is not None:
                low, high = map(max, (low, high), self.of(least))
            if most is not None:
                low, high = map(min, (low, high), self.of(most))
            return low, high
        if kind == "Power":
            return self._power(*node.args[:2])
        if kind == "FullLike":
            return self.of(node.argument("fill_value"))
        return self._of_all(node)

    def _of_two(self, node: Node, function: Callable) -> Range:
        one, other = node.args[:2]
        if node.kind == "Multiply" and one is other:
            return self._power(one, 2)
        return function(self.of(one), self.of(other))

    def _power(self, base, exponent) -> Range:
        if not _checks.is_number(exponent):
            return POSITIVE if self.is_positive(base) else ANY
        low, high = self.of(base)
        if low < 0 < exponent and exponent % 2 == 0:
            low, high = max(0.0, -high), max(-low, high)
        if low < 0:
            return POSITIVE if exponent % 2 == 0 else ANY
        ends = [
            _end(lambda v: math.inf if v == 0 > exponent else v**exponent, v) for v in (low, high)
        ]
        return min(ends), max(ends)

    def _of_all(self, node: Node) -> Range:
        """Of what moves, mixes or sums what it takes."""
        kind = node.kind
        values = node.args[1:3] if kind == "Where" else (node.args, node.kwargs)
        parts = [v for v in keras.tree.flatten(values) if _is_data(v, kind)]
        if not parts or kind not in _OF_PARTS:
            return ANY
        if kind not in ("Cast", "ConvertToTensor"):  # what is no real number says where
            parts = [v for v in parts if not hasattr(v, "dtype") or _is_float(v)] or parts
        lows, highs = zip(*map(self.of, parts), strict=True)
        low, high = min(lows), max(highs)
        if kind in _WITH_ZEROS:
            low, high = min(low, 0.0), max(high, 0.0)
        given = node.argument(_ALSO[kind]) if kind in _ALSO else None
        if given is not None:
            low, high = min(low, self.of(given)[0]), max(high, self.of(given)[1])
        if kind == "Resize" and node.argument("interpolation") in _BEYOND:
            return ANY
        if kind in _SUMS:
            return 0.0 if low >= 0 else -math.inf, 0.0 if high <= 0 else math.inf
        if kind in table.PRODUCTS:
            return POSITIVE if low >= 0 else ANY
        return low, high


def _is_bool(tensor) -> bool:
    return keras.backend.standardize_dtype(tensor.dtype) == "bool"


def _is_float(value) -> bool:
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype))


def _is_data(value, kind: str) -> bool:
    return hasattr(value, "shape") or (kind == "Where" and _checks.is_number(value))


def _end(function: Callable[[float], float], value: float) -> float:
    with np.errstate(all="ignore"):
        try:
            return float(function(value))
        except OverflowError:
            return math.inf


def _sum(one: Range, other: Range) -> Range:
    return one[0] + other[0], one[1] + other[1]


def _product(one: Range, other: Range) -> Range:
    ends = [0.0 if 0 in (a, b) else a * b for a in one for b in other]
    return min(ends), max(ends)


def _with_zero(one: Range) -> Range:
    return min(one[0], 0.0), max(one[1], 0.0)


def _quotient(one: Range, other: Range) -> Range:
    low, high = other
    if low < 0 < high or low == high == 0:
        return ANY
    if high <= 0:
        return _quotient((-one[1], -one[0]), (-high, -low))
    return _product(one, (1 / high, 1 / low if low else math.inf))


_FIXED: dict[str, Range] = {
    **dict.fromkeys(("Softmax", "Sparsemax", "SparseSigmoid", "OneHot"), (0.0, 1.0)),
    **dict.fromkeys(("Sin", "Cos", "Sinc"), (-1.0, 1.0)),
    **dict.fromkeys(("Cosh", "Norm", "Std", "Nanstd", "Var", "Nanvar", "Hypot", "I0"), POSITIVE),
    **dict.fromkeys(("Squareplus", "SparsePlus"), POSITIVE),
    "Erfc": (0.0, 2.0),
    "OnesLike": (1.0, 1.0),
    "ZerosLike": (0.0, 0.0),
    "LogSoftmax": (-math.inf, 0.0),
}

# They never fall, so their ends are those of what they are given.
_OF_ENDS: dict[str, Callable[[float], float]] = {
    "Arctan": math.atan,
    "Cbrt": np.cbrt,
    "Ceil": np.ceil,
    "Erf": math.erf,
    "Exp": np.exp,
    "Exp2": np.exp2,
    "Expm1": np.expm1,
    "Floor": np.floor,
    "HardSigmoid": lambda v: min(max(v / 6 + 0.5, 0), 1),
    "HardTanh": lambda v: min(max(v, -1), 1),
    "Log1p": lambda v: np.log1p(v) if v > -1 else -math.inf,
    "LogSigmoid": lambda v: -np.logaddexp(0, -v),
    "Relu": lambda v: max(v, 0),
    "Sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "Sign": np.sign,
    "Softplus": lambda v: np.logaddexp(0, v),
    "Softsign": lambda v: math.copysign(1, v) if math.isinf(v) else v / (1 + abs(v)),
    "Sqrt": lambda v: np.sqrt(max(v, 0)),
    "Tanh": np.tanh,
    "Trunc": np.trunc,
}

_OF_TWO: dict[str, Callable[[Range, Range], Range]] = {
    "Add": _sum,
    "Subtract": lambda one, other: _sum(one, (-other[1], -other[0])),
    "Multiply": _product,
    **dict.fromkeys(table.QUOTIENTS - {"DivideNoNan"}, _quotient),
    "DivideNoNan": lambda one, other: _with_zero(_quotient(one, other)),
    **dict.fromkeys(("Maximum", "Fmax"), lambda a, b: (max(a[0], b[0]), max(a[1], b[1]))),
    **dict.fromkeys(("Minimum", "Fmin"), lambda a, b: (min(a[0], b[0]), min(a[1], b[1]))),
}

_BEYOND = ("bicubic", "lanczos3", "lanczos5")  # interpolations that leave the range
_ALSO = {
    **dict.fromkeys(("Pad", "PadImages"), "constant_values"),
    **dict.fromkeys(("Amax", "Amin", "Max", "Min"), "initial"),
    "Resize": "fill_value",
}  # arguments whose values may be among the outputs
_SUMS = {"Cumsum", "Nancumsum", "Nansum", "Scatter", "SegmentSum", "Sum", "Trace"}
_SUMMED = {"Add", "Maximum"}
_WITH_ZEROS = {"Diag", "Diagflat", "ExtractPatches", "Pad", "PadImages", "Tril", "Triu", "Unfold"}
_WITH_ZEROS |= {"AveragePool", "GaussianBlur", "Resize", "Scatter"}
_ALIKE = table.KEEPS_SIGN - {*_OF_TWO, *_SUMS}  # no number that was not there, or between them
_OF_PARTS = (
    (table.MOVES - {"Array", "Full", "View"})
    | _ALIKE
    | _SUMS
    | (table.PRODUCTS - {"Multiply", "Cross"})
    | {"GaussianBlur", "Moments", "Resize", "ScatterUpdate", "StopGradient", "Take"}
)
