"""The units that `MinimalL0` counts: inputs, positions, one-hot groups."""

import dataclasses
from typing import Any

from keras import ops

from isi_keras import norms
from isi_keras.domain import Groups
from isi_keras.norms.offers import with_group


@dataclasses.dataclass(frozen=True)
class Units:
    """What changes together and counts once.

    A mask of units has the shape of `x`, and 1 along the channels of positions. A one-hot group is
    the unit of its member that is entered.

    Args:
        channel_axis: the axis whose inputs change together, `None` if each is a unit.
        plain: whether there is nothing but a bare range.
        groups: the one-hot groups as arrays, `None` for none.
    """

    channel_axis: int | None
    plain: bool = True
    groups: Groups | None = None

    def changed(self, x, origin):
        """Which units have changed, a mask of bool."""
        found = x != origin
        if self.groups is not None:
            others = ops.convert_to_tensor(~self.groups.member.reshape(1, *x.shape[1:]))
            found = found & (others | (x > origin))
        return self.any(found)

    def closed(self, x, origin):
        """Which units cannot change any more: those that did, and members of their groups."""
        return self.with_group(self.changed(x, origin))

    def any(self, mask):
        """Which units have an input in a mask."""
        axis = self.channel_axis
        return mask if axis is None else ops.any(mask, axis=axis, keepdims=True)

    def summed(self, score):
        """The sum over what changes together, 1 along the channels."""
        axis = self.channel_axis
        return score if axis is None else ops.sum(score, axis=axis, keepdims=True)

    def with_group(self, mask):
        """A mask, and with a member of a group all of them."""
        if self.groups is None:
            return mask
        return mask | with_group(mask, self.groups)

    def best(self, slope, samples) -> tuple[Any, Any]:
        """Where each input would go under a linear model, and what that gains, of the shape of `x`.

        Of a group the best member alone gains anything; what cannot move gains 0.
        """
        x = samples.x
        value = ops.where(slope > 0, samples.high, samples.low)
        if self.plain:
            return value, slope * (value - x)
        value = ops.where(samples.high > samples.low, value, x)
        step = norms.Step(
            x=x,
            origin=x,
            order=ops.zeros_like(x, dtype="int32"),
            number=ops.zeros_like(samples.truth),
            active=ops.ones_like(samples.truth, dtype="bool"),
            bounds=(samples.low, samples.high),
            constraints=norms.Constraints(
                samples.floor, samples.ceiling, samples.grid, self.groups
            ),
        )
        offer = step.offer(ops.abs(slope), ops.sign(slope), value)
        gain = slope * (offer.value - x)
        if self.groups is not None:
            member = self.groups.member.reshape(1, *x.shape[1:])
            gain = ops.where(member, offer.score, gain)
        return offer.value, ops.where(offer.free, gain, 0.0)

    def moved(self, x, picked, value):
        """The inputs after those that are picked went to their value; a group's one goes along."""
        found = ops.where(picked, value, x)
        if self.groups is None:
            return found
        left = with_group(picked, self.groups) & ~picked
        return ops.where(left, 0.0, found)

    def put_back(self, x, units, origin):
        """The inputs with some units as they were."""
        return ops.where(self.with_group(units), origin, x)

    def held(self, slope, x, origin):
        """What the slope says that taking each unit back costs, 1 along the channels."""
        cost = slope * (x - origin)
        if self.groups is not None:  # what leaves a group belongs to what enters it
            cost = _over_groups(cost, self.groups)
        return self.summed(cost)


def _over_groups(cost, groups: Groups):
    """A sum over each group at each of its members, elsewhere the values."""
    flat = ops.reshape(cost, (-1, len(groups.place)))
    each = ops.where(groups.valid, ops.take(flat, groups.index, axis=-1), 0.0)
    total = ops.sum(each, axis=-1)  # (S, G)
    number = ops.take(total, groups.number.clip(0), axis=-1)
    return ops.reshape(ops.where(groups.member, number, flat), ops.shape(cost))
