"""What is known of the tensors of one pass while relevance is traced through it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from isi_keras.rules import Epsilon, Rule
from isi_keras.rules.linear import Linear, along


@dataclasses.dataclass(frozen=True)
class Fact:
    """What is known of a tensor.

    Args:
        nonnegative: no entry is below 0.
        squashed: it is the output of a sigmoid, a softmax or the like: a gate, if multiplied.
        ones: it is the model's input, up to shape and preprocessing; its relevance is the
            derivative by this tensor of ones.
        preprocessing: what was done to each entry of the model's input.
        linear: it is the pre-activation of this layer, and nothing was applied to it yet.
        layer: that layer.
        rule: the rule of that layer.
        outputs: the axis of its kernel that counts its output channels.
        affine: it is `x * scale + shift` along one axis; `(x, scale, shift, axis)`.
    """

    nonnegative: bool = False
    squashed: bool = False
    ones: Any = None
    preprocessing: tuple[Callable, ...] = ()
    linear: Linear | None = None
    layer: Any = None
    rule: Any = None
    outputs: Any = None
    affine: tuple[Any, Any, Any, int] | None = None


NOTHING = Fact()


class Trace:
    """One pass of a model: the facts, and by what it is differentiated besides the input.

    Args:
        rule: a function from a linear layer, and whether it is at the model's input, to its rule.
        fold: whether batch normalisation is merged into its neighbour.
        signal: whether the signal takes all the relevance of a product with a gate.
        absorbed: zeros `(N,)` by name, whose derivatives are the relevance that ends in biases and
            in `epsilon`; empty if nobody asks.
    """

    def __init__(
        self,
        rule: Callable[[Any, bool], Rule],
        fold: bool,
        signal: bool,
        absorbed: Mapping[str, Any] | None = None,
    ):
        self.rule, self.fold, self.signal, self.absorbed = rule, fold, signal, absorbed
        self.folded: list[Any] = []
        self._facts: dict[int, tuple[Any, Fact]] = {}  # the tensor too, lest its id be reused

    def fact(self, tensor) -> Fact:
        """What is known of a tensor."""
        return self._facts.get(id(tensor), (tensor, NOTHING))[1]

    def note(self, tensor, **known):
        """Remembers something of a tensor, and returns it."""
        self._facts[id(tensor)] = (tensor, dataclasses.replace(self.fact(tensor), **known))
        return tensor

    def entered(self, tensor):
        """A tensor that leaves the model's input: from here on gradients count, not relevance."""
        fact = self.fact(tensor)
        if fact.ones is None or not is_float(tensor):
            return tensor
        inside = ops.stop_gradient(tensor) * fact.ones
        return self.note(inside, nonnegative=fact.nonnegative)

    def surrogate(self, rule: Rule, linear: Linear, value):
        """A tensor equal to `value` whose gradient hands relevance on by the rule."""
        if self.absorbed:
            linear = dataclasses.replace(linear, absorbed=self.absorbed["bias"])
        elif rule == Epsilon(epsilon=0.0):
            return value  # z / z = 1: the rule is the plain gradient
        total, linear = ops.stop_gradient(value), dataclasses.replace(linear, biased=rule.bias)
        for weight, part in rule.parts(linear):
            total = total + self.scaled(part, value, rule.epsilon, weight)
        return total

    def passed(self, value, z, epsilon: float = 1e-7):
        """A tensor equal to `value`, entry by entry a function of `z`, which gets its relevance."""
        return ops.stop_gradient(value) + self.scaled(z, value, epsilon)

    def scaled(self, part, value, epsilon: float, weight: Any = 1.0):
        """Zero, with the gradient of `part` times `weight * value / stab(part)`."""
        share = ops.stop_gradient(weight * ratio(value, part, epsilon))
        zero = (part - ops.stop_gradient(part)) * share
        if not self.absorbed:
            return zero
        return self.absorb("epsilon", zero, weight * value - part * share)

    def absorb(self, name: str, outputs, value):
        """The outputs, of which `value` is a part whose relevance goes to the absorber `name`."""
        if not self.absorbed:
            return outputs
        value = ops.broadcast_to(ops.cast(value, outputs.dtype), ops.shape(outputs))
        return outputs + along(self.absorbed[name], outputs) * ops.stop_gradient(value)


def is_float(tensor) -> bool:
    """Whether a tensor holds real numbers."""
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def carrying(value, gradient_of):
    """A tensor with the value of the first and the gradient of the second, exactly."""
    return ops.stop_gradient(value) + (gradient_of - ops.stop_gradient(gradient_of))


def ratio(numerator, denominator, epsilon: float):
    """`numerator / (denominator + epsilon * sign(denominator))`, sign(0) = +1, and 1 for 0 / 0."""
    if epsilon:
        return numerator / ops.where(denominator < 0, denominator - epsilon, denominator + epsilon)
    zero = denominator == 0
    whole = ops.where(zero, ops.ones_like(denominator), denominator)
    return ops.where(zero, ops.ones_like(denominator), numerator / whole)
