"""Sums over axes, found behind what reshapes them."""

from typing import Any

from isi_keras.graph.nodes import Node


def sum_of(producers: dict[int, Node], total: Any, x: Any) -> Node | None:
    """The node that sums `x` over some axes, if `total` stands for it where `x` is divided by it.

    Args:
        producers: the node of each tensor, by its id.
        total: a tensor, perhaps reshaped so that it has a 1 where each axis was.
        x: what is summed.
    """
    node = before_reshapes(producers, total)
    if node is None or node.kind != "Sum" or node.args[0] is not x:
        return None
    return node if summed_axes(node, total, x) else None


def before_reshapes(producers: dict[int, Node], tensor: Any) -> Node | None:
    """What made a tensor, before axes of length 1 were added or its shape was changed."""
    node = producers.get(id(tensor))
    while node is not None and _keeps_order(node):
        node = producers.get(id(node.args[0]))
    return node


def summed_axes(node: Node, total: Any, x: Any) -> list[int]:
    """The axes that a node sums, if `total` has a 1 where each was in `x`, otherwise none."""
    axis = node.argument("axis")
    axes: list[int] = [axis] if isinstance(axis, int) else list(axis or ())
    shape = list(x.shape)
    for axis in axes:
        shape[axis] = 1
    return axes if tuple(total.shape) == tuple(shape) else []


def _keeps_order(node: Node) -> bool:
    """Whether a node only adds axes of length 1, or changes the shape."""
    if node.kind != "GetItem":
        return node.kind in ("ExpandDims", "Reshape", "Squeeze")
    key = node.args[1] if len(node.args) > 1 else node.kwargs.get("key")
    keys = key if isinstance(key, tuple | list) else [key]
    return all(each is None or each is Ellipsis or each == slice(None) for each in keys)
