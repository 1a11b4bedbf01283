"""Where bounds of each sample would go with other samples than their own."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from isi_keras import _component
from isi_keras.domain.bounds import as_bounds, as_domain
from isi_keras.domain.domain import Domain

_MOST_AXES = 9


def expect_for_all(value: Any, rank: int | Callable[[], int | None]) -> None:
    """Raises where bounds of each sample are given to what is shown some samples at a time.

    Nobody cuts them as the samples are. As many bounds as samples in a portion would fit each
    portion, and be of the first samples in all of them.

    Args:
        value: what has bounds: a `Domain`, an attack, a function and its options
            (`functools.partial`), a configuration, or lists and dictionaries of these.
        rank: how many axes what moves has, `N` among them; or what says so, called only if it
            matters, and `None` if nobody knows: then whatever might be of each sample is refused.

    Raises:
        ValueError: the text says whose bounds they are, and how to go on.
    """
    for name, domain in domains_of(value):
        if not any(map(domain.of_each, range(1, _MOST_AXES))):
            continue
        axes = rank() if callable(rank) else rank
        if axes is None or domain.per_sample(axes):
            raise ValueError(
                "Bounds of each sample are cut for an attack alone, of samples that are read by "
                f"number; here those of {name} would not go with the samples. Pass bounds for all "
                "samples, or run the attack by itself over arrays."
            )


def domains_of(value: Any) -> Iterator[tuple[str, Domain]]:
    """All bounds in a value, such as `expect_for_all` takes, and whose they are."""
    while isinstance(value, functools.partial):
        yield from domains_of(value.keywords)
        value = value.func
    if isinstance(value, Domain):
        yield type(value).__name__, value
    elif isinstance(value, _component.Component):
        own = getattr(value, "domain", None)
        if isinstance(own, Domain):
            yield type(value).__name__, own
        for field in dataclasses.fields(value):  # pyright: ignore[reportArgumentType]
            yield from domains_of(getattr(value, field.name))
    elif isinstance(value, Mapping):
        config = value.get("config")
        if isinstance(config, Mapping) and "bounds" in config:
            yield from _bounds(str(value.get("class_name")), config["bounds"])
        if "bounds" in value:
            yield from _bounds("the option bounds", value["bounds"])
        for entry in value.values():
            yield from domains_of(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from domains_of(entry)


def _bounds(name: str, value: Any) -> Iterator[tuple[str, Domain]]:
    try:
        yield name, as_domain(as_bounds(value))
    except (TypeError, ValueError):
        return  # an option of the user's own that has this name, or one that the method refuses
