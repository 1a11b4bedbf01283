"""The call of an attack on a source: some batches at a time, and one record of all."""

import dataclasses
from typing import Any

import numpy as np

from isi_keras import _component, goals, models
from isi_keras.attacks import performing
from isi_keras.attacks.state import numbers_from
from isi_keras.models import sourced
from isi_keras.models.parts import parted
from isi_keras.results import AttackResult, own_bounds
from isi_keras.sources.rows import as_labels


def through(
    attack: Any,
    model: Any,
    source: Any,
    *,
    target: Any,
    goal: Any,
    batch_size: int | None,
    first_index: Any,
    trajectory: bool,
    verbose: int,
) -> AttackResult:
    """Attacks the samples of a source, `BATCHES` batches of it at a time.

    What is given for each sample, a target, a goal, bounds, a number, is cut as the samples are,
    if these are read by number; for a stream it is refused. Other arguments and errors are those
    of `BaseAttack`.
    """
    classifier, portion = models.logits(model), sourced.portion(batch_size)
    target, goal = as_labels(target), None if goal is None else goals.get(goal)
    aims = None if goal is None else goal.recorded()[1]
    each = {"target": target if target is not None and target.ndim else None, "goal": aims}
    given = {"batch_size": batch_size, "trajectory": trajectory, "verbose": 0}
    configs: dict[Any, Any] = {}  # that of bounds of each sample is long

    def call(x, y, span):
        parts = parted(classifier.model, x, classifier.moved)
        rank, domain = parts.x.ndim, attack.domain
        each.update(domain.of_each(rank))
        sourced.expect_order(source, each)
        part = attack
        if domain.per_sample(rank):
            part = dataclasses.replace(
                attack, bounds=domain.rows(slice(span.begin, span.end), rank)
            )
        found = performing.perform(
            part,
            classifier,
            x,
            y=y,
            target=span.of(target),
            goal=None if goal is None else goals.rows(goal, slice(span.begin, span.end)),
            first_index=_numbers(first_index, span),
            **given,
        )
        if parts.dtype not in configs:
            whole = attack
            if parts.dtype.kind != "f":
                whole = dataclasses.replace(attack, bounds=domain.of_dtype(parts.dtype))
            configs[parts.dtype] = _component.serialize(whole)
        config = configs[parts.dtype]
        if part is not attack:
            rows = np.arange(span.begin, span.end)
            config = own_bounds.cut(config, rows, None, rank)
        return dataclasses.replace(found, config=config)

    return sourced.gathered(call, source, portion, verbose, each)


def _numbers(first_index: Any, span: sourced.Span) -> Any:
    """The numbers of the samples in a longer run."""
    if getattr(first_index, "ndim", 0):
        return span.of(first_index)
    return numbers_from(first_index, span.end)[span.begin :]
