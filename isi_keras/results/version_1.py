"""Files of format version 1, in the words of version 2.

Version 1 named some fields differently, kept the configuration of an attack without its class, and
not where the channels are: they are taken to be last.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_RENAMED = {"label": "clean_prediction", "stop": "stop_reason", "needed": "min_budget"}
_FUNCTIONS = {
    "HardnessResult": "hardness",
    "FlippingResult": "pixel_flipping",
    "RandomisationResult": "parameter_randomisation",
}


def renamed(record: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays, or what their headers say, by the names of version 2, with what is new in it.

    Args:
        record: the class of the record.
        arrays: what the file holds, by name.
    """
    found = {_RENAMED.get(name, name): array for name, array in arrays.items()}
    if record in ("AttackResult", "Explanation"):
        found["data_format"] = np.array("channels_last")
    return found


def converted(record: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a file of version 1 as version 2 would have saved them.

    Args:
        record: the class of the record.
        arrays: what the file holds, by name.
    """
    config = _config(record, json.loads(str(arrays["config"])))
    return {**renamed(record, arrays), "config": np.array(json.dumps(config))}


def _config(record: str, config: dict[str, Any]) -> dict[str, Any]:
    if record == "AttackResult":
        return _attack("JSMA" if "theta" in config else "Attack", config)
    if record not in _FUNCTIONS:
        return config
    if "attack" in config:
        config = {**config, "attack": _attack(**config["attack"])}
    return {"class_name": _FUNCTIONS[record], "config": config}


def _attack(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    renamed = {"stop_when" if name == "until" else name: entry for name, entry in config.items()}
    return {"class_name": class_name, "config": _positions(renamed)}


def _positions(entry: Any) -> Any:
    """An entry that counts positions where it said pixels, itself or inside."""
    if not isinstance(entry, dict):
        return entry
    changed = {"unit": "position"} if entry.get("unit") == "pixel" else {}
    return {name: _positions(value) for name, value in entry.items()} | changed
