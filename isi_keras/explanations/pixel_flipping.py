"""`pixel_flipping`: does the score fall where a map says that it rests?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from isi_keras import _checks, backend, models
from isi_keras.explanations import patches
from isi_keras.goals.ends import expect_comparable
from isi_keras.models import compiling, provenance
from isi_keras.models.batches import in_batches, taken
from isi_keras.models.inputs import as_inputs
from isi_keras.results import Explanation, FlippingResult

ORDERS = ("most", "least", "random")


def pixel_flipping(
    model,
    explanation: Explanation,
    *,
    patch: int | None = 1,
    order: str = "most",
    baseline: Any = 0.0,
    steps: Any = 50,
    seed: int = 0,
    first_index: int = 0,
    data_format: str | None = None,
    batch_size: int | None = None,
    verbose: int = 0,
) -> FlippingResult:
    r"""Flips pixels in the order of their relevance and watches the score of the explained class.

    $$x_k = x_{k-1} \text{ with the next patches of the order set to the baseline}, \qquad
    k = 1 \dots T$$

    The relevance of a patch is the sum over its pixels and channels; of equal patches the first in
    reading order goes first. If a map is right, the score falls fast under `order="most"`, slowly
    under `"least"`, and in between under `"random"`. With `patch=1` this is pixel flipping; with
    larger patches it is region perturbation, whose figure is `FlippingResult.aopc`.

    Args:
        model: the model that was explained, or what `logits` made of one. It is not altered.
        explanation: what `explain` returned for it, by any indicator. The maps are ranked with
            their sign. Of `Sensitivity`, whose sign is a direction, rank the magnitudes:
            `dataclasses.replace(explanation, relevance=abs(explanation.relevance))`. Of a map
            `against` a class too, the scores are those of the target alone.
        patch: the side in pixels of the squares that are flipped as one, all channels together (in
            time steps of intervals of `(N, T, C)`, in voxels of cubes); at the far edges they are
            cut. `None` flips each channel of each pixel on its own, as features of a table always
            are.
        order: `"most"` relevant first (MoRF), `"least"` relevant first (LeRF), or `"random"`.
        baseline: what a flipped input becomes, in the units of `x`: a number, or an array that
            broadcasts to `explanation.x`, such as the mean image, blurred images, uniform noise
            within the bounds, or `-explanation.x`.
        steps: how many steps of equal size lead to everything flipped, no more than there are
            patches; or how many patches are flipped after each step, ascending, as in
            `range(1, 101)` for one hundred regions.
        seed: of the random order, a non-negative integer. Sample `i` has the same order whatever
            the batch size and backend.
        first_index: the number of the first sample, if these are a part of more: then the parts
            have the random orders that the whole has.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are; `None`
            for the explanation's own. Tables `(N, D)` have no channels.
        batch_size: how many samples are computed at once; `None` for up to 512 (2,048 on a
            GPU), so many that what the model computes of them takes no more than 2 GiB.
        verbose: 1 shows a progress bar.

    Returns:
        A `FlippingResult`: the logit and the probability after each step, the area under and over
        the curve.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if the explanation is of another model (its shapes or classes differ) or not
            finite, the baseline does not broadcast, the patch is larger than the image, or another
            value is out of its range.

    Source: Bach et al. 2015, PLoS ONE 10(7) e0130140 (pixel flipping); Samek et al. 2017, arXiv
    1509.06321 (regions, AOPC; there with noise as the baseline).

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> maps = isi.explain(model, x[:32])
        >>> by_relevance = isi.pixel_flipping(model, maps)
        >>> by_chance = isi.pixel_flipping(model, maps, order="random")
        >>> bool(by_relevance.area().mean() < by_chance.area().mean())
        True
    """
    _checks.one_of("order", order, ORDERS)
    seed = _checks.integer("seed", seed, 0)
    first_index = _checks.integer("first_index", first_index, 0)
    planned, x = _checked(models.logits(model), explanation)
    data_format = explanation.data_format if data_format is None else data_format
    baseline, fill = _as_baseline(baseline, x)
    groups = patches.groups(x.shape[1:], patch, data_format)
    number = int(groups.max()) + 1
    counts = patches.counts(steps, number)
    planned.compare(np.where(groups % 2, x, baseline))
    run = compiling.cached(planned.model, ("flipping", *planned.ending), lambda: _compile(planned))
    target = explanation.target.astype("int32")

    def flipped(chosen):
        if order == "random":
            place = patches.by_chance(first_index + chosen, number, seed)
        else:
            relevance = explanation.relevance[chosen]
            place = patches.by_relevance(relevance, groups, most=order == "most")
        batch = [*taken(chosen, x, baseline, target), backend.tensor(place[:, groups])]
        curves = zip(*[run(*batch, backend.tensor(count)) for count in counts], strict=True)
        return [np.stack([ops.convert_to_numpy(s) for s in curve], axis=1) for curve in curves]

    logit, probability = in_batches(
        flipped, len(x), planned.batch_size(batch_size, len(x)), verbose=verbose
    )
    return FlippingResult(
        flipped=counts / number,
        logit=logit,
        probability=probability,
        target=explanation.target,
        config={
            "class_name": "pixel_flipping",
            "config": {
                "patch": None if x.ndim == 2 else patch,
                "order": order,
                "baseline": fill,
                "seed": seed,
                "data_format": data_format,
                "indicator": dict(explanation.config),
            },
        },
        provenance=provenance.of(planned.model),
    )


def _compile(planned) -> compiling.Compiled:
    forward = planned.forward()
    activation = {"sigmoid": ops.sigmoid, "softmax": ops.softmax}[planned.activation]

    def run(model, x, baseline, target, place, count):
        logits = forward(model, ops.where(place < count, baseline, x))  # (N, K)
        scores = logits, activation(logits)
        return [ops.take_along_axis(score, target[:, None], axis=1)[:, 0] for score in scores]

    return compiling.compiled(run, planned.model, planned.graphs.any_rows)


def _as_baseline(baseline: Any, x: np.ndarray) -> tuple[np.ndarray, Any]:
    """The baseline with the shape and type of `x`, and what to write of it in the result."""
    array = np.asarray(baseline)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            "Expected baseline to be a number or an array of numbers that broadcasts to x. "
            f"Received: baseline={_checks.shown(baseline)}."
        )
    try:
        whole = np.broadcast_to(array, x.shape)
    except ValueError:
        raise ValueError(
            f"The baseline has shape {array.shape}, which does not broadcast to the shape "
            f"{x.shape} of x. Pass a number, an array of one sample's shape {x.shape[1:]}, or one "
            "of x's."
        ) from None
    if not np.isfinite(array).all():
        raise ValueError("Expected baseline to be finite. Received: NaN or infinity.")
    if x.dtype.kind in "iu" and not (array == array.astype(x.dtype)).all():
        raise ValueError(
            f"The model takes {x.dtype}. Received: a baseline that is not of that type. Pass "
            "integers within its range."
        )
    return whole.astype(x.dtype), array.item() if array.ndim == 0 else f"shape {array.shape}"


def _checked(source, explanation: Any) -> tuple[models.Planned, np.ndarray]:
    """The model and its inputs, if the explanation can be of this model."""
    if not isinstance(explanation, Explanation):
        raise TypeError(
            f"Expected an Explanation. Received: {type(explanation).__name__}. Pass what explain "
            "returned for this model, or Explanation.load(path)."
        )
    if isinstance(explanation.x, Mapping):
        raise TypeError(
            "Expected the explanation of a model with one input. Received: one of "
            f"{len(explanation.x)} inputs. Their pixels have no common order; build a model of one "
            "input by fixing the others."
        )
    x = as_inputs(source.model, explanation.x)
    planned = source.plan(x)
    expect_comparable(planned)
    if explanation.logits.shape[-1] != planned.classes:
        raise ValueError(
            f"The explanation is of another model. Received: one of {explanation.logits.shape[-1]} "
            f"classes for the model {source.model.name!r} of {planned.classes}. Explain this model."
        )
    if explanation.relevance.shape != x.shape:
        raise ValueError(
            "Expected one relevance for each input. Received: relevance of shape "
            f"{explanation.relevance.shape} for x of shape {x.shape}."
        )
    if not np.isfinite(explanation.relevance).all():
        raise ValueError("The relevance holds NaN or infinity, so it gives no order.")
    return planned, x
