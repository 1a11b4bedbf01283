"""How far a run is: samples, success, rate and time left, over all workers."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

_MINUTE = 60


class Progress:
    """Counts what workers tell.

    Args:
        total: how many samples there are to do; `None` if nobody knows.
        before: how many were done by an earlier start.
    """

    def __init__(self, total: int | None, before: int):
        self.total, self.before = total, before
        self.samples = self.successes = self.attacked = 0
        self.began = time.perf_counter()

    def add(self, told: dict[str, Any]) -> None:
        """Counts a shard."""
        self.samples += told["samples"]
        self.successes += told["successes"]
        self.attacked += told["attacked"]

    def __str__(self) -> str:
        done = self.before + self.samples
        parts = [f"{done:,} of {self.total:,} samples" if self.total else f"{done:,} samples"]
        if self.attacked:
            parts.append(f"{self.successes / self.attacked:.1%} turned")
        rate = self.samples / max(1e-9, time.perf_counter() - self.began)
        if self.samples:
            parts.append(f"{rate:.3g} a second")
        if self.samples and self.total and self.total > done:
            parts.append(f"{_time((self.total - done) / rate)} left")
        return ", ".join(parts)


@contextlib.contextmanager
def shown(progress: Progress, verbose: int) -> Iterator[Any]:
    """Shows it while a run goes on; what is handed out is called after each shard."""
    if not verbose:
        yield lambda: None
        return
    if "ipykernel" in sys.modules:  # as Keras' own bars ask; rich would need ipywidgets there
        yield _OneLine(progress)
        print()
        return
    from rich.console import Console

    console = Console()
    with console.status(str(progress)) as line:
        yield lambda: line.update(str(progress))
    console.print(str(progress), highlight=False)


class _OneLine:
    """Writes over one line of a notebook, as Keras' bars do."""

    def __init__(self, progress: Progress):
        self.progress, self.width = progress, 0
        self()

    def __call__(self) -> None:
        text = str(self.progress)
        self.width = max(self.width, len(text))
        print(f"\r{text.ljust(self.width)}", end="", flush=True)


def _time(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
