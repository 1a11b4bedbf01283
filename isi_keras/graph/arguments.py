"""What the operation of a node is called with while relevance is computed."""

import keras
from keras import ops

from isi_keras import _checks
from isi_keras.graph.facts import Fact
from isi_keras.graph.nodes import Node, Tensor
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import Run

_TAKES_IN = ("Concatenate", "Stack", "Where", "Maximum", "Minimum")


def arguments(run: Run, plan: Plan, node: Node) -> tuple[tuple, dict]:
    """Signals where relevance goes, constants elsewhere."""
    routes = {id(t) for t in plan.routes(node)}
    like = next((run.raw(t) for t in node.tensors if id(t) in routes), None)

    def value(tensor):
        if id(tensor) in routes:
            return run.signal(tensor)
        fixed = run.fixed(tensor)
        if node.kind in _TAKES_IN and not plan.facts.has(tensor, Fact.RELEVANT):
            return run.absorbing(fixed, like)
        return fixed

    args, kwargs = node.filled(value)
    if run.absorbed and like is not None and node.kind in _TAKES_IN:

        def taken(given, computed):
            if isinstance(computed, list | tuple):
                return type(computed)(map(taken, given, computed))
            chosen = node.kind in _TAKES_IN[2:] and _checks.is_number(computed)
            if chosen or _is_constant(given, computed):
                return run.absorbing(ops.convert_to_tensor(computed, dtype=like.dtype), like)
            return computed

        args = tuple(map(taken, node.args, args))
    return args, kwargs


def _is_constant(value, computed) -> bool:
    """Whether an argument is an array of real numbers that came with the operation."""
    if isinstance(value, Tensor) or not hasattr(computed, "dtype"):
        return False
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(computed.dtype))
