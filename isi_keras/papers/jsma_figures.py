"""The pictures of `isi-keras reproduce jsma`, after figures of the JSMA paper."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras.papers import jsma

QUANTITIES = {
    "success_rate": "success rate (%)",
    "mean_distortion": "mean distortion (% of inputs)",
    "hardness": "hardness / 100 (% of inputs)",
    "adversarial_distance": "adversarial distance (%)",
    jsma.SUMMED: "adversarial distance (%)",
}
OURS, PAPERS = "ours", "the paper's"
TITLES = {
    "adversarial_distance": ("ours, of logits", "the paper's, as published"),
    jsma.SUMMED: ("ours, of summed probabilities", "the paper's, as published"),
}
"""What stands above the two panels where both do not hold the same."""
DIGITS = {"mean_distortion": 1, "hardness": 1}
SCALES = {"hardness": 0.01, "adversarial_distance": 100.0, jsma.SUMMED: 100.0}
SIDE = 2.75
"""Inches of the side of a matrix."""
RANKS = {
    "success_rate": "success rate: ours and the paper's",
    "mean_distortion": "mean distortion: ours and the paper's",
    "hardness": "hardness: ours and the paper's",
    "adversarial_distance": "adversarial distance, of logits: ours and the paper's",
    jsma.SUMMED: "adversarial distance, of summed probabilities: ours and the paper's",
    "hardness_and_distance": "hardness and adversarial distance, of logits: ours",
    "hardness_and_distance_summed": (
        "hardness and adversarial distance, of summed probabilities: ours"
    ),
    "hardness_and_distance_published": "hardness and adversarial distance: the paper's",
}
SALIENCY = (0, 3)
"""The test image and the target class of the saliency surface."""


def grids(results: Mapping[str, Any]) -> dict[str, Any]:
    """From each digit, or from an empty image, to each class (figures 1, 9, 10)."""
    from isi_keras import plotting

    return {name: plotting.targets(result) for name, result in results.items()}


def saliency(model: Any, x: np.ndarray) -> Any:
    """The saliency map of one image and class as a landscape (figure 7)."""
    from isi_keras import plotting
    from isi_keras.explanations.explain import explain

    image, target = SALIENCY
    found = explain(model, x[[image]], target=target, indicator="jacobian_saliency")
    return plotting.surface(found).figure


def matrices(name: str, ours: np.ndarray) -> Any:
    """One quantity of each pair of classes, ours and the paper's, in the same colours."""
    from isi_keras.plotting import panels, style
    from isi_keras.plotting.matrices import matrix

    paper = jsma.published()["matrices"][name.removesuffix("_summed")]
    both = SCALES.get(name, 1.0) * np.stack([ours, paper])
    limits = matrix.limits_of(both)
    names = [str(number) for number in range(len(ours))]
    with style.context():
        figure = style.figure(style.WIDTH, SIDE + 3.2 * style.LINE)
        (axes,), bar = panels.grid_and_bar(figure, 1, 2, SIDE)
        for ax, values, whose in zip(axes, both, TITLES.get(name, (OURS, PAPERS)), strict=True):
            matrix.draw(ax, values, names, SIDE, DIGITS.get(name, 0), "sequential", limits)
            matrix.turn_names(ax, names, SIDE / len(names), turnable=False)
            ax.set(title=whose, xlabel="target class", ylabel="source class")
        ticks = panels.ticks_between(*limits, SIDE)
        texts = [panels.tick_text(tick) for tick in ticks]
        style.color_bar(axes[0].collections[0], bar, QUANTITIES[name], ticks, texts)
    return figure


def and_figure(values: np.ndarray, slope: np.ndarray, result: Any) -> Any:
    """The output and its derivative by the second input over the unit square."""
    from isi_keras.plotting import panels, style

    limit = float(np.abs(slope).max())
    shown = (
        ("output $F$", values, style.SEQUENTIAL, (0.0, 1.0)),
        (r"forward derivative $\partial F / \partial x_2$", slope, style.SIGNED, (-limit, limit)),
    )
    with style.context():
        figure = style.figure(style.WIDTH, 3.0)
        axes = figure.subplots(1, 2)
        for ax, (title, array, colours, (low, high)) in zip(axes, shown, strict=True):
            drawn = ax.imshow(
                array, origin="lower", extent=(0, 1, 0, 1), cmap=colours, vmin=low, vmax=high
            )
            axis = np.linspace(0, 1, len(array))
            ax.contour(axis, axis, values, [0.5], colors="black", linewidths=0.8)
            for name, point, marker in (
                ("sample", result.x[0], "o"),
                ("adversarial", result.adversarial[0], "^"),
            ):
                ax.plot(
                    *point,
                    marker,
                    color="white",
                    markeredgecolor="black",
                    markersize=5,
                    clip_on=False,
                    label=name,
                    linestyle="",
                )
            ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
            panels.scale_bar(ax, drawn, inches=2.2)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
