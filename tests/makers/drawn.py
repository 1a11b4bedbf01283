"""Models drawn at random, each with what it computes and its relevance a second time in NumPy.

A linear part, be it a layer with the batch normalisations that are merged into it, is the matrix
that it is found to be from unit vectors; relevance passes it by a rule of `oracles`. What the
package decides by looking at operations, as what is merged, what is a gate and what is at the
input, is known here from how the model was drawn.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import oracles
from keras import layers, ops

import isi_keras as isi
from isi_keras import rules

ACTIVATIONS = {
    "relu": lambda a: np.maximum(a, 0),
    "softsign": lambda a: a / (1 + abs(a)),
    "silu": lambda a: a / (1 + np.exp(-a)),
    "leaky_relu": lambda a: np.where(a < 0, 0.2 * a, a),
    "elu": lambda a: np.where(a < 0, np.expm1(np.minimum(a, 0)), a),
}
RULES = {
    "Epsilon": [{"epsilon": 1e-6}, {"epsilon": 0.05}],
    "ZPlus": [{"epsilon": 1e-6}],
    "AlphaBeta": [{"alpha": 2.0, "beta": 1.0}, {"alpha": 1.5, "beta": 0.5, "epsilon": 1e-2}],
    "Gamma": [{"gamma": 0.25}, {"gamma": 1.5, "epsilon": 1e-3}],
}
KINDS = "convolution", "dense", "pooling", "normalization"
FIRST = {"Flat": [{}], "WSquare": [{}], "ZBox": [{"low": -3.0, "high": 4.0}]}


@dataclasses.dataclass
class Step:
    """A tensor of the model, and the step that makes it of others.

    Args:
        tensor: it, as Keras has it.
        sources: the numbers of the steps before it.
        output: from the values of these to its own, of one sample.
        relevance: from its relevance, its value and theirs to their relevance.
    """

    tensor: Any
    sources: tuple[int, ...] = ()
    output: Callable | None = None
    relevance: Callable | None = None


class Drawn:
    """A model of images, with a composite for it.

    Args:
        seed: by which all is drawn.
    """

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.rules = {kind: self._rule(RULES) for kind in KINDS}
        self.rules["first"] = self._rule(FIRST) if self._chance(0.4) else None
        self._linear: list[tuple] = []
        self.steps = [Step(keras.Input((5, 6, 2)))]
        at = self._convolved(0, first=True)
        for _ in range(self.random.integers(2, 6)):
            at = self._pick(*self._parts())(self._active(at))
        at = self._ended(self._active(at))
        at = self._layer(at, [layers.Dense(3)], "dense")
        self.model = keras.Model(self.steps[0].tensor, self.steps[at].tensor)
        for weight in self.model.weights:
            values = self.random.normal(size=weight.shape) * 0.6
            weight.assign(abs(values) + 0.3 if "variance" in weight.path else values)
        self._matrices = {id(chain): _matrix(chain, shape) for chain, shape in self._linear}
        self.x = self.random.uniform(-2, 3, (2, 5, 6, 2)).astype("float32")

    @property
    def composite(self) -> isi.Composite:
        """The rules that were drawn, as the package takes them."""
        made = {
            kind: None if given is None else getattr(rules, given[0])(**given[1])
            for kind, given in self.rules.items()
        }
        return isi.Composite({k: v for k, v in made.items() if k != "first"}, first=made["first"])

    def explained(self, x: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
        """The logits of a sample and the relevance of its inputs for one of them, by NumPy."""
        values = [np.asarray(x, "float64")]
        for step in self.steps[1:]:
            values.append(step.output(*(values[source] for source in step.sources)))
        found = [np.zeros_like(value) for value in values]
        found[-1][target] = values[-1][target]
        for number in reversed(range(1, len(values))):
            step = self.steps[number]
            given = [values[source] for source in step.sources]
            parts = step.relevance(found[number], values[number], *given)
            for source, part in zip(step.sources, parts, strict=True):
                found[source] = found[source] + part
        return values[-1], found[0]

    # ---- drawing

    def _parts(self) -> list[Callable]:
        parts = [self._convolved, self._added, self._joined, self._opened, self._pooled]
        return [*parts, self._normalized]

    def _pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def _chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def _rule(self, table) -> tuple[str, dict]:
        name = self._pick(*table)
        return name, self._pick(*table[name])

    def _step(self, *args) -> int:
        self.steps.append(Step(*args))
        return len(self.steps) - 1

    def _layer(self, at: int, chain: list, kind: str, first: bool = False) -> int:
        """Layers that are one linear map for relevance."""
        tensor = self.steps[at].tensor
        shape = tuple(tensor.shape[1:])
        self._linear.append((chain, shape))
        held = self._pick(lambda x: _run(chain, x), _nested(chain, shape))
        made = held(tensor)
        name, options = (first and self.rules["first"]) or self.rules[kind]

        def output(a):
            w, b = self._matrices[id(chain)]
            return (a.ravel() @ w + b).reshape(made.shape[1:])

        def relevance(r, _, a):
            w, b = self._matrices[id(chain)]
            more = {"connected": w != 0} if name == "Flat" else {}
            return [
                oracles.RULES[name](a.ravel(), w, b, r.ravel(), **options, **more).reshape(shape)
            ]

        return self._step(made, (at,), output, relevance)

    def _active(self, at: int) -> int:
        name = self._pick(*ACTIVATIONS)
        made = layers.Activation(name)(self.steps[at].tensor)
        return self._step(made, (at,), ACTIVATIONS[name], lambda r, *_: [r])

    def _convolution(self, channels: int):
        options = {"padding": "same", "use_bias": self._chance(0.8)}
        size = self._pick(1, 2, 3, (3, 2))
        return self._pick(
            layers.Conv2D(channels, size, **options),
            layers.Conv2D(channels, size, dilation_rate=2, **options),
            layers.Conv2DTranspose(channels, size, **options),
            layers.Dense(channels, use_bias=options["use_bias"]),
        )

    def _convolved(self, at: int, channels: int | None = None, first: bool = False) -> int:
        layer = self._convolution(channels or int(self.random.integers(2, 4)))
        if first or (channels is None and self._chance(0.3)):
            kinds = layers.Conv2D(2, 2), layers.Conv2D(3, 3, 2), layers.DepthwiseConv2D(2)
            small = self.steps[at].tensor.shape[1] < 4
            layer = layer if small and not first else self._pick(*kinds)
        chain = [layer]
        if not first and self._chance(0.3):  # it stands behind an activation
            chain = [self._normalization(), *chain]
        if self._chance(0.4):
            chain = [*chain, self._normalization()]
        kind = "dense" if isinstance(layer, layers.Dense) else "convolution"
        return self._layer(at, chain, kind, first)

    def _normalized(self, at: int) -> int:
        """A batch normalisation between two activations, which is merged into nothing."""
        return self._layer(at, [self._normalization()], "normalization")

    def _normalization(self):
        return layers.BatchNormalization(scale=self._chance(0.8), center=self._chance(0.8))

    def _added(self, at: int) -> int:
        """A residual connection, or a difference."""
        tensor = self.steps[at].tensor
        other = self._convolved(at, tensor.shape[-1])
        other = self._active(other) if self._chance(0.5) else other
        less = self._chance(0.3)
        kind = layers.Subtract() if less else layers.Add()
        sign = -1 if less else 1

        def relevance(r, z, a, b):
            share = np.divide(r, z, out=np.zeros_like(r), where=z != 0)
            return [a * share, sign * b * share]

        made = kind([tensor, self.steps[other].tensor])
        return self._step(made, (at, other), lambda a, b: a + sign * b, relevance)

    def _joined(self, at: int) -> int:
        other = self._convolved(at, 2)
        made = layers.Concatenate()([self.steps[at].tensor, self.steps[other].tensor])
        width = self.steps[at].tensor.shape[-1]
        return self._step(
            made,
            (at, other),
            lambda a, b: np.concatenate([a, b], -1),
            lambda r, *_: [r[..., :width], r[..., width:]],
        )

    def _opened(self, at: int) -> int:
        """Squeeze-and-excitation, whose gates get nothing; what they open has no bounds."""
        at = self._convolved(at)
        tensor = self.steps[at].tensor
        gate = self._layer(at, [layers.GlobalAveragePooling2D(keepdims=True)], "pooling")
        gate = self._active(self._layer(gate, [layers.Dense(2)], "dense"))
        gate = self._layer(gate, [layers.Dense(tensor.shape[-1])], "dense")
        made = layers.Activation("sigmoid")(self.steps[gate].tensor)
        gate = self._step(made, (gate,), lambda a: 1 / (1 + np.exp(-a)), lambda r, *_: [r])
        made = self._pick(layers.Multiply(), lambda pair: pair[1] * pair[0])([tensor, made])
        return self._step(
            made, (at, gate), lambda a, g: a * g, lambda r, z, a, g: [r, np.zeros_like(g)]
        )

    def _pooled(self, at: int) -> int:
        tensor = self.steps[at].tensor
        high, wide = tensor.shape[1:3]
        if min(high, wide) < 2:
            return self._convolved(at)
        if self._chance(0.5):
            return self._layer(at, [layers.AveragePooling2D(2, 1)], "pooling")

        def windows(a):
            cut = a[: high // 2 * 2, : wide // 2 * 2]
            cut = cut.reshape(high // 2, 2, wide // 2, 2, -1).transpose(0, 2, 4, 1, 3)
            return cut.reshape(*cut.shape[:3], 4)

        def relevance(r, _, a):
            best = np.eye(4)[windows(a).argmax(-1)] * r[..., None]
            best = best.reshape(*r.shape, 2, 2).transpose(0, 3, 1, 4, 2)
            found = np.zeros_like(a)
            found[: high // 2 * 2, : wide // 2 * 2] = best.reshape(high // 2 * 2, wide // 2 * 2, -1)
            return [found]

        made = layers.MaxPooling2D(2)(tensor)
        return self._step(made, (at,), lambda a: windows(a).max(-1), relevance)

    def _ended(self, at: int) -> int:
        if self._chance(0.5):
            return self._layer(at, [layers.GlobalAveragePooling2D()], "pooling")
        made = layers.Flatten()(self.steps[at].tensor)
        return self._step(made, (at,), lambda a: a.ravel(), lambda r, _, a: [r.reshape(a.shape)])


def _run(chain: list, x: Any) -> Any:
    for layer in chain:
        x = layer(x)
    return x


def _nested(chain: list, shape: tuple) -> keras.Model:
    """The same as a model inside the model."""
    return keras.Sequential([keras.Input(shape), *chain])


def _matrix(chain: list, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The matrix `(J, K)` and the bias `(K,)` that layers amount to."""
    size = math.prod(shape)
    rows = np.concatenate([np.zeros((1, size)), np.eye(size)]).reshape(-1, *shape)
    found = _run(chain, ops.convert_to_tensor(rows.astype("float32")))
    found = ops.convert_to_numpy(found).reshape(size + 1, -1).astype("float64")
    return found[1:] - found[0], found[0]
