"""`isi-keras reproduce`: the runs beside their source, as a table, JSON and pictures."""

import json
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from isi_keras._version import __version__
from isi_keras.cli import output, runs
from isi_keras.results import AttackResult, write_atomically

KNOWN = ("isi",)
NUMBERS = "numbers.json"

NOTES = (
    "book: what the 2020 notebook says. Its network was trained separately, so numbers differ a "
    "little; its seconds are those of a Colab GPU.",
    "success: the prediction differs from that on the clean image. Targeted: it is the target, and "
    "images already of the target class do not count.",
    "distance: the mean over successes of the number of changed inputs (L0) or of the greatest "
    "change (Linf, in units of x).",
    "seconds: the first call compiles, a second one (again) does not.",
)


def isi(samples: int, out: Path, batch_size: int, save_results: bool, verbose: int) -> None:
    """Runs the 2020 notebook's attacks and writes table, numbers and pictures."""
    from isi_keras import zoo

    model, (x, y) = zoo.load("lenet-mnist")
    rows, files, remarks = [], [], []
    for run in runs.ISI:
        print(f"{run.title} ...", flush=True)
        result, again = runs.perform(run, model, x, samples, batch_size, verbose)
        rows.append(runs.numbers(run, result, again))
        remarks += runs.remarks(run, result, y)
        if save_results:
            files.append(result.save(out / f"{run.name}.npz"))
        picture = _draw(run, result)
        if picture is not None:
            files.append(output.save_picture(picture, out / f"{run.name}.png"))
    files.append(
        _write_numbers(out / NUMBERS, rows, _command(samples, out, batch_size, save_results))
    )
    console = Console(highlight=False)
    console.print(_table(rows, samples))
    for note in (*NOTES, *remarks):
        console.print(note, markup=False)
    print("\nWritten:", *files, sep="\n  ")


def _draw(run: runs.Run, result: AttackResult) -> Any:
    from isi_keras import plotting

    if run.targeted:
        return plotting.targets(result)
    return output.draw_attack(result, "channels_last") if result.attacked.any() else None


def _write_numbers(path: Path, rows: list[dict[str, Any]], command: str) -> Path:
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
        "source": "Qiu and Zhou 2020, notebook/Example.ipynb",
        "runs": rows,
    }
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    return write_atomically(path, lambda file: file.write(text.encode()))


def _command(samples: int, out: Path, batch_size: int, save_results: bool) -> str:
    """The command line that leads to the same numbers, with nothing left to defaults."""
    import keras

    words = ["isi-keras", "--backend", keras.backend.backend(), "reproduce", "isi"]
    words += ["--samples", str(samples), "--batch-size", str(batch_size), "--out", str(out)]
    return shlex.join([*words, *(["--save-results"] if save_results else [])])


def _table(rows: list[dict[str, Any]], samples: int) -> Table:
    table = Table(
        title=f"ISI on LeNet: {samples} MNIST images (targeted: 10 images x 10 classes)",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title_style="bold",
    )
    table.add_column("run", no_wrap=True)
    for head in ("success", "book", "distance", "book", "seconds", "again", "book"):
        table.add_column(head, justify="right", no_wrap=True)
    for run, row in zip(runs.ISI, rows, strict=True):
        book = row["notebook"]
        cells = (
            (row["success_rate"], ".2%"),
            (book["success_rate"], ".2%"),
            (row["mean_distance"], ".2f"),
            (book["mean_distance"], ".2f"),
            (row["seconds"], ".2f"),
            (row["seconds_again"], ".2f"),
            (book["seconds"], ".2f"),
        )
        table.add_row(
            run.title, *("-" if value is None else f"{value:{form}}" for value, form in cells)
        )
    return table
