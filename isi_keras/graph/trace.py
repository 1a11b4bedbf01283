"""Tracing: a model as it computes at inference, with everything inside its layers in the open."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from isi_keras import _keras, _operators, backend
from isi_keras.graph import bodies, calls, expanded, registry, rewritten, wholes
from isi_keras.graph.nodes import Graph, Node, Own, Tensor, UntraceableError, Weight, Whole
from isi_keras.graph.operations import BODIES
from isi_keras.graph.shadows import Shadows

_each = keras.tree.map_structure
_flat = keras.tree.flatten


def trace(
    model: keras.Model,
    sample: Any,
    whole=lambda layer: False,
    *,
    any_rows: bool = True,
    packed: Callable[[Any], Any] = lambda x: x,
) -> Graph:
    """The graph of a model for inputs like the sample.

    The number of samples is left open where the model allows it. A layer that cannot be traced is
    a node of its own, `Whole`.

    Args:
        model: a built model. It is not altered, nor run.
        sample: inputs of the model, or a structure of them.
        whole: which layers are to be nodes of their own.
        any_rows: whether the number of samples is left open; otherwise it is that of the sample.
        packed: from a structure like the sample to what the model is called with.

    Raises:
        ValueError: if the model returns other than one tensor.
    """
    _keras.check_tracing()
    bodies.write_out()
    torch = keras.config.backend() == "torch"

    def run():
        # On the CPU, as Keras reads some constants by NumPy for the shape of an output.
        place = keras.device("cpu") if torch else contextlib.nullcontext()
        with place, _operators.comparing_values():
            if any_rows:
                with contextlib.suppress(_OpenBatchError):
                    return _Tracer(model, whole, packed).graph(sample, batch=None)
            rows = _flat(sample)[0].shape[0]
            return _Tracer(model, whole, packed).graph(sample, batch=rows)

    graph = backend.outside(run)  # a thread counts names for itself
    for node in graph.nodes:
        node.place()
    return graph


class _OpenBatchError(Exception):
    """The model has to know how many samples there are."""


class Reads(keras.StatelessScope):
    """Notes which variables are read and assigned, and keeps what is assigned to itself."""

    def __init__(self, state_mapping: Any = None):
        super().__init__(state_mapping)
        self.read: dict[int, Any] = {}
        self.assigned: dict[int, Any] = {}

    def add_update(self, update):  # noqa: D102
        variable, _ = update
        self.assigned[id(variable)] = variable
        super().add_update(update)

    def get_current_value(self, variable):  # noqa: D102
        if keras.backend.is_float_dtype(variable.dtype):
            self.read[id(variable)] = variable
        return super().get_current_value(variable)


class _Tracer:
    def __init__(self, model: keras.Model, whole, packed):
        self.model, self.whole, self.packed, self.open = model, whole, packed, False
        self.shadows = Shadows(self._called, expanded.overriding)
        self.nodes: list[Node] = []
        self.layers: dict[str, list] = {}
        self._scope: tuple = ()
        self._alias: dict[int, Tensor] = {}
        self._made: dict[int, Tensor] = {}
        self._kept: list[Any] = []
        self._touched: list[Any] = []

    def graph(self, sample, batch: int | None) -> Graph:
        try:
            return self._graph(sample, batch)
        finally:
            for layer in self._touched:
                _keras.forget_nodes(layer, set(map(id, self._kept)))

    def _graph(self, sample, batch: int | None) -> Graph:
        self.open = batch is None
        inputs = _each(
            lambda a: Tensor((batch, *a.shape[1:]), keras.backend.standardize_dtype(a.dtype)),
            sample,
        )
        self._made.update((id(t), t) for t in _flat(inputs))
        outputs = self._outputs(self.packed(inputs))
        tensors = [t for t in _flat(outputs) if t is not None]
        if len(tensors) != 1 or not isinstance(tensors[0], Tensor):
            raise ValueError(
                f"Expected the model {self.model.name!r} to return one tensor that depends on its "
                f"inputs. It returned {outputs!r}."
            )
        (output,) = tensors
        layers = {
            name: [(layer, _each(self._resolved, made)) for layer, made in calls]
            for name, calls in self.layers.items()
        }
        return Graph(inputs, self._resolved(output), self.nodes, layers)

    def _outputs(self, inputs):
        try:
            return self.shadows.of(self.model)(inputs)
        except (_OpenBatchError, _keras.KerasChangedError):
            raise
        except Exception as error:  # in a `__call__` of its own
            outputs = self._as_whole(self.model, (inputs,), {}, True, error)
            self._collect(outputs)
            return outputs

    # ---- one call of a layer

    def _called(self, shadow, layer, args, kwargs):
        root, outer = layer is self.model, self._scope
        self._collect((args, kwargs))  # what was computed before belongs to what is around it
        self._scope = outer if root else (*outer, layer)
        try:
            outputs = self._run(shadow, layer, args, kwargs, root)
            self._collect(outputs)
        finally:
            self._scope = outer
        if not root:
            self.layers.setdefault(layer.name, []).append((layer, outputs))
        return outputs

    def _run(self, shadow, layer, args, kwargs, root: bool):
        args = calls.as_declared(layer, args)
        args, kwargs, first, masks = calls.prepared(layer, args, kwargs)
        if self.whole(layer):
            bare, activation = registry.parted(layer)
            outputs = self._as_whole(bare, args, kwargs, root, None)
            return outputs if activation is None else activation(outputs)
        try:
            with Reads() as scope:  # what is read would become a constant
                outputs = shadow.call(*args, **kwargs)
                outputs = _each(self._tensor, outputs)
                calls.mask(shadow, first, outputs, masks)
                self._collect(outputs)
            if scope.read:
                names = ", ".join(repr(v.path) for v in list(scope.read.values())[:3])
                raise UntraceableError(f"it reads the values of {names}")
        except (_OpenBatchError, _keras.KerasChangedError):
            raise
        except Exception as error:
            return self._as_whole(layer, args, kwargs, root, error)
        given = {id(t) for t in _flat((args, kwargs)) if isinstance(t, Tensor)}
        return _each(lambda t: _distinct(t) if id(t) in given else t, outputs)

    def _tensor(self, value):
        if value is None or isinstance(value, Tensor) or ops.is_tensor(value):
            return value
        return ops.convert_to_tensor(value)

    def _as_whole(self, layer, args, kwargs, root, why):
        if self.open and why is not None:
            raise _OpenBatchError
        op = Whole(layer, root, None, why)
        try:
            with keras.StatelessScope():
                op.outputs = layer.compute_output_spec(*_each(_bare, args), **_each(_bare, kwargs))
        except Exception as error:
            if self.open:
                raise _OpenBatchError from error
            raise calls.named(layer, why or error) from error
        op.outputs = wholes.known(layer, args, op.outputs)
        outputs = op.symbolic_call(*args, **kwargs)  # also of constants alone
        if layer.supports_masking:
            calls.mask(layer, _flat(args)[0], outputs, _each(_keras.mask_of, args[0]))
        return outputs

    # ---- what was computed

    def _collect(self, outputs) -> None:
        """Appends the nodes that compute `outputs` and are not yet there, in order."""
        masks = [_keras.mask_of(t) for t in _flat(outputs) if isinstance(t, Tensor)]
        for node in self._computing([*_flat(outputs), *masks]):
            op, args, kwargs = node.operation, node.arguments.args, node.arguments.kwargs
            self._kept.append(node)
            if isinstance(op, keras.layers.Layer):  # held where no shadow stands for it
                self._touched.append(op)
                _keras.forget_nodes(op, {id(node)})
                self._replace(node, self._called(self.shadows.of(op), op, args, dict(kwargs)))
                continue
            simpler = rewritten.operation(op, args, kwargs)
            if simpler is not None:
                self._collect(simpler)
                self._replace(node, simpler)
                continue
            args, kwargs = _each(self._resolved, (args, kwargs))
            if _is_idle(op, args, node.outputs):
                self._replace(node, args[0])
                continue
            if self.open and _counts_samples(op):
                raise _OpenBatchError
            if type(op).__name__ in BODIES:
                raise UntraceableError(f"{type(op).__name__} holds a Python function")
            self._made.update((id(t), t) for t in node.outputs)
            self.nodes.append(Node(op, args, kwargs, node.outputs, self._scope))

    def _replace(self, node, outputs) -> None:
        for old, new in zip(node.outputs, _flat(outputs), strict=True):
            self._alias[id(old)] = new
            self._made[id(old)] = old

    def _computing(self, roots) -> Iterator[Any]:
        """Keras' nodes that compute `roots` and are not yet there, in order."""
        stack = [(t, False) for t in reversed(roots) if isinstance(t, Tensor)]
        seen: set[int] = set()
        while stack:
            tensor, done = stack.pop()
            if id(tensor) in self._made:
                continue
            node = _keras.node_of(tensor)
            if node is None:
                if not isinstance(tensor, Weight):
                    self._foreign(tensor)
                continue
            if done:
                if id(node) not in seen:
                    seen.add(id(node))
                    yield node
            elif id(node) not in seen:
                stack.append((tensor, True))
                stack.extend((t, False) for t in reversed(node.input_tensors))

    def _foreign(self, tensor):
        raise UntraceableError(
            f"The model {self.model.name!r} computes with a symbolic tensor that is none of its "
            f"inputs: {tensor}. It was made outside of the model, such as by keras.Input."
        )

    def _resolved(self, value):
        if isinstance(value, keras.Variable):
            return self.shadows.weight(value)
        if not isinstance(value, Tensor):
            return value
        while id(value) in self._alias:
            value = self._alias[id(value)]
        return value


def _counts_samples(op) -> bool:
    """Whether an operation was given a shape with an open number of samples."""
    shapes = (value for value in vars(op).values() if isinstance(value, list | tuple))
    return any(size is None for shape in shapes for size in shape)


def _is_idle(op, args: tuple, outputs: list) -> bool:
    """Whether an operation casts a tensor to the dtype that it has."""
    casts = type(op).__name__ in ("Cast", "ConvertToTensor") and isinstance(args[0], Tensor)
    return casts and args[0].dtype == outputs[0].dtype


def _bare(value):
    """A tensor without values and without a past."""
    return Tensor(value.shape, value.dtype) if isinstance(value, Tensor) else value


def _distinct(tensor):
    """A tensor of its own for what a layer returns as it was given."""
    if not isinstance(tensor, Tensor):
        return tensor
    made = Own("Identity", lambda x: x, tensor.shape, tensor.dtype)(tensor)
    _keras.set_mask(made, _keras.mask_of(tensor))
    return made
