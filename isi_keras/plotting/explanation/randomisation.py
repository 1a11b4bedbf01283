"""How alike maps stay while the network they explain is made random."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from isi_keras.plotting import checks, measures, panels, plots, style
from isi_keras.results import RandomisationResult


def randomisation(
    results: Mapping[str, RandomisationResult] | RandomisationResult, *, ax: Axes | None = None
) -> Axes:
    """Draws the mean similarity of maps to their original, against what was made random.

    From left to right the layers become random from the top of the network down, each joining
    those before it; without `cascade` each is random on its own, and the points are not joined.
    The bars are one standard error of the mean to either side. Samples whose similarity is not
    defined are left out of the mean. The legend has the similarity with all layers random, or
    without `cascade` the mean over the layers: the lower, the more a map depends on the weights.

    Args:
        results: what `parameter_randomisation` returned; several by their labels.
        ax: where to draw; a new figure, `ax.figure`, if `None`. The legend goes above `ax`.

    Returns:
        The Axes.

    Raises:
        TypeError: if `results` is neither a `RandomisationResult` nor a mapping to such.
        ValueError: if one is empty, or if they are of other layers or another similarity, or only
            some of them a cascade.

    Source: Adebayo et al. 2018, arXiv 1810.03292.

    Example:
    >>> import numpy as np
    >>> from isi_keras import RandomisationResult
    >>> result = RandomisationResult(
    ...     layers=np.array(["original", "dense", "conv2d"]), target=np.array([3]),
    ...     similarity=np.array([[1.0, 0.5, 0.25]]),
    ...     config={"class_name": "parameter_randomisation",
    ...             "config": {"cascade": True, "similarity": "spearman"}})
    >>> ax = randomisation({"relevance": result})
    >>> [tick.get_text() for tick in ax.get_xticklabels()], ax.get_legend().texts[0].get_text()
    (['original', 'dense', 'conv2d'], 'relevance: 0.250')
    """
    results = checks.as_mapping(results, plots.RANDOM, 'randomisation({"relevance": result})')
    first = _first(results)
    cascade, similarity = (checks.settings(first)[key] for key in ("cascade", "similarity"))
    names = [style.shorten(str(name), style.LONGEST, style.SMALL) for name in first.layers]
    # Apart from each other, where no line tells which points belong together.
    apart = 0.0 if cascade else 0.5 / len(results)
    with style.context():
        panel = _new_panel(len(results), names) if ax is None else ax
        handles, entries, lowest = [], [], 0.0
        shown = zip(results.items(), panels.looks(), itertools.cycle("osD^v"), strict=False)
        for number, ((label, result), (color, dashes), marker) in enumerate(shown):
            mean, error = _mean_and_error(result.similarity)
            places = np.arange(len(mean)) + apart * (number - (len(results) - 1) / 2)
            look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 3.5}
            look |= {"linestyle": dashes if cascade else "none", "linewidth": 1.4}
            handles.append(panel.errorbar(places, mean, error, elinewidth=0.8, **look))
            random = float(mean[-1] if cascade else np.nanmean(mean[1:]))
            entries.append(panels.entry(panel, label, style.number(random)))
            lowest = min(lowest, float(np.nanmin(mean - error)))
        title = "with all layers random" if cascade else "mean over the layers"
        panels.legend_above(panel, handles, entries, title)
        _name_layers(panel, names)
        panel.axhline(0, color="black", linewidth=0.6, zorder=1)
        panel.set(xlim=(-0.3, len(names) - 0.7), ylim=(1.05 * lowest, 1.03))
        panel.set_xlabel("layers random from the top down to" if cascade else "layer made random")
        said = measures.MEASURES[similarity].label
        panel.set_ylabel(f"{said},\n{panels.mean_of(results.values())}")
        panels.plain(panel)
    return panel


def _first(results: Mapping[str, RandomisationResult]) -> RandomisationResult:
    """The first of the results; raises unless all can stand in one panel."""
    (label, first), *others = results.items()
    for name, other in others:
        same = np.array_equal(other.layers, first.layers) and all(
            checks.settings(other)[key] == checks.settings(first)[key]
            for key in ("cascade", "similarity")
        )
        if not same:
            raise ValueError(
                "The curves of one panel must be of the same layers, similarity and cascade. "
                f"Received: {name!r} with others than {label!r}. Draw each in a panel of its own."
            )
    return first


def _mean_and_error(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the samples for which it is defined, `(L + 1,)` each; NaN where it is for none."""
    from scipy.stats import mstats  # slow to import

    known = np.ma.masked_invalid(similarity.astype("float64"))
    return known.mean(axis=0).filled(np.nan), np.ma.filled(mstats.sem(known), 0.0)


def _new_panel(lines: int, names: list[str]) -> Axes:
    height = panels.HEIGHT + (lines + 1) * style.LINE + style.widest(names, style.SMALL)
    return style.figure(style.WIDTH / 2, height).add_subplot()


def _name_layers(ax: Axes, names: list[str]) -> None:
    """Names the layers, upright if they are long, and only some if there are many."""
    cell = 0.85 * style.inches(ax)[0] / len(names)
    turned = style.widest(names, style.SMALL) + 0.06 > cell
    every = max(1, -int(-style.PITCH // cell)) if turned else 1
    shown = np.arange(0, len(names), every)
    labels = [names[number] for number in shown]
    ax.set_xticks(shown, labels, rotation=90 if turned else 0)
