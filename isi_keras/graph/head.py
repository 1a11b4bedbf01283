"""The end of a graph: what makes probabilities of its logits, and the graph without it."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras.graph import operations as table
from isi_keras.graph import registry, wholes
from isi_keras.graph.ends import ORDERED, Line, is_bounded, is_complement, is_pair
from isi_keras.graph.forward import HALF, as_array, widen
from isi_keras.graph.moves import moved_axis
from isi_keras.graph.nodes import Graph, Node, Own, Tensor
from isi_keras.graph.run import carrying, is_float
from isi_keras.graph.softmaxes import with_softmaxes

_LEAST = -1e9  # the logit of a class that a mask rules out


class Cut(NamedTuple):
    """A graph that ends in logits.

    Args:
        graph: the graph.
        removed: the kinds of operations that were at its end, such as `"Softmax"`.
        whole: the graph with its end.
        grouped: whether the outputs are no single softmax, nor sigmoids alone. Then logits of one
            group say nothing beside those of another, and the greatest may not be that of the
            greatest output.
    """

    graph: Graph
    removed: frozenset[str]
    whole: Graph
    grouped: bool = False


def cut(graph: Graph) -> Cut | None:
    """The graph without the softmax or sigmoid at its end; `None` if there is none.

    What comes after it (reshaping, a cast, other heads beside it) stays, and so does a mask, whose
    classes get a logit of -1e9. What changes no order of its outputs (bounds, a logarithm, of a
    softmax also a positive factor or a term) is gone with it, and `1 - sigmoid(z)` has the logit
    `-z`. Of `[1 - p, p]` the logit of `p` alone is left, as of a model of one unit.
    """
    spelled = with_softmaxes(graph)
    cutter = _Cutter(spelled)
    output = cutter.logits_of(graph.output)
    if output is None:
        return None
    removed = frozenset(cutter.removed)
    if is_pair(graph, graph.output):
        return Cut(spelled.with_output(cutter.second(output), cutter.nodes), removed, graph)
    last = len(graph.output.shape) - 1
    grouped = removed != {"Sigmoid"} and cutter.classes.get(id(output)) != last
    return Cut(spelled.with_output(output, cutter.nodes), removed, graph, grouped)


def linear_end(graph: Graph) -> bool:
    """Whether a graph ends in a linear operation with weights, and perhaps its bias."""
    node, weights = _moved(graph, graph.output), _Weights(graph)
    if node is not None and node.kind in ("Add", "BatchNorm"):
        parts = [graph.producers.get(id(t)) for t in node.tensors]
        return any(part is not None and weights.in_linear(part) for part in parts)
    if node is not None and node.kind == "Whole":
        return registry.is_linear(node.op.layer) and wholes.ending(node.op.layer) is None
    return node is not None and weights.in_linear(node)


def hidden(graph: Graph) -> str | None:
    """The softmax or sigmoid behind what a graph ends in, if it cannot be taken off."""
    graph, kinds = with_softmaxes(graph), table.HEADS | table.GATES | {"LogSigmoid"}
    return next((n.name for n in _behind(graph, graph.output) if n.kind in kinds), None)


def difference(graph: Graph) -> str | None:
    """What adds, or subtracts, two functions of the same values behind what a graph ends in."""

    def is_one(node):
        moving = [t for t in node.tensors if id(t) in graph.moving]
        if node.kind not in ("Add", "Subtract") or len(moving) < 2:
            return False
        parts = [_behind(graph, tensor) for tensor in moving]
        one, other = ({id(t) for n in part for t in (*n.tensors, *n.outputs)} for part in parts)
        return not one.isdisjoint(other)

    return next((node.name for node in _behind(graph, graph.output) if is_one(node)), None)


def _behind(graph: Graph, tensor: Tensor) -> list[Node]:
    """The nodes between a tensor and the last weights before it, these too."""
    found, stack, weights = {}, [tensor], _Weights(graph)
    while stack:
        node = graph.producers.get(id(stack.pop()))
        if node is None or id(node) in found:
            continue
        found[id(node)] = node
        if not weights.in_linear(node) and node.kind != "Whole":
            stack.extend(node.tensors)
    return list(found.values())


class _Weights:
    """Which linear nodes of a graph have weights that are learned."""

    def __init__(self, graph: Graph):
        self._of_inputs = set(map(id, keras.tree.flatten(graph.inputs)))
        self._of_weights = {id(weight) for weight in graph.weights}
        for node in graph.nodes:
            for known in (self._of_inputs, self._of_weights):
                if any(id(t) in known for t in node.tensors):
                    known.update(map(id, node.outputs))

    def in_linear(self, node: Node) -> bool:
        """Whether a node is linear in one argument by weights that depend on no input."""
        learned = [t for t in node.tensors if id(t) in self._of_weights - self._of_inputs]
        return node.kind in table.LINEAR and bool(learned)


def _moved(graph: Graph, tensor) -> Node | None:
    """What made a tensor, before its entries were moved about."""
    node = graph.producers.get(id(tensor))
    while node is not None and node.kind in table.AFTER_HEAD and len(node.tensors) == 1:
        node = graph.producers.get(id(node.tensors[0]))
    return node


class _Cutter:
    def __init__(self, graph: Graph):
        self.graph, self.nodes, self.removed = graph, [], set()
        self.classes: dict[int, int] = {}
        """The axis along which the classes of one softmax lie, by the id of their logits."""
        self._lines: dict[int, Line] = {}
        """What is made of probabilities, by the id of their logits."""
        self._ended: set[int] = set()

    def logits_of(self, tensor) -> Tensor | None:
        node = self.graph.producers.get(id(tensor))
        if node is None:
            return None
        if node.kind in table.HEADS:
            self.removed.add(node.kind)
            (logits,) = node.tensors
            if id(logits) in self._ended:  # by another one
                logits = self._own("Identity", lambda z: z, logits, logits.shape)
            self._ended.add(id(logits))
            axis = node.argument("axis", -1)
            if node.kind != "Sigmoid" and isinstance(axis, int):
                self.classes[id(logits)] = axis % len(logits.shape)
            return logits
        if node.kind == "Where":
            return self._masked(node)
        if len(node.tensors) == 1 and node.kind in ORDERED:
            return self._ordered(node)
        if node.kind in ("Cast", "ConvertToTensor"):  # logits are not rounded, as probabilities are
            return self.logits_of(node.tensors[0]) if is_float(node.outputs[0]) else None
        if node.kind not in table.AFTER_HEAD:
            return None
        found = {id(t): self.logits_of(t) for t in node.tensors}
        if any(made is None for made in found.values()):
            return None
        args, kwargs = node.filled(lambda t: found[id(t)])
        dtype = keras.backend.result_type(*(_real(made) for made in found.values()))
        outputs = [Tensor(t.shape, dtype) for t in node.outputs]
        made = outputs[[id(t) for t in node.outputs].index(id(tensor))]
        axes = {self.classes.get(id(t)) for t in found.values()}
        axis = moved_axis(node, axes.pop()) if len(axes) == 1 else None
        if axis is not None:
            self.classes[id(made)] = axis
        elif node.kind == "GetItem" and self.removed != {"Sigmoid"}:
            return None  # a part of the outputs of a softmax says nothing without the others
        lines = {self._line(t) for t in found.values()}
        self._lines[id(made)] = lines.pop() if len(lines) == 1 else Line(closed=True)
        self.nodes.append(Node(node.op, args, kwargs, outputs, node.scope))
        return made

    def _line(self, logits: Tensor) -> Line:
        return self._lines.get(id(logits), Line())

    def _ordered(self, node: Node) -> Tensor | None:
        """The logits of what a function of each entry returns that keeps their order."""
        others, self.removed = self.removed, set()
        logits = self.logits_of(node.tensors[0])
        removed, self.removed = self.removed, self.removed | others
        if logits is None or tuple(node.outputs[0].shape) != tuple(node.tensors[0].shape):
            return None
        line, labels = self._line(logits), removed == {"Sigmoid"}
        axis = self.classes.get(id(logits))
        sizes = logits.shape[1:] if axis is None else [logits.shape[axis]]
        count = math.prod(size or math.inf for size in sizes)
        if is_bounded(node, count, labels):
            return None if line != Line() or "LogSoftmax" in removed else logits
        if labels and is_complement(node):
            return self._own("Negative", ops.negative, logits, logits.shape)
        line = line.after(node) if removed == {"Softmax"} else None
        if line is None:
            return None  # scaled, a sigmoid may be a value between two bounds
        self._lines[id(logits)] = line
        return logits

    def second(self, logits: Tensor) -> Tensor:
        """The second of two logits, `(N, 1)`."""
        return self._own("GetItem", _second, logits, (logits.shape[0], 1))

    def _own(self, kind: str, function, logits: Tensor, shape) -> Tensor:
        made = Tensor(shape, _real(logits))
        self.nodes.append(Node(Own(kind, function, shape, made.dtype), (logits,), {}, [made], ()))
        return made

    def _masked(self, node: Node) -> Tensor | None:
        mask, kept, other = node.args
        if not isinstance(kept, Tensor) or not _is_zero(other):
            return None
        logits = self.logits_of(kept)
        if logits is None or "LogSoftmax" in self.removed or self._line(logits) != Line():
            return None  # 0 need not be the least
        dtype = "float32" if logits.dtype in HALF else logits.dtype  # float16 does not hold -1e9
        op = Own("Where", _ruled_out, node.outputs[0].shape, dtype)
        outputs = [Tensor(node.outputs[0].shape, dtype)]
        self.nodes.append(Node(op, (mask, logits, _LEAST), {}, outputs, node.scope))
        if id(logits) in self.classes:
            self.classes[id(outputs[0])] = self.classes[id(logits)]
        return outputs[0]


def _second(logits):
    return logits[:, 1:]


def _ruled_out(mask, logits, least):
    logits = widen(logits)
    return ops.where(mask, logits, ops.cast(least, logits.dtype))


def _real(tensor) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def _is_zero(value) -> bool:
    if isinstance(value, int | float):
        return value == 0
    return ops.is_tensor(value) and not as_array(value).any()


def excludes(graph: Graph) -> bool:
    """Whether some constant of a graph is minus infinity, as it is put where classes are not."""
    return any(
        np.isneginf(as_array(value)).any()
        for node in graph.nodes
        for value in keras.tree.flatten((node.args, node.kwargs))
        if isinstance(value, float | np.ndarray | np.floating) or ops.is_tensor(value)
        if is_float(ops.convert_to_tensor(value))
    )


def as_logits(outputs, pair: bool, excluded: bool):
    """Outputs of a graph as logits, float32.

    Args:
        outputs: what it returns.
        pair: whether one unit $z$ stands for two classes, $(-z, z)$. Of 0 the first is predicted,
            also by backends that hold -0 for less than 0.
        excluded: whether classes may have minus infinity. They get -1e9 beside others.
    """
    outputs = ops.cast(outputs, "float32")
    if excluded:
        some = ops.any(ops.isfinite(outputs), axis=-1, keepdims=True)
        outputs = ops.where(some, ops.maximum(outputs, _LEAST), outputs)
    if not pair:
        return outputs
    other = ops.where(outputs == 0, carrying(ops.zeros_like(outputs), -outputs), -outputs)
    return ops.concatenate([other, outputs], axis=-1)
