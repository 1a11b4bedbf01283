"""Rules whose values are known, and relevance through any model."""

from keras import ops

from isi_keras import backend
from isi_keras.composites import Composite
from isi_keras.graph.propagation import Propagation
from isi_keras.graph.registry import registered
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

    def __init__(self, model, composite, x):
        graph = trace(model, x, lambda layer: registered(layer) is not None)
        self._made = Propagation(graph, composite, "error", ops.convert_to_tensor(x[:1]))
        self.variables = self._made.variables

    def outputs(self, x, variables):
        z = self._made.outputs(x, variables)
        return ops.reshape(z, (z.shape[0], -1))


def relevance_of(model, composite, x, r):
    """What each input gets of the relevance `r` of the outputs, and the outputs."""
    prepared, x = Flattened(model, composite, x), ops.convert_to_tensor(x)
    z, pullback = backend.vjp(lambda v: prepared.outputs(x, v), prepared.variables(x))
    found = pullback(ops.convert_to_tensor(r.reshape(len(r), -1)) / z)
    relevance = found["ones"] if "ones" in found else x * found["x"]
    return ops.convert_to_numpy(relevance), ops.convert_to_numpy(z)
