"""Input significance indicators: how urgent each input is for a goal, and which way to move it."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from isi_keras import _component, backend, composites, models, propagation


class Significance(NamedTuple):
    """What an indicator says of a batch; every field has the structure and shapes of `x`.

    Args:
        score: how urgent it is to move each input; the greatest is moved first.
        direction: which way to move it, -1, 0 or +1.
        relevance: the map itself, as `explain` returns it.
    """

    score: Any
    direction: Any
    relevance: Any


class Point(NamedTuple):
    """The logits at a batch, and what they can be differentiated by.

    Args:
        x: the inputs, `(N, ...)`, or a structure of them.
        logits: the logits there, `(N, K)`.
        pullback: a function from a cotangent `(N, K)` to a dictionary of derivatives.
        at: a function from other inputs to their `Point`.
    """

    x: Any
    logits: Any
    pullback: Callable
    at: Callable


class Indicator(_component.Component, abc.ABC):
    """Base of the indicators."""

    kind: ClassVar[str] = "indicator"

    @abc.abstractmethod
    def passes(self, source: models.Logits, sample, *, centred: bool = False, **wanted) -> Any:
        """The passes that the indicator wants of a model: an object like `models.Passes`.

        Args:
            source: the model.
            sample: a batch of its inputs.
            centred: whether `significance` will be given a centre.
            wanted: `layers` and `leaks`, as `Propagation` takes them.
        """

    @abc.abstractmethod
    def significance(self, point: Point, goal, centre) -> Significance:
        """The significance of each input for the goal.

        Args:
            point: the batch.
            goal: an `Untargeted` or `Targeted`.
            centre: the middle of the bounds, or 0.
        """


def at(passes, model, x) -> Point:
    """The point `x` of a model, as its passes see it."""
    logits, pullback = backend.vjp(
        lambda variables: passes.logits(model, x, variables), passes.variables(x)
    )
    return Point(x, logits, pullback, lambda other: at(passes, model, other))


@dataclasses.dataclass(frozen=True, eq=False)
class Sensitivity(Indicator):
    r"""The derivative $g_i = \partial y / \partial x_i$ of the goal $y$ by each input.

    As significance: the score is $|g_i|$, the direction $\operatorname{sign}(g_i)$.

    Source: Simonyan et al. 2014, section 3; as an indicator Qiu and Zhou 2020.
    """

    def passes(self, source, sample, *, centred=False, **wanted):  # noqa: D102
        return models.Passes(source, sample)

    def significance(self, point, goal, centre):  # noqa: D102
        gradient = point.pullback(goal.seed(point.logits))["x"]
        return _moving(gradient, gradient)


def _moving(gradient, relevance) -> Significance:
    """To move each input the way its derivative says, the steepest first."""
    each = keras.tree.map_structure
    return Significance(each(ops.abs, gradient), each(ops.sign, gradient), relevance)


@dataclasses.dataclass(frozen=True, eq=False)
class Relevance(Indicator):
    r"""Layer-wise relevance propagation: the share of the goal's value that each input carries.

    The relevance is $R_i = x_i\, \partial y / \partial x_i$, the derivative being that of the
    forward pass rewritten by the rule. In an attack the input is measured from the middle $c$ of
    the bounds, $R_i = (x_i - c_i)\, \partial y / \partial x_i$, so that data in `[0, 1]` are
    treated as data in `[-1, 1]` are. As significance: the score is $-R_i$ (what speaks most
    against the goal goes first), the direction $-\operatorname{sign}(x_i - c_i)$, towards the
    farther bound.

    Under a composite with a rule for the first layer the relevance is the rule's, wherever $c$ is.
    Relevance is computed in float32, also where the model computes in half precision.

    Args:
        rule: a `Rule` for every linear layer, a `Composite`, or the name of one: `"z"` (epsilon 0,
            as published with the attack), `"epsilon"` (1e-6), `"zplus"`, `"alpha2beta1"`,
            `"gamma"`; `"epsilon_plus"`, `"epsilon_alpha2beta1"`, both also with `"_flat"`,
            `"epsilon_gamma_box"`.
        on_unknown: what to do about a layer for which there is no rule: `"error"`, or
            `"gradient"` to let its plain gradient stand.

    Raises:
        ValueError: for an unknown name.
        TypeError: if `rule` is neither a name, a `Rule` nor a `Composite`.

    Source: Bach et al. 2015; as an indicator Qiu and Zhou 2020.

    Example:
        >>> from isi_keras import Relevance
        >>> Relevance("gamma").rule
        Gamma(gamma=0.25, epsilon=1e-06, bias=True)
    """

    rule: Any = "z"
    on_unknown: str = "error"

    def __post_init__(self):
        object.__setattr__(self, "rule", composites.get(self.rule))
        _ = self.composite  # raises if the rule cannot serve all layers
        if self.on_unknown not in propagation.ON_UNKNOWN:
            raise ValueError(
                _component.unknown("on_unknown", self.on_unknown, propagation.ON_UNKNOWN)
            )

    @property
    def composite(self) -> composites.Composite:
        """Which rule serves which layer."""
        rule = self.rule
        return rule if isinstance(rule, composites.Composite) else composites.Composite(rule)

    def passes(self, source, sample, *, centred=False, **wanted):  # noqa: D102
        return propagation.Propagation(
            source, self.composite, self.on_unknown, sample, centred=centred, **wanted
        )

    def significance(self, point, goal, centre):  # noqa: D102
        each = keras.tree.map_structure
        to_centre = each(lambda x: centre - ops.cast(x, "float32"), point.x)
        found = point.pullback(goal.seed(point.logits))
        if "ones" in found:
            against = each(ops.negative, found["ones"])
        else:
            against = each(ops.multiply, to_centre, found["x"])
        return Significance(against, each(ops.sign, to_centre), each(ops.negative, against))


NAMES: dict[str, Callable[[], Indicator]] = {"relevance": Relevance, "sensitivity": Sensitivity}


def get(identifier: Any) -> Indicator:
    """Turns a name, a configuration or an `Indicator` into an `Indicator`."""
    return _component.get(identifier, Indicator, NAMES, (Relevance, Sensitivity))
