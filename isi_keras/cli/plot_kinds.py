"""Which picture is drawn of saved results, and how, by the table of plots."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from typer import BadParameter

from isi_keras._checks import unknown
from isi_keras.cli import running
from isi_keras.plotting import plots
from isi_keras.plotting.plots import Plot
from isi_keras.results import AttackResult, Explanation


def listed() -> list[str]:
    """The plots of each kind of result, and those of several results, a sentence each."""
    several = [word(plot) for plot in plots.PLOTS.values() if plot.results != "one"]
    return [
        *(f"{kind.said}: {_either(map(word, plots.plots_of(kind)))}." for kind in plots.KINDS),
        f"Several results in one picture: {_either(several)}.",
    ]


def word(plot: Plot) -> str:
    """What a plot is called on the command line."""
    return plot.name.replace("_", "-")


def load(paths: list[Any], part: str | None) -> list[Any]:
    """The records of the files, all of one kind; of an explanation of several inputs one `part`.

    Raises:
        BadParameter: if they are of different kinds, or the input is missing or not there.
        OSError: if there is no such file.
        ValueError: if a file holds no record.
    """
    records: list[Any] = [running.whole(path) for path in paths]
    kinds = sorted({type(record).__name__ for record in records})
    if len(kinds) > 1:
        raise BadParameter(f"Expected files of one kind. Received: {' and '.join(kinds)}.")
    several = [
        isinstance(record, Explanation) and isinstance(record.x, Mapping) for record in records
    ]
    if part is None and any(several):
        inputs = ", ".join(records[several.index(True)].x)
        raise BadParameter(f"The model had several inputs. Choose one with --input: {inputs}.")
    if part is not None and not all(several):
        raise BadParameter("--input is for explanations of a model with several inputs.")
    return [record if part is None else record.select(part) for record in records]


def choose(name: str | None, records: list[Any], data_format: str | None) -> Plot:
    """The plot that was asked for, or the natural one.

    Raises:
        BadParameter: if there is no such plot of these records.
    """
    known = {word(plot): plot for plot in plots.plots_of(plots.kind_of(records[0]))}
    several = [name for name, plot in known.items() if plot.results != "one"]
    if name is None:
        return known[several[0]] if len(records) > 1 else natural(records[0], data_format)
    if name not in known:
        text = unknown("picture", name, known)
        raise BadParameter(f"{text} The file holds {type(records[0]).__name__}.")
    if len(records) > 1 and name not in several:
        raise BadParameter(
            f"--kind {name} draws one file. Of several there is {' and '.join(several)}."
        )
    return known[name]


def natural(record: Any, data_format: str | None) -> Plot:
    """The plot of one record that says most of it."""
    usual = plots.plots_of(plots.kind_of(record))[0]
    if isinstance(record, Explanation) and record.tokens is not None:
        return plots.PLOTS["text"]
    if not isinstance(record, AttackResult):
        return usual
    from isi_keras.plotting import images

    if record.x.ndim == 2:
        return plots.PLOTS["changes"]
    if not images.are_images(record.x, data_format or record.data_format):
        return plots.PLOTS["robust_accuracy"]
    aimed = record.target is not None and len(np.unique(record.target)) > 1
    return plots.PLOTS["targets"] if aimed else usual


def draw(
    plot: Plot,
    records: list[Any],
    labels: list[str] | None,
    given: Mapping[str, Any],
    path: Path,
) -> Path:
    """Draws records into a file.

    Args:
        plot: which plot.
        records: of one kind.
        labels: a label for each record; none if there is one record only.
        given: the options by the name of their argument, `None` if not given; `index` is a list.
        path: where to write.

    Raises:
        BadParameter: if an option does not belong to this picture.
    """
    from isi_keras.plotting import style

    function = plot.for_saved(records[0])
    options = _fitting(plot, function, given)
    if plot.results == "several" and labels is None:
        labels = [_name(records[0])]
    drawn = (
        records[0]
        if labels is None or plot.results == "one"
        else dict(zip(labels, records, strict=True))
    )
    if plot.suffixes != plots.PICTURES:
        return function(drawn, path=path, **options)
    figure = function(drawn, **options)
    figure = figure if hasattr(figure, "savefig") else figure.get_figure(root=True)
    return style.save_picture(figure, path)


def _fitting(plot: Plot, function: Callable, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a plot takes; raises for one that it does not."""
    taken = inspect.signature(function).parameters
    options = {name: value for name, value in given.items() if value is not None}
    index = options.pop("index", None)
    if index is not None and "index" in taken and len(index) > 1:
        raise BadParameter(f"--kind {word(plot)} draws one sample. Pass --index once.")
    if index is not None:
        options |= {"index": index[0]} if "index" in taken else {"indices": index}
    for name in options:
        if name not in taken:
            flags = [_flag(each) for each in taken if each in given or each == "indices"]
            has = f"whose options are {', '.join(flags)}" if flags else "which has no options"
            raise BadParameter(f"{_flag(name)} does not belong to --kind {word(plot)}, {has}.")
    return options


def _flag(name: str) -> str:
    return "--index" if name == "indices" else "--" + name.replace("_", "-")


def _name(record: Any) -> str:
    """What a single record is called in a picture of several."""
    from isi_keras.plotting import measures

    if isinstance(record, AttackResult):
        return measures.norm_of(record)[0] or "attack"
    return str(record.config.get("class_name", "map"))


def _either(words: Any) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
