"""The records of `explain` and of an attack."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from isi_keras import axes
from isi_keras.domain import Domain, as_bounds, as_domain
from isi_keras.results import tokens
from isi_keras.results.base import Result
from isi_keras.results.fields import Divided, Rows, Shared, Steps
from isi_keras.results.stop import Stop


def apart(rows: Any, shapes: Mapping[str, Any], reshape: Callable = np.reshape) -> dict[str, Any]:
    """Inputs that move together, by their names.

    Args:
        rows: one input `(N, ...)`, or several as rows of numbers `(N, D)`; an array or a tensor.
        shapes: by name the shape of each.
        reshape: of the library that the rows are of.
    """
    if len(shapes) == 1:
        return dict.fromkeys(shapes, rows)
    found, begin = {}, 0
    for name, shape in shapes.items():
        end = begin + math.prod(shape)
        found[name] = reshape(rows[:, begin:end], (-1, *shape))
        begin = end
    return found


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation(Result):
    """Which inputs a decision rests on, for `N` samples and `K` classes.

    Args:
        x: the inputs, `(N, ...)`; of a model with several inputs a dictionary of them by name.
        relevance: the map of each sample, of the shape of `x`, or a dictionary likewise. For
            `Sensitivity` and its kin it is (a mean of) the derivative of the logit by each input,
            for `Relevance` the share of the logit that each input carries.
        logits: what the model returned before its softmax, `(N, K)`.
        prediction: the predicted class, `(N,)`.
        target: the class that is explained, `(N,)`.
        config: the indicator, which `indicators.get` builds back.
        against: the class whose logit is subtracted from that of the target, `(N,)`; `None` if the
            target's logit alone is explained.
        layers: the relevance of the outputs of inner layers, by their names, `(N, ...)` each. A
            layer that is called more than once has `name`, `name/1` and so on.
        conservation: where the explained value went, arrays `(N,)`: `"explained"`, the value
            itself; `"inputs"`, the sum of the relevance of all inputs; `"bias"`, what biases and
            constants took; `"epsilon"`, what the stabilisation of quotients absorbed, among it
            what a rule cannot hand on where there are no contributions of its sign; `"padding"`,
            what a rule for the first layer gave to padding; and `"elsewhere"`, the rest, which is
            rounding unless layers follow their plain gradient (`on_unknown="gradient"`, raw
            operations). `None` unless it was asked for.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are.
        tokens: the words that the ids in `x` stand for, `(N, T)` of str, `""` for padding; of a
            model with several inputs a dictionary by name, of those that are texts. `None` unless
            they were given.

    Raises:
        TypeError: if `tokens` is no array of str.
        ValueError: if `data_format` is unknown, or `tokens` does not fit `x`.
    """

    x: Rows[Any]
    relevance: Rows[Any]
    logits: Rows[np.ndarray]
    prediction: Rows[np.ndarray]
    target: Rows[np.ndarray]
    config: Shared[Mapping[str, Any]]
    against: Rows[np.ndarray | None] = None
    layers: Rows[Mapping[str, np.ndarray] | None] = None
    conservation: Rows[Mapping[str, np.ndarray] | None] = None
    data_format: Shared[str] = "channels_last"
    tokens: Rows[Any | None] = None

    def __post_init__(self):
        axes.check_data_format(self.data_format)
        tokens.check(self.tokens, self.x)

    def select(self, name: str) -> "Explanation":
        """The explanation of one input of a model with several, as of a model with that one alone.

        Args:
            name: the input, a key of `x`.

        Raises:
            ValueError: if there is no such input.
        """
        if not isinstance(self.x, Mapping) or not isinstance(self.relevance, Mapping):
            raise ValueError("The model has one input only, so there is nothing to select.")
        if name not in self.x:
            inputs = ", ".join(map(repr, self.x))
            raise ValueError(f"There is no input {name!r}. Choose one of {inputs}.")
        words = self.tokens[name] if self.tokens is not None and name in self.tokens else None
        return dataclasses.replace(
            self, x=self.x[name], relevance=self.relevance[name], tokens=words
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class AttackResult(Result):
    """What an attack did to `N` samples.

    Args:
        x: the inputs, `(N, ...)`, float32.
        adversarial: the inputs after the attack, of the shape of `x`. A sample that was not turned
            holds where its attack stopped.
        clean_prediction: the prediction on the clean input, `(N,)`.
        prediction: the prediction on `adversarial`, `(N,)`.
        target: the class aimed at, `(N,)`, or `None` for an untargeted attack.
        y: the true label, `(N,)`, or `None` if none was given.
        success: whether the attack reached its goal by changing the input, `(N,)` bool.
        stop_reason: why each sample ended, `(N,)`, the label of a `Stop`.
        steps: how many steps were taken, `(N,)`.
        order: the step in which each input was first changed, counted from 1, of the shape of `x`;
            0 where the input is as it was.
        forward: forward passes spent on each sample, `(N,)`.
        backward: backward passes spent on each sample, `(N,)`.
        seconds: wall-clock time of the whole attack, compilation included.
        config: the attack, which `attacks.get` builds back.
        trajectory: the logits before each step and at the end, `(N, T + 1, K)`, where `T` is the
            largest number of steps; NaN once a sample has ended. `None` unless it was asked for.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are.
        goal: the configuration of the goal, where one was given; `goals.of` builds it back. `None`
            for `target`, or any other class. Of a goal about a label, a set of labels or a value
            `clean_prediction`, `prediction`, `target` and `y` are 1 where the label is on, the set
            as wanted, the output above the value, and 0 where not; `trajectory` has the two logits
            of that question.
        aim: what the goal says for each sample, `(N,)` or `(N, K)`; `None` if it is the same for
            all, and is in `goal`.
        clean_logits: what the model returned for `x`, `(N, K)`, before its sigmoid unless values
            are attacked. `None` for goals about classes.
        logits: the same for `adversarial`.
        moving: of a model that takes a list or a dictionary the inputs that `x` is, by name the
            shape of each. Several are one row of numbers, each flattened, one after another.
        held: the other inputs of such a model by their names, arrays of `N` rows.

    Raises:
        ValueError: if `data_format` is unknown.
    """

    x: Rows[np.ndarray]
    adversarial: Rows[np.ndarray]
    clean_prediction: Rows[np.ndarray]
    prediction: Rows[np.ndarray]
    target: Rows[np.ndarray | None]
    y: Rows[np.ndarray | None]
    success: Rows[np.ndarray]
    stop_reason: Rows[np.ndarray]
    steps: Rows[np.ndarray]
    order: Rows[np.ndarray]
    forward: Rows[np.ndarray]
    backward: Rows[np.ndarray]
    seconds: Divided[float]
    config: Shared[Mapping[str, Any]]
    trajectory: Steps[np.ndarray | None] = None
    data_format: Shared[str] = "channels_last"
    goal: Shared[Mapping[str, Any] | None] = None
    aim: Rows[np.ndarray | None] = None
    clean_logits: Rows[np.ndarray | None] = None
    logits: Rows[np.ndarray | None] = None
    moving: Shared[Mapping[str, Any] | None] = None
    held: Rows[Mapping[str, np.ndarray] | None] = None

    def __post_init__(self):
        axes.check_data_format(self.data_format)

    @property
    def attacked(self) -> np.ndarray:
        """Which samples were attacked at all, `(N,)`.

        Neither those that are misclassified or at the target to begin with, nor those for which
        the model returns NaN or infinity: there is no decision to overturn.
        """
        unattacked = np.isin(self.stop_reason, ("already_target", "misclassified"))
        return ~unattacked & ~(self.not_finite & (self.steps == 0))

    @property
    def not_finite(self) -> np.ndarray:
        """Which samples ended as the model returned NaN or infinity, `(N,)`: clean, or attacked.

        They are no success of the attack, and the model is not robust there.
        """
        return self.stop_reason == Stop.NOT_FINITE.label

    @property
    def right(self) -> np.ndarray:
        """Which samples were predicted right to begin with, `(N,)`.

        Raises:
            ValueError: if there are no true labels.
        """
        if self.y is None:
            raise ValueError("The result has no true labels. Attack with y, the true labels.")
        return (self.clean_prediction == self.y) & ~(self.not_finite & (self.steps == 0))

    @property
    def inputs(self) -> Any:
        """The adversarial examples as the model takes them: with the held inputs, by name."""
        if self.moving is None:
            return self.adversarial
        return {**apart(self.adversarial, self.moving), **(self.held or {})}

    @property
    def changed(self) -> np.ndarray:
        """Which inputs differ between `x` and `adversarial`, of the shape of `x`."""
        return self.adversarial != self.x

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest value an input may take, as arrays that broadcast to `x`."""
        domain = self.domain
        return domain.low, domain.high

    @property
    def domain(self) -> Domain:
        """What an input might become, the `Domain` of the attack."""
        return as_domain(as_bounds(self.config["config"]["bounds"]))
