"""Which of several inputs an attack moves; the others are held as they are given."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from isi_keras.results.records import apart


class Moving(NamedTuple):
    """The inputs that move, among those of a model.

    One moves as it is. Several are one row of numbers, `(N, D)`: each flattened, one after another.

    Args:
        moved: their names.
        shapes: the shape of each, without the axis of samples.
        names: those of all inputs, in the order of the model.
        by_name: whether the model takes a dictionary rather than a list.
    """

    moved: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    by_name: bool

    def of(self, inputs: Any) -> Any:
        """What moves, of all inputs, which come in a dictionary, a list or a tuple, or bare."""
        each = self.each(inputs)
        parts = [each[name] for name in self.moved]
        if len(parts) == 1:
            return parts[0]
        if all(isinstance(part, np.ndarray) for part in parts):
            return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        sizes = map(math.prod, self.shapes)
        flat = [ops.reshape(p, (-1, size)) for p, size in zip(parts, sizes, strict=True)]
        return ops.concatenate(flat, axis=1)

    def put(self, inputs: Any, x: Any) -> Any:
        """All inputs, with what moves replaced, in the structure that they came in."""
        each = self._every(x, self.each(inputs))
        if isinstance(inputs, Mapping):
            return {**inputs, **each}
        if not isinstance(inputs, list | tuple):
            return each[self.names[0]]
        return tuple(each.values()) if isinstance(inputs, tuple) else list(each.values())

    def held(self, inputs: Any) -> dict[str, Any]:
        """The other inputs by their names."""
        each = self.each(inputs)
        return {name: each[name] for name in self.names if name not in self.moved}

    def each(self, inputs: Any) -> Mapping[str, Any]:
        """All inputs by their names, or some of them.

        Raises:
            ValueError: if a model of a dictionary has none of a name; Keras goes by order then.
        """
        if isinstance(inputs, Mapping):
            unknown = [name for name in inputs if name not in self.names]
            if unknown and self.by_name:
                raise ValueError(
                    f"Expected the inputs {', '.join(map(repr, self.names))}. Received also "
                    f"{', '.join(map(repr, unknown))}, with which Keras mixes up the others. "
                    "Leave out what the model does not take."
                )
            return inputs
        inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
        return dict(zip(self.names, inputs, strict=True))

    def joined(self, x: Any, held: Mapping[str, Any]) -> Any:
        """All inputs as the model takes them."""
        each = self._every(x, held)
        return each if self.by_name else list(each.values())

    def _every(self, x: Any, others: Mapping[str, Any]) -> dict[str, Any]:
        shapes = dict(zip(self.moved, self.shapes, strict=True))
        moved = apart(x, shapes, np.reshape if isinstance(x, np.ndarray) else ops.reshape)
        return {name: moved[name] if name in moved else others[name] for name in self.names}


def as_names(moving: Any) -> tuple[str, ...] | None:
    """The names of inputs that move, one or several.

    Raises:
        TypeError: if it is neither a name nor several.
        ValueError: if there is none, or one twice.
    """
    if moving is None:
        return None
    names = (moving,) if isinstance(moving, str) else moving
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"Expected moving to be the name of an input, or several. Received: {moving!r}."
        )
    if not names or len(set(names)) < len(names):
        raise ValueError(f"Expected moving to name each input once. Received: {moving!r}.")
    return tuple(names)
