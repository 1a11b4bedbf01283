"""Tables that have a column more than a model takes, which may be that of the labels."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMED = "name it: y={!r}"
_APART = "pass it apart: x[:, :-1] and y=x[:, -1]"


def expect_columns(shape: Any, names: Sequence[str], said: str = NAMED) -> None:
    """Raises if a table has a column more than the model takes.

    Args:
        shape: of the inputs of the model, `(None, D)`; anything else is not looked at.
        names: of the columns.
        said: how the column of labels is named.

    Raises:
        ValueError: the text names the last column.
    """
    text = hint((None, len(names)), shape, said.format(names[-1])) if names else ""
    if text:
        raise ValueError(text.lstrip())


def hint(found: Any, shape: Any, advice: str) -> str:
    """A sentence on a table `found`, `(N, D + 1)`, for a model of inputs `(None, D)`; else `""`."""
    if not isinstance(shape, tuple) or len(shape) != 2 or len(found) != 2 or shape[1] is None:
        return ""
    if found[1] - 1 != shape[1]:
        return ""
    return (
        f" The table has {found[1]} columns, the model takes {shape[1]}. If one of them holds the "
        f"labels, {advice}."
    )


def hint_of(x: Any, found: Any, shape: Any) -> str:
    """The sentence on what a user passed: an array, or a data frame, whose columns have names."""
    names = list(getattr(x, "columns", ()))
    return hint(found, shape, NAMED.format(str(names[-1])) if names else _APART)


def shape_of_model(path: Path) -> tuple | None:
    """The shape `(None, ...)` of the only input of a `.keras` file, if the file says it plainly."""
    try:
        with zipfile.ZipFile(path) as file:
            layers = json.loads(file.read("config.json"))["config"]["layers"]
        found = [
            layer["config"]["batch_shape"]
            for layer in layers
            if layer["class_name"] == "InputLayer"
        ]
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError):
        return None  # loading says what is wrong with it
    return tuple(found[0]) if len(found) == 1 and isinstance(found[0], list) else None
