"""Components: frozen dataclasses whose fields are their configuration."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from isi_keras import _checks


class Component:
    """Base of everything a user configures: indicators, rules, norms and attacks.

    A subclass is a `@dataclass(frozen=True, eq=False)`; its fields are its configuration. Two
    components are equal when their configurations are.
    """

    kind: ClassVar[str] = "component"

    def get_config(self) -> dict[str, Any]:
        """Returns the fields as a dictionary that `json.dumps` accepts."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Builds the component back from what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()  # pyright: ignore[reportAttributeAccessIssue]

    def __hash__(self) -> int:
        return hash((type(self).__name__, json.dumps(self.get_config(), sort_keys=True)))


def _plain(value: Any) -> Any:
    """Nested components, arrays and NumPy scalars as what JSON knows."""
    if isinstance(value, Component):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value


def check_box(low: Any, high: Any) -> None:
    """Raises ValueError unless `low` is below `high` everywhere, both finite."""
    below, above = np.asarray(low, "float32"), np.asarray(high, "float32")
    if not (np.isfinite(below).all() and np.isfinite(above).all() and np.all(below < above)):
        raise ValueError(
            "Expected low and high to be finite, low below high everywhere. "
            f"Received: low={low!r}, high={high!r}."
        )


T = TypeVar("T", bound=Component)


def get(
    identifier: Any,
    kind: type[T],
    names: Mapping[str, Callable[[], T]],
    classes: tuple[type[T], ...],
) -> T:
    """Turns a name, a configuration or a component into a component.

    Args:
        identifier: a `kind` already; a key of `names`, upper or lower case; or a dictionary
            `{"class_name": ..., "config": ...}`, as found inside `get_config`.
        kind: the base class that is expected.
        names: what each name stands for.
        classes: the classes a configuration may name.

    Raises:
        ValueError: for a name nobody knows; the text gives the nearest one.
        TypeError: for anything else.
    """
    if isinstance(identifier, kind):
        return identifier
    word = kind.kind
    if isinstance(identifier, str):
        if identifier.lower() in names:
            return names[identifier.lower()]()
        raise ValueError(_checks.unknown(word, identifier, names))
    if isinstance(identifier, Mapping) and "class_name" in identifier:
        by_name = {entry.__name__: entry for entry in classes}
        if identifier["class_name"] in by_name:
            return by_name[identifier["class_name"]].from_config(identifier.get("config", {}))
        raise ValueError(_checks.unknown(word, identifier["class_name"], by_name))
    raise TypeError(
        f"Expected {word} to be one of {', '.join(map(repr, names))} or an instance of "
        f"{kind.__name__}. Received: {word}={identifier!r} of type {type(identifier).__name__}."
    )
