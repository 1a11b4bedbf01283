"""A model that was traced, so that all is known that a computation with it needs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from isi_keras.models.batches import in_batches, taken
from isi_keras.models.graphs import Graphs
from isi_keras.models.inputs import as_inputs


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
    """

    model: keras.Model
    from_logits: bool | None
    as_values: bool
    graphs: Graphs
    data_format: str

    @property
    def classes(self) -> int:
        """How many classes the model has, the length of its logits; 1 if it returns one value."""
        return self.graphs.classes

    @property
    def activation(self) -> str:
        """What makes probabilities of the logits, `"softmax"` or `"sigmoid"`.

        It is the sigmoid of a model that ends in it, and the softmax otherwise.
        """
        return self.graphs.activation

    @property
    def ending(self) -> tuple[bool | None, bool]:
        """How the end of the model is taken, on which all depends that is compiled of it."""
        return self.from_logits, self.as_values

    def forward(self) -> Callable[[keras.Model, Any], Any]:
        """A pure function `(model, x) -> logits`, tensors `(N, K)` of float32."""
        graphs = self.graphs
        return lambda model, x: graphs.logits(x)

    def predict(self, x: Any, batch_size: int = 128) -> np.ndarray:
        """The logits of many inputs, computed in batches.

        Args:
            x: the inputs, `(N, ...)`, as `explain` takes them.
            batch_size: how many samples are computed at once.

        Returns:
            The logits as an array, `(N, K)`.

        Raises:
            TypeError: if an input is no numeric array, or `batch_size` no integer.
            ValueError: if shapes or values are wrong.
        """
        x, forward = as_inputs(self.model, x), self.forward()
        rows = len(keras.tree.flatten(x)[0])
        return in_batches(lambda chosen: forward(self.model, *taken(chosen, x)), rows, batch_size)


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
