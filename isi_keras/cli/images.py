"""A folder of images as an array that a model takes."""

from pathlib import Path

import numpy as np

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

Shape = tuple[int | None, int | None, int]


def read_folder(
    folder: Path, shape: Shape, channel_axis: int | None, bounds, samples: int | None
) -> tuple[np.ndarray, np.ndarray | None, dict[str, int]]:
    """Reads the images of a folder, sorted by name.

    Without images of its own, the folder's subfolders are the classes. Where all their names are
    numbers these are the class numbers, otherwise they are counted from 0 in the order of names.

    Args:
        folder: where the images are.
        shape: height, width and channels (1 or 3) of the model; `None` leaves a size as it is.
        channel_axis: where the channels of the batch go, 3 or 1; `None` for no such axis.
        bounds: the values of black and white.
        samples: how many to read, the first; `None` for all.

    Returns:
        `(x, y, classes)`: float32 images `(N, ...)`; the class of each `(N,)`, `None` without
        subfolders; the class number of each subfolder.

    Raises:
        ValueError: if there are no images, one cannot be read, or their sizes differ while the
            model takes any size.
    """
    files, classes = _files(folder)
    files = files[:samples]
    images = [_resized(_pixels(file, shape[2]), shape) for file in files]
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise ValueError(
            "The model takes images of any size, so those of one batch must agree. Received: "
            f"{sorted(sizes)} in {str(folder)!r}. Bring them to one size."
        )
    low, high = bounds
    x = np.clip(low + np.stack(images) * (high - low), low, high).astype("float32")  # (N, H, W, C)
    x = x[..., 0] if channel_axis is None else np.moveaxis(x, 3, channel_axis)
    y = np.array([classes[file.parent.name] for file in files], "int64") if classes else None
    return x, y, classes


def _files(folder: Path) -> tuple[list[Path], dict[str, int]]:
    """The images in order and, if the subfolders are classes, the number of each."""
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


def _pixels(path: Path, channels: int) -> np.ndarray:
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


def _resized(image: np.ndarray, shape: Shape) -> np.ndarray:
    from skimage import transform

    size = tuple(
        wanted or present for wanted, present in zip(shape[:2], image.shape[:2], strict=True)
    )
    if size == image.shape[:2]:
        return image
    return np.asarray(transform.resize(image, size, anti_aliasing=True))
