"""`explain`: which inputs a decision rests on."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _component, aims, axes, indicators, models
from isi_keras.models import compiling, provenance, sourced
from isi_keras.models.batches import in_batches, taken
from isi_keras.models.inputs import as_classes, as_inputs, names_of
from isi_keras.results import Explanation
from isi_keras.results.tokens import as_words
from isi_keras.rows import rows_like
from isi_keras.sources.rows import as_labels

_PREDICTED = -1


def explain(
    model,
    x,
    *,
    y: Any = None,
    target=None,
    against=None,
    indicator: Any = "relevance",
    layers: Sequence[str] = (),
    conservation: bool = False,
    data_format: str | None = None,
    tokens: Any = None,
    batch_size: int | None = None,
    verbose: int = 0,
) -> Explanation:
    """Computes the map of an indicator for each sample.

    Args:
        model: a built Keras model, or what `logits` or `outputs` made of one. It is not altered.
        x: the inputs, `(N, ...)`; for a model with several inputs a list of them, or a dictionary
            by their names. Or a pair of these and their labels, `(x, y)`; of a model with several
            inputs a tuple of arrays is the inputs. Or a source of samples, as `run` takes them: a
            path, a `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch DataLoader, a generator of
            batches, a memory map. It is read batch by batch, and the explanation gathers what they
            give.
        y: the labels, `(N,)` or `(N, ...)`; of a table the name of the column that holds them,
            which is then no input. What is explained does not depend on labels, wherever they come
            from: they are counted only. To explain the true classes pass them as `target`.
        target: the class to explain, one for all samples or `(N,)`; `None` for the predicted one.
        against: a class, one for all samples or `(N,)`, whose logit is subtracted: the map then
            says why the target rather than this one.
        indicator: a name such as `"relevance"`, `"epsilon_plus"` or `"sensitivity"`, an
            `Indicator`, or a `Rule` or `Composite`.
        layers: names of layers whose outputs' relevance is wanted too, nested ones included.
        conservation: whether to report what biases and stabilisation absorbed.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are, which
            the explanation remembers; `None` for what the model's layers say, or Keras' setting if
            they say nothing.
        tokens: the words of a text model's ids, which the explanation keeps: a list of words for
            each sample, an array `(N, T)` of str, a vocabulary (a list of words by their ids), or a
            function from ids to words, of one id or of a list. Shorter lists are filled up with
            `""` where the ids are padding. Of a model with several inputs a dictionary of these by
            name; anything else goes to the only input of integers `(N, T)` that are not all 0 or 1.
        batch_size: how many samples are computed at once; `None` for up to 512 (2,048 on a
            GPU), so many that what the model computes of them takes no more than 2 GiB. Of a source
            it is read 128 at a time then.
        verbose: 1 shows a progress bar.

    Returns:
        An `Explanation`, whose `relevance` has the shape of `x`.

    Raises:
        TypeError: if the model, an array or `tokens` is of the wrong kind.
        ValueError: if shapes, values, classes, `data_format` or the number of `tokens` or labels
            are wrong, a layer has no relevance rule or no layer has a name of `layers`, or if
            `layers` or `conservation` is wanted of another indicator than relevance.

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> isi.explain(model, x[:4]).relevance.shape
        (4, 28, 28, 1)
    """
    source, indicator = models.logits(model), indicators.get(indicator)
    if isinstance(layers, str):
        raise TypeError(f"Expected layers to be a list of names. Received: layers={layers!r}.")
    x, y = sourced.unpaired(source.model, x, y)
    given = sourced.source_of(source.model, x, y)
    if given is not None:
        options = {"indicator": indicator, "layers": layers, "conservation": conservation}
        options |= {"data_format": data_format, "batch_size": batch_size}
        each = {"target": target, "against": against, "tokens": tokens}
        return _through(source, given, each, options, verbose)
    inputs = as_inputs(source.model, x)
    words = as_words(tokens, _by_name(source.model, inputs))
    planned = source.plan(inputs, one_value=True)
    if planned.classes == 1 and against is not None:
        raise ValueError("The model returns one value, so there is no class against another.")
    data_format = planned.data_format if data_format is None else data_format
    axes.check_data_format(data_format)
    rows = len(keras.tree.flatten(inputs)[0])
    sourced.expect_labels(y, rows)
    wanted = _classes("target", target, rows, planned.classes)
    others = _classes("against", against, rows, planned.classes)
    wants = {"layers": tuple(layers), "absorbed": bool(conservation)}
    if any(wants.values()) and not isinstance(indicator, indicators.Relevance):
        raise ValueError(
            "`layers` and `conservation` are about relevance. "
            f"Received them with the indicator {type(indicator).__name__}."
        )
    key = (
        "explain",
        indicator,
        *planned.ending,
        planned.as_values,
        against is None,
        *wants.values(),
    )
    run = compiling.cached(
        planned.model,
        (*key, str(keras.tree.map_structure(lambda a: (a.dtype, a.shape[1:]), inputs))),
        lambda: _compile(planned, indicator, inputs, against is None, wants),
    )
    found = in_batches(
        lambda chosen: run(*taken(chosen, inputs, wanted, others)),
        rows,
        planned.batch_size(batch_size, rows),
        verbose=verbose,
    )
    others = None if against is None else others
    explanation = _explanation(planned.model, indicator, inputs, wanted, others, found, layers)
    told = provenance.of(planned.model)
    return dataclasses.replace(explanation, data_format=data_format, tokens=words, provenance=told)


def _through(
    source: models.Classifier,
    given: Any,
    each: Mapping[str, Any],
    options: Mapping[str, Any],
    verbose: int,
) -> Explanation:
    """The maps of a source, batch by batch; the last one is filled up, as `in_batches` does."""
    size = sourced.batch(options["batch_size"])
    shared, several = {"tokens": each["tokens"]}, {}
    for name in ("target", "against"):
        value = as_labels(each[name])
        (several if value is not None and value.ndim else shared)[name] = value
    _expect_shared(shared["tokens"])

    def call(x, y, span):
        rows = np.resize(np.arange(len(span)), size if span.begin else len(span))
        own = {name: value[span.begin + rows] for name, value in several.items()}
        whole = keras.tree.map_structure(lambda part: part[rows], x)
        return explain(source, whole, **shared, **own, **options)[: len(span)]

    return sourced.gathered(call, given, size, verbose, several)


def _expect_shared(tokens: Any) -> None:
    """Raises unless the words are given for all samples of a source alike."""
    for words in tokens.values() if isinstance(tokens, Mapping) else [tokens]:
        if words is not None and not callable(words) and not all(isinstance(w, str) for w in words):
            raise ValueError(
                "With a source of samples tokens are a vocabulary, a list of words by their ids, "
                "or a function from ids to words. Received: words for each sample."
            )


def _classes(name: str, classes, rows: int, count: int) -> np.ndarray:
    if classes is None:
        return np.full(rows, _PREDICTED, "int32")
    return as_classes(name, classes, rows, count)


def _compile(planned, indicator, sample, alone: bool, wants) -> compiling.Compiled:
    prepared, predicts = indicator.prepare(planned, sample, **wants), planned.graphs.predicted

    def run(model, x, wanted, others):
        point = indicators.at(prepared, model, x)
        logits, pulled = point.logits, {}
        predicted = predicts(x, logits)
        classes = ops.where(wanted == _PREDICTED, predicted, wanted)
        goal = aims.Reaching(classes) if alone else aims.Contrast(classes, others=others)

        def pullback(cotangent):
            pulled.update(point.pullback(cotangent))
            return pulled

        significance = indicator.significance(point._replace(pullback=pullback), goal, 0.0)
        return {
            "relevance": significance.relevance,
            "logits": logits,
            "predicted": predicted,
            "explained": _weighted(goal.seed(logits), logits),
            "layers": pulled.get("layers", {}),
            "absorbed": pulled.get("absorbed", {}),
        }

    return compiling.compiled(run, planned.model, planned.graphs.any_rows)


def _weighted(seed, logits):
    """Their sum by the seed, in which a class that is masked by minus infinity has no part."""
    return ops.sum(ops.where(seed == 0, 0.0, seed * logits), axis=-1)


def _explanation(model, indicator, inputs, wanted, others, found, layers) -> Explanation:
    logits = found["logits"]
    relevance, of_layers = _numbered((found["relevance"], found["layers"]), logits)
    if isinstance(inputs, list):
        relevance = dict(zip(names_of(model, inputs), relevance, strict=True))
    prediction, x = found["predicted"], _by_name(model, inputs)
    if isinstance(x, Mapping):  # in the order of the model: JAX returns dictionaries sorted
        relevance = {name: relevance[name] for name in x}
    _warn_of_infinite(relevance, logits)
    return Explanation(
        x=x,
        relevance=relevance,
        logits=logits,
        prediction=prediction,
        target=np.where(wanted == _PREDICTED, prediction, wanted),
        config=_component.serialize(indicator),
        against=others,
        layers=_in_order(of_layers, list(layers)) or None,
        conservation=_conservation(relevance, found) if found["absorbed"] else None,
    )


def _numbered(maps: Any, logits: np.ndarray) -> Any:
    """Maps of no number where the model returns none, with a warning."""
    lost = np.asarray(np.isnan(logits).any(axis=1))
    if not lost.any():
        return maps
    warnings.warn(
        f"The model returns NaN for {lost.sum()} of {len(lost)} samples (the first is sample "
        f"{np.argmax(lost)}), so that they have no class, and their maps are NaN. It may divide by "
        "what is 0 for them, as a mean does of which a mask leaves nothing.",
        stacklevel=4,
    )
    return keras.tree.map_structure(lambda m: np.where(rows_like(lost, m), np.nan, m), maps)


def _warn_of_infinite(relevance: Any, logits: np.ndarray) -> None:
    """Warns of maps with numbers that are not finite, of logits that are."""
    maps = relevance.values() if isinstance(relevance, Mapping) else [relevance]
    broken = np.isfinite(logits).all(axis=1)
    broken &= ~np.all([np.isfinite(m.reshape(len(m), -1)).all(axis=1) for m in maps], axis=0)
    if broken.any():
        warnings.warn(
            f"The maps of {broken.sum()} of {len(broken)} samples (the first is sample "
            f"{np.argmax(broken)}) are not finite, though the logits are: some derivative is "
            "infinite, as that of a square root at 0, or of what is computed in a branch of "
            "ops.where or ops.cond that is not taken. Compute there with other numbers, e.g. "
            "ops.sqrt(ops.maximum(x, 1e-12)).",
            stacklevel=3,
        )


def _by_name(model, inputs) -> Any:
    if not isinstance(inputs, list):
        return inputs
    return dict(zip(names_of(model, inputs), inputs, strict=True))


def _in_order(maps, names) -> dict[str, np.ndarray]:
    """The maps of layers in the order of their names, a second call of a layer after the first."""
    keys = sorted(maps, key=lambda key: (names.index(key.partition("/")[0]), len(key), key))
    return {key: maps[key] for key in keys}


def _conservation(relevance, found) -> dict[str, np.ndarray]:
    maps = relevance.values() if isinstance(relevance, Mapping) else [relevance]
    sums = sum(each.reshape(len(each), -1).sum(1, dtype="float64") for each in maps)
    where = {
        "inputs": sums,
        **{name: part.astype("float64") for name, part in found["absorbed"].items()},
    }
    explained = found["explained"].astype("float64")
    return {"explained": explained, **where, "elsewhere": explained - sum(where.values())}
