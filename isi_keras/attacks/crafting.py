"""A few steps of an attack on a whole batch, inside a trace that somebody else began."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import backend, models
from isi_keras.attacks import goal_in_training, labels
from isi_keras.attacks.base import BaseAttack
from isi_keras.attacks.state import UNKNOWN, Samples
from isi_keras.domain import Domain, Room
from isi_keras.models import inputs
from isi_keras.models.beside import beside

_UNKNOWN_SIZE = 224


class Crafting:
    """An attack planned for a model; called with tensors it returns adversarial examples.

    Planning runs the model once and must happen outside of any trace; a call may happen inside.

    Args:
        attack: an attack, of which every sample takes `max_steps` steps at most.
        model: a built Keras model.
        sample: a batch of its inputs.
        target: the class to reach; `None` for any other.
        leave: the classes whose samples are attacked; `None` for all.
        several: whether a sample may have several labels; `None` if the model ends in sigmoids.
        goal: a goal in place of a target, the same for all samples.
    """

    def __init__(
        self,
        attack: BaseAttack,
        model: keras.Model,
        sample: np.ndarray,
        *,
        target: int | None = None,
        leave: tuple[int, ...] | None = None,
        several: bool | None = None,
        goal: Any = None,
    ):
        goal = goal_in_training.chosen(goal, target, leave)
        planned = models.logits(model).plan(sample, one_value=goal.of_values)
        clean = np.zeros((1, planned.classes), "float32")
        self._asked, self._of_values = goal.asked(planned, 1, lambda: clean), goal.of_values
        self._units, self._logits = planned.graphs.units, planned.forward()
        self.attack = attack.for_shape(sample.shape[1:], planned.data_format)
        self.model, self.classes = model, planned.classes
        self.leave = leave
        labels.check_classes(target, leave, planned.classes)
        self._crafted = backend.uncompiled(self._run)
        self._several = planned.activation == "sigmoid" if several is None else several
        planned = dataclasses.replace(planned, view=self._asked.view)
        _expect_shared(attack.domain, sample.ndim)
        self._fitted = attack.domain.fit((1, *sample.shape[1:]))
        self.attack.check(self._fitted, sample)
        self.attack.check_goal(goal)
        self._plan = self.attack.plan(planned, sample, targeted=self._asked.target is not None)

    def __call__(self, x, y) -> Any:
        """Adversarial examples for a batch, a constant for whoever differentiates.

        The model computes as at inference. Its variables are seen as constants too, and nothing
        that a layer assigns in the meantime reaches them.

        Args:
            x: the inputs, `(N, ...)`.
            y: the true labels, as `labels.truth` takes them.
        """
        return self._crafted(x, y)

    def _run(self, x, y):
        attack, y = self.attack, ops.convert_to_tensor(y)
        x = ops.cast(ops.convert_to_tensor(x), "float32")
        with keras.StatelessScope([(v, ops.stop_gradient(v.value)) for v in self.model.variables]):
            truth, numbers = self._seen(x, y)
        asked, rows = self._asked, ops.shape(x)[0]
        aim = ops.zeros_like(truth) + (UNKNOWN if asked.target is None else int(asked.target[0]))
        margin, among = (
            goal_in_training.repeated(part, rows) for part in (asked.margin, asked.among)
        )
        aside = {"numbers": numbers} if numbers else ()
        number = ops.arange(rows, dtype="int32")
        samples = Samples(x, truth, aim, number, *self._room(x), margin, among, aside)
        limits = keras.tree.map_structure(backend.tensor, attack.limits())

        def advance(state):
            return self._plan.step(self.model, samples, state, limits)[0]

        frozen = [(v, ops.stop_gradient(v.value)) for v in self.model.variables]
        with keras.StatelessScope(frozen), beside(aside):
            state = self._plan.start(samples)
            if attack.max_steps == 1:
                state = advance(state)
            else:
                state = ops.while_loop(
                    lambda number, state: ops.any(state.running),
                    lambda number, state: (number + 1, advance(state)),
                    (0, state),
                    maximum_iterations=attack.max_steps,
                )[1]
        return ops.stop_gradient(state.x)

    def _seen(self, x, y) -> tuple[Any, Any]:
        """The true classes of what the goal sees, and the numbers of its view."""
        if self._of_values:
            unknown = ops.zeros((ops.shape(x)[0],), "int32") + UNKNOWN
            return unknown, goal_in_training.repeated(dict(self._asked.numbers), ops.shape(x)[0])
        if self._asked.view is not None:
            logits = self._logits(self.model, x)
            return goal_in_training.seen(self._asked, y, logits, column=int(self._units == 1))
        several = self._several and len(y.shape) == 2 and y.shape[-1] == self.classes
        logits = self._logits(self.model, x) if several else None
        return labels.only(labels.truth(y, self.classes, logits), self.leave), None

    def _room(self, x) -> Room:
        room = self._fitted.room(x, ops)
        return keras.tree.map_structure(ops.convert_to_tensor, room)


def _expect_shared(domain: Domain, rank: int) -> None:
    """Raises where something of a domain is given for each sample."""
    if domain.per_sample(rank):
        raise ValueError(
            "Within a step of training a batch holds any samples. Received: a Domain in which "
            "something is given for each sample. Give it for each feature."
        )


def sample_of(model, domain: Domain) -> np.ndarray:
    """Two random inputs of a model in the range of a domain, to plan with.

    An axis of free length gets one of 224.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if the model is not built, has several inputs or bounds that do not fit.
    """
    source = models.logits(model)
    shape = tuple(size or _UNKNOWN_SIZE for size in _input_shape(source.model))
    _expect_shared(domain, len(shape) + 1)
    drawn = domain.fit((2, *shape)).sample(np.random.default_rng(0), 2)
    return inputs.as_input(source.model, drawn)


def _input_shape(model) -> tuple:
    """The shape of a sample, `None` for what is free."""
    built = model.get_build_config() or {}
    shape = getattr(model, "input_shape", None) or built.get("input_shape")
    if not isinstance(shape, list | tuple) or not all(isinstance(s, int | None) for s in shape):
        raise ValueError(
            f"Expected a model of one input whose shape is known. Received: the model "
            f"{model.name!r} with the input shape {shape!r}. Wrap it: x = keras.Input(shape); "
            "keras.Model(x, model(x))."
        )
    return tuple(shape[1:])
