"""Where an axis is after entries were moved about."""

import math

from isi_keras._keys import spelled
from isi_keras.graph.nodes import Node

_FOLLOWED = {"Cast", "ExpandDims", "GetItem", "Identity", "Reshape", "Squeeze", "Transpose"}

_SPREADING = {"BroadcastTo", "Flip", "Repeat", "Roll", "Tile"}


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


def place_before(node: Node, axis: int) -> int | None:
    """Where an axis of what a node returns was in what it took; `None` if that is not known."""
    rank = len(node.tensors[0].shape)
    if node.kind == "Moveaxis":
        source, destination = (
            [k % rank for k in node.argument(n)] for n in ("source", "destination")
        )
        order = [place for place in range(rank) if place not in source]
        for to, place in sorted(zip(destination, source, strict=True)):
            order.insert(to, place)
        return order[axis]
    if node.kind == "Swapaxes":
        swapped = [node.argument(name) % rank for name in ("axis1", "axis2")]
        return swapped[swapped[0] == axis] if axis in swapped else axis
    if node.kind in _SPREADING:
        place = axis - len(node.outputs[0].shape) + rank
        whole = node.kind in ("Repeat", "Roll") and node.argument("axis") is None
        kept = place >= 0 and node.tensors[0].shape[place] == node.outputs[0].shape[axis]
        return place if kept and not whole else None
    if node.kind not in _FOLLOWED:
        return None
    return next((place for place in range(rank) if moved_axis(node, place) == axis), None)


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
