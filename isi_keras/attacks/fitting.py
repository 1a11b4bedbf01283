"""What adversarial training adds to `fit`: metrics on adversarial examples, checks of what came."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _keras, _nested, attacks
from isi_keras.domain import Domain
from isi_keras.models.inputs import names_of
from isi_keras.models.parts import parted
from isi_keras.rows import flat

_CHECKED = 1024  # samples before the first batch
_FAR = 3.4e38  # nearly the greatest of float32


class AdversarialMetrics(keras.Metric):
    """The metrics of `compile` once more, on adversarial examples."""

    def __init__(self, metrics, weighted_metrics):
        super().__init__(name="adversarial")
        self._compiled = _keras.compile_metrics(metrics, weighted_metrics)

    def build(self, y_true, y_pred) -> None:  # noqa: D102
        if not self._compiled.built:
            self._compiled.build(y_true, y_pred)

    def update_state(self, y_true, y_pred, sample_weight=None):  # noqa: D102
        self._compiled.update_state(y_true, y_pred, sample_weight)

    def reset_state(self):  # noqa: D102
        self._compiled.reset_state()

    def result(self):  # noqa: D102
        return {f"adversarial_{name}": value for name, value in self._compiled.result().items()}


class Outside(keras.Metric):
    """What lies outside of the bounds, whatever kind of data it comes from; no log shows it."""

    def __init__(self):
        super().__init__(name="outside", dtype="float32")
        self.count = self.add_variable((), "zeros", name="count")
        self.least = self.add_variable((), keras.initializers.Constant(_FAR), name="least")
        self.greatest = self.add_variable((), keras.initializers.Constant(-_FAR), name="greatest")

    def update_state(self, x, domain):  # noqa: D102
        x, (low, high) = ops.cast(x, "float32"), (domain.low, domain.high)
        finite = np.isfinite(low) & np.isfinite(high)
        slack = 1e-6 * (np.where(finite, high, 0) - np.where(finite, low, 0))
        low, high = map(ops.convert_to_tensor, (low - slack, high + slack))
        inside = (x >= low) & (x <= high)
        beyond = ops.any(~flat(inside), axis=-1)
        self.count.assign(self.count + ops.sum(ops.cast(beyond, "float32")))
        self.least.assign(ops.minimum(self.least, ops.min(x)))
        self.greatest.assign(ops.maximum(self.greatest, ops.max(x)))

    def reset_state(self):  # noqa: D102
        for variable, value in ((self.count, 0.0), (self.least, _FAR), (self.greatest, -_FAR)):
            variable.assign(value)

    def result(self):  # noqa: D102
        return {}

    def check(self, domain: Domain) -> None:
        """Raises if anything was outside since the last reset."""
        low, high = domain.low, domain.high
        count, least, greatest = (
            float(ops.convert_to_numpy(part)) for part in (self.count, self.least, self.greatest)
        )
        if count:
            self.reset_state()
            raise ValueError(
                f"x has values outside the bounds {low.min():g}..{high.max():g} in {count:.0f} of "
                f"the samples seen since the epoch began; all values lie from {least:g} to "
                f"{greatest:g}. Rescale x, or pass an attack with bounds=(low, high) that hold it."
            )


class _Check(keras.callbacks.Callback):
    """Raises after the first batch, and after each epoch, if data are outside of the bounds."""

    def __init__(self):
        super().__init__()
        self.began = False

    def on_train_batch_end(self, batch, logs=None):
        if not self.began:
            self.began = True
            self.on_epoch_end(0)

    def on_epoch_end(self, epoch, logs=None):
        self.model.outside.check(self.model.attack.domain)


@contextlib.contextmanager
def checked_first(callbacks: Any) -> Iterator[Any]:
    """The callbacks of `fit` with the check before them, as long as the training lasts."""
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        yield [_Check(), *keras.tree.flatten(callbacks or [])]
        return
    check = _Check()
    check.set_model(callbacks.model)
    callbacks.callbacks.insert(0, check)
    try:
        yield callbacks
    finally:
        callbacks.callbacks.remove(check)


def computes_loss(model: Any) -> bool:
    """Whether a model computes its loss itself.

    Raises:
        ValueError: if it makes its own steps of training.
    """
    kind = type(model)
    if kind.train_step is not keras.Model.train_step:
        raise ValueError(
            f"The model {model.name!r} has a train_step of its own, which adversarial training "
            "would replace. Compute what is special about it in compute_loss."
        )
    if kind.compute_metrics is not keras.Model.compute_metrics:
        warnings.warn(
            f"The model {model.name!r} has a compute_metrics of its own, which adversarial "
            "training does not call. Pass metrics to `compile`, or update them in compute_loss.",
            stacklevel=3,
        )
    return kind.compute_loss is not keras.Model.compute_loss


def copied(metric: Any) -> Any:
    """A metric of its own state; names and functions stand for new ones anyway."""
    return (
        type(metric).from_config(metric.get_config())
        if isinstance(metric, keras.Metric)
        else metric
    )


def as_attack(attack: Any) -> attacks.BaseAttack:
    """An untargeted attack from an attack or its configuration."""
    attack = attacks.get(attack)
    if attack.chooses_targets:
        raise ValueError(
            "Within a step of training no classes are chosen to aim at. Received: a "
            f"{type(attack).__name__} with untargeted={getattr(attack, 'untargeted', None)!r}. "
            "Leave `untargeted` out: the predicted class is lowered."
        )
    return attack


def name_of(loss: Any) -> str:
    """What a loss is called."""
    named = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return str(named).lower()


def check_arrays(model: Any, x: Any, moved: tuple[str, ...] | None, domain: Domain) -> None:
    """Raises if inputs that are in memory are not what a model and a domain take.

    Args:
        model: a Keras model.
        x: what `fit` was given. Of arrays and tensors, or a dictionary, list or tuple of them, a
            part of the samples is looked at; of other data nothing.
        moved: the names of the inputs that move; `None` for the only one of real numbers.
        domain: what these may become.

    Raises:
        TypeError: if an input is not a numeric array.
        ValueError: if shapes are wrong, or the domain does not hold what moves.
    """
    each = keras.tree.flatten(x)
    if not all(len(getattr(rows, "shape", ())) and len(rows) for rows in each):
        return
    if len({len(rows) for rows in each}) != 1:
        return  # Keras says so
    some = keras.tree.map_structure(lambda rows: rows[:: -(-len(rows) // _CHECKED)], x)
    if isinstance(some, Mapping) and not isinstance(_nested.declared(model), Mapping):
        some = {name: some[name] for name in names_of(model, some) if name in some}
    parts = parted(model, some, moved)
    domain.fit(parts.x.shape).checked(parts.x, parts.dtype)
