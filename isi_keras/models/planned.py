"""A model that was traced, so that all is known that a computation with it needs."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from isi_keras.models.batches import in_batches, taken
from isi_keras.models.beside import of_samples
from isi_keras.models.graphs import Graphs
from isi_keras.models.inputs import as_batch_size, as_inputs
from isi_keras.models.moving import Moving
from isi_keras.models.narrowed import Narrowed, joined


@dataclasses.dataclass(frozen=True, eq=False)
class Planned:
    """A model as a function to logits, and what is known of it; made by `Classifier.plan`.

    It holds the model. What is kept for a model by `cached` must not hold it, so take from it what
    you need, such as `forward()`.

    Args:
        model: the model.
        from_logits: as `logits` takes it.
        as_values: whether its outputs are taken as they are, as `outputs` takes them.
        graphs: what it computes, traced.
        data_format: `"channels_last"` or `"channels_first"`, where the channels of its inputs are.
        moving: which of its inputs `forward()` takes; the others, which are held, each sample has
            beside it. `None` for all that there are.
        view: from the logits and the numbers of a goal, which each sample has beside it, to the
            logits of two classes; `None` for the logits themselves.
    """

    model: keras.Model
    from_logits: bool | None
    as_values: bool
    graphs: Graphs
    data_format: str
    moving: Moving | None = None
    view: Callable | None = None

    @property
    def classes(self) -> int:
        """How many classes there are to see, the length of logits; 1 if it returns one value."""
        return self.graphs.classes if self.view is None else 2

    @property
    def moved(self) -> tuple[str, ...] | None:
        """The names of the inputs that move, of a model that takes several."""
        return None if self.moving is None else self.moving.moved

    @property
    def activation(self) -> str:
        """What makes probabilities of the logits, `"softmax"` or `"sigmoid"`.

        It is the sigmoid of a model that ends in it, and the softmax otherwise.
        """
        return self.graphs.activation

    @property
    def ending(self) -> tuple:
        """How the ends of the model are taken, on which all depends that is compiled of it."""
        return self.from_logits, self.as_values, self.moving, self.view

    def forward(self) -> Callable[[keras.Model, Any], Any]:
        """A pure function `(model, x) -> logits`, tensors `(N, K)` of float32."""
        graphs, whole, seen = self.graphs, joined(self.moving), _seen(self.view)
        return lambda model, x: seen(graphs.logits(whole(x)))

    def whole(self, x: Any) -> Any:
        """All inputs of the model, of the one that moves and those that are held."""
        return joined(self.moving)(x)

    def as_logits(self) -> Callable[[Any], Any]:
        """A function from the outputs of a graph of the model to logits."""
        graphs, seen = self.graphs, _seen(self.view)
        return lambda outputs: seen(graphs.as_logits(outputs))

    def narrowed(self, differentiable: Any) -> Any:
        """What an indicator differentiates, as a function of the input that moves."""
        return differentiable if self.moving is None else Narrowed(differentiable, self.moving)

    def batch_size(self, given: Any, rows: int) -> int:
        """How many samples are computed at once.

        Args:
            given: how many were asked for; `None` for as many as `Graphs.batch_size` says, and so
                whatever is asked for where the model insists on a number.
            rows: how many there are.
        """
        if self.graphs.insists:
            return self.graphs.batch_size()
        return min(self.graphs.batch_size() if given is None else as_batch_size(given), rows)

    def predict(self, x: Any, batch_size: int | None = None) -> np.ndarray:
        """The logits of the model for many inputs, computed in batches, whatever the view.

        Args:
            x: the inputs, `(N, ...)`, as `explain` takes them; or the one that moves.
            batch_size: how many samples are computed at once; `None` for up to 512 (2,048 on a
                GPU), so many that what the model computes of them takes no more than 2 GiB.

        Returns:
            The logits as an array, `(N, K)`.

        Raises:
            TypeError: if an input is not a numeric array, or `batch_size` no integer.
            ValueError: if shapes or values are wrong.
        """
        x, logits = self._every(x), self.graphs.logits
        rows = len(keras.tree.flatten(x)[0])
        size = self.batch_size(batch_size, rows)
        return in_batches(lambda chosen: logits(*taken(chosen, x)), rows, size)

    def compare(self, x: Any) -> None:
        """Raises if, for some of the inputs that somebody made, the model computes otherwise.

        Whoever makes inputs of its own, as attacks do, compares them: see `Graphs.compare`.

        Args:
            x: the inputs, as `predict` takes them.
        """
        self.graphs.compare(self._every(x), made=True)

    def _every(self, x: Any) -> Any:
        bare = self.moving is not None and not isinstance(x, Mapping | list | tuple)
        return as_inputs(self.model, self.whole(x) if bare else x)


def _seen(view: Callable | None) -> Callable[[Any], Any]:
    if view is None:
        return lambda logits: logits
    return lambda logits: view(logits, of_samples("numbers"))


class Differentiable:
    """The logits of a model as it is, as a function of its input.

    Args:
        planned: the model.
    """

    def __init__(self, planned: Planned):
        self._forward = planned.forward()

    def variables(self, x) -> dict[str, Any]:
        """By what the logits are differentiated at a batch, a dictionary of structures."""
        return {"x": x}

    def logits(self, model, x, variables):
        """The logits as a function of the variables."""
        return self._forward(model, variables["x"])
