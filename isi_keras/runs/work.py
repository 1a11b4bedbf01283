"""What a worker does: one shard, whole, and the same wherever and however often it is done."""

import functools
import io
import json
import os
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from isi_keras._version import __version__
from isi_keras.results import AttackResult, Result
from isi_keras.runs import bounds, methods, models, shards
from isi_keras.runs.folder import INPUT, RunFolder
from isi_keras.sources import Rows, Stream, hashes, of_spec

DONE, FAILED, UNWRITTEN = "done", "failed", "unwritten"


class Job(NamedTuple):
    """A run as a worker needs it.

    Args:
        folder: where it lies.
        plan: what `run.json` holds.
        model: loaded.
        method: a function of the model, `x` and what belongs to these.
        source: the samples; a `Stream` if they come with each shard.
        target: the class to reach: one, an array of one for each sample, or `None`.
        goal: for the samples from one number to another, or `None`.
        told: of the model, for the record of each shard.
    """

    folder: RunFolder
    plan: dict[str, Any]
    model: Any
    method: Callable[..., Result]
    source: Rows | Stream
    target: Any
    goal: Callable[[int, int], Any]
    told: Any


def span(plan: dict[str, Any], number: int) -> tuple[int, int]:
    """The samples of a shard; all of a size, give or take one, unless a stream ends in it."""
    count, parts = plan["samples"], plan["shards"]
    if count is None:
        return number * plan["shard_size"], (number + 1) * plan["shard_size"]
    return number * count // parts, (number + 1) * count // parts


def prepared(path: Any, **given: Any) -> Job:
    """The run of a folder; `given` are the model and the source, if they are here already."""
    folder = RunFolder(path)
    plan = folder.plan()
    if plan["backend"] is not None:
        import keras

        if keras.config.backend() != plan["backend"]:
            raise RuntimeError(
                f"The run is on {plan['backend']}, this process on {keras.config.backend()}. Set "
                f"KERAS_BACKEND={plan['backend']}."
            )
    spec, target = plan["source"], plan["call"]["target"]
    if isinstance(target, dict):
        with folder.opened(folder.path / INPUT / "target.npy") as file:
            target = np.load(file)
    goal = _goals(folder, plan["call"]["goal"])
    source = given.get("source")
    if source is None:
        streamed = spec["kind"] == "stream"
        source = Stream(list) if streamed else of_spec(spec, folder.path / INPUT)
    model = given.get("model")
    if model is None:
        model = models.load(plan["model"], folder)
    method = methods.of_spec(
        plan["method"], plan["call"]["keep"], bounds.read(folder, plan["method"])
    )
    told = models.told_of(plan["model"], model) if methods.are_ours(plan["method"]) else None
    return Job(folder, plan, model, method, source, target, goal, told)


def _goals(folder: RunFolder, told: dict[str, Any] | None) -> Callable[[int, int], Any]:
    if told is None:
        return lambda begin, end: None
    from isi_keras import goals  # needs a backend, as no run without a model does

    if "sha256" not in told:
        return lambda begin, end: goals.from_record(told["entry"])
    with folder.opened(folder.path / INPUT / "goal.npy") as file:
        each = np.load(file)
    return lambda begin, end: goals.from_record(told["entry"], each[begin:end])


@functools.lru_cache(maxsize=1)
def _ready(path: str, identity: str) -> Job:
    return prepared(path)


def do(path: str, identity: str, number: int, rows: Any = None) -> dict[str, Any]:
    """Computes a shard in a process that may know nothing of the run yet.

    Args:
        path: the folder of the run.
        identity: the `id` of its plan.
        number: which shard.
        rows: the samples and labels of a stream; `None` to read them.
    """
    return perform(_ready(path, identity), number, rows)


def perform(job: Job, number: int, rows: Any = None) -> dict[str, Any]:
    """Computes a shard and publishes it. Returns a few numbers; what only concerns it is kept.

    Only what stops every shard is raised: that the model or the method cannot be had.
    """
    began = time.perf_counter()
    folder, plan = job.folder, job.plan
    if folder.shard(number).exists():
        return {"shard": number, "state": DONE, "samples": 0, "attacked": 0, "successes": 0}
    try:
        begin, end = span(plan, number)
        x, y = job.source.rows(begin, end) if rows is None else rows  # pyright: ignore
        count = len(next(iter(x.values())) if isinstance(x, dict) else x)
        target = job.target
        with models.told_once(job.told):
            result = job.method(
                job.model,
                x,
                y=y,
                target=target[begin : begin + count] if isinstance(target, np.ndarray) else target,
                goal=job.goal(begin, begin + count),
                batch_size=plan["call"]["batch_size"],
                first_index=begin,
            )
        if not isinstance(result, Result):
            raise TypeError(
                f"The method returned a {type(result).__name__}. Expected a record of isi_keras, "
                "such as an AttackResult."
            )
        each = len(result) // count
        arrays, header = shards.packed(result, x, plan["call"]["keep"], begin * each)
        if bounds.EACH in plan["method"]:  # of all samples, which lie beside the plan
            arrays["record/config"] = np.array(json.dumps(plan["method"]["component"]))
        header |= {
            "run": plan["id"],
            "shard": number,
            "span": [begin, begin + count],
            "input": hashes.of_arrays(x, y),
            "seconds": time.perf_counter() - began,
            "versions": versions(),
        }
    except Exception as error:  # bad samples: told at the end, the other shards go on
        told = {"shard": number, "state": FAILED, "error": f"{type(error).__name__}: {error}"}
        data = json.dumps({**told, "traceback": traceback.format_exc()}, indent=1).encode()
        return _written(folder, folder.failure(number), data) or told
    held = io.BytesIO()
    np.savez_compressed(held, __header__=np.array(json.dumps(header)), **arrays)  # pyright: ignore
    lost = _written(folder, folder.shard(number), held.getvalue())
    if lost is not None:
        return lost
    if folder.failure(number).exists():
        folder.failure(number).unlink()
    told = {"shard": number, "state": DONE, "samples": count, "pid": os.getpid()}
    attacked = isinstance(result, AttackResult)
    told["attacked"] = int(result.attacked.sum()) if attacked else 0
    told["successes"] = int(result.success.sum()) if attacked else 0
    return told


def _written(folder: RunFolder, place: Any, data: bytes) -> dict[str, Any] | None:
    """Publishes a file; what there is to tell if it cannot be: then the run must end."""
    try:
        folder.commit(place, data)
    except OSError as error:
        return {"shard": int(place.stem), "state": UNWRITTEN, "error": str(error) or repr(error)}
    return None


def versions() -> dict[str, str]:
    """What computes here: versions, of no more than is imported."""
    import sys

    found = {"isi_keras": __version__, "numpy": np.__version__}
    for name in ("keras", "tensorflow", "jax", "torch"):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            found[name] = str(version)
    return found
