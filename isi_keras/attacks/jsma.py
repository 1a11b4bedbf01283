"""`JSMA`: the Jacobian-based saliency map attack."""

import dataclasses
import math
import numbers
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks, _component, indicators, models
from isi_keras.attacks.adversarial_distance import adversarial_distance
from isi_keras.attacks.attack import Attack
from isi_keras.models.inputs import as_input
from isi_keras.norms import UNITS, Salient
from isi_keras.results import AttackResult

VARIANTS = ("jsma", "wjsma", "tjsma", "mjsma")
CHOICES = ("runner_up", "random", "easiest")


@dataclasses.dataclass(frozen=True, eq=False)
class JSMA(_component.Component):
    r"""The Jacobian-based saliency map attack (JSMA): a pair of inputs a step, as published.

    Each step takes the derivatives $u = \partial F_t / \partial x$ of the target's logit and
    $v = -\sum_{j \ne t} \partial F_j / \partial x$ of the others, finds the pair of inputs with
    the greatest $(u_p + u_q)(v_p + v_q)$, both sums being positive, and adds $\theta$ to both. It
    stops when the target is predicted, the budget is used, or no pair is admissible.

    It is an `Attack` with the indicator `JacobianSaliency` and the norm `Salient`; `attack` says
    which. A step costs one forward and two backward passes, whatever the number of classes.

    Args:
        theta: by how much an input changes, in the units of the data, not 0; negative values
            decrease inputs (equation 9). As published, the width of the bounds.
        gamma: the budget, the greatest share of inputs that may change, above 0 and up to 1. No
            more than `floor(gamma * D / 2)` pairs of `D` inputs are changed. The paper writes 100
            times it as $\Upsilon$.
        pairs: whether pairs are searched (equation 10), or single inputs (equations 8 and 9), of
            which no more than `floor(gamma * D)` are changed.
        variant: `"jsma"`; `"wjsma"`, which weights the other classes by their probabilities;
            `"tjsma"`, which moreover scales derivatives by the distance from the bound; or
            `"mjsma"`, the maximal one, which chooses class and way anew in each step, is untargeted
            and takes a backward pass for each class.
        unit: `"feature"` counts every channel of a pixel by itself; `"pixel"` takes all channels
            at once; the budget then counts pixels.
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
        seed: of the classes that `"random"` draws, a non-negative integer.

    Raises:
        ValueError: if an argument is out of its range or unknown.

    Source: Papernot et al. 2016, algorithms 2 and 3; `"wjsma"` and `"tjsma"` Combey et al. 2020;
    `"mjsma"` Wiyatno and Xu 2018.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> jsma = isi.JSMA(theta=2.0, gamma=0.145, bounds=(-1, 1))
        >>> result = jsma(model, x[:4], y=y[:4], target=8)
        >>> result.success.tolist()
        [True, True, True, True]
    """

    kind: ClassVar[str] = "attack"
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

    def __post_init__(self):
        if not _is_number(self.theta) or self.theta == 0 or not np.isfinite(self.theta):
            raise ValueError(
                f"Expected theta to be a number above or below 0. Received: theta={self.theta!r}."
            )
        if not _is_number(self.gamma) or not 0 < self.gamma <= 1:
            raise ValueError(
                "Expected gamma to be a share of the inputs, above 0 and up to 1 (14.5 % is 0.145)."
                f" Received: gamma={self.gamma!r}."
            )
        for name, known in (("variant", VARIANTS), ("unit", UNITS)):
            if getattr(self, name) not in known:
                raise ValueError(_checks.unknown(name, getattr(self, name), known))
        if self.untargeted is not None and self.untargeted not in CHOICES:
            raise ValueError(_checks.unknown("untargeted", self.untargeted, CHOICES))
        if self.variant == "mjsma" and not self.once:
            raise ValueError(
                "The variant 'mjsma' moves inputs both ways and would undo its own changes. "
                "Received: once=False. Pass once=True."
            )
        if self.variant == "mjsma" and self.untargeted is not None:
            raise ValueError(
                "The variant 'mjsma' chooses its classes itself. "
                f"Received: untargeted={self.untargeted!r}. Leave it out."
            )
        if not isinstance(self.seed, numbers.Integral) or self.seed < 0:
            raise ValueError(
                f"Expected seed to be a non-negative integer. Received: seed={self.seed!r}."
            )
        built = Attack(self._indicator(), self._norm(), bounds=self.bounds)
        object.__setattr__(self, "bounds", built.bounds)

    def attack(self, shape, stop_when: str = "target") -> Attack:
        """The `Attack` that this is, for inputs of a shape.

        Args:
            shape: that of one input, without the axis of samples.
            stop_when: see `Attack`.

        Raises:
            ValueError: if the budget is less than a step.
        """
        norm = self._norm()
        share = norm.share(shape)
        steps = math.floor(self.gamma / share + 1e-9)
        if steps < 1:
            raise ValueError(
                f"The budget gamma={self.gamma:g} is less than one step, which may change "
                f"{norm.features} of {round(norm.features / share)} inputs. Pass at least "
                f"gamma={share:.2g}."
            )
        return Attack(self._indicator(), norm, steps, self.bounds, stop_when=stop_when)

    def __call__(
        self,
        model,
        x,
        *,
        y=None,
        target=None,
        batch_size: int = 128,
        trajectory: bool = False,
        verbose: int = 0,
    ) -> AttackResult:
        """Attacks each sample.

        Args:
            model: a built Keras model, or what `logits` made of one. It is not altered.
            x: the inputs, `(N, ...)`, within the bounds.
            y: the true labels, `(N,)`; see `Attack`.
            target: the class to reach, one for all samples or `(N,)`, as published; without one
                the attack is untargeted, see `untargeted`.
            batch_size: how many samples are computed at once.
            trajectory: whether to keep the logits of every step.
            verbose: 1 shows a progress bar.

        Returns:
            An `AttackResult`. The passes that chose targets do not count in it.

        Raises:
            TypeError: if the model or an array is of the wrong kind.
            ValueError: if shapes, values or classes are wrong, the budget is less than a step, or
                `target` is given to the variant `"mjsma"`.
        """
        if self.variant == "mjsma" and target is not None:
            raise ValueError(
                "The variant 'mjsma' chooses its classes itself. Received a target. Leave it out, "
                "or use another variant."
            )
        source = models.logits(model)
        shape = as_input(source.model, x).shape[1:]
        stop_when = "target"
        if target is None and self.untargeted is not None:
            target, stop_when = self._chosen(source, x, batch_size), "turned"
        result = self.attack(shape, stop_when)(
            source,
            x,
            y=y,
            target=target,
            batch_size=batch_size,
            trajectory=trajectory,
            verbose=verbose,
        )
        return dataclasses.replace(result, config=_component.serialize(self))

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
        )

    def _chosen(self, source, x, batch_size: int) -> np.ndarray:
        """The class that each sample is moved towards, `(N,)`; never the predicted one."""
        x = as_input(source.model, x)
        logits = source.predict(x, batch_size)
        rows, label = np.arange(len(x)), logits.argmax(-1)
        if self.untargeted == "random":
            rng = np.random.default_rng(self.seed)
            return (label + rng.integers(1, logits.shape[-1], len(x))) % logits.shape[-1]
        if self.untargeted == "runner_up":
            rank = -logits
        else:
            rank = adversarial_distance(
                source, x, indicator=self._indicator(), batch_size=batch_size
            )
        rank[rows, label] = np.inf
        return rank.argmin(-1)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
