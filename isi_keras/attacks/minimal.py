"""`MinimalL0`: the fewest inputs that turn the prediction."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from isi_keras import _checks, axes, indicators
from isi_keras.attacks.attack import Attack
from isi_keras.attacks.base import BaseAttack, Plan
from isi_keras.attacks.exchange import PLACES, Exchange
from isi_keras.attacks.rounds import Round
from isi_keras.attacks.taking_back import TakingBack


@dataclasses.dataclass(frozen=True, eq=False)
class MinimalL0(BaseAttack):
    arguments: ClassVar[tuple[str, ...]] = ("budget", "bounds")
    budget: int = 200
    restarts: int = 2
    patience: int = 10
    unit: str = "feature"
    indicator: Any = "sensitivity"
    bounds: Any = (-1.0, 1.0)
    moves: int = 45
    decay: float = 0.5
    swaps: int = 30
    shrink: float = 0.1
    swap: Any = (0.5, 0.05)
    places: Any = ("EM", "E", "M")

    def __post_init__(self):
        _checks.integer("budget", self.budget, 1)
        _checks.integer("restarts", self.restarts, 0)
        _checks.integer("patience", self.patience, 1)
        object.__setattr__(self, "unit", axes.as_unit(self.unit))
        object.__setattr__(self, "swap", tuple(self.swap))
        object.__setattr__(self, "places", tuple(self.places))
        built = Attack(self.indicator, bounds=self.bounds)
        object.__setattr__(self, "indicator", built.indicator)
        object.__setattr__(self, "bounds", built.bounds)

    @property
    def max_steps(self) -> int:
        """How many steps the budget allows: a forward pass each, a third of a pass."""
        return 3 * self.budget

    def plan(self, planned, sample, targeted):  # noqa: D102
        exchange = Exchange(
            differentiable=self.indicator.prepare(planned, sample, centred=True),
            indicator=self.indicator,
            cost=self.indicator.cost(planned.classes),
            classes=planned.classes,
            channel_axis=axes.channel_axis(sample.ndim, planned.data_format)
            if self.unit == "position"
            else None,
            units=axes.count(self.unit, sample.shape[1:], planned.data_format),
            targeted=targeted,
            patience=self.patience,
            moves=self.moves,
            decay=self.decay,
            shrink=self.shrink,
            swap=self.swap,
            places=np.array([PLACES[p] for p in self.places], "float32"),
        )
        back = TakingBack(planned.forward(), targeted, exchange.channel_axis, self.swaps)
        prune = Round(back.takes, back.begin, back.step)
        again = Round(exchange.takes, exchange.again, exchange.step)
        return Plan(exchange.start, exchange.step, (prune, *(again, prune) * self.restarts))
