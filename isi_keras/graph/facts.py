"""What is known of each tensor of a graph, before anything is computed."""

import enum

import keras
from keras import ops

from isi_keras import _checks
from isi_keras.graph import operations as table
from isi_keras.graph.nodes import Graph, Node, Tensor


class Fact(enum.Flag):
    """What may be known of a tensor."""

    NONE = 0
    RELEVANT = enum.auto()
    """It depends on the input so that relevance may pass it."""
    ENTRY = enum.auto()
    """Each of its entries is a function of one entry of the model's input."""
    NONNEGATIVE = enum.auto()
    GATE = enum.auto()
    """In a product with a signal it weighs, and is not weighed."""
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
        for node in graph.nodes:
            facts = self._of_node(node)
            for tensor in node.outputs:
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

    def _of_node(self, node: Node) -> Fact:
        relevant = self.relevant(node)
        boolean = all(_dtype(t) == "bool" for t in node.outputs)
        masks = bool(node.tensors) and all(self.has(t, Fact.MASK) for t in node.tensors)
        if boolean or (masks and node.kind in table.MOVES | {"Multiply"}):
            return Fact.MASK | Fact.NONNEGATIVE | Fact.GATE
        if not relevant or node.kind in table.CONSTANTS:
            return self._given(node)
        entry = self._is_entry(node, relevant)
        if node.kind in _FLAT and (not entry or any(map(_is_float, node.tensors))):
            return self._given(node)
        found = Fact.RELEVANT | (Fact.ENTRY if entry else Fact.NONE)
        return found | self._range(node, relevant)

    def _given(self, node: Node) -> Fact:
        """Of what relevance does not reach, only whether it is a gate."""
        keeps = node.kind in table.MOVES and node.tensors
        return self._common(node.tensors) & Fact.NONNEGATIVE if keeps else Fact.NONE

    def _common(self, tensors) -> Fact:
        found = Fact.NONNEGATIVE | Fact.GATE | Fact.SCALE | Fact.MASK
        for tensor in tensors:
            found &= self.of(tensor)
        return found

    def _is_entry(self, node: Node, relevant) -> bool:
        if not all(self.has(t, Fact.ENTRY) for t in relevant):
            return False
        kind = node.kind
        if kind in table.MOVES or (kind in table.MIXING and self._first):
            return len(relevant) == len(node.tensors)
        if kind not in table.ENTRYWISE:
            return False
        (first, *others) = relevant
        same = all(tuple(t.shape) == tuple(first.shape) for t in node.outputs)
        integers = all(not _is_float(t) for t in node.outputs)
        if kind in ("Add", "Subtract") and not (integers or self._first or _preprocesses(node)):
            return False
        if kind == "Where":
            return same and not others and integers
        if kind in table.QUOTIENTS and not self.has(node.args[0], Fact.ENTRY):
            return False
        return same and not others and (integers or kind in table.AFFINE)

    def _range(self, node: Node, relevant) -> Fact:
        kind, common = node.kind, self._common(relevant)
        alone = len(relevant) == len(node.tensors) and not _constants(node)
        found = Fact.NONE
        if kind in table.MOVES:
            padded = kind in ("Pad", "PadImages") and node.argument("constant_values", 0) not in (
                0,
                0.0,
                None,
            )
            found |= common if len(relevant) == len(node.tensors) and not padded else Fact.NONE
        elif kind in table.AFFINE and len(relevant) == 1:
            found |= common & (Fact.GATE | Fact.SCALE)
            positive = all(_positive(c) for c in _constants(node)) and not set(node.tensors) - set(
                relevant
            )
            if positive and kind in ("Multiply", "Add", "Divide", "TrueDivide"):
                divided = kind in ("Multiply", "Add") or relevant[0] is node.args[0]
                found |= common & Fact.NONNEGATIVE if divided else Fact.NONE
        elif kind in table.PRODUCTS:
            found |= common & Fact.NONNEGATIVE if len(relevant) == len(node.tensors) else Fact.NONE
            if kind == "Multiply":
                found |= common & (Fact.GATE | Fact.SCALE)
        elif (kind in table.KEEPS_SIGN and alone) or kind in (
            "MaxPool",
            "AveragePool",
            "Max",
            "Mean",
        ):
            found |= common & (Fact.NONNEGATIVE | Fact.GATE)
        elif kind in ("Minimum", "Maximum", "Relu", "Clip") and len(relevant) == 1:
            found |= common & Fact.GATE
        if kind == "Maximum" and any(_positive(c) for c in _constants(node)):
            found |= Fact.NONNEGATIVE
        return found | self._made(node)

    def _made(self, node: Node) -> Fact:
        """What an operation makes, whatever it is given."""
        kind, found = node.kind, Fact.NONE
        if kind in table.GATES | table.WEIGHTS:
            found |= Fact.GATE
        if kind in table.SCALES:
            found |= Fact.SCALE
        if kind in table.NONNEGATIVE:
            found |= Fact.NONNEGATIVE
        if kind == "Power" and _checks.is_number(node.args[1]):
            found |= Fact.SCALE if node.args[1] < 0 else Fact.NONE
            found |= Fact.NONNEGATIVE if node.args[1] % 2 == 0 else Fact.NONE
        if kind == "Clip" and _positive(node.argument("x_min")):
            found |= Fact.GATE | Fact.NONNEGATIVE
        if kind in table.QUOTIENTS and not self.has(node.args[0], Fact.RELEVANT):
            found |= Fact.SCALE
        if kind in table.QUOTIENTS and self._is_share(node):
            found |= Fact.GATE | Fact.NONNEGATIVE
        return found

    def _is_share(self, node: Node) -> bool:
        """Whether something positive is divided by its sum, a softmax written out."""
        upper, lower = node.args[:2]
        total = self._graph.producers.get(id(lower))
        if total is None or total.kind != "Sum" or not self.has(upper, Fact.NONNEGATIVE):
            return False
        return total.tensors[0] is upper


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


def _positive(value) -> bool:
    """Whether a constant is known not to be below 0."""
    if _checks.is_number(value):
        return value >= 0
    if ops.is_tensor(value):
        return bool((ops.convert_to_numpy(value) >= 0).all())  # a constant, also inside a trace
    return False


def _constants(node: Node) -> list:
    """Numbers and tensors with values among the arguments of a node of two arguments."""
    if node.kind not in table.AFFINE | {"Maximum", "Minimum", "Where"}:
        return []
    return [v for v in node.args if v is not None and not isinstance(v, Tensor)]
