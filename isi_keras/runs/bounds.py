"""Bounds of each sample of a run: files beside the plan, cut for each shard."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from isi_keras import _component
from isi_keras.domain import Domain
from isi_keras.results import Result
from isi_keras.runs.folder import INPUT, RunFolder
from isi_keras.sources import Rows, hashes
from isi_keras.sources.files import load
from isi_keras.sources.rows import write_array

EACH = "each"
"""The entry of a method's description that names what is given for each sample."""


def apart(
    method: Any, source: Any, rank: Callable[[], int | None]
) -> tuple[Any, dict[str, np.ndarray]]:
    """An attack with the bounds of the first sample, and what is given of each.

    Args:
        method: what is run.
        source: the samples.
        rank: how many axes what moves has, `N` among them; called only if it matters.

    Returns:
        The method, and by the names of fields of a `Domain` arrays `(N, ...)`; none if one domain
        is for all.

    Raises:
        ValueError: if they are not as many as the samples, or these come as a stream.
    """
    domain = getattr(method, "domain", None)
    if not isinstance(domain, Domain) or not any(map(domain.of_each, range(1, 9))):
        return method, {}
    if not isinstance(source, Rows):
        axes = rank()  # None: the workers see of what shape the samples are
        if axes is not None and domain.of_each(axes):
            raise ValueError(
                "Received bounds for each sample of a stream, whose order nobody knows. Pass what "
                "is read by number, or bounds for all samples."
            )
        return method, {}
    x, axes = source.rows(0, 1)[0], rank()
    if isinstance(x, np.ndarray):
        domain = domain.of_dtype(x.dtype)
    each = {} if axes is None else domain.of_each(axes)
    for word, array in each.items():
        if len(array) != len(source):
            raise ValueError(
                f"Expected {word} of the bounds for each of {len(source)} samples, or one for all. "
                f"Received: {len(array)}."
            )
    if not each:
        return method, {}
    first = domain.rows(slice(0, 1), axes)  # pyright: ignore[reportArgumentType]
    return dataclasses.replace(method, bounds=first), each


def axes_of(model: Any, x: Any) -> int | None:
    """How many axes what an attack moves has, `N` among them.

    Args:
        model: what `logits` takes, or `None`.
        x: samples: an array, or several inputs, a list or dictionary of them.

    Returns:
        Their number; `None` if only the model could say, and there is none.
    """
    if not isinstance(x, Mapping | list | tuple):
        return x.ndim
    if model is None:
        return None
    from isi_keras import models  # starts a backend, which not every run needs
    from isi_keras.models.parts import parted

    classifier = models.logits(model)
    return parted(classifier.model, x, classifier.moved).x.ndim


def described(each: Mapping[str, np.ndarray]) -> dict[str, str]:
    """What JSON knows of them: their hashes."""
    return {word: hashes.of_arrays(array) for word, array in each.items()}


def spill(folder: RunFolder, each: Mapping[str, np.ndarray]) -> None:
    """Writes them, for workers and for whoever reads the run."""
    for word, array in each.items():
        write_array(_place(folder, word), array)


def read(folder: RunFolder, spec: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What `spill` wrote, by the names of fields."""
    return {word: load(_place(folder, word)) for word in spec.get(EACH, ())}


def _place(folder: RunFolder, word: str) -> Any:
    return folder.path / INPUT / f"bounds-{word}.npy"


def between(
    component: Mapping[str, Any], each: Mapping[str, np.ndarray], begin: int, end: int
) -> dict[str, Any]:
    """The configuration of an attack with the bounds of some samples in place of the first's."""
    bounds = component["config"]["bounds"]
    known = {word: np.asarray(array[begin:end]).tolist() for word, array in each.items()}
    own = {**bounds, "config": {**bounds["config"], **known}}
    return {**component, "config": {**component["config"], "bounds": own}}


def cut(
    attack: Callable[..., Result], component: Mapping[str, Any], each: Mapping[str, np.ndarray]
) -> Callable[..., Result]:
    """An attack that is told which samples of the run it is given, by `first_index`."""
    known = _component.get(component["config"]["bounds"], Domain, {})

    def call(model: Any, x: Any, *, first_index: int, **given: Any) -> Result:
        count = len(next(iter(x.values())) if isinstance(x, Mapping) else x)
        own = {word: np.array(a[first_index : first_index + count]) for word, a in each.items()}
        made = dataclasses.replace(attack.func, bounds=dataclasses.replace(known, **own))  # pyright: ignore
        return made(model, x, first_index=first_index, **attack.keywords, **given)  # pyright: ignore

    return call
