"""Which factors of a product take its relevance."""

from typing import Any

from isi_keras.composites import Composite
from isi_keras.graph import operations as table
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.moves import place_before
from isi_keras.graph.nodes import Graph, Node, Tensor
from isi_keras.graph.ranges import sum_of

# What is made of weights by these, entry by entry, is weights still.
_KEEPING = frozenset({*table.QUOTIENTS, "Add", "Clip", "Maximum", "Minimum", "Multiply", "Where"})


def signals(graph: Graph, facts: Facts, composite: Composite, node: Node) -> list[Tensor]:
    """The factors of a product that take its relevance, of several that depend on the input.

    Gates take none beside signals. Of gates alone, weights that sum to 1 where the product sums
    take none, as in attention; otherwise the greatest takes it, over which the others are spread.
    """
    relevant = facts.relevant(node)
    unscaled = [t for t in relevant if not facts.has(t, Fact.SCALE)] or relevant
    halves = composite.gates == "halves" and node.kind == "Multiply"
    if halves or composite.attention == "attnlrp":
        return unscaled
    found = [t for t in unscaled if not facts.has(t, Fact.GATE)]
    if not found:
        found = [t for t in unscaled if not _weighs(graph, facts, node, t)]
        found = [] if len(found) == len(unscaled) else found
    if not found:
        size = max(map(_size, unscaled))
        found = [t for t in unscaled if _size(t) == size]
    return found if len(found) == 1 else unscaled


def _weighs(graph: Graph, facts: Facts, node: Node, tensor: Tensor) -> bool:
    """Whether a factor sums to 1 where the product is summed."""
    return any(_sums_to_one(graph, facts, tensor, axis) for axis in _summed(graph, node, tensor))


def _summed(graph: Graph, node: Node, tensor: Tensor) -> list[int]:
    """The axes of a factor over which a product sums, or what takes it does."""
    rank = len(tensor.shape)
    if node.kind == "Einsum":
        before, _, after = node.op.subscripts.replace(" ", "").partition("->")
        place = next(k for k, factor in enumerate(node.args) if factor is tensor)
        letters = before.split(",")[place].replace("...", "")
        return [rank - len(letters) + k for k, name in enumerate(letters) if name not in after]
    if node.kind in ("Matmul", "Dot"):
        return [rank - 1 if tensor is node.args[0] or rank == 1 else rank - 2]
    users = graph.users.get(id(node.outputs[0]), [])
    if node.kind != "Multiply" or len(users) != 1 or users[0] is None:
        return []
    axis = users[0].argument("axis") if users[0].kind in ("Sum", "Mean") else ()
    full = len(node.outputs[0].shape)
    axes = [axis] if isinstance(axis, int) else axis or ()
    places = [axis % full - full + rank for axis in axes]
    return [place for place in places if place >= 0 and tensor.shape[place] != 1]


def _sums_to_one(graph: Graph, facts: Facts, tensor: Tensor, axis: int) -> bool:
    """Whether a tensor that is not negative is made of such as sum to 1 along an axis alone.

    They may be masked, scaled or moved about.
    """
    node = graph.producers.get(id(tensor))
    if node is None:
        return False
    if node.kind in ("Softmax", "Sparsemax"):
        axes = node.argument("axis", -1)
        rank = len(tensor.shape)
        return axis in [each % rank for each in ([axes] if isinstance(axes, int) else axes)]
    if node.kind in table.MOVES:
        place = place_before(node, axis)
        return place is not None and _sums_to_one(graph, facts, node.tensors[0], place)
    if node.kind not in _KEEPING:
        return False
    parts = [t for t in facts.relevant(node) if not facts.has(t, Fact.MASK)]
    if node.kind in table.QUOTIENTS:
        parts = [t for t in parts if t is node.args[0]]
        total = sum_of(graph.producers, _without_number(graph, node.args[1]), node.args[0])
        if total is not None and _is_over(total, axis, len(tensor.shape)):
            return True
    places = [axis - len(tensor.shape) + len(part.shape) for part in parts]
    return bool(parts) and all(
        place >= 0 and _sums_to_one(graph, facts, part, place)
        for part, place in zip(parts, places, strict=True)
    )


def _is_over(total: Node, axis: int, rank: int) -> bool:
    axes = total.argument("axis")
    return axis in [each % rank for each in ([axes] if isinstance(axes, int) else axes)]


def _without_number(graph: Graph, total: Any) -> Any:
    """What a number keeps off 0."""
    node = graph.producers.get(id(total))
    tensors = [] if node is None or node.kind not in ("Add", "Maximum") else node.tensors
    return tensors[0] if len(tensors) == 1 else total


def _size(tensor: Tensor) -> int:
    size = 1
    for length in tensor.shape[1:]:
        size *= length or 1
    return size
