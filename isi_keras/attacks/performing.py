"""The call of an attack on arrays: checked, compiled, driven and recorded."""

import dataclasses
import time
from typing import Any

import keras
import numpy as np

from isi_keras import _component, backend, models
from isi_keras.attacks import asking, rounds
from isi_keras.attacks.record import Record
from isi_keras.attacks.state import numbers_from
from isi_keras.models.beside import beside
from isi_keras.models.parts import parted
from isi_keras.results import AttackResult

_EXACT = 2**24  # up to which float32 holds every integer


def perform(
    attack: Any,
    model: Any,
    x: Any,
    *,
    y: Any,
    target: Any,
    goal: Any,
    batch_size: int | None,
    first_index: Any,
    trajectory: bool,
    verbose: int,
) -> AttackResult:
    """Attacks samples that are in memory; arguments and errors are those of `BaseAttack`."""
    began = time.perf_counter()
    classifier = models.logits(model)
    parts = parted(classifier.model, x, classifier.moved)
    inputs = attack.domain.fit(parts.x.shape).checked(parts.x, parts.dtype)
    whole = attack if parts.dtype.kind == "f" else _of_whole_numbers(attack, inputs, parts.dtype)
    fitted = whole.domain.fit(inputs.shape)
    whole.warn_of_bounds(inputs)
    numbers = numbers_from(first_index, len(inputs))
    task = asking.asked(classifier, parts._replace(x=inputs), y, target, goal, batch_size)
    whole.check_goal(task.goal)
    planned, aim = task.planned, task.asked.target
    size = planned.batch_size(batch_size, len(inputs))
    with beside(task.beside):
        run, aim = whole.resolve(planned, inputs, aim, size, numbers)
        run.check(fitted, inputs)
        plan, steps = run.compiled(planned, inputs, aim is not None)
    samples = task.samples(inputs, aim, numbers, fitted.room(inputs))
    limits = keras.tree.map_structure(backend.tensor, run.limits())
    record = Record(inputs, planned.classes, run.max_steps, trajectory, verbose)
    first, *later = [lambda *slotted, step=step: step(*slotted, limits) for step in steps]
    rounds.drive(
        first,
        list(zip(plan.further, later, strict=True)),
        plan.start,
        samples,
        record.finished,
        size,
        run.max_steps,
        record.watch if trajectory else None,
        fixed=planned.graphs.least_rows,
    )
    record.check(type(run).__name__, whole.domain, run.max_steps)
    with beside(task.beside):
        planned.compare(record.adversarial)  # so that no success is that of another model
    return record.result(
        y=task.truth,
        target=aim,
        seconds=time.perf_counter() - began,
        config=_component.serialize(whole),
        data_format=planned.data_format,
        **task.recorded(record.adversarial, size),
    )


def _of_whole_numbers(attack: Any, x: np.ndarray, dtype: np.dtype) -> Any:
    """The attack in the domain of inputs that are integers or bools."""
    if np.abs(x).max() > _EXACT:
        raise ValueError(
            f"x holds integers up to {np.abs(x).max():g}. Above {_EXACT} float32, in which models "
            "compute, does not hold each. Scale them and pass them as float32."
        )
    return dataclasses.replace(attack, bounds=attack.domain.of_dtype(dtype))
