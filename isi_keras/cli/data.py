"""MODEL and DATA of the command line: from a name or a path to a model and samples."""

import dataclasses
import importlib.resources
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from typer import BadParameter

from isi_keras import sources
from isi_keras._checks import unknown
from isi_keras.cli import early
from isi_keras.sources import Arrays, Rows, folders, pixels

SHIPPED_SAMPLES = 100
OF_DATA = "data"
"""What `--domain` calls the range of each column of DATA."""

Bounds = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Given:
    """What a command works on.

    Args:
        name: MODEL, as it was given.
        network: the model.
        source: the samples.
        bounds: the ends of the range of their values.
        allowed: the bounds of an attack: the same, or a `Domain`.
        classes: the number of each class, where the samples name them.
    """

    name: str
    network: Any
    source: Rows
    bounds: Bounds
    allowed: Any
    classes: dict[str, int]

    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """All samples, and their labels if there are any."""
        return self.source.rows(0, len(self.source))

    def few(self) -> np.ndarray:
        """One sample: of what shape they are."""
        return self.source.rows(0, 1)[0]

    def labelled(self, why: str) -> None:
        """Raises if there are no labels; `why` says what they are needed for."""
        if self.source.rows(0, 1)[1] is None:
            raise ValueError(
                f"{why} cannot be said without labels. Add them to DATA: y or y_test in an .npz, "
                "--labels COLUMN of a table, or a subfolder of images for each class."
            )

    def class_of(self, text: str | None) -> int | None:
        """The number of a class that is given by its number or its name.

        Raises:
            BadParameter: if it is neither.
        """
        if text is None or text.lstrip("-").isdecimal():
            return None if text is None else int(text)
        if not self.classes:
            raise BadParameter(f"Expected --target to be a class number. Received: {text!r}.")
        if text not in self.classes:
            raise BadParameter(unknown("class", text, self.classes))
        return self.classes[text]

    def names_of(self, *numbers: Any) -> list[str] | None:
        """The names of all classes up to the greatest of some; a number where there is no name.

        `None` if the samples name no classes.
        """
        if not self.classes:
            return None
        named = {number: name for name, number in self.classes.items()}
        most = max(int(np.max(part)) for part in numbers if part is not None)
        return [named.get(number, str(number)) for number in range(most + 1)]


def check(model: str, data: Path | None) -> None:
    """Raises for what is wrong with MODEL and DATA and can be said before a backend starts.

    Raises:
        BadParameter: if there is no data.
        FileNotFoundError: if there is no such file.
        ValueError: if it is of no kind that is read, or there is no such model.
    """
    path, known = Path(model), shipped()
    if model not in known:
        if path.suffix == ".keras" and not path.is_file():
            raise FileNotFoundError(f"There is no model file {model!r}.")
        if path.suffix != ".keras" and path.exists():
            raise ValueError(
                f"Expected MODEL to be a .keras file. Received: {model!r}. Save the model in that "
                "format: model.save('model.keras')."
            )
        if path.suffix != ".keras":
            raise ValueError(unknown("model", model, known) + " Or pass the path of a .keras file.")
    if data is None and model not in known:
        raise BadParameter("A .keras file comes without data. Add DATA after it.")
    if data is None:
        return
    if not data.exists():
        raise FileNotFoundError(f"There is no file or folder {str(data)!r} to take as DATA.")
    read = (*sources.SUFFIXES, *folders.SUFFIXES)
    if data.is_file() and data.suffix.lower() not in read:
        raise ValueError(
            f"Expected DATA to be a file of samples ({', '.join(sources.SUFFIXES)}), an image or a "
            f"folder of images. Received: {str(data)!r}."
        )
    early.check_shapes(path if path.suffix == ".keras" else _shipped_file(model), data)


def _shipped_file(name: str) -> Path:
    return Path(str(importlib.resources.files("isi_keras") / "data" / f"{name}.keras"))


def shipped() -> list[str]:
    """The names of the networks in the package, found without starting a backend."""
    data = importlib.resources.files("isi_keras") / "data"
    return sorted(Path(file.name).stem for file in data.iterdir() if file.name.endswith(".keras"))


def given(
    model: str,
    data: Path | None,
    samples: int | None,
    bounds: Bounds | None,
    domain: str | None = None,
    labels: str | None = None,
) -> Given:
    """The model, and the samples that it is shown.

    Args:
        model: a name or a `.keras` file.
        data: a file or folder; `None` for what is in the package.
        samples: how many, the first (of classes the first of each); `None` for all.
        bounds: the ends of the range; `None` for those of the model.
        domain: a file with a `Domain`, or `OF_DATA`.
        labels: the column of a table that holds the labels.

    Raises:
        BadParameter: if there is no data, or options contradict each other.
        ValueError: if one of them is not what it should be.
        FileNotFoundError: if there is no such file.
    """
    from isi_keras.domain import as_bounds

    check(model, data)
    if bounds is not None:
        as_bounds(bounds)
    if bounds is not None and domain is not None:
        raise BadParameter("--bounds and --domain say the same. Leave one of them out.")
    allowed = None if domain in (None, OF_DATA) else _domain_of(Path(domain))  # pyright: ignore
    network = load_model(model)
    if allowed is not None:
        pair = float(allowed.low.min()), float(allowed.high.max())
    else:
        pair = bounds or _bounds_of(model, network)
    found = _samples_of(model, network, data, samples, pair, labels)
    if domain == OF_DATA:
        allowed = _domain_of_data(found)
        pair = float(allowed.low.min()), float(allowed.high.max())
    return Given(model, network, found, pair, pair if allowed is None else allowed, _classes(found))


def _samples_of(model, network, data, samples, bounds, labels) -> Rows:
    if data is None:
        from isi_keras.runs.planning import shipped_images

        return shipped_images(model).first(samples or SHIPPED_SAMPLES)
    images = None
    if (data.is_dir() and data.suffix != ".zarr") or data.suffix.lower() in folders.SUFFIXES:
        import keras

        shape = getattr(network, "input_shape", None)
        place = keras.config.image_data_format()
        images = folders.Format.of(shape, place, bounds, network.name)
    found = sources.of(data, labels, images)
    assert isinstance(found, Rows)
    if labels is None and found.names:
        from isi_keras.models import sourced

        sourced.expect_columns(network, found, "name it: --labels {}")
    classes = _classes(found)
    if classes:
        numbered = ", ".join(f"{name} = {number}" for name, number in classes.items())
        print(f"classes: {textwrap.shorten(numbered, 400)}")
    return _with_channel(found, network).first(samples)


def _classes(source: Rows) -> dict[str, int]:
    return source.classes if isinstance(source, folders.Folder) else {}


def _bounds_of(model: str, network: Any) -> Bounds:
    """The bounds of a model that none were given for: its own, those of its pixels, or -1 and 1."""
    from isi_keras import zoo

    if model in zoo.BOUNDS:
        return zoo.BOUNDS[model]
    found = pixels.inside(network)
    if found is None:
        return -1.0, 1.0
    name, (low, high) = found
    print(
        f"pixels: {low:g} to {high:g}, as the model has {name} inside; "
        "--bounds LOW HIGH says otherwise"
    )
    return low, high


def _domain_of(path: Path) -> Any:
    """The `Domain` of a file.

    Raises:
        BadParameter: if the file holds none.
    """
    from isi_keras.domain import Domain

    try:
        return Domain(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadParameter(
            f"--domain {str(path)!r} holds no Domain: {error}. Expected an object such as "
            '{"low": [0, 18], "high": [1, 95], "integer": [false, true]}.'
        ) from error


def _domain_of_data(source: Rows) -> Any:
    """The range of each column of a table."""
    from isi_keras.domain import Domain

    x = source.rows(0, len(source))[0]
    if x.ndim != 2:
        raise BadParameter(
            f"--domain {OF_DATA} is for tables. DATA has inputs of shape {('N', *x.shape[1:])}."
        )
    return Domain.from_data(x, **({"names": tuple(source.names)} if source.names else {}))


def load_model(name: str) -> Any:
    """A model of the package, or that of a `.keras` file."""
    from isi_keras import zoo
    from isi_keras.runs import models

    if name in zoo.BOUNDS:
        return zoo.load(name)[0]
    return models.load_keras(Path(name))


def _with_channel(source: Rows, model) -> Rows:
    """Grey images with the channel axis that the model expects, as in `keras.datasets.mnist`."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(source, Arrays) or not isinstance(shape, tuple) or len(shape) != 4:
        return source
    axis = next((axis for axis in (3, 1) if shape[axis] == 1), None)
    if len(source.x.shape) != 3 or axis is None:
        return source
    return Arrays(np.expand_dims(source.x[:], axis), source.y)
