"""Where relevance goes in a graph: decided once, before anything is computed."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from isi_keras.composites import Composite
from isi_keras.graph import operations as table
from isi_keras.graph import registry
from isi_keras.graph.exclusions import excludes
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.nodes import Graph, Node, Tensor
from isi_keras.graph.products import signals


@dataclasses.dataclass(frozen=True, eq=False)
class Linear:
    """A linear node with what is merged into it.

    Args:
        node: the linear operation.
        x: its argument that relevance passes to.
        kernel: its other argument.
        affine: the nodes after it that add a constant or subtract one, or multiply by one for each
            channel or divide by it; and casts before what is merged after them.
        after: the batch normalisation that follows, if it is merged.
        before: the one before it, likewise.
    """

    node: Node
    x: Tensor
    kernel: Any
    affine: tuple[Node, ...] = ()
    after: Node | None = None
    before: Node | None = None

    @property
    def parts(self) -> list[Node]:
        """Its nodes in order, but the one before it."""
        return [self.node, *self.affine, *([] if self.after is None else [self.after])]

    @property
    def source(self) -> Tensor:
        """The tensor that its relevance goes to."""
        return self.x if self.before is None else self.before.args[0]


class Plan:
    """The facts of a graph and the routes of relevance through it, under a composite.

    Args:
        graph: a graph that ends in logits.
        composite: which rule serves which node.
        entries: whether the input is multiplied by ones, by which relevance is differentiated.
    """

    def __init__(self, graph: Graph, composite: Composite, entries: bool):
        self.graph, self.composite = graph, composite
        self.facts = Facts(graph, entries, first=entries and composite.has_first)
        self.linear: dict[int, Linear] = {}
        """By the id of its last node."""
        self.merged: dict[int, Node] = {}
        """The node that each one is merged into, by its id."""
        calls = [outputs for each in graph.layers.values() for _, outputs in each]
        self._returned = {id(t) for t in keras.tree.flatten(calls)}
        """What layers return."""
        for node in graph.nodes:
            if self.kernel_of(node) is not None:
                self._merge(node)
        self.unknown: list[Node] = []
        """The nodes of which nothing is known."""
        self._routes: dict[int, list[Tensor]] = {}
        reached = {id(graph.output)}
        for node in reversed(graph.nodes):
            out = [t for t in node.outputs if self.facts.has(t, Fact.RELEVANT)]
            if any(id(t) in reached for t in out):
                self._routes[id(node)] = self._route(node)
                reached.update(map(id, self._routes[id(node)]))

    def is_live(self, node: Node) -> bool:
        """Whether relevance passes a node, if it is merged into none."""
        return id(node) in self._routes

    def is_merged(self, node: Node) -> bool:
        """Whether a live node computes what this one would."""
        last = self.merged.get(id(node))
        return last is not None and self.is_live(last)

    def routes(self, node: Node) -> list[Tensor]:
        """The arguments of a live node that relevance goes to."""
        return self._routes[id(node)]

    def is_entry(self, node: Node) -> bool:
        """Whether what a node returns is the model's input still."""
        return all(self.facts.has(t, Fact.ENTRY) for t in node.outputs)

    # ---- linear nodes

    def first_of(self, node: Node) -> Tensor | None:
        """The input that a linear layer takes which is run as a whole; `None` for all others."""
        whole = node.kind == "Whole" and registry.is_linear(node.op.layer)
        found = node.args[0] if whole else None
        return found if self.facts.has(found, Fact.ENTRY) and not self.is_entry(node) else None

    def kernel_of(self, node: Node) -> Any:
        """The constant factor of a linear node, which no mask is; `None` if it is none."""
        if node.kind not in table.LINEAR or self.is_entry(node):
            return None
        relevant = self.facts.relevant(node)
        others = [v for v in _operands(node) if not any(v is t for t in relevant)]
        if len(relevant) != 1 or len(others) != 1:
            return None
        if table.is_convolution(node.kind) and relevant[0] is not node.args[0]:
            return None
        return None if id(others[0]) in self.graph.moving else others[0]

    def _merge(self, node: Node) -> None:
        (x,) = self.facts.relevant(node)
        last, affine, after = node, [], None
        following = self._only_user(node)
        while following is not None and self._is_affine(following, last, node):
            affine.append(following)
            last, following = following, self._only_user(following)
        rounding = []
        while following is not None and _rounds(following):
            rounding.append(following)
            following = self._only_user(following)
        if following is not None and self._follows(following, node):
            affine, after = affine + rounding, following
        before = self._preceding(node, x)
        made = Linear(node, x, self.kernel_of(node), tuple(affine), after, before)
        *inner, last = made.parts
        self.linear[id(last)] = made
        self.merged.update((id(part), last) for part in inner)

    def _only_user(self, node: Node) -> Node | None:
        users = self.graph.users.get(id(node.outputs[0]), [])
        return users[0] if len(users) == 1 else None

    def _is_affine(self, node: Node, last: Node, linear: Node) -> bool:
        """Whether a node shifts or scales what is linear so far, in the same layer."""
        same = tuple(node.outputs[0].shape) == tuple(linear.outputs[0].shape)
        within = node.scope[-1:] == linear.scope[-1:] and id(last.outputs[0]) not in self._returned
        others = [v for v in node.args if v is not last.outputs[0]]
        if not (same and within) or node.kind == "Negative":
            return same and within
        if not len(self.facts.relevant(node)) == len(others) == len(node.args) - 1 == 1:
            return False
        if node.kind in ("Add", "Subtract"):
            return True
        first = node.args[0] is last.outputs[0]
        scales = node.kind == "Multiply" or (first and node.kind in ("Divide", "TrueDivide"))
        return scales and self._is_of_channels(others[0], linear)

    def _is_of_channels(self, factor: Any, linear: Node) -> bool:
        """Whether a constant is one number, or one for each output of a kernel."""
        shape, rank = np.shape(factor), len(linear.outputs[0].shape)
        if None in shape or len(shape) > rank:
            return False
        if math.prod(shape) == 1:
            return True
        if linear.kind not in table.OUTPUT_AXIS or not self._kernel_last(linear):
            return False
        channels = table.channel_axis(linear, rank) - rank
        if len(shape) < -channels:
            return False
        return math.prod(shape) == shape[channels] == linear.outputs[0].shape[channels]

    def _follows(self, node: Node, linear: Node) -> bool:
        rank = len(linear.outputs[0].shape)
        if node.kind != "BatchNorm" or not self.composite.fold:
            return False
        known = linear.kind in table.OUTPUT_AXIS
        axis = table.channel_axis(linear, rank)
        return known and _axis(node) % rank == axis and self._kernel_last(linear)

    def _preceding(self, node: Node, x: Tensor) -> Node | None:
        before = self.graph.producers.get(id(x))
        while before is not None and _rounds(before):
            before = self.graph.producers.get(id(before.args[0]))
        if before is None or before.kind != "BatchNorm" or not self.composite.fold:
            return None
        if id(before) in self.linear:  # it is merged into what is before it
            return None
        if node.kind not in table.INPUT_AXIS or self.is_entry(before):
            return None
        rank = len(x.shape)
        whole = _in_one_group(node, x) and self._kernel_last(node)
        if not whole or _axis(before) % rank != table.channel_axis(node, rank):
            return None
        return before if self.facts.relevant(before) == [before.args[0]] else None

    def _kernel_last(self, node: Node) -> bool:
        """Whether the last axis of a kernel is the last of the outputs, and no other is."""
        kernel = self.kernel_of(node)
        if node.kind == "Einsum":
            before, _, after = node.op.subscripts.replace(" ", "").partition("->")
            terms = dict(zip(map(id, node.args), before.split(","), strict=False))
            own, other = terms.pop(id(kernel), ""), "".join(terms.values())
            return bool(own and after) and own[-1] == after[-1] and own[-1] not in other
        if node.kind not in ("Matmul", "Dot"):
            return True
        return len(kernel.shape) == 2 and node.args[1] is kernel

    # ---- routes

    def _route(self, node: Node) -> list[Tensor]:
        relevant, kind, args = self.facts.relevant(node), node.kind, node.args
        if kind == "State":
            return [t for t in relevant if t is args[0]]
        if id(node) in self.merged or self.is_entry(node):
            return relevant
        if id(node) in self.linear:
            return [self.linear[id(node)].source]
        if kind == "Whole":
            if registry.treatment_of(node.op.layer) is None:
                self.unknown.append(node)
            return relevant
        if kind in ("Take", "OneHot"):
            return self._looked_up(node, relevant)
        if kind == "DotProductAttention":
            return [t for t in relevant if t is node.argument("value")]
        if kind in table.PRODUCTS and len(relevant) > 1:
            return signals(self.graph, self.facts, self.composite, node)
        if kind in table.QUOTIENTS:
            return [args[0]] if any(args[0] is t for t in relevant) else relevant
        if kind in ("Add", "Subtract") and len(relevant) > 1:
            return [t for t in relevant if not excludes(self.graph, t, node)] or relevant
        if kind == "Where":
            return [t for t in relevant if t is not args[0]]
        if kind in table.NORMS | {"Power", "BatchNorm", "TakeAlongAxis", "Mod", "Fmod"}:
            return [t for t in relevant if t is node.tensors[0]] or relevant
        several = kind in ("Logaddexp", "Logaddexp2", "Arctan2") and len(relevant) > 1
        if kind not in table.KNOWN or several:
            self.unknown.append(node)
        return relevant

    def _looked_up(self, node: Node, relevant) -> list[Tensor]:
        table_of = node.args[0] if node.kind == "Take" else None
        return [t for t in relevant if t is table_of] or relevant


def _rounds(node: Node) -> bool:
    """Whether a node turns real numbers into some of another precision."""
    if node.kind not in ("Cast", "ConvertToTensor") or not isinstance(node.args[0], Tensor):
        return False
    return all(t.dtype.startswith(("float", "bfloat")) for t in (node.args[0], *node.outputs))


def _operands(node: Node) -> list[Any]:
    """The tensors and constants that a linear node takes."""
    flat = keras.tree.flatten((node.args, node.kwargs))
    return [v for v in flat if hasattr(v, "shape") and not isinstance(v, str)]


def _axis(node: Node) -> int:
    return node.op.axis if isinstance(node.op.axis, int) else node.op.axis[0]


def _in_one_group(node: Node, x: Tensor) -> bool:
    """Whether each channel of a kernel is one of the input."""
    if node.kind != "Conv":
        return True
    kernel = node.args[1]
    return kernel.shape[-2] == x.shape[table.channel_axis(node, len(x.shape))]
