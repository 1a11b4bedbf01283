"""The pictures of `isi-keras reproduce jsma`, after figures of the JSMA paper."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras.papers import jsma

TITLES = {
    "success_rate": "success rate (%)",
    "mean_distortion": "mean distortion (% of inputs)",
    "hardness": "hardness (tens)",
    "adversarial_distance": "adversarial distance (%)",
    jsma.SUMMED: "adversarial distance (%)",
}
DIGITS = {"mean_distortion": 1}
SCALES = {"hardness": 0.1, "adversarial_distance": 100.0, jsma.SUMMED: 100.0}
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
    from isi_keras import plotting
    from isi_keras.plotting import style

    paper = jsma.published()["matrices"][name.removesuffix("_summed")]
    both = SCALES.get(name, 1.0) * np.stack([ours, paper])
    with style.context():
        figure = style.figure(style.WIDTH, 3.3)
        for ax, values, whose in zip(figure.subplots(1, 2), both, ("ours", "paper"), strict=True):
            plotting.matrix(
                values,
                digits=DIGITS.get(name, 0),
                limits=(float(np.nanmin(both)), float(np.nanmax(both))),
                ax=ax,
            )
            ax.set_title(f"{TITLES[name]}, {whose}")
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
