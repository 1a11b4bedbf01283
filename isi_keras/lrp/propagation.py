"""Layer-wise relevance propagation as the ordinary gradient of a rewritten forward pass."""

import contextlib
import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _keras, backend
from isi_keras.composites import Composite
from isi_keras.lrp import registry, treatments
from isi_keras.lrp.facts import Trace, is_float
from isi_keras.models import coverage
from isi_keras.models.rewrite import Swap, leaves, nodes, rewritten

ON_UNKNOWN = ("error", "gradient")
ABSORBERS = ("bias", "epsilon", "padding")
_HALF = ("float16", "bfloat16")


class Propagation:
    """A model rewritten by a composite, and by what its logits are differentiated.

    Args:
        planned: the model as a function to logits.
        composite: which rule serves which layer.
        on_unknown: what to do about a layer without a rule, `"error"` or `"gradient"`.
        sample: a batch of the model's inputs; its first row is run once to see how it is used.
        centred: whether the relevance is measured from a point that the caller chooses, so that
            the derivative by the input itself is wanted where it can be had.
        layers: names of layers whose outputs' relevance is wanted.
        absorbed: whether it is wanted how much relevance biases and epsilon absorb.

    Raises:
        ValueError: if a layer has no rule, a rule for the first layer cannot be applied, a name of
            `layers` is unknown, or a weight belongs to no layer that is found.
    """

    def __init__(
        self,
        planned,
        composite: Composite,
        on_unknown: str,
        sample,
        *,
        centred: bool = False,
        layers: Sequence[str] = (),
        absorbed: bool = False,
    ):
        self.composite, self.gated = composite, False
        self._asked, self._absorbed, self._shapes = tuple(layers), absorbed, {}
        self._current: Any = None
        self._probes: Mapping[str, Any] = {}
        self._calls: dict[str, int] = {}
        self._observing: Any = None
        model = planned.model
        coverage.check(model, registry.treatment_of)
        self._forward = planned.forward(self._swaps(model, on_unknown, planned.head.swaps))
        row = keras.tree.map_structure(lambda rows: ops.convert_to_tensor(rows[:1]), sample)
        if layers or self._input_matters(model, row, centred):
            self._plan(model, row)

    def variables(self, x) -> dict[str, Any]:
        """By what the logits are differentiated at a batch, a dictionary of structures.

        `"x"` is the input itself, or `"ones"` a factor of it; `"layers"` are zeros by the names of
        layers and `"absorbed"` zeros by the names of `ABSORBERS`, whose derivatives are relevance.
        """
        rows = ops.shape(keras.tree.flatten(x)[0])[0]
        found: dict[str, Any] = {"ones": _ones(x)} if self.gated else {"x": x}
        if self._asked:
            found["layers"] = {
                name: ops.zeros((rows, *shape)) for name, shape in self._shapes.items()
            }
        if self._absorbed:
            found["absorbed"] = {name: ops.zeros((rows,)) for name in ABSORBERS}
        return found

    def logits(self, model, x, variables: Mapping[str, Any]):
        """The logits of a batch as a function of the variables."""
        composite = self.composite
        x = variables.get("x", x)
        run = Trace(
            composite.rule, composite.fold, composite.gates == "signal", variables.get("absorbed")
        )
        if "ones" in variables:
            pairs = zip(keras.tree.flatten(x), keras.tree.flatten(variables["ones"]), strict=True)
            for tensor, ones in pairs:
                run.note(tensor, ones=ones)
        with self._running(run, variables.get("layers", {})), rewritten(_single(model)):
            logits = self._forward(model, x)
            if self._observing is not None:
                self._check_asked(run.folded)
            return logits

    @contextlib.contextmanager
    def _running(self, run: Trace, probes: Mapping[str, Any]) -> Iterator[None]:
        with rewritten(()):  # one thread at a time
            self._current, self._probes, self._calls = run, probes, {}
            try:
                yield
            finally:
                self._current, self._probes = None, {}

    def _plan(self, model, row):
        """Runs one sample to see which shapes there are and whether the input can be traced."""
        self.gated, self._observing = True, {}
        variables = self.variables(row)
        floats = [t for t in keras.tree.flatten(row) if is_float(t)]

        def run(values):
            given = dict(zip(map(id, floats), values["given"], strict=True))
            x = keras.tree.map_structure(lambda t: given.get(id(t), t), row)
            return self.logits(model, x, {**variables, **values["variables"]})

        logits, pullback = backend.vjp(run, {"given": floats, "variables": variables})
        cotangent = ops.broadcast_to(ops.arange(1.0, logits.shape[1] + 1), logits.shape)
        past = pullback(cotangent)["given"]
        self._shapes, self._observing = self._observing, None
        # What the input does without passing through a layer is seen in its own derivative.
        if any(np.any(ops.convert_to_numpy(gradient)) for gradient in past):
            self._untraceable(model, row)

    def _untraceable(self, model, row):
        self.gated = False
        if self.composite.has_first or not all(map(is_float, keras.tree.flatten(row))):
            raise ValueError(
                f"The model {model.name!r} computes with its input outside layers (by raw "
                "operations in `call`), so relevance cannot be traced to it by a rule for the "
                "first layer or through an Embedding. Do it in layers (Rescaling, Normalization, "
                "Reshape, Add, ...), or choose a composite without a rule for the first layer."
            )

    def _input_matters(self, model, row, centred: bool) -> bool:
        """Whether the derivative by the input itself will not do."""
        if self.composite.has_first or not all(map(is_float, keras.tree.flatten(row))):
            return True
        known = registry.treatment_of
        found = [known(leaf) for leaf in leaves(model, known)]
        return treatments.embedding in found or (not centred and treatments.preprocessing in found)

    def _check_asked(self, folded):
        names = {layer.name for layer in folded}
        for name in self._asked:
            if name not in self._observing:
                raise ValueError(f"The layer {name!r} takes no part in computing the logits.")
            if name in names:
                raise ValueError(
                    f"The BatchNormalization after the layer {name!r} is merged into it, so that "
                    "its own output has no relevance. Ask for that of the BatchNormalization, or "
                    "pass a Composite with fold=False."
                )

    def _swaps(self, model, on_unknown: str, head) -> Iterator[Swap]:
        bare = {id(swap.layer) for swap in head if swap.name == "call"}
        everything = list(nodes(model, registry.treatment_of))
        asked = self._named(everything[1:])
        detached = {id(part) for node in everything for part in _keras.detached(node)}
        inner = {id(node) for node in leaves(model, registry.treatment_of)}
        plain: list[str] = []
        yield from (swap for node in nodes(model) if node is not model for swap in _single(node))
        for node in everything:
            if on_unknown == "error" and registry.is_recurrent(node):
                raise ValueError(registry.refused(node))
            if id(node) in bare or node is model:
                continue
            call = node.call
            if id(node) in inner:
                found = registry.treatment_of(node)
                if found is None and on_unknown == "error":
                    raise ValueError(registry.refused(node))
                if found is None:
                    plain.append(f"{node.name!r} ({type(node).__name__})")
                found = treatments.detached if id(node) in detached else found
                call = self._treated(found or treatments.signed, node, call)
            if id(node) in asked:
                call = self._observed(asked[id(node)], call)
            if call is not node.call:
                yield Swap(node, "call", call)
        if plain:
            warnings.warn(
                "There is no relevance rule for these layers, so their plain gradient stands, as "
                f"on_unknown='gradient' asks: {', '.join(plain)}.",
                stacklevel=2,
            )

    def _named(self, candidates) -> dict[int, str]:
        """The layers asked for, by their ids."""
        names: dict[str, list[Any]] = {}
        for node in candidates:
            if isinstance(node, keras.layers.Layer):
                names.setdefault(node.name, []).append(node)
        asked = {}
        for name in self._asked:
            if len(names.get(name, ())) != 1:
                near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
                several = "several layers" if name in names else "no layer"
                hint = f" Near it are {', '.join(map(repr, near))}." if near else ""
                raise ValueError(f"The model has {several} of the name {name!r}.{hint}")
            asked[id(names[name][0])] = name
        return asked

    def _treated(self, treatment, node, call):
        def run(*args, **kwargs):
            if not args:  # called with keywords alone
                (_, first), *others = kwargs.items()
                args, kwargs = (first,), dict(others)
            return treatment(self._current, node, call, args, kwargs)

        return run

    def _observed(self, name: str, call):
        """A call whose outputs are multiplied by `1 + probe`: by it relevance is differentiated."""

        def run(*args, **kwargs):
            track = self._current
            outputs = call(*args, **kwargs)
            count = self._calls[name] = self._calls.get(name, -1) + 1
            key = name if count == 0 else f"{name}/{count}"
            if not ops.is_tensor(outputs):
                raise ValueError(
                    f"The layer {name!r} returns a {type(outputs).__name__}, not one tensor. "
                    "Ask for the relevance of a layer inside or after it."
                )
            fact = track.fact(outputs)
            if self._observing is not None:
                self._observing[key] = tuple(outputs.shape[1:])
                return outputs
            if fact.ones is not None:
                return track.note(outputs, ones=fact.ones + self._probes[key])
            probed = outputs + ops.stop_gradient(outputs) * self._probes[key]
            return track.note(probed, nonnegative=fact.nonnegative, squashed=fact.squashed)

        return run


def _single(node) -> list[Swap]:
    """Single instead of half precision, in which quotients overflow."""
    policy = _keras.read(node, "dtype_policy")
    if policy is None or policy.compute_dtype not in _HALF:
        return []
    name = _keras.NAMES["dtype_policy"].attribute
    return [Swap(node, name, keras.DTypePolicy("float32"))]


def _ones(x):
    """Ones of the shape of every input."""
    return keras.tree.map_structure(lambda t: ops.ones_like(t, dtype="float32"), x)
