"""`JSMA`: the Jacobian-based saliency map attack."""

import dataclasses
import math
from typing import Any

import numpy as np

from isi_keras import _checks, axes, goals, indicators
from isi_keras.attacks.adversarial_distance import adversarial_distance
from isi_keras.attacks.attack import Attack
from isi_keras.attacks.base import BaseAttack
from isi_keras.norms import Salient

VARIANTS = ("jsma", "wjsma", "tjsma", "mjsma")
CHOICES = ("runner_up", "random", "easiest")
_SEVERAL = (goals.AnyOf, goals.NoneOf)


@dataclasses.dataclass(frozen=True, eq=False)
class JSMA(BaseAttack):
    r"""The Jacobian-based saliency map attack (JSMA): a pair of inputs a step, as published.

    Each step takes the derivatives $u = \partial F_t / \partial x$ of the target's logit and
    $v = -\sum_{j \ne t} \partial F_j / \partial x$ of the others, finds the pair of inputs with
    the greatest $(u_p + u_q)(v_p + v_q)$, both sums being positive, and adds $\theta$ to both. It
    stops when the target is predicted, the budget is used, or no pair is admissible.

    It is an `Attack` with the indicator `JacobianSaliency` and the norm `Salient`; `for_shape` says
    which. A step costs one forward and two backward passes, whatever the number of classes.

    Args:
        theta: by how much an input changes, as a share of the width of its range, not 0; negative
            values decrease inputs (equation 9). As published, 1: to the bound.
        gamma: the budget, the greatest share of inputs that may change, above 0 and up to 1. Of `D`
            inputs (or positions; a one-hot group counts as one) no more than
            `2 * floor(gamma * D / 2)` are picked. Where `theta` is less than the width, these go on
            being changed until they are at their bounds. The paper writes 100 times it as
            $\Upsilon$.
        pairs: whether pairs are searched (equation 10), or single inputs (equations 8 and 9), of
            which no more than `floor(gamma * D)` are picked.
        variant: `"jsma"`; `"wjsma"`, which weights the other classes by their probabilities;
            `"tjsma"`, which moreover scales derivatives by the distance from the bound; or
            `"mjsma"`, the maximal one, which chooses class and way anew in each step, is untargeted
            and takes a backward pass for each class.
        unit: `"feature"` counts every channel by itself; `"position"` (or `"pixel"`) takes all
            channels of a pixel or time step at once; the budget then counts positions.
        once: whether an input is changed once only. As published it leaves the search domain when
            it has reached a bound. `"mjsma"` needs `True`, as it moves inputs both ways.
        skip_saturated: whether inputs that are at their bound before the attack are left out of
            the search domain. As published they are in it, and the step that takes one is lost.
        output: `"logits"`, as published, or `"probabilities"`.
        bounds: the least and the greatest value of an input, as for `Attack`.
        untargeted: what a call without a target does. `None` lowers the predicted class;
            `"runner_up"` aims at the second greatest logit, `"random"` at a class drawn for each
            sample, `"easiest"` at the class of the least `adversarial_distance` of pairs. Each ends
            as soon as the prediction is any other class.
        seed: of the classes that `"random"` draws, a non-negative integer. The class of a sample
            depends on the seed and its number in the run alone.
        relative: whether `theta` is a share of the width; `False` for the units of the data.
        scale: what both factors are multiplied by, as for `Attack`.

    Raises:
        ValueError: if an argument is out of its range or unknown.

    Source: Papernot et al. 2016, algorithms 2 and 3; `"wjsma"` and `"tjsma"` Combey et al. 2020;
    `"mjsma"` Wiyatno and Xu 2018.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> jsma = isi.JSMA(theta=1.0, gamma=0.145, bounds=(-1, 1))
        >>> result = jsma(model, x[:4], y=y[:4], target=8)
        >>> result.success.tolist()
        [True, True, True, True]
    """

    theta: float = 1.0
    gamma: float = 0.145
    pairs: bool = True
    variant: str = "jsma"
    unit: str = "feature"
    once: bool = False
    skip_saturated: bool = False
    output: str = "logits"
    bounds: Any = (0.0, 1.0)
    untargeted: str | None = None
    seed: int = 0
    relative: bool = True
    scale: Any = None

    def __post_init__(self):
        if not _checks.is_number(self.theta) or self.theta == 0 or not np.isfinite(self.theta):
            raise ValueError(
                "Expected theta to be a number above or below 0. Received: "
                f"theta={_checks.shown(self.theta)}."
            )
        if not _checks.is_number(self.gamma) or not 0 < self.gamma <= 1:
            raise ValueError(
                "Expected gamma to be a share of the inputs, above 0 and up to 1 (14.5 % is 0.145)."
                f" Received: gamma={_checks.shown(self.gamma)}."
            )
        _checks.one_of("variant", self.variant, VARIANTS)
        object.__setattr__(self, "unit", axes.as_unit(self.unit))
        if self.untargeted is not None:
            _checks.one_of("untargeted", self.untargeted, CHOICES)
        if self.variant == "mjsma" and not self.once:
            raise ValueError(
                "The variant 'mjsma' moves inputs both ways and would undo its own changes. "
                "Received: once=False. Pass once=True."
            )
        if self.variant == "mjsma" and self.untargeted is not None:
            raise ValueError(
                "The variant 'mjsma' chooses its classes itself. "
                f"Received: untargeted={_checks.shown(self.untargeted)}. Leave it out."
            )
        _checks.integer("seed", self.seed, 0)
        built = Attack(self._indicator(), self._norm(), bounds=self.bounds, scale=self.scale)
        object.__setattr__(self, "bounds", built.bounds)
        object.__setattr__(self, "scale", built.scale)

    @property
    def chooses_targets(self) -> bool:
        """Whether a call without a target chooses targets before it begins."""
        return self.untargeted is not None

    def for_shape(self, shape, data_format: str = "channels_last") -> Attack:
        """The `Attack` that this is, for inputs of a shape.

        Args:
            shape: that of one input, without the axis of samples.
            data_format: `"channels_last"` or `"channels_first"`, where its channels are.

        Raises:
            ValueError: if the budget is less than a step.
        """
        norm = self._norm()
        units = self.domain.count(self.unit, shape, data_format)
        picks = math.floor(self.gamma * units / norm.features + 1e-9)
        if picks < 1:
            raise ValueError(
                f"The budget gamma={self.gamma:g} is less than one step, which may change "
                f"{norm.features} of {units} inputs. Pass at least "
                f"gamma={norm.features / units:.2g}."
            )
        times = self._times()
        most = None if times == 1 else picks * norm.features
        return Attack(
            self._indicator(), norm, picks * times, self.bounds, scale=self.scale, max_inputs=most
        )

    def _times(self) -> int:
        """How often an input can be changed before it is at its bound."""
        theta = abs(float(self.theta))
        if self.once:
            return 1
        if self.relative:
            return max(1, math.ceil(1 / theta - 1e-6))
        width = float(np.max(self.domain.high - self.domain.low))
        if not np.isfinite(width):
            raise ValueError(
                "A JSMA with relative=False changes an input until it is at its bound. Received: "
                "a range that is infinite. Give all finite bounds, or pass once=True."
            )
        return max(1, math.ceil(width / theta - 1e-6))

    def within(self, budget, shape, data_format):  # noqa: D102
        if self.variant == "mjsma":
            raise ValueError(
                "The variant 'mjsma' takes no target, which hardness is about. Use another one."
            )
        run = dataclasses.replace(self, gamma=min(budget, 1.0)).for_shape(shape, data_format)
        if run.max_inputs is not None:  # the steps do not say how many inputs changed
            return run, None
        return run, run.norm.features / self.domain.count(self.unit, shape, data_format)

    def resolve(self, planned, x, target, batch_size, numbers):  # noqa: D102
        attack = self.for_shape(x.shape[1:], planned.data_format)
        if self.variant == "mjsma" and target is not None:
            raise ValueError(
                "The variant 'mjsma' chooses its classes itself. Received a target. Leave it out, "
                "or use another variant."
            )
        if target is None and self.chooses_targets:
            attack = dataclasses.replace(attack, stop_when="turned")
            target = self._chosen(planned, x, batch_size, numbers)
        return attack, target

    def check_goal(self, goal):  # noqa: D102
        if self.variant == "mjsma" and isinstance(goal, _SEVERAL):
            raise ValueError(
                "The variant 'mjsma' chooses its classes itself. "
                f"Received: {_checks.shown(goal)}. Use another variant."
            )
        if self.chooses_targets and _is_open(goal):
            raise ValueError(
                "Targets are chosen for a call that asks for any other class, without a margin. "
                f"Received: untargeted={_checks.shown(self.untargeted)} and "
                f"{_checks.shown(goal)}. Leave untargeted out."
            )

    def plan(self, planned, sample, targeted):  # noqa: D102
        attack = self.for_shape(sample.shape[1:], planned.data_format)
        return attack.plan(planned, sample, targeted)

    def _indicator(self) -> indicators.JacobianSaliency:
        return indicators.JacobianSaliency(
            increase=self.theta > 0,
            output=self.output,
            weighted=self.variant in ("wjsma", "tjsma"),
            maximal=self.variant == "mjsma",
        )

    def _norm(self) -> Salient:
        return Salient(
            features=2 if self.pairs else 1,
            step_size=abs(float(self.theta)),
            unit=self.unit,
            once=self.once,
            skip_saturated=self.skip_saturated,
            scaled=self.variant == "tjsma",
            relative=self.relative,
        )

    def _chosen(self, planned, x, batch_size: int, numbers: np.ndarray) -> np.ndarray:
        """The class that each sample is moved towards, `(N,)`; never the predicted one."""
        logits = planned.predict(x, batch_size)
        rows, label = np.arange(len(x)), logits.argmax(-1)
        if self.untargeted == "random":
            count = logits.shape[-1]
            drawn = [np.random.default_rng((self.seed, n)).integers(1, count) for n in numbers]
            return ((label + np.array(drawn)) % count).astype("int32")
        if self.untargeted == "runner_up":
            rank = -logits
        else:
            rank = adversarial_distance(
                planned,
                planned.whole(x),
                indicator=self._indicator(),
                batch_size=batch_size,
                bounds=self.bounds,
            )
        rank[rows, label] = np.inf
        return rank.argmin(-1).astype("int32")


def _is_open(goal: goals.Goal) -> bool:
    """Whether a goal leaves the class open and yet asks for more than any other."""
    surely = isinstance(goal, goals.Untargeted) and goal.margin > 0
    return surely or isinstance(goal, _SEVERAL)
