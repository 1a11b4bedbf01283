"""The tutorials as notebooks: writes `docs/notebooks/*.ipynb` from `docs/tutorials/*.md`.

The code of a notebook is that of its page, which the tests execute; its first cell installs the
package. What a page shows as printed is left out, as the cells print it themselves.

    python scripts/notebooks.py
"""

import hashlib
import itertools
import json
import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "tutorials"
NOTEBOOKS = ROOT / "docs" / "notebooks"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
DRAWN = re.compile(r"!\[[^\]]*\]\([^)]*figures/pages/[^)]*\)\n*")
PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)[^)]*\)")
NOTEBOOK_LINK = re.compile(r"^Also as a notebook: .*$\n*", re.MULTILINE)
INSTALL = """import importlib.util
import os
from pathlib import Path

# The package comes from the checkout that this notebook lies in, otherwise from the package index.
# It is on no index yet: outside a checkout, put the path of one, or of a wheel, into `package`.
here = Path.cwd().resolve()
checkouts = (folder for folder in (here, *here.parents) if (folder / "isi_keras").is_dir())
package = str(next(checkouts, "isi-keras"))

if importlib.util.find_spec("isi_keras") is None:
    %pip install --quiet "{package}[tensorflow]"

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # or "jax", "torch"
"""

EXTRAS = {"photographs": "tensorflow,photos"}


def main():
    NOTEBOOKS.mkdir(exist_ok=True)
    for page in sorted(PAGES.glob("*.md")):
        path = NOTEBOOKS / f"{page.stem}.ipynb"
        path.write_text(notebook(page))
        print("wrote", os.path.relpath(path))


def notebook(page: Path) -> str:
    """The text of the notebook of a page."""
    install = INSTALL.replace("[tensorflow]", f"[{EXTRAS.get(page.stem, 'tensorflow')}]")
    cells = [(install, "code"), *cells_of(page.read_text())]
    return (
        json.dumps(
            {
                "cells": [cell(number, *each) for number, each in enumerate(cells)],
                "metadata": {
                    "kernelspec": {
                        "display_name": "Python 3",
                        "language": "python",
                        "name": "python3",
                    },
                    "language_info": {"name": "python"},
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def cells_of(text: str):
    """The parts of a page in order, each with its kind: `"markdown"` or `"code"`."""
    text = NOTEBOOK_LINK.sub("", text)
    blocks, end, after_code = list(FENCE.finditer(text)), 0, False
    for block in itertools.chain(blocks, [None]):
        between = text[end : block.start() if block else len(text)]
        if words(between).strip():
            yield words(between), "markdown"
            after_code = False
        if block is None:
            return
        if block[1] == "python":
            yield block[2], "code"
        elif not (block[1] == "text" and after_code):
            yield block[0], "markdown"
        after_code, end = block[1] == "python", block.end()


def words(text: str) -> str:
    """Prose without what leads out of the notebook: pictures and links to other pages."""
    text = DRAWN.sub("", text)  # the cell before draws it itself
    text = PICTURE.sub(lambda found: f"*(On the page: {found[1].lower()}.)*", text)
    return LINK.sub(r"\1", text).strip() + "\n"


def cell(number: int, source: str, kind: str) -> dict:
    lines = source.rstrip("\n").splitlines(keepends=True)
    digest = hashlib.sha256(f"{number} {source}".encode()).hexdigest()[:12]
    made = {"cell_type": kind, "id": digest, "metadata": {}, "source": lines}
    return made if kind == "markdown" else {**made, "execution_count": None, "outputs": []}


if __name__ == "__main__":
    main()
