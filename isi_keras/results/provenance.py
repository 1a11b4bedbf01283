"""What a record says of its making: which model, on which backend, with which versions.

A dictionary, JSON in a file: `"model"`, with its `"name"`, number of `"parameters"`, `"sha256"` and
what that was `"hashed"` of; the `"backend"`; and `"versions"` by the names of packages.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from isi_keras.results import parts

_CODES = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HASH = re.compile("[0-9a-f]{64}")
_FIELD = "provenance"
SHORT = 12
"""So many digits of a hash are shown."""


def check(told: Any) -> None:
    """Raises a ValueError unless it is as above; `None` is nothing recorded."""
    if told is None:
        return
    model = told.get("model")
    texts = [told.get("backend"), *_items(told.get("versions"))]
    right = isinstance(model, Mapping) and isinstance(told.get("versions"), Mapping)
    if isinstance(model, Mapping):
        texts += [model.get("name"), model.get("hashed")]
        count, digest = model.get("parameters"), model.get("sha256")
        right &= type(count) is int and 0 <= count < 2**63
        right &= isinstance(digest, str) and _HASH.fullmatch(digest) is not None
    if not right or not all(isinstance(t, str) and not _CODES.search(t) for t in texts):
        raise ValueError(
            f"expected {_FIELD} to tell a model by name, parameters and sha256, the backend and "
            f"versions. Received: {dict(told)!r:.80}"
        )


def joined(values: Sequence[Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    """That of a record joined of parts: the model of all of them, and each version there is.

    It is `None` if one part does not tell. Names of models may differ, as Keras numbers them; the
    first is kept.

    Raises:
        ValueError: if the parts are of different models.
    """
    if any(value is None for value in values):
        return None
    told = [value for value in values if value is not None]
    known = [{k: v for k, v in value["model"].items() if k != "name"} for value in told]
    parts.same(f"{_FIELD}['model']", known)
    packages = dict.fromkeys(name for value in told for name in value["versions"])
    return {
        "model": dict(told[0]["model"]),
        "backend": _each(value["backend"] for value in told),
        "versions": {name: _each(v["versions"].get(name) for v in told) for name in packages},
    }


def described(told: Mapping[str, Any]) -> str:
    """The model in a line, as in `"lenet, 61,706 parameters, SHA-256 0123456789ab"`."""
    model = told["model"]
    return (
        f"{model['name']}, {model['parameters']:,} parameters, SHA-256 {model['sha256'][:SHORT]} "
        f"(of its {model['hashed']})"
    )


def versions(told: Mapping[str, Any]) -> str:
    """Backend and versions in a line."""
    said = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    return f"{said} (backend {told['backend']})"


def _each(values: Any) -> str:
    """What differs, one after another."""
    found = [each.split(", ") for each in values if each is not None]
    return ", ".join(dict.fromkeys(word for words in found for word in words))


def _items(entries: Any) -> list[Any]:
    return [text for pair in entries.items() for text in pair] if isinstance(entries, dict) else []
