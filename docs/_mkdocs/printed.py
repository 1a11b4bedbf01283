"""What the code of a page printed, in full where the page says `...`.

Pages shorten what differs between machines; `scripts/pictures.py` keeps the whole in
`figures/pages/`. A page whose code has changed since is a warning, which ends a strict
build.
"""

import importlib.util
import json
import logging
from pathlib import Path

LOG = logging.getLogger("mkdocs.hooks.printed")
WIDTH = 88


def on_page_markdown(markdown, page, config, **_):
    """Puts real output in place of shortened output, and wraps long lines of output."""
    root = Path(config.config_file_path).parent
    name = page.file.src_uri.removesuffix(".md")
    made = root / "figures" / "pages" / name / "page.json"
    script = _script(root)
    printed = {}
    if made.exists():
        kept = json.loads(made.read_text())
        if kept["code"] != script.digest(script.blocks(name)):
            LOG.warning(f"{name}: the code has changed. Run: python scripts/pictures.py {name}")
        printed = kept["printed"]
    return filled(markdown, script.FENCE, printed)


def filled(markdown: str, fence, printed: dict[str, str]) -> str:
    """A page with the output of its blocks, by their numbers."""
    number, after, end, parts = -1, False, 0, []
    for block in fence.finditer(markdown):
        between = markdown[end : block.start()]
        text = block[0]
        if block[1] == "python":
            number += 1
        elif block[1] == "text" and after and not between.strip():
            output = printed.get(str(number), block[2].rstrip())
            long = any(len(line) > WIDTH for line in output.splitlines())
            text = f"```{{ .text .output{' .wrap' * long} }}\n{output}\n```"
        after, end = block[1] == "python", block.end()
        parts += [between, text]
    return "".join([*parts, markdown[end:]])


def _script(root: Path):
    spec = importlib.util.spec_from_file_location("pictures", root / "scripts/pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
