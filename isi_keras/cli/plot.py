"""The command `plot`: a picture of saved results, without a backend."""

from typing import Annotated, Any

import typer

from isi_keras.cli import options
from isi_keras.cli.backend import reported
from isi_keras.cli.options import option, place, saved

Results = Annotated[list[Any], saved(True, "The .npz of one result, or of several; or runs.")]
Kind = Annotated[
    str | None, option("NAME", "Which picture. Default: the natural one; see above.", "--kind")
]


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",")]


def help_text() -> str:
    """What `isi-keras plot --help` says above the options: the plots of each kind of result."""
    from isi_keras.cli import plot_kinds

    return "\n\n".join(["Draw what a file holds; no backend is started.", *plot_kinds.listed()])


@reported()
def plot(
    results: Results,
    kind: Kind = None,
    out: Annotated[
        Any,
        option(
            "PICTURE",
            "A .png, .pdf or .svg (animation: .gif, text-html: .html). Default: beside the result.",
            parser=place,
        ),
    ] = None,
    index: Annotated[
        list[int] | None, option("N", "Which sample, from 0; several times for several.")
    ] = None,
    count: Annotated[int | None, option("N", "How many of the first samples.", min=1)] = None,
    label: Annotated[
        list[str] | None, option("TEXT", "What to call each result. Default: its file's name.")
    ] = None,
    classes: Annotated[
        str | None, option("A,B,...", "The names of the classes. Default: their numbers.")
    ] = None,
    names: Annotated[str | None, option("A,B,...", "The names of tabular features.")] = None,
    part: Annotated[
        str | None, option("NAME", "Which input of a model with several.", "--input")
    ] = None,
    score: Annotated[str | None, option("NAME", "Of curves: probability, logit or margin.")] = None,
    measure: Annotated[
        str | None, option("NAME", "Of distances: l0_feature, l0_position, l2 or linf.")
    ] = None,
    budget: Annotated[float | None, option("SIZE", "Of success and distortion.")] = None,
    matrix: Annotated[
        str | None,
        option("NAME", "Of a sweep's matrix: success, distortion, hardness or distance."),
    ] = None,
    bounds: Annotated[
        tuple[float, float] | None, option("LOW HIGH", "Black and white in the inputs of maps.")
    ] = None,
    overlay: Annotated[
        bool | None, option("", "Draw maps over their input.", "--overlay", show_default=False)
    ] = None,
    limit: Annotated[
        float | None, option("SIZE", "The change that has the strongest colour.")
    ] = None,
    percentile: Annotated[
        float | None,
        option("P", "The percentile of a map's magnitudes that has the strongest colour."),
    ] = None,
    seconds: Annotated[float | None, option("S", "How long an animation shows each step.")] = None,
    data_format: options.ChannelsOf = None,
) -> None:
    """Draws what a file holds; `help_text` is what the command line says of it."""
    from isi_keras.cli import output, plot_kinds

    if label is not None and len(label) != len(results):
        raise typer.BadParameter(
            f"Expected a --label for each of {len(results)} results. Received: {len(label)}."
        )
    records = plot_kinds.load(results, part)
    chosen = plot_kinds.choose(kind, records, data_format)
    given: dict[str, Any] = {
        "index": index or None,
        "count": count,
        "classes": _words(classes),
        "names": _words(names),
        "score": score,
        "measure": measure,
        "budget": budget,
        "matrix": matrix,
        "bounds": bounds,
        "overlay": overlay,
        "limit": limit,
        "percentile": percentile,
        "seconds": seconds,
        "data_format": data_format,
    }
    path = output.place_of(out, results, plot_kinds.word(chosen), chosen.suffixes)
    labels = label or (None if len(results) == 1 else output.labels_of(results))
    written = plot_kinds.draw(chosen, records, labels, given, path)
    print(f"{plot_kinds.word(chosen)}: {written}")
