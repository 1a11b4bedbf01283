"""Shows on the page `architecture.md` who may import whom, as `pyproject.toml` says it."""

import tomllib
from pathlib import Path

PAGE = "architecture.md"
MARK = "<!-- floors -->"


def on_page_markdown(markdown, page, config, **_):
    """Fills in the floors of the house."""
    if page.file.src_uri == PAGE:
        markdown = markdown.replace(MARK, floors(Path(config.config_file_path).parent))
    return markdown


def floors(root: Path) -> str:
    """A table of the floors, the highest first."""
    linter = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in linter["contracts"] if c["id"] == "floors")
    rows = [
        "| floor | rooms |",
        "|---:|---|",
        *(
            f"| {len(layers) - place} | {', '.join(f'`{room.strip()}`' for room in rooms(layer))} |"
            for place, layer in enumerate(layers)
        ),
    ]
    return "\n".join(rows)


def rooms(layer: str) -> list[str]:
    """The modules of one floor."""
    return [room.strip(" ()") for room in layer.split("|")]
