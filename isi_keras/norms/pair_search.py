r"""The search for the pair of features with the greatest saliency, without a table of all pairs.

Wanted is the greatest $(u_p + u_q)(v_p + v_q)$ over pairs $p \ne q$ of which both factors are
positive. For any $\lambda > 0$ and two positive factors

$$(u_p + u_q)(v_p + v_q) \le \left(\frac{s_p + s_q}{2}\right)^2, \qquad
s_i = \lambda u_i + v_i / \lambda,$$

with equality where $\lambda^2$ is the quotient of the two factors. The least of these bounds over a
few $\lambda$, with the greatest $s_q$ in place of the partner's, says what a feature can contribute
at best. The features of the greatest bounds are searched by brute force. If no bound of the others
is above the best pair found, that is the answer; otherwise these too are paired with all features,
one after another, until none is left.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

CANDIDATES = 32
_SLOPES = tuple(np.exp(np.linspace(-2, 2, 9)).tolist())
_NEVER = -1e9
_LEAST = 2.0**-126  # what is below is 0 to some backends
_POWERS = np.ldexp(1.0, np.arange(-126, 127)).astype("float32")
# Two bounds closer than this differ by rounding.
_ROUNDING = 1 + 2.0**-20
# By how much more than itself a factor counts in a bound: where its terms cancel, rounding is all.
_MARGIN = 2.0**-22


class Found(NamedTuple):
    """The best features of each sample; everything is of shape `(N,)`.

    Args:
        first: a feature, of a pair that of the lower index.
        second: the other of the pair, or the same as `first` where single features were searched.
        value: the logarithm to base 2 of the product, to compare searches.
        admissible: whether there are such features; the rest says nothing where there are none.
    """

    first: Any
    second: Any
    value: Any
    admissible: Any


def best_single(u, v, free) -> Found:
    """The free feature with the greatest product `u * v`, both being positive.

    Args:
        u: one factor of each feature, `(N, D)`, finite.
        v: the other, likewise.
        free: which features may be taken, `(N, D)` bool.

    Returns:
        A `Found`. Of equal products the lowest index is taken.
    """
    (u, u_scale), (v, v_scale) = (_scaled(factor, free) for factor in (u, v))
    score = _product(u, v)
    first = ops.cast(ops.argmax(score, axis=1, keepdims=True), "int32")
    return _found(first, first, _at(score, first), u_scale + v_scale)


def best_pair(u, v, free, candidates: int = CANDIDATES, apart: tuple = ()) -> Found:
    """The pair of free features with the greatest product of sums, both sums being positive.

    The answer is exact up to rounding: no pair scores more by over a millionth of the value.

    Args:
        u: one factor of each feature, `(N, D)`, finite.
        v: the other, likewise.
        free: which features may be taken, `(N, D)` bool.
        candidates: how many features are searched by brute force at first.
        apart: arrays `(N, D)` or `(1, D)` of int32: no pair is of two features with the same
            number in one of them, -1 aside.

    Returns:
        A `Found`. Of pairs with equal products the first in the order of indices is taken, as long
        as there are not more features in such pairs than candidates.
    """
    if u.shape[1] < 2:
        return best_single(u, v, ops.zeros_like(free))
    (u, u_scale), (v, v_scale) = (_scaled(factor, free) for factor in (u, v))
    most_u, most_v = (factor + _MARGIN * ops.abs(factor) for factor in (u, v))
    count = min(candidates, u.shape[1])
    bounds = _bounds(most_u, most_v)
    among = ops.sort(ops.cast(ops.top_k(bounds, count, sorted=False)[1], "int32"), axis=1)
    apart = tuple(ops.broadcast_to(part, ops.shape(u)) for part in apart)
    found = _brute_force(u, v, among, apart)
    if count < u.shape[1]:
        left = _without(ops.minimum(bounds, _bound(most_u, most_v, _slope(u, v, found))), among)
        found = ops.cond(
            ops.any(_promising(left, found)),
            lambda: _search(u, v, left, found, apart),
            lambda: found,
        )
    first, second, score = found
    return _found(first, second, score, u_scale + v_scale)


def _found(first, second, score, scale) -> Found:
    value = ops.log2(ops.maximum(score, _LEAST)) + scale
    return Found(first[:, 0], second[:, 0], value[:, 0], score[:, 0] >= 0)


def _scaled(factor, free):
    """A factor times a power of 2 that brings its greatest value near 1, and minus its exponent.

    Features that are not free are so far below zero that no pair with one is admissible.
    """
    greatest = ops.max(ops.where(free, factor, -np.inf), axis=1, keepdims=True)
    usable = (greatest > 0) & ops.isfinite(greatest)
    exponent = ops.floor(ops.log2(ops.where(usable, greatest, 1.0)))
    exponent = ops.cast(ops.clip(exponent, -126, 126), "int32")
    power = ops.take(ops.convert_to_tensor(_POWERS), 126 - exponent)
    scaled = ops.maximum(factor * power, _NEVER)  # what is lower is not admissible either
    return ops.where(free, scaled, _NEVER), ops.cast(exponent, "float32")


def _product(u, v):
    """The product of two positive factors, -1 where they are not both positive."""
    return ops.where((u > 0) & (v > 0), u * v, -1.0)


def _bounds(u, v):
    """What a pair of each feature scores at most, `(N, D)`; -1 where there is no such pair."""
    bounds = None
    for slope in _SLOPES:
        bound = _bound(u, v, slope)
        bounds = bound if bounds is None else ops.minimum(bounds, bound)
    feasible = (u + ops.max(u, axis=1, keepdims=True) > 0) & (
        v + ops.max(v, axis=1, keepdims=True) > 0
    )
    return ops.where(feasible, bounds, -1.0)


def _bound(u, v, slope):
    s = slope * u + v / slope
    return ops.square(ops.maximum(s + ops.max(s, axis=1, keepdims=True), 0.0) / 2)


def _slope(u, v, found):
    """The slope at which the bound of a pair is its score, `(N, 1)`."""
    first, second, _ = found
    sums = [_at(factor, first) + _at(factor, second) for factor in (u, v)]
    return ops.sqrt(ops.clip(sums[1] / ops.maximum(sums[0], 1e-12), 1e-12, 1e12))


def _brute_force(u, v, among, apart=()):
    """The best pair among a few features `(N, C)` and its score, each `(N, 1)`."""
    few = [ops.take_along_axis(factor, among, axis=1) for factor in (u, v)]
    sums = [factor[:, :, None] + factor[:, None, :] for factor in few]  # (N, C, C)
    count = among.shape[1]
    score = ops.where(np.triu(np.ones((count, count), bool), 1), _product(*sums), -1.0)
    for part in apart:
        few = ops.take_along_axis(part, among, axis=1)
        same = (few[:, :, None] == few[:, None, :]) & (few[:, :, None] >= 0)
        score = ops.where(same, -1.0, score)
    score = ops.reshape(score, (-1, count * count))
    best = ops.cast(ops.argmax(score, axis=1, keepdims=True), "int32")
    first, second = (_at(among, place) for place in (best // count, best % count))
    return first, second, _at(score, best)


def _without(bounds, among):
    """The bounds with -1 at some features, `(N, C)`."""
    rows = ops.broadcast_to(
        ops.arange(ops.shape(among)[0], dtype="int32")[:, None], ops.shape(among)
    )
    places = ops.reshape(ops.stack([rows, among], axis=-1), (-1, 2))
    return ops.scatter_update(bounds, places, ops.zeros(ops.shape(places)[:1], bounds.dtype) - 1)


def _promising(left, found):
    """Whether a pair of some feature may be better than the best found, `(N,)`."""
    score = ops.maximum(found[2][:, 0], 0.0)
    return ops.max(left, axis=1) > _ROUNDING * score


def _search(u, v, left, found, apart=()):
    """Pairs the features of the greatest bounds with all others, as long as they are promising."""
    columns = ops.arange(u.shape[1], dtype="int32")[None]

    def step(left, *found):
        place = ops.cast(ops.argmax(left, axis=1, keepdims=True), "int32")
        score = _product(u + _at(u, place), v + _at(v, place))
        here = columns == place
        score = ops.where(here, -1.0, score)
        for part in apart:
            number = _at(part, place)
            same = (part == number) & (number >= 0)
            score = ops.where(same, -1.0, score)
        partner = ops.cast(ops.argmax(score, axis=1, keepdims=True), "int32")
        score = _at(score, partner)
        better = score > found[2]
        first, second = ops.minimum(place, partner), ops.maximum(place, partner)
        return (
            ops.where(here, -1.0, left),
            ops.where(better, first, found[0]),
            ops.where(better, second, found[1]),
            ops.where(better, score, found[2]),
        )

    searched = ops.while_loop(
        lambda left, *found: ops.any(_promising(left, found)), step, (left, *found)
    )
    return tuple(searched[1:])


def _at(tensor, index):
    return ops.take_along_axis(tensor, index, axis=1)


def share_admissible(u, v, free=None, apart=None):
    """The share of ordered pairs of different features of which both sums are positive, `(N,)`.

    Args:
        u: one factor of each feature, `(N, D)`.
        v: the other, likewise.
        free: which features count, `(N, D)` bool; `None` for all.
        apart: the number of the group of each feature, `(D,)`; no pair is of two with the same,
            -1 aside. `None` for no groups.

    Returns:
        The shares; 0 where there is no pair.
    """
    count = u.shape[1]
    if free is not None:
        return _share_of_free(u, v, free, np.full(count, -1) if apart is None else apart)

    def add(index, total):
        sums = [factor + ops.take(factor, [index], axis=1) for factor in (u, v)]
        positive = (sums[0] > 0) & (sums[1] > 0)
        return total + ops.mean(ops.cast(positive, "float32"), axis=1)

    total = ops.fori_loop(0, count, add, ops.zeros_like(u[:, 0]))
    alone = ops.mean(ops.cast((u > 0) & (v > 0), "float32"), axis=1)
    return (total - alone) / max(count - 1, 1)


def _share_of_free(u, v, free, numbers):
    numbers = ops.convert_to_tensor(np.asarray(numbers, "int32"))[None]
    columns = ops.arange(u.shape[1], dtype="int32")[None]

    def add(index, totals):
        sums = [factor + ops.take(factor, [index], axis=1) for factor in (u, v)]
        number = ops.take(numbers, [index], axis=1)
        same = (columns == ops.cast(index, "int32")) | ((numbers == number) & (number >= 0))
        pair = free & ops.take(free, [index], axis=1)
        pair = pair & ~same
        positive = pair & (sums[0] > 0) & (sums[1] > 0)
        return tuple(
            total + ops.sum(ops.cast(part, "float32"), axis=1)
            for total, part in zip(totals, (positive, pair), strict=True)
        )

    none = ops.zeros_like(u[:, 0])
    found, possible = ops.fori_loop(0, u.shape[1], add, (none, none))
    return found / ops.maximum(possible, 1.0)
