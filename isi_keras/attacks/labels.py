"""Which class each sample has, and which classes an attack in training leaves and reaches."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _checks, goals
from isi_keras.attacks.state import UNKNOWN
from isi_keras.models import sourced
from isi_keras.sources import Stream

NONE = UNKNOWN - 1
"""A class that no model predicts: its sample counts as misclassified and is left as it is."""


def aim(target: Any, leave: Any) -> tuple[int | None, tuple[int, ...] | None]:
    """The class to reach and the classes to leave, checked; `None` for any.

    Raises:
        TypeError: if they are not integers.
        ValueError: if one is negative, there is no class to leave, or it is the one to reach.
    """
    if target is not None:
        target = _checks.integer("target", target, 0)
    if leave is not None:
        several = isinstance(leave, Sequence | np.ndarray)
        leave = tuple(_checks.integer("leave", c, 0) for c in (leave if several else [leave]))
        if not set(leave) - {target}:
            raise ValueError(
                "Expected leave to be a class, or several, other than the target. Received: "
                f"leave={leave}, target={target}."
            )
    return target, leave


def check_classes(target: int | None, leave: tuple[int, ...] | None, classes: int) -> None:
    """Raises `ValueError` unless the model has the classes of `aim`."""
    for name, values in (("target", () if target is None else (target,)), ("leave", leave or ())):
        if values and max(values) >= classes:
            raise ValueError(
                f"Expected {name} to be from 0 to {classes - 1}, as the model has {classes} "
                f"classes. Received: {name}={max(values)}."
            )


def truth(y: Any, classes: int, logits: Any = None) -> Any:
    """The true class of each sample of a batch in a trace, `(N,)` int32.

    Args:
        y: labels as losses take them. `(N,)` or `(N, 1)`: numbers of classes; of two classes
            whatever is above 0.5 is the second: 0 and 1, -1 and 1, or smoothed. `(N, K)`: the
            greatest is the class.
        classes: how many there are, `K`.
        logits: of a model of several labels, `(N, K)`, where any number of the entries of `y` may
            be above 0.5. Of these the class with the greatest logit is taken; `NONE` if there is
            none. So a sample is right if the class that is predicted first is one of its labels.
    """
    y = ops.cast(y, "float32")
    if len(y.shape) == 2 and y.shape[-1] == classes:
        if logits is None:
            return ops.cast(ops.argmax(y, axis=-1), "int32")
        own = y > 0.5  # (N, K)
        strongest = ops.argmax(ops.where(own, logits, -float("inf")), axis=-1)
        return ops.where(ops.any(own, axis=-1), ops.cast(strongest, "int32"), NONE)
    y = ops.reshape(y, (-1,))
    if classes == 2:
        return ops.cast(y > 0.5, "int32")
    return ops.where(y < -0.5, NONE, ops.cast(ops.round(y), "int32"))


def only(classes: Any, leave: tuple[int, ...] | None) -> Any:
    """The same true classes, `NONE` for those that are not to be left."""
    if leave is None:
        return classes
    wanted = ops.any(ops.equal(classes[:, None], ops.convert_to_tensor(leave, "int32")), axis=-1)
    return ops.where(wanted, classes, NONE)


def samples_to_attack(
    x: Any, y: Any, target: int | None, leave: tuple[int, ...] | None, goal: Any
) -> tuple[Any, Any, Any]:
    """The samples of the classes that are attacked, with their labels and goals.

    A source stays as it is, for `stream_to_attack`.

    Raises:
        ValueError: if their numbers differ, there are none, it cannot be told which they are, or a
            source gives its samples only once.
    """
    every = target is None and leave is None
    if sourced.is_source(x, y):
        sourced.expect_again(x)
        if goal is not None and not every and goal.recorded()[1] is not None:
            raise ValueError(
                "Where leave chooses samples of a source, a goal is one for all. Received: "
                f"{_checks.shown(goal)}. Pass arrays, or leave `leave` out."
            )
        return x, y, goal
    several = isinstance(x, list | tuple | Mapping)
    if y is not None and not several and len(x) != len(y):
        raise ValueError(
            f"Expected a label for each sample. Received: {len(x)} samples, {len(y)} labels."
        )
    if every:
        return x, y, goal
    if several or y is None:
        raise ValueError(
            "target and leave choose samples by their labels, of a model with one input. Pass the "
            "samples you want, with their labels y, and a goal."
        )
    x, classes = keras.ops.convert_to_numpy(x), keras.ops.convert_to_numpy(y)
    chosen = _chosen(classes, target, leave)
    if not chosen.any():
        raise _nobody(classes, target, leave)
    return x[chosen], classes[chosen], None if goal is None else goals.rows(goal, chosen)


def stream_to_attack(
    source: Any, target: int | None, leave: tuple[int, ...] | None, size: int
) -> Any:
    """A source of the samples of the classes that are attacked.

    Args:
        source: `Rows` or a `Stream`, with labels.
        target: the class to reach.
        leave: the classes to leave.
        size: how many samples are read at once.
    """
    if target is None and leave is None:
        return source

    def batches():
        known: set[int] = set()
        anybody = False
        for x, y in source.portions(size):
            if y is None:
                raise ValueError("target and leave choose samples by labels. The source has none.")
            chosen = _chosen(y, target, leave)
            known |= set(np.unique(y).tolist())
            anybody |= bool(chosen.any())
            if chosen.any():
                yield keras.tree.map_structure(lambda part, chosen=chosen: part[chosen], (x, y))
        if not anybody:
            raise _nobody(sorted(known), target, leave)

    return Stream(batches)


def _chosen(classes: np.ndarray, target: int | None, leave: tuple[int, ...] | None) -> np.ndarray:
    flat = classes.reshape(len(classes), -1)[:, 0]
    return flat != target if leave is None else np.isin(flat, leave) & (flat != target)


def _nobody(classes: Any, target: int | None, leave: tuple[int, ...] | None) -> ValueError:
    return ValueError(
        "Expected samples of the classes that are attacked. Received: labels "
        f"{np.unique(classes).tolist()} with leave={leave}, target={target}."
    )
