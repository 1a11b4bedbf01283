"""What is checked of a plan before anything is computed, and what is asked for beside the input."""

import difflib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from isi_keras.composites import KINDS
from isi_keras.graph import operations as table
from isi_keras.graph import registry
from isi_keras.graph.facts import BY_TENSORFLOW, Fact
from isi_keras.graph.masks import made_of
from isi_keras.graph.nodes import Node, Tensor
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import is_float
from isi_keras.graph.softmaxes import is_below_greatest


def check_known(plan: Plan, on_unknown: str) -> None:
    """Relevance has to be known of all that it passes, or the user to take the plain gradient."""
    unknown = plan.unknown
    if unknown and on_unknown == "error":
        raise ValueError(registry.refused(unknown[-1]))
    _check_reached(plan)
    if on_unknown == "error":
        _check_exponentials(plan)
    of_all = [n for n in plan.graph.nodes if plan.is_live(n) and not n.outputs[0].shape]
    if of_all and on_unknown == "error":
        raise ValueError(
            f"There is no relevance rule for one number of all samples, as {of_all[-1].name} makes "
            "it. Compute it for each sample (axis=...), or as a constant "
            "(keras.ops.stop_gradient); of a layer of Keras, do that outside of the model."
        )
    if unknown:
        names = {
            f"{node.scope[-1].name!r} ({type(node.scope[-1]).__name__})"
            if node.scope
            else node.kind: None
            for node in reversed(unknown)
        }
        warnings.warn(
            "There is no relevance rule for these layers, so their plain gradient stands, as "
            f"on_unknown='gradient' asks: {', '.join(names)}.",
            stacklevel=2,
        )


def _check_exponentials(plan: Plan) -> None:
    """What is left of a softmax that is not known as one: its greatest exponential is of 0."""
    for node in plan.graph.nodes:
        if _raises(plan, node) and is_below_greatest(plan.graph, node.args[0]):
            raise ValueError(
                f"There is no relevance rule for exp(z - max(z)) in {node.where or 'the model'}: "
                "of exp(0), where z is greatest, nothing can be handed on. If it is part of a "
                "softmax, write keras.ops.softmax(keras.ops.where(mask, z, -1e9)), of scores that "
                "a mask has lowered; of a sum of exponentials, leave max(z) out."
            )


def warn_of_counts(plan: Plan) -> None:
    """An integer that is multiplied is a signal; if it is a mask, that is not what is meant."""
    graph = plan.graph
    paths = [".".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(graph.inputs)]
    names = dict(zip(map(id, keras.tree.flatten(graph.inputs)), paths, strict=True))
    inputs = keras.tree.flatten(graph.inputs)
    counts = {id(t) for t in inputs if keras.backend.is_int_dtype(t.dtype)}
    for node in graph.nodes:
        routes = plan.routes(node) if plan.is_live(node) and node.kind in table.PRODUCTS else []
        parts = [made_of(graph, t, lambda t: id(t) in counts) for t in routes]
        if len(plan.facts.relevant(node)) < 2 or not any(parts):
            continue
        name = names[id(next(part for part in parts if part)[0])]
        warnings.warn(
            f"The input{f' {name!r}' if name else ''} holds integers and is multiplied in "
            f"{node.where or 'the model'} as a number, so it takes its share of the relevance of "
            "that product. If it is a mask, let it weigh alone: keras.ops.cast(mask > 0, "
            "'float32'), or give it as booleans.",
            stacklevel=2,
        )
        return


def warn_of_exponentials(plan: Plan) -> None:
    """AttnLRP knows a softmax; an exponential by itself is a function of each entry."""
    where = {n.where or "the model": None for n in plan.graph.nodes if _raises(plan, n)}
    if where:
        warnings.warn(
            f"Relevance passes exponentials in {', '.join(where)}, unchanged, which AttnLRP "
            "says nothing of: it may grow large where the exponent is near 0. If they are part "
            "of a softmax, write keras.ops.softmax, of scores that a mask has lowered.",
            stacklevel=2,
        )


def _check_reached(plan: Plan) -> None:
    """Relevance has to reach an input."""
    live = [node for node in plan.graph.nodes if plan.is_live(node)]
    reached = {id(t) for node in live for t in plan.routes(node)} | {id(plan.graph.output)}
    if any(id(t) in reached for t in keras.tree.flatten(plan.graph.inputs)):
        return
    steps = [n for n in plan.graph.nodes if n.kind in table.DISCRETE | {"Whole", "Cast"}]
    what = steps[-1].name if steps else "a constant"
    if steps and steps[-1].kind == "Whole" and isinstance(steps[-1].op.layer, BY_TENSORFLOW):
        raise ValueError(
            f"There is no relevance rule for the layer {steps[-1].op.layer.name!r}: it computes by "
            "TensorFlow, of which the other backend sees nothing. Explain the model that takes its "
            "ids."
        )
    raise ValueError(
        "There is no relevance rule for a model whose logits depend on its input by steps "
        f"alone: no relevance passes {what}. Explain the model that follows, e.g. of the "
        "outputs of that layer."
    )


def check_first(plan: Plan) -> None:
    """A rule for the first layer has to find one, of each input of real numbers that has one."""
    graph, facts, first = plan.graph, plan.facts, plan.composite.first
    live = [n for n in graph.nodes if plan.is_live(n)]
    begun = _begun(plan)
    places = [place.x for place in plan.linear.values() if plan.is_live(place.parts[-1])]
    places += [plan.first_of(node) for node in live]
    served = set().union(*(begun.get(id(x), ()) for x in places))
    owed = {id(t) for t in keras.tree.flatten(graph.inputs) if is_float(t) and _serves(first, t)}

    def meets(node: Node) -> list[Tensor]:
        own = not plan.is_entry(node)
        return [t for t in node.tensors if own and facts.has(t, Fact.ENTRY)]

    def left_out(node: Node) -> bool:
        weighs = node.kind in table.PRODUCTS and len(facts.relevant(node)) > 1  # as a mask does
        lost = [t for t in meets(node) if is_float(t) and begun[id(t)] & owed - served]
        return bool(lost) and not weighs

    met = next(filter(left_out, live), None)
    if met is None and (served or any(n.kind in ("Take", "OneHot") for n in live)):
        return
    met = met or next(filter(meets, live), None)
    what = "nothing linear" if met is None else met.name
    which = "an input" if len(keras.tree.flatten(graph.inputs)) > 1 else "the input"
    raise ValueError(
        f"The composite has a rule for the first layer, but no linear layer is the first: "
        f"{which} meets {what} before one. Do that outside of the model, or choose a composite "
        "without a rule for the first layer."
    )


def _serves(first: Any, tensor: Tensor) -> bool:
    """Whether a rule for the first layer may be for one that takes a tensor."""
    if not isinstance(first, Mapping) or len(tensor.shape) > 2:
        return first is not None
    return any(key not in KINDS[1:] and "Conv" not in key for key in first)


def _begun(plan: Plan) -> dict[int, set[int]]:
    """Of which inputs each tensor is that is the input still, all by their ids."""
    begun = {id(t): {id(t)} for t in keras.tree.flatten(plan.graph.inputs)}
    for node in filter(plan.is_entry, plan.graph.nodes):
        found = set().union(*(begun.get(id(t), ()) for t in node.tensors))
        begun.update((id(t), found) for t in node.outputs)
    return begun


def tensors_of(plan: Plan, names: Sequence[str]) -> dict[str, Any]:
    """The tensors of the layers asked for, by name and number of the call."""
    graph, found = plan.graph, {}
    needed = {id(t) for node in graph.nodes for t in node.tensors} | {id(graph.output)}
    merged = {id(t) for n in graph.nodes if plan.is_merged(n) for t in n.outputs}
    befores = [p.before for p in plan.linear.values() if p.before is not None]
    into_next = {id(t) for node in befores for t in node.outputs}
    for name in names:
        calls = graph.layers.get(name)
        if calls is None:
            near = difflib.get_close_matches(name, graph.layers, n=3, cutoff=0.4)
            hint = f" Near it are {', '.join(map(repr, near))}." if near else ""
            raise ValueError(f"The model has no layer of the name {name!r}.{hint}")
        if len({id(layer) for layer, _ in calls}) > 1:
            raise ValueError(f"The model has several layers of the name {name!r}.")
        for count, (_, outputs) in enumerate(calls):
            tensors = keras.tree.flatten(outputs)
            if len(tensors) != 1:
                raise ValueError(
                    f"The layer {name!r} returns {len(tensors)} tensors, not one. "
                    "Ask for the relevance of a layer inside or after it."
                )
            if id(tensors[0]) in merged:
                raise ValueError(
                    f"The BatchNormalization after the layer {name!r} is merged into it, so "
                    "that its own output has no relevance. Ask for that of the "
                    "BatchNormalization, or pass a Composite with fold=False."
                )
            if id(tensors[0]) in into_next:
                raise ValueError(
                    f"The BatchNormalization {name!r} is merged into the linear layer after "
                    "it, so that what it returns has no relevance. Ask for that of the layer "
                    "before it, or pass a Composite with fold=False."
                )
            if id(tensors[0]) in needed:
                found[name if count == 0 else f"{name}/{count}"] = tensors[0]
        if not any(key.partition("/")[0] == name for key in found):
            raise ValueError(
                f"The logits do not depend on what the layer {name!r} returns: it is beside "
                "them, or after them, as a softmax at the end is. Ask for a layer before them."
            )
    return found


def expect_samples(name: str, value: Any, probe: Any) -> None:
    """Raises if what a layer returns has another number of rows than there are samples."""
    rows, samples = value.shape[0], probe.shape[0]
    if None not in (rows, samples) and rows != samples:
        raise ValueError(
            f"What the layer {name!r} returns are no samples: {rows} rows of {samples}, as if time "
            "steps or windows were samples. Ask for the layer that it is in, or after it."
        )


def _raises(plan: Plan, node: Node) -> bool:
    return node.kind in table.WEIGHTS and plan.is_live(node)
