"""Norms: what one step of an attack may change, given what an indicator says of each input."""

from collections.abc import Callable
from typing import Any

from isi_keras import _component
from isi_keras.norms.base import Move, Norm, Step
from isi_keras.norms.offers import Constraints, Offer
from isi_keras.norms.salient import Salient
from isi_keras.norms.steps import L0, L2, Linf

__all__ = ["L0", "L2", "Constraints", "Linf", "Move", "Norm", "Offer", "Salient", "Step", "get"]

NAMES: dict[str, Callable[[], Norm]] = {"l0": L0, "l2": L2, "linf": Linf, "salient": Salient}


def get(identifier: Any) -> Norm:
    """Turns a name, a configuration or a `Norm` into a `Norm`."""
    return _component.get(identifier, Norm, NAMES)
