"""Which factors of a product take its relevance."""

from isi_keras.composites import Composite
from isi_keras.graph import operations as table
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.nodes import Graph, Node, Tensor

# What weighs, if all factors are gates; and what is made of weights by others is weights still.
_WEIGHING = (frozenset({"Softmax", "Sparsemax"}), table.WEIGHTS)
_KEEPING = frozenset(
    {*table.MOVES, *table.QUOTIENTS, "Add", "Clip", "Maximum", "Minimum", "Multiply", "Subtract"}
    | {"Sum", "Where"}
)


def signals(graph: Graph, facts: Facts, composite: Composite, node: Node) -> list[Tensor]:
    """The factors of a product that take its relevance, of several that depend on the input.

    Gates take none beside signals. Of gates alone, those take it that a softmax does not weigh, or
    otherwise the greatest, over which the smaller ones are spread.
    """
    relevant = facts.relevant(node)
    unscaled = [t for t in relevant if not facts.has(t, Fact.SCALE)] or relevant
    halves = composite.gates == "halves" and node.kind == "Multiply"
    if halves or composite.attention == "attnlrp":
        return unscaled
    found = [t for t in unscaled if not facts.has(t, Fact.GATE)]
    if not found and _contracts(node, unscaled):  # attention to what is bounded
        weighed = ([t for t in unscaled if not _is_of(graph, facts, t, w)] for w in _WEIGHING)
        found = next((rest for rest in weighed if 0 < len(rest) < len(unscaled)), [])
    if not found:
        size = max(map(_size, unscaled))
        found = [t for t in unscaled if _size(t) == size]
    return found if len(found) == 1 else unscaled


def _contracts(node: Node, factors: list[Tensor]) -> bool:
    """Whether a product sums, or is larger than its factors, as for a sum that comes after it."""
    return node.kind != "Multiply" or _size(node.outputs[0]) > max(map(_size, factors))


def _is_of(graph: Graph, facts: Facts, tensor: Tensor, kinds: frozenset[str]) -> bool:
    """Whether a tensor is made of what operations of some kinds return and masks, and no more."""
    node = graph.producers.get(id(tensor))
    if node is None or node.kind not in _KEEPING:
        return node is not None and node.kind in kinds
    parts = [t for t in facts.relevant(node) if not facts.has(t, Fact.MASK)]
    return all(_is_of(graph, facts, part, kinds) for part in parts)


def _size(tensor: Tensor) -> int:
    size = 1
    for length in tensor.shape[1:]:
        size *= length or 1
    return size
