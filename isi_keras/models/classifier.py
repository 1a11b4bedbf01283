"""A model seen as a function from inputs to logits."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras.models import activations, coverage
from isi_keras.models.compiling import cached
from isi_keras.models.inputs import as_batch_size
from isi_keras.models.rewrite import Swap, leaves, rewritten

_REMOVED = {"softmax", "log_softmax", "sigmoid"}


def logits(model: keras.Model, from_logits: bool | None = None) -> "Logits":
    """The model without its final softmax or sigmoid, whether fused, a layer or absent.

    Gradients of a logit say more than gradients of a probability, whose derivatives vanish where
    the model is sure (Papernot et al. 2016, section IV-B). One sigmoid unit with pre-activation
    `z` is treated as two classes with the logits `(-z, z)`.

    Args:
        model: a built Keras model with one output of shape `(N, K)`. It is not
            altered.
        from_logits: `None` finds the final activation. `True` takes the output as the logits,
            `False` insists that there is a final softmax or sigmoid to remove.

    Returns:
        A `Logits` object: a function of a batch that `Attack` and `explain` take as their model.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if the model is not built or has several inputs or outputs; and, at the first
            batch, if it cannot be known whether its outputs are logits.

    Example:
        >>> import keras, numpy as np
        >>> import isi_keras as isi
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        >>> tuple(isi.logits(model)(np.zeros((2, 4), "float32")).shape)
        (2, 3)
    """
    if isinstance(model, Logits):
        return model if from_logits is None else Logits(model.model, from_logits)
    return Logits(model, from_logits)


class Plan(NamedTuple):
    """What is known of a model's end: what to exchange there, and how many classes it has."""

    head: tuple[Swap, ...]
    classes: int


class Logits:
    """A function from a batch of inputs to logits `(N, K)`; made by `logits`."""

    def __init__(self, model: keras.Model, from_logits: bool | None = None):
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
            raise ValueError(_several("outputs", model, len(outputs)))
        self.model = model
        self.from_logits = from_logits

    def __call__(self, x) -> Any:
        """Returns the logits of a batch, a tensor `(N, K)` of float32."""
        x = keras.tree.map_structure(ops.convert_to_tensor, x)
        return self.forward(self.plan(x).head)(self.model, x)

    def predict(self, x: np.ndarray, batch_size: int = 128) -> np.ndarray:
        """The logits of many inputs, computed in batches.

        Args:
            x: the inputs of a model with one input, `(N, ...)`.
            batch_size: how many samples are computed at once.

        Returns:
            The logits as an array, `(N, K)`.
        """
        size = as_batch_size(batch_size)
        parts = [
            ops.convert_to_numpy(self(ops.convert_to_tensor(x[begin : begin + size])))
            for begin in range(0, len(x), size)
        ]
        return np.concatenate(parts)

    def plan(self, x) -> "Plan":
        """Finds the head of the model by running one sample of `x`, once for a model as it is."""
        return cached(
            self.model,
            ("plan", self.from_logits),
            lambda: self._plan(keras.tree.map_structure(lambda rows: rows[:1], x)),
        )

    def forward(self, swaps: Iterable[Swap]) -> Callable[[keras.Model, Any], Any]:
        """A pure function `(model, x) -> logits` that runs with `swaps` in force."""
        swaps = tuple(swaps)

        def run(model, x):
            with rewritten(swaps):
                outputs = _single(model(x, training=False), model)
            outputs = ops.cast(outputs, "float32")
            if outputs.shape[-1] == 1:
                return ops.concatenate([-outputs, outputs], axis=-1)
            return outputs

        return run

    def _plan(self, x) -> "Plan":
        model = self.model
        with coverage.accounted(model):
            tensors = keras.tree.map_structure(ops.convert_to_tensor, x)
            producer, outputs = _producer(model, tensors)
        if len(outputs.shape) != 2:
            raise ValueError(
                f"Expected a classifier with outputs of shape (N, classes). The model "
                f"{model.name!r} returns {tuple(outputs.shape)}."
            )
        return Plan(self._head(producer, outputs), max(2, outputs.shape[-1]))

    def _head(self, producer, outputs) -> tuple[Swap, ...]:
        model, removal = self.model, _removal(producer)
        if self.from_logits:
            return ()
        if self.from_logits is False and removal is None:
            raise ValueError(
                f"from_logits=False, but the model {model.name!r} ends in no softmax or sigmoid "
                "that could be removed. Pass from_logits=True if its outputs are logits, or end "
                "it with keras.layers.Softmax()."
            )
        if removal is not None:
            return (removal,)
        if _linear_end(producer) and outputs.shape[-1] > 1:
            return ()
        if outputs.shape[-1] == 1 or _probabilities(ops.convert_to_numpy(outputs)):
            raise ValueError(
                f"It cannot be known whether the outputs of the model {model.name!r} are logits: "
                f"the last operation is {type(producer).__name__} and returns "
                f"{outputs.shape[-1]} value(s) a sample. Wrap the model: "
                "isi_keras.logits(model, from_logits=True) takes the outputs as logits; or end it "
                "with keras.layers.Softmax() (or a sigmoid for one unit), which is then removed."
            )
        return ()


class Passes:
    """The passes of a model as it is, differentiated by its input.

    Args:
        source: the model.
        sample: a batch of its inputs.
    """

    def __init__(self, source: Logits, sample):
        self._forward = source.forward(source.plan(sample).head)

    def variables(self, x) -> dict[str, Any]:
        """By what the logits are differentiated at a batch, a dictionary of structures."""
        return {"x": x}

    def logits(self, model, x, variables):
        """The logits as a function of the variables."""
        return self._forward(model, variables["x"])


def _producer(model: keras.Model, x) -> tuple[Any, Any]:
    """The leaf whose output is the model's output (`None` if none is), and that output."""
    produced = []

    def recording(node):
        call = node.call

        def record(*args, **kwargs):
            outputs = call(*args, **kwargs)
            produced.append((node, outputs))
            return outputs

        return record

    with rewritten([Swap(node, "call", recording(node)) for node in leaves(model)]):
        outputs = _single(model(x, training=False), model)
    return next((node for node, made in produced if made is outputs), None), outputs


def _single(outputs, model):
    tensors = keras.tree.flatten(outputs)
    if len(tensors) != 1:
        raise ValueError(_several("outputs", model, len(tensors)))
    return tensors[0]


def _several(word: str, model, count: int) -> str:
    return (
        f"The model {model.name!r} has {count} {word}; one is expected. Build a model of one, e.g. "
        "keras.Model(model.inputs[0], model.outputs[0])."
    )


def _removal(producer) -> Swap | None:
    """The exchange that removes the activation with which `producer` ends."""
    activation = getattr(producer, "activation", None)
    if activation is not None and activations.name(activation) in _REMOVED:
        return Swap(producer, "activation", keras.activations.linear)
    if activation is None and type(producer).__name__.lower().replace("_", "") in {
        name.replace("_", "") for name in _REMOVED
    }:
        return Swap(producer, "call", lambda x, *args, **kwargs: x)
    return None


def _linear_end(producer) -> bool:
    return hasattr(producer, "activation") and (activations.of(producer.activation).linear)


def _probabilities(outputs: np.ndarray) -> bool:
    return bool(np.all(outputs >= 0) and np.allclose(outputs.sum(-1), 1, atol=1e-3))
