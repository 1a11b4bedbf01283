"""Maps scaled to a percentile: what has the strongest colour, and that it is said."""

import numpy as np
import pytest
from makers.figures import drawn
from makers.results import make_explanation

from isi_keras import plotting
from isi_keras.plotting import panels


def explained():
    """Magnitudes 1 to 100, once with each sign; one is far above."""
    relevance = np.arange(1.0, 101.0).reshape(1, 10, 10, 1)
    relevance[0, 0] *= -1
    relevance[0, 9, 9] = 5000
    return make_explanation((10, 10, 1), samples=1, relevance=relevance)


def test_a_limit_is_a_percentile_of_the_magnitudes():
    values = explained().relevance
    assert panels.limit_of(values) == 5000
    np.testing.assert_allclose(panels.limit_of(values, 50), np.percentile(np.abs(values), 50))
    sparse = np.zeros(100)
    sparse[0] = -3
    assert panels.limit_of(sparse, 50) == 3  # more than half are zero: the greatest
    assert panels.limit_of(np.zeros(3), 50) == 1


@pytest.mark.parametrize("name", ["heatmap", "heatmaps", "indicators"])
def test_maps_take_it(name):
    explanation = explained()
    given = {"a": explanation} if name == "indicators" else explanation
    figure = getattr(plotting, name)(given, percentile=90)
    figure = figure if hasattr(figure, "savefig") else figure.get_figure(root=True)
    limit = panels.limit_of(explanation.relevance, 90)
    axes = [*figure.axes, *(ax for part in figure.subfigs for ax in part.axes)]
    limits = [ax.images[0].get_clim() for ax in axes if ax.images]
    assert (-limit, limit) in limits
    drawn(figure)
    if name != "heatmap":
        assert "90th percentile of its magnitudes" in figure.get_supxlabel().replace("\n", " ")


@pytest.mark.parametrize("percentile", [0, -1, 101, "90", True])
def test_what_is_no_percentile(percentile):
    with pytest.raises(ValueError, match=r"above 0 and at most 100, such as 99\.5"):
        plotting.heatmap(explained(), percentile=percentile)
