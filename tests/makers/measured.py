"""What an operation does, measured: whether it is linear, moves entries, is never negative, ...

Everything is seen on random values in float64 where the operation allows it. A fact that is found
here has not been disproved at these points; it is meant to disprove what a table says.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras import backend
from makers.every_op import Sample, apart, signed

SCALES = (0.01, 0.1, 1.0, 10.0, 100.0)


class Facts(NamedTuple):
    """What is so of one output of a sample, as a function of its input `x`.

    Args:
        kind: `"f"` for numbers, `"i"` for integers, `"b"` for booleans, `"c"` for complex numbers.
            Of the others nothing more is measured.
        gradient: whether there is one, on this backend.
        constant: the output does not depend on the values of `x`.
        steps: the gradient is zero, though the output is not constant.
        degree: the `k` of `f(c x) = c**k f(x)` for `c > 0`, if there is one.
        linear: `f(a x + b y) = a f(x) + b f(y)`; where `x` has to be positive, for such `a, b`.
        affine: linear up to a constant.
        euler: the gradient times `x` sums to the output, for every cotangent.
        zero: `f(0) = 0`.
        entrywise: each output entry depends on the input entry in its place.
        moves: each output entry is the same input entry, always, or a constant.
        selects: each output entry is one of the input entries or zero; which depends on `x`.
        nonnegative: no output is below zero.
        keeps: no output is below zero if no input is.
        least: the least output seen, with inputs of several scales.
        greatest: the greatest.
    """

    kind: str
    gradient: bool = False
    constant: bool = False
    steps: bool = False
    degree: float | None = None
    linear: bool = False
    affine: bool = False
    euler: bool = False
    zero: bool = False
    entrywise: bool = False
    moves: bool = False
    selects: bool = False
    nonnegative: bool = False
    keeps: bool = False
    least: float = np.nan
    greatest: float = np.nan

    @property
    def gate(self) -> str:
        """The range that the output never leaves, if it is one of those of gates."""
        if self.kind != "f" or self.constant:
            return ""
        if self.least >= 0 and self.greatest <= 1:
            return "[0, 1]"
        return "[-1, 1]" if self.least >= -1 and self.greatest <= 1 else ""


# What is measured around a point.
_LOCAL = Facts._fields[1:12]


def kind_of(dtype: str) -> str:
    for word, kind in (("bool", "b"), ("complex", "c"), ("float", "f")):
        if word in dtype:
            return kind
    return "i"


def measure(sample: Sample, output: int = 0) -> Facts:
    """The facts of one output of a sample."""
    raw = _outputs(sample.function(sample.input()))[output]
    kind = "i" if isinstance(raw, int) else kind_of(keras.backend.standardize_dtype(raw.dtype))
    if kind != "f" or not sample.dtype.startswith("float"):
        return Facts(kind)
    try:
        return _Measured(sample, output, "float64").facts()
    except Exception:  # some functions of some backends know float32 only
        return _Measured(sample, output, "float32").facts()


def _outputs(made) -> list:
    return keras.tree.flatten(made)


class _Measured:
    def __init__(self, sample: Sample, output: int, dtype: str):
        self.sample, self.output, self.dtype = sample, output, dtype
        self.tolerance = 1e-5 if dtype == "float64" else 2e-4  # parts may be in float32
        self.x, self.y = self.values(1), self.values(2)
        self.f(self.x)

    def values(self, seed: int) -> np.ndarray:
        return self.sample.values(seed).astype(self.dtype)

    def tensors(self, x):
        return _outputs(self.sample.function(x))[self.output]

    def f(self, x: np.ndarray) -> np.ndarray:
        made = self.tensors(ops.convert_to_tensor(np.asarray(x, self.dtype), dtype=self.dtype))
        return ops.convert_to_numpy(made).astype("float64")

    def same(self, found: np.ndarray, wanted: np.ndarray) -> bool:
        if found.shape != wanted.shape or not (
            np.isfinite(found).all() and np.isfinite(wanted).all()
        ):
            return False
        scale = max(1e-30, np.abs(wanted).max(initial=0), np.abs(found).max(initial=0))
        return bool(np.abs(found - wanted).max(initial=0) <= self.tolerance * max(scale, 1e-3))

    def facts(self) -> Facts:
        """What holds for small inputs and for large ones, where those are allowed."""
        near = self.local()
        x, y = self.x, self.y
        self.x, self.y = 10 * x, 10 * y
        far = self.local() if self.tried(lambda: self.f(self.x)) is not None else near
        self.x, self.y = x, y
        if near["constant"] or far["constant"]:  # steps that are wide, or what has saturated
            near = far = far if near["constant"] else near
        least, greatest = self.range()
        held = {key: near[key] and far[key] for key in near}
        held["steps"] &= not held["constant"]
        held["degree"] = near["degree"] if near["degree"] == far["degree"] else None
        return Facts(
            "f",
            **held,
            nonnegative=least >= 0,
            keeps=self.least_of_positive() >= 0,
            least=least,
            greatest=greatest,
        )

    def local(self) -> dict:
        fx, fy = self.f(self.x), self.f(self.y)
        if self.same(fx, fy) and self.same(fx, self.f(self.x / 3)):
            return dict.fromkeys(_LOCAL, False) | {"constant": True, "degree": None}
        moves, selects = self.places(fx, fy)
        gradient, euler, steps = self.pulled(fx)
        at_zero = self.tried(lambda: self.f(0 * self.x))
        return {
            "gradient": gradient,
            "constant": False,
            "steps": steps,
            "degree": self.degree(fx),
            "linear": self.linear(fx, fy, 0),
            "affine": at_zero is not None and self.linear(fx - at_zero, fy - at_zero, at_zero),
            "euler": euler,
            "zero": at_zero is not None and self.same(at_zero, 0 * fx),
            "entrywise": self.entrywise(fx, fy),
            "moves": moves,
            "selects": selects,
        }

    @staticmethod
    def tried(function: Callable):
        try:
            made = function()
        except Exception:  # such as a matrix that has no inverse
            return None
        return made if np.isfinite(made).all() else None

    def degree(self, fx: np.ndarray) -> float | None:
        for degree in (1.0, 0.0, 2.0, -1.0, 3.0, 0.5, -0.5, 4.0, 6.0, 12.0):
            if all(self.same(self.f(c * self.x), c**degree * fx) for c in (0.5, 0.3)):
                return degree
        return None

    def linear(self, fx: np.ndarray, fy: np.ndarray, shift) -> bool:
        pairs = [(0.3, 0.6)]
        if self.sample.draw in (signed, apart):
            pairs.append((-0.4, 0.7))
        for a, b in pairs:
            made = self.tried(lambda a=a, b=b: self.f(a * self.x + b * self.y))
            if made is None or not self.same(made - shift, a * fx + b * fy):
                return False
        return True

    def entrywise(self, fx: np.ndarray, fy: np.ndarray) -> bool:
        if fx.shape != self.x.shape:
            return False
        for seed in range(3):
            mask = np.random.default_rng(seed).integers(0, 2, fx.shape, bool)
            mixed = self.tried(lambda mask=mask: self.f(np.where(mask, self.x, self.y)))
            if mixed is None or not self.same(mixed, np.where(mask, fx, fy)):
                return False
        return True

    def places(self, fx: np.ndarray, fy: np.ndarray) -> tuple[bool, bool]:
        """Whether entries are moved, and whether they are only selected."""
        x, y, fx, fy = (np.ravel(v) for v in (self.x, self.y, fx, fy))
        of_x, of_y = (np.isclose(f[:, None], v, 1e-6, 0) for f, v in ((fx, x), (fy, y)))
        fixed = np.isclose(fx, fy, 1e-9, 0)
        moves = bool((of_x & of_y).any(1)[~fixed].all())
        nothing = (fx == 0, fy == 0)
        selects = bool((of_x.any(1) | nothing[0]).all() and (of_y.any(1) | nothing[1]).all())
        return moves, selects and not moves

    def range(self) -> tuple[float, float]:
        points = [self.x, self.y]
        if self.sample.draw in (signed, apart):
            points.append(-np.abs(self.x))
        found = [self.tried(lambda c=c, v=v: self.f(c * v)) for c in SCALES for v in points]
        found = [f for f in found if f is not None and f.size]
        if not found:
            return np.nan, np.nan
        return float(min(f.min() for f in found)), float(max(f.max() for f in found))

    def least_of_positive(self) -> float:
        found = [self.tried(lambda c=c: self.f(c * np.abs(self.x))) for c in SCALES]
        return min((float(f.min()) for f in found if f is not None and f.size), default=np.nan)

    def pulled(self, fx: np.ndarray) -> tuple[bool, bool, bool]:
        """Whether there is a gradient, whether it sums to the output, whether it is zero."""
        cotangent = np.random.default_rng(3).uniform(-1, 1, fx.shape).astype(self.dtype)
        try:
            made, pull = backend.vjp(self.tensors, ops.convert_to_tensor(self.x, dtype=self.dtype))
            weights = ops.convert_to_tensor(cotangent, dtype=made.dtype)
            gradient = ops.convert_to_numpy(pull(weights)).astype("float64")
        except Exception:  # not every backend can differentiate it
            return False, False, False
        total = np.asarray((gradient * self.x).sum())
        euler = self.same(total, np.asarray((fx * cotangent).sum()))
        return True, euler and bool(gradient.any()), not gradient.any()
