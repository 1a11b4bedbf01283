"""What the commands take, each argument and option written once."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Backend(StrEnum):
    """What Keras may run on."""

    TENSORFLOW = "tensorflow"
    JAX = "jax"
    TORCH = "torch"


class DataFormat(StrEnum):
    """Where the channels are."""

    LAST = "channels_last"
    FIRST = "channels_first"


def option(value: str, text: str, *flags: str, panel: str | None = None, **settings):
    """An option with `value` as the word for what follows it; empty for a switch."""
    return typer.Option(*flags, metavar=value, help=text, rich_help_panel=panel, **settings)


def saved(several: bool, text: str) -> Any:
    """An argument for what is saved: a file, or the folder of a run, which may lie elsewhere."""
    return typer.Argument(parser=place, metavar="RESULT..." if several else "RESULT", help=text)


def place(text: str) -> Any:
    """A path, or a place elsewhere.

    Raises:
        BadParameter: if it cannot be reached.
    """
    from isi_keras.results import as_path

    try:
        return as_path(text)
    except (ImportError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


def _norm(value: str, text: str, *flags: str, **settings):
    """An option that not every norm has; without it the norm's own default stands."""
    settings["show_default"] = False
    return option(value, text, *flags, panel="Options of the norm", **settings)


def _data(value: str, text: str, *flags: str, **settings):
    return option(value, text, *flags, panel="Data", **settings)


def _file(value: str, text: str, **settings):
    return option(value, text, panel="Output", show_default=False, **settings)


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A .keras file; or lenet-mnist or lenet-jsma, in the package."
    ),
]
Data = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATA",
        help="An .npz (x or x_test; y or y_test for labels), .npy, .csv, .parquet, .h5 or .zarr, "
        "an image, or a folder of images (subfolders are classes). The models in the package bring "
        "their own.",
        show_default=False,
    ),
]

Indicator = Annotated[
    str,
    option(
        "NAME",
        "What counts: relevance, a rule or composite of it (epsilon, gamma, epsilon_plus_flat, "
        "...), sensitivity, gradient_x_input, smoothgrad or integrated_gradients.",
    ),
]
Norm = Annotated[
    str, option("NAME", "l0 changes few inputs, l2 several a little, linf all a little.")
]
Target = Annotated[
    str | None,
    option(
        "CLASS", "The class to reach, its number or the name of its folder. Default: any other."
    ),
]
Goal = Annotated[
    str | None,
    option(
        "GOAL",
        "What to change, in place of --target: untargeted, target:3, any_of:1,2, none_of:1,2, "
        "label_on:3, label_off:3, label_set, label_set:1,0,-1, above:0.5 or below:0.5; with "
        ":margin=2 behind it by how much; above and below are about the outputs as they are, with "
        ":output=K about the K-th.",
        show_default=False,
    ),
]
Explained = Annotated[
    str | None,
    option(
        "CLASS",
        "The class to explain, its number or the name of its folder. Default: the predicted one.",
    ),
]
MaxSteps = Annotated[int, option("N", "How many steps a sample may take.", min=1)]
Objective = Annotated[
    str,
    option("NAME", "What to move: logit, or margin, the distance from the best other logit."),
]

Features = Annotated[
    int | None, _norm("N", "l0, l2: inputs changed in a step. Default: 1, 20.", min=1)
]
Unit = Annotated[
    str | None,
    _norm("NAME", "l0: feature or position (a pixel, a time step). Default: feature."),
]
SkipSaturated = Annotated[
    bool | None,
    _norm(
        "",
        "l0, l2: pass over inputs already at their bound. Default: no, yes.",
        "--skip-saturated/--take-saturated",
    ),
]
StepSize = Annotated[
    float | None,
    _norm(
        "SIZE",
        "l2, linf: change in a step, a share of the width of the bounds. Default: 0.05, 0.03.",
    ),
]
Epsilon = Annotated[
    float | None,
    _norm("SIZE", "linf: greatest change of an input, such a share. Default: up to the bounds."),
]
Relative = Annotated[
    bool | None,
    _norm(
        "",
        "l2, linf: whether both sizes are shares, or in the units of x. Default: shares.",
        "--relative/--absolute",
    ),
]

Bounds = Annotated[
    tuple[float, float] | None,
    _data(
        "LOW HIGH",
        "Least and greatest value of an input; images are scaled to them. Default: those of a "
        "model in the package, -1 1 for a file.",
    ),
]
Domain = Annotated[
    str | None,
    _data(
        "FILE.json",
        "What an input may become, in place of --bounds: an object with the fields of "
        "isi_keras.Domain, such as low, high, names, mutable, direction, integer, step, groups; or "
        "the word data, for the range of each column of DATA.",
        "--domain",
        show_default=False,
    ),
]
Samples = Annotated[
    int | None,
    _data(
        "N",
        "Take the first N, of folders of classes the first of each. Default: all of DATA, 100 of a "
        "shipped set.",
        min=1,
    ),
]
TrueLabels = Annotated[
    bool,
    _data(
        "",
        "With labels, samples misclassified anyway are reported, not attacked.",
        "--true-labels/--ignore-labels",
    ),
]
FromLogits = Annotated[
    bool | None,
    _data(
        "",
        "Whether the model returns logits. Default: found by itself.",
        "--from-logits/--no-from-logits",
        show_default=False,
    ),
]
BatchSize = Annotated[
    int | None,
    _data(
        "N",
        "How many samples are computed at once. Default: up to 512 by its size, on a GPU 2,048.",
        min=1,
        show_default=False,
    ),
]

Labels = Annotated[
    str | None,
    _data("COLUMN", "Of a table: which column holds the labels.", show_default=False),
]
Trajectory = Annotated[
    bool, option("", "Keep the logits of every step, for curves.", "--trajectory", panel="Output")
]
Images = Annotated[
    Any, _file("FOLDER", "Also write the adversarial images, a PNG each.", parser=place)
]
Overwrite = Annotated[
    bool, option("", "Replace files that exist.", "--overwrite", panel="Output", show_default=False)
]

_OUT = "A file; or FOLDER/ (with the slash) for a run that goes on where it ended. Default: "
Out = Annotated[str | None, _file("PLACE", f"{_OUT}results/MODEL-INDICATOR-NORM-....npz.")]
ExplanationOut = Annotated[str | None, _file("PLACE", f"{_OUT}results/MODEL-INDICATOR-....npz.")]
HardnessOut = Annotated[str | None, _file("PLACE", f"{_OUT}results/MODEL-hardness-....npz.")]
RobustnessOut = Annotated[str | None, _file("PLACE", f"{_OUT}results/MODEL-robustness-....npz.")]


def _run(value: str, text: str, *flags: str, **settings):
    return option(value, text, *flags, panel="Runs (--out FOLDER/)", **settings)


Workers = Annotated[int, _run("N", "How many processes.", min=1)]
Engine = Annotated[
    str | None, _run("NAME", "processes, ray or dask. Default: processes.", show_default=False)
]
Address = Annotated[str | None, _run("ADDRESS", "Of the Ray or Dask cluster.", show_default=False)]
Part = Annotated[
    str | None,
    _run("I/N", "Do each N-th shard from the I-th on: a task of a job array.", show_default=False),
]
Keep = Annotated[
    str | None,
    _run(
        "A,B,...",
        "Beside the table: adversarial, relevance, trajectory, x; or table, for it alone.",
        show_default=False,
    ),
]
ShardSize = Annotated[
    int | None,
    _run("N", "Samples in a shard. Default: 8 batches, or 1,024.", show_default=False, min=1),
]
Picture = Annotated[
    Any, _file("FILE.png", "A .png, .pdf or .svg. Default: beside the result.", parser=place)
]


ChannelsOf = Annotated[
    DataFormat | None,
    option(
        "NAME", "channels_last or channels_first. Default: as the result says.", show_default=False
    ),
]


def verbose() -> int:
    """A progress bar is for people: it goes to terminals, not into files."""
    return int(sys.stdout.isatty())
