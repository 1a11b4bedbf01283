"""The weights of a model, while another thread may change them or have taken them away.

On JAX Keras hands the weights over to each step of its loops, which deletes them, and the variables
have no values until the epoch ends.
"""

import time
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from isi_keras import _keras
from isi_keras.models.layers import variables_of

_PATIENCE = 300.0, 1.0
"""Seconds to wait for weights that are away, as a first step is compiled, and that are deleted."""


def copied(model: keras.Model) -> keras.StatelessScope:
    """A scope in which nobody changes the values that the variables have now.

    Raises:
        RuntimeError: on JAX, if they have none and will not get them.
    """
    variables, began = variables_of(model), time.monotonic()
    state = before = _keras.training_state(model)
    while True:
        # What a step returned before may be older than what the variables had since.
        new = state is not None and state is not before
        lent = _keras.lent_to_training(model, state) if new else {}
        try:
            return keras.StatelessScope([(v, ops.copy(_value(model, v, lent))) for v in variables])
        except (RuntimeError, ValueError):  # a step took them; the next brings others
            away = any(_keras.value_of(variable) is None for variable in variables)
            waited = time.monotonic() - began
            if not _may_come(model) or waited > _PATIENCE[not away]:
                raise
        time.sleep(1e-4)
        state = _keras.training_state(model)


def steady(model: keras.Model, fn: Callable[[], Any], variables: list[Any] | None = None) -> Any:
    """What a function of the weights returns, also while another thread fits the model.

    What cannot be done as weights are away is done with copies of those that some step returned.

    Args:
        model: the model.
        fn: the function; it may be called twice.
        variables: those of the model, if they are known.
    """
    if keras.config.backend() != "jax":
        return fn()
    variables = variables_of(model) if variables is None else variables
    if all(_keras.value_of(variable) is not None for variable in variables):
        try:
            return fn()
        except Exception as error:
            there = all(_keras.value_of(variable) is not None for variable in variables)
            if there and not any(words in str(error) for words in _LOST):
                raise
    with copied(model):
        return fn()


_LOST = "been deleted", "'NoneType' object is not callable", "Invalid buffer"


def _may_come(model: keras.Model) -> bool:
    """Whether another thread may fit the model, so that its weights come back."""
    compiled = getattr(model, "optimizer", None) is not None
    return keras.config.backend() == "jax" and compiled and not _keras.fits_here()


def _value(model: keras.Model, variable: Any, lent: dict[int, Any]) -> Any:
    value = _keras.value_of(variable)
    value = lent.get(id(variable)) if value is None else value
    if value is None or (keras.config.backend() == "jax" and value.is_deleted()):
        raise RuntimeError(
            f"The weights of the model {model.name!r} are not there. On JAX Keras takes them while "
            "it fits: this model may be a part of the one that is fit (give that one, wait, or use "
            "on_epoch_end of a callback), or a step of training has failed (load the weights)."
        )
    return value
