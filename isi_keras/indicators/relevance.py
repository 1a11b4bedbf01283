"""Layer-wise relevance propagation as an indicator."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras import ops

from isi_keras import _checks, composites
from isi_keras.graph import conservation, propagation
from isi_keras.indicators.base import Indicator, Significance
from isi_keras.models.graphs import PerGraph
from isi_keras.rows import flat, rows_like

_CHECKED = 3  # samples, as one alone may be dead
_LARGE = 50_000  # entries of a sample, of which only one is checked if it is not dead


@dataclasses.dataclass(frozen=True, eq=False)
class Relevance(Indicator):
    r"""Layer-wise relevance propagation: the share of the goal's value that each input carries.

    The relevance is $R_i = x_i\, \partial y / \partial x_i$, the derivative being that of the
    forward pass as the rule has it. In an attack the input is measured from the middle $c$ of
    the bounds, $R_i = (x_i - c_i)\, \partial y / \partial x_i$, so that data in `[0, 1]` are
    treated as data in `[-1, 1]` are. As significance: the score is $-R_i$ (what speaks most
    against the goal goes first), the direction $-\operatorname{sign}(x_i - c_i)$, towards the
    farther bound.

    A sample of which every input lies at the centre has no relevance, though its inputs have
    influence: the attack then takes its first step by the derivative, with the score
    $|\partial y / \partial x_i|$.

    Under a composite with a rule for the first layer the relevance is the rule's, wherever $c$ is.
    Relevance is computed in float32, also where the model computes in half precision; the logits
    are those that it returns, so what they are rounded by is part of `epsilon` in an account.

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

    per_unit: ClassVar[bool] = False
    centred: ClassVar[bool] = True
    rule: Any = "z"
    on_unknown: str = "error"

    def __post_init__(self):
        object.__setattr__(self, "rule", composites.get(self.rule))
        _ = self.composite  # raises if the rule cannot serve all layers
        _checks.one_of("on_unknown", self.on_unknown, propagation.ON_UNKNOWN)

    @property
    def composite(self) -> composites.Composite:
        """Which rule serves which layer."""
        rule = self.rule
        return rule if isinstance(rule, composites.Composite) else composites.Composite(rule)

    def prepare(self, planned, sample, *, centred=False, **wanted):  # noqa: D102
        whole = planned.whole(sample)

        def plans_of(row):
            return PerGraph(
                planned.graphs,
                lambda graph: propagation.Propagation(
                    graph, self.composite, self.on_unknown, row, centred=centred, **wanted
                ),
            )

        plans = checked = plans_of(planned.graphs.few(sample))
        if planned.moving is not None:  # all inputs are checked, those that are held too
            checked = plans_of(planned.graphs.few(whole))
        if self.on_unknown == "error":
            size = sum(math.prod(rows.shape[1:]) for rows in keras.tree.flatten(whole))
            count = 1 if size > _LARGE else _CHECKED
            for first in range(0, _CHECKED, count):
                some = planned.graphs.few(whole, count, first)
                if conservation.check(checked.of(some), some):
                    break
        return planned.narrowed(Propagated(plans, planned.as_logits()))

    def significance(self, point, goal, centre):  # noqa: D102
        each = keras.tree.map_structure
        to_centre = each(lambda x: centre - ops.cast(x, "float32"), point.x)
        found = point.pullback(goal.seed(point.logits))
        if "ones" in found:
            against = each(ops.negative, found["ones"])
        else:
            against = each(ops.multiply, to_centre, found["x"])
        relevance, way = each(ops.negative, against), each(ops.sign, to_centre)
        if "ones" not in found:
            there = _at_centre(to_centre)
            against = each(lambda a, g: _instead(there, ops.abs(g), a), against, found["x"])
            way = each(lambda w, g: _instead(there, ops.sign(g), w), way, found["x"])
        return Significance(against, way, relevance)


def _at_centre(to_centre) -> Any:
    """Which samples lie at the centre with all their inputs, `(N,)` bool."""
    far = [ops.max(ops.abs(flat(part)), axis=-1) for part in keras.tree.flatten(to_centre)]
    return sum(far) == 0


def _instead(rows, new, old) -> Any:
    """The new values in some rows, the old ones in the others."""
    return ops.where(rows_like(rows, old), new, old)


class Propagated:
    """The logits of a model, whose derivatives are relevance.

    Args:
        plans: a `Propagation` for each graph of the model.
        as_logits: from the outputs of a graph to logits.
    """

    def __init__(self, plans: PerGraph, as_logits: Callable[[Any], Any]):
        self._plans, self._as_logits = plans, as_logits

    def variables(self, x) -> dict[str, Any]:
        """By what the logits are differentiated at a batch, see `Propagation.variables`."""
        return self._plans.of(x).variables(x)

    def logits(self, model, x, variables):
        """The logits as a function of the variables."""
        return self._as_logits(self._plans.of(x).returned(x, variables))
