"""What the long computations return: frozen records of NumPy arrays that know how to be saved.

Nothing here needs a backend, so a saved result can be read and drawn where none is installed.
"""

import dataclasses
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """Base of the records: fields that are arrays, numbers, dictionaries or `None`."""

    def save(self, path: str | os.PathLike) -> Path:
        """Writes the record as a compressed `.npz` without pickles.

        The file appears whole or not at all: it is written beside its place and then moved there.

        Args:
            path: where to write; `.npz` is appended if it is missing.

        Returns:
            The path of the file.

        Raises:
            OSError: if the folder cannot be written; the text names it.
        """
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        header = {"record": type(self).__name__, "version": FORMAT_VERSION}
        fields: dict[str, Any] = {"__header__": _encode(header)}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Mapping) and field.name != "config":
                fields |= {f"{field.name}/{name}": array for name, array in value.items()}
            elif value is not None:
                fields[field.name] = _encode(value)

        def write(file):
            np.savez_compressed(file, **fields)

        return write_atomically(path, write)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads a record back.

        Called on a class it expects that record; called on `Result` it returns whichever is there.

        Args:
            path: a file that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is not such a record, or was written by a newer version.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"There is no file {str(path)!r}.")
        try:
            with np.load(path, allow_pickle=False) as data:
                header = json.loads(str(data["__header__"]))
                record, version = header["record"], header["version"]
                arrays = {name: data[name] for name in data.files if name != "__header__"}
        except (KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{str(path)!r} is not a result of isi_keras. Pass a file written by "
                "`AttackResult.save` or `Explanation.save` (or by `isi-keras attack` and "
                "`isi-keras explain`)."
            ) from error
        if version > FORMAT_VERSION:
            raise ValueError(
                f"{str(path)!r} has format version {version}, newer than the version "
                f"{FORMAT_VERSION} read here. Upgrade isi-keras."
            )
        kinds = {kind.__name__: kind for kind in (AttackResult, Explanation)}
        kind = kinds.get(record)
        if kind is None or not issubclass(kind, cls):
            raise ValueError(
                f"{str(path)!r} holds {record}, not {cls.__name__}. "
                f"Try {record}.load({str(path)!r})."
            )
        known = {field.name: field.type for field in dataclasses.fields(kind)}
        values: dict[str, Any] = {k: None for k, of in known.items() if type(None) in get_args(of)}
        for name, array in arrays.items():
            field, _, entry = name.partition("/")
            if entry:
                values[field] = {**(values.get(field) or {}), entry: array}
            else:
                values[field] = _decode(array, known[field])
        return kind(**values)  # pyright: ignore[reportReturnType]


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation(Result):
    """Which inputs a decision rests on, for `N` samples and `K` classes.

    Args:
        x: the inputs, `(N, ...)`; of a model with several inputs a dictionary of them by name.
        relevance: the map of each sample, of the shape of `x`, or a dictionary likewise. For
            `Sensitivity` and its kin it is (a mean of) the derivative of the logit by each input,
            for `Relevance` the share of the logit that each input carries.
        logits: what the model returned before its softmax, `(N, K)`.
        prediction: the predicted class, `(N,)`.
        target: the class that is explained, `(N,)`.
        config: the indicator's name and configuration.
        against: the class whose logit is subtracted from that of the target, `(N,)`; `None` if the
            target's logit alone is explained.
        layers: the relevance of the outputs of inner layers, by their names, `(N, ...)` each. A
            layer that is called more than once has `name`, `name/1` and so on.
        conservation: where the explained value went, arrays `(N,)`: `"explained"`, the value
            itself; `"inputs"`, the sum of the relevance of all inputs; `"bias"`, what biases and
            constants took; `"epsilon"`, what the stabilisation of quotients absorbed, among it
            what a rule cannot hand on where there are no contributions of its sign; `"padding"`,
            what a rule for the first layer gave to padding; and `"elsewhere"`, the rest, which is
            rounding unless layers follow their plain gradient (`on_unknown="gradient"`, raw
            operations). `None` unless it was asked for.
    """

    x: Any
    relevance: Any
    logits: np.ndarray
    prediction: np.ndarray
    target: np.ndarray
    config: Mapping[str, Any]
    against: np.ndarray | None = None
    layers: Mapping[str, np.ndarray] | None = None
    conservation: Mapping[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.logits)

    def select(self, name: str) -> "Explanation":
        """The explanation of one input of a model with several, as of a model with that one alone.

        Args:
            name: the input, a key of `x`.

        Raises:
            ValueError: if there is no such input.
        """
        if not isinstance(self.x, Mapping) or not isinstance(self.relevance, Mapping):
            raise ValueError("The model has one input only, so there is nothing to select.")
        if name not in self.x:
            inputs = ", ".join(map(repr, self.x))
            raise ValueError(f"There is no input {name!r}. Choose one of {inputs}.")
        return dataclasses.replace(self, x=self.x[name], relevance=self.relevance[name])


@dataclasses.dataclass(frozen=True, eq=False)
class AttackResult(Result):
    """What an attack did to `N` samples.

    Args:
        x: the inputs, `(N, ...)`, float32.
        adversarial: the inputs after the attack, of the shape of `x`. A sample that was not turned
            holds where its attack stopped.
        label: the prediction on the clean input, `(N,)`.
        prediction: the prediction on `adversarial`, `(N,)`.
        target: the class aimed at, `(N,)`, or `None` for an untargeted attack.
        y: the true label, `(N,)`, or `None` if none was given.
        success: whether the attack reached its goal by changing the input, `(N,)` bool.
        stop: why each sample ended, `(N,)`, one of `STOPS`.
        steps: how many steps were taken, `(N,)`.
        order: the step in which each input was first changed, counted from 1, of the shape of `x`;
            0 where the input is as it was.
        forward: forward passes spent on each sample, `(N,)`.
        backward: backward passes spent on each sample, `(N,)`.
        seconds: wall-clock time of the whole attack, compilation included.
        config: the attack's configuration.
        trajectory: the logits before each step and at the end, `(N, T + 1, K)`, where `T` is the
            largest number of steps; NaN once a sample has ended. `None` unless it was asked for.
    """

    STOPS: ClassVar[dict[str, str]] = {
        "success": "the goal was reached",
        "max_steps": "all steps were used",
        "no_gradient": "no input has any influence on the goal",
        "exhausted": "every input that may be changed has been changed",
        "no_change": "the step could not move any input",
        "already_target": "the clean input was already predicted as the target",
        "misclassified": "the clean input was already misclassified",
        "not_finite": "the model returned NaN or infinity",
    }

    x: np.ndarray
    adversarial: np.ndarray
    label: np.ndarray
    prediction: np.ndarray
    target: np.ndarray | None
    y: np.ndarray | None
    success: np.ndarray
    stop: np.ndarray
    steps: np.ndarray
    order: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    seconds: float
    config: Mapping[str, Any]
    trajectory: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def attacked(self) -> np.ndarray:
        """Which samples were attacked at all, `(N,)`: neither misclassified nor at the target."""
        return ~np.isin(self.stop, ("already_target", "misclassified"))

    @property
    def changed(self) -> np.ndarray:
        """Which inputs differ between `x` and `adversarial`, of the shape of `x`."""
        return self.adversarial != self.x

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest value an input may take, as arrays that broadcast to `x`."""
        low, high = self.config["bounds"]
        return np.asarray(low, "float32"), np.asarray(high, "float32")


def write_atomically(path: Path, write) -> Path:
    """Calls `write(file)` on a new binary file beside `path`, then moves it to `path`.

    Raises:
        OSError: if the folder cannot be written; the text names it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise OSError(
            f"Cannot write to the folder {str(path.parent)!r} ({error.strerror}). "
            "Choose a folder that exists or can be created and that you may write to."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _encode(value: Any) -> np.ndarray:
    if isinstance(value, Mapping):
        return np.array(json.dumps(value))
    return np.asarray(value)


def _decode(array: np.ndarray, kind: Any) -> Any:
    if kind is float:
        return float(array)
    if array.dtype.kind == "U" and array.ndim == 0:
        return json.loads(str(array))
    return array
