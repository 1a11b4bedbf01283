"""One pass of a graph whose gradient is relevance."""

import dataclasses
import functools
import math
import operator
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from isi_keras.graph.forward import Weights, widened
from isi_keras.graph.nodes import Node, Tensor, Weight
from isi_keras.rules import Epsilon, Rule
from isi_keras.rules.linear import Linear, along

INFINITE = 1e8
"""What a mask puts in place of minus infinity is beyond: softmaxes take nothing of it."""

_LEAST = 1e-30  # less of a number is nothing

ABSORBERS = ("bias", "epsilon", "padding")


class Run:
    """The values of one pass, and by what it is differentiated besides the input.

    Args:
        absorbed: zeros `(N,)` by name, whose derivatives are the relevance that ends in biases and
            in `epsilon`; empty if nobody asks.
        checks: whether layers are looked at, of which only is known what somebody says of them.
    """

    def __init__(self, absorbed: Mapping[str, Any] | None = None, checks: bool = False):
        self.absorbed, self.checks = absorbed or {}, checks
        self.values: dict[int, Any] = {}
        self.ones: dict[int, Any] = {}
        self._weights = Weights(wide=True)
        self._fixed: dict[int, Any] = {}
        self._probes: dict[int, Any] = {}

    def enter(self, node: Node, probes: Mapping[str, Any]) -> None:
        """Watches what a node takes and what it absorbs."""
        self._probes = dict(zip(map(id, node.tensors), probes["in"].values(), strict=False))
        self.absorbed = probes["absorbed"]

    # ---- values

    def raw(self, tensor: Tensor) -> Any:
        """The value of a tensor, through which gradients pass."""
        return self._weights(tensor) if isinstance(tensor, Weight) else self.values[id(tensor)]

    def fixed(self, tensor: Tensor) -> Any:
        """The value of a tensor as a constant."""
        if id(tensor) not in self._fixed:
            value = self.raw(tensor)
            self._fixed[id(tensor)] = ops.stop_gradient(value) if is_float(value) else value
        return self._fixed[id(tensor)]

    def signal(self, tensor: Tensor) -> Any:
        """The value of a tensor, through which relevance passes."""
        ones = self.one(tensor)
        if ones is None:
            value, probe = self.raw(tensor), self._probes.get(id(tensor))
            return value if probe is None else value + self.fixed(tensor) * probe
        value = self.fixed(tensor)
        value = value if is_float(value) else ops.cast(value, "float32")
        return value * ops.cast(ones, value.dtype)

    def one(self, tensor: Tensor) -> Any:
        """The ones of a tensor that is the model's input still, otherwise `None`."""
        ones, probe = self.ones.get(id(tensor)), self._probes.get(id(tensor))
        return ones if ones is None or probe is None else ones + ops.stop_gradient(ones) * probe

    def call(self, node: Node, args: tuple, kwargs: dict) -> Any:
        """What the operation of a node returns."""
        return widened(node, args, kwargs)

    # ---- relevance

    def surrogate(self, rule: Rule, linear: Linear, value):
        """A tensor equal to `value` whose gradient hands relevance on by the rule."""
        if self.absorbed:
            linear = dataclasses.replace(linear, absorbed=self.absorbed["bias"])
        elif rule == Epsilon(epsilon=0.0):
            return value  # z / z = 1: the rule is the plain gradient
        linear = dataclasses.replace(linear, biased=rule.bias)
        return ops.stop_gradient(value) + self.scaled(_parts(rule, linear), value, rule.epsilon)

    def passed(self, value, z, finite: bool = False):
        """A tensor equal to `value`, entry by entry a function of `z`, which gets its relevance.

        None passes what is infinite, as the scores that a mask hides are, or a `z` of 0. If all is
        known to be `finite`, it is not asked.
        """
        value, z = ops.stop_gradient(value), ops.cast(z, value.dtype)
        fixed = ops.stop_gradient(z)
        zero = ops.abs(fixed) < _LEAST
        share = ops.where(zero, 0.0, value / ops.where(zero, 1.0, fixed))
        if not finite:
            passes = ops.logical_and(ops.isfinite(share), ops.isfinite(fixed))
            z, share = ops.where(passes, z, 0.0), ops.where(passes, share, 0.0)
        total = z * share
        outputs = carrying(value, total)
        return self.absorb("epsilon", outputs, value - total) if self.absorbed else outputs

    def scaled(self, parts, value, epsilon: float):
        """Zero, with the gradient of each part times its `weight * value / stab(part)`."""
        found, weights = [], []
        for weight, part in parts:
            weight = ops.cast(weight, value.dtype) if ops.is_tensor(weight) else weight
            part = ops.cast(part, value.dtype)
            share = ratio(value, part, epsilon)
            share = share if _is_whole(weight) else weight * share
            found.append(part * ops.stop_gradient(share))
            weights.append(weight)
        total = _sum(found)
        zero = total - ops.stop_gradient(total)
        if not self.absorbed:
            return zero
        whole = _sum(weights)
        return self.absorb("epsilon", zero, (value if _is_whole(whole) else whole * value) - total)

    def absorb(self, name: str, outputs, value):
        """The outputs, of which `value` is a part whose relevance goes to the absorber `name`."""
        if not self.absorbed:
            return outputs
        share = ops.cast(along(self.absorbed[name], outputs), outputs.dtype)
        return outputs + share * ops.stop_gradient(finite(ops.cast(value, outputs.dtype)))

    def absorbing(self, value, like):
        """A constant whose relevance is that of a bias, where it is taken in beside `like`."""
        rank = max(len(value.shape), len(like.shape))
        share = ops.cast(along(self.absorbed["bias"], like, rank), value.dtype)
        return value + share * finite(value, INFINITE)


def _parts(rule: Rule, linear: Linear) -> list:
    """The parts of a rule, which may be somebody else's."""
    try:
        return [(weight, part) for weight, part in rule.parts(linear)]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        if type(rule).__module__.startswith("isi_keras."):
            raise
        raise ValueError(
            f"The rule {rule!r} failed. Its parts(linear) has to return a list of pairs, (weight, "
            "part); of a Linear, ones is there where the rule says proportional = False. "
            f"{type(error).__name__}: {error}"
        ) from error


def finite(value, infinite: float = math.inf):
    """A constant with 0 for what is infinite, of which no share of 0 is 0."""
    known = ops.isfinite(value) if infinite == math.inf else ops.abs(value) < infinite
    return ops.where(known, value, 0.0)


def visible(scores):
    """Scores without the gradient of those that a mask hides, as in rows that are all hidden."""
    return ops.where(ops.abs(scores) < INFINITE, scores, ops.stop_gradient(scores))


def _is_whole(weight) -> bool:
    return isinstance(weight, float) and weight == 1


def _sum(values):
    return functools.reduce(operator.add, values)


def is_float(tensor) -> bool:
    """Whether a tensor holds real numbers."""
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def carrying(value, gradient_of):
    """A tensor with the value of the first and the gradient of the second, exactly."""
    return ops.stop_gradient(value) + (gradient_of - ops.stop_gradient(gradient_of))


def ratio(numerator, denominator, epsilon: float):
    """`numerator / (denominator + epsilon * sign(denominator))`, sign(0) = +1, and 1 for 0 / 0."""
    if epsilon:
        less, more = (ops.convert_to_tensor(e, denominator.dtype) for e in (-epsilon, epsilon))
        return numerator / (denominator + ops.where(denominator < 0, less, more))
    zero = denominator == 0
    whole = ops.where(zero, ops.ones_like(denominator), denominator)
    return ops.where(zero, ops.ones_like(denominator), numerator / whole)
