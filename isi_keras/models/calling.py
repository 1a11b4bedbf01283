"""A model called as it is, and whether all that it computes with is its own."""

from typing import Any

import keras

from isi_keras import _keras
from isi_keras._nested import packed
from isi_keras.graph.expanded import IDLE
from isi_keras.graph.nodes import Graph
from isi_keras.graph.trace import Reads
from isi_keras.models.layers import nodes, variables_of

_SHOWN = 3


def run(model: keras.Model, sample: Any) -> Any:
    """What the model itself returns."""
    # What is given stays as it is: on Torch a layer may divide it in place.
    sample = keras.tree.map_structure(keras.ops.copy, sample)
    # A scope hides another one around it, which may say other values.
    with Reads([(variable, variable.value) for variable in variables_of(model)]) as scope:
        outputs = keras.tree.flatten(model(packed(model, sample), training=False))
        outputs = [tensor for tensor in outputs if tensor is not None]
    _check_certain(model, scope.assigned.values())
    _check_variables(model, scope.read.values())
    if len(outputs) != 1:
        raise ValueError(several_outputs(model, len(outputs)))
    return outputs[0]


def _check_certain(model: keras.Model, assigned) -> None:
    """Raises if the model draws numbers that it may use."""
    kinds = tuple(_keras.layers_named(IDLE))
    idle = [n for n in nodes(model) if hasattr(n, "get_dropout_mask") or isinstance(n, kinds)]
    held = [value for node in idle for value in vars(node).values()]
    unused = {id(v.state) for v in held if isinstance(v, keras.random.SeedGenerator)}
    seeds = [v for v in assigned if v.name == "seed_generator_state" and id(v) not in unused]
    if seeds:
        raise ValueError(
            f"The model {model.name!r} draws at random at inference (by {seeds[0].path}), so it "
            "returns something else in each call, and there is no map of it. Let the layer draw "
            "where it is called with training=True alone, and return the mean otherwise."
        )


def several_outputs(model: keras.Model, count: int) -> str:
    """The text for a model of several outputs."""
    return (
        f"The model {model.name!r} has {count} outputs; one is expected. Build a model of one, "
        "e.g. keras.Model(model.inputs[0], model.outputs[0])."
    )


def check_own(model: keras.Model, graph: Graph) -> None:
    """Raises if a graph has variables that are not of its model."""
    weights = [weight.variable for weight in graph.weights]
    _check_variables(model, [v for v in weights if keras.backend.is_float_dtype(v.dtype)])


def _check_variables(model: keras.Model, used) -> None:
    """Raises if the model computes with variables that are not its own."""
    known = set(map(id, variables_of(model)))
    foreign = [v for v in used if id(v) not in known]
    if foreign:
        paths = [repr(variable.path) for variable in foreign]
        names = ", ".join(paths[:_SHOWN]) + (", ..." if len(paths) > _SHOWN else "")
        raise ValueError(
            f"The model {model.name!r} computes with {len(foreign)} variables that are not among "
            f"its own: {names}. Keras neither trains nor saves them, and what is compiled would "
            "keep their values. Hold the layer that has them by an attribute of the model or of "
            "one of its layers, in a list or a dictionary if need be, not within a plain object or "
            "a closure."
        )
