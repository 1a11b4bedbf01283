"""Which pictures there are of each kind of result, and how one is drawn from files."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from typer import BadParameter

from isi_keras._checks import unknown
from isi_keras.cli import output
from isi_keras.results import AttackResult, Explanation, HardnessResult, Result

KINDS = {
    "AttackResult": (
        "examples",
        "changes",
        "targets",
        "attacks",
        "trajectory",
        "trajectories",
        "animation",
        "distances",
        "robust-accuracy",
        "matrix",
    ),
    "Explanation": ("heatmaps", "heatmap", "indicators", "surface"),
    "HardnessResult": ("hardness", "success", "matrix"),
    "FlippingResult": ("faithfulness",),
    "RandomisationResult": ("randomisation",),
}
"""The pictures of each record, the first for one file unless `natural` knows better."""

OF_SEVERAL = (
    "robust-accuracy",
    "distances",
    "attacks",
    "indicators",
    "success",
    "faithfulness",
    "randomisation",
)
"""Those that take several files; the first that a record has is drawn unless told which."""

MATRICES = {
    "success": ("success rate (%)", 0),
    "distortion": ("mean distortion", 2),
    "hardness": ("hardness", 0),
    "distance": ("adversarial distance", 2),
}
"""What a matrix of a `HardnessResult` may show, and how many places its numbers have."""


def load(paths: list[Path], part: str | None) -> list[Any]:
    """The records of the files, all of one kind; of an explanation of several inputs one `part`.

    Raises:
        BadParameter: if they are of different kinds, or the input is missing or not there.
        OSError: if there is no such file.
        ValueError: if a file holds no record.
    """
    records: list[Any] = [Result.load(path) for path in paths]
    kinds = sorted({type(record).__name__ for record in records})
    if len(kinds) > 1:
        raise BadParameter(f"Expected files of one kind. Received: {' and '.join(kinds)}.")
    several = [isinstance(getattr(record, "x", None), Mapping) for record in records]
    if part is None and any(several):
        inputs = ", ".join(records[several.index(True)].x)
        raise BadParameter(f"The model had several inputs. Choose one with --input: {inputs}.")
    if part is not None and not all(several):
        raise BadParameter("--input is for explanations of a model with several inputs.")
    return [record if part is None else record.select(part) for record in records]


def choose(kind: str | None, records: list[Any], data_format: str) -> str:
    """The picture that was asked for, or the natural one.

    Raises:
        BadParameter: if there is no such picture of these records.
    """
    known = KINDS[type(records[0]).__name__]
    several = [name for name in OF_SEVERAL if name in known]
    if kind is None:
        return several[0] if len(records) > 1 else natural(records[0], data_format)
    if kind not in known:
        text = unknown("picture", kind, known)
        raise BadParameter(f"{text} The file holds {type(records[0]).__name__}.")
    if len(records) > 1 and kind not in several:
        raise BadParameter(
            f"--kind {kind} draws one file. Of several there is {' and '.join(several)}."
        )
    return kind


def natural(record: Any, data_format: str) -> str:
    """The picture of one record that says most of it."""
    if not isinstance(record, AttackResult):
        return KINDS[type(record).__name__][0]
    if record.x.ndim == 2:
        return "changes"
    if not output.are_images(record.x, data_format):
        return "robust-accuracy"
    aimed = record.target is not None and len(np.unique(record.target)) > 1
    return "targets" if aimed else "examples"


def draw(kind: str, records: list[Any], labels: list[str] | None, given: Mapping[str, Any]) -> Any:
    """The figure, or of an animation what writes it to a path.

    Args:
        kind: of `KINDS`.
        records: of one kind.
        labels: a label for each record; none if there is one record only.
        given: the options that were given, by the name of their argument; `index` is a list.

    Raises:
        BadParameter: if an option does not belong to this picture.
    """
    from isi_keras import plotting

    if kind == "matrix":
        return _matrix(records[0], given)
    function = getattr(plotting, kind.replace("-", "_"))
    options = _fitting(kind, function, given)
    if kind == "examples":
        return output.draw_attack(records[0], options.pop("data_format"), **options)
    if kind == "animation":
        return lambda path: function(records[0], path=path, **options)
    if kind in OF_SEVERAL and labels is not None:
        return _figure(function(dict(zip(labels, records, strict=True)), **options))
    if kind in ("attacks", "indicators", "faithfulness"):
        (record,) = records
        return _figure(function({_name(record): record}, **options))
    return _figure(function(records[0], **options))


def _fitting(kind: str, function: Callable, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a plot takes; raises for one that it does not."""
    taken = inspect.signature(function).parameters
    options = {}
    for name, value in given.items():
        if name == "index" and "indices" in taken:
            options["indices"] = value
        elif name == "index" and "index" in taken:
            if len(value) > 1:
                raise BadParameter(f"--kind {kind} draws one sample. Pass --index once.")
            options["index"] = value[0]
        elif name in taken:
            options[name] = value
        elif name != "data_format":
            flags = [_flag(n) for n in taken if n in OPTIONS or n in ("index", "indices")]
            listed = f"whose options are {', '.join(flags)}" if flags else "which has no options"
            raise BadParameter(f"{_flag(name)} does not belong to --kind {kind}, {listed}.")
    return options


OPTIONS = (
    "count",
    "classes",
    "names",
    "score",
    "measure",
    "budget",
    "bounds",
    "over",
    "limit",
    "seconds",
    "data_format",
)
"""The arguments of plots that the command line has."""


def _flag(name: str) -> str:
    return "--index" if name == "indices" else "--" + name.replace("_", "-")


def _figure(drawn: Any) -> Any:
    """The figure of what a plot returned, Axes or a figure."""
    return drawn if hasattr(drawn, "savefig") else drawn.get_figure(root=True)


def _name(record: Any) -> str:
    """What a single record is called in a picture of several."""
    if isinstance(record, Explanation):
        return str(record.config.get("class_name", "map"))
    norm = record.config["config"].get("norm")
    return norm["class_name"] if isinstance(norm, Mapping) else "attack"


def _matrix(record: Any, given: Mapping[str, Any]) -> Any:
    """One matrix of classes, of a sweep or of an attack."""
    from isi_keras import plotting

    options = {name: value for name, value in given.items() if name != "data_format"}
    allowed = ("of", "budget", "classes") if isinstance(record, HardnessResult) else ("classes",)
    for name in options:
        if name not in allowed:
            raise BadParameter(
                f"{_flag(name)} does not belong to --kind matrix, whose options are "
                f"{', '.join(map(_flag, allowed))}."
            )
    classes = options.get("classes")
    if isinstance(record, AttackResult):
        values, label = turned(record, len(classes or ()))
        options = {"classes": classes, "label": label, "digits": 0, "limits": (0, 100)}
        ax = plotting.matrix(values, **options)
        ax.set_xlabel("class reached" if record.target is None else "target class")
        return _figure(ax)
    of = options.get("of", "hardness")
    if of not in MATRICES:
        raise BadParameter(unknown("matrix", of, tuple(MATRICES)))
    budget = options.get("budget")
    values = {
        "success": lambda: 100 * record.success_rate(budget),
        "distortion": lambda: record.mean_distortion(budget),
        "hardness": record.hardness,
        "distance": record.adversarial_distance,
    }[of]()
    label, digits = MATRICES[of]
    return _figure(
        plotting.matrix(
            values, classes=classes or record.classes.tolist(), label=label, digits=digits
        )
    )


def turned(result: AttackResult, classes: int = 0) -> tuple[np.ndarray, str]:
    """Where an attack led, a matrix in percent of the attacked samples of each row, and its label.

    Of a targeted attack the share that reached the target, of any other the share that was turned
    into each class; NaN where nothing was attacked.

    Raises:
        ValueError: if no sample was attacked.
    """
    attacked = result.attacked
    if not attacked.any():
        raise ValueError("No sample was attacked, so there is no class that an attack led to.")
    aimed = result.prediction if result.target is None else result.target
    label, aimed, won = result.clean_prediction[attacked], aimed[attacked], result.success[attacked]
    count = max(classes, 1 + int(max(label.max(), aimed.max())))
    hits, tries = np.zeros((2, count, count))
    np.add.at(hits, (label[won], aimed[won]), 1)
    if result.target is None:
        tries += np.bincount(label, minlength=count)[:, None]
        np.fill_diagonal(tries, 0)
    else:
        np.add.at(tries, (label, aimed), 1)
    share = np.divide(100 * hits, tries, out=np.full_like(hits, np.nan), where=tries > 0)
    return share, "turned into (%)" if result.target is None else "success rate (%)"
