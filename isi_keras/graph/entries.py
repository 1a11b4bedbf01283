"""Nodes before the first layer: what is relevant after them is so before them."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.composites import CONVOLUTIONS
from isi_keras.graph import operations as table
from isi_keras.graph.facts import Fact, is_moving
from isi_keras.graph.nodes import Node, Tensor
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import Run, is_float

_each = keras.tree.map_structure


def entry(run: Run, plan: Plan, node: Node) -> Any:
    """The value of a node whose outputs are the model's input still, and their ones."""
    args, kwargs = node.filled(run.fixed)
    outputs = run.call(node, args, kwargs)
    for tensor, ones in zip(node.outputs, _ones(run, plan, node), strict=True):
        run.ones[id(tensor)] = ones
    return outputs


def _ones(run: Run, plan: Plan, node: Node) -> list[Any]:
    relevant = plan.facts.relevant(node)
    casts = node.kind in ("Cast", "ConvertToTensor")
    if casts or not (is_moving(node) or node.kind in table.MIXING):
        ones = run.one(relevant[0])
        ones = ones * _mask(run, plan, node, ones)
        wide = ["float64" if t.dtype == "float64" else "float32" for t in node.outputs]
        return [ops.cast(ones, dtype) for dtype in wide]
    moved = [run.one(t) for t in node.tensors]
    outputs = keras.tree.flatten(_replaced(run, node, moved))
    if not _pads(node):
        return outputs
    inside = keras.tree.flatten(_replaced(run, node, [ops.ones_like(o) for o in moved]))
    padding = [ops.stop_gradient(1 - o) for o in inside]  # is an input as any other
    return [run.absorb("padding", o + p, p) for o, p in zip(outputs, padding, strict=True)]


def _pads(node: Node) -> bool:
    """Whether a node adds padding that counts; what a convolution pads for itself does not."""
    itself = bool(node.scope) and isinstance(node.scope[-1], CONVOLUTIONS)
    return "Pad" in node.kind and not itself


def _replaced(run: Run, node: Node, tensors) -> Any:
    given = iter(tensors)
    args, kwargs = _each(
        lambda v: next(given) if isinstance(v, Tensor) else v, (node.args, node.kwargs)
    )
    return run.call(node, args, kwargs)


def _mask(run: Run, plan: Plan, node: Node, ones) -> Any:
    """What a mask leaves of the input takes no part: it has no relevance."""
    if node.kind == "Where" and is_float(node.outputs[0]):
        return ops.cast(run.fixed(node.args[0]), ones.dtype)
    if node.kind != "Multiply":
        return 1.0
    masks = [t for t in node.tensors if plan.facts.has(t, Fact.MASK)]
    return ops.cast(run.fixed(masks[0]), ones.dtype) if masks else 1.0


class Bounds:
    """A bound on the model's input as one on a tensor that it became.

    Args:
        run: the pass.
        plan: the plan.
        tensor: that tensor.
    """

    def __init__(self, run: Run, plan: Plan, tensor: Tensor):
        self._run, self._plan, self._tensor = run, plan, tensor

    def __call__(self, value: Any) -> Any:
        """The bound, of the shape of the tensor."""
        found: dict[int, Any] = {}

        def at(tensor):
            if not self._plan.facts.has(tensor, Fact.ENTRY):
                return self._run.fixed(tensor)
            if id(tensor) not in found:
                node = self._plan.graph.producers.get(id(tensor))
                if node is None:
                    shape = ops.shape(self._run.raw(tensor))
                    _expect_fitting(value, tuple(self._run.raw(tensor).shape[1:]))
                    found[id(tensor)] = ops.broadcast_to(
                        ops.convert_to_tensor(value, "float32"), shape
                    )
                else:
                    self._through(node, at, found)
            return found[id(tensor)]

        return at(self._tensor)

    def _through(self, node: Node, at, found) -> None:
        args, kwargs = node.filled(at)
        outputs = keras.tree.flatten(self._run.call(node, args, kwargs))
        if _pads(node):  # padding has the bounds of what it pads
            (bound,) = [at(t) for t in node.tensors]
            inside = self._run.call(node, (ops.ones_like(bound), *args[1:]), kwargs)
            sizes = zip(bound.shape, outputs[0].shape, strict=True)
            axes = [axis for axis, (before, after) in enumerate(sizes) if before != after]
            outputs = [outputs[0] + (1 - inside) * ops.max(bound, axis=axes, keepdims=True)]
        found.update(zip(map(id, node.outputs), outputs, strict=True))


def _expect_fitting(value: Any, sample: tuple) -> None:
    """Raises unless a bound broadcasts to a sample."""
    known = np.empty(np.shape(value)), [size or 1 for size in sample]
    try:
        np.broadcast_to(*known)
    except ValueError as error:
        raise ValueError(
            "Expected low and high of the box to be numbers, or lists that broadcast to one sample "
            f"of shape {sample}. Received: one of shape {known[0].shape}."
        ) from error
