"""Whether all that a model computes with belongs to a layer that is found in it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

from isi_keras import _keras
from isi_keras.models.rewrite import leaves, nodes

_SHOWN = 3


def check(model: keras.Model, whole: Callable[[Any], Any] = lambda node: False) -> None:
    """Raises if a weight of the model belongs to none of its `nodes`.

    Raises:
        ValueError: if there is such a weight: rules would not reach the layer that has it.
    """
    complete = {id(leaf) for leaf in leaves(model, whole)}
    found = set()
    for node in nodes(model, whole):
        if isinstance(node, keras.layers.Layer):
            weights = node.weights if id(node) in complete else _keras.own_weights(node)
            found |= set(map(id, weights))
    missed = [weight for weight in model.weights if id(weight) not in found]
    if missed:
        raise ValueError(
            f"{len(missed)} weights of the model {model.name!r} belong to no layer that was found "
            f"in it: {_paths(missed)}. A layer has to be held by an attribute of a layer or model, "
            "in a list or a dictionary if need be."
        )


@contextlib.contextmanager
def accounted(model: keras.Model) -> Iterator[None]:
    """Runs a pass of the model without side effects, and raises if it uses what is not the model's.

    Raises:
        ValueError: if a weight belongs to none of the model's layers, or the pass reads a variable
            that is not among the model's: of a layer that Keras does not know of, say, as a plain
            object holds it.
    """
    _keras.check_calls()
    check(model)
    with _Reading() as scope:
        yield
    known = set(map(id, model.variables))
    foreign = [
        variable
        for variable in scope.read.values()
        if id(variable) not in known and keras.backend.is_float_dtype(variable.dtype)
    ]
    if foreign:
        raise ValueError(
            f"The model {model.name!r} computes with {len(foreign)} variables that are not among "
            f"its own: {_paths(foreign)}. Keras neither trains nor saves them, and no rule reaches "
            "a layer that has them. Hold that layer by an attribute of the model or of one of its "
            "layers, in a list or a dictionary if need be, not within a plain object or a closure."
        )


class _Reading(keras.StatelessScope):
    """Notes which variables are read, and keeps what is assigned to them to itself."""

    def __init__(self):
        super().__init__()
        self.read: dict[int, Any] = {}

    def get_current_value(self, variable):
        self.read[id(variable)] = variable
        return super().get_current_value(variable)


def _paths(variables: Iterable[Any]) -> str:
    paths = [repr(variable.path) for variable in variables]
    return ", ".join(paths[:_SHOWN]) + (", ..." if len(paths) > _SHOWN else "")
