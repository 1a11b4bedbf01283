"""`--goal`: what an attack is to do, in a word."""

import dataclasses
from collections.abc import Callable
from typing import Any

from typer import BadParameter

from isi_keras import _checks

FORMS = {
    "untargeted": "",
    "target": "CLASS",
    "any_of": "CLASS,CLASS,...",
    "none_of": "CLASS,CLASS,...",
    "label_on": "LABEL",
    "label_off": "LABEL",
    "label_set": "1,0,-1,... or nothing",
    "above": "NUMBER",
    "below": "NUMBER",
}
"""The goals by their names, and what comes after the colon."""

_CLASSES, _VALUES = ("target", "any_of", "none_of"), ("above", "below")
_WITHOUT = ("untargeted", "label_set")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A goal as it was written, `NAME[:VALUE[,VALUE...]][:OPTION=NUMBER]`.

    Args:
        text: what was written.
        name: one of `FORMS`.
        values: what came after the first colon.
        options: `margin`, or `output` of a goal about values.
    """

    text: str
    name: str
    values: tuple[str, ...]
    options: dict[str, float]

    @property
    def of_values(self) -> bool:
        """Whether it is about the outputs as they are, which are never right or wrong."""
        return self.name in _VALUES

    def made(self, class_of: Callable[[str], int | None]) -> Any:
        """The goal.

        Args:
            class_of: the number of a class by its number or name.
        """
        from isi_keras import goals

        kind = getattr(goals, "".join(word.capitalize() for word in self.name.split("_")))
        if self.name == "untargeted" or not self.values:
            return kind(**self.options)
        if self.of_values:
            output = {"output": int(self.options["output"])} if self.options else {}
            return kind(_number(self.text, self.values[0], float), **output)
        if self.name in _CLASSES:
            found = [class_of(value) for value in self.values]
        else:
            found = [_number(self.text, value, int) for value in self.values]
        several = self.name in ("any_of", "none_of", "label_set")
        return kind(found if several else found[0], **self.options)


def wanted(text: str | None, target: str | None, from_logits: bool | None) -> Wanted | None:
    """What `--goal` says; no backend is needed.

    Raises:
        BadParameter: if it is no goal, or other options say otherwise.
    """
    if text is None:
        return None
    if target is not None:
        raise BadParameter("--target and --goal say the same. Leave one of them out.")
    name, *rest = text.strip().split(":")
    name = name.lower().replace("-", "_")
    if name not in FORMS:
        raise BadParameter(f"{_checks.unknown('goal', name, FORMS)} {_known()}")
    values: tuple[str, ...] = ()
    options: dict[str, float] = {}
    for part in rest:
        key, equals, number = part.partition("=")
        if equals and key in options:
            raise BadParameter(f"Expected {key} once. Received: {text!r}.")
        if equals:
            options[key] = _number(text, number, int if key == "output" else float)
        elif values or not part.strip():
            raise BadParameter(f"Expected one list of values. Received: {text!r}. {_known()}")
        else:
            values = tuple(value.strip() for value in part.split(","))
    allowed = ("output",) if name in _VALUES else ("margin",)
    for key in options:
        if key not in allowed:
            raise BadParameter(f"{name} has the option {allowed[0]}. Received: {text!r}.")
    one = name in ("target", "label_on", "label_off", *_VALUES)
    if (not values and name not in _WITHOUT) or (values and name == "untargeted"):
        raise BadParameter(f"Expected {_form(name)}. Received: {text!r}. {_known()}")
    if one and len(values) > 1:
        raise BadParameter(f"Expected {_form(name)}, one for all samples. Received: {text!r}.")
    if not all(values):
        raise BadParameter(f"Expected a value before and after each comma. Received: {text!r}.")
    if name in ("any_of", "none_of") and len(set(values)) < len(values):
        raise BadParameter(f"Expected classes that differ. Received: {text!r}.")
    if name == "label_set":
        labels = [_number(text, value, int) for value in values]
        if not set(labels) <= {-1, 0, 1} or (values and max(labels) < 0):
            raise BadParameter(
                "Expected of each label 1 (to hold), 0 (not to hold) or -1 (does not matter), one "
                f"of them not -1. Received: {text!r}."
            )
    found = Wanted(text, name, values, options)
    if found.of_values:
        _number(text, found.values[0], float)
        if from_logits is not None:
            raise BadParameter(
                f"{name} is about the outputs of the model as they are, whatever their last layer. "
                "Leave out --from-logits and --no-from-logits."
            )
    return found


def _number(text: str, value: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise BadParameter(f"Expected {what} for {value!r} in --goal {text!r}.") from error


def _form(name: str) -> str:
    return f"{name}:{FORMS[name]}" if FORMS[name] else name


def _known() -> str:
    return (
        f"Known are {', '.join(map(_form, FORMS))}; each may end in :margin=NUMBER, above and "
        "below in :output=NUMBER."
    )
