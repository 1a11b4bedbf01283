"""The commands. Keras is imported inside them, so that help comes at once."""

import json
import math
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from isi_keras._version import __version__
from isi_keras.cli import hardness, options, plot, report, reproduce, robustness
from isi_keras.cli.backend import reported, start_backend

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs the command line."""
    app(prog_name="isi-keras")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isi-keras {__version__}")
        raise typer.Exit


@app.callback(epilog="Try: isi-keras attack lenet-mnist")
def _common(
    backend: Annotated[
        options.Backend | None,
        typer.Option(
            metavar="NAME", help="tensorflow, jax or torch. Default: Keras' own, if installed."
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Which inputs does a Keras decision rest on, and how few must change to overturn it?"""
    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend.value


@app.command(epilog="Example: isi-keras attack lenet-mnist --norm linf --max-steps 30")
@reported()
def attack(
    model: options.Model,
    data: options.Data = None,
    indicator: options.Indicator = "relevance",
    norm: options.Norm = "l0",
    target: options.Target = None,
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
    true_labels: options.TrueLabels = True,
    from_logits: options.FromLogits = None,
    batch_size: options.BatchSize = 128,
    out: options.Out = None,
    picture: options.Picture = None,
) -> None:
    """Change few inputs until the model decides otherwise.

    Prints how many samples turned and how far they had to be moved. Writes
    the result (isi_keras.AttackResult.load reads it) and a picture of the
    first samples.
    """
    from isi_keras.cli import data as source
    from isi_keras.cli import output

    result_path, picture_path = output.places(out, picture, model, indicator, norm)
    start_backend()

    from isi_keras.attacks.attack import Attack
    from isi_keras.evaluation import evaluate
    from isi_keras.models import data_format_of, logits
    from isi_keras.plotting import images, style

    chosen = _norm(
        norm,
        features=features,
        unit=unit,
        skip_saturated=skip_saturated,
        step_size=step_size,
        epsilon=epsilon,
        relative=relative,
    )
    bounds, allowed = source.domain_of(model, bounds, domain)
    how = Attack(indicator, chosen, max_steps, allowed, objective)
    network, (x, y) = source.load(model, data, samples, bounds)
    drawable = _drawable(images.are_images(x, data_format_of(network, x.ndim)), picture, x)
    result = how(
        logits(network, from_logits),
        x,
        y=y if true_labels else None,
        target=target,
        batch_size=batch_size,
        verbose=options.verbose(),
    )
    print(evaluate(result))
    print(f"\nresult:  {result.save(result_path)}")
    if not drawable:
        print("picture: none, because the inputs are not images")
    elif not result.attacked.any():
        print("picture: none, because no sample was attacked")
    else:
        from isi_keras.plotting.attack.examples import draw_attack

        print(f"picture: {style.save_picture(draw_attack(result), picture_path)}")


@app.command(epilog="Example: isi-keras explain lenet-mnist --samples 6 --target 3")
@reported()
def explain(
    model: options.Model,
    data: options.Data = None,
    indicator: options.Indicator = "relevance",
    target: options.Explained = None,
    bounds: options.Bounds = None,
    samples: options.Samples = None,
    from_logits: options.FromLogits = None,
    batch_size: options.BatchSize = 32,
    out: options.ExplanationOut = None,
    picture: options.Picture = None,
) -> None:
    """Show which inputs a decision rests on.

    Prints the predicted classes. Writes the maps (isi_keras.Explanation.load
    reads them) and a picture of the first samples beside their maps.
    """
    from isi_keras.cli import data as source
    from isi_keras.cli import output

    result_path, picture_path = output.places(out, picture, model, indicator)
    start_backend()

    from isi_keras.explanations.explain import explain
    from isi_keras.models import data_format_of, logits
    from isi_keras.plotting import images, style

    bounds = source.bounds_of(model, bounds)
    network, (x, y) = source.load(model, data, samples, bounds)
    data_format = data_format_of(network, x.ndim)
    drawable = _drawable(x.ndim == 2 or images.are_images(x, data_format), picture, x)
    explanation = explain(
        logits(network, from_logits),
        x,
        target=target,
        indicator=indicator,
        batch_size=batch_size,
        verbose=options.verbose(),
    )
    print(output.predictions(explanation.prediction, y))
    print(f"result:  {explanation.save(result_path)}")
    if drawable:
        figure = output.draw_explanation(explanation, bounds)
        print(f"picture: {style.save_picture(figure, picture_path)}")
    else:
        print("picture: none, because the inputs are neither images nor a table")


@app.command(epilog="Example: isi-keras evaluate results/lenet-mnist-relevance-l0.npz")
@reported()
def evaluate(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="The .npz that attack or robustness wrote.")
    ],
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", metavar="", help="Print JSON; what is infinite or undefined is null."
        ),
    ] = False,
    data_format: options.ChannelsOf = None,
) -> None:
    """Print the report of a saved attack, or of several; no backend is started."""
    from isi_keras.evaluation import evaluate
    from isi_keras.results import Result

    report: Any = evaluate(Result.load(result), data_format=data_format)  # pyright: ignore
    print(json.dumps(_plain(report.to_dict()), indent=2, allow_nan=False) if as_json else report)


app.command(epilog="Example: isi-keras hardness lenet-jsma --samples 50")(
    reported()(hardness.hardness)
)
app.command(epilog="Example: isi-keras robustness lenet-mnist --attack relevance_l0 --attack jsma")(
    reported()(robustness.robustness)
)
app.command(
    help=plot.help_text(),
    epilog="Example: isi-keras plot results/lenet-mnist-relevance-l0.npz --kind changes",
)(plot.plot)
app.command(epilog="Example: isi-keras report results/*.npz --check 'robust_accuracy_at_10>=0.5'")(
    reported()(report.report)
)
app.command(epilog="Example: isi-keras reproduce jsma --samples 100 --out /tmp/jsma")(
    reported()(reproduce.reproduce)
)


def _norm(name: str, **wanted: Any) -> Any:
    """The norm, with those of its options that were given."""
    import dataclasses

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


def _drawable(possible: bool, picture: Path | None, x) -> bool:
    """Whether there will be a picture; raises if one was asked for and cannot be."""
    if picture is not None and not possible:
        raise ValueError(
            f"Inputs of shape {('N', *x.shape[1:])} cannot be drawn as images. Leave out --picture."
        )
    return possible


def _plain(value: Any) -> Any:
    """What JSON knows: infinity and NaN become `None`."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
