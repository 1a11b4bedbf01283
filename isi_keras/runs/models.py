"""The model of a run: told by a hash, and loaded once in each worker."""

import contextlib
import contextvars
import importlib.resources
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isi_keras.runs.folder import RunFolder
from isi_keras.sources import factories, hashes

SAVED = "model.keras"
_HASHED = ("saved", "factory")  # the hash of others is that of a file


def spec_of(model: Any) -> dict[str, Any]:
    """What JSON knows of a model.

    Args:
        model: the path of a `.keras` file; the name of a network of the package; a function that
            makes one as `"module:function"`; a built Keras model, or what `logits` or `outputs`
            made of it; `None` for methods that need none.

    Raises:
        TypeError: if it is none of these.
        FileNotFoundError: if there is no such file.
    """
    if model is None:
        return {"kind": "none"}
    if isinstance(model, str | Path):
        return _of_name(model)
    classifier = _classifier(model)
    found: dict[str, Any] = {"kind": "saved", "sha256": _hash_of(classifier.model)}
    for name in ("from_logits", "as_values"):
        if getattr(classifier, name):
            found[name] = getattr(classifier, name)
    if classifier.from_logits is False:
        found["from_logits"] = False
    if classifier.moved is not None:
        found["moving"] = list(classifier.moved)
    return found


def _of_name(name: str | Path) -> dict[str, Any]:
    path = Path(name)
    if path.suffix == ".keras":
        if not path.is_file():
            raise FileNotFoundError(f"There is no model file {str(name)!r}.")
        return {"kind": "file", "path": str(path.resolve()), "sha256": hashes.of_file(path)}
    if isinstance(name, str) and factories.is_name(name):
        return {"kind": "factory", "name": name, "sha256": _hash_of(_made(name).model)}
    from isi_keras import zoo
    from isi_keras._checks import unknown

    if name not in zoo.NAMES:
        raise ValueError(
            unknown("model", str(name), zoo.NAMES) + " Or pass the path of a .keras file."
        )
    place = importlib.resources.files("isi_keras") / "data" / f"{name}.keras"
    with importlib.resources.as_file(place) as path:
        return {"kind": "zoo", "name": str(name), "sha256": hashes.of_file(path)}


def save(model: Any, folder: RunFolder) -> None:
    """Saves a model that is in memory into the folder of the run, once.

    Raises:
        ValueError: if it cannot be saved.
    """
    place = folder.path / SAVED
    if place.exists():
        return
    with tempfile.TemporaryDirectory() as here:
        written = Path(here, SAVED)
        try:
            _classifier(model).model.save(written)
        except Exception as error:  # whatever a layer of the user's raises
            raise ValueError(
                f"The model cannot be saved for workers: {error} Give its layers `get_config`, or "
                "pass 'module:function', a function that makes it."
            ) from error
        folder.commit(place, written.read_bytes())


def load(spec: dict[str, Any], folder: RunFolder) -> Any:
    """The model that JSON describes; code inside a file is never run.

    Raises:
        ValueError: if it cannot be loaded.
    """
    kind = spec["kind"]
    if kind == "none":
        return None
    from isi_keras.models import logits, outputs

    if kind == "factory":
        model = _made(spec["name"])
        if _hash_of(model.model) != spec["sha256"]:
            raise ValueError(
                f"{spec['name']!r} makes another model here than where the run was begun. Let it "
                "load its weights, or draw them with a fixed seed."
            )
    elif kind == "zoo":
        from isi_keras import zoo

        model = zoo.load(spec["name"])[0]
    else:
        model = load_keras(Path(spec["path"]) if kind == "file" else folder.path / SAVED)
    if spec.get("as_values"):
        return outputs(model, moving=spec.get("moving"))
    return logits(model, spec.get("from_logits"), moving=spec.get("moving"))


def told_of(spec: dict[str, Any], model: Any) -> Any:
    """What is told of the model of a run already, as `models.provenance.once` takes it.

    Args:
        spec: what JSON knows of it.
        model: what `load` made of that.
    """
    known = weakref.WeakKeyDictionary()
    if model is not None:
        from isi_keras.models import provenance

        made = _classifier(model).model
        known[made] = provenance.of(made, spec["sha256"] if spec["kind"] in _HASHED else None)
    return known


def told_once(told: Any) -> contextlib.AbstractContextManager:
    """Meanwhile records take what `told_of` returned, if there is any, and hash no model anew."""
    if not told:
        return contextlib.nullcontext()
    from isi_keras.models import provenance

    return provenance.once(told)


def load_keras(path: Any) -> Any:
    """The model of a `.keras` file; code inside it is never run.

    Raises:
        ValueError: if it cannot be loaded.
    """
    from isi_keras.models import saved

    if isinstance(path, Path):
        return saved.load(path)
    with tempfile.TemporaryDirectory() as here:
        copy = Path(here, path.name)
        copy.write_bytes(path.read_bytes())
        return saved.load(copy)


@contextlib.contextmanager
def made_once() -> Iterator[None]:
    """Meanwhile a factory of models is called once, however often its model is asked for."""
    before = _kept.get()
    token = _kept.set({} if before is None else before)
    try:
        yield
    finally:
        _kept.reset(token)


_kept: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("made", default=None)


def _made(name: str) -> Any:
    """What a factory makes.

    Raises:
        ValueError: if there is no such function.
    """
    kept = _kept.get()
    if kept is not None and name in kept:
        return kept[name]
    made = _classifier(factories.function(name)())
    if kept is not None:
        kept[name] = made
    return made


def _classifier(model: Any) -> Any:
    from isi_keras.models import logits

    return logits(model)


def _hash_of(model: Any) -> str:
    """The hash of what a model computes."""
    from isi_keras.models import provenance  # starts a backend, which not every run needs

    found = provenance.hash_of(model)
    if not found.whole:
        warnings.warn(
            f"{type(model).__name__} has no configuration, so a change of it is not noticed where "
            "its weights stay the same. Give it `get_config`.",
            stacklevel=4,
        )
    return found.sha256
