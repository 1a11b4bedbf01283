"""Adversarial training inside Keras' own `fit`."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _component, _keras, attacks
from isi_keras.attacks import crafting
from isi_keras.models import inputs

_CHECKED = 1024


@keras.saving.register_keras_serializable(package="isi_keras")
class AdversarialTraining(keras.Model):
    r"""A model whose `fit` sees clean and adversarial examples, crafted in the same step.

    In each step the attack turns the batch $(x, y)$ into $x'$ against the weights as they are, and

    $$L = (1 - w)\, \ell(y, f(x)) + w\, \ell(y, f(x')) + \text{regularisation}$$

    is minimised. `call`, `evaluate` and `predict` are those of the wrapped model, whose weights are
    the same objects: use it on its own afterwards.

    Crafting takes at most `attack.max_steps` steps a batch, a forward and a backward pass each;
    training on $x'$ takes another of each. `Sensitivity` with `Linf(step_size=e, epsilon=e)` and
    one step is the fast gradient sign method (FGSM) on a logit or margin, with several smaller
    steps projected gradient descent (PGD) without a random start.

    - A sample stops at the step that turns it, and a misclassified one is left as it is: its clean
      loss already says what is to change. So whatever moves, moves away from a class that is both
      true and predicted. The change is thus a function of the image and the network, which leaks
      no label that the network does not know (Kurakin et al. 2017), and no example is made
      easier, as it would be by moving away from a wrong prediction.
    - Crafting sees the network as at inference: without dropout, with the moving statistics of
      batch normalisation. It changes no state: neither statistics nor random seeds. The pass on
      $x'$ is a pass in training: dropout is drawn anew, and moving statistics see clean and
      adversarial batches in turn.
    - What layers `add_loss`, and activity regularisers, count for the clean batch only.

    The logs have `loss` ($L$), `clean_loss` and `adversarial_loss`, and each metric of `compile`
    twice: on clean examples, and with `adversarial_` before its name. Sample and class weights
    apply to both halves. `evaluate` has the metrics of the wrapped model alone.

    Args:
        model: a built Keras classifier of one input and one output.
        attack: an `Attack`, a `JSMA` without a choice of `untargeted`, or another; also a name or
            its configuration. It is untargeted. Its `bounds` must hold the data.
        weight: the share $w$ of the adversarial loss, above 0 and up to 1. With 1 the network
            learns from adversarial examples alone (and those it misclassifies).
        name: of the model.

    Raises:
        TypeError: if the model or the attack is of the wrong kind.
        ValueError: if `weight` is out of its range, the model has several inputs or outputs, or
            the attack cannot be planned for it; in `fit`, if arrays are outside of the bounds, or
            if labels or the loss are missing.

    Source: Goodfellow et al. 2015, section 6 (the sum of both losses); Madry et al. 2018 (`weight`
    1); Zhang et al. 2020 (stopping as soon as a sample is turned).

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> fgsm = isi.Attack("sensitivity", isi.Linf(0.1, epsilon=0.1), max_steps=1)
        >>> trained = isi.training.AdversarialTraining(model, fgsm)
        >>> trained.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        >>> history = trained.fit(x[:64], y[:64], verbose=0).history
        >>> sorted(history)
        ['accuracy', 'adversarial_accuracy', 'adversarial_loss', 'clean_loss', 'loss']
    """

    _training_logs = True

    def __init__(self, model, attack: Any, weight: float = 0.5, *, name: str | None = None):
        attack = _as_attack(attack)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
            raise ValueError(
                "Expected weight to be the share of the adversarial loss, above 0 and up to 1. "
                f"Received: weight={weight!r}. For clean training fit the model itself."
            )
        policy = model.dtype_policy if isinstance(model, keras.Model) else None
        super().__init__(dtype=policy, autocast=False, name=name)
        self.model, self.attack, self.weight = model, attack, float(weight)
        self._crafting = self._planned()
        self._clean_loss = keras.metrics.Mean(name="clean_loss")
        self._adversarial_loss = keras.metrics.Mean(name="adversarial_loss")
        self._adversarial_metrics: Any = None
        self.built = True

    def call(self, inputs, training=None):
        """The wrapped model's output."""
        return self.model(inputs, training=training)

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        **kwargs,
    ):
        """Configures training as `keras.Model.compile` does; each metric counts twice."""
        super().compile(
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            **kwargs,
        )
        copies = keras.tree.map_structure(_copy, (metrics, weighted_metrics))
        wanted = metrics is not None or weighted_metrics is not None
        self._adversarial_metrics = _Adversarial(*copies) if wanted else None

    def fit(self, x=None, *args, **kwargs):
        """Trains as `keras.Model.fit` does, with whatever data that takes."""
        if isinstance(x, np.ndarray) and len(x):
            some = inputs.as_input(self.model, x[:: -(-len(x) // _CHECKED)])
            self.attack.domain.fit(some.shape).checked(some, x.dtype)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """Evaluates the wrapped model, as `keras.Model.evaluate` does."""
        with self._clean_logs():
            return super().evaluate(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """Evaluates the wrapped model on a batch, as `keras.Model.test_on_batch` does."""
        with self._clean_logs():
            return super().test_on_batch(*args, **kwargs)

    def make_train_function(self, force=False):
        """Plans the attack for the layers as they are now, and makes the function of a step."""
        self._crafting = self._planned()
        return super().make_train_function(force)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of a batch: of both halves in training, else the wrapped model's."""
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss = _keras.read(self, "compile_loss")
        if loss is None or y is None:
            missing = "a loss: pass one to `compile`" if y is not None else "labels: pass y"
            raise ValueError(f"Adversarial training needs {missing}.")
        penalties = [ops.sum(penalty) for penalty in self.losses]  # a further pass would clear them
        clean = loss(y, y_pred, sample_weight)
        adversarial_pred = self.model(self._crafting(x, y), training=True)
        adversarial = loss(y, adversarial_pred, sample_weight)
        count = ops.shape(x)[0]
        for tracker, value in ((self._clean_loss, clean), (self._adversarial_loss, adversarial)):
            tracker.update_state(ops.stop_gradient(value), sample_weight=count)
        if self._adversarial_metrics is not None:
            self._adversarial_metrics.update_state(
                y, ops.stop_gradient(adversarial_pred), sample_weight
            )
        mixed = adversarial
        if self.weight < 1:
            mixed = (1 - self.weight) * clean + self.weight * adversarial
        return sum(penalties, mixed)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the metrics of the clean batch."""
        if self._adversarial_metrics is not None:
            self._adversarial_metrics.build(y, y_pred)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics(self) -> list[keras.Metric]:
        """The metrics of training, or of evaluation while that lasts."""
        own = (self._clean_loss, self._adversarial_loss, self._adversarial_metrics)
        if self._training_logs:
            return super().metrics
        return [metric for metric in super().metrics if all(metric is not one for one in own)]

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` builds the model back from."""
        attack = _component.serialize(self.attack)
        model = keras.saving.serialize_keras_object(self.model)
        return {"model": model, "attack": attack, "weight": self.weight, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects=None):
        """Builds the model back from what `get_config` returned."""
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        return cls(**{**config, "model": model})

    def compile_from_config(self, config):
        """Compiles a loaded model as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @contextlib.contextmanager
    def _clean_logs(self) -> Iterator[None]:
        self._training_logs = False
        try:
            yield
        finally:
            self._training_logs = True

    def _planned(self) -> crafting.Crafting:
        sample = crafting.sample_of(self.model, self.attack.domain)
        return crafting.Crafting(self.attack, self.model, sample)


class _Adversarial(keras.Metric):
    """The metrics of `compile` once more, on adversarial examples."""

    def __init__(self, metrics, weighted_metrics):
        super().__init__(name="adversarial")
        self._compiled = _keras.compile_metrics(metrics, weighted_metrics)

    def build(self, y_true, y_pred) -> None:
        if not self._compiled.built:
            self._compiled.build(y_true, y_pred)

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._compiled.update_state(y_true, y_pred, sample_weight)

    def reset_state(self):
        self._compiled.reset_state()

    def result(self):
        return {f"adversarial_{name}": value for name, value in self._compiled.result().items()}


def _as_attack(attack: Any) -> attacks.BaseAttack:
    """An untargeted attack from an attack or its configuration."""
    attack = attacks.get(attack)
    if attack.chooses_targets:
        raise ValueError(
            "Within a step of training no classes are chosen to aim at. Received: "
            f"{attack!r}. Leave `untargeted` out: the predicted class is lowered."
        )
    return attack


def _copy(metric: Any) -> Any:
    """A metric of its own state; names and functions stand for new ones anyway."""
    return (
        type(metric).from_config(metric.get_config())
        if isinstance(metric, keras.Metric)
        else metric
    )
