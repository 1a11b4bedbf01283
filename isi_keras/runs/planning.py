"""The plan of a run: all that decides its numbers, as JSON; and whether two are the same."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras import _checks, sources
from isi_keras.domain import domains_of, expect_for_all
from isi_keras.runs import bounds, engines, methods, models, shards
from isi_keras.runs.folder import FORMAT
from isi_keras.sources import Rows, Stream, folders, hashes, tables
from isi_keras.sources.rows import BATCH, BATCHES

_LATER = 99  # axes, more than bounds have: the worker says it, which sees the samples
_DEFAULT = ("adversarial", "relevance")
_CHANGED = {"sha256", "y_sha256"}
_LAST = ("shard_size", "shards")  # these follow from others, unless they are what was given


def as_part(part: Any) -> tuple[int, int]:
    """Which part of how many.

    Raises:
        TypeError: if it is no pair of integers.
        ValueError: if there is no such part.
    """
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise TypeError(f"Expected part to be a pair (i, n). Received: part={_checks.shown(part)}.")
    index, count = (_checks.integer("part", number, 0) for number in part)
    if not index < count:
        raise ValueError(
            f"Expected part=(i, n) with i from 0 to n - 1. Received: part=({index}, {count})."
        )
    return index, count


def as_engine(engine: Any, workers: int) -> Any:
    """The function of an engine; `None` for this process.

    Raises:
        ValueError: if there is none of the name.
        TypeError: if it is no engine.
    """
    if engine is None:
        return None if workers == 1 else engines.processes
    if isinstance(engine, str):
        return engines.NAMES[_checks.one_of("engine", engine, engines.NAMES)]
    if not callable(engine):
        raise TypeError(
            f"Expected engine to be a name or a function. Received: {_checks.shown(engine)}."
        )
    return engine


def as_source(method: Any, model: Any, source: Any, y: Any) -> Rows | Stream:
    """The samples; without any those that come with a network of the package.

    Raises:
        ValueError: if there are none.
    """
    if source is None:
        from isi_keras import zoo

        if model not in zoo.NAMES:
            raise ValueError(
                "Expected samples: source=... Only networks of the package bring their own."
            )
        return sources.of(shipped_images(str(model)), y)
    images = None
    if folders.holds_images(source):
        from isi_keras.models import sourced  # starts a backend, which not every run needs

        domain = next((domain for _, domain in domains_of(method)), None)
        images = sourced.format_of(as_model(model).model, domain)
    found = sources.of(source, y, images)
    named = y is None and isinstance(found, Rows) and found.names
    if named and methods.are_ours(methods.spec_of(method)):
        tables.expect_columns(_shape_of(model), found.names)
    return found


def _shape_of(model: Any) -> Any:
    """The shape of the inputs of a model; of one that is not in memory what its file says."""
    if model is None or isinstance(model, str | Path):
        return None if model is None else tables.shape_of_model(Path(model))
    return getattr(as_model(model).model, "input_shape", None)


def shipped_images(name: str) -> Rows:
    """The test images of a network of the package, which each worker makes itself."""
    from isi_keras.runs import shipped

    factory = f"{shipped.__name__}:{shipped.images.__name__}"
    spec = {"kind": "factory", "name": factory, "options": {"name": name}}
    return sources.of_spec(spec)  # pyright: ignore[reportReturnType]


def as_model(model: Any) -> Any:
    """A model that is in memory, or loaded now."""
    from isi_keras.models import logits

    if isinstance(model, str | Path):
        return models.load(models.spec_of(model), None)  # pyright: ignore[reportArgumentType]
    return logits(model)


def plan_of(
    method: Any,
    model: Any,
    source: Rows | Stream,
    target: Any,
    goal: Any,
    batch_size: int | None,
    shard_size: int | None,
    keep: Sequence[str] | None,
    each: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """All that decides the numbers of a run; workers, engine and parts do not.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if one is out of its range, or the method lacks what it needs.
    """
    spec, stream = methods.spec_of(method), not isinstance(source, Rows)
    spec = ({bounds.EACH: bounds.described(each)} if each else {}) | spec
    expect_for_all(method, lambda: axes_of(model, source) or _LATER)
    batch_size = None if batch_size is None else _checks.integer("batch_size", batch_size, 1)
    if batch_size is None and methods.takes(spec, "batch_size")[1]:  # of a function of the user's
        batch_size = BATCH
    shard_size = BATCHES * (batch_size or BATCH) if shard_size is None else shard_size
    shard_size = _checks.integer("shard_size", shard_size, 1)
    samples = len(source) if isinstance(source, Rows) else None
    if target is not None and not methods.takes(spec, "target")[0]:
        raise TypeError(f"{spec.get('function')} takes no target. Leave it out.")
    values = _goal_of(goal).of_values if goal is not None else False
    needed = methods.takes(spec, "y")[1] and not values and isinstance(source, Rows)
    if needed and source.rows(0, 1)[1] is None:
        raise ValueError(
            f"{spec['function']} needs true labels. Pass y=..., or a source that has them."
        )
    return {
        "format": FORMAT,
        "method": spec,
        "model": models.spec_of(model),
        "source": source.described(),
        "samples": samples,
        "shard_size": shard_size,
        "shards": None if samples is None else -(-samples // shard_size),
        "call": {
            "target": _target(target, samples),
            "goal": None if goal is None else _goal(goal, target, spec, samples),
            "batch_size": batch_size,
            "keep": _kept(keep, stream),
        },
        "backend": _backend(model),
    }


def _kept(keep: Sequence[str] | None, stream: bool) -> list[str]:
    if keep is None:
        return sorted((*_DEFAULT, *(["x"] if stream else [])))
    given = (keep,) if isinstance(keep, str) else tuple(keep)
    return sorted({_checks.one_of("keep", word, shards.KEEP) for word in given})


def _target(target: Any, samples: int | None) -> Any:
    if target is None or np.ndim(target) == 0:
        return None if target is None else _checks.integer("target", target, 0)
    array = np.asarray(target)
    if samples is None:
        raise ValueError("Of a stream all samples have one target. Pass a single class.")
    if array.shape != (samples,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"Expected target to be a class, or one for each of {samples} samples. Received: "
            f"{array.dtype} of shape {array.shape}."
        )
    return {"sha256": hashes.of_arrays(array)}


def _goal(goal: Any, target: Any, spec: dict[str, Any], samples: int | None) -> dict[str, Any]:
    if target is not None:
        raise ValueError(
            f"Received both target={_checks.shown(target)} and goal={_checks.shown(goal)}. Pass "
            "one of them."
        )
    if not methods.takes(spec, "goal")[0]:
        raise TypeError("A goal is for attacks and for isi.robustness. Leave it out.")

    entry, each = _goal_of(goal).recorded()
    if each is None:
        return {"entry": entry}
    if samples is None:
        raise ValueError(
            f"Of a stream all samples have one goal. Received: goal={_checks.shown(goal)}."
        )
    if len(each) != samples:
        raise ValueError(
            f"Expected a goal for each of {samples} samples, or one for all. Received {len(each)}."
        )
    return {"entry": entry, "sha256": hashes.of_arrays(each)}


def _goal_of(goal: Any) -> Any:
    from isi_keras import goals  # starts a backend, which not every run needs

    return goals.get(goal)


def axes_of(model: Any, source: Rows | Stream) -> int | None:
    """How many axes what an attack moves has; `None` if only the model could say, and does not."""
    if isinstance(source, Rows):
        x = source.rows(0, 1)[0]
        several = isinstance(x, Mapping) and model is not None
        return bounds.axes_of(as_model(model) if several else None, x)
    if model is None:
        return None
    from isi_keras.models.inputs import example_of

    classifier = as_model(model)
    x = example_of(classifier.model)
    return None if x is None else bounds.axes_of(classifier, x)


def _backend(model: Any) -> str | None:
    if model is None:
        return None
    import keras

    return keras.config.backend()


def check_same(folder: str, held: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Raises for the first entry in which two plans differ.

    Raises:
        ValueError: the text says which, and what it is in each.
    """
    for key in (*(key for key in plan if key not in _LAST), *_LAST):
        if key in ("id", "versions"):
            continue
        found = _difference(key, held.get(key), plan[key])
        if found is None:
            continue
        entry, there, here = found
        counts = held.get("samples"), plan["samples"]
        if key == "source" and None not in counts and counts[0] != counts[1]:
            entry, there, here = "samples", *counts
        if entry.startswith(f"method.{bounds.EACH}."):
            raise ValueError(
                f"The run in {folder!r} was begun with other bounds ({entry} differs). Go on with "
                "the same ones, or take another folder for `out`."
            )
        if entry.rpartition(".")[2] in _CHANGED:
            what = {"model": "model", "call": "target"}.get(key, "data")
            if entry.endswith("y_sha256"):
                what = "labels"
            other = "other" if what in ("data", "labels") else "another"
            raise ValueError(
                f"The run in {folder!r} was begun with {other} {what} ({entry} differs). Go on "
                "with the same, or take another folder for `out`."
            )
        raise ValueError(
            f"{folder!r} holds another run: {entry} is {_short(there)} there, and {_short(here)} "
            "here. Go on with the same arguments, or take another folder for `out`."
        )


def _difference(entry: str, there: Any, here: Any) -> tuple[str, Any, Any] | None:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in [*there, *(key for key in here if key not in there)]:
            found = _difference(f"{entry}.{key}", there.get(key), here.get(key))
            if found is not None:
                return found
        return None
    return None if there == here else (entry, there, here)


def _short(value: Any) -> str:
    return textwrap.shorten(repr(value), 300, placeholder=" ...")
