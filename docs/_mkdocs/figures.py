"""Puts the pictures of `figures/` into the site, each in the size in which it is to be read.

Pages link to them as seen from the checkout (`../figures/...`), so that the links work wherever the
pages are read; in the site the folder `figures/` stands beside the pages.
"""

import re
import struct
from pathlib import Path

from mkdocs.structure.files import File

FOLDER = "figures"
CONTRIBUTING = "contributing.md"
PICTURES = (".png", ".svg", ".gif")
IMAGE = re.compile(r'(<a [^>]*>)?(<img [^>]*?src="(?:\.\./)*(figures/[^"]+\.png)"[^>]*?)( ?/?>)')
INCH = 98
"""Pixels of a screen for an inch of a figure: a figure of 7 inches then fills its column."""


def on_files(files, config):
    """Adds each picture of `figures/`, and its numbers, to the files of the site."""
    root = Path(config.config_file_path).parent
    for path in sorted((root / FOLDER).rglob("*")):
        if path.suffix in (*PICTURES, ".json") and path.name != "page.json":
            name = path.relative_to(root).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, **_):
    """Takes from links the step out of `docs/`."""
    if page.file.src_uri == CONTRIBUTING:  # whose links are those of the root of the checkout
        text = (Path(config.config_file_path).parent / "CONTRIBUTING.md").read_text()
        markdown = text.replace("](docs/", "](")
    return markdown.replace(f"../{FOLDER}/", f"{FOLDER}/")


def on_page_content(html, config, **_):
    """Gives each picture its size, so that text does not jump; a click shows it alone."""
    root = Path(config.config_file_path).parent

    def sized(found):
        link, image, name, end = found.groups()
        if not (root / name).exists():
            return found[0]  # what MkDocs itself warns of
        width, height = size(root / name)
        if link or "thumbnail" in image:
            return f'{link or ""}{image} width="{width}" height="{height}"{end}'
        source = re.search(r'src="([^"]+)"', image)[1]
        image = f'{image} width="{width}" height="{height}"{end}'
        return f'<a class="picture" href="{source}">{image}</a>'

    return IMAGE.sub(sized, html)


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG on a screen, by its pixels and what it says of their density."""
    data = path.read_bytes()[:400]
    width, height = struct.unpack(">II", data[16:24])
    place = data.find(b"pHYs")
    per_inch = 200.0
    if place > 0:
        per_inch = struct.unpack(">I", data[place + 4 : place + 8])[0] * 0.0254
    return round(width / per_inch * INCH), round(height / per_inch * INCH)
