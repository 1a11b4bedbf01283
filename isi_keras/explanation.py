"""`explain`: which inputs a decision rests on."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import backend, compiling, goals, indicators, models, slots
from isi_keras.inputs import as_batch_size, as_classes, as_inputs
from isi_keras.results import Explanation

_PREDICTED = -1


def explain(
    model, x, *, target=None, indicator: Any = "relevance", batch_size: int = 32, verbose: int = 0
) -> Explanation:
    """Computes the map of an indicator for each sample.

    Args:
        model: a built Keras model, or what `logits` made of one. It is not altered.
        x: the inputs, `(N, ...)`.
        target: the class to explain, one for all samples or `(N,)`; `None` for the predicted one.
        indicator: `"relevance"`, `"sensitivity"` or an `Indicator`.
        batch_size: how many samples are computed at once.
        verbose: 1 shows a progress bar.

    Returns:
        An `Explanation`, whose `relevance` has the shape of `x`.

    Raises:
        TypeError: if the model or an array is of the wrong kind.
        ValueError: if shapes, values or classes are wrong, or a layer has no relevance rule.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> isi.explain(model, x[:4]).relevance.shape
        (4, 28, 28, 1)
    """
    source = models.logits(model)
    model, indicator = source.model, indicators.get(indicator)
    inputs = as_inputs(model, x)
    size = min(as_batch_size(batch_size), len(inputs))
    count = source.plan(inputs).classes
    wanted = (
        np.full(len(inputs), _PREDICTED, "int32")
        if target is None
        else as_classes("target", target, len(inputs), count)
    )
    run = compiling.cached(
        model,
        ("explain", indicator, source.from_logits),
        lambda: _compile(source, indicator, inputs),
    )
    relevance, scores = np.empty_like(inputs), np.empty((len(inputs), count), "float32")
    bar = keras.utils.Progbar(len(inputs), verbose=verbose, unit_name="sample")
    for begin in range(0, len(inputs), size):
        rows = np.arange(begin, min(begin + size, len(inputs)))
        padded = np.resize(rows, size)  # repeats rows, so that every batch has one shape
        found = run(slots.tensor(inputs[padded]), slots.tensor(wanted[padded]))
        for whole, part in zip((relevance, scores), found, strict=True):
            whole[rows] = ops.convert_to_numpy(part)[: len(rows)]
        if verbose:
            bar.update(rows[-1] + 1)
    prediction = scores.argmax(-1).astype("int32")
    return Explanation(
        x=inputs,
        relevance=relevance,
        logits=scores,
        prediction=prediction,
        target=np.where(wanted == _PREDICTED, prediction, wanted),
        config={"class_name": type(indicator).__name__, "config": indicator.get_config()},
    )


def _compile(source, indicator, sample) -> compiling.Compiled:
    forward = indicators.forward(source, indicator, sample)

    def run(model, x, wanted):
        logits, pullback = backend.vjp(lambda inputs: forward(model, inputs), x)
        predicted = ops.cast(ops.argmax(logits, axis=-1), "int32")
        goal = goals.Targeted(ops.where(wanted == _PREDICTED, predicted, wanted))
        return indicator.significance(x, logits, pullback, goal, 0.0).relevance, logits

    return compiling.compiled(run, source.model)
