"""`parameter_randomisation`: does a map change when the network it explains is made random?"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from isi_keras import _checks, axes, indicators, measures, models
from isi_keras.explanations.explain import explain
from isi_keras.graph.nodes import Weight
from isi_keras.models import provenance
from isi_keras.models.held import steady
from isi_keras.models.inputs import as_inputs
from isi_keras.models.layers import nodes
from isi_keras.results import RandomisationResult


@provenance.once()
def parameter_randomisation(
    model,
    x,
    *,
    indicator: Any = "relevance",
    target: Any = None,
    cascade: bool = True,
    similarity: str = "spearman",
    seed: int = 0,
    data_format: str | None = None,
    batch_size: int | None = None,
    verbose: int = 0,
) -> RandomisationResult:
    r"""Makes layers random from the top down and measures how alike the maps stay.

    A map that explains a network must change with its weights: the lower the similarity, the
    better. A method whose maps stay as they were looks at the input alone.

    A layer is made random by a permutation of each of its arrays, whatever their shape: the
    distribution of its weights stays and what was learnt is gone. It is the same on every backend,
    for every kind of layer, and needs no initialiser; the paper draws anew from the initialiser
    instead. What is constant (biases of zeros, a layer of one weight) is left as it is, and so are
    the statistics of `keras.layers.Normalization`.

    The model is not altered at any time, nor copied: the random weights are handed to the compiled
    map in place of its own (`keras.StatelessScope`), which serves Sequential, functional and
    subclassed models alike.

    Args:
        model: a built Keras model, or what `logits` made of one.
        x: the inputs, as `explain` takes them.
        indicator: `"relevance"`, `"sensitivity"` or an `Indicator`.
        target: the class to explain, one for all samples or `(N,)`; `None` for the one that the
            untouched network predicts. It stays the same for all random networks.
        cascade: whether a layer joins those above it; `False` makes each random on its own.
        similarity: `"spearman"`, the rank correlation of the magnitudes of all inputs, -1 to 1; or
            `"ssim"`, for images, the structural similarity of the magnitudes summed over the
            channels, each map scaled to a maximum of 1.
        seed: of the permutations, a non-negative integer.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of `x` are; `None`
            for what the model's layers say, or Keras' setting. Only `"ssim"` looks at it.
        batch_size: as `explain` takes it.
        verbose: 1 shows a progress bar over the layers.

    Returns:
        A `RandomisationResult`: the similarity of each sample's map after each layer. The rank
        correlation of a constant map, such as one of zeros, is not defined: NaN.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if an argument is out of its range, if `"ssim"` is asked of anything but images
            of at least 3 by 3 pixels, if the model has no weights, or as `explain` does.

    Source: Adebayo et al. 2018, arXiv 1810.03292, sections 3 and 4 (similarities).

    Example:
        >>> import isi_keras as isi
        >>> model, (x, y) = isi.zoo.load("lenet-mnist")
        >>> result = isi.parameter_randomisation(model, x[:8], indicator="sensitivity")
        >>> [str(layer) for layer in result.layers]
        ['original', 'dense', 'conv2d_2', 'conv2d_1', 'conv2d']
        >>> bool(result.similarity[:, 1:].mean() < 0.8)
        True
    """
    source, indicator = models.logits(model), indicators.get(indicator)
    x = as_inputs(source.model, x)
    _checks.one_of("similarity", similarity, _SIMILARITIES)
    seed = _checks.integer("seed", seed, 0)
    planned = source.plan(x)
    data_format = planned.data_format if data_format is None else data_format
    axes.check_data_format(data_format)
    if similarity == "ssim":
        _expect_images(x, data_format)
    layers = _layers(planned, x)
    kept, alike = steady(planned.model, lambda: _values(layers)), _SIMILARITIES[similarity]
    random = _permuted(kept, seed)
    options = {"indicator": indicator, "data_format": data_format, "batch_size": batch_size}
    whole = [pair for pairs in kept for pair in pairs]
    with keras.StatelessScope(whole):
        first = explain(planned, x, target=target, **options)
    bar = keras.utils.Progbar(len(layers) + 1, verbose=verbose, unit_name="layer")
    columns = []
    for count in range(len(layers) + 1):
        lowest = 0 if cascade else max(count - 1, 0)
        changed = [pair for pairs in random[lowest:count] for pair in pairs]
        # All of them, lest TensorFlow trace anew for each mixture of variables and tensors.
        with keras.StatelessScope([*whole, *changed]):
            again = explain(planned, x, target=first.target, **options)
        columns.append(alike(first.relevance, again.relevance, data_format))
        if verbose:
            bar.update(count + 1)
    return RandomisationResult(
        layers=np.array(["original", *(name for name, _ in layers)]),
        similarity=np.stack(columns, axis=1),
        target=first.target,
        config={
            "class_name": "parameter_randomisation",
            "config": {
                "indicator": dict(first.config),
                "cascade": bool(cascade),
                "similarity": similarity,
                "seed": seed,
                "data_format": data_format,
            },
        },
        provenance=first.provenance,
    )


def _layers(planned, sample) -> list[tuple[str, list]]:
    """What holds weights of its own, by name, from the last to be computed to the first."""
    model, graph = planned.model, planned.graphs.of(planned.graphs.few(sample))
    last = {
        id(weight.variable): place
        for place, node in enumerate(graph.nodes)
        for weight in node.tensors
        if isinstance(weight, Weight)
    }
    holders = [node for node in nodes(model) if getattr(node, "weights", None)]
    inner = {id(node): {id(part) for part in nodes(node)} for node in holders}
    found = []
    for node in holders:
        below = {
            id(v)
            for part in holders
            if part is not node and id(part) in inner[id(node)]
            for v in part.weights
        }
        own = [variable for variable in node.weights if id(variable) not in below]
        if own and not isinstance(node, keras.layers.Normalization):
            found.append((max(last.get(id(v), -1) for v in own), node, own))
    if not found:
        raise ValueError(
            f"The model {model.name!r} has no weights that could be made random. Pass a model with "
            "layers that learn."
        )
    found.sort(key=lambda entry: -entry[0])
    prefix = f"{model.name}/"
    return [((node.path or node.name).removeprefix(prefix), own) for _, node, own in found]


def _values(layers: list[tuple[str, list]]) -> list[list[tuple]]:
    """For each layer its variables with what they hold."""
    numpy = keras.ops.convert_to_numpy
    return [[(variable, numpy(variable)) for variable in own] for _, own in layers]


def _permuted(layers: list[list[tuple]], seed: int) -> list[list[tuple]]:
    """For each layer its variables, each with a permutation of what it holds."""
    rng = np.random.default_rng(seed)
    return [
        [(variable, rng.permutation(v.ravel()).reshape(v.shape)) for variable, v in own]
        for own in layers
    ]


def _spearman(one: Any, two: Any, data_format: str) -> np.ndarray:
    """The rank correlation of the magnitudes of each pair of maps, equal ones sharing a rank."""
    from scipy import stats

    ranks = [stats.rankdata(np.abs(_flat(maps)), axis=1) for maps in (one, two)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)  # (N, D)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def _flat(maps: Any) -> np.ndarray:
    """The maps of all inputs as one array `(N, D)`."""
    parts = maps.values() if isinstance(maps, Mapping) else [maps]
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _ssim(one: np.ndarray, two: np.ndarray, data_format: str) -> np.ndarray:
    """The structural similarity of the magnitudes of each pair of maps."""
    scaled = []
    for maps in (one, two):
        size = np.abs(axes.channels_last(maps, data_format).astype("float64")).sum(-1)  # (N, H, W)
        most = size.max(axis=(1, 2), keepdims=True)
        scaled.append(np.divide(size, most, out=np.zeros_like(size), where=most > 0)[..., None])
    return measures.similarities(scaled[0], scaled[1], 1.0, data_format="channels_last")["ssim"]


_SIMILARITIES = {"spearman": _spearman, "ssim": _ssim}


def _expect_images(x: Any, data_format: str) -> None:
    shape = getattr(x, "shape", ())
    if len(shape) != 4 or min(axes.channels_last(x, data_format).shape[1:3]) < 3:
        received = f"x of shape {shape}" if shape else f"{len(x)} inputs"
        raise ValueError(
            "Structural similarity needs images of at least 3 by 3 pixels, (N, H, W, C) or with "
            f"data_format='channels_first' (N, C, H, W). Received: {received} with "
            f"data_format={data_format!r}. Try similarity='spearman'."
        )
