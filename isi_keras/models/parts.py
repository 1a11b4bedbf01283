"""The inputs of a model in parts: what an attack moves, and what it holds."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from isi_keras._nested import flat
from isi_keras.models.inputs import as_inputs, dtype_of, names_of
from isi_keras.models.moving import Moving


class Parts(NamedTuple):
    """What was given to an attack, in parts.

    Args:
        moving: which inputs move; `None` where there is a bare one.
        x: what moves, `(N, ...)` float32.
        held: the others by their names, arrays of `N` rows.
        dtype: the type in which `x` came.
    """

    moving: Moving | None
    x: np.ndarray
    held: dict[str, np.ndarray]
    dtype: np.dtype


def parted(model, x, moved: tuple[str, ...] | None = None) -> Parts:
    """The inputs of a model in parts: what moves, and what is held.

    Args:
        model: a Keras model.
        x: its inputs, as `fit` takes them.
        moved: the names of the inputs that move; `None` for the only one of real numbers.

    Raises:
        TypeError: if an input is not a numeric array, or one that is to move takes integers.
        ValueError: if shapes or values are wrong, there is no such input, or it is not said which
            of several moves.
    """
    inputs = as_inputs(model, x)
    if not isinstance(inputs, Mapping | list):
        _expect_real(model, "", inputs)
        known = names_of(model, inputs)[:1]
        if moved is not None and known and moved != tuple(known):
            raise ValueError(_no_such(model, moved[0], known))
        return Parts(None, inputs, {}, dtype_of(x))
    names = tuple(names_of(model, inputs))
    rows = inputs.values() if isinstance(inputs, Mapping) else inputs
    every = dict(zip(names, rows, strict=True))
    moved = _only(model, every) if moved is None else moved
    for name in moved:
        if name not in names:
            raise ValueError(_no_such(model, name, names))
        _expect_real(model, f" in {name!r}", every[name])
    shapes = tuple(every[name].shape[1:] for name in moved)
    moving = Moving(moved, shapes, names, isinstance(inputs, Mapping))
    x = flat(model, x)
    given = x if isinstance(x, Mapping) else dict(zip(names, x, strict=True))
    types = {name: dtype_of(given[name]) for name in moved}
    return Parts(moving, moving.of(inputs), moving.held(inputs), _common(types))


def _only(model, every: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """The only input of real numbers."""
    real = [name for name, rows in every.items() if rows.dtype == np.float32]
    if len(real) > 1:
        raise ValueError(
            f"The model {model.name!r} has {len(real)} inputs of real numbers: "
            f"{', '.join(map(repr, real))}. Say which an attack moves, the others are held: "
            f"isi_keras.logits(model, moving={real[0]!r}), or moving={real!r} for all. "
            "In training: AdversarialTraining(model, attack, moving=...)."
        )
    if not real:
        _expect_real(model, "", next(iter(every.values())))
    return tuple(real)


def _common(types: Mapping[str, np.dtype]) -> np.dtype:
    """The type of what moves together."""
    kinds = {dtype.kind == "f" for dtype in types.values()}
    if len(kinds) > 1 or (kinds == {False} and len(set(types.values())) > 1):
        said = ", ".join(f"{name!r} is {dtype}" for name, dtype in types.items())
        raise ValueError(
            f"Inputs that move together are of one type: {said}. Pass them as float32, and say "
            "which are whole numbers by a Domain with `integer`."
        )
    return next(iter(types.values())) if kinds == {False} else np.dtype("float32")


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
