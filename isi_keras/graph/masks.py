"""Masks, and weights that are made of masks alone."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _checks
from isi_keras.graph import operations as table
from isi_keras.graph.facts import Fact, Facts
from isi_keras.graph.forward import as_array
from isi_keras.graph.nodes import Graph, Tensor

_KEEPING_MASKS = table.MOVES | table.STRAIGHT | {"Clip", "Maximum", "Minimum"}
# What is made of some tensors by these is made of nothing else.
_OF_PARTS = table.MOVES | table.AFFINE | table.QUOTIENTS | table.PRODUCTS | table.SCALES
_OF_PARTS |= {"Clip", "Max", "Maximum", "Mean", "Minimum", "Power", "Softmax", "Sqrt", "Square"}
_OF_PARTS |= {"Sum", "Where"}


class Masks:
    """Which values of a graph are masks, or weights that are made of masks alone."""

    def __init__(self, graph: Graph, facts: Facts):
        self._graph, self._facts = graph, facts

    def has(self, value: Any) -> bool:
        """Whether a value is a mask, or shares of one; of constants such as are 0 and 1 are."""
        if not isinstance(value, Tensor):
            constant = ops.is_tensor(value) or isinstance(value, np.ndarray)
            number = constant or _checks.is_number(value)
            return number and set(np.unique(as_array(value))) <= {0, 1}
        node = self._graph.producers.get(id(value))
        if self._is_part(value) or node is None:
            return self._is_part(value)
        relevant, args = self._facts.relevant(node), keras.tree.flatten(node.args)
        if node.kind == "Multiply":
            masks = list(map(self.has, args))
            shares = all(mask or self._shares(v) for mask, v in zip(masks, args, strict=True))
            return shares and any(map(self.has, relevant))
        if node.kind in table.PRODUCTS:  # a sum of masks is a count
            plain = [v for v in args if not self._shares(v)]
            return len(plain) < 2 <= len(args) and all(map(self.has, plain))
        if node.kind in table.QUOTIENTS or node.kind == "Normalize":
            return self.has(args[0])
        if node.kind == "Softmax":
            return bool(made_of(self._graph, value, self._is_part))
        if node.kind == "Where":
            return all(self.has(v) or self._shares(v) for v in args[1:]) or not any(
                self._facts.has(v, Fact.RELEVANT) for v in args[1:]
            )
        if node.kind == "Add":  # a diagonal, as of a graph; with a number, or another, it is one
            constants = [v for v in args if not isinstance(v, Tensor)]
            arrays = [v for v in constants if len(getattr(v, "shape", ()))]
            return len(arrays) == len(constants) == 1 and all(map(self.has, args))
        less = node.kind == "Subtract" and _checks.is_number(args[0]) and args[0] == 1
        kept = less or node.kind in _KEEPING_MASKS
        return kept and bool(relevant) and all(map(self.has, relevant))

    def _is_part(self, tensor: Tensor) -> bool:
        return tensor.dtype == "bool" or self._facts.has(tensor, Fact.MASK)

    def _is_plain(self, value: Any) -> bool:
        return _checks.is_number(value) or self.has(value)

    def _shares(self, value: Any) -> bool:
        """Whether a value is made of masks alone and divides by them, as by a degree."""
        graph, stack, seen = self._graph, [value], set()
        if not isinstance(value, Tensor) or not made_of(graph, value, self._is_part):
            return False
        divides = False
        while stack:
            node = graph.producers.get(id(tensor := stack.pop()))
            if node is None or id(tensor) in seen:
                continue
            seen.add(id(tensor))
            fixed = [v for v in keras.tree.flatten(node.args) if not isinstance(v, Tensor)]
            if node.kind in table.PRODUCTS and not all(map(self._is_plain, fixed)):
                return False
            exponent = node.args[1] if node.kind == "Power" else 0
            falls = _checks.is_number(exponent) and exponent < 0
            over = node.kind in table.QUOTIENTS and self._facts.has(node.args[1], Fact.RELEVANT)
            divides = divides or falls or over or node.kind in table.SCALES
            stack += node.tensors
        return divides


def made_of(graph: Graph, tensor: Tensor, is_part: Callable[[Tensor], bool]) -> list[Tensor]:
    """The parts that a tensor is made of, if by them alone, as by their shares of a sum."""
    stack, seen, found = [tensor], set(), []
    while stack:
        tensor = stack.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        node = graph.producers.get(id(tensor))
        if is_part(tensor):
            found.append(tensor)
        elif node is None or node.kind not in _OF_PARTS:
            return []
        else:
            stack += node.tensors
    return found
