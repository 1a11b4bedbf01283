"""Files that commands write: checked before the work begins, drawn and named after it."""

import functools
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from typer import BadParameter

from isi_keras.plotting.plots import PICTURES
from isi_keras.results import Explanation, write_atomically

LISTED = 20


def places(
    out: Any, picture: Any, model: str, *words: Any, overwrite: bool = False
) -> tuple[Any, Any]:
    """Where the result and the picture go; both can be written, and nothing is written yet.

    Args:
        out: the result; `None` for a name made of the model and `words`.
        picture: the picture; `None` for one beside the result.
        model: MODEL.
        words: what tells the result from others of the model.
        overwrite: whether what is there is replaced.

    Raises:
        BadParameter: if the picture has no suffix of `PICTURES`.
        FileExistsError: if one of them is there already.
        OSError: if one of them cannot be written.
    """
    if out is None:
        stem = "-".join((Path(model).stem, *map(str, words))).lower()
        out = Path("results", stem + ".npz")
    out = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")
    picture = out.with_suffix(".png") if picture is None else picture
    check_picture(picture, overwrite)
    check_writable(out)
    check_free(out, overwrite)
    return out, picture


def check_picture(picture: Any, overwrite: bool) -> None:
    """Raises unless a picture can be put there; leaves nothing behind.

    Raises:
        BadParameter: if it has no suffix of `PICTURES`.
        FileExistsError: if it is there already.
        OSError: if it cannot be written.
    """
    if picture.suffix.lower() not in PICTURES:
        raise BadParameter(
            f"Expected a picture that ends in {', '.join(PICTURES)}. Received: {str(picture)!r}."
        )
    check_writable(picture)
    check_free(picture, overwrite)


def check_free(path: Any, overwrite: bool) -> None:
    """Raises if there is a file that is not to be replaced."""
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{str(path)!r} is there already. Add --overwrite to replace it, or put the new one "
            "elsewhere with --out."
        )


def words_of(data: Path | None, **options: Any) -> list[str]:
    """What tells a result from others: the data, and options that are not as usual.

    Args:
        data: DATA.
        options: by name pairs of a value and the usual one.
    """
    found = [] if data is None else [data.stem]
    for name, (value, usual) in options.items():
        if value == usual:
            continue
        word = name.replace("_", "-")
        if isinstance(value, bool):
            found.append(word)
            continue
        if isinstance(value, tuple):
            value = "-".join(f"{number:g}" for number in value)
        value = Path(value).stem if name == "domain" else re.sub(r"[^\w.,=-]+", "-", str(value))
        found.append(f"{word}-{value}")
    return found


def save_images(result: Any, folder: Any) -> int:
    """Writes the adversarial images of the samples that were turned as PNG, and says how many.

    `000017.png` is that of sample 17; black and white are the bounds.

    Raises:
        ValueError: if the inputs are no images.
    """
    from skimage import io

    from isi_keras.plotting import images

    turned = np.flatnonzero(result.success)
    for number in turned:
        one = result[[number]]
        shown = images.as_images(one.adversarial, one.bounds, data_format=one.data_format)
        pixels = np.round(255 * shown[0]).astype("uint8")
        write = functools.partial(io.imsave, arr=pixels, check_contrast=False, extension=".png")
        write_atomically(folder / f"{number:06d}.png", write)
    return len(turned)


def check_writable(path: Any) -> None:
    """Raises an `OSError` unless a file can be put at `path`; leaves nothing behind.

    Of a place elsewhere only the first file tells.
    """
    if not isinstance(path, Path):
        return
    try:
        folder = path.parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=folder):
            pass
        is_folder = path.is_dir()
    except OSError as error:
        raise OSError(
            f"Cannot write to the folder {str(path.parent)!r} ({error.strerror}). "
            "Choose a folder that exists or can be created and that you may write to."
        ) from error
    if is_folder:
        raise IsADirectoryError(f"Cannot write the file {str(path)!r}: a folder has this name.")


def drawable(possible: bool, picture: Path | None, x: np.ndarray) -> bool:
    """Whether there will be a picture; raises if one was asked for and cannot be."""
    if picture is not None and not possible:
        raise ValueError(
            f"Inputs of shape {('N', *x.shape[1:])} cannot be drawn as images. Leave out --picture."
        )
    return possible


def draw_explanation(
    explanation: Explanation, bounds: tuple[float, float], classes: list[str] | None = None
) -> Any:
    """The maps of an explanation; the bounds are black and white if they hold the inputs."""
    from isi_keras import plotting

    low, high = bounds
    inside = low <= explanation.x.min() and explanation.x.max() <= high
    return plotting.heatmaps(explanation, bounds=bounds if inside else None, classes=classes)


def predictions(predicted: np.ndarray, labels: np.ndarray | None) -> str:
    """The predicted classes in a line or two: each, or how often each if they are many."""
    lines = [f"{len(predicted)} samples"]
    if labels is not None and labels.shape == predicted.shape:
        lines[0] += f", {np.mean(predicted == labels):.2%} predicted as labelled"
    if len(predicted) <= LISTED:
        lines.append("predicted: " + " ".join(map(str, predicted)))
        return "\n".join(lines)
    classes, counts = np.unique(predicted, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown = ", ".join(f"{classes[i]} ({counts[i]})" for i in order[:LISTED])
    more = f" and {len(order) - LISTED} classes more" if len(order) > LISTED else ""
    return "\n".join([*lines, f"predicted (how often): {shown}{more}"])


def place_of(out: Any, results: list[Any], kind: str, suffixes: tuple[str, ...]) -> Any:
    """Where the picture of some results goes; it can be written, and nothing is written yet.

    Raises:
        BadParameter: if its suffix is none of those that the picture may have.
        OSError: if it cannot be written.
    """
    if out is None:
        stem = kind if len(results) > 1 else f"{results[0].stem}-{kind}"
        out = results[0].with_name(stem + suffixes[0])
    if out.suffix.lower() not in suffixes:
        raise BadParameter(
            f"Expected a picture that ends in {', '.join(suffixes)}. Received: {str(out)!r}."
        )
    check_writable(out)
    return out


def labels_of(paths: list[Any]) -> list[str]:
    """The names of files without their suffix; with their folders where two are the same."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [str(path.with_suffix("")) for path in paths]
