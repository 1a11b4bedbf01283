"""MODEL and DATA of the command line: from a name or a path to a model and arrays."""

import json
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from typer import BadParameter

from isi_keras._checks import unknown
from isi_keras.cli import images

SHIPPED_SAMPLES = 100
_X, _Y = ("x", "x_test"), ("y", "y_test")

Bounds = tuple[float, float]
Labelled = tuple[np.ndarray, np.ndarray | None]


def load(
    model: str, data: Path | None, samples: int | None, bounds: Bounds
) -> tuple[Any, Labelled]:
    """The model, and the first `samples` of the data with their labels.

    Raises:
        BadParameter: if there is no data.
        ValueError: if one of them is not what it should be.
        FileNotFoundError: if there is no such file.
    """
    if not bounds[0] < bounds[1]:
        raise ValueError(f"Expected bounds with low < high. Received: bounds={bounds}.")
    if data is not None and not data.exists():
        raise FileNotFoundError(f"There is no file or folder {str(data)!r} to take as DATA.")
    network, shipped = load_model(model)
    if data is None:
        if shipped is None:
            raise BadParameter("A .keras file comes without data. Add DATA after it.")
        x, y = shipped
        count = samples or SHIPPED_SAMPLES
        return network, (x[:count], y[:count])
    if data.is_dir():
        x, y, classes = images.read_folder(data, *_image_shape(network), bounds, samples)
        if classes:
            numbered = ", ".join(f"{name} = {number}" for name, number in classes.items())
            print(f"classes: {textwrap.shorten(numbered, 400)}")
        return network, (x, y)
    x, y = read_arrays(data)
    return network, (_with_channel(x, network)[:samples], None if y is None else y[:samples])


def bounds_of(model: str, bounds: Bounds | None) -> Bounds:
    """The bounds that were given; without any those of a shipped model, -1 and 1 for a file."""
    from isi_keras import zoo

    return bounds or zoo.BOUNDS.get(model, (-1.0, 1.0))


def domain_of(model: str, bounds: Bounds | None, path: Path | None) -> tuple[Bounds, Any]:
    """The ends of the range, and the bounds of an attack: a pair, or the `Domain` of a file.

    Raises:
        BadParameter: if there are both, or the file holds no `Domain`.
    """
    if path is None:
        pair = bounds_of(model, bounds)
        return pair, pair
    if bounds is not None:
        raise BadParameter("--bounds and --domain say the same. Leave one of them out.")
    from isi_keras.domain import Domain

    try:
        domain = Domain(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadParameter(
            f"--domain {str(path)!r} holds no Domain: {error}. Expected an object such as "
            '{"low": [0, 18], "high": [1, 95], "integer": [false, true]}.'
        ) from error
    return (float(domain.low.min()), float(domain.high.max())), domain


def load_model(name: str) -> tuple[Any, tuple[np.ndarray, np.ndarray] | None]:
    """A shipped model with its data, or the model of a `.keras` file with `None`."""
    from isi_keras import zoo

    path = Path(name)
    if name in zoo.BOUNDS:
        return zoo.load(name)
    if path.suffix == ".keras":
        if not path.is_file():
            raise FileNotFoundError(f"There is no model file {name!r}.")
        return _load_keras(path), None
    if path.exists():
        raise ValueError(
            f"Expected MODEL to be a .keras file. Received: {name!r}. Save the model in that "
            "format: model.save('model.keras')."
        )
    raise ValueError(unknown("model", name, zoo.BOUNDS) + " Or pass the path of a .keras file.")


def _load_keras(path: Path) -> Any:
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a damaged or foreign file makes of the reader
        raise ValueError(
            f"{str(path)!r} cannot be loaded as a Keras model (code inside a file is never run): "
            f"{error}"
        ) from error


def read_arrays(path: Path) -> Labelled:
    """`x` and, if there are labels, `y` from an `.npz` or `.npy`.

    Raises:
        ValueError: if the file holds no such arrays.
    """
    if path.suffix not in (".npz", ".npy"):
        raise ValueError(
            f"Expected DATA to be an .npz, an .npy or a folder of images. Received: {str(path)!r}."
        )
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            arrays = {"x": file}
        else:
            with file:
                arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{str(path)!r} holds no array that can be read; pickled objects are refused, as they "
            "can run code. Write it with numpy.save or numpy.savez from arrays of numbers."
        ) from error
    x, y = _first(arrays, _X), _first(arrays, _Y)
    if x is None and len(arrays) == 1:
        (x,) = arrays.values()
    if x is None:
        raise ValueError(
            f"Expected an array named x or x_test in {str(path)!r}. It holds: "
            f"{', '.join(arrays) or 'nothing'}. Write it with numpy.savez(path, x=x, y=y)."
        )
    if x.ndim == 0 or (y is not None and y.shape[:1] != x.shape[:1]):
        shapes = f"x of shape {x.shape}" + ("" if y is None else f", y of shape {y.shape}")
        raise ValueError(
            f"Expected samples along the first axis, one label each. {str(path)!r} holds: {shapes}."
        )
    return x, y


def _first(arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _with_channel(x: np.ndarray, model) -> np.ndarray:
    """Grey images with the channel axis that the model expects, as in `keras.datasets.mnist`."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or x.ndim != 3:
        return x
    axis = next((axis for axis in (3, 1) if shape[axis] == 1), None)
    return x if axis is None else np.expand_dims(x, axis)


def _image_shape(model) -> tuple[images.Shape, int | None]:
    """Height, width and channels of the images a model takes, and the axis of the channels.

    The axis is `None` if the model wants grey images without one.
    """
    import keras

    shape = getattr(model, "input_shape", None)
    if isinstance(shape, tuple) and len(shape) == 3:
        return (shape[1], shape[2], 1), None
    if isinstance(shape, tuple) and len(shape) == 4:
        axis = 3 if keras.config.image_data_format() == "channels_last" else 1
        height, width = (size for place, size in enumerate(shape) if place not in (0, axis))
        if shape[axis] in (1, 3):
            return (height, width, shape[axis]), axis
    raise ValueError(
        "A folder of images needs a model that takes grey or RGB images. The model "
        f"{model.name!r} takes inputs of shape {shape}. Pass an .npz or .npy of arrays."
    )
