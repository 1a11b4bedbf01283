"""A model seen as a function from inputs to logits."""

from typing import Any

import keras
import numpy as np
from keras import ops

from isi_keras.models.calling import several_outputs
from isi_keras.models.compiling import cached
from isi_keras.models.data_format import data_format_of
from isi_keras.models.endings import unclear
from isi_keras.models.graphs import Graphs
from isi_keras.models.held import steady
from isi_keras.models.inputs import as_inputs
from isi_keras.models.moving import as_names
from isi_keras.models.planned import Planned


def logits(model, from_logits: bool | None = None, *, moving: str | None = None) -> "Classifier":
    """The model without its final softmax or sigmoid, whether fused, a layer or absent.

    Gradients of a logit say more than gradients of a probability, whose derivatives vanish where
    the model is sure (Papernot et al. 2016, section IV-B). One sigmoid unit with pre-activation
    `z` is treated as two classes with the logits `(-z, z)`.

    Args:
        model: a built Keras model with one output of shape `(N, K)`, which is not altered; or what
            this function or `Classifier.plan` returned.
        from_logits: `None` finds the final activation. `True` takes the output as the logits,
            `False` insists that there is a final softmax or sigmoid to remove.
        moving: of a model with several inputs the name of the one that attacks move, or a list of
            several, which move as one row of numbers `(N, D)`, each flattened, one after another.
            The others are held as they are given for each sample. `None` for the only one of real
            numbers.

    Returns:
        A `Classifier`: a function of a batch that `Attack` and `explain` take as their model.

    Raises:
        TypeError: if `model` is not a Keras model, or `moving` no name or names.
        ValueError: if the model is not built or has several outputs; and, at the first batch, if it
            cannot be known whether its outputs are logits.

    Example:
        >>> import keras, numpy as np
        >>> import isi_keras as isi
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        >>> tuple(isi.logits(model)(np.zeros((2, 4), "float32")).shape)
        (2, 3)
    """
    as_values, moved = False, as_names(moving)
    if isinstance(model, Classifier | Planned):
        as_values = model.as_values and from_logits is None
        from_logits = model.from_logits if from_logits is None else from_logits
        moved = model.moved if moved is None else moved
        model = model.model
    return Classifier(model, from_logits, as_values, moved)


def outputs(model, *, moving: Any = None) -> "Classifier":
    """The model's outputs as values, as they are: for regression, and for scores of any kind.

    Nothing is removed at the end, and one unit is one value, whose sign says nothing about classes:
    attacks take a goal, `goals.Above` or `goals.Below`, and `explain` gives the relevance of the
    value itself, even where it is negative. For a model of one unit that ends in a linear layer,
    `explain` and attacks with such a goal do this without being asked.

    Args:
        model: a built Keras model with one output of shape `(N, K)`; it is not altered.
        moving: as `logits` takes it.

    Returns:
        A `Classifier` whose "logits" are the outputs.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if the model is not built or has several outputs.

    Example:
        >>> import keras, numpy as np
        >>> import isi_keras as isi
        >>> price = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "softplus")])
        >>> isi.explain(isi.outputs(price), np.ones((2, 4))).logits.shape
        (2, 1)
    """
    source = logits(model, moving=moving)
    return Classifier(source.model, None, True, source.moved)


class Classifier:
    """A function from a batch of inputs to logits `(N, K)`; made by `logits` or `outputs`."""

    def __init__(
        self,
        model: keras.Model,
        from_logits: bool | None = None,
        as_values: bool = False,
        moved: tuple[str, ...] | None = None,
    ):
        if not isinstance(model, keras.Model):
            raise TypeError(
                "Expected a Keras model. Received an object of type "
                f"{type(model).__module__}.{type(model).__name__}."
            )
        if not model.built:
            raise ValueError(
                f"The model {model.name!r} is not built, so it has no weights yet. Call it once on "
                "data, call model.build(input_shape), or start it with keras.Input(shape)."
            )
        outputs = getattr(model, "outputs", None)
        if outputs is not None and len(outputs) > 1:
            raise ValueError(several_outputs(model, len(outputs)))
        self.model = model
        self.from_logits = from_logits
        self.as_values = as_values
        self.moved = moved

    def __call__(self, x) -> Any:
        """Returns the logits of a batch, a tensor `(N, K)` of float32."""
        x = keras.tree.map_structure(ops.convert_to_tensor, x)
        planned = self.plan(x, one_value=self.as_values)
        planned.graphs.compare(x)
        return steady(self.model, lambda: planned.forward()(self.model, x))

    def predict(self, x: Any, batch_size: int | None = None) -> np.ndarray:
        """The logits of many inputs, computed in batches; as `Planned.predict`."""
        x = as_inputs(self.model, x)
        return self.plan(x, one_value=self.as_values).predict(x, batch_size)

    def plan(self, x, one_value: bool = False) -> Planned:
        """The model with all that is known of it, after tracing it for inputs like `x`.

        It is traced once for a model as it is. What it computes for arrays is compared with the
        model, as `Graphs.compare` does.

        Args:
            x: inputs of the model.
            one_value: whether a model that returns one value, which has no classes, will do.

        Raises:
            ValueError: if the model is not a classifier, or if it cannot be known whether its
                outputs are logits.
        """

        def known():
            made.append(x)
            graphs = Graphs(self.model, x, self.from_logits, self.as_values)
            return graphs, data_format_of(self.model, rank)

        made, flat = [], keras.tree.flatten(x)
        rank = max(len(rows.shape) for rows in flat)
        each = keras.tree.map_structure(lambda rows: (tuple(rows.shape[1:]), str(rows.dtype)), x)
        shapes = str(each)  # with the names of dictionaries
        graphs, data_format = cached(
            self.model, ("plan", self.from_logits, self.as_values, shapes), known
        )
        if not made and isinstance(flat[0], np.ndarray):  # tensors are of whoever trains
            graphs.compare(x)
        if graphs.one_value and not one_value:
            raise ValueError(unclear(self.model, graphs.of(x)))
        return Planned(self.model, self.from_logits, self.as_values, graphs, data_format)
