"""Rules whose values are known, and relevance through any model."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras import backend
from isi_keras.composites import Composite
from isi_keras.graph.propagation import Propagation
from isi_keras.graph.registry import is_whole
from isi_keras.graph.trace import trace
from isi_keras.rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox, ZPlus

GOLDEN_RULES = {
    "epsilon": Epsilon(),
    "epsilon_0.25": Epsilon(0.25),
    "zplus": ZPlus(),
    "alpha2beta1": AlphaBeta(2, 1),
    "gamma_0.25": Gamma(0.25),
    "flat": Flat(),
    "wsquare": WSquare(),
    "zbox": ZBox(-1, 1),
}


def composite_of(rule):
    """The rule for all layers, or for the first one if it serves no other."""
    return Composite(rule) if rule.proportional else Composite("epsilon", first=rule)


class Flattened:
    """The outputs of a model of any shape, flat, whose derivatives are relevance."""

    def __init__(self, model, composite, x, **wanted):
        x = keras.tree.map_structure(ops.convert_to_tensor, x)
        graph = trace(model, x, is_whole)
        self._made = Propagation(graph, composite, "error", x, **wanted)
        self.variables = self._made.variables

    def outputs(self, x, variables):
        z = self._made.outputs(x, variables)
        return ops.reshape(z, (z.shape[0], -1))


class Explained(NamedTuple):
    """What became of one output of each sample, computed without compilation."""

    relevance: np.ndarray
    logits: np.ndarray
    absorbed: dict[str, np.ndarray]

    def elsewhere(self, target):
        """The relevance that ended nowhere, and the size of all there is, `(N,)`."""
        rows = range(len(self.logits))
        maps = [m.reshape(len(rows), -1) for m in keras.tree.flatten(self.relevance)]
        value = self.logits[rows, target]
        parts = list(self.absorbed.values())
        size = abs(value) + sum(abs(m).sum(1) for m in maps) + sum(map(abs, parts))
        return value - sum(m.sum(1) for m in maps) - sum(parts), size


def explained(model, composite, x, target=0) -> Explained:
    """The relevance of an output of a model, a structure like `x`, and where the rest ended."""
    prepared = Flattened(model, composite, x, absorbed=True)
    x = keras.tree.map_structure(ops.convert_to_tensor, x)
    z, pullback = backend.vjp(lambda v: prepared.outputs(x, v), prepared.variables(x))
    seed = ops.one_hot(ops.full((z.shape[0],), target, "int32"), z.shape[-1], dtype=z.dtype)
    found = pullback(seed)
    each = keras.tree.map_structure
    maps = found["ones"] if "ones" in found else each(ops.multiply, x, found["x"])
    numpy = ops.convert_to_numpy
    return Explained(each(numpy, maps), numpy(z), each(numpy, found["absorbed"]))


def relevance_of(model, composite, x, r):
    """What each input gets of the relevance `r` of the outputs, and the outputs."""
    prepared, x = Flattened(model, composite, x), ops.convert_to_tensor(x)
    z, pullback = backend.vjp(lambda v: prepared.outputs(x, v), prepared.variables(x))
    found = pullback(ops.convert_to_tensor(r.reshape(len(r), -1)) / z)
    relevance = found["ones"] if "ones" in found else x * found["x"]
    return ops.convert_to_numpy(relevance), ops.convert_to_numpy(z)
