"""What an attack is: planned for a model it gives `start` and `step`; the base does the rest."""

import abc
import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

from isi_keras import _checks, _component, goals, models
from isi_keras.attacks import asking, performing, slots, streams
from isi_keras.attacks.rounds import Round
from isi_keras.attacks.state import Limits, Samples, State
from isi_keras.domain import Domain, Fitted, as_bounds, as_domain
from isi_keras.models import compiling, provenance, sourced
from isi_keras.models.beside import beside
from isi_keras.results import AttackResult


class Plan(NamedTuple):
    """An attack planned for a model: two pure functions of tensors.

    Args:
        start: from `Samples` to the `State` before the first step.
        step: from the model, `Samples`, a `State` and `Limits` to the next `State` and the logits,
            `(S, K)`, at the `x` that it was given. A sample that does not run stays as it is, and
            so does everything of it in the state. What the attack is given in `Limits` it takes
            from there and nowhere else.
        further: rounds after the first, for those of its samples that go on.
    """

    start: Callable[[Samples], State]
    step: Callable[[Any, Samples, State, Limits], tuple[State, Any]]
    further: Sequence[Round] = ()


class BaseAttack(_component.Component, abc.ABC):
    """Base of the attacks: it checks inputs, compiles, keeps the batch full and records.

    A subclass is a frozen dataclass with the fields `max_steps` and `bounds` and one method,
    `plan`. The other methods are for what is special about an attack: which classes it aims at by
    itself, and what a budget means to it.
    """

    kind: ClassVar[str] = "attack"
    arguments: ClassVar[tuple[str, ...]] = ()
    """Fields that a step takes from `Limits` alone: another value is no reason to compile anew."""
    max_steps: int
    bounds: Any

    def __post_init__(self):
        object.__setattr__(self, "bounds", as_bounds(self.bounds))
        object.__setattr__(self, "max_steps", _checks.integer("max_steps", self.max_steps, 1))

    @abc.abstractmethod
    def plan(self, planned: models.Planned, sample: np.ndarray, targeted: bool) -> Plan:
        """Plans the attack for a model, outside of any trace.

        Args:
            planned: the model, planned for its inputs.
            sample: a batch of its inputs.
            targeted: whether there are classes to reach.

        Raises:
            ValueError: if the attack cannot be made on this model, or with (or without) targets.
        """

    @property
    def domain(self) -> Domain:
        """What an input may become: the bounds, as a `Domain`."""
        return as_domain(self.bounds)

    def check(self, fitted: Fitted, x: np.ndarray) -> None:
        """Raises if the attack cannot be made in its domain; by default it can in any.

        Args:
            fitted: the domain, for these inputs.
            x: the inputs, `(N, ...)`, which it holds.

        Raises:
            ValueError: if it cannot; the text names the column and says what to do.
        """

    def check_goal(self, goal: goals.Goal) -> None:
        """Raises if the attack cannot have a goal; by default it can have any.

        Raises:
            ValueError: if it cannot; the text says what to do.
        """

    @property
    def unit(self) -> str:
        """What the attack counts: `"feature"` or `"position"`."""
        return "feature"

    @property
    def chooses_targets(self) -> bool:
        """Whether a call without a target chooses targets before it begins."""
        return False

    def for_shape(self, shape: tuple, data_format: str) -> "BaseAttack":
        """The attack as it runs on inputs of a shape.

        Args:
            shape: that of one input, without the axis of samples.
            data_format: `"channels_last"` or `"channels_first"`.
        """
        return self

    def resolve(
        self, planned: models.Planned, x: np.ndarray, target, batch_size: int, numbers: np.ndarray
    ) -> tuple["BaseAttack", np.ndarray | None]:
        """The attack as it runs on these samples, and the classes to reach.

        Args:
            planned: the model.
            x: the inputs, `(N, ...)`.
            target: the classes that were asked for, `(N,)`, or `None`.
            batch_size: how many samples are computed at once.
            numbers: which sample of a longer run each is, `(N,)`.
        """
        return self.for_shape(x.shape[1:], planned.data_format), target

    def within(
        self, budget: float, shape: tuple, data_format: str
    ) -> tuple["BaseAttack", float | None]:
        """The attack with a budget, and the share of the inputs that one of its steps changes.

        A share of `None` means that steps say nothing of the budget: success within one is then a
        matter of the distortion.

        Args:
            budget: the greatest share of the inputs that may change.
            shape: that of one input, without the axis of samples.
            data_format: `"channels_last"` or `"channels_first"`.

        Raises:
            ValueError: if the attack takes no targets.
        """
        return self, None

    def __call__(
        self,
        model,
        x,
        *,
        y=None,
        target=None,
        goal: Any = None,
        batch_size: int | None = None,
        first_index: Any = 0,
        trajectory: bool = False,
        verbose: int = 0,
    ) -> AttackResult:
        """Attacks each sample.

        Args:
            model: a built Keras model, or what `logits` made of one. It is not altered.
            x: the inputs, `(N, ...)`, within the bounds. Integers and bools stay such: their
                adversarial examples are whole numbers that the type holds, so that
                `result.adversarial.astype(x.dtype)` loses nothing. For a model with several inputs
                a list or a dictionary, as `fit` takes them: the only one of real numbers, or those
                that `logits(model, moving=...)` names, move, the others are held.
                Or a source of samples, as `run` takes them: a path, a `tf.data.Dataset`, a
                `keras.utils.PyDataset`, a torch DataLoader, a generator of batches, a memory map.
                It is read 8 batches at a time (1,024 samples if `batch_size` is `None`), and the
                result gathers what they give.
            y: the true labels, `(N,)`, or what the goal takes. Samples that are misclassified to
                begin with are then reported as such and left alone. Without it those of the source,
                or else the clean prediction is the label; `False` for the latter.
            target: the class to reach, one for all samples or `(N,)`. `None` for any other class.
            goal: a goal of `isi_keras.goals`, in place of a target.
            batch_size: how many samples are computed at once; `None` for up to 512 (2,048 on a
                GPU), so many that what the model computes of them takes no more than 2 GiB.
            first_index: which sample of a longer run the first one is, or which each is, `(N,)`.
                What is drawn for a sample depends on its number there, so that parts of a run give
                what the whole does.
            trajectory: whether to keep the logits of every step. Those of a source may differ from
                those of arrays by some 1e-6: the last samples of each reading share no full batch.
            verbose: 1 shows a progress bar.

        Returns:
            An `AttackResult`. Passes that chose targets do not count in it.

        Raises:
            TypeError: if the model or an array is of the wrong kind.
            ValueError: if shapes, values or classes are wrong, or the attack cannot be planned.
            RuntimeError: if the plan of an attack does not keep what `Plan` asks of it: if it ends
                samples that it never looked at, leaves the bounds, or goes on after `max_steps`.
        """
        how = {"target": target, "goal": goal, "batch_size": batch_size, "verbose": verbose}
        how |= {"first_index": first_index, "trajectory": trajectory}
        classifier = models.logits(model)
        source = sourced.source_of(classifier.model, x, y, self.domain)
        if source is None:
            result = performing.perform(self, classifier, x, y=None if y is False else y, **how)
        else:
            result = streams.through(self, classifier, source, **how)
        asking.warn_of_the_reached(result, target, goal)
        return dataclasses.replace(result, provenance=provenance.of(classifier.model))

    def limits(self) -> Limits:
        """What a step is told anew at each call, as arrays."""
        return Limits(np.asarray(self.max_steps, "int32"), np.asarray(0, "int32"))

    def compiled(self, planned, sample, targeted: bool) -> tuple[Plan, list[compiling.Compiled]]:
        """The plan and the compiled step of each round, kept as long as the model is as it was."""

        def make():
            plan = self.plan(planned, sample, targeted)
            runs = [_compile(lambda given: (given, plan.start(given)), plan.step, planned)]
            for number, each in enumerate(plan.further):
                same = plan.further.index(each)
                again = runs[1 + same] if same < number else None
                runs.append(again or _compile(each.entered, each.step, planned))
            return plan, runs

        shape = str(keras.tree.map_structure(lambda part: part.shape[1:], planned.whole(sample)))
        key = (*self.trace_key(), targeted, *planned.ending, shape, planned.data_format)
        return compiling.cached(planned.model, key, make)

    def trace_key(self) -> tuple:
        """What a trace depends on."""
        fields = dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        names = [field.name for field in fields if field.name not in self.arguments]
        settings = (_component.traced(getattr(self, name)) for name in names)
        return type(self), self.domain.structure, *settings

    def warn_of_bounds(self, inputs: np.ndarray) -> None:
        """Warns where the bounds look like the default, and the data do not."""
        low, high = self.domain.low, self.domain.high
        if (low == -1).all() and (high == 1).all() and (inputs >= 0).all():
            warnings.warn(
                "No value of x is below 0, while the bounds are -1..1. If your data are in 0..1, "
                "pass bounds=(0, 1).",
                stacklevel=4,
            )


def _compile(begin: Callable, step: Callable, planned: models.Planned) -> compiling.Compiled:
    """A step of a round, before which samples enter the slots."""

    def run(model, held, state, given, where, limits):
        if where is not None:
            held, state = slots.entered((held, state), begin(given), where)
        with beside(held.beside):
            moved, logits = step(model, held, state, limits)
        return held, moved, (state.steps, logits)

    return compiling.compiled(run, planned.model, planned.graphs.any_rows)
