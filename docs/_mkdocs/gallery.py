"""The gallery: thumbnails in groups, and behind each a page with its code and its numbers.

`gallery.md` lists the pictures with a title in words and the function that draws them; this makes
cards of the list, and a page `gallery/<script>.md` for each script that draws.
"""

import ast
import json
import re
from pathlib import Path

from mkdocs.structure.files import File

PAGE, PLOTS = "gallery.md", "reference/plotting.md"
ENTRY = re.compile(r"^- !\[([^\]]+)\]\(\.\./(figures/[^)]+)\) ?(.*)$", re.MULTILINE)
PLOT = re.compile(
    r"^## ([^\n]+)\n(?:(?!^## ).)*?"
    r"^!\[[^\]]*\]\((\S+)\)(?:(?!^## ).)*?"
    r"^::: isi_keras\.plotting\.(\w+)",
    re.MULTILINE | re.DOTALL,
)
HEAD = "---\nhide:\n  - navigation\n  - toc\nsearch:\n  exclude: true\n---\n\n"
PICTURES = (".png", ".svg", ".gif")


def on_files(files, config):
    """Adds a page for each script whose pictures are in the gallery."""
    root = Path(config.config_file_path).parent
    drawn = {}
    for title, name, function in entries(root):
        script = maker(root, root / name)
        if script:
            drawn.setdefault(script, []).append((title, name, function))
    for script, pictures in drawn.items():
        content = page_of(root, script, pictures)
        files.append(File.generated(config, f"gallery/{script.stem}.md", content=content))
    return files


def on_page_markdown(markdown, page, config, **_):
    """Makes cards of the list of pictures; puts the plots in small above their functions."""
    root = Path(config.config_file_path).parent
    if page.file.src_uri == PAGE:
        markdown = ENTRY.sub(lambda entry: card(root, *entry.groups()), markdown)
    elif page.file.src_uri == PLOTS:
        markdown = markdown.replace("<!-- thumbnails -->", overview(markdown))
    return markdown


def overview(markdown: str) -> str:
    """All plots of the page in small, each a link to its function."""
    shown = [
        f'<a href="#isi_keras.plotting.{name}"><img class="thumbnail" src="../{picture}" '
        f'alt="{title}" loading="lazy"><code>{name}</code></a>'
        for title, picture, name in PLOT.findall(markdown)
    ]
    return f'<div class="overview">{"".join(shown)}</div>'


def entries(root: Path) -> list[tuple[str, str, str]]:
    """Title, file and function of each picture of the gallery."""
    return ENTRY.findall((root / "docs" / PAGE).read_text())


def card(root: Path, title: str, name: str, function: str) -> str:
    """A thumbnail that leads to what made it, with its title and its function."""
    script = maker(root, root / name)
    target = f"gallery/{script.stem}.md" if script else "reproducing.md"
    image = f"![{title}](../{name}){{ .thumbnail loading=lazy }}"
    below = f"[Code]({target})" if script else f"[Code: `{command(root, root / name)}`]({target})"
    if function:
        below += f" · {function}"
    return f"-   [{image}]({target})\n\n    **{title}**\n\n    {below}\n"


def page_of(root: Path, script: Path, pictures: list[tuple[str, str, str]]) -> str:
    """The page of a script: what it draws, how to run it, its numbers and its code."""
    source = script.read_text()
    said = ast.get_docstring(ast.parse(source)) or ""
    shown = []
    for title, name, function in pictures:
        # Links of the list are those of a page one folder higher.
        drawn = re.sub(r"\]\((?=[a-z])", "](../", function)
        shown += [
            f"![{title}](../../{name})",
            f"{title}{'. Drawn by ' if drawn else ''}{drawn}.",
        ]
    numbers = {numbers_of(root / name) for _, name, _ in pictures} - {None}
    links = ", ".join(f"[`{n.name}`](../../{_name(root, n)})" for n in sorted(numbers))
    first, _, rest = said.partition("\n")
    lines = [f"# {first.rstrip('.')}", *shown, "## Code"]
    made = f"`{command(root, root / pictures[0][1])}`"
    lines.append(f"{made} · numbers: {links}" if links else made)
    notes = [part for part in rest.strip().split("\n\n") if not part.startswith("python ")]
    lines += [note for note in notes if "    " not in note]
    body = source.partition('"""\n')[2].lstrip()
    lines += [f"```python\n{body}```"]
    return HEAD + "\n\n".join(lines) + "\n"


def pictures(root: Path) -> list[Path]:
    """Every picture that belongs in the gallery: those of pages stand on their pages."""
    elsewhere = [root / "figures" / folder for folder in ("landing", "pages")]
    found = (path for path in (root / "figures").rglob("*") if path.suffix in PICTURES)
    return sorted(path for path in found if not any(e in path.parents for e in elsewhere))


def maker(root: Path, picture: Path) -> Path | None:
    """The script that makes a picture: it names the file, or the file's name begins with its own.

    `None` for those of the papers, which `isi-keras reproduce` makes.
    """
    scripts = sorted((root / "examples").glob("*.py")) + sorted((root / "scripts").glob("*.py"))
    naming = [path for path in scripts if f'"{picture.name}"' in path.read_text()]
    alike = [path for path in scripts if picture.stem.startswith(path.stem)]
    alike.sort(key=lambda path: -len(path.stem))
    return next(iter([*naming, *alike]), None)


def command(root: Path, picture: Path) -> str:
    """The command that makes a picture."""
    script = maker(root, picture)
    return (
        f"python {_name(root, script)}" if script else f"isi-keras reproduce {picture.parent.name}"
    )


def numbers_of(picture: Path) -> Path | None:
    """The file of the numbers behind a picture, if there is one."""
    for path in (picture.with_suffix(".json"), picture.parent / "numbers.json"):
        if path.exists():
            json.loads(path.read_text())
            return path
    return None


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
