"""Layer-wise relevance propagation as the ordinary gradient of an interpreted graph."""

import difflib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from isi_keras.composites import Composite
from isi_keras.graph import operations as table
from isi_keras.graph import registry, treatments
from isi_keras.graph.conservation import Watch
from isi_keras.graph.entries import entry
from isi_keras.graph.facts import Fact
from isi_keras.graph.forward import put
from isi_keras.graph.linear import linear, rule_of
from isi_keras.graph.nodes import Graph, Node
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import ABSORBERS, Run, is_float
from isi_keras.graph.softmaxes import with_softmaxes

ON_UNKNOWN = ("error", "gradient")


class Propagation:
    """A graph planned by a composite, and by what its logits are differentiated.

    Args:
        graph: a graph that ends in logits.
        composite: which rule serves which node.
        on_unknown: what to do about a node without a rule, `"error"` or `"gradient"`.
        sample: a batch of the model's inputs.
        centred: whether the relevance is measured from a point that the caller chooses, so that
            the derivative by the input itself is wanted where it can be had.
        layers: names of layers whose outputs' relevance is wanted.
        absorbed: whether it is wanted how much relevance biases and epsilon absorb.

    Raises:
        ValueError: if a node has no rule, a rule for the first layer cannot be applied, or a name
            of `layers` is unknown.
    """

    def __init__(
        self,
        graph: Graph,
        composite: Composite,
        on_unknown: str,
        sample: Any,
        *,
        centred: bool = False,
        layers: Sequence[str] = (),
        absorbed: bool = False,
    ):
        self._absorbed, self._unknown, graph = absorbed, on_unknown, graph.wide
        if composite.attention == "attnlrp":
            graph = with_softmaxes(graph)
        plan = Plan(graph, composite, True, self._is_treated)
        floats = all(map(is_float, keras.tree.flatten(sample)))
        changed = any(plan.is_entry(node) and not _is_moved(node) for node in graph.nodes)
        self.gated = composite.has_first or not floats or (changed and not centred)
        if not self.gated:
            plan = Plan(graph, composite, False, self._is_treated)
        self.plan = plan
        self._check_known()
        if composite.attention == "attnlrp":
            self._warn_of_exponentials()
        if composite.has_first:
            self._check_first()
        self._steps = [self._step(node) for node in graph.nodes]
        self._asked = self._tensors_of(layers)

    def variables(self, x) -> dict[str, Any]:
        """By what the logits are differentiated at a batch, a dictionary of structures.

        `"x"` is the input itself, or `"ones"` a factor of it; `"layers"` are zeros by the names of
        layers and `"absorbed"` zeros by the names of `ABSORBERS`, whose derivatives are relevance.
        """
        rows = ops.shape(keras.tree.flatten(x)[0])[0]
        found: dict[str, Any] = {"ones": _ones(x)} if self.gated else {"x": x}
        if self._asked:
            found["layers"] = {
                name: ops.zeros((rows, *tensor.shape[1:])) for name, tensor in self._asked.items()
            }
        if self._absorbed:
            found["absorbed"] = {name: ops.zeros((rows,)) for name in ABSORBERS}
        return found

    def outputs(self, x, variables: Mapping[str, Any], watch: Watch | None = None):
        """The outputs of the graph for a batch as a function of the variables."""
        run, plan = Run(variables.get("absorbed")), self.plan
        inputs = keras.tree.flatten(plan.graph.inputs)
        given = keras.tree.flatten(variables.get("x", x))
        run.values.update(zip(map(id, inputs), given, strict=True))
        if "ones" in variables:
            ones = keras.tree.flatten(variables["ones"])
            run.ones.update(zip(map(id, inputs), ones, strict=True))
        asked: dict[int, Any] = {}  # several layers may return one tensor
        for name, tensor in self._asked.items():
            asked[id(tensor)] = asked.get(id(tensor), 0.0) + variables["layers"][name]
        for tensor in inputs:
            self._probe(run, tensor, asked)
        for node, step in zip(plan.graph.nodes, self._steps, strict=True):
            if step is None:
                continue
            probes = None if watch is None else watch.of(node)
            if probes is not None:
                self._watched(run, node, step, probes)
                continue
            put(run.values, node, step(run))
            for tensor in node.outputs:
                self._probe(run, tensor, asked)
        return ops.cast(run.signal(plan.graph.output), "float32")

    def _watched(self, run: Run, node: Node, step, probes) -> None:
        run.enter(self._inner(node), probes)
        put(run.values, node, step(run))
        for tensor, probe in zip(node.outputs, probes["out"].values(), strict=True):
            self._probe(run, tensor, {id(tensor): probe})

    def _inner(self, node: Node) -> Node:
        """The node, or the linear one that others are merged into."""
        place = self.plan.linear.get(id(node))
        return node if place is None else Node(node.op, (place.source,), {}, node.outputs, ())

    def _probe(self, run: Run, tensor, asked) -> None:
        """An output that is asked for is multiplied by `1 + probe`: by it one differentiates."""
        probe = asked.get(id(tensor))
        if probe is None:
            return
        if id(tensor) in run.ones:
            run.ones[id(tensor)] = run.ones[id(tensor)] + probe
            return
        value = run.values[id(tensor)]
        run.values[id(tensor)] = value + ops.stop_gradient(value) * probe

    # ---- planning

    def _step(self, node: Node):
        plan = self.plan
        if plan.is_merged(node):
            return None
        if not plan.is_live(node):
            return lambda run: treatments.detached(run, plan, node)
        if id(node) in plan.linear:
            place = plan.linear[id(node)]
            return lambda run: linear(run, plan, place)
        if plan.is_entry(node):
            return lambda run: entry(run, plan, node)
        if node.kind == "Whole":
            found = registry.treatment_of(node.op.layer) or registry.unknown
            rule = rule_of(plan, node, False)
            return lambda run: treatments.whole(found, rule)(run, plan, node)
        treatment = treatments.treatment_of(plan, node)
        return lambda run: treatment(run, plan, node)

    def _is_treated(self, node: Node) -> bool:
        return registry.treatment_of(node.op.layer) is not None

    def _check_known(self) -> None:
        unknown = self.plan.unknown
        if unknown and self._unknown == "error":
            raise ValueError(registry.refused(unknown[-1]))
        self._check_reached()
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

    def _warn_of_exponentials(self) -> None:
        """AttnLRP knows a softmax; an exponential by itself is a function of each entry."""
        plan = self.plan
        where = {n.where or "the model": None for n in plan.graph.nodes if _raises(plan, n)}
        if where:
            warnings.warn(
                f"Relevance passes exponentials in {', '.join(where)}, unchanged, which AttnLRP "
                "says nothing of: it may grow large where the exponent is near 0. If they are part "
                "of a softmax, write keras.ops.softmax, of scores that a mask has lowered.",
                stacklevel=2,
            )

    def _check_reached(self) -> None:
        """Relevance has to reach an input."""
        plan = self.plan
        live = [node for node in plan.graph.nodes if plan.is_live(node)]
        reached = {id(t) for node in live for t in plan.routes(node)} | {id(plan.graph.output)}
        if any(id(t) in reached for t in keras.tree.flatten(plan.graph.inputs)):
            return
        steps = [n for n in plan.graph.nodes if n.kind in table.DISCRETE | {"Whole", "Cast"}]
        what = f"{steps[-1].kind} in {steps[-1].where or 'the model'}" if steps else "a constant"
        raise ValueError(
            "There is no relevance rule for a model whose logits depend on its input by steps "
            f"alone: no relevance passes {what}. Explain the model that follows, e.g. of the "
            "outputs of that layer."
        )

    def _check_first(self) -> None:
        """A rule for the first layer has to find one."""
        plan = self.plan
        places = [place for place in plan.linear.values() if plan.is_live(place.parts[-1])]
        looked = any(n.kind in ("Take", "OneHot") and plan.is_live(n) for n in plan.graph.nodes)
        if looked or any(plan.facts.has(place.x, Fact.ENTRY) for place in places):
            return
        met = next(
            (
                n
                for n in plan.graph.nodes
                if plan.is_live(n)
                and not plan.is_entry(n)
                and any(plan.facts.has(t, Fact.ENTRY) for t in n.tensors)
            ),
            None,
        )
        what = "nothing linear" if met is None else f"{met.kind} in {met.where or 'the model'}"
        raise ValueError(
            f"The composite has a rule for the first layer, but no linear layer is the first: the "
            f"input meets {what} before one. Do that outside of the model, or choose a composite "
            "without a rule for the first layer."
        )

    def _tensors_of(self, names: Sequence[str]) -> dict[str, Any]:
        """The tensors of the layers asked for, by name and number of the call."""
        graph, found = self.plan.graph, {}
        needed = {id(t) for node in graph.nodes for t in node.tensors} | {id(graph.output)}
        merged = {id(t) for n in graph.nodes if self.plan.is_merged(n) for t in n.outputs}
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
                if id(tensors[0]) in needed:
                    found[name if count == 0 else f"{name}/{count}"] = tensors[0]
            if not any(key.partition("/")[0] == name for key in found):
                raise ValueError(
                    f"The logits do not depend on what the layer {name!r} returns: it is beside "
                    "them, or after them, as a softmax at the end is. Ask for a layer before them."
                )
        return found


def _raises(plan: Plan, node: Node) -> bool:
    return node.kind in table.WEIGHTS and plan.is_live(node)


def _is_moved(node: Node) -> bool:
    return node.kind in table.MOVES - {"Cast", "ConvertToTensor"}


def _ones(x):
    """Ones of the shape of every input."""
    return keras.tree.map_structure(lambda t: ops.ones_like(t, dtype="float32"), x)
