"""Ray and Dask: that a worker is lost, and what is then tried again, is theirs to know."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from isi_keras.runs import work
from isi_keras.runs.engines.surroundings import changed, of_worker

_AHEAD, _TRIES = 2, 3
_PATIENCE = 5.0
"""Seconds. Dask gives up for good a local worker that is away for 15, as one that dies while it
starts is; after so many seconds without a result we ask for all of them once more."""

_ENVIRON, _TRIMS = "distributed.nanny.pre-spawn-environ", ("MALLOC_TRIM_THRESHOLD_", 65536)
"""Dask's default: workers return freed memory at once, though the next operation needs it."""


def ray(
    path: str,
    identity: str,
    tasks: Iterable[tuple[int, Any]],
    workers: int,
    *,
    address: str | None = None,
    gpus: float = 0,
) -> Iterator[dict[str, Any]]:
    """Ray: an actor for each worker, which Ray starts again if it dies.

    Args:
        path: the folder of the run, which all machines see.
        identity: of its plan.
        tasks: numbers of shards.
        workers: how many actors.
        address: of the cluster, `"auto"` for the one this machine belongs to; `None` for one here.
        gpus: how many GPUs each actor has to itself.
    """
    import ray  # pyright: ignore[reportMissingImports]

    if not ray.is_initialized():
        ray.init(address=address, include_dashboard=False, log_to_driver=False)
    where = {"env_vars": of_worker(1, work.RunFolder(path).plan()["backend"])}
    options = {"max_restarts": -1, "max_task_retries": _TRIES, "runtime_env": where}
    actor = ray.remote(num_cpus=1, num_gpus=gpus, **options)(_Doer)
    doers, tasks, flying = [actor.remote() for _ in range(workers)], iter(tasks), {}
    for doer, task in zip(doers * _AHEAD, tasks, strict=False):
        flying[doer.do.remote(path, identity, *task)] = doer, task
    while flying:
        (ready,), _ = ray.wait(list(flying))
        doer, (number, _) = flying.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayActorError as error:
            yield _lost(number, error)
        for task in itertools.islice(tasks, 1):
            flying[doer.do.remote(path, identity, *task)] = doer, task


class _Doer:
    def do(self, *task: Any) -> dict[str, Any]:
        return work.do(*task)


def dask(
    path: str,
    identity: str,
    tasks: Iterable[tuple[int, Any]],
    workers: int,
    *,
    address: str | None = None,
) -> Iterator[dict[str, Any]]:
    """dask.distributed: a task whose worker dies goes to another.

    Args:
        path: the folder of the run, which all machines see.
        identity: of its plan.
        tasks: numbers of shards.
        workers: how many processes to start here, if there is no address.
        address: of the scheduler; `None` for workers on this machine.
    """
    import dask.config  # pyright: ignore[reportMissingImports]
    import distributed  # pyright: ignore[reportMissingImports]

    kept = dict(each for each in dask.config.get(_ENVIRON).items() if each != _TRIMS)
    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with (
        changed(of_worker(1, work.RunFolder(path).plan()["backend"])),
        dask.config.set({_ENVIRON: kept}),
        distributed.Client(address, **({} if address else here)) as client,
    ):

        def submit(task):
            future = client.submit(work.do, path, identity, *task, pure=False, retries=_TRIES)
            flying[future] = task[0]

        flying, tasks = {}, iter(tasks)
        for task in itertools.islice(tasks, _AHEAD * workers):
            submit(task)
        while flying:
            try:
                done = distributed.wait(list(flying), _PATIENCE, "FIRST_COMPLETED").done
                ready = next(iter(done))
                told = ready.result(_PATIENCE)
            except distributed.KilledWorker as error:
                told = _lost(flying[ready], error)  # pyright: ignore[reportPossiblyUnbound]
            except TimeoutError:
                if any(future.status == "error" for future in flying):
                    raise  # the method's own
                if not address:
                    client.cluster.scale(workers)
                continue
            del flying[ready]
            yield told
            for task in itertools.islice(tasks, 1):
                submit(task)


def _lost(number: int, error: Exception) -> dict[str, Any]:
    text = f"its worker died again and again ({type(error).__name__})"
    return {"shard": number, "state": work.FAILED, "error": text, "lost": True}
