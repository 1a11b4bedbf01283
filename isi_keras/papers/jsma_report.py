"""`isi-keras reproduce jsma`: the tables and figures of the JSMA paper beside ours."""

import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from isi_keras.papers import jsma, jsma_figures, report
from isi_keras.papers.kept import Kept

SOURCE = "Papernot et al. 2016, arXiv 1511.07528v1"
NOTES = (
    "paper: its network was trained separately, on the same architecture; matrices are read off "
    "its figures.",
    "distortion: the mean share of the 784 inputs that changed, over the successes, and over all "
    "attempts.",
    "The paper attacks all samples; here those that the network misclassifies are left out.",
)


def reproduce(
    samples: int,
    out: Path,
    batch_size: int,
    save_results: bool,
    verbose: int,
    mnist: Path | None,
) -> None:
    """Runs the paper's experiments and writes tables, numbers and pictures."""
    from isi_keras import zoo
    from isi_keras.plotting import style

    sets = jsma.sets(mnist, samples)
    model, (x, y) = zoo.load("lenet-jsma")
    numbers: dict[str, Any] = {"samples": samples, "budget": jsma.BUDGET}
    results, pictures = {}, {}
    kept = Kept(out, batch_size, verbose)

    _say("ten digits towards each class, and an empty image (figures 1, 9, 10)")
    for name, theta in (("increasing", 1.0), ("decreasing", -1.0)):
        results[f"grid-{name}"] = jsma.grid(model, x, y, theta, kept)
    results["empty"] = jsma.empty(model)
    numbers["grids"] = {name: jsma.grid_numbers(result) for name, result in results.items()}
    pictures |= jsma_figures.grids(results)
    _say("the perceptron that learns AND (figure 5)")
    perceptron = jsma.train_and()
    results["and"] = jsma.and_attack(perceptron)
    pictures["and"] = jsma_figures.and_figure(*jsma.and_surface(perceptron), results["and"])
    numbers["and"] = jsma.and_numbers(perceptron, results["and"])
    _say("a saliency map (figure 7)")
    pictures["saliency"] = jsma_figures.saliency(model, x)

    numbers["sets"] = {}
    for name, (images, labels) in sets.items():
        _say(f"{len(images)} {name} samples towards nine classes each (figure 11)")
        results[name] = jsma.attempts(name, model, images, labels, 1.0, kept)
        numbers["sets"][name] = jsma.attempt_numbers(results[name])
    _say("the same, decreasing inputs, on test samples")
    results["decreasing"] = jsma.attempts("decreasing", model, *sets["test"], -1.0, kept)
    numbers["decreasing"] = jsma.attempt_numbers(results["decreasing"])
    _say("nine budgets and adversarial distances (figures 12 to 15)")
    results["hardness"] = found = _sweep(model, sets["test"], kept)
    ours = jsma.measured(found)
    ours[jsma.SUMMED] = kept.array(
        "summed", lambda: jsma.summed_distances(model, *sets["test"], batch_size)
    )
    numbers["matrices"] = {name: _plain(values) for name, values in ours.items()}
    numbers["rank_correlations"] = jsma.correlations(ours)
    numbers["robustness"] = found.robustness()
    pictures |= {name: jsma_figures.matrices(name, ours[name]) for name in ours}

    files = [
        style.save_picture(picture, out / f"{name.replace('_', '-')}.png")
        for name, picture in pictures.items()
    ]
    if save_results:
        files += [result.save(out / f"{name}.npz") for name, result in results.items()]
    command = _command(samples, out, batch_size, save_results, mnist)
    files.append(report.write(out / report.NAME, command, SOURCE, **numbers))
    kept.finished()
    report.show([_sets_table(numbers), _grid_table(numbers), _rank_table(numbers)], NOTES, files)


def _say(text: str) -> None:
    print(f"{text} ...", flush=True)


def _sweep(model, samples, kept: Kept):
    from isi_keras.attacks.hardness import hardness
    from isi_keras.attacks.jsma import JSMA

    return kept("sweep", functools.partial(hardness, attack=JSMA(1.0)), model, samples)


def _plain(values: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in values]


def _command(
    samples: int, out: Path, batch_size: int, save_results: bool, mnist: Path | None
) -> str:
    """The command line that leads to the same numbers, with nothing left to defaults.

    Of the MNIST file the name alone is told: where it lies is the affair of a machine.
    """
    words = report.command("jsma", "--samples", samples, "--batch-size", batch_size, "--out", out)
    words += [] if mnist is None else ["--mnist", mnist.name]
    return shlex.join([*words, *(["--save-results"] if save_results else [])])


# --- tables -------------------------------------------------------------------------------------


def _sets_table(numbers: Mapping[str, Any]) -> Table:
    table = report.table(
        "JSMA on LeNet: budget 14.5 % of the inputs, towards each other class",
        ("set", "attempts", "success", "paper", "distortion", "paper", "of all", "paper"),
    )
    paper = jsma.published()
    rows = [(name, found, paper["sets"][name]) for name, found in numbers["sets"].items()]
    success, distortion = paper["decreasing"]
    rows.append(("test, decreasing", numbers["decreasing"], (success, None, distortion)))
    for name, found, (success, of_all, distortion) in rows:
        values = (
            (found["attempts"], ",d"),
            (100 * found["success_rate"], ".2f"),
            (success, ".2f"),
            (None if found["distortion"] is None else 100 * found["distortion"], ".2f"),
            (distortion, ".2f"),
            (100 * found["distortion_all"], ".2f"),
            (of_all, ".2f"),
        )
        table.add_row(name, *report.cells(*values))
    return table


def _grid_table(numbers: Mapping[str, Any]) -> Table:
    table = report.table(
        "One image of each class towards each other class, without a limit",
        ("inputs", "turned", "of", "least %", "greatest %", "mean %"),
    )
    paper = jsma.published()["grid"]
    shares = [paper[name] for name in ("least", "greatest", "mean")]
    rows = [("increasing, paper", paper["successes"], paper["attempts"], shares)]
    for name, found in numbers["grids"].items():
        shares = [v if v is None else 100 * v for v in found["distortion"].values()]
        rows.append((name.removeprefix("grid-"), found["successes"], found["attempts"], shares))
    for name, successes, attempts, shares in rows:
        table.add_row(
            name, str(successes), str(attempts), *report.cells(*((v, ".2f") for v in shares))
        )
    return table


def _rank_table(numbers: Mapping[str, Any]) -> Table:
    ranks = numbers["rank_correlations"]
    table = report.table("Rank correlations (Spearman) over the pairs of classes", ("of", "value"))
    for name, value in ranks.items():
        table.add_row(jsma_figures.RANKS[name], *report.cells((value, ".2f")))
    return table
