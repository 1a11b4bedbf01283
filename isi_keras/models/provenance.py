"""Which model made a result: its name, its size and a hash, and with which versions."""

import contextlib
import contextvars
import copy
import hashlib
import json
import sys
import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any, NamedTuple

import keras

from isi_keras import _keras
from isi_keras._version import __version__
from isi_keras.models.held import steady
from isi_keras.sources import hashes

Known = MutableMapping[Any, dict[str, Any]]
"""What is told of models already, by the models."""
_known: contextvars.ContextVar[Known | None] = contextvars.ContextVar("known", default=None)


class Hash(NamedTuple):
    """A hash of what a model computes.

    Args:
        sha256: in hexadecimal digits.
        whole: whether the configuration of the model is in it; if not, its class and weights are.
    """

    sha256: str
    whole: bool


def of(model: keras.Model, sha256: str | None = None) -> dict[str, Any]:
    """What `Result.provenance` says of results of a model.

    Args:
        model: as it is now.
        sha256: what is said to be its hash, as by a run that saved it; `None` for what it is.
    """
    known = _known.get()
    if known is not None and model in known:
        return copy.deepcopy(known[model])
    found = hash_of(model) if sha256 is None else hash_of(model)._replace(sha256=sha256)
    backend = keras.config.backend()
    version = getattr(sys.modules.get(backend), "__version__", None)
    told = {
        "model": {
            "name": str(model.name),
            "parameters": int(model.count_params()),
            "sha256": found.sha256,
            "hashed": "architecture and weights" if found.whole else "class and weights",
        },
        "backend": backend,
        "versions": {"isi_keras": __version__, "keras": keras.__version__}
        | ({} if version is None else {backend: str(version)}),
    }
    if known is not None:
        known[model] = copy.deepcopy(told)
    return told


@contextlib.contextmanager
def once(known: Known | None = None) -> Iterator[None]:
    """Meanwhile a model is hashed once, however many results are made of it.

    Args:
        known: what is told already, to which more is added.
    """
    before = _known.get()
    if known is None:
        known = weakref.WeakKeyDictionary() if before is None else before
    token = _known.set(known)
    try:
        yield
    finally:
        _known.reset(token)


def hash_of(model: keras.Model) -> Hash:
    """The hash of what a model computes: its configuration, its own names aside, and weights."""
    kind = type(model)
    text, whole = f"{kind.__module__}.{kind.__qualname__}", _keras.shows_layers(model)
    try:
        with _keras.without_tensorflow():
            config = model.get_config()
        names = dict.fromkeys([model.name, *_names(config)])
        numbers = {name: f"#{number}" for number, name in enumerate(names)}
        text += json.dumps(_unnamed(config, numbers), sort_keys=True, default=_told)
    except Exception:  # whatever a layer of the user's raises
        whole = False
    found = hashlib.sha256(text.encode())
    weights = steady(model, lambda: [keras.ops.convert_to_numpy(v) for v in model.weights])
    found.update(hashes.of_arrays(*weights).encode())
    return Hash(found.hexdigest(), whole)


def _names(config: Any) -> Iterator[str]:
    """The names of layers in a configuration, in its order."""
    if isinstance(config, dict):
        own = config.get("config")
        if isinstance(own, dict) and "name" in own and "Policy" not in str(config["class_name"]):
            yield own["name"]
        config = list(config.values())
    if isinstance(config, list | tuple):
        for part in config:
            yield from _names(part)


def _unnamed(config: Any, numbers: dict[str, str]) -> Any:
    """A configuration with numbers for the names of layers, where it holds names of layers.

    That is under `name`, and first in the places `[name, node, tensor]` of a graph. Whether a layer
    is trained does not change what it computes.
    """
    if isinstance(config, dict):
        return {
            key: numbers.get(value, value)
            if key == "name" and isinstance(value, str)
            else _unnamed(value, numbers)
            for key, value in config.items()
            if key != "trainable"
        }
    if not isinstance(config, list | tuple):
        return config
    parts = [_unnamed(part, numbers) for part in config]
    if len(parts) >= 3 and isinstance(parts[0], str) and all(type(p) is int for p in parts[1:3]):
        parts[0] = numbers.get(parts[0], parts[0])
    return parts


def _told(value: Any) -> Any:
    config = getattr(value, "get_config", None)
    return config() if callable(config) else repr(type(value))
