"""What is known of each tensor of a graph, before anything is computed."""

import enum
import math

import keras

from isi_keras.graph import operations as table
from isi_keras.graph.nodes import Graph, Node, Tensor
from isi_keras.graph.ranges import Ranges


class Fact(enum.Flag):
    """What may be known of a tensor."""

    NONE = 0
    RELEVANT = enum.auto()
    """It depends on the input so that relevance may pass it."""
    ENTRY = enum.auto()
    """Each of its entries is a function of one entry of the model's input."""
    NONNEGATIVE = enum.auto()
    GATE = enum.auto()
    """In a product with a signal it weighs, and is not weighed: it lies between 0 and a bound, or
    is an exponential, a weight before it is divided."""
    SCALE = enum.auto()
    """It is the inverse of a deviation."""
    MASK = enum.auto()
    """It is 0 or 1, or true or false."""


class Facts:
    """The facts of a graph.

    Args:
        graph: the graph.
        entries: whether it is wanted which tensors are the input still.
        first: whether it is wanted for a rule of the first layer: then shifts and interpolations of
            the input count as input wherever they are, otherwise only shifts in layers for that.
    """

    def __init__(self, graph: Graph, entries: bool, first: bool):
        self._graph, self._first = graph, first
        known = Fact.RELEVANT | (Fact.ENTRY if entries else Fact.NONE)
        self._known = {id(t): known for t in keras.tree.flatten(graph.inputs)}
        self._ranges = Ranges(graph)
        for node in graph.nodes:
            for tensor in node.outputs:
                facts = self._of_output(node, tensor)
                self._known[id(tensor)] = facts & ~_impossible(tensor, facts)

    def of(self, tensor: Tensor) -> Fact:
        """What is known of a tensor; a weight is known for nothing."""
        return self._known.get(id(tensor), Fact.NONE)

    def has(self, tensor, fact: Fact) -> bool:
        """Whether a tensor is known to be so."""
        return isinstance(tensor, Tensor) and fact in self.of(tensor)

    def relevant(self, node: Node) -> list[Tensor]:
        """The arguments of a node that relevance may pass to."""
        return [t for t in node.tensors if self.has(t, Fact.RELEVANT)]

    def _of_output(self, node: Node, tensor: Tensor) -> Fact:
        relevant = self.relevant(node)
        boolean = all(_dtype(t) == "bool" for t in node.outputs)
        masks = bool(node.tensors) and all(self.has(t, Fact.MASK) for t in node.tensors)
        if boolean or (masks and node.kind in table.MOVES | {"Multiply"}):
            return Fact.MASK | Fact.NONNEGATIVE | Fact.GATE
        if not relevant or node.kind in table.CONSTANTS:
            return self._given(tensor)
        entry = self._is_entry(node, relevant)
        if node.kind in _FLAT and (not entry or any(map(_is_float, node.tensors))):
            return self._given(tensor)
        found = Fact.RELEVANT | (Fact.ENTRY if entry else Fact.NONE)
        return found | self._range(node, tensor, relevant)

    def _given(self, tensor: Tensor) -> Fact:
        """Of what relevance does not reach, only whether it is below 0."""
        return Fact.NONNEGATIVE if self._ranges.of(tensor)[0] >= 0 else Fact.NONE

    def _common(self, tensors) -> Fact:
        found = Fact.NONNEGATIVE | Fact.GATE | Fact.SCALE | Fact.MASK
        for tensor in tensors:
            found &= self.of(tensor)
        return found

    def _is_entry(self, node: Node, relevant) -> bool:
        if node.kind == "State":
            return self.has(node.args[0], Fact.ENTRY)
        if not all(self.has(t, Fact.ENTRY) for t in relevant):
            return False
        kind = node.kind
        if is_moving(node) or (kind in table.MIXING and self._first):
            return len(relevant) == len(node.tensors)
        if kind == "Whole":
            alike = all(tuple(t.shape) == tuple(relevant[0].shape) for t in node.outputs)
            return isinstance(node.op.layer, _NUMBERS) and alike
        if kind == "BatchNorm":
            return self._first and all(t is node.args[0] for t in relevant)
        if kind not in table.ENTRYWISE:
            return False
        (first, *others) = relevant
        same = all(tuple(t.shape) == tuple(first.shape) for t in node.outputs)
        integers = all(not _is_float(t) for t in node.outputs)
        if kind in ("Add", "Subtract") and not (integers or self._first or _preprocesses(node)):
            return False
        if kind == "Where":
            masked = node.args[1] is first and self._ranges.of(node.args[2]) == (0.0, 0.0)
            return same and not others and (integers or masked)
        if kind in table.QUOTIENTS and not self.has(node.args[0], Fact.ENTRY):
            return False
        return same and not others and (integers or kind in table.AFFINE)

    def _range(self, node: Node, tensor: Tensor, relevant) -> Fact:
        """What is known of the values of an output, and what they are to others."""
        kind, common = node.kind, self._common(relevant)
        least, greatest = self._ranges.of(tensor)
        signed = least < 0 < greatest
        found = Fact.NONNEGATIVE if least >= 0 else Fact.NONE
        found |= Fact.NONE if signed or math.isinf(greatest - least) else Fact.GATE
        alone = len(relevant) == len(node.tensors)
        falls = kind == "Power" and self._ranges.of(node.args[1])[1] < 0
        if kind in table.MOVES:
            found |= common & ~Fact.NONNEGATIVE if alone else Fact.NONE
        elif kind == "Multiply":
            factors = [t for t in relevant if not self._rescales(t)] or relevant
            found |= common & Fact.SCALE | self._common(factors) & Fact.GATE
        elif kind in table.QUOTIENTS and any(node.args[1] is t for t in relevant):
            positive = self._ranges.is_positive(node.args[1])
            found |= self.of(node.args[0]) & Fact.GATE if positive else Fact.NONE
        elif kind in table.AFFINE and len(relevant) == 1:
            shifted = signed and kind in ("Add", "Subtract")  # a factor changes no entry's sign
            found |= common & (Fact.SCALE if shifted else Fact.SCALE | Fact.GATE)
        elif kind in table.PRODUCTS:
            operands = [v for v in keras.tree.flatten(node.args) if hasattr(v, "shape")]
            rest = [v for v in operands if not any(v is t for t in relevant)]
            ranges = [self._ranges.of(v) for v in rest]
            alike = all(r[0] >= 0 for r in ranges) or all(r[1] <= 0 for r in ranges)
            if alike or not _sums(node):
                found |= common & (Fact.GATE if rest else Fact.GATE | Fact.SCALE)
        elif not falls and (kind in table.KEEPS_GATES or (kind in table.KEEPS_SIGN and alone)):
            found |= self._gates(node, relevant)
        if kind in table.GATES | table.WEIGHTS:
            found |= Fact.GATE
        if kind in table.SCALES or falls:
            found |= Fact.SCALE
        if kind in table.QUOTIENTS and not self.has(node.args[0], Fact.RELEVANT):
            found |= Fact.SCALE
        return found

    def _rescales(self, tensor: Tensor) -> bool:
        """Whether a product with a tensor divides by something positive."""
        return (Fact.SCALE | Fact.NONNEGATIVE) in self.of(tensor)

    def _gates(self, node: Node, relevant) -> Fact:
        """Whether all that a node passes on are gates, or positive numbers beside them."""
        values = node.args[1:3] if node.kind == "Where" else relevant
        passed = [v for v in values if any(v is t for t in relevant)]
        rest = [v for v in values if not any(v is t for t in relevant)]
        gates = all(self.has(t, Fact.GATE) for t in passed)
        return Fact.GATE if gates and all(map(self._ranges.is_positive, rest)) else Fact.NONE


def _sums(node: Node) -> bool:
    """Whether a product sums: of both signs, what is made of a gate may then have both."""
    if node.kind != "Einsum":
        return True
    before, _, after = node.op.subscripts.partition("->")
    return not set(before) - set(after) <= set(", ")


def is_moving(node: Node) -> bool:
    """Whether a node moves entries of samples about, and changes none."""
    if node.kind not in ("Take", "TakeAlongAxis"):
        return node.kind in table.MOVES
    axis, taken, alone = node.argument("axis"), node.args[0], len(node.tensors) == 1
    within = axis is not None and alone and axis % len(taken.shape) != 0
    return within and node.tensors[0] is taken


BY_TENSORFLOW = (keras.layers.Hashing, keras.layers.IntegerLookup)
"""They give ids other numbers, by TensorFlow, which JAX cannot compile."""
_NUMBERS = () if keras.config.backend() == "jax" else BY_TENSORFLOW
_FLAT = {"Angle", "FloorDivide", "Heaviside"}  # steps of real numbers


def _preprocesses(node: Node) -> bool:
    """Whether a node is in a layer that is there to bring data to a scale."""
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    return any(isinstance(layer, kinds) for layer in node.scope)


def _impossible(tensor, facts: Fact) -> Fact:
    """Relevance passes real numbers, and integers only while they are the input."""
    return Fact.NONE if _is_float(tensor) or Fact.ENTRY in facts else Fact.RELEVANT


def _dtype(tensor) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def _is_float(tensor) -> bool:
    return keras.backend.is_float_dtype(_dtype(tensor))
