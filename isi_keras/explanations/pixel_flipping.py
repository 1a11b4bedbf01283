"""`pixel_flipping`: does the score fall where a map says that it rests?"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import backend, models
from isi_keras.models import compiling
from isi_keras.models.inputs import as_batch_size, as_inputs
from isi_keras.results import Explanation, FlippingResult

ORDERS = ("most", "least", "random")
DATA_FORMATS = ("channels_last", "channels_first")


def pixel_flipping(
    model,
    explanation: Explanation,
    *,
    patch: int | None = 1,
    order: str = "most",
    baseline: Any = 0.0,
    steps: Any = 50,
    seed: int = 0,
    data_format: str = "channels_last",
    batch_size: int = 128,
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
        patch: the side in pixels of the squares (cubes, intervals) that are flipped as one, all
            channels together; at the far edges they are cut. `None` flips each channel of each
            pixel on its own, as features of a table always are.
        order: `"most"` relevant first (MoRF), `"least"` relevant first (LeRF), or `"random"`.
        baseline: what a flipped input becomes, in the units of `x`: a number, or an array that
            broadcasts to `explanation.x`, such as the mean image, blurred images, uniform noise
            within the bounds, or `-explanation.x`.
        steps: how many steps of equal size lead to everything flipped, no more than there are
            patches; or how many patches are flipped after each step, ascending, as in
            `range(1, 101)` for one hundred regions.
        seed: of the random order, a non-negative integer. Sample `i` has the same order whatever
            the batch size and backend.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are. Inputs
            of one axis have no channels.
        batch_size: how many samples are computed at once.
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
    planned, x = _checked(models.logits(model), explanation, order, data_format)
    _not_negative("seed", seed)
    baseline, fill = _as_baseline(baseline, x)
    groups = _groups(x.shape[1:], patch, data_format)
    patches = int(groups.max()) + 1
    counts = _counts(steps, patches)
    size = min(as_batch_size(batch_size), len(x))
    run = compiling.cached(
        planned.model, ("flipping", planned.from_logits), lambda: _compile(planned)
    )
    logit, probability = np.empty((2, len(x), len(counts)), "float32")
    target = explanation.target.astype("int32")
    bar = keras.utils.Progbar(len(x), verbose=verbose, unit_name="sample")
    for begin in range(0, len(x), size):
        rows = np.arange(begin, min(begin + size, len(x)))
        padded = np.resize(rows, size)  # repeats rows, so that every batch has one shape
        if order == "random":
            place = _by_chance(padded, patches, seed)
        else:
            place = _by_relevance(explanation.relevance[padded], groups, most=order == "most")
        batch = [backend.tensor(part[padded]) for part in (x, baseline, target)]
        batch.append(backend.tensor(place[:, groups]))
        found = [run(*batch, backend.tensor(count)) for count in counts]
        for whole, parts in zip((logit, probability), zip(*found, strict=True), strict=True):
            columns = [ops.convert_to_numpy(part)[: len(rows)] for part in parts]
            whole[rows] = np.stack(columns, axis=1)
        if verbose:
            bar.update(rows[-1] + 1)
    return FlippingResult(
        flipped=counts / patches,
        logit=logit,
        probability=probability,
        target=explanation.target,
        config={
            "class_name": "pixel_flipping",
            "config": {
                "patch": None if x.ndim == 2 else patch,
                "order": order,
                "baseline": fill,
                "seed": int(seed),
                "data_format": data_format,
                "indicator": dict(explanation.config),
            },
        },
    )


def _compile(planned) -> compiling.Compiled:
    forward = planned.forward()
    activation = {"sigmoid": ops.sigmoid, "softmax": ops.softmax}[planned.activation]

    def run(model, x, baseline, target, place, count):
        logits = forward(model, ops.where(place < count, baseline, x))  # (N, K)
        scores = logits, activation(logits)
        return [ops.take_along_axis(score, target[:, None], axis=1)[:, 0] for score in scores]

    return compiling.compiled(run, planned.model)


def _groups(shape: tuple, patch: int | None, data_format: str) -> np.ndarray:
    """The number of the patch that each input belongs to; broadcasts to a sample."""
    if patch is not None:
        _positive("patch", patch)
    if len(shape) == 1 and patch not in (None, 1):
        raise ValueError(
            f"A table, x of shape (N, {shape[0]}), has no patches of pixels. Received: "
            f"patch={patch}. Leave patch out, or restore the shape of the images."
        )
    if patch is None or len(shape) == 1:
        return np.arange(np.prod(shape)).reshape(shape)
    sides = shape[:-1] if data_format == "channels_last" else shape[1:]
    if patch > max(sides):
        raise ValueError(
            f"The patch is larger than the image of {' x '.join(map(str, sides))} pixels (with "
            f"data_format={data_format!r}). Received: patch={patch}. Pass at most {max(sides)}."
        )
    cells = [np.arange(side) // patch for side in sides]
    numbers = np.ravel_multi_index(
        np.meshgrid(*cells, indexing="ij"), [int(cell[-1]) + 1 for cell in cells]
    )
    return np.expand_dims(numbers, -1 if data_format == "channels_last" else 0)


def _by_relevance(relevance: np.ndarray, groups: np.ndarray, most: bool) -> np.ndarray:
    """The place of each patch in the order of each sample, from 0; int32 `(N, patches)`."""
    patches, samples = int(groups.max()) + 1, len(relevance)
    owner = np.broadcast_to(groups, relevance.shape[1:]).ravel()  # (D,)
    index = (np.arange(samples)[:, None] * patches + owner).ravel()
    weights = relevance.astype("float64").ravel()
    total = np.bincount(index, weights, samples * patches).reshape(samples, patches)
    ranked = np.argsort(-total if most else total, axis=1, kind="stable")
    place = np.empty(ranked.shape, "int32")
    np.put_along_axis(place, ranked, np.arange(patches, dtype="int32")[None], axis=1)
    return place


def _by_chance(rows: np.ndarray, patches: int, seed: int) -> np.ndarray:
    """The same for a random order, which depends on the seed and the number of the sample alone."""
    orders = [np.random.default_rng((seed, row)).permutation(patches) for row in rows]
    return np.stack(orders).astype("int32")


def _counts(steps: Any, patches: int) -> np.ndarray:
    """How many patches are flipped, beginning with none; int32 `(T + 1,)`."""
    if isinstance(steps, int | np.integer):
        _positive("steps", steps)
        steps = min(int(steps), patches)
        return (np.arange(steps + 1) * patches // steps).astype("int32")
    counts = np.asarray(list(steps) if isinstance(steps, range) else steps)
    if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu":
        raise TypeError(
            "Expected steps to be an integer, or how many patches are flipped after each step. "
            f"Received: steps={steps!r}. Try steps=50, or steps=range(1, 101)."
        )
    counts = counts if counts[0] == 0 else np.concatenate([[0], counts])
    if counts.size < 2 or (np.diff(counts) < 1).any() or counts[-1] > patches:
        raise ValueError(
            f"Expected steps to ascend from 1 to at most {patches}, the number of patches. "
            f"Received: {counts.size} entries up to {counts.max()}, beginning with "
            f"{counts[:5].tolist()}."
        )
    return counts.astype("int32")


def _as_baseline(baseline: Any, x: np.ndarray) -> tuple[np.ndarray, Any]:
    """The baseline with the shape and type of `x`, and what to write of it in the result."""
    array = np.asarray(baseline)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            "Expected baseline to be a number or an array of numbers that broadcasts to x. "
            f"Received: baseline={baseline!r}."
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


def _checked(source, explanation: Any, order: str, data_format: str) -> tuple[Any, np.ndarray]:
    """The model and its inputs, if the explanation can be of this model and all else is right."""
    if not isinstance(explanation, Explanation):
        raise TypeError(
            f"Expected an Explanation. Received: {type(explanation).__name__}. Pass what explain "
            "returned for this model, or Explanation.load(path)."
        )
    for name, value, known in (
        ("order", order, ORDERS),
        ("data_format", data_format, DATA_FORMATS),
    ):
        if value not in known:
            raise ValueError(
                f"Expected {name} to be one of {', '.join(map(repr, known))}. "
                f"Received: {name}={value!r}."
            )
    if isinstance(explanation.x, Mapping):
        raise TypeError(
            "Expected the explanation of a model with one input. Received: one of "
            f"{len(explanation.x)} inputs. Their pixels have no common order; build a model of one "
            "input by fixing the others."
        )
    x = as_inputs(source.model, explanation.x)
    planned = source.plan(x)
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


def _positive(name: str, value: Any) -> None:
    _integer(name, value, 1)


def _not_negative(name: str, value: Any) -> None:
    _integer(name, value, 0)


def _integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"Expected {name} to be an integer. Received: {name}={value!r}.")
    if value < least:
        raise ValueError(f"Expected {name} to be at least {least}. Received: {name}={value}.")
