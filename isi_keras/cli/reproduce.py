"""`isi-keras reproduce`: published runs, with our numbers beside theirs."""

from pathlib import Path
from typing import Annotated

import typer

from isi_keras.cli import options
from isi_keras.cli.backend import start_backend


def reproduce(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="What to reproduce: isi or jsma.")],
    samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            metavar="N",
            help="How many images to attack. Default: isi 2,000, jsma 1,000 of each set, whose "
            "paper has 10,000.",
            show_default=False,
        ),
    ] = None,
    mnist: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="jsma: an .npz like that of keras.datasets.mnist, for the training and "
            "validation sets; downloaded there if it does not exist. Default: test images only.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where pictures and numbers.json go. Default: figures/WHAT.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many samples are computed at once.")
    ] = 512,
    save_results: Annotated[
        bool, typer.Option("--save-results", metavar="", help="Also write the results as .npz.")
    ] = False,
) -> None:
    """Repeat published runs and set our numbers beside theirs.

    isi: the 2020 notebook of Qiu and Zhou, on the LeNet of lenet-mnist.
    jsma: tables and figures of Papernot et al. 2016, on that of lenet-jsma.

    Stopped, it goes on where it was: what is done lies in FOLDER/unfinished
    until all of it is, and the same command continues.
    """
    from isi_keras._checks import unknown
    from isi_keras.cli import output
    from isi_keras.papers import isi_report, jsma_report, kept, report

    known = {"isi": (isi_report.reproduce, 2000), "jsma": (jsma_report.reproduce, 1000)}
    if what not in known:
        raise typer.BadParameter(unknown("reproduction", what, tuple(known)))
    if mnist is not None and what != "jsma":
        raise typer.BadParameter("--mnist belongs to jsma; isi takes test images only.")
    run, usual = known[what]
    out = out or Path("figures", what)
    output.check_writable(out / report.NAME)
    start_backend()
    more = {"mnist": mnist} if what == "jsma" else {}
    try:
        run(samples or usual, out, batch_size, save_results, options.verbose(), **more)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"What is done is kept in {str(out / kept.FOLDER)!r}; the same command goes on."
        ) from error
