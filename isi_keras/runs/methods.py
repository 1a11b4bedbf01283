"""What is done with the samples: an attack, an indicator, or a function such as `hardness`."""

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from isi_keras import _component
from isi_keras.results import Result

_GIVEN = ("y", "target", "goal", "batch_size", "first_index")


def spec_of(method: Any) -> dict[str, Any]:
    """What JSON knows of a method, from which a worker makes it anew.

    Args:
        method: an attack, an indicator (which is explained with), or a function
            `f(model, x, ...)` that returns a `Result`, such as `isi.hardness`; its options by
            `functools.partial(isi.hardness, distances=False)`.

    Raises:
        TypeError: if it is none of these, or a worker could not import it.
    """
    if isinstance(method, str):
        raise TypeError(
            f"Expected a method: an Attack, an indicator or a function such as isi.hardness. "
            f"Received: {method!r}."
        )
    if isinstance(method, _component.Component):
        return {
            "kind": method.kind,
            "module": type(method).__module__,
            "component": _component.serialize(method),
        }
    options: dict[str, Any] = {}
    while isinstance(method, functools.partial):
        if method.args:
            raise TypeError("Expected functools.partial with named arguments only.")
        method, options = method.func, {**method.keywords, **options}
    name = getattr(method, "__qualname__", "")
    if not callable(method) or not name.isidentifier():
        raise TypeError(
            "Expected an attack, an indicator, or a function of a module, which workers can "
            f"import. Received: {method!r}."
        )
    known = inspect.signature(method).parameters
    for option in options:
        if option not in known or option in _GIVEN:
            taken = "an argument of run itself" if option in _GIVEN else "no option of it"
            raise TypeError(f"{option!r} of {name} is {taken}.")
    modules = sorted({type(part).__module__ for part in _components(options)})
    return {
        "kind": "function",
        "module": method.__module__,
        "function": name,
        "modules": modules,
        "options": _component.serialize(options),
    }


def _components(value: Any) -> list[_component.Component]:
    if isinstance(value, _component.Component):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple):
        return [component for part in parts for component in _components(part)]
    return []


def takes(spec: dict[str, Any], argument: str) -> tuple[bool, bool]:
    """Whether a method takes `y` or `target`, and whether it needs it."""
    if spec["kind"] == "attack":
        return True, False
    if spec["kind"] == "indicator":
        return argument == "target", False
    parameter = inspect.signature(_function(spec)).parameters.get(argument)
    return parameter is not None, (
        parameter is not None and parameter.default is inspect.Parameter.empty
    )


def of_spec(spec: dict[str, Any], keep: list[str]) -> Callable[..., Result]:
    """The method that JSON describes: a function of the model, `x` and `_GIVEN`.

    Args:
        spec: what `spec_of` returned.
        keep: what is wanted beside the table.
    """
    for module in (spec["module"], *spec.get("modules", ())):
        if module != "__main__":
            importlib.import_module(module)
    if spec["kind"] == "attack":
        from isi_keras import attacks

        attack = attacks.get(spec["component"])
        return functools.partial(attack, trajectory="trajectory" in keep)
    if spec["kind"] == "indicator":
        from isi_keras.explanations.explain import explain

        return _fitting(functools.partial(explain, indicator=spec["component"]))
    if spec["kind"] == "function":
        return _fitting(functools.partial(_function(spec), **spec["options"]))
    raise TypeError(f"Expected an attack, an indicator or a function. Received: {spec['kind']!r}.")


def _function(spec: dict[str, Any]) -> Callable:
    return getattr(importlib.import_module(spec["module"]), spec["function"])


def _fitting(function: Callable) -> Callable[..., Result]:
    """A function that is told of `_GIVEN` only what it takes."""
    known = inspect.signature(function).parameters

    def call(model, x, **given):
        return function(model, x, **{n: v for n, v in given.items() if n in known})

    return call
