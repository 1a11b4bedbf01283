"""How relevance passes layers that are treated as a whole."""

import dataclasses
import math
import re
import string
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras import _keras
from isi_keras.graph.run import Run
from isi_keras.rules import Epsilon, Rule
from isi_keras.rules.linear import Linear, negative, positive

_each = keras.tree.map_structure


@dataclasses.dataclass(frozen=True)
class Call:
    """A layer of the user's at one place.

    Args:
        run: the pass.
        layer: the layer.
        args, kwargs: what it is called with, tensors.
        rule: the rule that the composite has for it.
        ones, bounded: as `Linear` has them, of a layer that is the first.
    """

    run: Run
    layer: Any
    args: tuple
    kwargs: dict
    rule: Rule
    ones: Any = None
    bounded: Callable | None = None

    def known(self, z, contract: Callable, kernel, bias, **options) -> Linear:
        """What a rule has to know of the layer."""
        given = {"ones": self.ones, "bounded": self.bounded, **options}
        return Linear(self.args[0], z, contract, kernel, bias, **given)

    def __call__(self, *args) -> Any:
        """What the layer returns for other tensors, which it may alter in place on Torch."""
        given = [ops.copy(a) if ops.is_tensor(a) else a for a in args or self.args]
        return _single(self.layer)(*given, **self.kwargs)


def linear(call: Call) -> Any:
    """A layer with a kernel and perhaps a bias, and a function at its end."""
    layer, run = _single(call.layer), call.run
    activation = ending(layer)
    bare = without_end(layer)
    bias = _keras.read(layer, "bias")
    variable = _keras.kernel(layer, "kernel")
    others = [(v, v.value) for v in layer.variables if v is not variable and v is not bias]

    def contract(x, kernel, added):
        values = [(variable, kernel)]
        fits = bias is not None and added is not None and added.shape == bias.shape
        if bias is not None:
            values.append((bias, added if fits else ops.zeros(bias.shape, bias.dtype)))
        with keras.StatelessScope([*others, *values]):
            z = bare.call(x, *call.args[1:], **call.kwargs)
        return z if fits or added is None else z + added

    (x, *_) = call.args
    kernel = ops.convert_to_tensor(variable)
    if run.checks and not isinstance(call.rule, Epsilon):
        _expect_terms(layer, call.rule, lambda x, kernel: contract(x, kernel, None), x, kernel)
    added = None if bias is None else ops.convert_to_tensor(bias)
    z = contract(x, kernel, added)
    outputs = run.surrogate(call.rule, call.known(z, contract, kernel, added, summand=False), z)
    return outputs if activation is None else run.passed(activation(outputs), outputs)


def _expect_terms(layer: Any, rule: Rule, contract: Callable, x, kernel) -> None:
    """Raises unless what a layer sums is what a rule takes it for: inputs times weights."""
    size = ops.convert_to_numpy(contract(ops.abs(x), ops.abs(kernel)))
    parts = contract(x, positive(kernel)) + contract(x, negative(kernel))
    lost = ops.convert_to_numpy(parts - contract(x, kernel))
    what = f"The layer {layer.name!r} of class {type(layer).__name__}, registered as 'linear',"
    advice = "Write it with keras.ops, which needs no registration; or use the rule 'epsilon'."
    if np.abs(lost).max() > 1e-3 * np.abs(size).max():
        raise ValueError(f"{what} is not linear in its kernel, as {rule!r} needs it. {advice}")
    if size.min() < -1e-4 * np.abs(size).max():
        raise ValueError(
            f"{what} returns values below 0 for inputs and a kernel that are not: its terms have "
            f"not the signs of its kernel, as {rule!r} takes them to have. {advice}"
        )


def quantized(call: Call) -> Any:
    """A dense layer of few bits: its matrix is what it makes of unit vectors."""
    layer, run, (x, *_) = call.layer, call.run, call.args
    terms = _terms(layer, len(x.shape))
    value, kernel = call(), _matrix(call, terms, x.shape)
    bias = _keras.read(layer, "bias")
    bias = None if bias is None else ops.cast(bias, "float32")

    def contract(x, kernel, bias):
        z = ops.einsum(terms.equation, x, kernel)
        return z if bias is None else z + bias

    # Its inputs are quantized, too, so the value that is shared out is the layer's own.
    z = contract(x, kernel, bias)
    return run.surrogate(call.rule, call.known(z, contract, kernel, bias), value)


class _Terms(NamedTuple):
    """The axes of an einsum by letters: of what it takes, of what it returns and of its kernel."""

    inputs: str
    outputs: str
    summed: str
    shared: str = ""  # each entry along them has weights of its own

    @property
    def kernel(self) -> str:
        """The axes that are summed, that are shared and that are new."""
        return self.summed + self.shared + self.new

    @property
    def new(self) -> str:
        """The axes that only the outputs and the kernel have."""
        return "".join(k for k in self.outputs if k not in self.inputs)

    @property
    def equation(self) -> str:
        """What it computes."""
        return f"{self.inputs},{self.kernel}->{self.outputs}"


def _terms(layer: Any, rank: int) -> _Terms:
    """What a dense layer sums, of an input of `rank` axes."""
    if not isinstance(layer, keras.layers.EinsumDense):
        rest = string.ascii_lowercase[: rank - 1]
        return _Terms(f"{rest}y", f"{rest}z", "y")
    inputs, kernel, outputs = re.split(",|->", layer.equation.replace(" ", ""))
    rest = string.ascii_uppercase[: rank - len(inputs.replace(".", ""))]
    inputs, outputs = inputs.replace("...", rest), outputs.replace("...", rest)
    both = [k for k in inputs if k in kernel]
    summed, shared = ("".join(k for k in both if (k in outputs) is kept) for kept in (False, True))
    return _Terms(inputs, outputs, summed, shared)


def _matrix(call: Call, terms: _Terms, shape: tuple) -> Any:
    """What a layer of few bits makes of unit vectors."""
    layer = _with(_single(call.layer), "bias", None)
    sizes = dict(zip(terms.inputs, shape, strict=True))
    summed = [sizes[k] for k in terms.summed]
    (first, *free) = [k for k in terms.inputs if k not in terms.summed]
    kept = [sizes[k] if k in terms.shared else 1 for k in free]
    count = math.prod(summed)
    x = ops.reshape(ops.eye(count), (count, *summed, *[1] * len(free)))
    x = ops.broadcast_to(x, (count, *summed, *kept))
    order = [first, *terms.summed, *free]
    x = ops.transpose(x, [order.index(k) for k in terms.inputs])

    rows = layer(ops.cast(x, "float32"), *call.args[1:], **call.kwargs)
    rows = ops.stop_gradient(rows)  # one for each unit vector
    rows = ops.transpose(rows, [terms.outputs.index(k) for k in (first, *free, *terms.new)])
    shared = [sizes[k] for k in terms.shared]
    return ops.reshape(rows, (*summed, *shared, *rows.shape[1 + len(free) :]))


def activation(call: Call) -> Any:
    """A function of each entry passes relevance on unchanged."""
    outputs, (x, *_) = call(), call.args
    if tuple(outputs.shape) != tuple(x.shape):
        raise ValueError(
            f"The layer {call.layer.name!r} of class {type(call.layer).__name__}, registered as "
            f"'activation', is no function of each entry: of the shape {tuple(x.shape)} it makes "
            f"{tuple(outputs.shape)}. Register a function, see isi_keras.register."
        )
    if call.run.checks:
        _say_if_mixed(call, x, outputs)
    return call.run.passed(outputs, x)


def _say_if_mixed(call: Call, x, outputs) -> None:
    """Warns if an entry of what a layer returns depends on other entries than its own."""
    own = ops.convert_to_tensor(np.random.default_rng(0).random(x.shape) < 1 / 2)
    other = call(ops.where(own, x, x / 2 + 0.1), *call.args[1:])
    if ops.convert_to_numpy(ops.any(own & (ops.abs(other - outputs) > 1e-4 * ops.abs(outputs)))):
        warnings.warn(
            f"The layer {call.layer.name!r} of class {type(call.layer).__name__}, registered as "
            "'activation', is no function of each entry. Relevance passes it as if it were.",
            stacklevel=2,
        )


def gradient(call: Call) -> Any:
    """The plain gradient; what comes of an input of zeros is a bias."""
    outputs = call()
    if not call.run.absorbed:
        return outputs
    first, *others = call.args
    return call.run.absorb("bias", outputs, call(_each(ops.zeros_like, first), *others))


def unknown(call: Call) -> Any:
    """The plain gradient, on request."""
    return call()


def known(layer: Any, args: tuple, spec: Any) -> Any:
    """What a layer returns, with sizes that Keras leaves open and its inputs tell."""
    if not isinstance(layer, keras.layers.EinsumDense) or None not in spec.shape:
        return spec
    terms = _terms(layer, len(args[0].shape))
    sizes = dict(zip(terms.outputs, spec.shape, strict=True))
    sizes.update(zip(terms.inputs, args[0].shape, strict=True))
    return keras.KerasTensor([sizes[k] for k in terms.outputs], spec.dtype)


def ending(layer: Any) -> Callable | None:
    """The function at the end of a layer."""
    found = _keras.read(layer, "activation")
    return None if found is keras.activations.linear else found


def without_end(layer: Any) -> Any:
    """The layer, or a copy without the function at its end."""
    if ending(layer) is None:
        return layer
    return _with(layer, "activation", keras.activations.linear)


def _single(layer: Any) -> Any:
    """The layer, or a copy that computes in single instead of half precision."""
    policy = _keras.read(layer, "dtype_policy")
    if policy.compute_dtype not in ("float16", "bfloat16"):
        return layer
    name = _keras.NAMES["dtype_policy"].attribute
    mode, quantized, _ = policy.name.rpartition("_from_")
    return _with(layer, name, keras.dtype_policies.get(f"{mode}{quantized}float32"))


def _with(layer: Any, name: str, value: Any) -> Any:
    """A copy of a layer, of the same variables, with another attribute."""
    made = object.__new__(type(layer))
    vars(made).update({**vars(layer), name: value})
    return made
