"""The environment of a worker: its threads, its device, its backend."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_DEVICES = "CUDA_VISIBLE_DEVICES"


def of_worker(threads: int, backend: str | None, device: str | None = None) -> dict[str, str]:
    """The variables that a worker is started with; what the user has set stays.

    Args:
        threads: how many it may compute with.
        backend: that of the run.
        device: the GPU it has to itself; `None` to leave it as it is.
    """
    count = str(threads)
    found = {"TF_NUM_INTRAOP_THREADS": count, "TF_NUM_INTEROP_THREADS": "1"}
    found |= {"OMP_NUM_THREADS": count, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    found |= {"TF_CPP_MIN_LOG_LEVEL": "3", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if threads == 1:
        found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    found = {name: os.environ.get(name, value) for name, value in found.items()}
    found |= {} if backend is None else {"KERAS_BACKEND": backend}
    found |= {} if device is None else {_DEVICES: device}
    return found | {"PYTHONPATH": os.pathsep.join(_places())}


def _places() -> list[str]:
    """Where this process finds modules, those of Python itself aside: a method may be in any."""
    own = (sys.prefix, sys.base_prefix)
    places = (path or os.getcwd() for path in sys.path)
    return [path for path in dict.fromkeys(places) if not path.startswith(own)]


def devices() -> list[str]:
    """The GPUs of NVIDIA that this process may use, found without starting a backend."""
    visible = os.environ.get(_DEVICES)
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    cards = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number in range(len(list(cards.iterdir())))] if cards.is_dir() else []


@contextlib.contextmanager
def changed(variables: dict[str, str]) -> Iterator[None]:
    """The environment with some variables, which what is started meanwhile inherits."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
