"""Files of samples: arrays, tables, HDF5, Zarr, images."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras.sources import folders, hashes
from isi_keras.sources.rows import Arrays, Rows, Several

X, Y = ("x", "x_test"), ("y", "y_test")
TABLES = {".csv": "read_csv", ".parquet": "read_parquet"}
_HDF5, _ZARR = (".h5", ".hdf5"), (".zarr",)
SUFFIXES = (".npz", ".npy", *TABLES, *_HDF5, *_ZARR)
"""Of the files that hold samples, images aside."""


def of_path(path: Path, column: str | None, images: folders.Format | None) -> Rows:
    """The samples of a file or a folder.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it holds no samples.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r} to take samples from.")
    if suffix in _ZARR:
        return _of_zarr(path)
    if path.is_dir() or suffix in folders.SUFFIXES:
        if images is None:
            raise ValueError(f"{str(path)!r} holds images. Say what the model takes: images=...")
        return folders.Folder(path, images)
    if suffix in TABLES:
        return of_table(path, column)
    if suffix in _HDF5:
        return _of_hdf5(path)
    if suffix == ".npy":
        return described(mapped(path), None)
    if suffix == ".npz":
        return Arrays(*read_npz(path))
    raise ValueError(
        f"Expected a file of samples ({', '.join(SUFFIXES)}), an image or a folder of images. "
        f"Received: {str(path)!r}."
    )


def of_spec(spec: dict[str, Any], folder: Path | None) -> Rows:
    """The arrays that JSON describes; those that were in memory are in `folder`."""
    kind, y = spec["kind"], None
    if kind in ("arrays", "several"):
        assert folder is not None
        y = load(folder / spec["y"]) if "y" in spec else None
        if kind == "several":
            found = {name: load(folder / file) for name, file in spec["x"].items()}
            return Several(found, y, spec=spec)
        x = load(folder / spec["x"])
    elif kind == "npy":
        x = mapped(Path(spec["path"]))
    else:
        of_kind = {"hdf5": _of_hdf5, "zarr": _of_zarr}[kind]
        held = of_kind(Path(spec["path"]), spec.get("x"))
        x, y = held.x, held.y
    return Arrays(x, y, spec=spec, names=spec.get("names", ()))


def described(x: Any, y: np.ndarray | None) -> Rows:
    """Arrays, with a description if it is a whole file that they are read from."""
    spec = None
    if isinstance(x, np.memmap) and x.filename is not None and y is None:
        path = Path(x.filename).resolve()  # pyright: ignore[reportArgumentType]
        whole = mapped(path) if path.suffix == ".npy" else None
        if whole is not None and (whole.shape, whole.dtype) == (x.shape, x.dtype):
            spec = {"kind": "npy", "path": str(path), "sha256": hashes.of_files([path])}
    elif type(x).__module__.partition(".")[0] == "h5py" and y is None:
        path = Path(x.file.filename).resolve()
        spec = {"kind": "hdf5", "path": str(path), "x": x.name}
        spec["sha256"] = hashes.of_files([path])
    return Arrays(x, y, spec=spec)


def mapped(path: Path) -> np.ndarray:
    """An `.npy`, of which no more is read than is used.

    Raises:
        ValueError: if it holds no array of numbers.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _unreadable(path) from error


def load(path: Any) -> np.ndarray:
    """An `.npy` of a run folder: mapped if it is here, else read."""
    if isinstance(path, Path):
        return mapped(path)
    with path.open("rb") as file:
        return np.load(file, allow_pickle=False)


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """`x` and, if there are labels, `y` of an `.npz`.

    Raises:
        ValueError: if the file holds no such arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path) from error
    x, y = first(arrays, X), first(arrays, Y)
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


def first(arrays: Any, names: tuple[str, ...]) -> Any:
    """The array of the first of some names that is there, `None` without any."""
    return next((arrays[name] for name in names if name in arrays), None)


def of_table(path: Path, column: str | None) -> Arrays:
    """A `.csv` or `.parquet`, whose first line are the names of its columns.

    Raises:
        ImportError: if pandas is not there.
        ValueError: if a column holds no numbers.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"Reading {path.suffix} needs pandas: pip install pandas.") from error
    try:
        frame = getattr(pandas, TABLES[path.suffix.lower()])(path)
    except ImportError:
        raise
    except Exception as error:  # each reader raises errors of its own
        raise ValueError(
            f"{str(path)!r} cannot be read as a table ({str(error).strip() or type(error).__name__}"
            "). Expected rows of numbers below one line of the names of the columns."
        ) from error
    try:
        return of_frame(frame, column)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from error


def of_frame(frame: Any, column: str | None) -> Arrays:
    """A DataFrame: its columns as float32, one of them the labels.

    Raises:
        ValueError: if there is no such column, or one holds no numbers or lacks values.
    """
    y = None
    if column is not None:
        if column not in frame.columns:
            from isi_keras._checks import unknown

            raise ValueError(unknown("column", column, map(str, frame.columns)))
        y = frame[column].to_numpy()
        frame = frame.drop(columns=[column])
        if y.dtype.kind not in "iu":
            raise ValueError(
                f"Expected the labels in {column!r} to be class numbers. Received: {y.dtype}."
            )
    if not len(frame.columns) or not len(frame):
        raise ValueError(
            f"Expected rows of at least one column of inputs. Received: {len(frame)} rows of "
            f"{len(frame.columns)} columns beside the labels."
        )
    for name in frame.columns:
        if frame[name].isna().any():
            raise ValueError(f"The column {name!r} lacks values. Fill or drop them.")
        if frame[name].dtype.kind not in "fiub":
            raise ValueError(
                f"Expected columns of numbers. {name!r} is of the type {frame[name].dtype}. Encode "
                "it, e.g. one-hot by pandas.get_dummies; name the column of labels with y=..."
            )
    x = frame.to_numpy(dtype="float32")
    return Arrays(x, y, names=[str(name) for name in frame.columns])


def _of_hdf5(path: Path, name: str | None = None) -> Arrays:
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("Reading HDF5 needs h5py: pip install h5py.") from error
    try:
        group = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read as HDF5 ({error}).") from error
    return _of_group(group, path, name, "hdf5")


def _of_zarr(path: Path, name: str | None = None) -> Arrays:
    try:
        import zarr  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("Reading Zarr needs zarr: pip install zarr.") from error
    try:
        group = zarr.open(str(path), mode="r")
    except Exception as error:  # its own errors, which differ from version to version
        raise ValueError(f"{str(path)!r} cannot be read as Zarr ({error}).") from error
    return _of_group(group, path, name, "zarr")


def _of_group(group: Any, path: Path, name: str | None, kind: str) -> Arrays:
    y = None
    if hasattr(group, "shape"):
        x = group
    elif name is not None:
        x = group[name]
    else:
        x = first(group, X)
        if x is None:
            raise ValueError(
                f"Expected an array named x or x_test in {str(path)!r}. It holds: "
                f"{', '.join(group)}."
            )
    if not hasattr(group, "shape") and name in (None, *X):
        y = first(group, Y)
    held = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    spec = {"kind": kind, "path": str(path.resolve())}
    spec |= {} if name is None else {"x": name}
    spec["sha256"] = hashes.of_files(held, None if path.is_file() else path)
    return Arrays(x, y, spec=spec)


def _unreadable(path: Path) -> ValueError:
    return ValueError(
        f"{str(path)!r} holds no array that can be read; pickled objects are refused, as they "
        "can run code. Write it with numpy.save or numpy.savez from arrays of numbers."
    )
