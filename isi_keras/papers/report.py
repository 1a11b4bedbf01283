"""What every reproduction writes and prints: numbers with their origin, and a table."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from isi_keras._version import __version__
from isi_keras.results import write_atomically

NAME = "numbers.json"


def write(path: Path, command: str, source: str, **numbers: Any) -> Path:
    """Writes what was measured as JSON, with the command, the versions and the machine."""
    import keras

    backend = keras.backend.backend()
    record = {
        "command": command,
        "versions": {
            "isi_keras": __version__,
            "keras": keras.__version__,
            backend: sys.modules[backend].__version__,
            "python": platform.python_version(),
        },
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "source": source,
        **numbers,
    }
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    return write_atomically(path, lambda file: file.write(text.encode()))


def command(what: str, *words: Any) -> list[str]:
    """The words of a command line that leads to the same numbers on the same backend."""
    import keras

    return ["isi-keras", "--backend", keras.backend.backend(), "reproduce", what, *map(str, words)]


def table(title: str, heads: Sequence[str]) -> Table:
    """A table of at most 80 columns: the first column is text, the others are numbers."""
    made = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold")
    first, *others = heads
    made.add_column(first, no_wrap=True)
    for head in others:
        made.add_column(head, justify="right", no_wrap=True)
    return made


def cells(*values: tuple[float | None, str]) -> list[str]:
    """Numbers in their formats; "-" where there is none."""
    return ["-" if value is None else f"{value:{form}}" for value, form in values]


def show(tables: Sequence[Table], notes: Sequence[str], files: Sequence[Path]) -> None:
    """Prints tables, what they mean, and where the files are."""
    console = Console(highlight=False)
    for one in tables:
        console.print(one)
    for note in notes:
        console.print(note, markup=False)
    print("\nWritten:", *files, sep="\n  ")
