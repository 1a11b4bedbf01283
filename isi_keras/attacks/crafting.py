"""A few steps of an attack on a whole batch, inside a trace that somebody else began."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _nested, backend, models
from isi_keras.attacks import goal_in_training, labels
from isi_keras.attacks.base import BaseAttack
from isi_keras.attacks.state import UNKNOWN, Samples
from isi_keras.domain import Domain, Room
from isi_keras.goals.ends import expect_comparable
from isi_keras.models.beside import beside
from isi_keras.models.inputs import example_of, names_of
from isi_keras.models.moving import Moving
from isi_keras.models.parts import Parts, parted

_UNKNOWN_SIZE = 224


class Crafting:
    """An attack planned for a model; called with tensors it returns adversarial examples.

    Planning runs the model once and must happen outside of any trace; a call may happen inside.

    Args:
        attack: an attack, of which every sample takes `max_steps` steps at most.
        model: a built Keras model.
        sample: a batch of its inputs, as `fit` takes them.
        moved: the names of the inputs that move; `None` for the only one of real numbers.
        target: the class to reach; `None` for any other.
        leave: the classes whose samples are attacked; `None` for all.
        several: whether a sample may have several labels; `None` if the model ends in sigmoids.
        goal: a goal in place of a target, the same for all samples.
    """

    def __init__(
        self,
        attack: BaseAttack,
        model: keras.Model,
        sample: Any,
        *,
        moved: tuple[str, ...] | None = None,
        target: int | None = None,
        leave: tuple[int, ...] | None = None,
        several: bool | None = None,
        goal: Any = None,
    ):
        goal = goal_in_training.chosen(goal, target, leave)
        parts = parted(model, sample, moved)
        self._joined, self._moving = parts.moving is not None, _moving(model, parts)
        self._types = {name: str(rows.dtype) for name, rows in parts.held.items()}
        sample, whole = parts.x, self._whole(parts.x, parts.held)
        planned = models.logits(model).plan(whole, one_value=goal.of_values)
        expect_comparable(planned)
        clean = np.zeros((1, planned.classes), "float32")
        self._asked, self._of_values = goal.asked(planned, 1, lambda: clean), goal.of_values
        self._units, self._logits = planned.graphs.units, planned.forward()
        self.attack = attack.for_shape(sample.shape[1:], planned.data_format)
        self.model, self.classes = model, planned.classes
        self.leave = leave
        labels.check_classes(target, leave, planned.classes)
        self._crafted = backend.uncompiled(self._run)
        self._several = planned.activation == "sigmoid" if several is None else several
        planned = dataclasses.replace(planned, moving=parts.moving, view=self._asked.view)
        _expect_shared(attack.domain, sample.ndim)
        self._fitted = attack.domain.fit((1, *sample.shape[1:]))
        self.attack.check(self._fitted, sample)
        self.attack.check_goal(goal)
        with beside(self._beside(parts.held, None)):
            self._plan = self.attack.plan(planned, sample, targeted=self._asked.target is not None)

    def __call__(self, x, y) -> Any:
        """Adversarial examples for a batch, a constant for whoever differentiates.

        The model computes as at inference. Its variables are seen as constants too, and nothing
        that a layer assigns in the meantime reaches them.

        Args:
            x: the inputs, `(N, ...)`, or a dictionary, list or tuple of them; what is returned has
                the same structure, with what is held as it came.
            y: the true labels, as `labels.truth` takes them.
        """
        return self._crafted(x, y)

    def moved(self, inputs) -> Any:
        """What moves of a batch of inputs, a float32 tensor `(N, ...)`."""
        each, names = self._moving.each(inputs), self._moving.moved
        return self._moving.of({name: _tensor(each[name], "float32") for name in names})

    def _run(self, inputs, y):
        attack, y = self.attack, ops.convert_to_tensor(y)
        inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
        x, held = self.moved(inputs), self._moving.held(inputs)
        held = {name: _tensor(rows, self._types[name]) for name, rows in held.items()}
        with keras.StatelessScope([(v, ops.stop_gradient(v.value)) for v in self.model.variables]):
            truth, numbers = self._seen(self._whole(x, held), y)
        asked, rows = self._asked, ops.shape(x)[0]
        aim = ops.zeros_like(truth) + (UNKNOWN if asked.target is None else int(asked.target[0]))
        margin, among = (
            goal_in_training.repeated(part, rows) for part in (asked.margin, asked.among)
        )
        aside = self._beside(held, numbers)
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
        return self._moving.put(inputs, ops.stop_gradient(state.x))

    def _whole(self, x, held) -> Any:
        """All inputs as the model takes them."""
        return self._moving.joined(x, held) if self._joined else x

    def _beside(self, held, numbers) -> Any:
        """What each sample has beside the input that moves."""
        aside = {"held": held} if self._joined else {}
        return aside | ({"numbers": numbers} if numbers else {}) or ()

    def _seen(self, x, y) -> tuple[Any, Any]:
        """The true classes of what the goal sees, and the numbers of its view."""
        if self._of_values:
            rows = ops.shape(keras.tree.flatten(x)[0])[0]
            unknown = ops.zeros((rows,), "int32") + UNKNOWN
            return unknown, goal_in_training.repeated(dict(self._asked.numbers), rows)
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


def _tensor(rows: Any, dtype: str) -> Any:
    """A tensor of a type, on the device that computes, where a loader's batches need not be."""
    return ops.cast(ops.convert_to_tensor(rows), dtype)


def _moving(model, parts: Parts) -> Moving:
    """Which inputs move: of a model of a bare one, that one."""
    if parts.moving is not None:
        return parts.moving
    name = names_of(model, parts.x)[0]
    return Moving((name,), (parts.x.shape[1:],), (name,), by_name=False)


def sample_of(model, domain: Domain, moved: tuple[str, ...] | None = None) -> Any:
    """Two random inputs of a model, as it takes them, to plan with.

    What moves is drawn from a domain. Of what is held, real numbers lie from 0 to 1, and integers
    are 1: an id that is there, and that no mask leaves out. An axis of free length gets one of 224.

    Args:
        model: a Keras model.
        domain: what the inputs that move may become.
        moved: their names; `None` for the only one of real numbers.

    Raises:
        TypeError: if `model` is not a Keras model, or what is to move takes integers.
        ValueError: if the model is not built or does not say the shapes of its inputs, it is not
            said which of several move, or bounds do not fit.
    """
    model, random = models.Classifier(model).model, np.random.default_rng(0)
    if _nested.structure_of(model) is not None:
        flat = "model.inputs, model.output"
        if _nested.declared(model) is None:
            flat = "inputs, model(...)"
        raise ValueError(
            f"The inputs of the model {model.name!r} lie in dictionaries or lists of others, which "
            f"training does not know. Wrap it, the weights stay the same: keras.Model({flat}) "
            "takes a list of keras.Input, which the model itself gets as it takes them."
        )
    example = example_of(model, _UNKNOWN_SIZE)
    if example is None:
        example = np.zeros((1, *(size or _UNKNOWN_SIZE for size in _input_shape(model))))
    parts = parted(model, keras.tree.map_structure(lambda rows: rows.repeat(2, 0), example), moved)
    _expect_shared(domain, parts.x.ndim)
    x = domain.fit(parts.x.shape).sample(random, 2).astype("float32")
    if parts.moving is None:
        return x
    _expect_known(model, parts.moving)
    held = {
        name: random.uniform(size=rows.shape).astype("float32")
        if rows.dtype.kind == "f"
        else np.ones_like(rows)
        for name, rows in parts.held.items()
    }
    return parts.moving.joined(x, held)


def _expect_known(model, moving: Moving) -> None:
    """Raises where inputs that form one row have an axis of free length."""
    small = moving.each(example_of(model, 1))
    free = [n for n, s in zip(moving.moved, moving.shapes, strict=True) if small[n].shape[1:] != s]
    if free and len(moving.moved) > 1:
        raise ValueError(
            f"Inputs that move together form one row, whose length has to be known. Of the model "
            f"{model.name!r} the size of {', '.join(map(repr, free))} may be any. Give it in "
            "keras.Input, or let one input move."
        )


def _input_shape(model) -> tuple:
    """The shape of a sample, `None` for what is free."""
    built = model.get_build_config() or {}
    shape = getattr(model, "input_shape", None) or built.get("input_shape")
    if not isinstance(shape, list | tuple) or not all(isinstance(s, int | None) for s in shape):
        raise ValueError(
            "Expected a model that says the shape and type of each input. Received: the model "
            f"{model.name!r} with the input shape {shape!r}. Wrap it, the weights stay the same: "
            "x = keras.Input(shape); keras.Model(x, model(x)). Of several inputs make x a "
            "dictionary or list of keras.Input, as the model takes them."
        )
    return tuple(shape[1:])
