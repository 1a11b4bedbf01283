"""`adversarial_distance`: how far each class is, by its saliency map."""

from typing import Any

import numpy as np
from keras import ops

from isi_keras import backend, goals, indicators, models
from isi_keras.models import compiling
from isi_keras.models.batches import in_batches
from isi_keras.models.inputs import as_classes, as_input
from isi_keras.norms import pair_search


def adversarial_distance(
    model,
    x,
    *,
    target=None,
    pairs: bool = True,
    indicator: Any = "jacobian_saliency",
    batch_size: int = 128,
    verbose: int = 0,
) -> np.ndarray:
    r"""How far each class is from each sample, by the saliency map of the first step.

    $$A(X, t) = 1 - \frac{1}{M} \sum_{i=1}^{M} \mathbf{1}\left[S(X, t)_i > 0\right]$$

    over the $M$ inputs, or over all pairs of inputs, of which both sums of derivatives are to be
    positive. Near 0, most inputs help; at 1, none does.

    Args:
        model: a built Keras model, or what `logits` made of one. It is not altered.
        x: the inputs, `(N, ...)`.
        target: a class for all samples or `(N,)`; `None` for all `K` classes.
        pairs: whether pairs are counted, as in the paper's figure 15, or single inputs. Pairs take
            time in proportion to the square of the number of inputs.
        indicator: a `JacobianSaliency` that is not maximal.
        batch_size: how many samples are computed at once.
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
            f"JacobianSaliency that is not maximal. Received: {indicator!r}."
        )
    x = as_input(source.model, x)
    planned = source.plan(x)
    targets = np.tile(np.arange(planned.classes, dtype="int32"), (len(x), 1))  # (N, K)
    if target is not None:
        targets = as_classes("target", target, len(x), planned.classes)[:, None]
    run = compiling.cached(
        planned.model,
        ("distance", indicator, bool(pairs), *planned.ending),
        lambda: _compile(planned, indicator, x, pairs),
    )

    def distances(chosen):
        batch, aims = backend.tensor(x[chosen]), targets[chosen].T
        found = [ops.convert_to_numpy(run(batch, backend.tensor(aim))) for aim in aims]
        return np.stack(found, axis=1)  # (B, K)

    found = in_batches(distances, len(x), batch_size, verbose=verbose)
    return found if target is None else found[:, 0]


def _compile(planned, indicator, sample, of_pairs: bool) -> compiling.Compiled:
    prepared = indicator.prepare(planned, sample)

    def run(model, x, classes):
        point = indicators.at(prepared, model, x)
        factors = indicator.significance(point, goals.Targeted(classes), 0.0).factors
        u, v = (ops.reshape(factor, (x.shape[0], -1)) for factor in factors[:2])
        if of_pairs:
            return 1 - pair_search.share_admissible(u, v)
        return 1 - ops.mean(ops.cast(ops.logical_and(u > 0, v > 0), "float32"), axis=1)

    return compiling.compiled(run, planned.model)
