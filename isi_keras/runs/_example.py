"""A run that is made in a moment, for the examples of docstrings."""

import tempfile
from typing import Any

import numpy as np

from isi_keras.results import AttackResult
from isi_keras.runs.driver import run


def method(model: Any, x: np.ndarray, *, y: Any = None, first_index: int = 0) -> AttackResult:
    """Sets the first input of every other sample to 0."""
    success = (np.arange(len(x)) + first_index) % 2 == 0
    adversarial = x.copy()
    adversarial[success, 0] = 0
    label, steps = np.zeros(len(x), "int32"), success.astype("int32")
    return AttackResult(
        x=x,
        adversarial=adversarial,
        clean_prediction=label,
        prediction=label + success,
        target=None,
        y=y,
        success=success,
        stop_reason=np.where(success, "success", "max_steps"),
        steps=steps,
        order=(adversarial != x).astype("int32"),
        forward=steps + 1,
        backward=steps + 1,
        seconds=0.0,
        config={"class_name": "Attack", "config": {"bounds": [0.0, 1.0]}},
    )


def folder() -> str:
    """A folder of a run of 12 samples in 3 shards."""
    place = tempfile.mkdtemp()
    x = np.linspace(0.1, 1, 48, dtype="float32").reshape(12, 4)
    run(method, None, x, out=place, shard_size=4, verbose=0)
    return place
