"""The command `report`: one page of saved results, and thresholds for pipelines; no backend."""

import hashlib
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from isi_keras.cli.options import option, place, saved


class Format(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


Results = Annotated[list[Any], saved(True, "The .npz of results, or runs.")]
Checks = Annotated[
    list[str] | None,
    option(
        "'NAME>=NUMBER'",
        "A threshold, several times for several; exit 1 if one is missed. Names are those of "
        "--format json, and robust_accuracy_at_D within the distance D; also <=, >, <, and "
        "LABEL: in front for one result.",
        "--check",
        show_default=False,
    ),
]


def report(
    results: Results,
    out: Annotated[
        Any,
        option(
            "FILE",
            "An .html, .md or .json. Default: report.html beside the first result; md and json "
            "are printed.",
            "--out",
            "-o",
            show_default=False,
            parser=place,
        ),
    ] = None,
    format: Annotated[
        Format | None,
        option("NAME", "html, md or json. Default: that of FILE.", show_default=False),
    ] = None,
    check: Checks = None,
    label: Annotated[
        list[str] | None, option("TEXT", "What to call each result. Default: its file's name.")
    ] = None,
    classes: Annotated[
        str | None, option("A,B,...", "The names of the classes. Default: their numbers.")
    ] = None,
    names: Annotated[str | None, option("A,B,...", "The names of tabular features.")] = None,
    title: Annotated[str | None, option("TEXT", "What stands above the report.")] = None,
    model: Annotated[
        Path | None, option("FILE", "The model's file, whose name and SHA-256 the report gives.")
    ] = None,
    megabytes: Annotated[float, option("N", "How large the HTML may be, in MB.")] = 5.0,
) -> None:
    """Make a report of saved results: one HTML file that opens from disk.

    Summary with intervals, curves, pairs of classes, a gallery to filter and
    sort, samples in depth with a slider over the steps. With --check a
    pipeline can gate on it. No backend is started.
    """
    import dataclasses

    from isi_keras.cli import output, running
    from isi_keras.reporting import report

    if label is not None and len(label) != len(results):
        raise typer.BadParameter(
            f"Expected a --label for each of {len(results)} results. Received: {len(label)}."
        )
    chosen = _format(out, format)
    if out is None and chosen == "html":
        out = results[0].with_name("report.html")
    if out is not None:
        output.check_writable(out)
    records = [running.whole(path) for path in results]
    about = {"command": shlex.join(["isi-keras", *sys.argv[1:]])}
    hashed = [path if path.is_file() else path / "run.json" for path in results]
    about |= {f"SHA-256 of {path.name}": _digest(path) for path in hashed}
    if model is not None:
        about |= {"file of the model": f"{model.name}, SHA-256 {_digest(model)}"}
    labels = label or output.labels_of(results)
    page = report(
        dict(zip(labels, records, strict=True)),
        classes=_words(classes),
        names=_words(names),
        about=about,
        megabytes=megabytes,
        **({} if title is None else {"title": title}),
    )
    page = dataclasses.replace(page, outcomes=page.check(*(check or ())))
    if out is None:
        print(page.text(chosen), end="")
    else:
        print(f"report: {page.save(out, chosen)}")
    for outcome in page.outcomes:
        print(outcome, file=sys.stderr)
    if not all(outcome.passed for outcome in page.outcomes):
        raise typer.Exit(1)


def _format(out: Any, wanted: Format | None) -> str:
    if wanted is not None:
        return wanted.value
    if out is None:
        return "html"
    suffix = out.suffix[1:].lower()
    if suffix not in list(Format):
        raise typer.BadParameter(
            f"Expected a report that ends in .html, .md or .json. Received: {str(out)!r}. "
            "Choose another suffix, or pass --format."
        )
    return suffix


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",")]


def _digest(path: Any) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
