"""Whether a planned graph loses relevance: checked on a sample before anything is explained."""

import contextlib
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import backend
from isi_keras.graph import registry, wholes
from isi_keras.graph.facts import Fact
from isi_keras.graph.forward import forward
from isi_keras.graph.linear import rule_of
from isi_keras.graph.nodes import Graph, Node
from isi_keras.graph.run import ABSORBERS, INFINITE

_TOLERANCE = 1e-3  # of all relevance there is; below it one does not look closer
_LOSS = 1e-2  # of what reaches a node; rounding stays below it
_CANCELS = 1e4  # times what is explained, of which float32 rounds so much by a thousandth


def check(propagation: Any, x: Any) -> bool:
    """Raises if relevance ends where it should not; says whether there was any.

    Args:
        propagation: a planned `Propagation`.
        x: a few inputs.

    Raises:
        ValueError: if an operation loses relevance; the text names it.
    """
    with _held(propagation.plan.graph):
        return _check(propagation, x)


def _held(graph: Graph) -> Any:
    """The weights as they are now, where training in another thread would change them in place."""
    if keras.config.backend() != "torch":
        return contextlib.nullcontext()
    layers = [node.op.layer for node in graph.nodes if node.kind == "Whole"]
    used = [weight.variable for weight in graph.weights]
    used += [variable for layer in layers for variable in layer.variables]
    return keras.StatelessScope([(v, ops.stop_gradient(ops.copy(v.value))) for v in used])


def _check(propagation, x) -> bool:
    rows = keras.tree.flatten(x)[0].shape[0]
    variables = {**propagation.variables(x), "absorbed": _zeros(ABSORBERS, rows)}
    _check_outputs(propagation, x, variables)
    _check_spelling(propagation.given, propagation.plan.graph, x)
    outputs, found = _pulled(lambda v: propagation.outputs(x, v), variables)
    explained = outputs.sum()
    key = "ones" if "ones" in found else "x"
    maps = keras.tree.flatten(found[key])
    if key == "x":
        maps = [g * _numpy(t) for g, t in zip(maps, keras.tree.flatten(x), strict=True)]
    inputs = sum(map_.sum() for map_ in maps)
    ended = sum(each.sum() for each in found["absorbed"].values())
    size = sum(np.abs(map_).sum() for map_ in maps)
    size += abs(explained) + sum(np.abs(each).sum() for each in found["absorbed"].values())
    elsewhere = explained - inputs - ended
    if size > _CANCELS * np.abs(outputs).sum() > 0:
        _say_that_it_cancels(size / np.abs(outputs).sum(), maps, x)
    if np.isfinite(elsewhere) and abs(elsewhere) > _TOLERANCE * size:
        _find(propagation, x, variables, size)
    return size > 0


def _check_outputs(propagation, x, variables) -> None:
    """What was registered may return anything: it has to be what the layer returns."""
    layers = [n.op.layer for n in propagation.plan.graph.nodes if n.kind == "Whole"]
    layers = [layer for layer in layers if registry.treatment_of(layer) is not wholes.quantized]
    if not layers:
        return
    found = _numpy(propagation.outputs(x, variables, checks=True))
    wanted = _numpy(ops.cast(forward(propagation.plan.graph, x), "float32"))
    if np.abs(found - wanted).max() > 1e-2 * np.abs(wanted).max():
        names = ", ".join(sorted({repr(layer.name) for layer in layers}))
        raise ValueError(
            f"With what was registered for the layers {names} the model returns other outputs: "
            f"{wanted.ravel()[:3]} became {found.ravel()[:3]}. A function that is registered has "
            "to return what call(x) does, and may change its gradient alone."
        )


def _check_spelling(graph: Graph, spelled: Graph, x: Any) -> None:
    """Written in other operations, for which there are rules, a model has to compute the same."""
    own = {id(node.op) for node in graph.nodes}
    if all(id(node.op) in own for node in spelled.nodes):
        return
    compute = _compiled(lambda x: [forward(each, x, wide=True) for each in (graph, spelled)])
    wanted, found = (_numpy(ops.cast(outputs, "float32")) for outputs in compute(x))
    known = np.isfinite(found) & np.isfinite(wanted)
    if np.abs(found - wanted)[known].max(initial=0) > 1e-2 * np.abs(wanted[known]).max(initial=0):
        raise ValueError(
            "There is no relevance of this model: written for its rules, with softmaxes in place "
            f"of their exponentials, it returns other outputs, {found.ravel()[:3]} instead of "
            f"{wanted.ravel()[:3]}. Write its softmaxes with keras.ops.softmax, and tell us."
        )


def _say_that_it_cancels(times: float, maps: list, x: Any) -> None:
    paths = [".".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(x)]
    most = paths[int(np.argmax([np.abs(map_).sum() for map_ in maps]))]
    warnings.warn(
        f"The relevances{f', most of all those of the input {most!r},' if most else ''} are "
        f"{times:.0e} times what they explain and cancel, so that their sum is that of rounding "
        "errors, and whether some is lost cannot be seen. Large numbers do so that are added and "
        "taken away again. If it is a mask that is added, scores + (1 - mask) * -1e9, choose by it "
        "instead: keras.ops.where(mask, scores, -1e9).",
        stacklevel=2,
    )


def _find(propagation, x, variables, size) -> None:
    """Says which node loses relevance, if one loses more than by rounding."""
    nodes = [node for node in propagation.plan.graph.nodes if propagation.plan.is_live(node)]
    watch = Watch(nodes, keras.tree.flatten(x)[0].shape[0])
    watched = {name: part for name, part in variables.items() if name != "absorbed"}
    _, found = _pulled(
        lambda v: propagation.outputs(x, {**watched, **v["own"]}, Watch(nodes, 0, v["watch"])),
        {"own": watched, "watch": watch.probes},
    )
    losses = []
    for number, node in enumerate(nodes):
        arrived, left, ended = (
            sum(each.sum() for each in found["watch"][str(number)][name].values())
            for name in ("out", "in", "absorbed")
        )
        loss = abs(arrived - left - ended)
        if loss > _LOSS * max(abs(arrived), abs(left)) and loss > 0.1 * _TOLERANCE * size:
            losses.append((loss, arrived, node))
    if not losses:
        return  # rounding, spread over many
    loss, arrived, node = max(losses, key=lambda entry: entry[0])
    what = node.name
    if node.kind == "Whole":
        what = f"The layer {node.op.layer.name!r}, as it was registered,"
    text = (
        f"{what} loses relevance: {loss:.3g} of the "
        f"{abs(arrived):.3g} that reach it end nowhere, so that the map would not add up to the "
        "logit."
    )
    if node.kind == "Whole":
        warnings.warn(text, stacklevel=2)
        return
    place = propagation.plan.linear.get(id(node))
    if place is not None:
        at_input = propagation.plan.facts.has(place.x, Fact.ENTRY)
        rule = rule_of(propagation.plan, place.node, at_input)
        raise ValueError(f"{text} The weights of the parts of {rule!r} have to sum to 1.")
    raise ValueError(
        f"{text} Tell how relevance passes the layer that holds it, isi_keras.register(YourLayer, "
        "...), pass Relevance(on_unknown='gradient') to have the map nevertheless, or use "
        "indicator='sensitivity'."
    )


class Watch:
    """Probes of all that flows into and out of the nodes of a pass, one number each.

    Args:
        nodes: the nodes.
        rows: the number of samples.
        probes: the probes, by the number of the node; zeros if they are not given.
    """

    def __init__(self, nodes: list[Node], rows: int, probes: dict | None = None):
        self._numbers = {id(node): str(number) for number, node in enumerate(nodes)}
        self.probes = probes or {
            self._numbers[id(node)]: {
                "out": {str(k): ops.zeros(()) for k in range(len(node.outputs))},
                "in": {str(k): ops.zeros(()) for k in range(len(node.tensors))},  # the most
                "absorbed": _zeros(ABSORBERS, rows),
            }
            for node in nodes
        }

    def of(self, node: Node) -> dict | None:
        """The probes of a node; `None` if it is not watched."""
        number = self._numbers.get(id(node))
        return None if number is None else self.probes[number]


def _zeros(names, rows: int) -> dict[str, Any]:
    return {name: ops.zeros((rows,)) for name in names}


def _pulled(function, variables) -> tuple[np.ndarray, Any]:
    """The greatest output of each sample, and the derivatives of their sum."""

    def run(variables):
        outputs, pullback = backend.vjp(function, variables)
        size = ops.abs(outputs)
        size = ops.where(size < INFINITE, size, 0.0)  # what a mask rules out explains nothing
        best = ops.one_hot(ops.argmax(size, -1), outputs.shape[-1], dtype=outputs.dtype)
        best = ops.where(size > 0, best, 0.0)
        return ops.sum(best * outputs, axis=-1), pullback(best)

    explained, found = _compiled(run)(variables)
    return _numpy(explained), keras.tree.map_structure(_numpy, found)


def _compiled(function) -> Any:
    """A function, on JAX compiled: that costs less than to compile each of its operations."""
    return backend.jit(function) if keras.config.backend() == "jax" else function


def _numpy(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor).astype("float64")
