"""An attack in plain NumPy, for what is tested of runs: no worker waits for a backend."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from isi_keras.results import AttackResult

ROWS, FEATURES = 24, 6


def samples(count=ROWS, seed=0):
    """Inputs in 0..1 and their labels."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.1, 1, (count, FEATURES)).astype("float32")
    return x, rng.integers(0, 2, count)


def turned(
    model,
    x,
    *,
    y=None,
    target=None,
    batch_size=1,
    first_index=0,
    kill=None,
    fail=None,
    poison=None,
    slow=0.0,
):
    """Sets the first input of every other sample to 0.

    Args:
        model: not looked at.
        x: the samples.
        y: their labels.
        target: the class aimed at.
        batch_size: not looked at.
        first_index: the number of the first sample.
        kill: a file; the process that can create it is killed, once.
        fail: a file; the first call after that of the first shard that can create it raises.
        poison: the number of a sample whose shard kills each process.
        slow: seconds that a shard takes.
    """
    time.sleep(slow)
    if not np.isfinite(x).all():
        raise ValueError(
            f"x holds NaN, the first at index {int(np.argmax(~np.isfinite(x).all(1)))}"
        )
    if kill is not None and first_index > 0 and _created(kill):
        os.kill(os.getpid(), signal.SIGKILL)
    if fail is not None and first_index > 0 and _created(fail):
        raise ValueError("x is bad")
    if poison is not None and first_index <= poison < first_index + len(x):
        os.kill(os.getpid(), signal.SIGKILL)
    count = len(x)
    success = (np.arange(count) + first_index) % 2 == 0
    adversarial = x.copy()
    adversarial[success, 0] = 0
    steps = success.astype("int32")
    label = np.zeros(count, "int32")
    return AttackResult(
        x=x,
        adversarial=adversarial,
        clean_prediction=label,
        prediction=label + success,
        target=None if target is None else np.broadcast_to(target, (count,)).astype("int32"),
        y=None if y is None else np.asarray(y, "int32"),
        success=success,
        stop_reason=np.where(success, "success", "max_steps"),
        steps=steps,
        order=(adversarial != x).astype("int32"),
        forward=steps + 1,
        backward=steps + 1,
        seconds=0.0,
        config={"class_name": "Fake", "config": {"bounds": [0.0, 1.0]}},
    )


def no_record(model, x):
    """Returns what is no record."""
    return model, x


def _created(path):
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
