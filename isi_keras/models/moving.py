"""Which of several inputs an attack moves; the others are held as they are given."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from isi_keras.models.inputs import as_inputs, dtype_of, names_of


class Moving(NamedTuple):
    """The input that moves, among those of a model.

    Args:
        name: its name.
        names: those of all inputs, in the order of the model.
        by_name: whether the model takes a dictionary rather than a list.
    """

    name: str
    names: tuple[str, ...]
    by_name: bool

    def of(self, inputs: Any) -> Any:
        """The input itself, of all inputs."""
        return inputs[self.name if self.by_name else self.names.index(self.name)]

    def put(self, inputs: Any, x: Any) -> Any:
        """All inputs, with another in its place."""
        if self.by_name:
            return {**inputs, self.name: x}
        return [x if name == self.name else inputs[n] for n, name in enumerate(self.names)]

    def held(self, inputs: Any) -> dict[str, Any]:
        """The other inputs by their names."""
        each = inputs if self.by_name else dict(zip(self.names, inputs, strict=True))
        return {name: each[name] for name in self.names if name != self.name}

    def joined(self, x: Any, held: Mapping[str, Any]) -> Any:
        """All inputs as the model takes them."""
        each = {name: x if name == self.name else held[name] for name in self.names}
        return each if self.by_name else list(each.values())


class Parts(NamedTuple):
    """What was given to an attack, in parts.

    Args:
        moving: which input moves; `None` where there is a bare one.
        x: the input that moves, `(N, ...)` float32.
        held: the others by their names, arrays of `N` rows.
        dtype: the type in which `x` came.
    """

    moving: Moving | None
    x: np.ndarray
    held: dict[str, np.ndarray]
    dtype: np.dtype


def parted(model, x, name: str | None = None) -> Parts:
    """The inputs of a model in parts: the one that moves, and those that are held.

    Args:
        model: a Keras model.
        x: its inputs, as `fit` takes them.
        name: of the input that moves; `None` for the only one of real numbers.

    Raises:
        TypeError: if an input is no numeric array, or the one that is to move takes integers.
        ValueError: if shapes or values are wrong, there is no such input, or it is not said which
            of several moves.
    """
    inputs = as_inputs(model, x)
    if not isinstance(inputs, Mapping | list):
        _expect_real(model, "", inputs)
        if name is not None and names_of(model, inputs)[:1] not in ([name], [""]):
            raise ValueError(_no_such(model, name, names_of(model, inputs)[:1]))
        return Parts(None, inputs, {}, dtype_of(x))
    names = tuple(names_of(model, inputs))
    rows = inputs.values() if isinstance(inputs, Mapping) else inputs
    every = dict(zip(names, rows, strict=True))
    real = [key for key, rows in every.items() if rows.dtype == np.float32]
    if name is None and len(real) == 1:
        name = real[0]
    elif name is None and real:
        raise ValueError(
            f"The model {model.name!r} has {len(real)} inputs of real numbers: "
            f"{', '.join(map(repr, real))}. An attack moves one of them and holds the others. Say "
            f"which: isi_keras.logits(model, moving={real[0]!r})."
        )
    elif name is None:
        _expect_real(model, "", next(iter(every.values())))
    elif name not in names:
        raise ValueError(_no_such(model, name, names))
    moving = Moving(str(name), names, isinstance(inputs, Mapping))
    _expect_real(model, f" in {name!r}", moving.of(inputs))
    given = x[moving.name] if isinstance(x, Mapping) else x[names.index(moving.name)]
    return Parts(moving, moving.of(inputs), moving.held(inputs), dtype_of(given))


def _no_such(model, name: str, names) -> str:
    known = ", ".join(map(repr, names))
    return f"The model {model.name!r} has no input {name!r}. Choose one of {known}."


def _expect_real(model, where: str, x: np.ndarray) -> None:
    if x.dtype != np.float32:
        raise TypeError(
            f"The model {model.name!r} takes integers{where} ({x.dtype}), which an attack cannot "
            "move by degrees. Attack another input, which holds this one; or a model that takes "
            "real numbers, e.g. the outputs of its Embedding."
        )
