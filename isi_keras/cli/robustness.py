"""`isi-keras robustness`: how few inputs overturn each decision, by the best of several attacks."""

from typing import Annotated

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
    bounds: options.Bounds = None,
    samples: options.Samples = None,
    from_logits: options.FromLogits = None,
    batch_size: options.BatchSize = 128,
    out: options.RobustnessOut = None,
    picture: options.Picture = None,
) -> None:
    """Attack by several attacks and keep the nearest adversarial examples.

    Prints the robust accuracy that is left within a distance, an upper bound,
    and how each attack did. Writes the result (isi_keras.RobustnessResult.load
    reads it; evaluate prints it again) and a picture of the curves.
    """
    from isi_keras.cli import data as source
    from isi_keras.cli import output

    result_path, picture_path = output.places(out, picture, model, "robustness")
    start_backend()
    from isi_keras import plotting
    from isi_keras.attacks.robustness import robustness as search
    from isi_keras.evaluation import evaluate
    from isi_keras.models.classifier import logits
    from isi_keras.plotting import style

    bounds = source.bounds_of(model, bounds)
    network, (x, y) = source.load(model, data, samples, bounds)
    if y is None:
        raise ValueError(
            "How robust a decision is cannot be said without labels. Add them to DATA: y or y_test "
            "in an .npz, or a subfolder of images for each class."
        )
    result = search(
        logits(network, from_logits),
        x,
        y,
        attacks=attack or None,
        measure=measure,
        bounds=bounds,
        batch_size=batch_size,
        verbose=options.verbose(),
    )
    print(evaluate(result))
    print(f"\nresult:  {result.save(result_path)}")
    figure = plotting.robustness(result).get_figure(root=True)
    print(f"picture: {style.save_picture(figure, picture_path)}")
