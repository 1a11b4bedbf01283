"""Images as arrays that a model takes."""

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

MOST = 89_478_485
"""No image of more pixels is read: what Pillow, too, takes for an attack on memory."""
_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_LUMINANCE = np.array([0.2125, 0.7154, 0.0721])  # of ITU-R BT.709, as scikit-image has it
_WHITE_16 = 65535
_LARGE = 2**24

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


def pixels(path: Path, shape: Shape) -> np.ndarray:
    """An image as a person sees it, `(H, W, channels)` of 0 to 1.

    Its size is its own; but of more than 16 million pixels whole squares become one, as long as it
    stays twice as large as it is wanted.

    It is turned as its EXIF data say. Transparent parts become white. Of an animation, or a file of
    several pages, it is the first. Colours for print (CMYK) become those of screens, by the file's
    own profile where it has one; 16 bits of grey keep them all, of each colour the upper 8.

    Args:
        path: of a file of one of the formats of `SUFFIXES`, whatever it is called.
        shape: what the model takes: height, width, and 1 channel for grey, 3 for colours.

    Raises:
        ValueError: if it is empty, damaged or of more than `MOST` pixels, of another format, or of
            real numbers or 32 bits, whose white is not known; the text names the file.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.init()
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd but can be read
            if not file.read(1):
                raise _OddError("it is empty")
            file.seek(0)
            with Image.open(file, formats=_FORMATS) as image:
                if image.width * image.height > MOST:
                    raise _OddError(
                        f"it has {image.width} x {image.height} pixels, where {MOST:,} in all are "
                        "read. Make it smaller"
                    )
                image.seek(0)
                upright = _smaller(ImageOps.exif_transpose(image), shape)
                values = _values(upright, image.format)
    except UnidentifiedImageError as error:
        raise _unreadable(path, f"it is none of {', '.join(_FORMATS)}") from error
    except Exception as error:  # each format's reader raises errors of its own
        raise _unreadable(path, str(error).rstrip(".") or type(error).__name__) from error
    channels = shape[2]
    if channels == 1 and values.shape[-1] == 3:
        return (values @ _LUMINANCE)[..., None]
    return np.repeat(values, channels // values.shape[-1], axis=-1)


class _OddError(ValueError):
    """Why an image is not read."""


def _unreadable(path: Path, why: str) -> ValueError:
    return ValueError(f"{str(path)!r} cannot be read as an image: {why}.")


def _smaller(image: Any, shape: Shape) -> Any:
    """A large image with squares of pixels as one, so that their numbers fit into memory."""
    height, width = shape[:2]
    factor = math.isqrt(image.width * image.height // _LARGE)
    if not factor or height is None or width is None or image.mode.startswith(("I", "F")):
        return image
    most = min(image.height // (2 * height), image.width // (2 * width))
    clear = "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBA", "RGBa")
    if most < 2:
        return image
    if image.mode not in ("L", "RGB", "CMYK", "RGBA"):
        grey = image.mode == "1"
        image = image.convert("RGBA" if clear else "L" if grey else "RGB")
    return image.reduce(min(factor + 1, most))


def _values(image: Any, kind: str | None) -> np.ndarray:
    """The pixels of an image that is open, `(H, W, 1)` or `(H, W, 3)` of 0 to 1."""
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and kind == "PNG"):
        clear = image.info.get("transparency")
        grey = np.asarray(image).astype("float64")
        grey = np.where(grey == clear, _WHITE_16, grey) if isinstance(clear, int) else grey
        return np.clip(grey / _WHITE_16, 0, 1)[..., None]
    if mode in ("I", "F"):
        raise _OddError(
            f"its values are of mode {mode!r}, whose white is not known. Save 8 or 16 bits"
        )
    if mode == "CMYK":
        return np.asarray(_for_screens(image)) / 255
    clear = "transparency" in image.info or mode in ("LA", "PA", "La", "RGBA", "RGBa")
    grey = mode in ("1", "L", "LA", "La")
    if not clear:
        shown = np.asarray(image.convert("L" if grey else "RGB")) / 255
        return shown[..., None] if grey else shown
    found = np.asarray(image.convert("RGBA")) / 255  # (H, W, 4)
    shown = found[..., :3] * found[..., 3:] + 1 - found[..., 3:]
    return shown[..., :1] if grey else shown


def _for_screens(image: Any) -> Any:
    """An image of inks as one of light."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            wanted = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, source, wanted, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile of other colours, or none that can be read: the plain way
    return image.convert("RGB")


def resized(image: np.ndarray, shape: Shape) -> np.ndarray:
    """An image in the size that a model takes; `None` leaves a size as it is."""
    from skimage import transform

    size = tuple(
        wanted or present for wanted, present in zip(shape[:2], image.shape[:2], strict=True)
    )
    if size == image.shape[:2]:
        return image
    return np.asarray(transform.resize(image, size, anti_aliasing=True))
