"""How far an adversarial example is from its input, and how similar to it."""

from collections.abc import Sequence

import numpy as np

from isi_keras import axes
from isi_keras.domain.groups import counted_once

DISTANCES = ("l0_feature", "l0_position", "l2", "linf")
SIMILARITIES = ("ssim", "psnr")
_SSIM_WINDOW = 7
_AT_ONCE = 256  # so that what is computed on the way stays small


def distances(
    x: np.ndarray,
    adversarial: np.ndarray,
    *,
    data_format: str,
    groups: Sequence[Sequence[int]] = (),
) -> dict[str, np.ndarray]:
    """The distances of `DISTANCES` for each sample, `(N,)` each.

    Args:
        x: the inputs, `(N, ...)`.
        adversarial: the inputs after an attack, of the same shape.
        data_format: `"channels_last"` or `"channels_first"`, such as `AttackResult.data_format`.
        groups: one-hot groups of flat indices, such as `AttackResult.domain.groups`; a change
            within one counts once.
    """
    difference = (adversarial - x).astype("float64")
    flat = np.abs(difference.reshape(len(x), np.prod(x.shape[1:], dtype=int)))  # (N, D)
    counts = {
        "l0_feature": counted_once(difference != 0, groups),
        "l0_position": axes.any_channel(difference, data_format).sum(1),
    }
    if groups and axes.channel_axis(difference.ndim, data_format) is None:
        counts["l0_position"] = counts["l0_feature"]  # each entry of a table is a position
    return {
        **{name: count.astype("float64") for name, count in counts.items()},
        "l2": np.sqrt((flat**2).sum(1)),
        "linf": flat.max(1, initial=0.0),
    }


def similarities(
    x: np.ndarray, adversarial: np.ndarray, span: float, *, data_format: str
) -> dict[str, np.ndarray]:
    """SSIM and PSNR of each image, `(N,)` each.

    Args:
        x: the images, `(N, H, W, C)` or `(N, C, H, W)`.
        adversarial: the images after an attack, of the same shape.
        span: the width of the bounds.
        data_format: `"channels_last"` or `"channels_first"`, such as `AttackResult.data_format`.
    """
    from scipy import ndimage

    x, adversarial = (axes.channels_last(part, data_format) for part in (x, adversarial))
    side = min(_SSIM_WINDOW, *x.shape[1:3])
    window = side if side % 2 else side - 1
    ssim, squared = np.empty(len(x)), np.empty(len(x))
    for start in range(0, len(x), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        precision = np.result_type(x, adversarial, "float32")
        before, after = x[part].astype(precision), adversarial[part].astype(precision)
        means = [
            ndimage.uniform_filter(values, window, axes=(1, 2))
            for values in (before, after, before**2, after**2, before * after)
        ]
        inside = slice(window // 2, -(window // 2) or None)
        map_of = _structural(*means, samples=window**2, span=span)[:, inside, inside]
        ssim[part] = map_of.mean((1, 2, 3), dtype="float64")
        difference = before.astype("float64") - after
        squared[part] = (difference**2).mean((1, 2, 3))
    with np.errstate(divide="ignore"):
        psnr = 10 * np.log10(span**2 / squared)
    return {"ssim": ssim, "psnr": psnr}


def _structural(ux, uy, uxx, uyy, uxy, *, samples: int, span: float) -> np.ndarray:
    """The structural similarity at each pixel, of means over a window; Wang et al. 2004."""
    unbiased = samples / (samples - 1)
    vx, vy, vxy = (unbiased * part for part in (uxx - ux * ux, uyy - uy * uy, uxy - ux * uy))
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    alike = (2 * ux * uy + c1) * (2 * vxy + c2)
    return alike / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
