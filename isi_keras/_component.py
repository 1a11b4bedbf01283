"""Components: frozen dataclasses whose fields are their configuration.

A final class is registered when it is defined, so that a configuration comes back as a component
once the module of its class is imported, also of classes that users write.
"""

import dataclasses
import inspect
import json
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from isi_keras import _checks, _html


class Component:
    """Base of everything a user configures: indicators, rules, norms and attacks.

    A subclass is a `@dataclass(frozen=True, eq=False)`; its fields are its configuration. Two
    components are equal when they and the components inside them are of the same classes, and their
    configurations are equal. A class that was defined again, as in a notebook, is another one.
    """

    kind: ClassVar[str] = "component"

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if not inspect.isabstract(cls):
            _registered.setdefault(cls.kind, {})[f"{cls.__module__}.{cls.__qualname__}"] = cls

    def __new__(cls, *args, **kwargs):
        """Raises unless the class is a dataclass, as fields would be missing from it."""
        if "__dataclass_fields__" not in vars(cls) and not _adds_nothing(cls):
            raise TypeError(
                f"Expected {cls.__name__} to be a dataclass. Write "
                "@dataclasses.dataclass(frozen=True, eq=False) above its class."
            )
        return super().__new__(cls)

    def get_config(self) -> dict[str, Any]:
        """Returns the fields as a dictionary that `json.dumps` accepts."""
        return {
            field.name: serialize(getattr(self, field.name))
            for field in dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Builds the component back from what `get_config` returned."""
        return cls(**config)

    def _repr_html_(self) -> str:
        rows = [
            (field.name, repr(getattr(self, field.name)))
            for field in dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        ]
        title = type(self).__name__ + ("" if rows else ", which has no options")
        return _html.table(title, rows, ("option", "value") if rows else ())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            _same(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        )

    def __hash__(self) -> int:
        return hash((type(self).__name__, json.dumps(self.get_config(), sort_keys=True)))


def _adds_nothing(cls: type) -> bool:
    """Whether a class has the fields of the one it extends."""
    own = inspect.get_annotations(cls).values()
    return dataclasses.is_dataclass(cls) and all("ClassVar" in str(kind) for kind in own)


_registered: dict[str, dict[str, type[Component]]] = {}
"""By kind the final classes by their paths. A class that is defined again takes its place."""


def serialize(value: Any) -> Any:
    """What JSON knows of a component: `{"class_name": ..., "config": ...}`, as `get` takes it.

    Args:
        value: a component; or a sequence or a dictionary of components, an array, a NumPy scalar or
            what JSON knows already.
    """
    if isinstance(value, Component):
        return {"class_name": _name_of(type(value)), "config": value.get_config()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [serialize(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: serialize(entry) for key, entry in value.items()}
    return value


def traced(value: Any) -> Hashable:
    """A value that compilation depends on, so that it can be a key: components are themselves."""
    if isinstance(value, Component):
        return value
    if isinstance(value, tuple | list):
        return tuple(map(traced, value))
    return json.dumps(serialize(value), sort_keys=True)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Component) or isinstance(other, Component):
        return one == other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    return serialize(one) == serialize(other)


def check_box(low: Any, high: Any) -> None:
    """Raises ValueError unless `low` is below `high` everywhere, both finite."""
    below, above = np.asarray(low, "float32"), np.asarray(high, "float32")
    try:
        np.broadcast_shapes(below.shape, above.shape)
    except ValueError as error:
        raise ValueError(
            "Expected low and high to be numbers, or lists of shapes that go together. Received: "
            f"low of shape {below.shape}, high of shape {above.shape}."
        ) from error
    if not (np.isfinite(below).all() and np.isfinite(above).all() and np.all(below < above)):
        raise ValueError(
            "Expected low and high to be finite, low below high everywhere. "
            f"Received: low={_checks.shown(low)}, high={_checks.shown(high)}."
        )


T = TypeVar("T", bound=Component)


def get(identifier: Any, kind: type[T], names: Mapping[str, Callable[[], T]]) -> T:
    """Turns a name, a configuration or a component into a component.

    Args:
        identifier: a `kind` already; a key of `names`, upper or lower case; or a dictionary
            `{"class_name": ..., "config": ...}`, as `serialize` makes it. The name of the class may
            be its path, as in `"my_norms.Two"`, and must be if several have that name.
        kind: the base class that is expected.
        names: what each name stands for.

    Raises:
        ValueError: for a name nobody knows, the text gives the nearest one; for a class that is not
            defined yet, or not the only one of its name.
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
        return _class_of(word, identifier["class_name"]).from_config(identifier.get("config", {}))  # pyright: ignore[reportReturnType]
    expected = f"Expected {word} to be one of {', '.join(map(repr, names))} or an instance of "
    expected += f"{kind.__name__}. Received"
    if _checks.is_array(identifier):
        raise TypeError(
            f"{expected} an array where {_an(word)} belongs: {_checks.described(identifier)}. "
            "Compare the order of the arguments."
        )
    said = _checks.shown(identifier)
    raise TypeError(f"{expected}: {word}={said} of type {type(identifier).__name__}.")


def _an(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _name_of(kind: type[Component]) -> str:
    """What a configuration calls a class: its name, or its path if one of ours has that name."""
    path = f"{kind.__module__}.{kind.__qualname__}"
    known = _registered.get(kind.kind, {}).items()
    taken = any(_is_ours(other) and entry.__name__ == kind.__name__ for other, entry in known)
    return path if taken and not _is_ours(path) else kind.__name__


def _is_ours(path: str) -> bool:
    return path.startswith("isi_keras.")


def _class_of(word: str, name: str) -> type[Component]:
    """The class of a name or path among the final classes of a kind."""
    known = _registered.get(word, {})
    if name in known:
        return known[name]
    paths = [path for path, entry in known.items() if entry.__name__ == name]
    paths = [path for path in paths if _is_ours(path)] or paths
    if len(paths) == 1:
        return known[paths[0]]
    if paths:
        raise ValueError(
            f"Several classes are called {name!r}: {', '.join(paths)}. Say which one is meant, as "
            f"in {{'class_name': {paths[-1]!r}}}, or give yours another name."
        )
    ours = sorted({entry.__name__ for entry in known.values()})
    raise ValueError(
        f"{_checks.unknown(word, name, ours)} A class of your own is known once the module that "
        "defines it is imported: import it first."
    )
