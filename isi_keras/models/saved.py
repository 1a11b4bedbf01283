"""`.keras` files from anywhere: no code in them is run, and no more memory is taken than they hold.

A file keeps each variable of its model, so a model that fits its file needs no more memory than the
file is long. That is what is asked, while Keras builds it: the first variable with which a model
would need much more is refused before it is made. Estimates from the configuration would have to
know every layer, and the shapes in the weights say nothing of what is built before they are read.
"""

import contextlib
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from isi_keras.results import archive

_RATIO = 8
_CONFIG, _DEEPEST = 2**26, 300
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_BATCH, _SAMPLES = re.compile(rb'"batch_(?:input_)?shape":\s*\[\s*(\d{1,30})'), 2**16
_BUILDING = threading.RLock()
_STATEFUL = re.compile(rb'"stateful":\s*true')
_UNFIT = re.compile(r"could not be loaded\. Example .*? for object <\w+ name=([^,>]+)")
_SHAPES = re.compile(r"variable\.shape=\(([\d, ]*)\).*?value\.shape=\D*([\d, ]*)")
_COUNTS = re.compile(r"expected (\d+) variables, but received (\d+)")
_HINTS = {
    "Could not locate": "Code in files is never run: in Python, import what defines it first.",
    "Lambda": "Code in files is never run: write what it does as a layer, or with keras.ops.",
}


def load(path: Any) -> Any:
    """The model of a `.keras` file; code inside it is never run.

    Raises:
        ValueError: if it cannot be loaded; the text says why in one sentence.
    """
    path = Path(path) if isinstance(path, str) else path
    try:
        most = _expect_model(path)
        with _BUILDING, _bounded(path, most):
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except archive.UnreadableError:
        raise
    except Exception as error:  # whatever a damaged or foreign file makes of the reader
        raise ValueError(
            f"{str(path)!r} cannot be loaded as a Keras model: {_said(error)}"
        ) from error


def _expect_model(path: Any) -> int:
    """How many bytes the variables of a file may take, if it is made as `.keras` files are.

    Raises:
        UnreadableError: if it is damaged, or would become much longer than it is.
        ValueError: if it is something else.
    """
    other = ValueError("it is no zip file, as those of model.save('model.keras') are.")
    if isinstance(path, Path) and not path.is_file():
        raise ValueError("it is no file.")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        most = archive.limit(size, ratio=_RATIO)
        held = archive.opened(file, size, path, other)
        archive.check_sizes(held.infolist(), size, most, path)
        names = {info.filename: info.file_size for info in held.infolist()}
        for name in names:
            if name.startswith("/") or ".." in re.split(r"[/\\]", name) or ":" in name:
                raise archive.damaged(path, f"it holds {name[:60]!r}, which leads out of it")
        for name in ("config.json", "metadata.json"):
            if names.get(name, _CONFIG + 1) > _CONFIG:
                raise ValueError(f"it has no {name}, as files of model.save('model.keras') have.")
        try:
            config = held.read("config.json")
        except archive.DAMAGED as error:
            raise archive.damaged(path, f"config.json cannot be read, {error}") from error
    if _depth(config) > _DEEPEST:  # Keras goes into each, and says this or that of where it ends
        raise ValueError(
            "its configuration is not that of a model: more than "
            f"{_DEEPEST} lists and dictionaries are inside each other."
        )
    samples = max((int(each) for each in _BATCH.findall(config)), default=0)
    if samples > _SAMPLES and _STATEFUL.search(config):
        raise ValueError(
            f"its layers would keep the states of {samples} samples. Save it with a batch of at "
            f"most {_SAMPLES}."
        )
    return most


def _depth(config: bytes) -> int:
    """How many lists and dictionaries of JSON are inside each other."""
    found = np.frombuffer(_TEXT.sub(b"", config), "uint8")
    opens, closes = (np.isin(found, list(signs)) for signs in (b"[{", b"]}"))
    return int(np.cumsum(opens.astype("int32") - closes).max(initial=0))


@contextlib.contextmanager
def _bounded(path: Any, most: int) -> Iterator[None]:
    """Refuses variables that take more than so many bytes together, in this thread."""
    kind, here, taken = keras.Variable, threading.get_ident(), 0
    make = kind.__init__

    def counted(self, initializer, shape=None, dtype=None, *args, **options):
        nonlocal taken
        if callable(initializer) and shape is not None and threading.get_ident() == here:
            size = _bytes(shape, dtype)
            taken += size
            if taken > most:
                name = options.get("name") or "a variable"
                raise archive.UnreadableError(
                    f"{str(path)!r} describes a model that does not fit it: {name!r} of shape "
                    f"{tuple(shape)} takes {_in_words(size)}, the file {_in_words(_size(path))}, "
                    "and a file holds all variables of its model. Save the model again. If you "
                    f"trust the file, set {archive.MAX_BYTES} to more bytes than it takes."
                )
        make(self, initializer, shape, dtype, *args, **options)

    kind.__init__ = counted  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        kind.__init__ = make


def _bytes(shape: Any, dtype: Any) -> int:
    """How many bytes a variable takes, at least as many as its entries."""
    name = keras.backend.standardize_dtype(dtype or keras.config.floatx())
    bits = re.search(r"\d+$", name)
    return math.prod(size or 1 for size in shape) * max(1, int(bits.group() if bits else 8) // 8)


def _size(path: Any) -> int:
    return path.stat().st_size


def _in_words(size: int) -> str:
    unit, name = next((each for each in _UNITS if size > each[0] / 10), _UNITS[-1])
    return f"{size / unit:,.1f} {name}"


def _said(error: Exception) -> str:
    """What Keras says, without the configuration that it repeats, and what to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.rpartition("Exception encountered: ")[2].partition(" Full object config")[0]
    text = text.partition(" If you trust the source")[0]
    text = text.partition(" value=[")[0] + (" ..." if " value=[" in text else "")
    text, said, _ = text.partition(", but got {")  # all of the configuration
    text += " ..." if said else ""
    if said or isinstance(error, KeyError | AttributeError | IndexError | RecursionError):
        text = f"its configuration is not that of a model ({type(error).__name__}: {text})."
    layer = _UNFIT.search(text)
    if layer is not None:
        shapes, counts = _SHAPES.search(text), _COUNTS.search(text)
        what = f"variables of shapes ({shapes[1]}) and ({shapes[2]})" if shapes else "others"
        what = f"{counts[1]} variables and {counts[2]}" if counts else what
        text = (
            f"its weights are not those of its layer {layer[1]!r}: layer and weights have {what}. "
            "Save the model again as a whole, by model.save."
        )
    text = text if len(text) < 400 else text[:400] + " ..."
    hints = [hint for word, hint in _HINTS.items() if word in text]
    return " ".join([text, *hints])
