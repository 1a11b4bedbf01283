"""One-hot groups: several columns of which one is 1 and the others are 0."""

from typing import Any, NamedTuple

import numpy as np


class Groups(NamedTuple):
    """Groups as arrays with which tensors are gathered, for flat inputs of `D` features.

    Args:
        index: the members of each group, `(G, M)`, filled up with 0.
        valid: which entries of `index` are members, `(G, M)` bool.
        place: where in the flattened `index` each feature is, `(D,)`; 0 for one in no group.
        member: which features are in a group, `(D,)` bool.
        number: the group of each feature, `(D,)` int32, -1 for none.
    """

    index: np.ndarray
    valid: np.ndarray
    place: np.ndarray
    member: np.ndarray
    number: np.ndarray

    @classmethod
    def of(cls, groups: Any, features: int) -> "Groups":
        """The arrays of groups, each a sequence of flat indices."""
        most = max(map(len, groups))
        index = np.zeros((len(groups), most), "int32")
        valid = np.zeros((len(groups), most), bool)
        place, number = np.zeros(features, "int32"), np.full(features, -1, "int32")
        for row, members in enumerate(groups):
            index[row, : len(members)] = members
            valid[row, : len(members)] = True
            place[list(members)] = row * most + np.arange(len(members))
            number[list(members)] = row
        return cls(index, valid, place, number >= 0, number)


def counted_once(changed: np.ndarray, groups: Any) -> np.ndarray:
    """How many changes each sample has, `(N,)`, where a change within a group is one.

    Args:
        changed: which inputs changed, `(N, ...)` bool.
        groups: sequences of flat indices.
    """
    flat = changed.reshape(len(changed), int(np.prod(changed.shape[1:])))
    total = flat.sum(axis=1)
    for members in groups:
        inside = flat[:, list(members)]
        total = total - inside.sum(axis=1) + inside.any(axis=1)
    return total
