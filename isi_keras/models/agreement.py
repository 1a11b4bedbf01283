"""Whether a graph is that of its model: what both compute, and with which variables."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.graph.forward import forward
from isi_keras.graph.nodes import Graph
from isi_keras.graph.trace import Reads
from isi_keras.models.layers import variables_of

_SHOWN = 3
_TOLERANCE = {"float16": 5e-2, "bfloat16": 1e-1}


def run(model: keras.Model, sample: Any) -> Any:
    """What the model itself returns."""
    with Reads() as scope:
        outputs = keras.tree.flatten(model(sample, training=False))
        outputs = [tensor for tensor in outputs if tensor is not None]
    _check_variables(model, scope.read.values())
    if len(outputs) != 1:
        raise ValueError(several_outputs(model, len(outputs)))
    return outputs[0]


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


def rows_of(graph: Graph) -> int | None:
    """How many samples a graph is for; `None` for any number."""
    return keras.tree.flatten(graph.inputs)[0].shape[0]


def pair(x: Any) -> Any:
    """Two samples that differ, as one alone does not show what a layer does across samples."""

    def two(rows):
        rows = ops.convert_to_tensor(rows[:2])
        if rows.shape[0] == 2:
            return rows
        return ops.concatenate([rows, ops.cast(rows / 2, rows.dtype)], axis=0)

    return keras.tree.map_structure(two, x)


def spread(x: Any, most: int) -> Any:
    """Some samples from all over an array, up to 64 and `most`; `None` if these are but a pair.

    A layer may do with few samples what it does not do with most, such as with missing values.
    """
    arrays = keras.tree.flatten(x)
    count = min(64, most, len(arrays[0])) if isinstance(arrays[0], np.ndarray) else 0
    if count <= 2:
        return None
    chosen = np.linspace(0, len(arrays[0]) - 1, count).round().astype(int)
    return keras.tree.map_structure(lambda rows: ops.convert_to_tensor(rows[chosen]), x)


def check_same(model: keras.Model, graph: Graph, sample: Any, outputs: Any) -> None:
    """Raises if the graph computes anything else than the model."""
    if not is_same(graph, sample, outputs):
        found, wanted = map(_numbers, (forward(graph, sample), outputs))
        raise ValueError(
            f"Traced, the model {model.name!r} computes other than it does when it is called: "
            f"{wanted.ravel()[:3]} became {found.ravel()[:3]}. A layer may compute otherwise with "
            "symbolic tensors, or draw at random. Tell how it is to be treated as a whole, "
            "isi_keras.register(YourLayer, 'gradient')."
        )


def is_same(graph: Graph, sample: Any, outputs: Any) -> bool:
    """Whether a graph computes what the model returned."""
    try:
        found, wanted = map(_numbers, (forward(graph, sample), outputs))
    except Exception:
        if rows_of(graph) is None:  # which says nothing of a graph for so many
            return False
        raise
    dtypes = {t.dtype for node in graph.nodes for t in node.outputs}
    tolerance = max((_TOLERANCE[d] for d in dtypes if d in _TOLERANCE), default=1e-3)
    if found.shape != wanted.shape:
        return False
    finite = np.isfinite(wanted)
    scale = max(np.abs(wanted[finite]).max(initial=0), 1e-6)
    near = np.abs(found[finite] - wanted[finite]).max(initial=0) <= tolerance * scale
    return bool(near and np.array_equal(found[~finite], wanted[~finite], equal_nan=True))


def _numbers(tensor: Any) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))
