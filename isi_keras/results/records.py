"""The records of `explain` and of an attack."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np

from isi_keras import _checks, axes
from isi_keras.domain import Domain
from isi_keras.results import endings, own_bounds, schema, tokens
from isi_keras.results.base import Result
from isi_keras.results.fields import Bounded, Divided, Rows, Shared, Steps
from isi_keras.results.schema import Array, Entries, Settings, Shapes
from isi_keras.results.stop import Stop

REASONS = tuple(stop.label for stop in Stop)
FORMAT = Array("U", words=axes.DATA_FORMATS)
PER_SAMPLE = Array("fib", "N *", nan=True, inf=True)


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


def check_moving(record: Any) -> None:
    """Raises a ValueError unless the inputs that moved are as large as `x` of a record."""
    x, moving = record.x, record.moving
    if moving is None or 0 in x.shape[1:]:
        return
    sizes = [math.prod(shape) for shape in moving.values()]
    one = list(moving.values()) == [list(x.shape[1:])]
    if not one and (len(sizes) < 2 or x.ndim != 2 or sum(sizes) != x.shape[1]):
        raise ValueError(
            f"expected moving to say how x, {x.shape}, is made up. Received: {dict(moving)!r:.80}"
        )


def check_norm(settings: Mapping[str, Any]) -> None:
    """Raises a ValueError unless an attack says of its steps what pictures ask of them."""
    norm = settings.get("norm")
    norm = norm if isinstance(norm, Mapping) else {"class_name": "", "config": {}}
    steps = settings if "theta" in settings else norm["config"]
    if "theta" in settings or norm["class_name"] == "Salient":
        for name in ("relative", "once"):
            if not isinstance(steps.get(name), bool):
                raise ValueError(f"expected {name} to be True or False in the attack's config")
        size = steps.get("theta", steps.get("step_size"))
        if not _checks.is_number(size):
            raise ValueError(f"expected the size of a step to be a number. Received: {size!r:.60}")


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
        provenance: which model made it, and on what, as `Result` says; `None` if not recorded.

    Raises:
        TypeError: if `tokens` is no array of str.
        ValueError: if `data_format` is unknown, or `tokens` does not fit `x`.
    """

    x: Annotated[Rows[Any], Array("fib", "N ...")]
    relevance: Annotated[Rows[Any], Array("f", like="x", nan=True, inf=True)]
    logits: Annotated[Rows[np.ndarray], Array("f", "N K", nan=True, inf=True)]
    prediction: Annotated[Rows[np.ndarray], schema.classes(below="K")]
    target: Annotated[Rows[np.ndarray], schema.classes(below="K")]
    config: Annotated[Shared[Mapping[str, Any]], Settings()]
    against: Annotated[Rows[np.ndarray | None], schema.classes(below="K")] = None
    layers: Annotated[
        Rows[Mapping[str, np.ndarray] | None], Array("f", "N *", nan=True, inf=True)
    ] = None
    conservation: Annotated[
        Rows[Mapping[str, np.ndarray] | None], Array("f", "N", nan=True, inf=True)
    ] = None
    data_format: Annotated[Shared[str], FORMAT] = "channels_last"
    tokens: Annotated[Rows[Any | None], Array("U", like="x")] = None

    def __post_init__(self):
        axes.check_data_format(self.data_format)
        tokens.check(self.tokens, self.x)

    def _verify(self) -> None:
        names = [
            list(part) if isinstance(part, Mapping) else [] for part in (self.x, self.relevance)
        ]
        if sorted(names[0]) != sorted(names[1]):
            raise ValueError(
                f"expected relevance of the inputs {names[0]}. Received: that of {names[1]}"
            )
        words = self.tokens if isinstance(self.tokens, Mapping) else {"tokens": self.tokens}
        if any(part is not None and part.ndim != 2 for part in words.values()):
            raise ValueError("expected tokens of shape (N, T), a word for each id of a text")

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
        config: the attack, which `attacks.get` builds back. Bounds that were given for each sample
            are those of these samples.
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
        provenance: which model made it, and on what, as `Result` says; `None` if not recorded.

    Raises:
        ValueError: if `data_format` is unknown.
    """

    x: Annotated[Rows[np.ndarray], Array("f", "N ...")]
    adversarial: Annotated[Rows[np.ndarray], Array("f", like="x", ended="stop_reason")]
    clean_prediction: Annotated[Rows[np.ndarray], schema.classes(below="C")]
    prediction: Annotated[Rows[np.ndarray], schema.classes(below="C")]
    target: Annotated[Rows[np.ndarray | None], schema.classes(below="C")]
    y: Annotated[Rows[np.ndarray | None], schema.classes(below="C")]
    success: Annotated[Rows[np.ndarray], Array("b", "N")]
    stop_reason: Annotated[Rows[np.ndarray], Array("U", "N", words=REASONS)]
    steps: Annotated[Rows[np.ndarray], schema.counts()]
    order: Annotated[Rows[np.ndarray], Array("i", like="x", low=0)]
    forward: Annotated[Rows[np.ndarray], schema.counts()]
    backward: Annotated[Rows[np.ndarray], schema.counts()]
    seconds: Annotated[Divided[float], Array("fi", low=0)]
    config: Annotated[Bounded[Mapping[str, Any]], Settings((("bounds", (list, dict)),))]
    trajectory: Annotated[Steps[np.ndarray | None], Array("f", "N T C", nan=True, inf=True)] = None
    data_format: Annotated[Shared[str], FORMAT] = "channels_last"
    goal: Annotated[Shared[Mapping[str, Any] | None], Entries()] = None
    aim: Annotated[Rows[np.ndarray | None], PER_SAMPLE] = None
    clean_logits: Annotated[Rows[np.ndarray | None], Array("f", "N K", nan=True, inf=True)] = None
    logits: Annotated[Rows[np.ndarray | None], Array("f", "N K", nan=True, inf=True)] = None
    moving: Annotated[Shared[Mapping[str, Any] | None], Shapes()] = None
    held: Annotated[Rows[Mapping[str, np.ndarray] | None], PER_SAMPLE] = None

    def __post_init__(self):
        axes.check_data_format(self.data_format)

    def _verify(self) -> None:
        check_moving(self)
        endings.check("success", self.success, self.stop_reason)
        own_bounds.check(self.config, len(self), self.x.ndim)
        domain = self.domain
        for bound in (domain.low, domain.high):
            sample = bound.shape[1:] if bound.ndim == self.x.ndim else bound.shape  # of each row
            wanted = self.x.shape[1:]
            if bound.ndim > self.x.ndim or np.broadcast_shapes(sample, wanted) != wanted:
                raise ValueError(
                    f"expected bounds that broadcast to x, {self.x.shape}. Received: {bound.shape}"
                )
        features = math.prod(self.x.shape[1:])
        if any(not 0 <= place < features for group in domain.groups for place in group):
            raise ValueError(f"expected groups of the {features} features of x")
        most = int(self.steps.max(initial=0))
        if self.trajectory is not None and self.trajectory.shape[1] <= most:
            raise ValueError(
                f"expected trajectory to have the logits before and after {most} steps. Received: "
                f"{self.trajectory.shape[1]} of each sample"
            )
        check_norm(self.config["config"])

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
        """What an input might become, the `Domain` of the attack; of a part that of its samples."""
        return own_bounds.domain_of(self.config)
