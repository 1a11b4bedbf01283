"""A model called as it is, and whether all that it computes with is its own."""

from typing import Any

import keras
import numpy as np

from isi_keras.graph.nodes import Graph
from isi_keras.graph.trace import Reads
from isi_keras.models.layers import variables_of

_SHOWN = 3


def run(model: keras.Model, sample: Any) -> Any:
    """What the model itself returns."""
    # A scope hides another one around it, which may say other values.
    with Reads([(variable, variable.value) for variable in variables_of(model)]) as scope:
        outputs = _outputs(model, sample)
        seeds = [v.path for v in scope.assigned.values() if v.name == "seed_generator_state"]
        if seeds and len(outputs) == 1:  # recurrent cells draw what they do not use at inference
            _check_certain(model, outputs[0], _outputs(model, sample)[0], seeds)
    _check_variables(model, scope.read.values())
    if len(outputs) != 1:
        raise ValueError(several_outputs(model, len(outputs)))
    return outputs[0]


def _outputs(model: keras.Model, sample: Any) -> list[Any]:
    outputs = keras.tree.flatten(model(sample, training=False))
    return [tensor for tensor in outputs if tensor is not None]


def _check_certain(model: keras.Model, outputs, again, seeds: list[str]) -> None:
    """Raises if what the model returns depends on what it draws."""
    one, other = (
        keras.ops.convert_to_numpy(keras.ops.cast(t, "float32")) for t in (outputs, again)
    )
    if not np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise ValueError(
            f"The model {model.name!r} draws at random at inference (by {', '.join(seeds)}), so it "
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
