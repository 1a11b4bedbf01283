"""`isi-keras explain`: show which inputs a decision rests on."""

import functools
from typing import Any

from isi_keras.cli import options
from isi_keras.cli.backend import start_backend

_SHOWN = 64


def explain(
    model: options.Model,
    data: options.Data = None,
    indicator: options.Indicator = "relevance",
    target: options.Explained = None,
    bounds: options.Bounds = None,
    samples: options.Samples = None,
    labels: options.Labels = None,
    from_logits: options.FromLogits = None,
    batch_size: options.BatchSize = None,
    out: options.ExplanationOut = None,
    picture: options.Picture = None,
    overwrite: options.Overwrite = False,
    workers: options.Workers = 1,
    engine: options.Engine = None,
    address: options.Address = None,
    part: options.Part = None,
    keep: options.Keep = None,
    shard_size: options.ShardSize = None,
) -> None:
    """Show which inputs a decision rests on.

    Prints the predicted classes. Writes the maps (isi_keras.Explanation.load
    reads them) and a picture of the first samples beside their maps.
    """
    from isi_keras.cli import data as source
    from isi_keras.cli import early, output, running

    early.check_names(indicator=indicator, engine=engine)
    how = running.Running(out, picture, overwrite, workers, engine, address, part, keep, shard_size)
    words = output.words_of(
        data,
        target=(target, None),
        bounds=(bounds, None),
        samples=(samples, None),
        from_logits=(from_logits, None),
    )
    result_path, picture_path = how.places(model, indicator, *words)
    source.check(model, data)
    start_backend()

    from isi_keras import indicators
    from isi_keras.explanations.explain import explain
    from isi_keras.models import data_format_of
    from isi_keras.plotting import images, style

    method = functools.partial(explain, indicator=indicators.get(indicator))
    given = source.given(model, data, samples, bounds, labels=labels)
    few = given.few()
    possible = few.ndim == 2 or images.are_images(few, data_format_of(given.network, few.ndim))
    drawable = output.drawable(possible, picture, few)
    found = how.perform(
        method,
        given,
        from_logits=from_logits,
        batch_size=batch_size,
        target=given.class_of(target),
    )
    if running.part_done(found):
        return
    predicted = found.columns()["prediction"] if how.is_run else found.prediction
    print(output.predictions(predicted, None if how.is_run else given.arrays()[1]))
    print(running.stored_at(found, result_path))
    if drawable and keep != "table":
        shown: Any = running.record_of(found, _SHOWN)
        classes = given.names_of(shown.prediction, shown.target)
        figure = output.draw_explanation(shown, given.bounds, classes)
        print(f"picture: {style.save_picture(figure, picture_path)}")
    else:
        print("picture: none, because the inputs are neither images nor a table")
