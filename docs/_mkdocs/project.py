"""Version, repository and issues on every page.

`[project.urls]` of `pyproject.toml` is the one place for addresses: `Repository` puts
the repository into the header and the footer of each page, `Issues` a link into the
footer. Without them there are no such links.
"""

import re
import tomllib
from pathlib import Path


def on_config(config):
    """Reads the addresses and the version."""
    root = Path(config.config_file_path).parent
    urls = tomllib.loads((root / "pyproject.toml").read_text())["project"].get("urls", {})
    said = (root / "isi_keras" / "_version.py").read_text()
    config.extra["version_told"] = re.search(r'__version__ = "(.+)"', said)[1]
    config.extra["issues"] = urls.get("Issues")
    if "Repository" in urls:
        config.repo_url = urls["Repository"]
        config.repo_name = "/".join(urls["Repository"].rstrip("/").split("/")[-2:])
    return config
