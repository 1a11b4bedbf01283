"""What is done with the samples: an attack, an indicator, or a function such as `hardness`."""

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from isi_keras import _checks, _component
from isi_keras.domain import expect_for_all
from isi_keras.results import Result
from isi_keras.runs import bounds

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
            "Expected a method: an Attack, an indicator or a function such as isi.hardness. "
            f"Received: {_checks.shown(method)}."
        )
    if isinstance(method, _component.Component):
        if method.kind not in ("attack", "indicator"):
            raise TypeError(
                "Expected an attack, an indicator or a function. Received: "
                f"{_checks.shown(method)}, which is "
                f"{_article(method.kind)}."
            )
        return {
            "kind": method.kind,
            "module": type(method).__module__,
            "component": _component.serialize(method),
        }
    if isinstance(method, type):
        made = f"{method.__name__}(...)"
        raise TypeError(
            "Expected an attack, an indicator or a function of a module. Received: the class "
            f"{method.__name__}. Pass one that is made of it, {made}."
        )
    options: dict[str, Any] = {}
    while isinstance(method, functools.partial):
        if method.args:
            raise TypeError("Expected functools.partial with named arguments only.")
        method, options = method.func, {**method.keywords, **options}
    name = getattr(method, "__qualname__", "")
    if not callable(method) or not name.isidentifier():
        raise TypeError(
            "Expected an attack, an indicator, or a function of a module, which workers can "
            f"import. Received: {_checks.shown(method)}."
        )
    known = inspect.signature(method).parameters
    _check_samples(name, list(known.values()))
    for option in options:
        if option not in known or option in _GIVEN:
            taken = "an argument of run itself" if option in _GIVEN else "no option of it"
            raise TypeError(f"{option!r} of {name} is {taken}.")
    modules = sorted({type(part).__module__ for part in components(options)})
    return {
        "kind": "function",
        "module": method.__module__,
        "function": name,
        "modules": modules,
        "options": _component.serialize(options),
    }


def _article(kind: str) -> str:
    return f"a{'n' * (kind[0].lower() in 'aeiou')} {kind}"


def _check_samples(name: str, parameters: list[inspect.Parameter]) -> None:
    """Raises unless a function takes a model and samples."""
    given = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    bare = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(given) < 2 and not bare:
        words = ", ".join(p.name for p in parameters)
        raise TypeError(f"Expected a function f(model, x, ...). Received: {name}({words}).")
    kind = given[1].annotation if len(given) > 1 else None
    if isinstance(kind, type) and issubclass(kind, Result):
        raise TypeError(
            f"{name} takes {_article(kind.__name__)}, not samples. Make that by a run, and call "
            f"{name} with `run.result()`; or pass a function of a module of yours, "
            "f(model, x, ...), that does both."
        )


def components(value: Any) -> list[_component.Component]:
    """The components in an option, or in a list or dictionary of them."""
    if isinstance(value, _component.Component):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple):
        return [component for part in parts for component in components(part)]
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


def are_ours(spec: dict[str, Any]) -> bool:
    """Whether a method is of this package, so that it leaves the weights of a model as they are."""
    name = spec["module"].partition(".")[0]
    return spec["kind"] != "function" or name == __name__.partition(".")[0]


def of_spec(
    spec: dict[str, Any], keep: list[str], each: Mapping[str, np.ndarray] | None = None
) -> Callable[..., Result]:
    """The method that JSON describes: a function of the model, `x` and `_GIVEN`.

    Args:
        spec: what `spec_of` returned.
        keep: what is wanted beside the table.
        each: what the domain of an attack says of each sample of the run, by the names of its
            fields, `(N, ...)`.
    """
    for module in (spec["module"], *spec.get("modules", ())):
        if module != "__main__":
            importlib.import_module(module)
    if spec["kind"] == "attack":
        from isi_keras import attacks

        attack = attacks.get(spec["component"])
        attack = functools.partial(attack, trajectory="trajectory" in keep)
        if each:
            return bounds.cut(attack, spec["component"], each)
        return _of_all(attack.func, attack)
    if spec["kind"] == "indicator":
        from isi_keras.explanations.explain import explain

        return _fitting(functools.partial(explain, indicator=spec["component"]))
    if spec["kind"] == "function":
        options = spec["options"]
        return _of_all(options, _fitting(functools.partial(_function(spec), **options)))
    raise TypeError(f"Expected an attack, an indicator or a function. Received: {spec['kind']!r}.")


def _of_all(options: Any, function: Callable[..., Result]) -> Callable[..., Result]:
    """A method that refuses to be told of one part of the samples what is of another."""

    def call(model, x, **given):
        expect_for_all(options, lambda: bounds.axes_of(model, x))
        return function(model, x, **given)

    return call


def _function(spec: dict[str, Any]) -> Callable:
    return getattr(importlib.import_module(spec["module"]), spec["function"])


def _fitting(function: Callable) -> Callable[..., Result]:
    """A function that is told of `_GIVEN` only what it takes, and of batches only if told."""
    known = inspect.signature(function).parameters

    def call(model, x, batch_size=None, **given):
        given |= {} if batch_size is None else {"batch_size": batch_size}
        return function(model, x, **{n: v for n, v in given.items() if n in known})

    return call
