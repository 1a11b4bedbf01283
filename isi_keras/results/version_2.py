"""Files of format version 2, in the words of version 3.

Version 2 kept step sizes in the units of the data, and `L2` as published.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_ADDED: dict[str, dict[str, Any]] = {
    "Attack": {"scale": None, "max_inputs": None},
    "JSMA": {"relative": False, "scale": None},
    "L2": {"relative": False, "skip_saturated": False},
    "Linf": {"relative": False},
    "Salient": {"relative": False},
}


def converted(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a file of version 2 as version 3 would have saved them.

    Args:
        arrays: what the file holds, by name.
    """
    config = _said(json.loads(str(arrays["config"])))
    return {**arrays, "config": np.array(json.dumps(config))}


def _said(entry: Any) -> Any:
    """An entry in which each component has the fields that are new."""
    if not isinstance(entry, dict):
        return entry
    entry = {name: _said(value) for name, value in entry.items()}
    added = _ADDED.get(str(entry.get("class_name")))
    if added is not None:
        entry["config"] = {**entry["config"], **added}
    return entry
