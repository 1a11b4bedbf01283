"""Input significance indicators: how urgent each input is for a goal, and which way to move it."""

import functools
from collections.abc import Callable
from typing import Any

from isi_keras import _component, composites, rules
from isi_keras.indicators.base import Factors, Indicator, Point, Significance, at
from isi_keras.indicators.relevance import Relevance
from isi_keras.indicators.saliency import JacobianSaliency
from isi_keras.indicators.sensitivity import IntegratedGradients, Sensitivity, SmoothGrad

__all__ = [
    "Factors",
    "Indicator",
    "IntegratedGradients",
    "JacobianSaliency",
    "Point",
    "Relevance",
    "Sensitivity",
    "Significance",
    "SmoothGrad",
    "at",
    "get",
]

NAMES: dict[str, Callable[[], Indicator]] = {
    "relevance": Relevance,
    **{
        name: functools.partial(Relevance, name)
        for name in (*rules.NAMES, *composites.NAMES)
        if name in composites.NAMES or rules.NAMES[name]().proportional
    },
    "sensitivity": Sensitivity,
    "gradient": Sensitivity,
    "gradient_x_input": functools.partial(Sensitivity, times_input=True),
    "smoothgrad": SmoothGrad,
    "integrated_gradients": IntegratedGradients,
    "jacobian_saliency": JacobianSaliency,
}


def get(identifier: Any) -> Indicator:
    """Turns a name, a configuration, an `Indicator`, a rule or a composite into an `Indicator`."""
    if isinstance(identifier, rules.Rule | composites.Composite):
        return Relevance(identifier)
    return _component.get(identifier, Indicator, NAMES)
