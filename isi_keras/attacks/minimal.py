"""`MinimalL0`: the fewest inputs that turn the prediction."""

import dataclasses
from typing import Any, ClassVar

from isi_keras import _checks, axes, indicators
from isi_keras.attacks.base import BaseAttack, Plan
from isi_keras.attacks.exchange import Exchange
from isi_keras.attacks.memory import thirds
from isi_keras.attacks.rounds import Round
from isi_keras.attacks.taking_back import NEAR, TOGETHER, TakingBack
from isi_keras.attacks.units import Units
from isi_keras.domain import as_bounds
from isi_keras.norms.steps import by_position

FIRST, LATER = 90, 40
"""After how many moves the first search ends, and each further one, if the budget is not less."""


@dataclasses.dataclass(frozen=True, eq=False)
class MinimalL0(BaseAttack):
    r"""The minimal-L0 attack: as few inputs as it can find that turn the prediction.

    Greedy attacks never take a change back. This one rebuilds its candidate in each move out of the
    $k$ inputs with the greatest gain $G_i (v_i - x_i)$, each at the bound $v_i$ that $G$ says.
    $G$ is a running mean of normalised gradients of the margin, taken by turns at the candidate and
    where more inputs than its own have gone a part of their way, as at the clean input the gradient
    often names other inputs than those that matter. $k$ doubles until the first success and is
    below the best number from then on.

    A success does not end a sample: what is recorded is the best of it. When `patience` moves
    brought nothing better, each change is taken back by itself, the least needed first, and what
    misses the goal by least without one is exchanged, one change for another, as long as that
    brings it nearer: each is tried by a forward pass, four of them at once. So no single change of
    the result can be spared, unless the budget ran out. `restarts` do all of it again below the
    best so far; where any other class will do, each leads to a single one, the next by the clean
    logits, in which the best is not.

    It is deterministic, and a sample ends the same in any batch. It counts as its `steps` the moves
    and the times that up to four changes were tried, but for the last of each search and of each
    taking back. `order` is the step in which an input last came into the best. A trajectory holds
    the logits of the best so far, before the first success those of what was tried last. Inside
    adversarial training it takes one search, without taking back.

    Args:
        budget: how many passes a sample may take at most, for two moves at least. A pass is a
            forward and a backward one; a forward pass alone is a third of it.
        restarts: how often the search begins anew, at least 0; `None` for once in 100 passes of the
            budget.
        patience: after how many moves that brought nothing better a search ends, at least 1, and
            one more for each 16 units of the best; `None` for 15 in 100 passes, from 4 to 30. Where
            all units are changed and nothing has turned, after 30 at least.
        swaps: after how many exchanges in a row that were no good taking back ends, from 0 to 144;
            `None` for 10 in 100 passes, 20 at most.
        decay: the share of the mean $G$ that stays in a move, from 0 to below 1.
        unit: `"feature"` counts every channel by itself; `"position"` (or `"pixel"`) all channels
            of a pixel, voxel or time step as one.
        indicator: what ranks the inputs, a name or an `Indicator`; its score times its direction
            stands for the gradient.
        bounds: the least and the greatest value of an input, or a `Domain`, as for `Attack`. A
            one-hot group is a unit.

    Raises:
        TypeError: if a number is of the wrong kind.
        ValueError: if an argument is out of its range or unknown.

    Source: the linear oracle over the L0 ball and the box is that of Frank-Wolfe methods; to stay
    below the best number, Pintor et al. 2021 (FMN) and Cinà et al. 2025 (sigma-zero).

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> result = isi.MinimalL0(budget=60, bounds=(-1, 1))(model, x[:4], y=y[:4])
        >>> greedy = isi.Attack("sensitivity", "l0", bounds=(-1, 1))(model, x[:4], y=y[:4])
        >>> bool(result.changed.sum() <= greedy.changed.sum())
        True
    """

    arguments: ClassVar[tuple[str, ...]] = ("budget", "bounds")
    budget: int = 200
    restarts: int | None = None
    patience: int | None = None
    swaps: int | None = None
    decay: float = 0.25
    unit: str = "feature"
    indicator: Any = "sensitivity"
    bounds: Any = (-1.0, 1.0)

    def __post_init__(self):
        _checks.integer("budget", self.budget, 1)
        for name, least in (("restarts", 0), ("patience", 1), ("swaps", 0)):
            if getattr(self, name) is not None:
                _checks.integer(name, getattr(self, name), least)
        if self.swaps is not None and self.swaps > NEAR**2:
            raise ValueError(
                f"Expected swaps to be from 0 to {NEAR**2}, as there are no more exchanges. "
                f"Received: swaps={self.swaps}."
            )
        if not _checks.is_number(self.decay) or not 0 <= self.decay < 1:
            raise ValueError(
                "Expected decay to be the share of the mean that stays, from 0 to below 1. "
                f"Received: decay={_checks.shown(self.decay)}."
            )
        object.__setattr__(self, "unit", axes.as_unit(self.unit))
        object.__setattr__(self, "indicator", indicators.get(self.indicator))
        object.__setattr__(self, "bounds", as_bounds(self.bounds))

    @property
    def max_steps(self) -> int:
        """How many steps the budget allows: each takes a third of a pass at least."""
        return 3 * self.budget

    @property
    def effort(self) -> tuple[int, int, int]:
        """The restarts, the patience and the swaps, those that suit the budget where none is given.

        What few passes cannot pay is not begun: the aim is the fewest inputs in the time.
        """
        patience = min(max(self.budget * 3 // 20, 4), 30)
        suited = self.budget // 100, patience, min(self.budget // 10, 20)
        given = self.restarts, self.patience, self.swaps
        return tuple(  # pyright: ignore[reportReturnType]
            own if number is None else number for number, own in zip(given, suited, strict=True)
        )

    def trace_key(self):  # noqa: D102
        return *super().trace_key(), self.effort

    def resolve(self, planned, x, target, batch_size, numbers):  # noqa: D102
        least = thirds(self.indicator.cost(planned.classes))
        if 2 * least > self.max_steps:
            raise ValueError(
                f"Two moves, the fewest that can change anything, take {2 * least / 3:.0f} passes "
                f"by this indicator. Received: budget={self.budget}. Pass a greater one."
            )
        return super().resolve(planned, x, target, batch_size, numbers)

    def check(self, fitted, x):  # noqa: D102
        by_position(self.unit, self.domain)
        what = "MinimalL0 moves an input to its bound"
        fitted.expect_finite(x, what, "use L2 or Linf with relative=False")
        if self.indicator.centred:
            what = f"{type(self.indicator).__name__} is measured from the middle of the range"
            fitted.expect_finite(x, what, "use the indicator 'sensitivity'", width=True)

    def plan(self, planned, sample, targeted):  # noqa: D102
        restarts, patience, swaps = self.effort
        channels = axes.channel_axis(sample.ndim, planned.data_format)
        unit = Units(
            channels if self.unit == "position" else None,
            self.domain.plain,
            self.domain.fit(sample.shape).arrays(),
        )
        together = TOGETHER if planned.graphs.any_rows else 1
        back = TakingBack(planned.forward(), targeted, unit, swaps, together)
        exchange = Exchange(
            differentiable=self.indicator.prepare(planned, sample, centred=True),
            indicator=self.indicator,
            cost=self.indicator.cost(planned.classes),
            classes=planned.classes,
            unit=unit,
            units=self.domain.count(self.unit, sample.shape[1:], planned.data_format),
            targeted=targeted,
            moves=FIRST,
            patience=patience,
            decay=float(self.decay),
            spared=swaps,
        )
        fewer = Round(back.takes, back.begin, back.step, together)
        shorter = dataclasses.replace(exchange, moves=LATER)
        again = Round(shorter.takes, shorter.again, shorter.step)
        return Plan(exchange.start, exchange.step, (fewer, *(again, fewer) * restarts))
