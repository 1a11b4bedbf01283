"""Images as arrays that a model takes."""

from pathlib import Path

import numpy as np

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

Shape = tuple[int | None, int | None, int]


def files_of(folder: Path) -> tuple[list[Path], dict[str, int]]:
    """The images of a folder in order and, if its subfolders are classes, the number of each.

    Images are sorted by name. Without images of its own, the folder's subfolders are the classes:
    by number if all their names are numbers, otherwise counted from 0 in the order of names.

    Raises:
        ValueError: if there are none, or both images and subfolders of them.
    """
    files = _inside(folder)
    subfolders = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    nested = [file for subfolder in subfolders for file in _inside(subfolder)]
    if files and nested:
        raise ValueError(
            f"{str(folder)!r} holds images and subfolders of images, so it is unclear whether the "
            "subfolders are classes. Move the images into subfolders, or pass one of these."
        )
    if not files and not nested:
        raise ValueError(f"{str(folder)!r} holds no images ({', '.join(SUFFIXES)}).")
    if files:
        return files, {}
    names = [path.name for path in subfolders]
    numbers = map(int, names) if all(name.isdecimal() for name in names) else range(len(names))
    return nested, dict(zip(names, numbers, strict=True))


def _inside(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def pixels(path: Path, channels: int) -> np.ndarray:
    """An image as `(H, W, channels)` of 0 to 1; transparent parts become white."""
    from skimage import color, io, util

    try:
        with path.open("rb") as file:
            image = util.img_as_float64(io.imread(file))
    except Exception as error:  # each format's reader raises errors of its own
        raise ValueError(f"{str(path)!r} cannot be read as an image ({error}).") from error
    if image.ndim == 4:  # an animation, of which the first picture is taken
        image = image[0]
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[-1] in (2, 4):
        alpha = image[..., -1:]
        image = image[..., :-1] * alpha + 1 - alpha
    if image.shape[-1] not in (1, 3):
        raise ValueError(
            f"{str(path)!r} is neither grey nor colour: its array has shape {image.shape}."
        )
    if channels == 1 and image.shape[-1] == 3:
        return np.asarray(color.rgb2gray(image))[..., None]
    return np.repeat(image, channels // image.shape[-1], axis=-1)


def resized(image: np.ndarray, shape: Shape) -> np.ndarray:
    """An image in the size that a model takes; `None` leaves a size as it is."""
    from skimage import transform

    size = tuple(
        wanted or present for wanted, present in zip(shape[:2], image.shape[:2], strict=True)
    )
    if size == image.shape[:2]:
        return image
    return np.asarray(transform.resize(image, size, anti_aliasing=True))
