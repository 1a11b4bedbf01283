"""Puts the pictures of `figures/` into the site.

Pages link to them as seen from the checkout (`../figures/...`), so that the links work wherever the
pages are read; in the site the folder `figures/` stands beside the pages.
"""

from pathlib import Path

from mkdocs.structure.files import File

FOLDER = "figures"


def on_files(files, config):
    """Adds each picture of `figures/` to the files of the site."""
    root = Path(config.config_file_path).parent
    for path in sorted((root / FOLDER).rglob("*.png")):
        name = path.relative_to(root).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, **_):
    """Takes from links the step out of `docs/`."""
    return markdown.replace(f"../{FOLDER}/", f"{FOLDER}/")
