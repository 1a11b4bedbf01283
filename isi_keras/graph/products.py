"""Which factors of a product take its relevance."""

import math
from typing import Any

from isi_keras.composites import Composite
from isi_keras.graph import operations as table
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.masks import Masks
from isi_keras.graph.moves import place_before
from isi_keras.graph.nodes import Graph, Node, Tensor
from isi_keras.graph.softmaxes import shared
from isi_keras.graph.sums import sum_of

# What is made of weights by these, entry by entry, is weights still.
_KEEPING = frozenset({*table.QUOTIENTS, "Add", "Clip", "Maximum", "Minimum", "Multiply", "Where"})
# By these a tensor of few numbers becomes one of many.
_SPREADING = table.MOVES | table.MIXING | table.AFFINE


def signals(graph: Graph, facts: Facts, composite: Composite, node: Node) -> list[Tensor]:
    """The factors of a product that take its relevance, of several that depend on the input.

    Masks take none beside others, and gates none beside signals. Of gates alone, weights that sum
    to 1 where the product sums take none, as in attention; otherwise the greatest takes it, over
    which the others are spread.
    """
    relevant = facts.relevant(node)
    unscaled = [t for t in relevant if not facts.has(t, Fact.SCALE)] or relevant
    masks = Masks(graph, facts)
    unscaled = [t for t in unscaled if not masks.has(t)] or unscaled
    halves = composite.gates == "halves" and node.kind == "Multiply"
    if halves or composite.attention == "attnlrp":
        return unscaled
    found = [t for t in unscaled if not facts.has(t, Fact.GATE)]
    if not found:
        found = [t for t in unscaled if not _weighs(graph, facts, node, t)]
        found = [] if len(found) == len(unscaled) else found
    if not found:
        sizes = [_size(graph, facts, t) for t in unscaled]
        found = [t for t, size in zip(unscaled, sizes, strict=True) if size == max(sizes)]
    return found


def _weighs(graph: Graph, facts: Facts, node: Node, tensor: Tensor) -> bool:
    """Whether a factor sums to 1 where the product is summed."""
    return any(_sums_to_one(graph, facts, tensor, axis) for axis in _summed(graph, node, tensor))


def _summed(graph: Graph, node: Node, tensor: Tensor) -> list[int]:
    """The axes of a factor over which a product sums, or what takes it does."""
    rank = len(tensor.shape)
    if node.kind == "Einsum":
        return _summed_letters(node, tensor)
    if node.kind in ("Matmul", "Dot"):
        return [rank - 1 if tensor is node.args[0] or rank == 1 else rank - 2]
    if node.kind != "Multiply":
        return []
    moves, user = [], _only_user(graph, node)
    while user is not None and user.kind in table.MOVES:
        moves.append(user)
        user = _only_user(graph, user)
    if user is None or user.kind not in ("Sum", "Mean"):
        return []
    axis, full = user.argument("axis"), len(user.tensors[0].shape)
    axes = [k % full for k in ([axis] if isinstance(axis, int) else axis or ())]
    for move in reversed(moves):
        places = [place_before(move, k) for k in axes]
        axes = [place for place in places if place is not None]
    places = [k - len(node.outputs[0].shape) + rank for k in axes]
    return [place for place in places if place >= 0 and tensor.shape[place] != 1]


def _only_user(graph: Graph, node: Node) -> Node | None:
    users = graph.users.get(id(node.outputs[0]), [])
    return users[0] if len(users) == 1 else None


def _summed_letters(node: Node, tensor: Tensor) -> list[int]:
    before, arrow, after = node.op.subscripts.replace(" ", "").partition("->")
    terms = before.split(",")
    if not arrow:  # the letters that come once stay
        after = [letter for letter in before if before.count(letter) == 1]
    place = next(k for k, factor in enumerate(node.args) if factor is tensor)
    first, _, last = terms[place].partition("...")
    places = list(range(len(first)))
    places += [len(tensor.shape) - len(last) + k for k in range(len(last))]
    return [k for k, letter in zip(places, first + last, strict=True) if letter not in after]


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
    for upper, lower in shared(graph, node):
        total = sum_of(graph.producers, _without_number(graph, lower), upper)
        if total is not None and _is_over(total, axis, len(tensor.shape)):
            return True
    parts = [t for t in facts.relevant(node) if not facts.has(t, Fact.MASK)]
    if node.kind in table.QUOTIENTS:
        parts = [t for t in parts if t is node.args[0]]
    places = [axis - len(tensor.shape) + len(part.shape) for part in parts]
    return bool(parts) and all(
        place >= 0 and _sums_to_one(graph, facts, part, place)
        for part, place in zip(parts, places, strict=True)
    )


def _is_over(total: Node, axis: int, rank: int) -> bool:
    axes = total.argument("axis")
    return axis in [each % rank for each in ([axes] if isinstance(axes, int) else axes)]


def _without_number(graph: Graph, total: Any) -> Any:
    """What a number keeps off 0, or what is held constant."""
    node = graph.producers.get(id(total))
    while node is not None and node.kind in ("Add", "Maximum", "StopGradient"):
        if len(node.tensors) != 1:
            break
        total = node.tensors[0]
        node = graph.producers.get(id(total))
    return total


def _size(graph: Graph, facts: Facts, tensor: Tensor) -> int:
    """How many numbers of a sample a tensor holds, before they were spread or moved about."""
    sizes = []
    while True:
        sizes.append(math.prod(length or 1 for length in tensor.shape[1:]))
        node = graph.producers.get(id(tensor))
        parts = [] if node is None else facts.relevant(node)
        if node is None or len(parts) != 1 or node.kind not in _SPREADING:
            return min(sizes)
        tensor = parts[0]
