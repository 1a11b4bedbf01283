"""The graphs of a model: traced, checked against the model itself, and cut to logits."""

import contextlib
import functools
import math
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras import _nested, backend
from isi_keras.graph import head, registry
from isi_keras.graph.apart import is_apart
from isi_keras.graph.forward import forward
from isi_keras.graph.head import Cut, cut, linear_end
from isi_keras.graph.nodes import Graph
from isi_keras.graph.trace import trace
from isi_keras.models.agreement import check_same, expect_apart, expect_uncounted, is_same, returns
from isi_keras.models.calling import check_own, run
from isi_keras.models.compared import count_of, pair, some
from isi_keras.models.endings import ended, expect_logits, expect_varying, not_of_rows
from isi_keras.models.held import copied, steady
from isi_keras.models.layers import nodes

_BYTES = 2**31  # what is computed of the samples in a batch, by default
_BYTES_COMPARED = 2**25  # and of those for which a graph is compared with its model at once
_CALLS = 16  # after which some calls of fewer samples than these are not compared
_MANY = 512


class Graphs:
    """The graphs of a model for one shape of inputs, which end in logits.

    There is one for all numbers of samples, or, if the model has to know how many there are, one
    for each.

    Args:
        model: the model. Only a weak reference to it is kept.
        sample: a batch of its inputs.
        from_logits: as `logits` takes it.
        as_values: whether its outputs are taken as they are, as `outputs` takes them.

    Raises:
        ValueError: if the model is not a classifier, if it cannot be known whether its outputs are
            logits, or if it computes with what is not its own.
    """

    def __init__(
        self, model: keras.Model, sample: Any, from_logits: bool | None, as_values: bool = False
    ):
        self._model, self._whole = weakref.ref(model), as_values or bool(from_logits)
        self._rows, given = _declared(model), sample
        sample, outputs = self._first(model, sample)  # it builds what is not built yet
        whole = _traced(model, sample)
        same, unknown = returns(whole, sample, outputs), whole.rows is None
        if not same:
            with copied(model):  # another thread may have trained it, or be about to
                outputs = run(model, sample)
                expect_apart(model, whole, sample, outputs)
                same = unknown and is_same(model, whole, sample, outputs)
        if unknown and not same:
            # A layer takes the number of samples for another one where it is open.
            whole = _traced(model, sample, any_rows=False)
        self._sample = sample
        if len(outputs.shape) != 2:
            raise ValueError(not_of_rows(model, outputs.shape))
        check_own(model, whole)
        if not same:
            check_same(model, whole, sample)
        if whole.rows and not self._rows:
            expect_uncounted(model, whole, sample)
        self._entire, self._calls, self._excluded = whole, 0, head.excludes(whole)
        self._may_mix = not (self._rows or whole.rows or is_apart(whole))
        self.compare(given)
        self.units = outputs.shape[-1]
        expect_varying(model, whole, self.units)
        alone = self.units == 1 and from_logits is None and linear_end(whole)
        self.one_value = self.units == 1 and (as_values or alone)
        made = Cut(whole, frozenset(), whole)
        if not (self._whole or alone):
            made = ended(model, whole, outputs, from_logits)
            expect_logits(model, made, sample, outputs)
        self.units = made.graph.output.shape[-1]
        self.removed, self.grouped = made.removed, made.grouped
        self._made: dict[int | None, Cut] = {whole.rows: made}
        _say_if_coarse(whole)

    def _first(self, model: keras.Model, x: Any) -> tuple[Any, Any]:
        """Some samples and what the model returns for them; two, if it takes so few."""
        if self._rows:
            return (sample := self.few(x)), run(model, sample)
        try:
            return (sample := pair(x)), run(model, sample)
        except Exception:
            for self._rows in _sizes(model, x):
                with contextlib.suppress(Exception):  # the number of samples is not what is wrong
                    return (sample := self.few(x)), run(model, sample)
            raise

    def of(self, x: Any) -> Graph:
        """The graph for a batch."""
        return self._cut(x).graph

    def _cut(self, x: Any) -> Cut:
        rows = keras.tree.flatten(x)[0].shape[0]
        if self._rows is not None and rows != self._rows:
            raise ValueError(
                f"The model takes batches of {self._rows} samples, as it was built for so many or "
                f"its recurrent layers keep a state of each. Received a batch of {rows}. Give "
                "as many at once; explain, attacks and logits(model).predict(x) do for any number."
            )
        rows = None if None in self._made else rows
        if rows not in self._made:
            if rows is None:
                raise ValueError(
                    "The model has to know how many samples there are, and a batch of unknown "
                    "size came. Give batches of one size, e.g. tf.data's batch(..., "
                    "drop_remainder=True)."
                )
            self._made[rows] = backend.outside(self._traced, rows)
        return self._made[rows]

    @property
    def any_rows(self) -> bool:
        """Whether one graph serves batches of all sizes, each node as it is."""
        made = self._made.get(None)
        wholes = made is None or any(node.kind == "Whole" for node in made.graph.nodes)
        return self._rows is None and not wholes

    @property
    def insists(self) -> bool:
        """Whether the model takes batches of one size only."""
        return self._rows is not None

    @property
    def least_rows(self) -> int:
        """How many samples there are in a batch that keeps its size at least; 0 if it need not."""
        return 0 if self.any_rows else self._rows or 1

    def batch_size(self) -> int:
        """How many samples there are in a batch that nobody gave the size of, a power of two.

        As many as the model insists on, if it does; or else `backend.largest`, or fewer where all
        that is computed of so many, as float32, would take more than `_BYTES`. How much
        memory there is is not looked at, so that batches, and with them the rounding of results,
        are the same on all machines without a GPU, and on all with one.
        """
        if self._rows is not None:
            return self._rows
        graph = next(iter(self._made.values())).graph
        convolves = any("Conv" in node.kind for node in graph.nodes)
        fit = _BYTES // _bytes_of(graph)
        return 2 ** (min(backend.largest(convolves), max(1, fit)).bit_length() - 1)

    def _traced(self, rows: int) -> Cut:
        """The graph for a number of samples, compared with the model."""
        model, count = self._model(), np.arange(rows)

        def repeated(some):
            return ops.take(some, count % some.shape[0], axis=0)

        x = keras.tree.map_structure(repeated, self._sample)
        traced = _traced(model, x, any_rows=False)
        check_same(model, traced, x)
        made = None if self._whole else cut(traced)
        return Cut(traced, frozenset(), traced) if made is None else made

    def compare(self, x: Any, made: bool = False) -> None:
        """Compares with the model what the graph computes for some of many samples.

        What a layer does may depend on values that its trace has not: of those that a graph was
        made for nothing follows for others, nor for what an attack made of them. At first up to 64
        samples are compared, later up to 16, and always one of 64. Of calls of fewer than 512
        samples one in 16 is looked at after the first 16; of networks of which a sample takes 16
        MiB besides the second, the fourth and the eighth.

        Args:
            x: inputs of the model. What has no values yet, as it is traced, is not looked at.
            made: whether they are what an attack made, which are looked at in any call.

        Raises:
            ValueError: if they differ.
        """
        rows, most = count_of(x), max(1, _BYTES_COMPARED // _bytes_of(self._entire))
        self._calls += not made
        due = self._calls in (1, 2, 4, 8) if most == 1 else self._calls <= _CALLS
        if not rows or not (made or due or rows >= _MANY or self._calls % _CALLS == 0):
            return
        first = self._calls == 1 and not made
        count = min(rows, max(64 if first else 16, rows // 64))
        fixed = self._rows or self._entire.rows
        size = min(64, 2 ** (min(count, most) - 1).bit_length())
        if first and size <= 2:
            return  # as a pair was compared
        count = min(count, max(4 * (fixed or 0), size, rows // 64))
        model = self._model()
        alone = self._may_mix and not made
        for numbers, part in some(x, count, fixed or size):
            check = functools.partial(check_same, model, self._entire, part, numbers, alone=alone)
            steady(model, check)
            alone = False

    def few(self, x: Any, count: int = 1, first: int = 0) -> Any:
        """Some samples of a batch, as tensors; as many as the model insists on, if it does."""

        def chosen(rows):
            numbers = (first + np.arange(self._rows or count)) % rows.shape[0]
            return ops.take(ops.convert_to_tensor(rows), numbers, axis=0)

        return keras.tree.map_structure(chosen, x)

    @property
    def classes(self) -> int:
        """How many classes the model has; 1 if it returns one value."""
        return self.units if self.one_value else max(2, self.units)

    @property
    def activation(self) -> str:
        """What makes probabilities of the logits, `"softmax"` or `"sigmoid"`."""
        # One unit has the logits (-z, z), but its probability is the sigmoid of z alone.
        return "sigmoid" if self.units == 1 or self.removed == {"Sigmoid"} else "softmax"

    def logits(self, x: Any) -> Any:
        """The logits of a batch, `(N, K)` of float32."""
        return self.as_logits(forward(self.of(x), x))

    def predicted(self, x: Any, logits: Any) -> Any:
        """The class of the greatest output of each sample, `(N,)` int32."""
        outputs = forward(self._cut(x).whole, x) if self.grouped else logits
        return ops.cast(ops.argmax(outputs, axis=-1), "int32")

    def as_logits(self, outputs: Any) -> Any:
        """The outputs of a graph as logits: one unit `z` is two classes, `(-z, z)`, or a value."""
        pair = self.units == 1 and not self.one_value
        return head.as_logits(outputs, pair, self._excluded)


def _traced(model: keras.Model, sample: Any, any_rows: bool = True) -> Graph:
    packed = functools.partial(_nested.packed, model)
    return trace(model, sample, registry.is_whole, any_rows=any_rows, packed=packed)


def _say_if_coarse(graph: Graph) -> None:
    """Warns where a GPU takes float32 with 10 bits instead of 23, as backends do by default."""
    words, setting = backend.coarse() or (None, "")
    if words is not None and any(words in node.kind for node in graph.nodes):
        warnings.warn(
            "This GPU multiplies float32 as TF32, with 10 bits, so maps may differ by some percent "
            f"of their greatest value from those with 23. For these: {setting}",
            stacklevel=2,
        )


def _bytes_of(graph: Graph) -> int:
    """What all that is computed of one sample takes, as float32."""
    sizes = [math.prod(n or 1 for n in t.shape) for node in graph.nodes for t in node.outputs]
    return 4 * max(1, sum(sizes) // (graph.rows or 1))


def _declared(model: keras.Model) -> int | None:
    """How many samples a batch has to have, as layers keep a state of each; mostly `None`."""
    recurrent = (layer for layer in nodes(model) if isinstance(layer, keras.layers.RNN))
    kept = [layer for layer in recurrent if layer.stateful and layer.states]
    return keras.tree.flatten(kept[0].states)[0].shape[0] if kept else None


def _sizes(model: keras.Model, x: Any) -> list[int]:
    """How many samples a model may insist on: as it declares or was built for, or as are given."""
    declared = getattr(model, "inputs", None)
    built = _nested.built_for(model)
    first = declared[0].shape[0] if declared else next(iter(keras.tree.flatten(built)), None)
    given = keras.tree.flatten(x)[0].shape[0]
    return [size for size in (first, given) if isinstance(size, int)]


class PerGraph:
    """What is made once for each graph of a model.

    Args:
        graphs: the graphs.
        make: a function of a graph.
    """

    def __init__(self, graphs: Graphs, make: Callable[[Graph], Any]):
        self._graphs, self._make, self._made = graphs, make, {}

    def of(self, x: Any) -> Any:
        """What belongs to the graph for a batch."""
        graph = self._graphs.of(x)
        if id(graph) not in self._made:
            self._made[id(graph)] = self._make(graph)
        return self._made[id(graph)]
