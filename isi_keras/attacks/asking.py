"""What the call of an attack asks for: the model as its goal sees it, and who is right."""

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from isi_keras import _checks, goals, models
from isi_keras.attacks.state import UNKNOWN, Samples
from isi_keras.domain import Room
from isi_keras.goals.ends import expect_a_goal, expect_comparable
from isi_keras.models.beside import beside
from isi_keras.models.parts import Parts
from isi_keras.results import AttackResult, Stop


class Task(NamedTuple):
    """What is asked for.

    Args:
        planned: the model, seen as the goal wants it.
        goal: the goal.
        named: whether it was given as a goal, not as a target or not at all.
        asked: what it is for these samples.
        truth: the true classes of what is seen, `(N,)`; `None` if none were given.
        beside: what each sample has beside the input that moves, as `Samples.beside`.
        clean: returns the clean logits of the model, `(N, K)`.
    """

    planned: models.Planned
    goal: goals.Goal
    named: bool
    asked: goals.Asked
    truth: np.ndarray | None
    beside: Any
    clean: Callable[[], np.ndarray]

    def samples(self, x: np.ndarray, aim: np.ndarray | None, numbers: Any, room: Room) -> Samples:
        """What is given of each sample, arrays of `N` rows.

        Args:
            x: the inputs that move, `(N, ...)`.
            aim: the classes to reach, `(N,)`, which the attack may have chosen; `None` for none.
            numbers: which sample of a longer run each is, `(N,)`.
            room: how far each input may go.
        """
        unknown = np.full(len(x), UNKNOWN, "int32")
        truth, aim = (unknown if part is None else part for part in (self.truth, aim))
        each = keras.tree.map_structure(
            lambda part: np.broadcast_to(part, (len(x), *part.shape[1:])), room
        )
        samples = Samples(x, truth, aim, numbers, *each, beside=self.beside)
        optional = {"margin": self.asked.margin, "among": self.asked.among}
        return samples._replace(**{k: v for k, v in optional.items() if v is not None})

    def recorded(self, adversarial: np.ndarray, batch_size: int | None) -> dict[str, Any]:
        """What a result holds of it."""
        found: dict[str, Any] = {}
        moving = self.planned.moving
        if moving is not None:
            shapes = {n: list(s) for n, s in zip(moving.moved, moving.shapes, strict=True)}
            found |= {"held": self.beside["held"] or None, "moving": shapes}
        if self.named:
            found["goal"], found["aim"] = self.goal.recorded()
        if self.asked.view is not None:
            found["clean_logits"] = self.clean()
            with beside(self.beside):
                found["logits"] = self.planned.predict(adversarial, batch_size)
        return found


def asked(
    classifier: models.Classifier,
    parts: Parts,
    y: Any,
    target: Any,
    goal: Any,
    batch_size: int | None,
) -> Task:
    """What a call asks for.

    Args:
        classifier: the model.
        parts: its inputs.
        y: the true labels, or `None`.
        target: the classes to reach, or `None`.
        goal: the goal, or `None`.
        batch_size: how many samples are computed at once.

    Raises:
        TypeError: if the goal, labels or classes are of the wrong kind.
        ValueError: if both a target and a goal are given, the goal does not suit the model, or
            there has to be one and is none.
    """
    if goal is not None and target is not None:
        raise ValueError(
            f"Received both target={_checks.shown(target)} and goal={_checks.shown(goal)}. Pass "
            "one of them; with a margin a "
            "target is goal=isi_keras.goals.Target(class, margin)."
        )
    named, count = goal is not None, len(parts.x)
    if goal is None:
        goal = goals.Untargeted() if target is None else goals.Target(target)
    goal = goals.get(goal)
    every = parts.x if parts.moving is None else parts.moving.joined(parts.x, parts.held)
    planned = classifier.plan(every, one_value=goal.of_values)
    expect_comparable(planned)
    if not named:
        expect_a_goal(planned, goal)

    @functools.cache
    def clean() -> np.ndarray:
        return planned.predict(every, batch_size)

    wanted = goal.asked(planned, count, clean)
    truth = None if y is None else goal.truth(y, wanted, planned, count, clean)
    aside: dict[str, Any] = {} if parts.moving is None else {"held": parts.held}
    if wanted.view is not None:
        aside["numbers"] = dict(wanted.numbers)
    planned = dataclasses.replace(planned, moving=parts.moving, view=wanted.view)
    return Task(planned, goal, named, wanted, truth, aside or (), clean)


def warn_of_the_reached(result: AttackResult, target: Any, goal: Any) -> None:
    """Warns where every sample was at its target or goal to begin with."""
    nowhere = target is None and goal is None
    if nowhere or not (result.stop_reason == Stop.ALREADY_TARGET.label).all():
        return
    if goal is not None:
        wanted = goals.get(goal)
        said = _checks.shown(wanted)
        text = f"Every sample is already where {said} wants it, so nothing was attacked."
    else:
        text = (
            "Every sample is already predicted as its target "
            f"({sorted(set(np.asarray(result.target).tolist()))}), so nothing was attacked. "
            "`target` is the class to reach; true labels go into `y`."
        )
    warnings.warn(text, stacklevel=3)
