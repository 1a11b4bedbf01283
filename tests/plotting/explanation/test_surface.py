"""The landscape of a map: heights, colours, axes."""

import numpy as np
import pytest
from makers.figures import drawn
from makers.results import CLASSES, SHAPES, make_explanation
from mpl_toolkits.mplot3d import Axes3D

from isi_keras import plotting
from isi_keras.plotting import images, style


@pytest.fixture
def surfaces(monkeypatch):
    """What was drawn as a surface: columns, rows, heights, and the collection."""
    seen = []

    def plot_surface(ax, *arrays, **options):
        seen.append((*arrays, original(ax, *arrays, **options)))
        return seen[-1][-1]

    original = Axes3D.plot_surface
    monkeypatch.setattr(Axes3D, "plot_surface", plot_surface)
    return seen


class TestSurface:
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_heights_are_the_map(self, shape, data_format, surfaces):
        explanation = make_explanation(shape)
        ax = plotting.surface(explanation, 1, data_format=data_format)
        ((columns, rows, heights, surface),) = surfaces
        values = images.as_maps(explanation.relevance, data_format=data_format)[1]
        np.testing.assert_array_equal(heights, values)
        np.testing.assert_array_equal([rows, columns], np.indices(values.shape))
        assert len(surface.get_facecolor()) == (len(values) - 1) * (values.shape[1] - 1)
        limit = np.abs(values).max()
        assert surface.get_clim() == pytest.approx((-limit, limit))
        assert surface.get_cmap().name == style.SIGNED
        drawn(ax.figure)

    def test_labels(self):
        ax = plotting.surface(make_explanation(), 1, classes=CLASSES)
        assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("column", "row", "relevance")
        title = ax.get_title().replace("\n", " ")
        assert title == "predicted cat, explained automobile, logit 11.3"
        low, high = ax.get_ylim()
        assert low > high  # the first row lies behind

    def test_large_images_are_summed_over_blocks(self, surfaces):
        explanation = make_explanation((130, 64), samples=1)
        ax = plotting.surface(explanation)
        ((columns, rows, heights, _),) = surfaces
        assert heights.shape == (44, 22)
        whole = explanation.relevance[0].astype("float64")
        np.testing.assert_allclose(heights[2, 1], whole[6:9, 3:6].sum())
        np.testing.assert_allclose(heights[-1, -1], whole[129:, 63:].sum())
        np.testing.assert_allclose(heights.sum(), whole.sum())
        assert (rows[2, 1], columns[2, 1]) == (6, 3)
        assert ax.get_zlabel() == "relevance of 3 by 3 pixels"

    def test_a_map_of_zeros(self):
        ax = plotting.surface(make_explanation(relevance=np.zeros((3, 6, 5, 1))))
        drawn(ax.figure)
        assert ax.get_zlim() == (0, 1)

    def test_the_flat_map_hides_nothing(self):
        ax = plotting.surface(make_explanation((70, 140, 3)))
        figure = drawn(ax.figure)
        flat = figure.axes[1]
        assert flat.images[0].get_clim() == ax.collections[0].get_clim()
        label = ax.zaxis.label.get_window_extent()
        assert label.x1 < flat.get_window_extent().x0

    def test_draws_into_a_panel_of_three_dimensions(self):
        with style.context():
            figure = style.figure(7, 3)
            ax = figure.add_subplot(1, 2, 2, projection="3d")
        assert plotting.surface(make_explanation(), ax=ax) is ax
        drawn(figure)

    def test_a_flat_panel(self):
        with style.context():
            ax = style.figure(3, 3).add_subplot()
        with pytest.raises(TypeError, match=r'three dimensions.*projection="3d"'):
            plotting.surface(make_explanation(), ax=ax)

    @pytest.mark.parametrize(
        ("shape", "options", "match"),
        [
            ((8,), {}, r"Received: shape \(1, 8\)"),
            ((6, 5, 1), {"index": 3}, r"index 3, but the result holds 3"),
            ((6, 5, 1), {"classes": ["a"]}, r"1 names"),
        ],
    )
    def test_errors_say_what_to_do(self, shape, options, match):
        with pytest.raises(ValueError, match=match):
            plotting.surface(make_explanation(shape), **options)
