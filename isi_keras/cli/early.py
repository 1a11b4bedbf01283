"""What is wrong with names and shapes, said before a backend starts."""

import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from isi_keras import _checks
from isi_keras.sources import tables
from isi_keras.sources.files import X

# Names that are known only once Keras is there; a test compares them.
INDICATORS = (
    *("relevance", "z", "epsilon", "zplus", "alpha2beta1", "gamma"),
    *("epsilon_plus", "epsilon_alpha2beta1", "epsilon_plus_flat", "epsilon_alpha2beta1_flat"),
    *("epsilon_gamma_box", "sensitivity", "gradient", "gradient_x_input", "smoothgrad"),
    *("integrated_gradients", "jacobian_saliency"),
)
NORMS = ("l0", "l2", "linf", "salient")
OBJECTIVES = ("logit", "margin")
MEASURES = ("l0", "l0_feature", "l0_position", "l2", "linf")
ATTACKS = (
    *("relevance_l0", "sensitivity_l0", "relevance_l2", "sensitivity_l2", "relevance_linf"),
    *("sensitivity_linf", "jsma", "isi", "minimal_l0"),
)
ENGINES = ("processes", "ray", "dask")


def check_names(**given: Any) -> None:
    """Raises for a name that nobody knows.

    Args:
        given: by the name of an option its value, or several, or `None`.

    Raises:
        ValueError: the text gives the nearest one.
    """
    known = {"indicator": INDICATORS, "norm": NORMS, "objective": OBJECTIVES, "engine": ENGINES}
    known |= {"measure": MEASURES, "attack": ATTACKS}
    for option, value in given.items():
        for name in value if isinstance(value, list) else [value]:
            if name is not None and name.lower() not in known[option]:
                raise ValueError(_checks.unknown(option, name, known[option]))


def check_shapes(model: Path, data: Path) -> None:
    """Raises if the arrays of a file are not what the model of another one takes.

    What cannot be told without a backend, or without reading the data, is not looked at.

    Raises:
        ValueError: the text has both shapes.
    """
    wanted, shape = tables.shape_of_model(model), shape_of_data(data)
    if wanted is None or not shape or _fits(shape[1:], wanted[1:]):
        return
    if len(wanted) == 4 and len(shape) == 3 and 1 in (wanted[1], wanted[3]):
        return  # grey images, which are given an axis of channels
    apart = "save it apart: numpy.savez(path, x=x[:, :-1], y=x[:, -1])"
    hint = tables.hint(shape, wanted, apart)
    hint = " For a single sample save x[None]." if _fits(shape, wanted[1:]) else hint
    raise ValueError(
        f"The model {model.stem!r} expects inputs of shape {('N', *wanted[1:])}. Received: those "
        f"of {str(data)!r}, of shape {shape}.{hint}"
    )


def shape_of_data(path: Path) -> tuple | None:
    """The shape of the samples in an `.npy` or `.npz`, of which no more than a header is read."""
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                return _header(file)
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as file:
                names = [name.removesuffix(".npy") for name in file.namelist()]
                chosen = [name for name in X if name in names] or (names if len(names) == 1 else [])
                with file.open(f"{chosen[0]}.npy") as array:
                    return _header(array)  # pyright: ignore[reportArgumentType]
    except (OSError, zipfile.BadZipFile, ValueError, IndexError, KeyError):
        return None  # reading says what is wrong with it
    return None


def _header(file: BinaryIO) -> tuple | None:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    read = read if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape if dtype.kind in "fiub" else None


def _fits(shape: tuple, wanted: tuple) -> bool:
    return len(shape) == len(wanted) and all(
        want is None or have == want for have, want in zip(shape, wanted, strict=True)
    )
