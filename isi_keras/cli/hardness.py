"""`isi-keras hardness`: how hard it is to turn each class into each other."""

import functools
from typing import Annotated, Any

import numpy as np
import typer

from isi_keras.cli import options
from isi_keras.cli.backend import start_backend
from isi_keras.results import HardnessResult

LISTED = 5

Theta = Annotated[
    float | None,
    options.option(
        "SIZE",
        "By how much JSMA changes an input, a share of the width of the bounds; below 0 it "
        "decreases inputs. Default: 1.",
        show_default=False,
    ),
]
Variant = Annotated[str, options.option("NAME", "Of JSMA: jsma, wjsma or tjsma.")]
Single = Annotated[bool, options.option("", "JSMA searches single inputs, not pairs.", "--single")]
Indicator = Annotated[
    str | None,
    options.option(
        "NAME",
        "Take the ISI attack with this indicator under l0 in place of JSMA.",
        show_default=False,
    ),
]
Budget = Annotated[
    float, options.option("SHARE", "What is printed and drawn is within this share of the inputs.")
]
Distances = Annotated[
    bool,
    options.option(
        "",
        "Whether adversarial distances are computed, which takes long for large inputs.",
        "--distances/--no-distances",
    ),
]


def hardness(
    model: options.Model,
    data: options.Data = None,
    theta: Theta = None,
    variant: Variant = "jsma",
    single: Single = False,
    indicator: Indicator = None,
    budget: Budget = 0.145,
    distances: Distances = True,
    bounds: options.Bounds = None,
    domain: options.Domain = None,
    samples: options.Samples = None,
    labels: options.Labels = None,
    from_logits: options.FromLogits = None,
    batch_size: options.BatchSize = None,
    out: options.HardnessOut = None,
    picture: options.Picture = None,
    overwrite: options.Overwrite = False,
    workers: options.Workers = 1,
    engine: options.Engine = None,
    address: options.Address = None,
    part: options.Part = None,
    shard_size: options.ShardSize = None,
) -> None:
    """Attack each sample towards each other class; say which pairs are hard.

    Prints success, distortion and the hardest and easiest pairs of classes.
    Writes the result (isi_keras.HardnessResult.load reads it) and a picture
    of the matrices.
    """
    from isi_keras.cli import data as source
    from isi_keras.cli import early, output, running

    early.check_names(indicator=indicator, engine=engine)
    how = running.Running(out, picture, overwrite, workers, engine, address, part, None, shard_size)
    words = output.words_of(
        data,
        indicator=(indicator, None),
        theta=(theta, None),
        variant=(variant, "jsma"),
        single=(single, False),
        bounds=(bounds, None),
        domain=(domain, None),
        samples=(samples, None),
        from_logits=(from_logits, None),
    )
    result_path, picture_path = how.places(model, "hardness", *words)
    source.check(model, data)
    start_backend()
    from isi_keras import plotting
    from isi_keras.attacks.hardness import BUDGETS
    from isi_keras.attacks.hardness import hardness as sweep
    from isi_keras.plotting import style

    if not 0 < budget <= BUDGETS[-1]:
        raise typer.BadParameter(
            f"Expected --budget above 0 and up to {BUDGETS[-1]:g}. Received: {budget:g}."
        )
    given = source.given(model, data, samples, bounds, domain, labels)
    attack = _attack(given.allowed, indicator, theta=theta, variant=variant, single=single)
    given.labelled("How hard a class is")
    method = functools.partial(sweep, attack=attack, distances=distances)
    found = how.perform(method, given, from_logits=from_logits, batch_size=batch_size)
    if running.part_done(found):
        return
    result: Any = running.record_of(found)
    print(summary(result, budget))
    print(f"\n{running.stored_at(found, result_path)}")
    if result.succeeds_within(budget).any():
        classes = given.names_of(len(result.classes) - 1)
        figure = plotting.hardness(result, budget=budget, classes=classes)
        print(f"picture: {style.save_picture(figure, picture_path)}")
    else:
        print("picture: none, because no attempt succeeded within the budget")


def _attack(bounds: Any, indicator: str | None, **wanted: Any) -> Any:
    from isi_keras.attacks.attack import Attack
    from isi_keras.attacks.jsma import JSMA

    theta = wanted["theta"]
    if indicator is None:
        theta = 1.0 if theta is None else theta
        pairs = not wanted["single"]
        return JSMA(theta, pairs=pairs, variant=wanted["variant"], bounds=bounds)
    if theta is not None or wanted["single"] or wanted["variant"] != "jsma":
        raise typer.BadParameter(
            "--theta, --variant and --single are of JSMA. Leave them out, or leave out --indicator."
        )
    return Attack(indicator, "l0", bounds=bounds)


def summary(result: HardnessResult, budget: float) -> str:
    """What a sweep found, in a few lines."""
    samples, left_out, result = result.samples, result.misclassified, result.attempts
    within = result.succeeds_within(budget)
    lines = [
        f"{len(result)} attempts on {samples - left_out} samples "
        f"({left_out} misclassified, left out); {result.seconds:.2f} s",
        f"within {budget:.1%} of the inputs: {within.mean():.2%} succeed"
        + (f", by {result.distortion[within].mean():.2%} of the inputs" if within.any() else ""),
    ]
    hard = np.where(result.success_rate() > 0, result.hardness(), np.nan)
    tried = np.argwhere(np.isfinite(hard))
    tried = tried[np.argsort([-hard[tuple(pair)] for pair in tried], kind="stable")]
    for word, pairs in (("hardest", tried[:LISTED]), ("easiest", tried[::-1][:LISTED])):
        listed = ", ".join(
            f"{result.classes[s]} to {result.classes[t]} ({hard[s, t]:.0f})" for s, t in pairs
        )
        if listed:
            lines.append(f"{word}: {listed}")
    never = np.argwhere((result.success_rate() == 0) & (result.count() > 0))
    if len(never):
        lines.append(f"never reached: {len(never)} pairs of classes")
    if result.distance is not None:
        lines.append(
            f"adversarial distance: {result.robustness(statistic='mean'):.2f} in the mean, at "
            f"least {result.robustness():.2f} (the robustness)"
        )
    return "\n".join(lines)
