"""`isi-keras attack`: change few inputs until the model decides otherwise."""

import dataclasses
from pathlib import Path
from typing import Any

import typer

from isi_keras.cli import options
from isi_keras.cli.backend import start_backend

_SHOWN = 64


def attack(
    model: options.Model,
    data: options.Data = None,
    indicator: options.Indicator = "relevance",
    norm: options.Norm = "l0",
    target: options.Target = None,
    goal: options.Goal = None,
    max_steps: options.MaxSteps = 100,
    objective: options.Objective = "logit",
    features: options.Features = None,
    unit: options.Unit = None,
    skip_saturated: options.SkipSaturated = None,
    step_size: options.StepSize = None,
    epsilon: options.Epsilon = None,
    relative: options.Relative = None,
    bounds: options.Bounds = None,
    domain: options.Domain = None,
    samples: options.Samples = None,
    labels: options.Labels = None,
    true_labels: options.TrueLabels = True,
    from_logits: options.FromLogits = None,
    batch_size: options.BatchSize = None,
    out: options.Out = None,
    picture: options.Picture = None,
    images: options.Images = None,
    trajectory: options.Trajectory = False,
    overwrite: options.Overwrite = False,
    workers: options.Workers = 1,
    engine: options.Engine = None,
    address: options.Address = None,
    part: options.Part = None,
    keep: options.Keep = None,
    shard_size: options.ShardSize = None,
) -> None:
    """Change few inputs until the model decides otherwise.

    Prints how many samples turned and how far they had to be moved. Writes
    the result (isi_keras.AttackResult.load reads it) and a picture of the
    first samples. With --out FOLDER/ it is a run: what is done is kept, and
    the same command goes on.
    """
    from isi_keras.cli import data as source
    from isi_keras.cli import early, output, running
    from isi_keras.cli import goal as goals

    aim = goals.wanted(goal, target, from_logits)
    early.check_names(indicator=indicator, norm=norm, objective=objective, engine=engine)
    how = running.Running(out, picture, overwrite, workers, engine, address, part, keep, shard_size)
    wanted = {
        "features": features,
        "unit": unit,
        "skip_saturated": skip_saturated,
        "step_size": step_size,
        "epsilon": epsilon,
        "relative": relative,
    }
    words = output.words_of(
        data,
        target=(target, None),
        goal=(goal, None),
        max_steps=(max_steps, 100),
        objective=(objective, "logit"),
        **{name: (value, None) for name, value in wanted.items()},
        bounds=(bounds, None),
        domain=(domain, None),
        samples=(samples, None),
        from_logits=(from_logits, None),
    )
    result_path, picture_path = how.places(model, indicator, norm, *words)
    source.check(model, data)
    start_backend()

    from isi_keras.attacks.attack import Attack
    from isi_keras.evaluation import evaluate
    from isi_keras.models import data_format_of
    from isi_keras.plotting import images as drawing
    from isi_keras.plotting import style

    chosen = _norm(norm, **wanted)
    Attack(indicator, chosen, max_steps, objective=objective)  # what is wrong with it is said first
    given = source.given(model, data, samples, bounds, domain, labels)
    method = Attack(indicator, chosen, max_steps, given.allowed, objective)
    few = given.few()
    possible = drawing.are_images(few, data_format_of(given.network, few.ndim))
    if images is not None and not possible:
        raise ValueError("The inputs cannot be written as images. Leave out --images.")
    drawable = output.drawable(possible, picture, few)
    found = how.perform(
        method,
        given,
        from_logits=from_logits,
        batch_size=batch_size,
        target=given.class_of(target),
        goal=aim and aim.made(given.class_of),
        labels=true_labels,
        trajectory=trajectory,
    )
    if running.part_done(found):
        return
    print(evaluate(found))
    print(f"\n{running.stored_at(found, result_path)}")
    _draw(found, drawable and keep != "table", images, picture_path, style, given)


def _draw(
    found: Any, drawable: bool, images: Path | None, path: Path, style: Any, given: Any
) -> None:
    from isi_keras.cli import output, running

    if images is not None:
        count = output.save_images(running.record_of(found), images)
        print(f"images:  {count} in {images}")
    if not drawable:
        print("picture: none, because the inputs are not images, or are not kept")
        return
    result: Any = running.record_of(found, _SHOWN)
    if not result.attacked.any():
        print("picture: none, because no sample was attacked")
        return
    from isi_keras.plotting.attack.examples import draw_attack

    classes = None
    if result.goal is None:  # else a prediction answers the goal's question, and is no class
        classes = given.names_of(result.clean_prediction, result.prediction, result.target)
    print(f"picture: {style.save_picture(draw_attack(result, classes=classes), path)}")


def _norm(name: str, **wanted: Any) -> Any:
    """The norm, with those of its options that were given."""
    from isi_keras import norms

    kind = type(norms.get(name))
    known = [field.name for field in dataclasses.fields(kind)]  # pyright: ignore[reportArgumentType]
    given = {key: value for key, value in wanted.items() if value is not None}
    for key in given:
        if key not in known:
            raise typer.BadParameter(
                f"{_flag(key)} does not belong to --norm {name}, whose options are "
                f"{', '.join(map(_flag, known))}."
            )
    return kind(**given)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
