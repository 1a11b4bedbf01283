"""`isi-keras robustness`: how few inputs overturn each decision, by the best of several attacks."""

import functools
from typing import Annotated, Any

from isi_keras.cli import options
from isi_keras.cli.backend import start_backend

Attacks = Annotated[
    list[str] | None,
    options.option(
        "NAME",
        "An attack to try, several times for several: relevance_l0, sensitivity_l2, jsma, ... "
        "Default: those of the measure.",
        "--attack",
        show_default=False,
    ),
]
Measure = Annotated[
    str, options.option("NAME", "What distance is: l0, l0_feature, l0_position, l2 or linf.")
]


def robustness(
    model: options.Model,
    data: options.Data = None,
    attack: Attacks = None,
    measure: Measure = "l0",
    goal: options.Goal = None,
    bounds: options.Bounds = None,
    domain: options.Domain = None,
    samples: options.Samples = None,
    labels: options.Labels = None,
    from_logits: options.FromLogits = None,
    batch_size: options.BatchSize = None,
    out: options.RobustnessOut = None,
    picture: options.Picture = None,
    overwrite: options.Overwrite = False,
    workers: options.Workers = 1,
    engine: options.Engine = None,
    address: options.Address = None,
    part: options.Part = None,
    keep: options.Keep = None,
    shard_size: options.ShardSize = None,
) -> None:
    """Attack by several attacks and keep the nearest adversarial examples.

    Prints the robust accuracy that is left within a distance, an upper bound,
    and how each attack did. Writes the result (isi_keras.RobustnessResult.load
    reads it; evaluate prints it again) and a picture of the curves.
    """
    from isi_keras.cli import data as source
    from isi_keras.cli import early, output, running
    from isi_keras.cli import goal as goals

    aim = goals.wanted(goal, None, from_logits)
    early.check_names(attack=attack, measure=measure, engine=engine)
    how = running.Running(out, picture, overwrite, workers, engine, address, part, keep, shard_size)
    words = output.words_of(
        data,
        measure=(measure, "l0"),
        goal=(goal, None),
        bounds=(bounds, None),
        domain=(domain, None),
        samples=(samples, None),
        from_logits=(from_logits, None),
    )
    result_path, picture_path = how.places(model, "robustness", *(attack or ()), *words)
    source.check(model, data)
    start_backend()
    from isi_keras import plotting
    from isi_keras.attacks.robustness import robustness as search
    from isi_keras.evaluation import evaluate
    from isi_keras.plotting import style

    given = source.given(model, data, samples, bounds, domain, labels)
    if not (aim and aim.of_values):
        given.labelled("How robust a decision is")
    method = functools.partial(
        search, attacks=attack or None, measure=measure, bounds=given.allowed
    )
    found = how.perform(
        method,
        given,
        from_logits=from_logits,
        batch_size=batch_size,
        goal=aim and aim.made(given.class_of),
    )
    if running.part_done(found):
        return
    print(evaluate(found))
    print(f"\n{running.stored_at(found, result_path)}")
    result: Any = found if how.is_run else running.record_of(found)
    figure = plotting.robustness(result).get_figure(root=True)
    print(f"picture: {style.save_picture(figure, picture_path)}")
