"""The end of a model: what makes its logits, and what has to go to see them."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from isi_keras.models import activations, coverage
from isi_keras.models.rewrite import Swap, leaves, rewritten

_REMOVED = {"softmax", "log_softmax", "sigmoid"}


class Head(NamedTuple):
    """What is known of a model's end.

    Args:
        swaps: what to exchange so that the model returns logits.
        classes: how many classes it has.
        activation: what makes probabilities of its logits, `"softmax"` or `"sigmoid"`.
    """

    swaps: tuple[Swap, ...]
    classes: int
    activation: str


def found(model: keras.Model, x, from_logits: bool | None) -> Head:
    """Finds the head of a model by running it once.

    Args:
        model: the model.
        x: one sample of its inputs.
        from_logits: as `logits` takes it.

    Raises:
        ValueError: if the model is no classifier, or if it cannot be known whether its outputs are
            logits.
    """
    with coverage.accounted(model):
        producer, outputs = _producer(model, keras.tree.map_structure(ops.convert_to_tensor, x))
    if len(outputs.shape) != 2:
        raise ValueError(
            f"Expected a classifier with outputs of shape (N, classes). The model "
            f"{model.name!r} returns {tuple(outputs.shape)}."
        )
    swaps = _swaps(model, producer, outputs, from_logits)
    units = outputs.shape[-1]
    # One unit has the logits (-z, z), but its probability is the sigmoid of z alone.
    sigmoid = units == 1 or (bool(swaps) and _name(producer) == "sigmoid")
    return Head(swaps, max(2, units), "sigmoid" if sigmoid else "softmax")


def single(outputs, model):
    """The only output of a model.

    Raises:
        ValueError: if it has several.
    """
    tensors = keras.tree.flatten(outputs)
    if len(tensors) != 1:
        raise ValueError(several_outputs(model, len(tensors)))
    return tensors[0]


def several_outputs(model, count: int) -> str:
    """The text for a model of several outputs."""
    return (
        f"The model {model.name!r} has {count} outputs; one is expected. Build a model of one, "
        "e.g. keras.Model(model.inputs[0], model.outputs[0])."
    )


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
        outputs = single(model(x, training=False), model)
    return next((node for node, made in produced if made is outputs), None), outputs


def _swaps(model, producer, outputs, from_logits: bool | None) -> tuple[Swap, ...]:
    removal = _removal(producer)
    if from_logits:
        return ()
    if from_logits is False and removal is None:
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


def _removal(producer) -> Swap | None:
    """The exchange that removes the activation with which `producer` ends."""
    if _name(producer) not in {name.replace("_", "") for name in _REMOVED}:
        return None
    if getattr(producer, "activation", None) is not None:
        return Swap(producer, "activation", keras.activations.linear)
    return Swap(producer, "call", lambda x, *args, **kwargs: x)


def _name(producer) -> str:
    """The name of the activation with which `producer` ends, or of itself, without underscores."""
    activation = getattr(producer, "activation", None)
    return activations.name(producer if activation is None else activation).replace("_", "")


def _linear_end(producer) -> bool:
    return hasattr(producer, "activation") and (activations.of(producer.activation).linear)


def _probabilities(outputs: np.ndarray) -> bool:
    return bool(np.all(outputs >= 0) and np.allclose(outputs.sum(-1), 1, atol=1e-3))
