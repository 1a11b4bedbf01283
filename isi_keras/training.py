"""Adversarial training inside Keras' own `fit`."""

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from isi_keras import _checks, _component, _keras
from isi_keras.attacks import crafting, fitting, goal_in_training, labels
from isi_keras.models.moving import as_names


@keras.saving.register_keras_serializable(package="isi_keras")
class AdversarialTraining(keras.Model):
    r"""A model whose `fit` sees clean and adversarial examples, crafted in the same step.

    In each step the attack turns the batch $(x, y)$ into $x'$ against the weights as they are, and

    $$L = (1 - w)\, \ell(y, f(x)) + w\, \ell(y, f(x')) + \text{regularisation}$$

    is minimised. A model with a `compute_loss` of its own is asked for both losses, what it adds
    included, and each counts by its share. `call`, `evaluate` and `predict` are those of the
    wrapped model, whose weights are the same objects: use it on its own afterwards.

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

    Labels are as the loss takes them: classes, one-hot rows, 0 and 1, -1 and 1, smoothed ones. Of
    several labels (a row of sigmoids) the one predicted most strongly is the true one.

    Args:
        model: a built Keras classifier of one output.
        attack: an `Attack`, a `JSMA` without a choice of `untargeted`, or another; also a name or
            its configuration. It is untargeted. Its `bounds` must hold the data.
        weight: the share $w$ of the adversarial loss, above 0 and up to 1. With 1 the network
            learns from adversarial examples alone (and those it misclassifies).
        target: the class that examples are moved towards; `None` for any but the true one. Samples
            of this class are left as they are.
        leave: the class, or classes, whose samples are moved; `None` for all. With `leave=8,
            target=3` the network learns that no 8 is to become a 3.
        goal: a goal of `isi_keras.goals` in place of a target, the same for all samples. Under
            `LabelSet()` the set of true labels is to be left. A goal about values moves each sample
            for which it does not hold, whatever `y` is.
        moving: of a model with several inputs the name of the one that moves, or a list of several,
            which then form one row of numbers, as for `logits`; the others are held as given for
            each sample. `None` for the only one of real numbers.
        name: of the model.

    Raises:
        TypeError: if the model, the attack, a class or `moving` is of the wrong kind.
        ValueError: if `weight` or a class is out of its range, the model has several outputs, a
            `train_step` of its own or no input of the name, it is not said which of several moves,
            several are not declared by `keras.Input`, or the attack cannot be planned for it; in
            `fit`, if data are outside of the bounds (arrays at once, others after the first batch
            and after each epoch), or if labels or the loss are missing.

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

    def __init__(
        self,
        model,
        attack: Any,
        weight: float = 0.5,
        *,
        target: int | None = None,
        leave: Any = None,
        goal: Any = None,
        moving: Any = None,
        name: str | None = None,
    ):
        attack = fitting.as_attack(attack)
        target, leave = labels.aim(target, leave)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
            raise ValueError(
                "Expected weight to be the share of the adversarial loss, above 0 and up to 1. "
                f"Received: weight={_checks.shown(weight)}. For clean training fit the model "
                "itself."
            )
        policy = model.dtype_policy if isinstance(model, keras.Model) else None
        super().__init__(dtype=policy, autocast=False, name=name)
        self.model, self.attack, self.weight = model, attack, float(weight)
        self.target, self.leave, self.moving = target, leave, as_names(moving)
        self.goal = None if goal is None else goal_in_training.chosen(goal, target, leave)
        self._several: bool | None = None
        self._crafting = self._planned()
        self._loss_is_own = fitting.computes_loss(model)
        self.outside = fitting.Outside()
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
        self._several = True if "binary" in fitting.name_of(loss) else None
        copies = keras.tree.map_structure(fitting.copied, (metrics, weighted_metrics))
        wanted = metrics is not None or weighted_metrics is not None
        self._adversarial_metrics = fitting.AdversarialMetrics(*copies) if wanted else None

    def fit(self, x=None, *args, **kwargs):
        """Trains as `keras.Model.fit` does, with whatever data that takes."""
        fitting.check_arrays(self.model, x, self.moving, self.attack.domain)
        given = inspect.signature(keras.Model.fit).bind(self, x, *args, **kwargs).arguments
        callbacks = given.pop("callbacks", None)
        with fitting.checked_first(callbacks) as given["callbacks"]:
            return super().fit(**{name: value for name, value in given.items() if name != "self"})

    def train_on_batch(self, *args, **kwargs):
        """Trains on a batch, as `keras.Model.train_on_batch` does."""
        logs = super().train_on_batch(*args, **kwargs)
        self.outside.check(self.attack.domain)
        return logs

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
            return self._loss_of(x, y, y_pred, sample_weight, training)
        if y is None or not (self._loss_is_own or _keras.read(self, "compile_loss")):
            missing = "a loss: pass one to `compile`" if y is not None else "labels: pass y"
            raise ValueError(f"Adversarial training needs {missing}.")
        moved = self._crafting.moved(x)
        self.outside.update_state(moved, self.attack.domain)
        penalties = [ops.sum(penalty) for penalty in self.losses]  # a further pass would clear them
        clean = self._loss_of(x, y, y_pred, sample_weight)
        crafted = self._crafting(x, y)
        adversarial_pred = self.model(crafted, training=True)
        adversarial = self._loss_of(crafted, y, adversarial_pred, sample_weight)
        count = ops.shape(moved)[0]
        for tracker, value in ((self._clean_loss, clean), (self._adversarial_loss, adversarial)):
            tracker.update_state(ops.stop_gradient(value), sample_weight=count)
        if self._adversarial_metrics is not None:
            self._adversarial_metrics.update_state(
                y, ops.stop_gradient(adversarial_pred), sample_weight
            )
        mixed = adversarial
        if self.weight < 1:
            mixed = (1 - self.weight) * clean + self.weight * adversarial
        return mixed if self._loss_is_own else sum(penalties, mixed)

    def _loss_of(self, x, y, y_pred, sample_weight, training=True):
        """The loss of one half; in training without penalties, unless the model's own has them."""
        if self._loss_is_own:
            takes = inspect.signature(self.model.compute_loss).parameters
            given = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": sample_weight}
            given |= {"training": training} if "training" in takes else {}
            with _keras.lent(self.model, "compile_loss", _keras.read(self, "compile_loss")):
                return self.model.compute_loss(**given)
        if training:
            return _keras.read(self, "compile_loss")(y, y_pred, sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the metrics of the clean batch."""
        if self._adversarial_metrics is not None:
            self._adversarial_metrics.build(y, y_pred)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics(self) -> list[keras.Metric]:
        """The metrics of training, or of evaluation while that lasts."""
        found, counted = super().metrics, _keras.read(self.model, "metrics")
        copies, current = fitting.AdversarialMetrics, self._adversarial_metrics
        found = [each for each in found if not isinstance(each, copies) or each is current]
        if self._loss_is_own:  # what it counts by itself; Keras passes over inner models
            found += [metric for metric in counted if metric not in found]
        if self._training_logs:
            return found
        own = (self._clean_loss, self._adversarial_loss, self._adversarial_metrics, self.outside)
        return [metric for metric in found if all(metric is not one for one in own)]

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` builds the model back from."""
        attack = _component.serialize(self.attack)
        model = keras.saving.serialize_keras_object(self.model)
        leave = None if self.leave is None else list(self.leave)
        goal = None if self.goal is None else _component.serialize(self.goal)
        moving = None if self.moving is None else list(self.moving)
        aim = {"target": self.target, "leave": leave, "goal": goal, "moving": moving}
        return {"model": model, "attack": attack, "weight": self.weight, "name": self.name, **aim}

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
        sample = crafting.sample_of(self.model, self.attack.domain, self.moving)
        aim: dict[str, Any] = {"target": self.target, "leave": self.leave, "goal": self.goal}
        aim["moved"] = self.moving
        return crafting.Crafting(self.attack, self.model, sample, several=self._several, **aim)
