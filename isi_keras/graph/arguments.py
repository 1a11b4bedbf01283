"""What the operation of a node is called with while relevance is computed."""

import keras
from keras import ops

from isi_keras.graph.facts import Fact
from isi_keras.graph.nodes import Node, Tensor
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import Run

# The arguments of operations that may be constants beside a signal, taken in as they are.
_TAKEN = {
    **dict.fromkeys(("Concatenate", "Dstack", "Hstack", "Stack", "Vstack"), (0,)),
    **dict.fromkeys(("Append", "Maximum", "Minimum"), (0, 1)),
    "SliceUpdate": (0, 2),
    "Where": (1, 2),
}


def arguments(run: Run, plan: Plan, node: Node) -> tuple[tuple, dict]:
    """Signals where relevance goes, constants elsewhere."""
    routes = {id(t) for t in plan.routes(node)}
    like = next((run.raw(t) for t in node.tensors if id(t) in routes), None)
    args, kwargs = node.filled(lambda t: run.signal(t) if id(t) in routes else run.fixed(t))
    if not run.absorbed or like is None:
        return args, kwargs

    def taken(given, computed):
        if isinstance(computed, list | tuple):
            return type(computed)(map(taken, given, computed))
        if isinstance(given, Tensor) and plan.facts.has(given, Fact.RELEVANT):
            return computed
        types = [
            keras.backend.standardize_dtype(t.dtype)
            for t in (computed, like)
            if hasattr(t, "dtype")
        ]
        dtype = keras.backend.result_type(*types)
        return run.absorbing(ops.convert_to_tensor(computed, dtype=dtype), like)

    places = _TAKEN.get(node.kind, ())
    return tuple(
        taken(given, computed) if place in places else computed
        for place, (given, computed) in enumerate(zip(node.args, args, strict=True))
    ), kwargs
