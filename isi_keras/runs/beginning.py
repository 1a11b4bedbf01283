"""The start of a run: a folder agrees to a plan, and holds what workers cannot have otherwise."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras.runs import bounds, planning, work
from isi_keras.runs.folder import INPUT, PLAN, RunFolder
from isi_keras.sources import Rows, Stream
from isi_keras.sources.rows import write_array


def spill(
    folder: RunFolder,
    plan: dict[str, Any],
    source: Rows | Stream,
    target: Any,
    goal: Any,
    each: Mapping[str, np.ndarray],
) -> None:
    """Writes what is in memory: samples, and what is given for each of them."""
    place = folder.path / INPUT
    if isinstance(source, Rows):
        source.spill(place)
    if isinstance(plan["call"]["target"], dict):
        write_array(place / "target.npy", np.asarray(target))
    if "sha256" in (plan["call"]["goal"] or {}):
        from isi_keras import goals  # starts a backend, which not every run needs

        write_array(place / "goal.npy", goals.get(goal).recorded()[1])
    bounds.spill(folder, each)


def agreed(folder: RunFolder, plan: dict[str, Any], part: tuple[int, int]) -> dict[str, Any]:
    """The plan with its `id`, which the folder now holds.

    Raises:
        ValueError: if it holds another one.
    """
    plan = json.loads(json.dumps(plan))
    plan["id"] = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:32]
    place = folder.path / PLAN
    if place.exists() and (folder.done() or part[1] > 1):
        held = folder.plan()
        planning.check_same(str(folder), held, plan)
        return held
    left = [] if place.exists() else list(folder.path.iterdir()) if folder.path.exists() else []
    others = [each.name for each in left if not each.name.startswith(".")]
    if others:
        raise ValueError(
            f"{str(folder)!r} holds {others[0]!r} and no run. Take an empty folder, or one that "
            "does not exist."
        )
    data = json.dumps({**plan, "versions": work.versions()}, indent=1)
    folder.commit(place, data.encode())
    return plan
