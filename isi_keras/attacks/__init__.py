"""Attacks: a plan with `start` and `step`; a base checks, compiles, drives and records."""

from collections.abc import Callable
from typing import Any

from isi_keras import _component
from isi_keras.attacks.attack import Attack
from isi_keras.attacks.base import BaseAttack, Plan
from isi_keras.attacks.jsma import JSMA
from isi_keras.attacks.minimal import MinimalL0
from isi_keras.attacks.rounds import Round
from isi_keras.attacks.state import Limits, Samples, State, first_of

__all__ = [
    "JSMA",
    "Attack",
    "BaseAttack",
    "Limits",
    "MinimalL0",
    "Plan",
    "Round",
    "Samples",
    "State",
    "first_of",
    "get",
]

NAMES: dict[str, Callable[[], BaseAttack]] = {"isi": Attack, "jsma": JSMA, "minimal_l0": MinimalL0}


def get(identifier: Any) -> BaseAttack:
    """Turns a name, a configuration or an attack into an attack."""
    return _component.get(identifier, BaseAttack, NAMES)
