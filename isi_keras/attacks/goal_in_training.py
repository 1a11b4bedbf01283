"""A goal inside of training, where a batch holds any samples and labels are tensors."""

from typing import Any

import keras
from keras import ops

from isi_keras import _checks, goals
from isi_keras.goals.classes import OfClasses
from isi_keras.goals.views import OneOutput


def chosen(goal: Any, target: int | None, leave: tuple[int, ...] | None) -> goals.Goal:
    """The goal of an attack in training, as it was given or as the target says.

    Raises:
        TypeError: if it is none.
        ValueError: if there is a target too, or classes to leave and it is not about classes.
    """
    if goal is None:
        return goals.Untargeted() if target is None else goals.Target(target)
    goal = goals.get(goal)
    if target is not None:
        raise ValueError(
            f"Received both target={_checks.shown(target)} and goal={_checks.shown(goal)}. Pass "
            "one of them."
        )
    if leave is not None and not isinstance(goal, OfClasses):
        raise ValueError(
            f"leave is about classes. Received: leave={_checks.shown(leave)} and "
            f"goal={_checks.shown(goal)}. Leave it out."
        )
    return goal


def seen(asked: goals.Asked, y: Any, logits: Any, column: int) -> tuple[Any, dict[str, Any]]:
    """The true classes of what a goal about labels sees, `(N,)`, and the numbers of its view.

    Args:
        asked: the goal, for one sample that stands for all.
        y: the labels that hold, `(N, K)`, entries above 0.5; for a goal about one also `(N,)`. A
            set that is to be left is that of the true labels.
        logits: of the model, `(N, K)` or `(N, 2)`.
        column: where the first label is among them.
    """
    y = ops.cast(y, "float32")
    rows, numbers = ops.shape(logits)[0], repeated(dict(asked.numbers), ops.shape(logits)[0])
    if isinstance(asked.view, OneOutput):
        output = numbers["output"] - column
        if len(y.shape) == 2 and y.shape[-1] > 1:
            y = ops.take_along_axis(y, output[:, None], axis=-1)
        return ops.cast(ops.reshape(y, (-1,)) > 0.5, "int32"), numbers
    holds = ops.reshape(y, (rows, logits.shape[-1] - column)) > 0.5
    present = logits[:, column:] > 0
    right = ops.all(ops.equal(holds, present), axis=-1)
    if asked.view.leaves:
        numbers["wanted"] = 2 * ops.cast(holds, "float32") - 1
        if column:
            aside = ops.zeros_like(numbers["wanted"])
            numbers["wanted"] = ops.concatenate([aside, numbers["wanted"]], axis=-1)
        return ops.cast(~right, "int32"), numbers
    wanted = numbers["wanted"][:, column:]
    there = ops.all((wanted == 0) | ops.equal(wanted > 0, present), axis=-1)
    return ops.cast(ops.where(right, there, ~there), "int32"), numbers


def repeated(one: Any, rows: Any) -> Any:
    """A structure of arrays of one row as tensors of as many as a batch has; `()` of `None`."""
    if one is None:
        return ()
    return keras.tree.map_structure(
        lambda row: ops.repeat(ops.convert_to_tensor(row), rows, axis=0), one
    )
