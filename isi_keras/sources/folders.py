"""A folder of images as samples, of which each is read when it is needed."""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isi_keras.sources import hashes, images
from isi_keras.sources.images import SUFFIXES as SUFFIXES
from isi_keras.sources.rows import Rows


def holds_images(source: Any) -> bool:
    """Whether a source is an image or a folder of some."""
    if not isinstance(source, str | Path) or not Path(source).exists():
        return False
    suffix = Path(source).suffix.lower()
    return suffix in SUFFIXES or (Path(source).is_dir() and suffix != ".zarr")


@dataclasses.dataclass(frozen=True)
class Format:
    """The images that a model takes.

    Args:
        shape: height, width and channels (1 or 3); `None` leaves a size as it is.
        channel_axis: where the channels of a batch are, 3 or 1; `None` for no such axis.
        range: the values of black and white.
    """

    shape: images.Shape
    channel_axis: int | None
    range: tuple[float, float]

    @classmethod
    def of(cls, shape: Any, data_format: str, range: tuple[float, float], name: str) -> "Format":
        """That of a model by the shape of its inputs, `(None, ...)`.

        Raises:
            ValueError: if it takes no images; the text has its name.
        """
        if isinstance(shape, tuple | list) and len(shape) == 3:
            return cls((shape[1], shape[2], 1), None, range)
        if isinstance(shape, tuple | list) and len(shape) == 4:
            axis = 3 if data_format == "channels_last" else 1
            height, width = (size for place, size in enumerate(shape) if place not in (0, axis))
            if shape[axis] in (1, 3):
                return cls((height, width, shape[axis]), axis, range)
        raise ValueError(
            "A folder of images needs a model that takes grey or RGB images. The model "
            f"{name!r} takes inputs of shape {shape}. Pass an .npz or .npy of arrays."
        )


class Folder(Rows):
    """The images of a folder, or a single one.

    Args:
        path: the folder, or the image.
        format: what the model takes.
        files: some of the images; `None` for all.
    """

    def __init__(self, path: Any, format: Format, files: Sequence[Path] | None = None):
        path = Path(path)
        self.path, self.format = path.resolve(), format
        found, self.classes = ([path], {}) if path.is_file() else images.files_of(path)
        self.files = list(found if files is None else files)
        self.base = self.path.parent if path.is_file() else self.path
        self._spec: dict[str, Any] | None = None

    @property
    def spec(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What JSON knows of it, with a hash of the files."""
        if self._spec is None:
            resolved = [file.resolve() for file in self.files]
            chosen = len(self.files) if self.path.is_dir() else None
            self._spec = {
                "kind": "images",
                "path": str(self.path),
                "format": dataclasses.asdict(self.format),
                "classes": self.classes,
                "samples": chosen,
                "sha256": hashes.of_files(resolved, self.base),
            }
        return self._spec

    @classmethod
    def of_spec(cls, spec: dict[str, Any]) -> "Folder":
        """The folder that JSON describes."""
        given = spec["format"]
        kept = Format(tuple(given["shape"]), given["channel_axis"], tuple(given["range"]))
        return cls(Path(spec["path"]), kept)

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, begin, end):
        """The images, float32 `(N, ...)`, with the classes of their subfolders, if these are such.

        Raises:
            ValueError: if one cannot be read, or their sizes differ while the model takes any.
        """
        files, (low, high) = self.files[begin:end], self.format.range
        read = [
            images.resized(images.pixels(file, self.format.shape), self.format.shape)
            for file in files
        ]
        sizes = {image.shape[:2] for image in read}
        if len(sizes) > 1:
            raise ValueError(
                "The model takes images of any size, so those of one batch must agree. Received: "
                f"{sorted(sizes)} in {str(self.path)!r}. Bring them to one size."
            )
        x = np.clip(low + np.stack(read) * (high - low), low, high).astype("float32")
        axis = self.format.channel_axis  # x is (N, H, W, C) so far
        x = x[..., 0] if axis is None else np.moveaxis(x, 3, axis)
        return x, self.labels(files)

    def labels(self, files: Sequence[Path]) -> np.ndarray | None:
        """The classes of images, by their subfolders."""
        if not self.classes:
            return None
        return np.array([self.classes[file.parent.name] for file in files], "int64")

    def first(self, count):
        """The first of them; of classes the first of each, as many of one as of another."""
        if count is None or count >= len(self):
            return self
        groups = itertools.groupby(self.files, key=lambda file: file.parent)
        ranked = [(place, number) for number, place in self._ranks(groups)]
        chosen = sorted(number for _, number in sorted(ranked)[:count])
        return Folder(self.path, self.format, [self.files[number] for number in chosen])

    @staticmethod
    def _ranks(groups) -> list[tuple[int, int]]:
        """Of each image its number and its place in its own class."""
        numbers = itertools.count()
        return [(next(numbers), place) for _, group in groups for place, _ in enumerate(group)]
