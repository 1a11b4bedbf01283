"""Inputs that lie in dictionaries and lists of others: flat here, nested where the model is called.

`{"p": {"a": rows}, "b": rows}` has the inputs `"p.a"` and `"b"`.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

_GIVEN: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
"""Of what structure the inputs of a model were that does not declare them."""


def structure_of(model: Any) -> Any:
    """The nested structure of the inputs that a model declares; `None` if they lie in one."""
    declared = getattr(model, "input", None)
    return declared if any(isinstance(part, _KINDS) for part in _parts(declared)) else None


def leaves(structure: Any) -> dict[str, Any]:
    """What a structure holds, by names that say where."""
    return dict(_leaves(structure, structure, ()))


def flat(model: Any, x: Any) -> Any:
    """The inputs of a model in one dictionary, or one list; as they are if they lie in one."""
    structure = structure_of(model)
    if structure is None:
        if not _has_dictionary_within(x):
            return x
        structure = _GIVEN[model] = _shaped(x, lambda name: None)
    try:
        found = dict(_leaves(structure, x, ()))
    except (LookupError, TypeError):
        return x  # flat already, or what the model does not take
    return found if isinstance(x, Mapping) else list(found.values())


def of_data(x: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary of arrays without those within."""
    return leaves(x) if _has_dictionary_within(x) else dict(x)


def packed(model: Any, x: Any) -> Any:
    """The inputs of a model as it takes them, from those in one dictionary or one list."""
    structure = structure_of(model) or _GIVEN.get(model)
    if structure is None:
        return x
    names = leaves(structure)
    named = isinstance(x, Mapping) and set(x) == set(names)
    rows = x.values() if isinstance(x, Mapping) else x
    each = x if named else dict(zip(names, rows, strict=True))
    return _shaped(structure, lambda name: each[name])


_KINDS = Mapping, list, tuple


def _parts(x: Any) -> Iterable:
    return x.values() if isinstance(x, Mapping) else x if isinstance(x, list | tuple) else ()


def _has_dictionary_within(x: Any) -> bool:
    return any(isinstance(part, Mapping) or _has_dictionary_within(part) for part in _parts(x))


def _leaves(structure: Any, x: Any, path: tuple) -> Iterator[tuple[str, Any]]:
    """What lies in `x` where the leaves of a structure are."""
    if isinstance(structure, Mapping):
        for key, part in structure.items():
            yield from _leaves(part, x[key], (*path, key))
    elif isinstance(structure, list | tuple):
        if not isinstance(x, list | tuple) or len(x) != len(structure):
            raise TypeError
        for number, part in enumerate(structure):
            yield from _leaves(part, x[number], (*path, number))
    else:
        yield ".".join(map(str, path)), x


def _shaped(x: Any, value: Callable[[str], Any], path: tuple = ()) -> Any:
    """A structure with other leaves, by their names."""
    if isinstance(x, Mapping):
        return {key: _shaped(part, value, (*path, key)) for key, part in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(_shaped(part, value, (*path, n)) for n, part in enumerate(x))
    return value(".".join(map(str, path)))
