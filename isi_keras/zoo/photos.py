"""The photographs of scikit-image as samples for a network of ImageNet."""

import importlib.resources
from collections.abc import Sequence

import numpy as np

from isi_keras import _checks

LABELS = {"chelsea": 285, "coffee": 967, "rocket": 657, "motorcycle": 665}
"""What ImageNet calls them: Egyptian cat, espresso, missile, moped."""

UNNAMED = ("astronaut", "horse")
"""For these ImageNet has no class: no person, and no horse that is a mere outline."""

SIDE, MIDDLE, SCALE = 224, 127.0, 128.0


def photographs(names: Sequence[str] = tuple(LABELS)) -> np.ndarray:
    """Photographs that scikit-image ships, as EfficientNet-Lite0 takes them.

    The largest square in the middle is scaled to 224 by 224, and `x = (pixel - 127) / 128`.

    Args:
        names: of `"chelsea"` (a cat), `"coffee"`, `"rocket"` and `"motorcycle"`, which ImageNet has
            classes for, and `"astronaut"` and `"horse"`, which it does not.

    Returns:
        float32 of shape `(N, 224, 224, 3)` in `[-127/128, 1]`.

    Raises:
        ValueError: for another name.

    Reference:
        - scikit-image's gallery of data: all of them are in the public domain or free to use; its
          `skimage.data` says whose each is.

    Example:
        >>> from isi_keras.zoo import photographs
        >>> photographs(["coffee"]).shape
        (1, 224, 224, 3)
    """
    for name in names:
        _checks.one_of("photograph", name, (*LABELS, *UNNAMED))
    pixels = np.stack([_square(_read(name)) for name in names])
    return ((pixels - MIDDLE) / SCALE).astype("float32")


def imagenet_classes() -> tuple[str, ...]:
    """The names of the 1000 classes of ImageNet in the order of their numbers.

    Reference:
        - WordNet 3.0, Princeton University; see `isi_keras/data/LICENSE-IMAGENET-CLASSES.md`.

    Example:
        >>> from isi_keras.zoo import imagenet_classes
        >>> imagenet_classes()[285]
        'Egyptian cat'
    """
    data = importlib.resources.files("isi_keras") / "data" / "imagenet-classes.txt"
    return tuple(data.read_text("utf-8").splitlines())


def _read(name: str) -> np.ndarray:
    """A photograph of 0 to 255, `(H, W, 3)`."""
    from skimage import data

    if name == "motorcycle":
        return data.stereo_motorcycle()[0].astype("float64")
    image = getattr(data, name)()
    if image.dtype == bool:
        image = np.repeat(255 * image[..., None].astype("uint8"), 3, axis=-1)
    return image.astype("float64")


def _square(image: np.ndarray) -> np.ndarray:
    from skimage import transform

    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    middle = image[top : top + side, left : left + side]
    scaled = transform.resize(middle, (SIDE, SIDE), anti_aliasing=True, preserve_range=True)
    return scaled.clip(0, 255)
