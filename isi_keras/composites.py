"""Composites: which rule serves which layer."""

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from isi_keras import _checks, _component, rules
from isi_keras.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, ZBox, ZPlus

KINDS = ("dense", "convolution", "normalization", "pooling")
GATES = ("signal", "halves")
ATTENTION = ("values", "attnlrp")
CONVOLUTIONS = tuple(
    getattr(keras.layers, f"{word}{size}D{suffix}")
    for word, sizes, suffix in (
        ("Conv", (1, 2, 3), ""),
        ("Conv", (1, 2, 3), "Transpose"),
        ("DepthwiseConv", (1, 2), ""),
        ("SeparableConv", (1, 2), ""),
    )
    for size in sizes
)


@dataclasses.dataclass(frozen=True, eq=False)
class Composite(_component.Component):
    """Which rule serves which linear layer.

    The first that applies: `names`, then `first`, then `rules` by the class of the layer, by its
    kind, and `Epsilon()`.

    Args:
        rules: a rule (or its name) for all linear layers; or a dictionary from a kind (`"dense"`
            for `Dense` and `EinsumDense`, `"convolution"` for all convolutions, `"normalization"`
            for a `BatchNormalization` that is not merged, `"pooling"` for averages) or the name of
            a class (`"Conv2D"`) to a rule. A single rule that is not `Epsilon` serves dense layers
            and convolutions, and `Epsilon` the others.
        first: the rule of the linear layers at the model's input, before which there is nothing but
            padding, reshaping, `Rescaling`, `Normalization` and the like; a rule, a dictionary as
            in `rules`, or `None`.
        names: a dictionary from patterns of layer names, such as `"block5_*"`, to rules, or pairs
            of them. The first that matches counts.
        fold: whether a `BatchNormalization` is merged into the linear layer directly before or
            after it, for relevance as for inference. The model's weights stay as they are.
        gates: of an entry-by-entry product with a gate (the output of a sigmoid or softmax), as in
            squeeze-and-excitation: `"signal"` gives all relevance to the other factor, `"halves"`
            an equal share to each.
        attention: how relevance passes attention. `"values"` takes attention weights as constants,
            so that all of it goes to the values (the conservative rule, Ali et al. 2022).
            `"attnlrp"` hands it to queries and keys too: each factor of a product gets half,
            gates included, and a softmax passes it by its first Taylor term, whose remainder is a
            bias (AttnLRP, Achtibat et al. 2024).

    Raises:
        ValueError: for an unknown name, or a rule for the first layer elsewhere.
        TypeError: if something else stands where a rule is expected.

    Source: Montavon et al. 2019, section 10.3; Kohlbrenner et al. 2020; for `attention` Ali et al.
    2022 and Achtibat et al. 2024.

    Example:
        >>> from isi_keras.composites import Composite
        >>> Composite({"convolution": "zplus", "dense": "epsilon"}, first="flat").first
        Flat(epsilon=1e-06, bias=True)
    """

    kind: ClassVar[str] = "composite"
    rules: Any = "epsilon"
    first: Any = None
    names: Any = ()
    fold: bool = True
    gates: str = "signal"
    attention: str = "values"

    def __post_init__(self):
        object.__setattr__(self, "rules", _rules(self.rules))
        object.__setattr__(self, "first", None if self.first is None else _rules(self.first))
        try:
            pairs = [(str(pattern), rule) for pattern, rule in dict(self.names).items()]
        except (TypeError, ValueError) as error:
            raise TypeError(
                "Expected names to be a dictionary from patterns to rules. "
                f"Received: names={self.names!r}."
            ) from error
        # Pairs, as their order counts.
        names = tuple((pattern, rules.get(rule)) for pattern, rule in pairs)
        object.__setattr__(self, "names", names)
        if self.gates not in GATES:
            raise ValueError(_checks.unknown("gates", self.gates, GATES))
        _checks.one_of("attention", self.attention, ATTENTION)
        everywhere = self.rules.values() if isinstance(self.rules, Mapping) else [self.rules]
        for rule in everywhere:
            if not rule.proportional:
                raise ValueError(
                    f"{type(rule).__name__} gives relevance to inputs of 0 and serves the first "
                    "layer only. Received it for all layers. Try "
                    f"Composite('epsilon', first={rule!r})."
                )

    def rule(
        self, layer: Any, at_input: bool, kind: str | None = None, within: Sequence[Any] = ()
    ) -> Rule:
        """The rule of a linear layer, which stands at the model's input or does not.

        Args:
            layer: the layer, or `None` for an operation that is in none.
            at_input: whether it stands at the model's input.
            kind: what it is, of `KINDS`; `None` for what the class of the layer says.
            within: the layers that hold it, and itself, whose names count, too.

        Raises:
            ValueError: if `names` gives a rule for the first layer to another one.
        """
        kind = kind or _kind_of(layer)
        for pattern, rule in self.names:
            if any(fnmatch.fnmatchcase(part.name, pattern) for part in within or (layer,)):
                if not rule.proportional and not at_input:
                    raise ValueError(
                        f"The name pattern {pattern!r} gives {type(rule).__name__}, which serves "
                        f"the first layer only, to {_called(layer)}, which is not one."
                    )
                return rule
        found = _of(layer, kind, self.first) if at_input else None
        return found or _of(layer, kind, self.rules) or Epsilon()

    @property
    def has_first(self) -> bool:
        """Whether some rule may be for the first layer only."""
        return self.first is not None or any(not rule.proportional for _, rule in self.names)


def _called(layer: Any) -> str:
    return "an operation outside of layers" if layer is None else f"the layer {layer.name!r}"


def _kind_of(layer: Any) -> str:
    """How a composite sees a layer: `"dense"`, `"convolution"`, `"normalization"`, `"pooling"`."""
    if isinstance(layer, CONVOLUTIONS):
        return "convolution"
    if isinstance(layer, keras.layers.BatchNormalization):
        return "normalization"
    return "pooling" if "Pooling" in type(layer).__name__ else "dense"


def _of(layer, kind: str, table) -> Rule | None:
    if isinstance(table, Mapping):
        return table.get(type(layer).__name__) or table.get(kind)
    if (
        table is not None
        and kind in ("normalization", "pooling")
        and not isinstance(table, Epsilon)
    ):
        return Epsilon(epsilon=table.epsilon, bias=table.bias)
    return table


def _rules(value: Any) -> Any:
    """A rule, or a dictionary of rules by kind or class."""
    if not isinstance(value, Mapping) or "class_name" in value:
        return rules.get(value)
    for key in value:
        if key not in KINDS and not str(key)[:1].isupper():
            raise ValueError(_checks.unknown("kind of layers", key, KINDS))
        near = {name.lower(): name for name in dir(keras.layers)}.get(str(key).lower(), key)
        if near != key and key not in KINDS:
            raise ValueError(f"Unknown class of layers {key!r}. Did you mean {near!r}?")
    return {key: rules.get(rule) for key, rule in value.items()}


def epsilon_plus() -> Composite:
    """z+ for convolutions, epsilon for dense layers."""
    return Composite({"convolution": ZPlus(), "dense": Epsilon()})


def epsilon_alpha2beta1() -> Composite:
    """Alpha 2, beta 1 for convolutions, epsilon for dense layers."""
    return Composite({"convolution": AlphaBeta(2, 1), "dense": Epsilon()})


def epsilon_gamma_box(low: Any = -1.0, high: Any = 1.0) -> Composite:
    """Gamma 0.25 for convolutions, epsilon for dense layers, z-box for a first convolution.

    Args:
        low: the least value of an input, see `ZBox`.
        high: the greatest.
    """
    rules_by_kind = {"convolution": Gamma(0.25), "dense": Epsilon()}
    return Composite(rules_by_kind, first={"convolution": ZBox(low, high)})


def _flat(composite: Composite) -> Composite:
    return dataclasses.replace(composite, first=Flat())


NAMES: dict[str, Callable[[], Composite]] = {
    "epsilon_plus": epsilon_plus,
    "epsilon_alpha2beta1": epsilon_alpha2beta1,
    "epsilon_plus_flat": lambda: _flat(epsilon_plus()),
    "epsilon_alpha2beta1_flat": lambda: _flat(epsilon_alpha2beta1()),
    "epsilon_gamma_box": epsilon_gamma_box,
}


def get(identifier: Any) -> Rule | Composite:
    """Turns a name, a configuration, a `Rule` or a `Composite` into a `Rule` or a `Composite`."""
    if isinstance(identifier, Composite):
        return identifier
    if isinstance(identifier, str) and identifier.lower() in NAMES:
        return NAMES[identifier.lower()]()
    if isinstance(identifier, str) and identifier.lower() not in rules.NAMES:
        raise ValueError(_checks.unknown("rule", identifier, {**rules.NAMES, **NAMES}))
    if isinstance(identifier, Mapping) and identifier.get("class_name") == "Composite":
        return _component.get(identifier, Composite, NAMES)
    return rules.get(identifier)
