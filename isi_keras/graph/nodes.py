"""What a traced model is made of: tensors without values, and nodes that compute them."""

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import keras

Tensor = keras.KerasTensor
_NARROW = {"float16", "bfloat16", "float32"}


class UntraceableError(ValueError):
    """A layer computes in a way that no graph of Keras operations shows."""


class Weight(keras.KerasTensor):
    """A variable while its layer is traced: symbolic, so that nothing computed of it is baked in.

    Args:
        variable: the variable.
        dtype: in which the layer computes with it.
    """

    def __init__(self, variable: keras.Variable, dtype: str):
        super().__init__(variable.shape, dtype)
        self.variable = variable

    @property
    def value(self):
        """Itself, as layers ask a variable for it."""
        return self

    @property
    def path(self) -> str:
        """The path of the variable."""
        return self.variable.path

    def assign(self, value: Any) -> None:
        """Does nothing: planning changes no state."""

    assign_add = assign_sub = assign

    @property
    def trainable(self) -> bool:
        """Whether the variable is trained."""
        return self.variable.trainable


class Own(keras.Operation):
    """An operation of ours in a graph.

    Args:
        kind: what it is called in the table of operations.
        function: what it computes.
        shape, dtype: of its output.
        known: attributes that operations of this kind have.
    """

    def __init__(self, kind: str, function: Callable, shape: tuple, dtype: str, **known):
        super().__init__()
        self.kind, self.function, self._spec = kind, function, (tuple(shape), dtype)
        vars(self).update(known)

    def call(self, *args, **kwargs):
        """Runs the function."""
        return self.function(*args, **kwargs)

    def compute_output_spec(self, *args, **kwargs):
        """The output without its values."""
        return keras.KerasTensor(*self._spec)


class Called:
    """An operation of Keras with its options."""

    def __init__(self, function: Callable, options: dict):
        self.function, self.options = function, options

    def __call__(self, *tensors):
        """What the operation returns."""
        return self.function(*tensors, **self.options)


class Whole(keras.Operation):
    """A layer that is run as a whole, as it was registered so or cannot be traced.

    Args:
        layer: the layer.
        root: whether it is the model itself, to which a reference would keep it alive.
        outputs: the structure of what it returns, tensors without values.
        why: why it could not be traced; `None` if it was registered.
    """

    kind = "Whole"

    def __init__(self, layer: Any, root: bool, outputs: Any, why: Exception | None):
        super().__init__()
        self._layer = weakref.ref(layer) if root else lambda: layer
        self.outputs, self.why = outputs, why

    @property
    def layer(self) -> Any:
        """The layer."""
        return self._layer()

    def call(self, *args, **kwargs):
        """Runs the layer as at inference."""
        return self.layer(*args, **kwargs)

    def compute_output_spec(self, *args, **kwargs):
        """The outputs without their values."""
        return self.outputs


class Node:
    """One operation at one place of a graph.

    Args:
        op: the operation.
        args, kwargs: what it is called with, tensors without values among it.
        outputs: the tensors that it returns, flat.
        scope: the layers that it came from, the outermost first.
    """

    def __init__(self, op: Any, args: tuple, kwargs: dict, outputs: list, scope: tuple):
        self.op, self.args, self.kwargs, self.outputs, self.scope = op, args, kwargs, outputs, scope
        self.kind = kind_of(op)
        self.tensors = [t for t in keras.tree.flatten((args, kwargs)) if isinstance(t, Tensor)]

    @property
    def where(self) -> str:
        """The path of layers that it came from."""
        return "/".join(layer.name for layer in self.scope)

    @property
    def name(self) -> str:
        """What it is called where a user reads it."""
        if self.kind == "Whole":
            return f"the layer {self.op.layer.name!r} as a whole (registered, or not to be traced)"
        return f"{self.kind} in {self.where or 'the model'}"

    def __repr__(self):
        return f"<{self.name}>"

    def argument(self, name: str, default: Any = None) -> Any:
        """What was handed over under a name, or else the attribute of the operation."""
        found = _bound(self.op, self.args, self.kwargs)
        return found[name] if name in found else getattr(self.op, name, default)

    def place(self) -> None:
        """Puts constants where the backend computes."""
        self.args, self.kwargs = keras.tree.map_structure(
            lambda v: keras.ops.convert_to_tensor(v) if keras.ops.is_tensor(v) else v,
            (self.args, self.kwargs),
        )

    def filled(self, value: Callable[[Any], Any]) -> tuple[tuple, dict]:
        """The arguments with a value for each tensor."""

        def filled(part):
            if isinstance(part, Tensor):
                return value(part)
            if isinstance(part, list | tuple | dict):
                return keras.tree.map_structure(filled, part)
            return part

        return tuple(map(filled, self.args)), {k: filled(v) for k, v in self.kwargs.items()}


def _bound(op, args, kwargs) -> dict:
    try:
        return inspect.signature(op.call).bind(*args, **kwargs).arguments
    except TypeError:
        return {}


def kind_of(op: Any) -> str:
    """What an operation is called in the table of operations."""
    if isinstance(op, Own | Whole):
        return op.kind
    name = type(op).__name__
    if name == "ReLU":  # of `keras.activations.relu`
        if op.threshold or (op.max_value is not None and op.negative_slope):
            return "Threshold"
        bounded = op.max_value is not None
        return "Relu6" if bounded else "LeakyRelu" if op.negative_slope else "Relu"
    return name


class Graph:
    """A traced model.

    Args:
        inputs: the structure of its inputs, tensors without values.
        output: the tensor that it returns.
        nodes: in an order in which they can be computed.
        layers: by the name of each layer what its calls returned, a structure for each.
    """

    def __init__(self, inputs: Any, output: Any, nodes: Iterable[Node], layers):
        self.inputs, self.output, self.layers = inputs, output, layers
        self.nodes = _needed(nodes, output)

    @property
    def rows(self) -> int | None:
        """How many samples it is for; `None` for any number."""
        return keras.tree.flatten(self.inputs)[0].shape[0]

    @functools.cached_property
    def producers(self) -> dict[int, Node]:
        """The node of each tensor that is computed, by its id."""
        return {id(tensor): node for node in self.nodes for tensor in node.outputs}

    @functools.cached_property
    def moving(self) -> set[int]:
        """The tensors that depend on the inputs, by their ids."""
        found = set(map(id, keras.tree.flatten(self.inputs)))
        for node in self.nodes:
            if not found.isdisjoint(map(id, node.tensors)):
                found.update(map(id, node.outputs))
        return found

    @functools.cached_property
    def users(self) -> dict[int, list]:
        """The nodes that take a tensor, by its id; `None` stands for the caller of the model."""
        found: dict[int, list] = {}
        for node in self.nodes:
            for tensor in {id(t): t for t in node.tensors}.values():
                found.setdefault(id(tensor), []).append(node)
        found.setdefault(id(self.output), []).append(None)
        return found

    @functools.cached_property
    def weights(self) -> list[Weight]:
        """The weights that take part."""
        found = {id(t): t for node in self.nodes for t in node.tensors if isinstance(t, Weight)}
        return list(found.values())

    @functools.cached_property
    def last_uses(self) -> list[list[int]]:
        """Which tensors, by their ids, no node after each one needs."""
        seen = {id(self.output)}
        found = []
        for node in reversed(self.nodes):
            ids = {id(t) for t in (*node.tensors, *node.outputs)} - seen
            seen |= ids
            found.append(list(ids))
        return found[::-1]

    @functools.cached_property
    def is_half(self) -> bool:
        """Whether something is computed in half precision."""
        made = [tensor for node in self.nodes for tensor in node.outputs]
        return any(tensor.dtype in _NARROW - {"float32"} for tensor in made)

    @functools.cached_property
    def wide(self) -> "Graph":
        """The graph in single precision where it has half, without what changes nothing then.

        So casts between the two, and to what a tensor is already, are gone, and layers that return
        what they are given.
        """
        alias: dict[int, Tensor] = {}

        def resolved(tensor):
            return alias.get(id(tensor), tensor)

        nodes = []
        for node in self.nodes:
            args, kwargs = node.filled(resolved)
            casts = node.kind in ("Cast", "ConvertToTensor") and isinstance(args[0], Tensor)
            between = {args[0].dtype, node.outputs[0].dtype} if casts else set()
            casts = casts and (between <= _NARROW or len(between) == 1)
            if casts or node.kind == "Identity":
                alias[id(node.outputs[0])] = args[0]
            else:
                nodes.append(Node(node.op, args, kwargs, node.outputs, node.scope))
        each = keras.tree.map_structure
        layers = {
            name: [(layer, each(resolved, outputs)) for layer, outputs in calls]
            for name, calls in self.layers.items()
        }
        inputs = each(resolved, self.inputs)
        return Graph(inputs, resolved(self.output), nodes, layers)

    def with_output(self, output: Any, nodes: Iterable[Node]) -> "Graph":
        """The graph with another end."""
        return Graph(self.inputs, output, [*self.nodes, *nodes], self.layers)


def _needed(nodes: Iterable[Node], output) -> list[Node]:
    wanted, kept = {id(output)}, []
    for node in reversed(list(nodes)):
        if any(id(tensor) in wanted for tensor in node.outputs):
            kept.append(node)
            wanted.update(map(id, node.tensors))
    return kept[::-1]
