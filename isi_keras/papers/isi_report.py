"""`isi-keras reproduce isi`: the runs beside their source, as a table, JSON and pictures."""

import shlex
from pathlib import Path
from typing import Any

from rich.table import Table

from isi_keras.papers import isi, report
from isi_keras.papers.kept import Kept
from isi_keras.results import AttackResult

SOURCE = "Qiu and Zhou 2020, notebook/Example.ipynb"

NOTES = (
    "book: what the 2020 notebook says. Its network was trained separately, so numbers differ a "
    "little; its seconds are those of a Colab GPU.",
    "success: the prediction differs from that on the clean image. Targeted: it is the target, and "
    "images already of the target class do not count.",
    "distance: the mean over successes of the number of changed inputs (L0) or of the greatest "
    "change (Linf, in units of x).",
    "seconds: the first call compiles, a second one (again) does not.",
)


def reproduce(samples: int, out: Path, batch_size: int, save_results: bool, verbose: int) -> None:
    """Runs the 2020 notebook's attacks and writes table, numbers and pictures."""
    from isi_keras import zoo
    from isi_keras.plotting import style

    model, (x, y) = zoo.load("lenet-mnist")
    rows, files, remarks = [], [], []
    kept = Kept(out, batch_size, verbose)
    for run in isi.ISI:
        print(f"{run.title} ...", flush=True)
        result, again = isi.perform(run, model, x, samples, kept)
        rows.append(isi.numbers(run, result, again))
        remarks += isi.remarks(run, result, y)
        if save_results:
            files.append(result.save(out / f"{run.name}.npz"))
        picture = _draw(run, result)
        if picture is not None:
            files.append(style.save_picture(picture, out / f"{run.name}.png"))
    command = _command(samples, out, batch_size, save_results)
    files.append(report.write(out / report.NAME, command, SOURCE, runs=rows))
    kept.finished()
    report.show([_table(rows, samples)], [*NOTES, *remarks], files)


def _draw(run: isi.Run, result: AttackResult) -> Any:
    from isi_keras import plotting
    from isi_keras.plotting.attack.examples import draw_attack

    if run.targeted:
        return plotting.targets(result)
    return draw_attack(result) if result.attacked.any() else None


def _command(samples: int, out: Path, batch_size: int, save_results: bool) -> str:
    """The command line that leads to the same numbers, with nothing left to defaults."""
    words = report.command("isi", "--samples", samples, "--batch-size", batch_size, "--out", out)
    return shlex.join([*words, *(["--save-results"] if save_results else [])])


def _table(rows: list[dict[str, Any]], samples: int) -> Table:
    table = report.table(
        f"ISI on LeNet: {samples} MNIST images (targeted: 10 images x 10 classes)",
        ("run", "success", "book", "distance", "book", "seconds", "again", "book"),
    )
    for run, row in zip(isi.ISI, rows, strict=True):
        book = row["notebook"]
        numbers = (
            (row["success_rate"], ".2%"),
            (book["success_rate"], ".2%"),
            (row["mean_distance"], ".2f"),
            (book["mean_distance"], ".2f"),
            (row["seconds"], ".2f"),
            (row["seconds_again"], ".2f"),
            (book["seconds"], ".2f"),
        )
        table.add_row(run.title, *report.cells(*numbers))
    return table
