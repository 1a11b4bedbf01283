"""Pictures of samples as data URIs: small, exact, and drawn without a figure."""

import base64
import functools
import io
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image

from isi_keras.plotting import images, panels, style

LARGE = 64
"""From so many pixels of the longer side on a picture is a lossless WebP, else a PNG."""

PERCENTILE = 99
"""Of the magnitudes of a map: the strongest colour."""


def are_drawn(x: Any, data_format: str) -> bool:
    """Whether samples are shown as images: grey or colour with an axis of channels."""
    return isinstance(x, np.ndarray) and x.ndim == 4 and images.are_images(x, data_format)


def of_images(x: np.ndarray, bounds: tuple[Any, Any], data_format: str) -> list[str]:
    """The pictures of some samples, black at the lower bound and white at the upper.

    Where a bound is infinite, or the samples leave it, their own least and greatest value are used.
    """
    finite = np.isfinite(x)
    if not finite.all():
        x = np.where(finite, x, x[finite].min() if finite.any() else 0)
    if not all(np.isfinite(bound).all() for bound in bounds):
        bounds = (x.min(), x.max())
    try:
        scaled = images.as_images(x, bounds, data_format=data_format)
    except ValueError:
        scaled = images.as_images(x, (x.min(), x.max()), data_format=data_format)
    return [_uri(Image.fromarray(np.rint(255 * image).astype("uint8"))) for image in scaled]


def of_signed(values: np.ndarray, limit: float) -> str:
    """A map or a change, `(H, W)`, in the colours of signed quantities from `-limit` to `limit`."""
    places = np.rint(255 * (np.clip(values / limit, -1, 1) + 1) / 2).astype("uint8")
    picture = Image.fromarray(places)
    picture.putpalette(_palette())
    return _uri(picture)


def enlarged(values: np.ndarray) -> np.ndarray:
    """A sparse change, `(H, W)`, each pixel drawn three wide, the greater on top."""
    from scipy import ndimage

    high, low = (
        function(values, 3) for function in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    return np.where(high >= -low, high, low)


def of_order(order: np.ndarray) -> str:
    """The step in which each pixel was first changed, `(H, W)`: red holds 256s, green the rest."""
    code = np.zeros((*order.shape, 3), "uint8")
    code[..., 0], code[..., 1] = np.divmod(np.minimum(order, 65535), 256)
    return _uri(Image.fromarray(code))


def limit_of(values: np.ndarray) -> tuple[float, bool]:
    """The strongest colour of a map, and whether it is a percentile and not the greatest value."""
    limit = panels.limit_of(values, PERCENTILE)
    return limit, bool((np.abs(values) > limit).any())


@functools.cache
def _palette() -> bytes:
    colours = colormaps[style.SIGNED](np.linspace(0, 1, 256))[:, :3]
    return np.rint(255 * colours).astype("uint8").tobytes()


def _uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    kind = "WEBP" if max(picture.size) > LARGE else "PNG"
    if kind == "WEBP":
        picture.convert("RGB").save(buffer, "WEBP", lossless=True, quality=50, method=2)
    else:
        picture.save(buffer, "PNG", optimize=False)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
