"""What `evaluate` needs to know of each sample of an attack: numbers, no images."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras import axes
from isi_keras.measures import DISTANCES, SIMILARITIES, distances, similarities
from isi_keras.results import AttackResult, Stop

_LABELS = np.array([stop.label for stop in Stop])
_COUNTED = ("clean_prediction", "prediction", "target", "y", "success", "steps", "forward")
_COUNTED = (*_COUNTED, "backward")


@dataclasses.dataclass(frozen=True, eq=False)
class Tallies:
    """The numbers of `N` attacked samples; what an `AttackResult` has of the same name.

    Args:
        clean_prediction: the prediction on the clean input, `(N,)`.
        prediction: the prediction after the attack, `(N,)`.
        target: the class aimed at, `(N,)`, or `None`.
        y: the true label, `(N,)`, or `None`.
        success: whether the attack reached its goal, `(N,)` bool.
        stop_reason: why each sample ended, `(N,)`, the label of a `Stop`.
        steps: how many steps were taken, `(N,)`.
        forward: forward passes, `(N,)`.
        backward: backward passes, `(N,)`.
        distances: by the names of `DISTANCES` arrays `(N,)`.
        similarities: by those of `SIMILARITIES`, likewise; empty if the inputs are not images.
        shape: that of a sample.
        data_format: `"channels_last"` or `"channels_first"`.
        seconds: wall-clock time.
    """

    clean_prediction: np.ndarray
    prediction: np.ndarray
    target: np.ndarray | None
    y: np.ndarray | None
    success: np.ndarray
    stop_reason: np.ndarray
    steps: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    distances: Mapping[str, np.ndarray]
    similarities: Mapping[str, np.ndarray]
    shape: tuple[int, ...]
    data_format: str
    seconds: float

    # Said once, of both.
    attacked = AttackResult.attacked
    not_finite = AttackResult.not_finite
    right = AttackResult.right

    def __len__(self) -> int:
        return len(self.success)

    @classmethod
    def of(cls, result: AttackResult, data_format: str | None = None) -> "Tallies":
        """The numbers of a record; `data_format` is where its channels are, `None` as it says."""
        data_format = result.data_format if data_format is None else data_format
        x, adversarial = result.x, result.adversarial
        far = distances(x, adversarial, data_format=data_format, groups=result.domain.groups)
        shape = axes.channels_last(x, data_format).shape
        similar = {}
        if len(shape) == 4 and shape[-1] in (1, 3) and min(shape[1:3]) >= 3:
            low, high = result.bounds
            span = float(np.max(high - low))
            some = result.attacked
            found = similarities(x[some], adversarial[some], span, data_format=data_format)
            similar = {name: _among(some, values) for name, values in found.items()}
        return cls(
            **{name: getattr(result, name) for name in _COUNTED},
            stop_reason=result.stop_reason,
            distances=far,
            similarities=similar,
            shape=x.shape[1:],
            data_format=data_format,
            seconds=result.seconds,
        )

    def columns(self) -> dict[str, np.ndarray]:
        """The numbers as arrays `(N,)` by name, as small as holds them; `stop` is a code."""
        counted = {name: getattr(self, name) for name in _COUNTED}
        stop = np.searchsorted(np.sort(_LABELS), self.stop_reason)
        code = np.array([int(Stop.of(label)) for label in np.sort(_LABELS)], "int8")[stop]
        integers = {name: values for name, values in counted.items() if values is not None}
        integers |= {n: v.astype("int32") for n, v in self.distances.items() if n[:2] == "l0"}
        reals = {n: v for n, v in self.distances.items() if n[:2] != "l0"}
        return {**integers, "stop": code, **reals, **self.similarities}

    @classmethod
    def from_columns(cls, columns: Mapping[str, np.ndarray], **known: Any) -> "Tallies":
        """What `columns` returned; `known` are the shape, the data format and the seconds."""
        return cls(
            **{name: columns.get(name) for name in _COUNTED},  # pyright: ignore
            stop_reason=_LABELS[columns["stop"].astype("int64") - int(Stop.EMPTY)],
            distances={name: columns[name].astype("float64") for name in DISTANCES},
            similarities={name: columns[name] for name in SIMILARITIES if name in columns},
            **known,
        )


def _among(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values of some samples among all, NaN of the others."""
    found = np.full(len(chosen), np.nan)
    found[chosen] = values
    return found
