"""What an attack is to do: turn a class, a label or a value, and by how much.

A goal goes to the call of an attack, `attack(model, x, goal=isi.goals.LabelOn(3))`. What is one
number for all samples (a class, a label, a value) may be one for each, `(N,)`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from isi_keras import _component
from isi_keras.goals.base import Asked, Goal
from isi_keras.goals.classes import AnyOf, NoneOf, Target, Untargeted
from isi_keras.goals.label_set import LabelSet
from isi_keras.goals.labels import LabelOff, LabelOn
from isi_keras.goals.values import Above, Below
from isi_keras.results import RobustnessResult

__all__ = [
    "Above",
    "AnyOf",
    "Asked",
    "Below",
    "Goal",
    "LabelOff",
    "LabelOn",
    "LabelSet",
    "NoneOf",
    "Target",
    "Untargeted",
    "get",
    "of",
]

NAMES: dict[str, Callable[[], Goal]] = {"untargeted": Untargeted, "label_set": LabelSet}


def get(identifier: Any) -> Goal:
    """Turns a name, a configuration or a goal into a goal."""
    return _component.get(identifier, Goal, NAMES)


def of(result) -> Goal:
    """The goal that an `AttackResult` or a `RobustnessResult` was made for.

    Args:
        result: what an attack or `robustness` returned, or a part of it.
    """
    if result.goal is None and isinstance(result, RobustnessResult):
        return Untargeted()
    if result.goal is None:
        return Untargeted() if result.target is None else Target(result.target)
    return from_record(result.goal, result.aim)


def from_record(entry: Mapping[str, Any], each: Any = None) -> Goal:
    """The goal of what `Goal.recorded` returned, or of some rows of it."""
    config = dict(entry["config"])
    if each is not None:
        name = next(name for name, value in config.items() if value is None)
        config[name] = each
    return get({**entry, "config": config})


def rows(goal: Goal, chosen: Any) -> Goal:
    """The goal of some samples, of one that may say something of each.

    Args:
        goal: for `N` samples, or for any.
        chosen: which of them, a mask `(N,)` or a slice.

    Raises:
        ValueError: if the goal is of another number of samples than the mask.
    """
    entry, each = goal.recorded()
    if each is None:
        return goal
    if not isinstance(chosen, slice) and len(each) != len(chosen):
        raise ValueError(
            f"Expected a goal for each of {len(chosen)} samples, or one for all. Received "
            f"{len(each)}."
        )
    return from_record(entry, each[chosen])
