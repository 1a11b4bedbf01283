"""Keras has no operation and no layer that is neither treated nor refused by its name."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from makers.every_layer import installed
from makers.relevance import explained

from isi_keras.composites import Composite
from isi_keras.graph import operations
from isi_keras.rules import Epsilon

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="is of TensorFlow"),
]
ROOMS = {
    name: getattr(operations, name)
    for name in (
        "MOVES",
        "HOMOGENEOUS",
        "SQUARES",
        "ACTIVATIONS",
        "LINEAR",
        "QUOTIENTS",
        "NORMS",
        "SPECIAL",
        "REWRITTEN",
        "CONSTANTS",
        "DISCRETE",
        "BODIES",
        "REFUSED",
    )
}
OURS = {"Identity", "State"}
EARLIER = {"SegmentReduction", "RealPart"}
# Classes that only some of the supported versions of Keras have, and one that is a graph.
GRAPH = {"Function"}
# Layers whose outputs depend on the input by steps alone, or that compute with their framework.
REFUSED = (
    "CategoryEncoding",
    "Discretization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "MelSpectrogram",
    "ContrastLimited",
    "RandomCrop",
)
RULE = Composite(Epsilon(1e-6))


def classes(base=keras.Operation):
    """Every class of operations that Keras has, but for layers."""
    for kind in base.__subclasses__():
        if not issubclass(kind, keras.layers.Layer):
            if kind.__module__.startswith(("keras.src.ops", "keras.src.activations")):
                yield kind.__name__
            yield from classes(kind)


def test_every_operation_is_in_the_table_once():
    ops.relu(keras.KerasTensor((2,)))  # imports what is imported late
    known = set().union(*ROOMS.values(), {"Multiply"})
    assert set(classes()) - known - GRAPH == set()
    for (one, names), (other, others) in itertools.combinations(ROOMS.items(), 2):
        assert names & others == set(), (one, other)


def test_the_table_has_no_operation_that_is_gone():
    known = set().union(*ROOMS.values()) - OURS - EARLIER
    assert known - set(classes()) == set()


@pytest.mark.parametrize("key", installed())
def test_every_layer_is_treated_or_refused(key):
    """What it computes is right, and relevance is accounted for; or the error names it."""
    place = installed()[key]
    model, x = place.model(), place.inputs()
    with keras.StatelessScope():  # which keeps states as they are
        wanted = ops.convert_to_numpy(model(x, training=False))
    try:
        found = explained(model, RULE, x)
    except ValueError as error:
        if "There is no relevance rule for" in str(error) and any(name in key for name in REFUSED):
            return
        raise
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found.logits, wanted, rtol=0, atol=1e-3 * scale)
    lost, size = found.elsewhere(0)
    assert (np.abs(lost) <= 1e-3 * np.maximum(size, 1e-6)).all(), (lost, size)
