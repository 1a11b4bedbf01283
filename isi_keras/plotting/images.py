"""From the arrays of a result to what can be drawn; no figure is made here."""

from typing import Any

import numpy as np

from isi_keras import axes

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""The shares of red, green and blue in how bright a colour is."""

ROUNDING = 1e-5  # of the width of the bounds: what float32 arithmetic leaves outside them


def as_images(x: Any, bounds: tuple[Any, Any], *, data_format: str = "channels_last") -> np.ndarray:
    """Scales inputs to what `imshow` draws: `(x - low) / (high - low)`.

    Args:
        x: grey or colour images, `(N, H, W)`, `(N, H, W, 1)` or `(N, H, W, 3)`; with
            `data_format="channels_first"` `(N, H, W)`, `(N, 1, H, W)` or `(N, 3, H, W)`.
        bounds: the least and the greatest value an input may take, numbers or arrays that
            broadcast to `x`. Where both agree the image is 0.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Float64 in `[0, 1]`: `(N, H, W)` for grey images, `(N, H, W, 3)` for colour.

    Raises:
        ValueError: if `x` does not hold images, is not finite or leaves the bounds, or if the
            bounds do not fit.

    Example:
    >>> as_images(np.array([[[-1.0, 0.0, 1.0]]]), (-1, 1))
    array([[[0. , 0.5, 1. ]]])
    """
    x = np.asarray(x, "float64")
    channels = with_channels(x, data_format).shape[-1]
    if channels not in (1, 3):
        raise ValueError(
            "An image has 1 channel (grey) or 3 (red, green, blue). "
            f"Received: shape {x.shape} with data_format={data_format!r}, which has "
            f"{channels} channels. Pass {_other(data_format)!r} as data_format if the "
            "channels are on the other side, else select the channels to draw."
        )
    images = with_channels(_scale(x, bounds), data_format)
    return images[..., 0] if channels == 1 else images


def as_maps(relevance: Any, *, data_format: str = "channels_last") -> np.ndarray:
    """Sums relevance over the channels, so that a map keeps its total.

    Args:
        relevance: `(N, H, W)`, `(N, H, W, C)`, or `(N, C, H, W)` with channels first.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Signed maps, float64 `(N, H, W)`.

    Raises:
        ValueError: if the shape is not that of images or a value is not finite.
    """
    return with_channels(finite(relevance, "relevance"), data_format).sum(-1)


def as_changes(x: Any, adversarial: Any, *, data_format: str = "channels_last") -> np.ndarray:
    """What was added to each pixel: `adversarial - x` of the channel that changed most.

    A sum over channels could cancel and hide a changed pixel; this is zero only where nothing
    changed, and stays within the width of the bounds.

    Args:
        x: `(N, H, W)`, `(N, H, W, C)`, or `(N, C, H, W)` with channels first.
        adversarial: the same after the attack.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Signed changes, float64 `(N, H, W)`.

    Raises:
        ValueError: if the shape is not that of images or a value is not finite.
    """
    change = finite(adversarial, "adversarial") - finite(x, "x")
    change = with_channels(change, data_format)  # (N, H, W, C)
    most = np.abs(change).argmax(-1)[..., None]
    return np.take_along_axis(change, most, -1)[..., 0]


def faded(image: np.ndarray) -> np.ndarray:
    """An image of `as_images` in pale grey, on which colours and markers stand out, `(H, W)`."""
    grey = image @ np.array(LUMINANCE) if image.ndim == 3 else image
    return 0.6 + 0.4 * grey


def with_channels(x: np.ndarray, data_format: str) -> np.ndarray:
    """Views images as `(N, H, W, C)`.

    Raises:
        ValueError: if `x` does not have the dimensions of images, or for an unknown `data_format`.
    """
    axes.check_data_format(data_format)
    if x.ndim == 3:
        return x[..., None]
    if x.ndim != 4:
        raise ValueError(
            "Images have the shape (N, H, W), (N, H, W, C) or (N, C, H, W). "
            f"Received: shape {x.shape}. If the rows are flattened images, restore them first, "
            "as in dataclasses.replace(result, x=result.x.reshape(-1, 28, 28), ...). Of tabular "
            "features, draw an Explanation with plotting.heatmaps."
        )
    return axes.channels_last(x, data_format)


def are_images(x: np.ndarray, data_format: str) -> bool:
    """Whether `x` can be drawn as grey or colour images."""
    return x.ndim in (3, 4) and with_channels(x, data_format).shape[-1] in (1, 3)


def ratio(x: np.ndarray, data_format: str) -> float:
    """Height over width of the images in `x`."""
    height, width = with_channels(x, data_format).shape[1:3]
    return height / width


def bounds_of(
    bounds: tuple[Any, Any], x: np.ndarray, picked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of the samples `picked`, where bounds that broadcast to `x` differ between samples."""
    low, high = (np.asarray(bound) for bound in bounds)
    varies = low.ndim == x.ndim and len(low) == len(x)
    low = low[picked] if varies else low
    varies = high.ndim == x.ndim and len(high) == len(x)
    return low, high[picked] if varies else high


def finite(values: Any, name: str) -> np.ndarray:
    """Returns `values` as float64.

    Raises:
        ValueError: if one is NaN or infinite.
    """
    values = np.asarray(values, "float64")
    bad = ~np.isfinite(values)
    if bad.any():
        rows = np.flatnonzero(bad.any(axis=tuple(range(1, bad.ndim)))).tolist()
        raise ValueError(
            f"Only finite numbers can be drawn. Received: {name} with NaN or infinity in "
            f"{len(rows)} of the {len(values)} samples drawn, the first at place {rows[0]}. "
            "Leave them out with the argument indices."
        )
    return values


def _scale(x: np.ndarray, bounds: tuple[Any, Any]) -> np.ndarray:
    finite(x, "x")
    low, high = (np.asarray(bound, "float64") for bound in bounds)
    try:
        low, high = np.broadcast_to(low, x.shape), np.broadcast_to(high, x.shape)
    except ValueError as error:
        raise ValueError(
            f"Bounds must broadcast to x. Received: bounds of the shapes {low.shape} and "
            f"{high.shape} for x of the shape {x.shape}. Pass two numbers, or two arrays with one "
            "value per input."
        ) from error
    width = high - low
    if (width < 0).any():
        raise ValueError(
            f"The lower bound must not exceed the upper. Received: low up to {low.max():g}, "
            f"high down to {high.min():g}. Pass bounds=(low, high)."
        )
    slack = ROUNDING * width.max(initial=0)
    if (x < low - slack).any() or (x > high + slack).any():
        raise ValueError(
            f"The inputs leave their bounds. Received: values from {x.min():g} to {x.max():g} with "
            f"bounds from {low.min():g} to {high.max():g}. Pass the bounds that the inputs were "
            "scaled to."
        )
    return ((x - low) / np.where(width > 0, width, 1)).clip(0, 1)


def _other(data_format: str) -> str:
    return "channels_first" if data_format == "channels_last" else "channels_last"
