"""What the pages draw and print: runs their code, and keeps its pictures and its output.

    KERAS_BACKEND=tensorflow python scripts/pictures.py [PAGE ...]

`figures/pages/<page>/` gets each picture under the name that the page gives it, and `page.json`
with the output that the page shortens by `...`, a hash of the code and the versions that ran it.
The site shows both. After a change of a page's code, run this for the page; without pages, all that
draw or shorten run, which takes minutes.
"""

import argparse
import contextlib
import hashlib
import importlib.metadata
import io
import itertools
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FOLDER = ROOT / "figures" / "pages"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DRAWS = re.compile(r"\.savefig\(|ExplanationLogger\(|animation\(")
SHORTENED = re.compile(r"\.\.\.")
SUFFIXES = (".png", ".gif")
DPI = 180
"""Dots per inch: a figure of full width then has nearly twice the pixels that it is shown with."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as tutorials/relevance")
    chosen = parser.parse_args().pages or pages()
    for page in chosen:
        made = run(page)
        print(page, *(picture["file"] for picture in made["pictures"]))


def pages() -> list[str]:
    """The pages that draw, or shorten what they print."""
    found = (path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))
    return sorted(page for page in found if wanted(blocks(page)))


def wanted(code: list[tuple[str, str | None]]) -> bool:
    """Whether there is anything to keep of some blocks."""
    return any(DRAWS.search(block) or (said and SHORTENED.search(said)) for block, said in code)


def blocks(page: str) -> list[tuple[str, str | None]]:
    """The Python of a page in order, each block with what the page says that it prints."""
    text = (DOCS / f"{page}.md").read_text()
    found = []
    fences = list(FENCE.finditer(text))
    for fence, following in itertools.zip_longest(fences, fences[1:]):
        if fence[1] == "python":
            told = following and following[1] == "text"
            told = told and not text[fence.end() : following.start()].strip()
            found.append((fence[2], following[2] if told else None))
    return found


def digest(code: list[tuple[str, str | None]]) -> str:
    """A hash of all code of a page."""
    return hashlib.sha256("\n".join(block for block, _ in code).encode()).hexdigest()[:16]


def run(page: str) -> dict:
    """Runs a page in an empty folder; writes its pictures and what it printed."""
    import keras

    from isi_keras.plotting import style

    style.THEME["savefig.dpi"] = DPI
    code, out = blocks(page), FOLDER / page
    pictures, printed, silent = [], {}, []
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    namespace = {"__name__": "__page__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for number, (block, said) in enumerate(code):
            before = files()
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(block, f"{page}.md, block {number}", "exec"), namespace)
            for path in sorted(files() - before):
                shutil.copy(path, out / path.name)
                pictures.append({"block": number, "file": path.name})
            if said and SHORTENED.search(said):
                printed[number] = output.getvalue().replace(folder, ".").rstrip()
            elif said is None and output.getvalue().strip():
                silent.append(number)
    if silent:
        print(f"{page}: the output of blocks {silent} is not on the page")
    made = {
        "code": digest(code),
        "backend": keras.backend.backend(),
        "versions": {name: importlib.metadata.version(name) for name in ("keras", "numpy")},
        "pictures": pictures,
        "printed": printed,
    }
    (out / "page.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    return made


def files() -> set[Path]:
    """The pictures below the folder that is current."""
    return {path for path in Path().rglob("*") if path.suffix in SUFFIXES}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
