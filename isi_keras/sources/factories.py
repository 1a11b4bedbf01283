"""`"module:function"`: what each worker calls for itself."""

import importlib
import re
from collections.abc import Callable
from typing import Any

_NAME = re.compile(r"[\w.]+:\w+")


def is_name(value: Any) -> bool:
    """Whether a value is a string such as `"module:function"`."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def function(name: str) -> Callable[..., Any]:
    """The function of a name.

    Raises:
        ValueError: if there is no such module, or no such function in it.
    """
    module, _, word = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), word)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # of something that the module itself imports
        raise ValueError(
            f"There is no module {module!r}, of which {name!r} would be a function. Workers look "
            "where this process does: in the folder of the script, and in PYTHONPATH."
        ) from error
    except AttributeError as error:
        raise ValueError(f"The module {module!r} has no function {word!r}.") from error
    if not callable(found):
        raise ValueError(f"{name!r} is no function. Received: a {type(found).__name__}.")
    return found
