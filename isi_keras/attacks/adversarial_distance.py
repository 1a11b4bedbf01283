"""`adversarial_distance`: how far each class is, by its saliency map."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _checks, aims, backend, indicators, models, norms
from isi_keras.domain import as_bounds, as_domain
from isi_keras.goals.ends import expect_comparable
from isi_keras.models import compiling
from isi_keras.models.batches import in_batches, taken
from isi_keras.models.beside import beside
from isi_keras.models.inputs import as_classes
from isi_keras.models.parts import parted
from isi_keras.norms import offers, pair_search
from isi_keras.rows import flat


def adversarial_distance(
    model,
    x,
    *,
    target=None,
    pairs: bool = True,
    indicator: Any = "jacobian_saliency",
    batch_size: int | None = None,
    bounds: Any = None,
    verbose: int = 0,
) -> np.ndarray:
    r"""How far each class is from each sample, by the saliency map of the first step.

    $$A(X, t) = 1 - \frac{1}{M} \sum_{i=1}^{M} \mathbf{1}\left[S(X, t)_i > 0\right]$$

    over the $M$ inputs, or over all pairs of inputs, of which both sums of derivatives are to be
    positive. Near 0, most inputs help; at 1, none does.

    Args:
        model: a built Keras model, or what `logits` made of one. It is not altered.
        x: the inputs, `(N, ...)`; of a model with several inputs as an attack takes them.
        target: a class for all samples or `(N,)`; `None` for all `K` classes.
        pairs: whether pairs are counted, as in the paper's figure 15, or single inputs. Pairs take
            time in proportion to the square of the number of inputs.
        indicator: a `JacobianSaliency` that is not maximal.
        batch_size: how many samples are computed at once; `None` for up to 512, so many that what
            the model computes of them takes no more than 2 GiB.
        bounds: a `Domain`, of which the inputs count (pairs of them) that may move as the indicator
            wants; or a pair of bounds. `None` counts all inputs, as published.
        verbose: 1 shows a progress bar.

    Returns:
        The distances, from 0 to 1, `(N, K)`, or `(N,)` for a given target.

    Raises:
        TypeError: if the model or an array is of the wrong kind.
        ValueError: if shapes, values or classes are wrong, or the indicator is another one.

    Source: Papernot et al. 2016, equation 13.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> isi.adversarial_distance(model, x[:2], pairs=False).shape
        (2, 10)
    """
    source = models.logits(model)
    indicator = indicators.get(indicator)
    if not isinstance(indicator, indicators.JacobianSaliency) or indicator.maximal:
        raise ValueError(
            "The adversarial distance is that of a saliency map towards a class. Pass a "
            f"JacobianSaliency that is not maximal. Received: {_checks.shown(indicator)}."
        )
    parts = parted(source.model, x, source.moved)
    given, dtype = parts.x, parts.dtype
    domain = None if bounds is None else as_domain(as_bounds(bounds)).of_dtype(dtype)
    held, room = None, ()
    if domain is not None:
        fitted = domain.fit(given.shape)
        given = fitted.checked(given, dtype)
        if not domain.plain:
            held = domain.structure
            room = fitted.room(given)
    x, moving = given, parts.moving
    planned = source.plan(x if moving is None else moving.joined(x, parts.held))
    expect_comparable(planned)
    planned = dataclasses.replace(planned, moving=moving)
    aside = () if moving is None else {"held": parts.held}
    targets = np.tile(np.arange(planned.classes, dtype="int32"), (len(x), 1))  # (N, K)
    if target is not None:
        targets = as_classes("target", target, len(x), planned.classes)[:, None]
    groups = None if held is None or domain is None else domain.fit(x.shape).arrays()
    run = compiling.cached(
        planned.model,
        ("distance", indicator, bool(pairs), *planned.ending, held, _shapes(aside)),
        lambda: _compile(planned, indicator, x, pairs, groups),
    )

    def distances(chosen):
        batch, wanted = backend.tensor(x[chosen]), targets[chosen].T
        (others,) = taken(chosen, aside)
        rows = keras.tree.map_structure(
            lambda part: backend.tensor(part[chosen] if len(part) > 1 else part), room
        )
        found = [
            ops.convert_to_numpy(run(batch, rows, backend.tensor(aim), others)) for aim in wanted
        ]
        return np.stack(found, axis=1)  # (B, K)

    found = in_batches(distances, len(x), planned.batch_size(batch_size, len(x)), verbose=verbose)
    return found if target is None else found[:, 0]


def _shapes(aside) -> str:
    return str(keras.tree.map_structure(lambda part: part.shape[1:], aside))


def _compile(planned, indicator, sample, of_pairs: bool, groups) -> compiling.Compiled:
    prepared = indicator.prepare(planned, sample)
    way = 1.0 if indicator.increase else -1.0

    def run(model, x, room, classes, others):
        with beside(others):
            point = indicators.at(prepared, model, x)
            u, v = indicator.significance(point, aims.Reaching(classes), 0.0).factors[:2]
        free = None
        if room:
            step = _step(x, room, groups)
            to_bound = ops.zeros_like(x) + way
            free = step.offer(to_bound, to_bound, step.to_bound(to_bound), every=True).free
            if groups is not None:
                u, v = (offers.gained(factor, (way,), step) for factor in (u, v))
        u, v = map(flat, (u, v))
        free = None if free is None else flat(free)
        numbers = None if groups is None else groups.number
        return 1 - _share(u, v, free, numbers, of_pairs)

    return compiling.compiled(run, planned.model, planned.graphs.any_rows)


def _share(u, v, free, numbers, of_pairs: bool):
    """The share of inputs, or of pairs, whose saliency is above 0, `(B,)`."""
    if of_pairs:
        return pair_search.share_admissible(u, v, free, numbers)
    found = (u > 0) & (v > 0)
    if free is None:
        return ops.mean(ops.cast(found, "float32"), axis=1)
    found = ops.sum(ops.cast(found & free, "float32"), axis=1)
    return found / ops.maximum(ops.sum(ops.cast(free, "float32"), axis=1), 1.0)


def _step(x, room, groups) -> norms.Step:
    """The first step of an attack in a domain, to ask what is free."""
    none = ops.zeros_like(x, dtype="int32")
    rows = ops.ones_like(flat(x)[:, 0], dtype="int32")
    return norms.Step(
        x, x, none, rows, rows > 0, (room.low, room.high),
        constraints=norms.Constraints(room.floor, room.ceiling, room.grid, groups),
    )  # fmt: skip
