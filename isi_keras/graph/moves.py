"""Where an axis is after entries were moved about."""

import math

from isi_keras._keys import spelled
from isi_keras.graph.nodes import Node


def moved_axis(node: Node, axis: int | None) -> int | None:
    """Where an axis of what a node takes is in what it returns; `None` if it is whole no more."""
    old, new = (list(map(_length, t.shape)) for t in (node.tensors[0], node.outputs[0]))
    if axis is None:
        return None
    if node.kind == "Transpose":
        order = node.argument("axes") or range(len(old))[::-1]
        return [place % len(old) for place in order].index(axis)
    if node.kind == "Concatenate":
        return None if node.argument("axis") % len(old) == axis else axis
    if node.kind == "Stack":
        return axis + (node.argument("axis") % len(new) <= axis)
    if node.kind == "GetItem":
        return _kept_axis(node, axis, old)
    sizes = old[axis], math.prod(old[axis + 1 :])
    places = [(size, math.prod(new[place + 1 :])) for place, size in enumerate(new)]
    return places.index(sizes) if sizes in places else None


def _kept_axis(node: Node, axis: int, sizes: list[int]) -> int | None:
    """Where an axis is after a key, that takes all of it."""
    key = node.args[1] if len(node.args) > 1 else node.kwargs["key"]
    keys = spelled(key if isinstance(key, tuple) else (key,), len(sizes))
    before = after = 0
    for each in keys:
        if each is not None and before == axis:
            whole = range(sizes[axis])
            return after if isinstance(each, slice) and whole[each] == whole else None
        before += each is not None
        after += not isinstance(each, int)
    return None


def _length(size: int | None) -> int:
    return 0 if size is None else size
