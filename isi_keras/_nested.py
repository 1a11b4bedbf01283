"""Inputs that lie in dictionaries and lists of others: flat here, nested where the model is called.

`{"p": {"a": rows}, "b": rows}` has the inputs `"p.a"` and `"b"`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

_KINDS = Mapping, list, tuple


def declared(model: Any) -> Any:
    """The inputs that a functional or sequential model declares, in their structure; or `None`.

    A subclassed model has an `input` too once it was called in another one, but a flat list.
    """
    return getattr(model, "input", None) if getattr(model, "inputs", None) else None


def built_for(model: Any) -> Any:
    """The shapes that a model was built for, in the structure of its inputs; or `None`."""
    return (model.get_build_config() or {}).get("input_shape")


def structure_of(model: Any) -> Any:
    """The structure of the inputs that a model declares, or was built for; `None` if none nests."""
    structure = declared(model)
    if structure is None:
        structure = built_for(model)
    return structure if any(_holds(part) for part in _parts(structure)) else None


def leaves(structure: Any) -> dict[str, Any]:
    """What a structure holds, by names that say where.

    Raises:
        ValueError: if two of them are one.
    """
    return _named(_leaves(structure, structure, ()))


def flat(model: Any, x: Any) -> Any:
    """The inputs of a model in one dictionary, or one list; as they are if they lie in one.

    Raises:
        ValueError: if they lie in others than the model takes.
    """
    structure = structure_of(model)
    if structure is None or not isinstance(x, _KINDS):
        return x
    try:
        found = _named(_leaves(structure, x, ()))
    except (LookupError, TypeError) as error:
        if not _has_dictionary_within(x):
            return x
        raise ValueError(
            f"Expected the inputs {', '.join(map(repr, leaves(structure)))} of the model "
            f"{model.name!r}, in the dictionaries and lists that it takes them in. {error}"
        ) from error
    return list(found.values()) if _is_list_of(model, x) else found


def fits(model: Any, x: Any) -> bool:
    """Whether inputs lie in dictionaries and lists just as a model takes them."""
    structure = structure_of(model)
    try:
        return structure is not None and not any(
            isinstance(part, _KINDS) for _, part in _leaves(structure, x, ())
        )
    except (LookupError, TypeError):
        return False


def numbered(model: Any, x: Any) -> Any:
    """The inputs of a model of a list that does not name them, from a dictionary by numbers."""
    if not isinstance(x, Mapping) or declared(model) is not None:
        return x
    shapes, names = built_for(model), [str(number) for number in range(len(x))]
    several = isinstance(shapes, list | tuple) and all(isinstance(s, list | tuple) for s in shapes)
    return [x[name] for name in names] if several and set(x) == set(names) else x


def of_data(x: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary of arrays without dictionaries within."""
    return _named(_of_data(x, ())) if _has_dictionary_within(x) else dict(x)


def packed(model: Any, x: Any) -> Any:
    """The inputs of a model as it takes them, from those in one dictionary or one list."""
    structure = structure_of(model)
    if structure is None:
        return x
    names = leaves(structure)
    if isinstance(x, Mapping):
        return _shaped(structure, lambda name: x[name]) if set(x) == set(names) else x
    if not _is_list_of(model, x) or len(x) != len(names):
        return x
    each = dict(zip(names, x, strict=True))
    return _shaped(structure, lambda name: each[name])


def _is_list_of(model: Any, x: Any) -> bool:
    """Whether inputs are a list, of a model that says what it takes."""
    return isinstance(x, list | tuple) and declared(model) is not None


def _holds(part: Any) -> bool:
    """Whether a part of a structure is one, and not a tensor, or the shape of one."""
    if isinstance(part, list | tuple):
        return not all(size is None or isinstance(size, int) for size in part)
    return isinstance(part, Mapping)


def _parts(x: Any) -> Iterable:
    return x.values() if isinstance(x, Mapping) else x if isinstance(x, list | tuple) else ()


def _has_dictionary_within(x: Any) -> bool:
    return any(isinstance(part, Mapping) or _has_dictionary_within(part) for part in _parts(x))


def _named(found: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, part in found:
        if name in named:
            raise ValueError(
                f"Two inputs have the name {name!r}, which says in which dictionary one lies, and "
                "is the key of the other. Rename one."
            )
        named[name] = part
    return named


def _leaves(structure: Any, x: Any, path: tuple) -> Iterator[tuple[str, Any]]:
    """What lies in `x` where the leaves of a structure are."""
    where = ".".join(map(str, path))
    if not _holds(structure):
        yield where, x
    elif isinstance(structure, Mapping):
        if not isinstance(x, Mapping) or set(x) != set(structure):
            received = list(x) if isinstance(x, Mapping) else type(x).__name__
            raise TypeError(f"Received in {where or 'x'}: {received}.")
        for key, part in structure.items():
            yield from _leaves(part, x[key], (*path, key))
    else:
        if not isinstance(x, list | tuple) or len(x) != len(structure):
            raise TypeError(f"Received in {where or 'x'}: {type(x).__name__}.")
        for number, part in enumerate(structure):
            yield from _leaves(part, x[number], (*path, number))


def _of_data(x: Any, path: tuple) -> Iterator[tuple[str, Any]]:
    if not isinstance(x, Mapping):
        yield ".".join(map(str, path)), x
        return
    for key, part in x.items():
        yield from _of_data(part, (*path, key))


def _shaped(structure: Any, value: Callable[[str], Any], path: tuple = ()) -> Any:
    """A structure with other leaves, by their names."""
    if not _holds(structure):
        return value(".".join(map(str, path)))
    if isinstance(structure, Mapping):
        return {key: _shaped(part, value, (*path, key)) for key, part in structure.items()}
    return type(structure)(_shaped(part, value, (*path, n)) for n, part in enumerate(structure))
