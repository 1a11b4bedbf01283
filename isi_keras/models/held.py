"""The weights of a model, while another thread may change them or have taken them away."""

import time
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from isi_keras import _keras
from isi_keras.models.layers import variables_of

_PATIENCE = 300.0, 1.0
"""Seconds to wait for weights: in a first step of training, which is compiled, and without one."""


def copied(model: keras.Model) -> keras.StatelessScope:
    """A scope in which nobody changes the values that the variables have now.

    Raises:
        RuntimeError: on JAX, if there are none, as Keras fits a model that this one is a part of,
            or as a step of training failed.
    """
    variables, began = variables_of(model), time.monotonic()
    while True:
        lent = _keras.lent_to_training(model)
        try:
            return keras.StatelessScope([(v, ops.copy(_value(model, v, lent))) for v in variables])
        except (RuntimeError, ValueError):  # a step of training took them; the next brings others
            away = bool(lent) or any(_keras.value_of(variable) is None for variable in variables)
            waited = time.monotonic() - began
            if not _may_be_fit(model) or waited > _PATIENCE[not away]:
                raise
        time.sleep(1e-4)


def steady(model: keras.Model, fn: Callable[[], Any], variables: list[Any] | None = None) -> Any:
    """What a function of the weights returns, also while another thread fits the model.

    On JAX Keras hands the weights over to each step of training, and the variables have no values
    until the epoch ends. What cannot be done for that is done with copies of those that some step
    returned.

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
        except Exception:
            if not _keras.was_fit(model):
                raise
    with copied(model):
        return fn()


def _may_be_fit(model: keras.Model) -> bool:
    """Whether Keras may take the values of variables for its steps."""
    compiled = getattr(model, "optimizer", None) is not None
    return keras.config.backend() == "jax" and compiled


def _value(model: keras.Model, variable: Any, lent: dict[int, Any]) -> Any:
    value = _keras.value_of(variable)
    value = lent.get(id(variable)) if value is None else value
    if value is None:
        raise RuntimeError(
            f"The weights of the model {model.name!r} are with Keras, which has them while it fits "
            "a model that this one is a part of. Give that model, or wait until it is fit, or "
            "explain and attack from a callback, at the end of an epoch."
        )
    if keras.config.backend() == "jax" and value.is_deleted():
        raise RuntimeError(
            f"The weights of the model {model.name!r} were deleted: on JAX Keras hands them to a "
            "step of training, which failed. Load them again."
        )
    return value
