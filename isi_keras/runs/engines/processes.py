"""Processes of this machine, by the standard library; one that dies is replaced.

A process has a pipe and one shard at a time, so it is known which shard a dead one was at: only
that is tried again, and the others go on.
"""

import collections
import contextlib
import dataclasses
import multiprocessing as mp
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from multiprocessing import connection
from typing import Any

from isi_keras.runs import work
from isi_keras.runs.engines.surroundings import changed, devices, of_worker

TRIES = 3
"""How often the worker of a shard may die before the shard is given up."""

_NAME, _UNGUARDED = "isi_keras worker", 79
_READY = "ready"


def refuse_unguarded() -> None:
    """Ends a worker that runs its parent's script again; its parent then says why.

    `spawn` imports the script in each worker. A call of `run` there that is not under
    `if __name__ == "__main__":` would start workers of workers.
    """
    if mp.current_process().name == _NAME:
        sys.stderr.flush()
        os._exit(_UNGUARDED)


@dataclasses.dataclass
class _Worker:
    process: Any
    pipe: Any
    task: tuple[int, Any] | None = None
    ready: bool = False


def processes(
    path: str, identity: str, tasks: Iterable[tuple[int, Any]], workers: int
) -> Iterator[dict[str, Any]]:
    """Shards by processes of their own, each with its share of the threads and one device.

    Args:
        path: the folder of the run.
        identity: of its plan.
        tasks: numbers of shards, and the rows of those of a stream.
        workers: how many processes.

    Raises:
        RuntimeError: if they do not start.
    """
    backend, cards = work.RunFolder(path).plan()["backend"], devices()
    threads = max(1, _cores() // workers)

    def start(place: int) -> _Worker:
        device = cards[place % len(cards)] if cards else None
        spawn = mp.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(
            target=_serve, args=(theirs, path, identity), name=_NAME, daemon=True
        )
        with changed(of_worker(threads, backend, device)):
            process.start()
        theirs.close()
        return _Worker(process, ours)

    tasks, again = iter(tasks), collections.deque()
    died: collections.Counter[int] = collections.Counter()
    crew: dict[int, _Worker] = {}
    try:
        while True:
            idle = [n for n in range(workers) if n not in crew or crew[n].task is None]
            for place in idle:
                task = again.popleft() if again else next(tasks, None)
                if task is None:
                    break
                if place not in crew:
                    crew[place] = start(place)
                crew[place].task = task
                _tell(crew[place], task)
            busy = {place: worker for place, worker in crew.items() if worker.task is not None}
            if not busy:
                return
            ends = [end for one in busy.values() for end in (one.pipe, one.process.sentinel)]
            connection.wait(ends)
            for place, worker in busy.items():
                told, dead = _heard(worker)
                if told is not None:
                    worker.task = None
                    yield told
                elif dead:
                    del crew[place]
                    number, _ = task = worker.task  # pyright: ignore
                    died[number] += 1
                    _check_started(worker, died[number])
                    if died[number] < TRIES:
                        again.append(task)
                    else:
                        yield _given_up(number, worker.process.exitcode)
    finally:
        for worker in crew.values():
            worker.pipe.close()  # one that waits then ends by itself
        for worker in crew.values():
            worker.process.join(0.0 if worker.task else 2.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(5.0)


def _tell(worker: _Worker, task: Any) -> None:
    with contextlib.suppress(OSError):  # it has died, which is noticed next
        worker.pipe.send(task)


def _heard(worker: _Worker) -> tuple[dict[str, Any] | None, bool]:
    """What a worker told of its shard, and whether it has died."""
    try:
        while worker.pipe.poll():
            message = worker.pipe.recv()
            if message != _READY:
                return message, False
            worker.ready = True
    except (EOFError, OSError):
        worker.process.join(5.0)
        return None, True
    return None, not worker.process.is_alive() and not worker.pipe.poll()


def _check_started(worker: _Worker, times: int) -> None:
    """Raises for a worker that ended before it could begin."""
    code = worker.process.exitcode
    if code == _UNGUARDED:
        raise RuntimeError(
            "Workers import the script that starts them, and run it again. Put the call under "
            '`if __name__ == "__main__":`.'
        )
    if not worker.ready and times >= TRIES:
        raise RuntimeError(
            f"A worker does not start: it ended with exit code {code} {times} times. What it wrote "
            "is above."
        )


def _given_up(number: int, code: int | None) -> dict[str, Any]:
    why = f"signal {-code} ({signal.Signals(-code).name})" if code and code < 0 else f"code {code}"
    text = f"its worker died {TRIES} times, the last time by {why}"
    return {"shard": number, "state": work.FAILED, "error": text, "lost": True}


def _serve(pipe: Any, path: str, identity: str) -> None:
    """What a process does: shard after shard, until its parent has no more, or is no more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach all; the parent ends the run
        signal.signal(number, signal.SIG_IGN)
    parent = mp.parent_process()

    def watch() -> None:
        connection.wait([parent.sentinel])  # pyright: ignore[reportOptionalMemberAccess]
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    pipe.send(_READY)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            told = work.do(path, identity, *task)
        except Exception as error:  # the model or the method: no shard can be done
            told = {"shard": task[0], "state": work.UNWRITTEN, "error": str(error), "raised": True}
        pipe.send(told)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
