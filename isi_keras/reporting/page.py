"""`Page`: a report as HTML, Markdown or JSON."""

import base64
import dataclasses
import functools
import hashlib
import html
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from isi_keras.reporting import charts, samples
from isi_keras.reporting.parts import Section, Words
from isi_keras.reporting.thresholds import Outcome, check
from isi_keras.results import Explanation, as_path, write_atomically

FORMATS = ("html", "md", "json")
OVERHEAD = 60_000
"""Bytes of the page itself beside samples and texts, more than it takes."""


@dataclasses.dataclass(frozen=True)
class Page:
    """A report of results: shown by a notebook, saved as a file, asked for numbers.

    Args:
        title: of the page.
        sections: what is said of each result.
        words: names of classes and columns.
        about: facts by name: the model, its hash, versions, a command.
        megabytes: how large the HTML may be, in units of 1,000,000 bytes.
        outcomes: of thresholds, which stand on top.
    """

    title: str
    sections: Sequence[Section]
    words: Words
    about: Mapping[str, str]
    megabytes: float = 5.0
    outcomes: Sequence[Outcome] = ()

    def check(self, *thresholds: str) -> list[Outcome]:
        """How the results meet some thresholds, as in `"robust_accuracy_at_10>=0.5"`.

        Args:
            thresholds: `NAME>=NUMBER`, also with `<=`, `>` or `<`. The names are those of
                `to_dict`, and `robust_accuracy_at_D` within the distance `D`, to which a measure
                may be added (`robust_accuracy_at_0.5_l2`); `_low` and `_high` are the ends of its
                Wilson interval at 95 %. `LABEL:` in front asks one result, else each that has the
                number must meet it.

        Raises:
            ValueError: if one cannot be read, or no result has such a number.
        """
        return [outcome for text in thresholds for outcome in check(text, self.sections)]

    def to_dict(self) -> dict[str, Any]:
        """The numbers of all results as nested dictionaries; what is undefined is `None`."""
        return {
            "title": self.title,
            "about": dict(self.about),
            "results": [
                {
                    "label": section.label,
                    "kind": section.kind,
                    "metrics": {name: _plain(value) for name, value in section.metrics.items()},
                    "notes": list(section.notes),
                    "config": section.config,
                    "provenance": section.record.provenance,
                }
                for section in self.sections
            ],
            "checks": [
                {**dataclasses.asdict(outcome), "value": _plain(outcome.value)}
                for outcome in self.outcomes
            ],
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False, default=str) + "\n"

    def to_markdown(self) -> str:
        """The numbers as tables of Markdown, without pictures."""
        return _templates().get_template("page.md.j2").render(page=self)

    @functools.cached_property
    def html(self) -> str:
        """The page as one text: styles, script, data and pictures are inside."""
        parts = [section for section in self.sections if section.columns]
        fixed = OVERHEAD + sum(len(text) for s in self.sections for text in s.fragments)
        rows = sum(min(len(s.record), samples.ROWS) * (8 * len(s.columns) + 8) for s in parts)
        room = 1e6 * self.megabytes - fixed - rows
        explained = [(s.label, s.record) for s in parts if isinstance(s.record, Explanation)]
        maps = samples.by_input(explained)  # pyright: ignore[reportArgumentType]
        shown, left, known = [], len(parts), [section.record for section in parts]
        for section in parts:
            data = samples.of_section(section, maps, self.words, int(room / left), known)
            room -= len(json.dumps(data["depth"]))
            left -= 1
            shown.append(data)
        templates = _templates()
        script, style = (_text(templates, name) for name in ("page.js", "page.css"))
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return templates.get_template("page.html.j2").render(
            page=self,
            script=script,
            style=style,
            digest=digest,
            data=_for_script({"results": shown}),
            shown=shown,
            drawn=charts.drawn,
            compared=charts.compared([s.charts for s in self.sections]),
            kept=sum(len(data["depth"]) for data in shown),
            listed=sum(len(data["index"]) for data in shown),
            count=sum(data["samples"] for data in shown),
            commands={s.label: _command(s) for s in self.sections},
        )

    def save(self, path: str | os.PathLike, format: str | None = None) -> Path:
        """Writes the report, whole or not at all.

        Args:
            path: a file.
            format: `"html"`, `"md"` or `"json"`; that of the suffix if `None`.

        Raises:
            ValueError: if the format is none of these.
            OSError: if the file cannot be written.
        """
        place = as_path(path)
        return write_atomically(place, lambda file: file.write(self.text(format, place).encode()))

    def text(self, format: str | None = None, path: Path | None = None) -> str:
        """The report in a format.

        Args:
            format: `"html"`, `"md"` or `"json"`; that of the suffix of `path` if `None`.
            path: where it goes.

        Raises:
            ValueError: if the format is none of these.
        """
        chosen = format or (path.suffix[1:].lower() if path is not None else "html")
        if chosen not in FORMATS:
            raise ValueError(
                f"Expected a format of {', '.join(FORMATS)}. Received: {chosen!r}. "
                "Choose another suffix, or pass format."
            )
        makers = {"html": lambda: self.html, "md": self.to_markdown, "json": self.to_json}
        return makers[chosen]()

    def _repr_html_(self) -> str:
        inside = html.escape(self.html, quote=True)
        return (
            f'<iframe title="{html.escape(self.title)}" srcdoc="{inside}" sandbox="allow-scripts" '
            'style="width:100%;height:40em;border:1px solid #8c8c8c"></iframe>'
        )


def _command(section: Section) -> str:
    """What makes the result again, in Python, by its configuration."""
    config = json.dumps(section.config, default=str)
    if section.kind == "AttackResult":
        given = "".join(
            f", {name}={name}"
            for name, there in (
                ("y", getattr(section.record, "y", None) is not None),
                ("target", getattr(section.record, "target", None) is not None),
            )
            if there
        )
        return (
            "import json\nfrom isi_keras import attacks\n\n"
            f"attack = attacks.get(json.loads({config!r}))\nresult = attack(model, x{given})"
        )
    return f"# {section.config.get('class_name', section.kind)} was called with\n{config}"


def _for_script(data: Any) -> str:
    """JSON that ends no script element and no line of one, whatever texts it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)  # ASCII only
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _plain(value: Any) -> Any:
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else value


def _text(templates: jinja2.Environment, name: str) -> str:
    assert templates.loader is not None
    return templates.loader.get_source(templates, name)[0].strip()


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("isi_keras.reporting", "templates"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = lambda text: (
        str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    )
    return environment
