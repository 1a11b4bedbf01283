"""A report of results: one HTML file that opens from disk and needs nothing else.

No backend is imported: results are read, measured and drawn with NumPy.
"""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from isi_keras import _checks
from isi_keras._version import __version__
from isi_keras.reporting import attack, others, parts
from isi_keras.reporting.page import Page
from isi_keras.reporting.parts import Section, Words
from isi_keras.results import (
    AttackResult,
    Explanation,
    FlippingResult,
    HardnessResult,
    RandomisationResult,
    Result,
    RobustnessResult,
    Stored,
    provenance,
)

__all__ = ["Page", "report"]

_NOTHING = "not recorded in the results"

MAKERS = {
    AttackResult: attack.section,
    Explanation: others.explanation,
    FlippingResult: others.flipping,
    HardnessResult: others.hardness,
    RandomisationResult: others.randomisation,
    RobustnessResult: others.robustness,
}


def report(
    results: Any,
    path: str | os.PathLike | None = None,
    *,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    title: str | None = None,
    about: Mapping[str, str] | None = None,
    megabytes: float = 5.0,
) -> Page:
    """Makes a report of results: numbers with intervals, curves, a gallery, samples in depth.

    The HTML is one file without a network: it opens from disk, and prints. Explanations of inputs
    that were attacked too stand beside the attack, as its maps. Numbers are of all samples; of
    many samples only as many pictures are kept as there is room for, and the page says how many.

    Args:
        results: a result; a list or tuple of results; results by their labels; or anything else
            that yields the parts of one result, such as a run. A list may hold the like of these.
        path: where to write it, `.html`, `.md` or `.json`; nothing is written if `None`.
        classes: the names of the classes; their numbers if `None`.
        names: of the columns of a table; those of the attack's domain, or numbers, if `None`.
        title: of the page; `None` for what it shows.
        about: what the results themselves do not hold, by name, such as who made them. What they
            hold is the model, its size and its hash, and the versions of what computed them.
        megabytes: how large the HTML may be at most, in units of 1,000,000 bytes; above 0.2.

    Returns:
        A `Page`, which a notebook shows: `save`, `check`, `to_dict`, `to_markdown`.

    Raises:
        TypeError: if something among `results` is not a result.
        ValueError: if there is none, one is empty, or `classes` or `megabytes` is too small.
        OSError: if the file cannot be written.

    Example:
        >>> import isi_keras as isi
        >>> from isi_keras.plotting import _example
        >>> page = isi.report(_example.attack())
        >>> page.check("success_rate>=0.5")[0].passed
        True
    """
    if not _checks.is_number(megabytes) or megabytes <= 0.2:
        raise ValueError(
            f"Expected megabytes to be a number above 0.2. Received: megabytes={megabytes!r}."
        )
    words = Words(parts.legible(classes), parts.legible(names))
    sections = [_section(label, record, words) for label, record in _labelled(results).items()]
    facts = {
        "isi_keras": f"{__version__} (wrote this report)",
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        **_made(sections),
    }
    turns = any("success_rate" in section.metrics for section in sections)
    told = "How few inputs overturn the decisions" if turns else "What the decisions rest on"
    page = Page(
        told if title is None else title, sections, words, {**facts, **(about or {})}, megabytes
    )
    if path is not None:
        page.save(path)
    return page


def _made(sections: Sequence[Section]) -> dict[str, str]:
    """Which model made the results, and on what: in one line if it is the same for all."""
    facts = {}
    for name, said in (("model", provenance.described), ("computed with", provenance.versions)):
        labels: dict[str, list[str]] = {}
        for section in sections:
            told = section.record.provenance
            line = _NOTHING if told is None else parts.plain(said(told))
            labels.setdefault(line, []).append(section.label)
        for line, of in labels.items():
            facts[name if len(labels) == 1 else f"{name}: {', '.join(of)}"] = line
    return facts


def _section(label: str, record: Result, words: Words) -> Section:
    if not len(record):
        raise ValueError(f"{label!r} has no samples. Leave it out.")
    makers = [maker for kind, maker in MAKERS.items() if isinstance(record, kind)]
    if not makers:
        raise TypeError(
            f"Nothing is known of {type(record).__name__}. Expected one of "
            f"{', '.join(kind.__name__ for kind in MAKERS)}."
        )
    return makers[0](label, record, words)  # pyright: ignore[reportArgumentType]


def _labelled(results: Any) -> dict[str, Result]:
    """Results by labels that differ."""
    if isinstance(results, Mapping):
        return {str(label): _whole(result) for label, result in results.items()}
    several = results if isinstance(results, list | tuple) else [results]
    if not several:
        raise ValueError("Expected at least one result. Received: none.")
    labelled: dict[str, Result] = {}
    for result in map(_whole, several):
        label = base = _name(result)
        number = 1
        while label in labelled:
            number += 1
            label = f"{base} ({number})"
        labelled[label] = result
    return labelled


def _whole(result: Any) -> Result:
    """A result, joined of its parts if it comes in some."""
    if isinstance(result, Result):
        return result
    if not isinstance(result, Iterable) or isinstance(result, str | bytes | np.ndarray | Mapping):
        raise TypeError(
            f"Expected a result, or the parts of one. Received: {type(result).__name__}. Pass what "
            "an attack returned, or Result.load(path)."
        )
    if isinstance(result, Stored):
        return result.result()  # says what is missing
    return Result.concatenate(result)


def _name(result: Any) -> str:
    """What a result is called by what made it."""
    name = str(result.config.get("class_name", type(result).__name__))
    config = result.config.get("config", {})
    parts = [config.get(word) for word in ("indicator", "norm")]
    said = [part["class_name"] for part in parts if isinstance(part, Mapping)]
    return f"{name}({', '.join(said)})" if said else name
