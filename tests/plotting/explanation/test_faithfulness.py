"""The curves of pixel flipping: what is drawn, from numbers made by hand."""

import subprocess
import sys

import numpy as np
import pytest
from makers.figures import drawn
from makers.results import made_by, make_explanation
from matplotlib.colors import to_rgba

from isi_keras import FlippingResult, plotting
from isi_keras.plotting import style


def make_flipping(probability, *, logit=None, last=1.0, order="most", patch: int | None = 1):
    """Curves of `T` equal steps up to the share `last`."""
    probability = np.asarray(probability, "float32")
    return FlippingResult(
        flipped=np.linspace(0, last, probability.shape[1]),
        logit=10 * probability - 5 if logit is None else np.asarray(logit, "float32"),
        probability=probability,
        target=np.zeros(len(probability), "int32"),
        config=made_by("pixel_flipping", patch=patch, order=order),
    )


@pytest.fixture
def curves():
    return {
        "relevance": make_flipping([[1.0, 0.2, 0.0], [0.8, 0.4, 0.0]]),
        "random": make_flipping([[1.0, 0.8, 0.0], [0.8, 0.8, 0.4]], order="random"),
        "sensitivity": make_flipping([[1.0, 0.4, 0.2], [0.8, 0.6, 0.2]]),
    }


def curve_lines(ax):
    return [line for line in ax.lines if len(line.get_xdata()) > 2]


class TestFaithfulness:
    def test_draws_the_mean_of_each(self, curves):
        ax = plotting.faithfulness(curves)
        lines = curve_lines(ax)
        assert len(lines) == 3
        for line, result in zip(lines, curves.values(), strict=True):
            np.testing.assert_allclose(line.get_xdata(), [0, 50, 100])
            np.testing.assert_allclose(line.get_ydata(), result.probability.mean(0))
        assert ax.get_xlim() == (0, 100)
        assert ax.get_ylim() == (0, 1)

    def test_bands_are_one_standard_error(self, curves):
        ax = plotting.faithfulness(curves)
        assert len(ax.collections) == 3
        for band, result in zip(ax.collections, curves.values(), strict=True):
            one, two = result.probability
            mean, error = (one + two) / 2, np.abs(one - two) / 2  # of two samples
            (path,) = band.get_paths()
            np.testing.assert_allclose(path.vertices[:, 1].min(), (mean - error).min(), atol=1e-6)
            np.testing.assert_allclose(path.vertices[:, 1].max(), (mean + error).max(), atol=1e-6)

    def test_a_single_sample_has_no_band(self):
        ax = plotting.faithfulness({"relevance": make_flipping([[1.0, 0.5, 0.0]])})
        assert not ax.collections
        assert ax.get_ylabel() == "probability of the explained class,\n1 sample"

    def test_the_legend_goes_by_area(self, curves):
        legend = plotting.faithfulness(curves).get_legend()
        texts = [text.get_text() for text in legend.texts]
        assert texts == ["random: 0.675", "sensitivity: 0.525", "relevance: 0.375"]
        assert legend.get_title().get_text() == "mean area under the curve"

    def test_the_legend_has_the_lines_of_its_labels(self, curves):
        ax = plotting.faithfulness(curves)
        relevance, random, sensitivity = (line.get_color() for line in curve_lines(ax))
        handles = [handle.get_color() for handle in ax.get_legend().get_lines()]
        assert handles == [random, sensitivity, relevance]

    def test_chance_is_grey_and_dashed_and_takes_no_colour(self, curves):
        relevance, random, sensitivity = curve_lines(plotting.faithfulness(curves))
        assert to_rgba(random.get_color()) == to_rgba(style.NEUTRAL)
        assert random.is_dashed()
        assert [relevance.get_color(), sensitivity.get_color()] == list(style.PALETTE[:2])
        assert not relevance.is_dashed()

    def test_logits(self, curves):
        ax = plotting.faithfulness(curves, score="logit")
        lines = curve_lines(ax)
        np.testing.assert_allclose(lines[0].get_ydata(), [4, -2, -5], atol=1e-5)
        assert ax.get_ylabel() == "logit of the explained class,\nmean of 2 samples ± SE"
        assert ax.get_ylim()[0] < -5
        zero = [line for line in ax.lines if line not in lines]
        assert [list(line.get_ydata()) for line in zero] == [[0, 0]]
        texts = [text.get_text() for text in ax.get_legend().texts]
        assert texts == ["random: 1.75", "sensitivity: 0.250", "relevance: \N{MINUS SIGN}1.25"]

    @pytest.mark.parametrize(
        ("patch", "label"),
        [
            (1, "pixels flipped (%)"),
            (8, "patches of side 8 flipped (%)"),
            (None, "features flipped (%)"),
        ],
    )
    def test_says_what_is_flipped(self, patch, label):
        result = make_flipping([[1.0, 0.5, 0.0]], patch=patch, last=0.25)
        ax = plotting.faithfulness({"relevance": result})
        assert ax.get_xlabel() == label
        assert ax.get_xlim() == (0, 25)

    def test_numbers_of_samples_that_differ(self, curves):
        more = make_flipping(np.full((5, 3), 0.5))
        ax = plotting.faithfulness({**curves, "more": more})
        assert "mean of 2 to 5 samples" in ax.get_ylabel()

    def test_draws_into_a_panel(self, curves):
        with style.context():
            figure = style.figure(7, 3)
            left, right = figure.subplots(1, 2)
        assert plotting.faithfulness(curves, ax=right) is right
        assert not left.lines
        drawn(figure)

    def test_makes_its_own_figure(self, curves):
        ax = plotting.faithfulness(curves)
        assert isinstance(ax.get_figure(), style.ThemedFigure)
        drawn(ax.get_figure())

    @pytest.mark.parametrize("count", [1, 4, 9])
    def test_nothing_is_clipped_or_hidden(self, count):
        curves = {
            f"relevance, composite {number}": make_flipping(np.full((3, 4), number / 10))
            for number in range(count)
        }
        ax = plotting.faithfulness(curves)
        figure = drawn(ax.get_figure())
        box = figure.get_tightbbox().padded(-0.02)
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.get_figwidth()
        assert box.y1 <= figure.get_figheight()
        legend, panel = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert legend.y0 >= panel.y1 - 1
        assert panel.height / figure.dpi > 1.4

    @pytest.mark.parametrize(
        ("curves", "kind", "match"),
        [
            (
                make_flipping([[1.0, 0.5, 0.0]]),
                TypeError,
                r"Received: FlippingResult\. .*as in faithfulness\(\{\"relevance\": result\}\)",
            ),
            ({"a": make_explanation()}, TypeError, r"Received: Explanation\."),
            ([1, 2], TypeError, r"Received: list\."),
            ({}, ValueError, r"nothing to draw\. Received: a mapping of 0 results"),
            (
                {"a": make_flipping(np.zeros((0, 3)))},
                ValueError,
                r"of 1 results, 1 of them without samples",
            ),
            (
                {"a": make_flipping([[1.0, 0]]), "b": make_flipping([[1.0, 0]], patch=8)},
                ValueError,
                r"same things\. Received: patch=1, 8\. Draw each in a panel of its own",
            ),
        ],
    )
    def test_errors_say_what_to_do(self, curves, kind, match):
        with pytest.raises(kind, match=match):
            plotting.faithfulness(curves)

    def test_scores_are_known_by_name(self, curves):
        with pytest.raises(ValueError, match=r"Unknown score: 'softmax'.*'probability', 'logit'"):
            plotting.faithfulness(curves, score="softmax")

    def test_other_plots_send_it_here(self, curves):
        with pytest.raises(TypeError, match=r"Draw it with plotting\.faithfulness"):
            plotting.heatmaps(curves["random"])


def test_a_fresh_interpreter_draws_without_keras():
    code = (
        "import sys, numpy as np\n"
        "from isi_keras import FlippingResult, plotting\n"
        "one = np.ones((1, 2))\n"
        "config = {'class_name': 'pixel_flipping', 'config': {'patch': 1}}\n"
        "result = FlippingResult(flipped=one[0].cumsum() - 1, logit=one, probability=one,\n"
        "                        target=one[0], config=config)\n"
        "plotting.faithfulness({'a': result})\n"
        "assert 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
