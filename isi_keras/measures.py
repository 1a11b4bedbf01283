"""How far an adversarial example is from its input, and how similar to it."""

from collections.abc import Sequence

import numpy as np

from isi_keras import axes
from isi_keras.domain.groups import counted_once

DISTANCES = ("l0_feature", "l0_position", "l2", "linf")
SIMILARITIES = ("ssim", "psnr")
_SSIM_WINDOW = 7


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
    from skimage import metrics

    x, adversarial = (axes.channels_last(part, data_format) for part in (x, adversarial))
    side = min(_SSIM_WINDOW, *x.shape[1:3])
    window = side if side % 2 else side - 1
    ssim, psnr = np.empty(len(x)), np.full(len(x), np.inf)
    for index, (before, after) in enumerate(zip(x, adversarial, strict=True)):
        ssim[index] = metrics.structural_similarity(
            before, after, win_size=window, channel_axis=-1, data_range=span
        )
        if not np.array_equal(before, after):
            psnr[index] = metrics.peak_signal_noise_ratio(before, after, data_range=span)
    return {"ssim": ssim, "psnr": psnr}
