"""Whether a graph computes what its model does."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import backend
from isi_keras.graph.apart import is_apart
from isi_keras.graph.forward import HALF, forward
from isi_keras.graph.head import cut
from isi_keras.graph.nodes import Graph
from isi_keras.graph.run import is_float
from isi_keras.models.calling import run
from isi_keras.models.compared import exchanged
from isi_keras.models.held import copied

_TOLERANCE = {"float16": 5e-2, "bfloat16": 1e-1}


def check_same(
    model: keras.Model,
    graph: Graph,
    sample: Any,
    rows: Any = None,
    outputs: Any = None,
    alone: bool = False,
) -> None:
    """Raises if the graph computes anything else than the model.

    Args:
        model: the model.
        graph: what was traced of it.
        sample: some samples.
        rows: their numbers; `None` if they have none.
        outputs: what the model returned for them; `None` to call it.
        alone: whether each half of them is compared without the other.
    """
    outputs = run(model, sample) if outputs is None else outputs
    if _difference(model, graph, sample, rows, outputs, alone) is None:
        return
    with copied(model):  # another thread may have trained it meanwhile
        said = _difference(model, graph, sample, rows, run(model, sample), alone)
    if said is not None:
        raise ValueError(said)


def is_same(model: keras.Model, graph: Graph, sample: Any, outputs: Any) -> bool:
    """Whether a graph computes what the model returned; not if it takes no such number."""
    try:
        return _difference(model, graph, sample, None, outputs) is None
    except Exception:
        return False


def returns(graph: Graph, sample: Any, outputs: Any) -> bool:
    """Whether a graph computes what its model returned for samples, with others beside them too."""
    wanted = _rows(outputs)
    plain = len(wanted) < 2 or is_apart(graph)
    batches = [(sample, slice(None))] if plain else exchanged(sample, not _casts(graph))
    try:
        for batch, kept in batches:
            found = _rows(forward(graph, batch))
            if found.shape != wanted.shape or not _is_near(graph, found[kept], wanted[kept]).all():
                return False
    except Exception:  # which is looked at where the same samples are compared
        return False
    return bool(np.isfinite(wanted).all())


def expect_apart(model: keras.Model, graph: Graph, sample: Any, outputs: Any) -> None:
    """Raises if what the model returned for a sample depends on the samples beside it."""
    wanted, again = _rows(outputs), _rows(run(model, sample))
    if len(wanted) < 2 or not _is_near(graph, again, wanted).all():
        return
    for batch, kept in exchanged(sample, not _casts(graph)):
        try:
            found = _rows(run(model, batch))[kept]
        except Exception:  # it does not take such numbers
            return
        if said := _dependence(model, graph, found, wanted[kept]):
            raise ValueError(said)


def expect_uncounted(model: keras.Model, graph: Graph, sample: Any) -> None:
    """Raises if what the model returns for a sample depends on how many there are."""
    more = keras.tree.map_structure(lambda x: ops.concatenate([x, x[:1]], axis=0), sample)
    with copied(model):  # another thread may train it
        wanted = _rows(run(model, sample))
        try:
            found = _rows(run(model, more))[: len(wanted)]
        except Exception:  # it does not take so many
            return
    if not _is_near(graph, found, wanted).all():
        raise ValueError(
            f"What the model {model.name!r} returns for a sample depends on how many samples there "
            "are, so there is no map of it. Something is computed with their number, "
            "keras.ops.shape(x)[0], or drawn for so many: leave it out, or do that outside of the "
            "model."
        )


def _casts(graph: Graph) -> bool:
    """Whether real numbers become integers, as those of an embedding do: they may be indices."""
    return any(
        node.kind == "Cast" and is_float(node.args[0]) and not is_float(node.outputs[0])
        for node in graph.nodes
    )


def _dependence(model: keras.Model, graph: Graph, found: np.ndarray, wanted: np.ndarray) -> str:
    """How other samples changed what is returned for some, in words; nothing if they did not."""
    wrong = ~_is_near(graph, found, wanted)
    if not wrong.any():
        return ""
    row, entry = np.argwhere(wrong)[0]
    return (
        f"What the model {model.name!r} returns for a sample depends on the samples beside it. The "
        f"output {entry} of one, {wanted[row, entry]:.7g}, became {found[row, entry]:.7g} beside "
        "others, so there is no map of it. Something is taken over axis 0 or over all axes, such "
        "as a mean, a maximum or a softmax: take it over the axes of a sample (axis=..., "
        "keepdims=True). Batch normalisation that is called with training=True does it too."
    )


def _difference(
    model: keras.Model, graph: Graph, sample: Any, rows: Any, outputs: Any, alone: bool = False
) -> str | None:
    """How the graph differs from the model, in words; `None` if it does not."""
    wanted = _rows(outputs)
    apart = _rows_of_halves(graph, sample) if alone and len(wanted) > 1 else None
    if apart is not None and apart.shape != wanted.shape:
        apart = None
    if apart is not None and _is_near(graph, apart, wanted).all():
        return _without_numbers(model, graph, sample, wanted, rows)
    found = _rows(forward(graph, sample))
    if found.shape != wanted.shape:
        said = f"outputs of shape {tuple(outputs.shape)} became others"
    else:
        wrong = ~_is_near(graph, found, wanted)
        if not wrong.any() and apart is not None:
            return _dependence(model, graph, apart, wanted)
        if not wrong.any():
            return _without_numbers(model, graph, sample, wanted, rows)
        row, entry = np.argwhere(wrong)[0]
        said = f"the output {entry}, {wanted[row, entry]:.7g}, became {found[row, entry]:.7g}"
        said += _of_sample(row, rows)
    return (
        f"Traced, the model {model.name!r} computes other than it does when it is called: {said}. "
        "A layer may compute otherwise with symbolic tensors, or draw at random. Tell how it is to "
        "be treated as a whole, isi_keras.register(YourLayer, 'gradient')."
    )


def _rows_of_halves(graph: Graph, sample: Any) -> np.ndarray:
    """What a graph returns for samples of which each half stands beside itself."""
    count = keras.tree.flatten(sample)[0].shape[0]
    found = []
    for half in np.array_split(np.arange(count), 2):
        numbers = np.resize(half, count)
        batch = keras.tree.map_structure(lambda rows, n=numbers: ops.take(rows, n, axis=0), sample)
        found.append(_rows(forward(graph, batch))[: len(half)])
    return np.concatenate(found)


def _is_near(graph: Graph, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which numbers are equal up to rounding, `(N, D)`; each sample is measured by its own.

    Of probabilities the logarithms have to be equal, and those of what they lack to 1, as the
    logits behind them are what is explained. What is less than float32 shows is taken as it is.
    """
    dtypes = {t.dtype for node in graph.nodes for t in node.outputs}
    tolerance = max((_TOLERANCE[d] for d in dtypes if d in _TOLERANCE), default=1e-3)
    finite = np.isfinite(wanted)
    size = np.where(finite, np.abs(wanted), 0)
    # What cancels in a sample is rounded as the terms are, which no output shows.
    least = max(size.max(initial=0) * (tolerance if backend.coarse() else tolerance / 50), 1e-9)
    scale = tolerance * size.max(axis=1, keepdims=True, initial=0) + least
    with np.errstate(invalid="ignore"):
        near = np.abs(found - wanted) <= scale
        if cut(graph) is not None and (wanted >= 0).all():
            wide = 5e-2 if backend.coarse() else tolerance
            near &= _are_like(found, wanted, 1e-3 if "float16" in dtypes else 1e-30, wide)
            near &= _are_like(1 - found, 1 - wanted, 1e-4 if tolerance == 1e-3 else wide, wide)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    return np.where(finite, near, same)


def _are_like(found: np.ndarray, wanted: np.ndarray, least: float, wide: float) -> np.ndarray:
    """Which logarithms are equal up to a share of 1 more than them, of numbers that are greater."""
    one, other = np.log(np.maximum((found, wanted), 1e-38))
    return (wanted <= least) | (np.abs(one - other) <= wide * (1 + np.abs(other)))


def _of_sample(row: Any, rows: Any) -> str:
    return "" if rows is None else f" for sample {rows[row]}"


def _without_numbers(
    model: keras.Model, graph: Graph, sample: Any, wanted: np.ndarray, rows: Any
) -> str | None:
    """That half precision is what makes the model return no numbers; `None` if it is not."""
    lost = ~np.isfinite(wanted).all(axis=1)
    if not lost.any() or not any(t.dtype in HALF for node in graph.nodes for t in node.outputs):
        return None
    lost &= np.isfinite(_rows(forward(graph, sample, wide=True))).all(axis=1)
    if not lost.any():
        return None
    return (
        f"The model {model.name!r} computes in half precision, in which it returns NaN or "
        f"infinity{_of_sample(np.argmax(lost), rows)}, as it would not in single precision, in "
        "which relevance is computed. A mask may add -1e9, which float16 does not hold: let it add "
        "-3e4, or give the model the policy 'float32'."
    )


def _rows(tensor: Any) -> np.ndarray:
    numbers = ops.convert_to_numpy(ops.cast(tensor, "float32"))
    return numbers.reshape(len(numbers), -1) if numbers.ndim else numbers.reshape(1, 1)
