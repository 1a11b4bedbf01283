"""A report of every kind of result, with names that try to be more than text."""

import dataclasses

import numpy as np

import isi_keras as isi
from isi_keras import Domain
from makers.records import PROVENANCE
from makers.results import (
    make_attack,
    make_ensemble,
    make_explanation,
    make_flipping,
    make_hardness,
    make_randomisation,
    make_text,
)

HOSTILE = "</script><img src=x onerror=alert(1)>"
CLASSES = ["a&b", HOSTILE, "cat", '"quoted"']


def make_records():
    attack = make_attack(samples=12, y=np.array([*np.arange(11) % 4, 0]))
    stop = attack.stop_reason.copy().astype("U16")
    stop[2], stop[11] = "max_steps", "misclassified"
    success = stop == "success"
    attack = dataclasses.replace(attack, stop_reason=stop, success=success)
    maps = dataclasses.replace(make_explanation(samples=12), x=attack.x)
    told = {**PROVENANCE, "model": {**PROVENANCE["model"], "name": HOSTILE}}
    attack = dataclasses.replace(attack, provenance=told)
    table = make_attack((8,), config=_of_a_table(), provenance=PROVENANCE)
    why = dataclasses.replace(make_explanation((8,)), x=table.x[:3])
    return {
        "l0": attack,
        "maps": maps,
        HOSTILE: table,
        "why": why,
        "text": make_text("a fine film", "<b>no</b> film"),
        "best": make_ensemble(),
        "sweep": make_hardness(),
        "flipping": make_flipping(),
        "random": make_randomisation(),
    }


def make_page(few=False):
    records = make_records()
    if few:
        records = {label: records[label][:3] for label in ("l0", "maps", HOSTILE)}
    return isi.report(records, classes=CLASSES, about={"model": HOSTILE})


def _of_a_table():
    names = [f"column <i>{number}</i>" for number in range(8)]
    options = {"mutable": [False] + [True] * 7, "integer": [True] * 3 + [False] * 5}
    options |= {"direction": [0, 1] + [0] * 6, "step": [0] * 3 + [0.5] + [0] * 4}
    bounds = Domain(-1, 1, names=names, groups=[(6, 7)], **options).get_config()
    config = make_attack((8,)).config["config"]
    return {
        "class_name": "Attack",
        "config": {**config, "bounds": {"class_name": "Domain", "config": bounds}},
    }
