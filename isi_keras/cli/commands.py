"""The commands. Keras is imported inside them, so that help comes at once."""

import json
import math
import os
from typing import Annotated, Any

import typer

from isi_keras._version import __version__
from isi_keras.cli import attack, explain, hardness, options, plot, report, reproduce, robustness
from isi_keras.cli.backend import reported

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs the command line."""
    app(prog_name="isi-keras")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isi-keras {__version__}")
        raise typer.Exit


@app.callback(epilog="Try: isi-keras attack lenet-mnist")
def _common(
    backend: Annotated[
        options.Backend | None,
        typer.Option(
            metavar="NAME", help="tensorflow, jax or torch. Default: Keras' own, if installed."
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Which inputs does a Keras decision rest on, and how few must change to overturn it?"""
    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend.value


app.command(epilog="Example: isi-keras attack lenet-mnist --norm linf --max-steps 30")(
    reported()(attack.attack)
)
app.command(epilog="Example: isi-keras explain lenet-mnist --samples 6 --target 3")(
    reported()(explain.explain)
)


@app.command(epilog="Example: isi-keras evaluate results/lenet-mnist-relevance-l0.npz")
@reported()
def evaluate(
    result: Annotated[
        Any, options.saved(False, "The .npz that attack or robustness wrote, or a run.")
    ],
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", metavar="", help="Print JSON; what is infinite or undefined is null."
        ),
    ] = False,
    data_format: options.ChannelsOf = None,
) -> None:
    """Print the report of a saved attack, or of several; no backend is started."""
    from isi_keras.cli.running import saved
    from isi_keras.evaluation import evaluate

    report: Any = evaluate(saved(result), data_format=data_format)  # pyright: ignore
    print(json.dumps(_plain(report.to_dict()), indent=2, allow_nan=False) if as_json else report)


@app.command(epilog="Example: isi-keras status runs/night/")
@reported()
def status(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder of a run.")],
) -> None:
    """Say how far a run is, and which shards failed; no backend is started.

    The exit code is 1 while shards have failed.
    """
    from isi_keras.runs.stored import Run

    found = Run(folder).status()
    print(found)
    if found.failed:
        raise typer.Exit(1)


app.command(epilog="Example: isi-keras hardness lenet-jsma --samples 50")(
    reported()(hardness.hardness)
)
app.command(epilog="Example: isi-keras robustness lenet-mnist --attack relevance_l0 --attack jsma")(
    reported()(robustness.robustness)
)
app.command(
    help=plot.help_text(),
    epilog="Example: isi-keras plot results/lenet-mnist-relevance-l0.npz --kind changes",
)(plot.plot)
app.command(epilog="Example: isi-keras report results/*.npz --check 'robust_accuracy_at_10>=0.5'")(
    reported()(report.report)
)
app.command(epilog="Example: isi-keras reproduce jsma --samples 100 --out /tmp/jsma")(
    reported()(reproduce.reproduce)
)


def _plain(value: Any) -> Any:
    """What JSON knows: infinity and NaN become `None`."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
