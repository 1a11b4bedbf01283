"""Puts the pictures of `figures/` into the site, and all of them on the page `gallery.md`.

Pages link to them as seen from the checkout (`../figures/...`), so that the links work wherever the
pages are read; in the site the folder `figures/` stands beside the pages. The gallery is made anew
by each build, from what is there.
"""

import ast
import json
import re
from pathlib import Path

from mkdocs.structure.files import File

FOLDER = "figures"
PICTURES = (".png", ".svg", ".gif")
GALLERY = "gallery.md"
MARK = "<!-- pictures -->"
SHOWN = re.compile(r"!\[([^\]]+)\]\((?:\.\./)*(figures/[^)\s]+)\)")


def on_files(files, config):
    """Adds each picture of `figures/`, and its numbers, to the files of the site."""
    root = Path(config.config_file_path).parent
    for path in sorted((root / FOLDER).rglob("*")):
        if path.suffix in (*PICTURES, ".json"):
            name = path.relative_to(root).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, **_):
    """Takes from links the step out of `docs/`; fills the gallery."""
    if page.file.src_uri == GALLERY:
        markdown = markdown.replace(MARK, gallery(Path(config.config_file_path).parent))
    return markdown.replace(f"../{FOLDER}/", f"{FOLDER}/")


def gallery(root: Path) -> str:
    """An entry for each picture: its caption, what made it, and its numbers."""
    captions, entries = _captions(root), []
    for path in pictures(root):
        name = path.relative_to(root).as_posix()
        made, said = maker(root, path)
        caption = captions.get(name) or said or _words(path.stem)
        numbers = numbers_of(path)
        found = f" Numbers: [`{numbers.name}`](../{_name(root, numbers)})." if numbers else ""
        entries.append(
            f"## {_words(path.stem)}\n\n![{caption}](../{name}){{ loading=lazy }}\n\n"
            f"{caption.rstrip('.')}. Made by `{made}`.{found}\n"
        )
    return "\n".join(entries)


def pictures(root: Path) -> list[Path]:
    """Every picture there is, those of a folder together."""
    return sorted(path for path in (root / FOLDER).rglob("*") if path.suffix in PICTURES)


def maker(root: Path, picture: Path) -> tuple[str, str]:
    """The command that makes a picture, and what its script says of itself.

    It is the script that names the file, else the one whose name the file's begins with, else the
    reproduction of the folder's name.
    """
    scripts = sorted((root / "examples").glob("*.py")) + sorted((root / "scripts").glob("*.py"))
    naming = [path for path in scripts if f'"{picture.name}"' in path.read_text()]
    alike = [path for path in scripts if picture.stem.startswith(path.stem)]
    for path in [*naming, *sorted(alike, key=lambda path: -len(path.stem))]:
        said = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
        return f"python {_name(root, path)}", said
    return f"isi-keras reproduce {picture.parent.name}", ""


def numbers_of(picture: Path) -> Path | None:
    """The file of the numbers behind a picture, if there is one."""
    for path in (picture.with_suffix(".json"), picture.parent / "numbers.json"):
        if path.exists():
            json.loads(path.read_text())
            return path
    return None


def _captions(root: Path) -> dict[str, str]:
    """What the pages say of the pictures that they show."""
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return {name: text for page in pages for text, name in SHOWN.findall(page.read_text())}


def _words(stem: str) -> str:
    words = re.sub(r"[-_]", " ", stem).capitalize()
    return re.sub(r"\bl(0|2|inf)\b", r"L\1", words)


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
