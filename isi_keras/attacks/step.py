"""One step of an attack as a pure function of tensors.

`Attack` drives it from the host and hands finished samples' slots to others; adversarial training
runs a few steps inside Keras' own training step.
"""

from typing import Any

import numpy as np
from keras import ops

from isi_keras import backend, goals, norms
from isi_keras.attacks import slots
from isi_keras.results import Stop

_CODE = {stop.label: int(stop) for stop in Stop}
_UNKNOWN = -1

Limits = tuple[Any, Any]


def limits_of(attack) -> Limits:
    """The bounds of an attack as tensors."""
    low, high = (backend.tensor(np.asarray(bound, "float32")) for bound in attack.bounds)
    return low, high


def start(attack, samples: slots.State) -> slots.State:
    """The state of samples before the first step.

    Args:
        attack: an `Attack`.
        samples: tensors by name: `"origin"`, the inputs, and optionally `"truth"`, the true
            classes, and `"target"`, the classes to reach.
    """
    x = samples["origin"]
    zeros = ops.zeros(ops.shape(x)[:1], "int32")
    started = {
        **samples,
        "x": x,
        "order": ops.zeros_like(x, dtype="int32"),
        "clean_prediction": zeros + _UNKNOWN,
        "prediction": zeros,
        "steps": zeros,
        "status": zeros + slots.RUNNING,
    }
    if not attack.norm.anchored:
        del started["origin"]
    return started


def step(attack, point, state: slots.State, limits: Limits, max_steps) -> tuple[slots.State, Any]:
    """One step of all samples; those that do not run stay as they are.

    Args:
        attack: an `Attack`; its bounds and `max_steps` are not looked at.
        point: the model at the inputs of the state, a `Point` of the attack's indicator.
        state: what `start` or a step returned.
        limits: the bounds as tensors.
        max_steps: after how many steps a sample ends.

    Returns:
        The next state, and for each sample the number of steps before this one and the logits.
    """
    x, logits, steps = point.x, point.logits, state["steps"]
    prediction = ops.cast(ops.argmax(logits, axis=-1), "int32")
    running = state["status"] == slots.RUNNING
    fresh = ops.logical_and(running, state["clean_prediction"] == _UNKNOWN)
    label = ops.where(fresh, prediction, state["clean_prediction"])
    goal = (
        goals.Targeted(state["target"], attack.objective)
        if "target" in state
        else goals.Untargeted(label, attack.objective)
    )
    centre = (limits[0] + limits[1]) / 2
    significance = attack.indicator.significance(point, goal, centre)

    magnitude = significance.magnitude()
    total = magnitude + ops.sum(logits, axis=-1)  # NaN or infinite if any of them is
    at_goal = goal.reached(logits)
    reached = prediction != label if attack.stop_when == "turned" else at_goal
    truth = state.get("truth", prediction)
    status = _first_of(
        (ops.logical_not(ops.isfinite(total)), _CODE["not_finite"]),
        (ops.logical_and(fresh, prediction != truth), _CODE["misclassified"]),
        (ops.logical_and(fresh, at_goal), _CODE["already_target"]),
        (reached, _CODE["success"]),
        (steps >= max_steps, _CODE["max_steps"]),
        (magnitude == 0, _CODE["no_gradient"]),
    )
    active = ops.logical_and(running, status == slots.RUNNING)
    move = attack.norm.move(
        significance,
        norms.Step(x, state.get("origin"), state["order"], steps + 1, active, limits),
    )
    stuck = ops.logical_and(active, ops.logical_not(move.moved))
    status = ops.where(stuck, _CODE[attack.norm.stuck], status)
    return {
        **state,
        "x": move.x,
        "order": move.order,
        "clean_prediction": label,
        "prediction": ops.where(running, prediction, state["prediction"]),
        "steps": steps + ops.cast(ops.logical_and(active, move.moved), "int32"),
        "status": ops.where(running, status, state["status"]),
    }, (steps, logits)


def _first_of(*cases):
    """The code of the first case that holds, `RUNNING` if none does, `(N,)` int32."""
    status = ops.zeros_like(cases[0][0], dtype="int32") + slots.RUNNING
    for holds, code in reversed(cases):
        status = ops.where(holds, code, status)
    return status
