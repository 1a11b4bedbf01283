"""Rules whose values are known, and relevance through any model."""

from keras import ops

from isi_keras import backend
from isi_keras.composites import Composite
from isi_keras.lrp.propagation import Propagation
from isi_keras.models.head import Head
from isi_keras.models.rewrite import rewritten
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
    """A planned model of any output as a function to logits, flat."""

    head = Head((), 2, "softmax")

    def __init__(self, model):
        self.model = model

    def forward(self, swaps=()):
        swaps = tuple(swaps)

        def run(model, x):
            with rewritten(swaps):
                outputs = model(x)
            return ops.reshape(outputs, (outputs.shape[0], -1))

        return run


def relevance_of(model, composite, x, r):
    """What each input gets of the relevance `r` of the outputs, and the outputs."""
    prepared, x = Propagation(Flattened(model), composite, "error", x), ops.convert_to_tensor(x)
    z, pullback = backend.vjp(lambda v: prepared.logits(model, x, v), prepared.variables(x))
    found = pullback(ops.convert_to_tensor(r.reshape(len(r), -1)) / z)
    relevance = found["ones"] if "ones" in found else x * found["x"]
    return ops.convert_to_numpy(relevance), ops.convert_to_numpy(z)
