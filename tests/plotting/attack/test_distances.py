"""Distances, and what is left within them: what is drawn, from numbers made by hand."""

import dataclasses

import numpy as np
import pytest
from makers.figures import drawn
from makers.results import made_by, make_attack, make_hardness, make_result

from isi_keras import evaluate, plotting
from isi_keras.evaluation import DISTANCES, distances
from isi_keras.plotting import style
from isi_keras.plotting.attack.distances import _edges

FAILURES = {
    "success": np.array([True, False, True, True, False]),
    "stop_reason": np.array(["success", "max_steps", "success", "success", "misclassified"]),
}


@pytest.fixture
def result():
    """Distances 1, -, 3, 4; the last is misclassified to begin with."""
    return make_attack(**FAILURES, y=np.array([0, 1, 2, 3, 1]))


def entries(ax):
    return [text.get_text() for text in ax.get_legend().texts]


def bars(ax):
    """The edges of a histogram drawn as an outline, and what it counts between them."""
    (path,) = ax.collections[0].get_paths()
    edges, levels = (np.unique(part) for part in path.vertices.T)
    middles = (edges[1:] + edges[:-1]) / 2
    inside = [[path.contains_point((x, y - 0.5)) for y in levels] for x in middles]
    return edges, np.where(inside, levels, 0).max(1)


class TestDistances:
    def test_counts_the_successes(self, result):
        ax = plotting.distances(result)
        edges, counts = bars(ax)
        np.testing.assert_array_equal(edges, [0.5, 1.5, 2.5, 3.5, 4.5])
        np.testing.assert_array_equal(counts, [1, 0, 1, 1])
        assert entries(ax) == ["1 of 4 failed, median 3"]
        assert ax.get_xlabel() == "inputs changed"
        assert ax.get_ylabel() == "successful attacks"

    def test_several_have_common_bars_and_colours_of_their_own(self, result):
        far = make_attack(samples=8)
        ax = plotting.distances({"near": result, "far": far})
        assert entries(ax) == ["near: 1 of 4 failed, median 3", "far: 0 of 8 failed, median 4.50"]
        colors = {tuple(part.get_edgecolor()[0]) for part in ax.collections}
        assert len(colors) == 2
        assert {part.get_linestyle()[0][1] is None for part in ax.collections} == {True, False}
        assert ax.get_xlim() == (0.5, 8.5)
        drawn(ax.figure)

    def test_one_that_always_failed_still_has_its_entry(self, result):
        none = make_result(success=np.zeros(5, bool), stop_reason=np.full(5, "max_steps"))
        ax = plotting.distances({"good": result, "bad": none})
        assert entries(ax)[1] == "bad: 5 of 5 failed"
        drawn(ax.figure)

    @pytest.mark.parametrize("measure", DISTANCES)
    def test_measures_are_those_of_evaluate(self, result, measure):
        median = evaluate(result).measures[measure].median_success
        assert entries(plotting.distances(result, measure=measure)) == [
            f"1 of 4 failed, median {style.number(median)}"
        ]

    @pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
    def test_pixels_know_where_the_channels_are(self, data_format):
        result = make_attack((6, 5, 3), samples=6)
        if data_format == "channels_first":
            result = dataclasses.replace(
                result,
                x=np.moveaxis(result.x, -1, 1),
                adversarial=np.moveaxis(result.adversarial, -1, 1),
            )
        ax = plotting.distances(result, measure="l0_position", data_format=data_format)
        assert entries(ax) == ["0 of 6 failed, median 1.50"]
        assert ax.get_xlabel() == "pixels changed"

    @pytest.mark.parametrize(
        ("shape", "label", "median"),
        [
            ((8,), "features changed", 2),
            ((6, 2), "time steps changed", 1),
            ((6, 5, 1), "pixels changed", 2),
            ((3, 3, 3, 2), "voxels changed", 1),
        ],
    )
    def test_a_position_is_what_the_rank_says(self, shape, label, median):
        result = make_attack(shape, samples=3)
        ax = plotting.distances(result, measure="l0_position")
        assert entries(ax) == [f"0 of 3 failed, median {median}"]
        assert ax.get_xlabel() == label
        ax = plotting.distances({"a": result, "b": make_attack((7, 3, 1))}, measure="l0_position")
        assert (ax.get_xlabel() == "positions changed") == (label != "pixels changed")

    def test_the_result_says_where_the_channels_are(self):
        first = make_attack((3, 6, 5), data_format="channels_first")
        last = make_attack((3, 6, 5))
        found = [
            evaluate(result).measures["l0_position"].median_success for result in (first, last)
        ]
        for result, median in zip((first, last), found, strict=True):
            ax = plotting.distances(result, measure="l0_position")
            assert entries(ax) == [f"0 of 5 failed, median {style.number(median)}"]
        assert found == [3, 1]

    @pytest.mark.parametrize(
        ("values", "edges"),
        [([3.0], [2.5, 3.5]), ([1.0, 4.0], [0.5, 1.5, 2.5, 3.5, 4.5]), ([0, 59], None)],
    )
    def test_bars_of_counts_stand_around_whole_numbers(self, values, edges):
        found = _edges(np.array(values, float), counted=True)
        if edges is not None:
            np.testing.assert_array_equal(found, edges)
        assert len(found) <= 32
        assert found[0] < min(values) < max(values) + 1e-9 < found[-1] or len(values) == 1
        np.testing.assert_array_equal(found % 1, 0.5)

    @pytest.mark.parametrize("values", [[0.0], [2.0, 2.0], np.geomspace(1e-3, 1e3, 500)])
    def test_bars_of_lengths_hold_all_values(self, values):
        found = _edges(np.array(values), counted=False)
        assert 2 <= len(found) <= 31
        assert found[0] <= min(values) <= max(values) <= found[-1]

    def test_draws_into_a_panel(self, result):
        with style.context():
            left, right = style.figure(7, 3).subplots(1, 2)
        assert plotting.distances(result, ax=right) is right
        assert plotting.robust_accuracy(result, ax=left) is left
        drawn(left.figure)

    def test_no_success(self):
        result = make_result(success=np.zeros(5, bool), stop_reason=np.full(5, "max_steps"))
        with pytest.raises(ValueError, match=r"no distance to draw. Received: 5 failures"):
            plotting.distances({"a": result})

    @pytest.mark.parametrize("draw", [plotting.distances, plotting.robust_accuracy])
    def test_no_sample_attacked(self, draw, result):
        idle = make_result(success=np.zeros(5, bool), stop_reason=np.full(5, "misclassified"))
        with pytest.raises(ValueError, match=r"No sample was attacked. Received: 'b'.*Leave it"):
            draw({"a": result, "b": idle})

    @pytest.mark.parametrize("draw", [plotting.distances, plotting.robust_accuracy])
    def test_measures_are_known_by_name(self, draw, result):
        with pytest.raises(ValueError, match=r"Unknown measure: 'l1'.*one of 'l0_feature'"):
            draw(result, measure="l1")


class TestRobustAccuracy:
    def test_falls_by_each_success_from_the_clean_accuracy(self, result):
        ax = plotting.robust_accuracy({"relevance": result})
        (line,) = ax.lines
        np.testing.assert_array_equal(line.get_xdata(), [0, 1, 3, 4, 4])
        np.testing.assert_allclose(line.get_ydata(), [80, 60, 40, 20, 20])
        assert line.get_drawstyle() == "steps-post"
        report = evaluate(result)
        assert line.get_ydata()[0] == pytest.approx(100 * report.clean_accuracy)
        assert line.get_ydata()[-1] == pytest.approx(100 * report.robust_accuracy)
        assert ax.get_ylabel() == "robust accuracy (%)\nof 5 samples"
        assert ax.get_xlabel() == "inputs changed, at most"

    def test_without_labels_it_is_the_share_that_was_not_turned(self):
        result = make_attack(**FAILURES)
        ax = plotting.robust_accuracy(result)
        np.testing.assert_allclose(ax.lines[0].get_ydata(), [100, 75, 50, 25, 25])
        assert ax.lines[0].get_ydata()[-1] == 100 * (1 - evaluate(result).success_rate)
        assert ax.get_ylabel() == "not turned (%)\nof 4 attacked samples"

    def test_curves_end_together_and_differ_without_colour(self, result):
        far = make_attack(samples=8, y=np.arange(8) % 4)
        ax = plotting.robust_accuracy({"near": result, "far": far})
        assert [line.get_xdata()[-1] for line in ax.lines] == [8, 8]
        assert ax.get_xlim() == (0, 8)
        near, far = ax.lines
        assert near.get_color() != far.get_color()
        assert near.is_dashed() != far.is_dashed()
        assert ax.get_ylabel() == "robust accuracy (%)\nof 5 to 8 samples"

    def test_legend_has_the_median_over_attacked_samples(self, result):
        mostly = np.array([True, False, False, False, False])
        failing = make_attack(success=mostly, stop_reason=np.where(mostly, "success", "max_steps"))
        failing = dataclasses.replace(failing, y=failing.clean_prediction)
        ax = plotting.robust_accuracy({"good": result, "bad": failing})
        assert entries(ax) == ["good: 3.50", "bad: \N{INFINITY}"]
        assert ax.get_legend().get_title().get_text() == "median distance, failures infinite"
        assert evaluate(result).measures["l0_feature"].median_all == 3.5
        assert [line.get_color() for line in ax.get_legend().get_lines()] == [
            line.get_color() for line in ax.lines
        ]

    def test_distances_without_steps(self, result):
        ax = plotting.robust_accuracy(result, measure="l2")
        expected = np.sort(
            distances(result.x, result.adversarial, data_format="channels_last")["l2"][
                result.success
            ]
        )
        np.testing.assert_allclose(ax.lines[0].get_xdata()[1:-1], expected)

    def test_no_success_is_a_level_line(self):
        result = make_result(success=np.zeros(5, bool), stop_reason=np.full(5, "max_steps"))
        ax = drawn(plotting.robust_accuracy(result).figure).axes[0]
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), [100, 100])

    def test_labels_for_some_only(self, result):
        with pytest.raises(ValueError, match=r"Only some of the results have true labels.*y="):
            plotting.robust_accuracy({"a": result, "b": make_attack()})


class TestSuccess:
    def test_exact_curve_with_markers_at_the_budgets(self):
        result = make_hardness()
        ax = plotting.success({"JSMA": result})
        curve, points, _ = ax.lines
        np.testing.assert_allclose(curve.get_xdata(), [0, 1, 2, 3, 30])
        np.testing.assert_allclose(curve.get_ydata(), [0, 25, 50, 75, 75])
        assert curve.get_drawstyle() == "steps-post"
        np.testing.assert_allclose(points.get_xdata(), [1, 10, 30])
        np.testing.assert_allclose(points.get_ydata(), [25, 75, 75])
        assert entries(ax) == ["JSMA: 75 %, 2 %"]
        assert ax.get_xlabel() == "inputs changed, at most (%)"
        assert ax.get_ylabel() == "success rate (%)\nof 24 attempts"

    def test_one_alone_has_no_label(self):
        assert entries(plotting.success(make_hardness())) == ["75 %, 2 %"]

    def test_distances_are_not_shares(self):
        ax = plotting.success({"a": make_hardness(config=made_by("hardness", measure="l2"))})
        np.testing.assert_allclose(ax.lines[1].get_xdata(), [0.01, 0.1, 0.3])
        assert entries(ax) == ["a: 75 %, 0.0200"]
        assert ax.get_xlabel() == "L2 distance, at most"

    def test_no_success(self):
        result = make_hardness(min_budget=np.full(24, np.inf))
        ax = drawn(plotting.success({"a": result}).figure).axes[0]
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0, 0])
        assert entries(ax) == ["a: 0 %"]

    def test_several_differ_without_colour(self):
        ax = plotting.success({"a": make_hardness(), "b": make_hardness(5)})
        looks = {(line.get_color(), line.get_marker()) for line in ax.get_legend().get_lines()}
        assert len(looks) == 2
        assert ax.get_ylabel() == "success rate (%)\nof 24 to 40 attempts"

    def test_measures_must_agree(self):
        other = make_hardness(config=made_by("hardness", measure="l2"))
        with pytest.raises(ValueError, match=r"measure='l0', 'l2'. Draw each in a panel"):
            plotting.success({"a": make_hardness(), "b": other})
