"""Every public plot with grey, RGB and tabular results: what it draws is right, or refused."""

import io
import warnings

import matplotlib.pyplot as pyplot
import numpy as np
import pytest
from matplotlib.figure import Figure
from test_plotting import (
    make_attack,
    make_explanation,
    make_flipping,
    make_hardness,
    make_randomisation,
)

from isi_keras import plotting
from isi_keras.plotting import style

INPUTS = {
    "grey": ((6, 5, 1), "channels_last"),
    "grey, channels first": ((1, 6, 5), "channels_first"),
    "grey, no channel": ((6, 5), "channels_last"),
    "RGB": ((6, 5, 3), "channels_last"),
    "RGB, channels first": ((3, 6, 5), "channels_first"),
    "tabular": ((8,), "channels_last"),
}
BOUNDS = ((-1.0, 1.0), (0.0, 255.0))

# What each plot is called with, and whether it is of images only. `None`: its results hold no
# inputs, so that it is the same for all.
PLOTS = {
    "animation": (lambda r, e, f: plotting.animation(r, 3, data_format=f), True),
    "attacks": (lambda r, e, f: plotting.attacks({"a": r, "b": r}, data_format=f), True),
    "changes": (lambda r, e, f: plotting.changes(r, data_format=f), False),
    "distances": (
        lambda r, e, f: plotting.distances(r, measure="l0_position", data_format=f),
        False,
    ),
    "examples": (lambda r, e, f: plotting.examples(r, data_format=f), True),
    "faithfulness": (lambda r, e, f: plotting.faithfulness({"a": make_flipping()}), None),
    "hardness": (lambda r, e, f: plotting.hardness(make_hardness()), None),
    "heatmap": (lambda r, e, f: plotting.heatmap(e, data_format=f), False),
    "heatmaps": (lambda r, e, f: plotting.heatmaps(e, data_format=f), False),
    "indicators": (lambda r, e, f: plotting.indicators({"a": e, "b": e}, data_format=f), False),
    "matrix": (lambda r, e, f: plotting.matrix(make_hardness().hardness()), None),
    "randomisation": (lambda r, e, f: plotting.randomisation(make_randomisation()), None),
    "robust_accuracy": (
        lambda r, e, f: plotting.robust_accuracy(r, measure="l0_position", data_format=f),
        False,
    ),
    "success": (lambda r, e, f: plotting.success(make_hardness()), None),
    "surface": (lambda r, e, f: plotting.surface(e, data_format=f), True),
    "targets": (lambda r, e, f: plotting.targets(aimed(r), data_format=f), True),
    "trajectories": (lambda r, e, f: plotting.trajectories(r), None),
    "trajectory": (lambda r, e, f: plotting.trajectory(r, 3, data_format=f), False),
}


def aimed(result):
    target = (result.clean_prediction + 1) % 4
    return type(result)(**(vars(result) | {"target": target}))


def test_no_public_plot_is_left_out():
    assert set(PLOTS) == set(plotting.__all__)


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        (name, inputs)
        for name, (_, images_only) in PLOTS.items()
        for inputs in (INPUTS if images_only is not None else ["grey"])
    ],
)
def test_draws(name, inputs, bounds):
    draw, images_only = PLOTS[name]
    shape, data_format = INPUTS[inputs]
    result = make_attack(shape, *bounds)
    explanation = make_explanation(shape, x=result.x[:3])
    before = pyplot.get_fignums()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if images_only and inputs == "tabular":
            with pytest.raises(ValueError, match=r"Images have the shape.*Received: shape \(\d, 8"):
                draw(result, explanation, data_format)
            return
        drawn = draw(result, explanation, data_format)
        if isinstance(drawn, bytes):
            assert drawn.startswith(b"GIF89a")
            return
        figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
        figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert pyplot.get_fignums() == before
    colors_are_right(figure)
    if inputs == "tabular" and images_only is False:
        assert not any(ax.images for ax in axes_of(figure))


def axes_of(figure):
    return [*figure.axes, *(ax for part in figure.subfigs for ax in part.axes)]


def colors_are_right(figure):
    """Signed maps are symmetric about zero; images are within 0 and 1 and not clipped."""
    for ax in axes_of(figure):
        for image in ax.images:
            values = np.asarray(image.get_array())
            low, high = image.get_clim()
            if image.get_cmap().name == style.SIGNED:
                assert low == -high
            else:
                assert (low, high) == (0, 1)
                assert values.min() >= 0
                assert values.max() <= 1
                assert len(np.unique(values)) > 2  # nothing was cut off at the ends
