"""Whether what a model ends in can be taken as logits."""

from typing import Any

import keras
from keras import ops

from isi_keras.graph.forward import forward
from isi_keras.graph.head import Cut, cut, difference, hidden, linear_end
from isi_keras.graph.nodes import Graph
from isi_keras.graph.softmaxes import with_softmaxes
from isi_keras.models.agreement import is_same


def expect_varying(model: keras.Model, graph: Graph, units: int) -> None:
    """Raises if the model returns 1 whatever comes in."""
    found = cut(graph) if units == 1 else None
    if found is not None and found.removed & {"Softmax", "LogSoftmax"}:
        raise ValueError(
            f"The model {model.name!r} ends in a softmax over one unit, which is always 1: there "
            "is nothing to explain or attack, and nothing was trained. For two classes end it with "
            "keras.layers.Dense(1, 'sigmoid') or Dense(2, 'softmax'), for a value with Dense(1)."
        )


def ended(model, graph: Graph, outputs, from_logits: bool | None) -> Cut:
    """The graph that ends in logits."""
    found = cut(graph)
    if found is not None:
        return found
    if from_logits is False:
        raise ValueError(
            f"from_logits=False, but the model {model.name!r} ends in no softmax or sigmoid "
            "that could be removed. Pass from_logits=True if its outputs are logits, or end "
            "it with keras.layers.Softmax()."
        )
    units = outputs.shape[-1]
    values = ops.convert_to_numpy(outputs)
    if linear_end(graph) and units > 1:
        return Cut(graph, frozenset(), graph)
    if units == 1 or hidden(graph) is not None or bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError(unclear(model, graph))
    return Cut(graph, frozenset(), graph)


def expect_logits(model: keras.Model, found: Cut, sample: Any, outputs: Any) -> None:
    """Raises if the logits are not those of the model, or the greatest of them is always 0."""
    spelled = with_softmaxes(found.whole)
    changed = bool(found.removed) and spelled.nodes != found.whole.nodes
    if changed and not is_same(model, spelled, sample, outputs):
        finite = ops.convert_to_numpy(ops.all(ops.isfinite(outputs)))
        why = "" if finite else " Of some samples it returns NaN, as its exponentials overflow."
        raise ValueError(
            f"The end of the model {model.name!r} looks like a softmax that is written out, but "
            f"written with keras.ops.softmax the model returns other outputs.{why} Write it with "
            "keras.ops.softmax or keras.ops.log_softmax."
        )
    name = difference(found.graph)
    if name is None:
        return
    logits = ops.convert_to_numpy(forward(found.graph, sample))
    if not logits.max(axis=-1).any() and (logits < 0).any():
        raise ValueError(
            f"The greatest of the logits of the model {model.name!r} is 0 for each sample, as "
            f"{name} takes the greatest from all. No input has a part in 0, so maps would be "
            "empty and attacks could not begin. Leave that out: keras.ops.softmax(z) itself keeps "
            "its exponentials small."
        )


def unclear(model: keras.Model, graph: Graph) -> str:
    """The text for outputs of which it cannot be known whether they are logits."""
    behind, node = hidden(graph), graph.producers.get(id(graph.output))
    last = "its input" if node is None else node.name
    seen = "" if behind is None else f", behind which is a {behind}"
    return (
        f"It cannot be known whether the outputs of the model {model.name!r} are logits: "
        f"the last operation is {last}{seen}, and it returns "
        f"{graph.output.shape[-1]} value(s) a sample. Wrap the model: "
        "isi_keras.logits(model, from_logits=True) takes the outputs as logits (one as those of "
        "two classes); isi_keras.outputs(model) takes them as values, to be explained, or attacked "
        "with goal=isi_keras.goals.Above(value) or Below(value); or end it with "
        "keras.layers.Softmax() (or a sigmoid for one unit), which is then removed."
    )


def not_of_rows(model: keras.Model, shape: tuple) -> str:
    """The text for a model that returns other than one row of numbers a sample."""
    one = "[:, None]" if len(shape) == 1 else f"[:{', 0' * (len(shape) - 2)}]"
    what = "An axis more" if len(shape) == 1 else "One of its places"
    return (
        "Expected a model with outputs of shape (N, classes), or (N, values). The model "
        f"{model.name!r} returns ({', '.join(map(str, ('N', *shape[1:])))}). {what} gives such a "
        f"model: keras.Model(model.inputs, model.output{one})."
    )
