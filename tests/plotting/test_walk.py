"""Every public plot with grey, RGB and tabular results: what it draws is right, or refused."""

import dataclasses
import inspect
import io
import warnings

import matplotlib.pyplot as pyplot
import numpy as np
import pytest
from makers.results import (
    make_attack,
    make_ensemble,
    make_explanation,
    make_flipping,
    make_hardness,
    make_randomisation,
    make_text,
)
from matplotlib.figure import Figure

from isi_keras import plotting
from isi_keras.plotting import plots, style

INPUTS = {
    "grey": ((6, 5, 1), "channels_last"),
    "grey, channels first": ((1, 6, 5), "channels_first"),
    "grey, no channel": ((6, 5), "channels_last"),
    "RGB": ((6, 5, 3), "channels_last"),
    "RGB, channels first": ((3, 6, 5), "channels_first"),
    "tabular": ((8,), "channels_last"),
}
BOUNDS = ((-1.0, 1.0), (0.0, 255.0))

IMAGES_ONLY = ("animation", "attacks", "examples", "surface", "targets")
TEXTS = ("text", "text_html")


def options_of(plot):
    return inspect.signature(plot.function).parameters


def draw(plot, shape, data_format, bounds):
    """Draws a plot of results that know where their channels are."""
    result = make_attack(shape, *bounds, data_format=data_format)
    target = (result.clean_prediction + 1) % 4
    record = {
        plots.ATTACK: dataclasses.replace(result, target=target)
        if plot.name == "targets"
        else result,
        plots.MAPS: make_explanation(shape, x=result.x[:3], data_format=data_format),
        plots.SWEEP: make_hardness(),
        plots.FLIPPING: make_flipping(),
        plots.RANDOM: make_randomisation(),
        plots.ENSEMBLE: make_ensemble(),
    }[plot.kinds[0]]
    if plot.name in TEXTS:
        return plot.function(make_text())
    if plot.name == "matrix":
        return plotting.matrix(make_hardness().hardness())
    usual = {"index": 2, "measure": "l0_position"}
    options = {name: value for name, value in usual.items() if name in options_of(plot)}
    return plot.function({"a": record} if plot.results == "several" else record, **options)


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        (name, inputs)
        for name, plot in plotting.PLOTS.items()
        for inputs in (INPUTS if "data_format" in options_of(plot) else ["grey"])
    ],
)
def test_draws(name, inputs, bounds):
    plot = plotting.PLOTS[name]
    shape, data_format = INPUTS[inputs]
    before = pyplot.get_fignums()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if name in IMAGES_ONLY and inputs == "tabular":
            with pytest.raises(ValueError, match=r"Images have the shape.*Received: shape \(\d, 8"):
                draw(plot, shape, data_format, bounds)
            return
        drawn = draw(plot, shape, data_format, bounds)
        if isinstance(drawn, bytes | str):
            assert drawn[:4] in (b"GIF8", "<div")
            return
        figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
        figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert pyplot.get_fignums() == before
    colors_are_right(figure)
    if inputs == "tabular":
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
