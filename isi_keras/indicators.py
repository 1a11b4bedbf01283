"""Input significance indicators: how urgent each input is for a goal, and which way to move it."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from keras import ops

from isi_keras import _component, composites, models, rules


class Significance(NamedTuple):
    """What an indicator says of a batch; every field has the shape of `x`.

    Args:
        score: how urgent it is to move each input; the greatest is moved first.
        direction: which way to move it, -1, 0 or +1.
        relevance: the map itself, as `explain` returns it.
    """

    score: Any
    direction: Any
    relevance: Any


class Indicator(_component.Component, abc.ABC):
    """Base of the indicators."""

    kind: ClassVar[str] = "indicator"

    @abc.abstractmethod
    def swaps(self, model, head) -> tuple:
        """What to exchange in the model before it runs; `head` is what removes its softmax."""

    @abc.abstractmethod
    def significance(self, x, logits, pullback: Callable, goal, centre) -> Significance:
        """The significance of each input for the goal.

        Args:
            x: the inputs, `(N, ...)`.
            logits: the logits there, `(N, K)`.
            pullback: a function from a cotangent `(N, K)` to a gradient of the shape of `x`.
            goal: an `Untargeted` or `Targeted`.
            centre: the middle of the bounds, or 0.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class Sensitivity(Indicator):
    r"""The derivative $g_i = \partial y / \partial x_i$ of the goal $y$ by each input.

    As significance: the score is $|g_i|$, the direction $\operatorname{sign}(g_i)$.

    Source: Simonyan et al. 2014, section 3; as an indicator Qiu and Zhou 2020.
    """

    def swaps(self, model, head):  # noqa: D102
        return ()

    def significance(self, x, logits, pullback, goal, centre):  # noqa: D102
        gradient = pullback(goal.seed(logits))
        return Significance(ops.abs(gradient), ops.sign(gradient), gradient)


@dataclasses.dataclass(frozen=True, eq=False)
class Relevance(Indicator):
    r"""Layer-wise relevance propagation: the share of the goal's value that each input carries.

    The relevance is $R_i = x_i\, \partial y / \partial x_i$, the derivative being that of the
    forward pass rewritten by the rule. In an attack the input is measured from the middle $c$ of
    the bounds, $R_i = (x_i - c_i)\, \partial y / \partial x_i$, so that data in `[0, 1]` are
    treated as data in `[-1, 1]` are. As significance: the score is $-R_i$ (what speaks most
    against the goal goes first), the direction $-\operatorname{sign}(x_i - c_i)$, towards the
    farther bound.

    Args:
        rule: the rule of every linear layer: `"z"` (epsilon 0, as published with the attack),
            `"epsilon"` (1e-6) or a `Rule`.
        on_unknown: what to do about a layer for which there is no rule: `"error"`, or
            `"gradient"` to let its plain gradient stand.

    Raises:
        ValueError: for an unknown name.
        TypeError: if `rule` is neither a name nor a `Rule`.

    Source: Bach et al. 2015; as an indicator Qiu and Zhou 2020.

    Example:
        >>> from isi_keras import Relevance
        >>> Relevance().get_config()
        {'rule': {'class_name': 'Epsilon', 'config': {'epsilon': 0.0}}, 'on_unknown': 'error'}
    """

    rule: Any = "z"
    on_unknown: str = "error"

    def __post_init__(self):
        object.__setattr__(self, "rule", rules.get(self.rule))
        if self.on_unknown not in composites.ON_UNKNOWN:
            raise ValueError(
                _component.unknown("on_unknown", self.on_unknown, composites.ON_UNKNOWN)
            )

    def swaps(self, model, head):  # noqa: D102
        return composites.swaps(model, self.rule, self.on_unknown, head)

    def significance(self, x, logits, pullback, goal, centre):  # noqa: D102
        to_centre = centre - x
        against = to_centre * pullback(goal.seed(logits))
        return Significance(against, ops.sign(to_centre), -against)


def forward(source: models.Logits, indicator: Indicator, sample) -> Callable:
    """A pure function `(model, x) -> logits` whose gradient is the one the indicator wants."""
    head = source.plan(sample).head
    return source.forward((*head, *indicator.swaps(source.model, head)))


NAMES: dict[str, Callable[[], Indicator]] = {"relevance": Relevance, "sensitivity": Sensitivity}


def get(identifier: Any) -> Indicator:
    """Turns a name, a configuration or an `Indicator` into an `Indicator`."""
    return _component.get(identifier, Indicator, NAMES, (Relevance, Sensitivity))
