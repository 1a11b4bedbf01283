"""Layer-wise relevance propagation as the ordinary gradient of an interpreted graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from isi_keras.composites import Composite
from isi_keras.graph import planning, treatments
from isi_keras.graph.attention import written_out
from isi_keras.graph.conservation import Watch
from isi_keras.graph.entries import entry
from isi_keras.graph.facts import is_moving
from isi_keras.graph.forward import forward, put
from isi_keras.graph.linear import linear
from isi_keras.graph.nodes import Graph, Node
from isi_keras.graph.plan import Plan
from isi_keras.graph.run import ABSORBERS, Run, carrying, is_float
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
        attnlrp = composite.attention == "attnlrp"
        self._absorbed, self.given, graph = absorbed, graph, written_out(graph.wide, attnlrp)
        graph = with_softmaxes(graph)
        plan = Plan(graph, composite, True)
        floats = all(map(is_float, keras.tree.flatten(sample)))
        changed = any(plan.is_entry(node) and not _is_moved(node) for node in graph.nodes)
        self.gated = composite.has_first or not floats or (changed and not centred)
        if not self.gated:
            plan = Plan(graph, composite, False)
        self.plan = plan
        planning.check_known(self.plan, on_unknown)
        planning.warn_of_counts(self.plan)
        if attnlrp:
            planning.warn_of_exponentials(self.plan)
        if composite.has_first:
            planning.check_first(self.plan)
        self._steps = [self._step(node) for node in graph.nodes]
        self._asked = planning.tensors_of(self.plan, layers)

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

    def outputs(
        self, x, variables: Mapping[str, Any], watch: Watch | None = None, checks: bool = False
    ):
        """The outputs of the graph for a batch as a function of the variables."""
        run, plan = Run(variables.get("absorbed"), checks), self.plan
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

    def returned(self, x, variables: Mapping[str, Any]):
        """The outputs with the values that the model returns, also one of half precision.

        Relevance is computed in single precision; which class wins is the model's to say, unless
        numbers are too large for it once compiled. What it rounds is absorbed with `epsilon`.
        """
        outputs = self.outputs(x, variables)
        if not self.given.is_half:
            return outputs
        value = ops.stop_gradient(ops.cast(forward(self.given, x), "float32"))
        finite, lost = ops.isfinite(outputs), ops.logical_not(ops.isfinite(value))
        returned = ops.where(finite, carrying(value, outputs), value)
        returned = ops.where(ops.logical_and(finite, lost), outputs, returned)
        return Run(variables.get("absorbed")).absorb("epsilon", returned, value - outputs)

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
        for name in (name for name, wanted in self._asked.items() if wanted is tensor):
            planning.expect_samples(name, value, probe)
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
        treatment = treatments.treatment_of(plan, node)
        return lambda run: treatment(run, plan, node)


def _is_moved(node: Node) -> bool:
    return is_moving(node) and node.kind not in ("Cast", "ConvertToTensor")


def _ones(x):
    """Ones of the shape of every input."""
    return keras.tree.map_structure(lambda t: ops.ones_like(t, dtype="float32"), x)
