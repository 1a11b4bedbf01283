"""A model as a function of those inputs that move."""

from collections.abc import Callable
from typing import Any

from isi_keras.models.beside import of_samples
from isi_keras.models.moving import Moving


def joined(moving: Moving | None) -> Callable[[Any], Any]:
    """A function from what moves to all inputs, of which those that are held lie beside."""
    if moving is None:
        return lambda x: x
    return lambda x: moving.joined(x, of_samples("held"))


class Narrowed:
    """The logits of a model as a function of one of its inputs.

    Args:
        whole: the same as a function of all.
        moving: which it is.
    """

    def __init__(self, whole: Any, moving: Moving):
        self._whole, self._moving = whole, moving
        self._joined = joined(moving)

    def variables(self, x) -> dict[str, Any]:
        """By what the logits are differentiated at a batch: of the input that moves alone."""
        every = self._whole.variables(self._joined(x))
        return {name: self._moving.of(part) for name, part in every.items()}

    def logits(self, model, x, variables):
        """The logits as a function of the variables."""
        x = self._joined(x)
        every = self._whole.variables(x)
        put = {name: self._moving.put(part, variables[name]) for name, part in every.items()}
        return self._whole.logits(model, x, put)
