"""Matrices of classes: cells, numbers, names, colours."""

import numpy as np
import pytest
from makers.figures import drawn
from makers.results import CLASSES, made_by, make_hardness
from matplotlib.colors import to_rgba

from isi_keras import plotting
from isi_keras.plotting import panels, style
from isi_keras.plotting.matrices import matrix

MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def values(rng):
    values = rng.uniform(-1, 1, (4, 4))
    np.fill_diagonal(values, np.nan)
    return values


def cells(ax):
    """The matrix as it was drawn, NaN where nothing was."""
    array = ax.collections[0].get_array()
    return np.ma.filled(array.astype("float64"), np.nan).reshape(len(array), -1)


def names_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


class TestMatrix:
    def test_rows_are_sources_from_the_top(self, values):
        ax = plotting.matrix(values, classes=CLASSES)
        np.testing.assert_array_equal(cells(ax), values)
        assert ax.yaxis_inverted()
        assert not ax.xaxis_inverted()
        assert names_of(ax.xaxis) == names_of(ax.yaxis) == CLASSES
        np.testing.assert_array_equal(ax.get_yticks(), [0.5, 1.5, 2.5, 3.5])
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("target class", "source class")

    def test_each_cell_has_its_number_but_the_diagonal(self, values):
        ax = plotting.matrix(values, digits=1)
        written = {text.get_position(): text.get_text() for text in ax.texts}
        expected = {
            (column + 0.5, row + 0.5): f"{values[row, column]:.1f}".replace("-", MINUS)
            for row in range(4)
            for column in range(4)
            if row != column
        }
        assert written.keys() == expected.keys()
        for place, text in written.items():
            assert text in (expected[place], expected[place].removeprefix(MINUS)), place
        assert ax.get_facecolor() == to_rgba(style.EMPTY)

    @pytest.mark.parametrize(
        ("value", "digits", "text"),
        [(-0.001, 2, "0.00"), (-0.26, 1, f"{MINUS}0.3"), (99.96, 1, "100.0"), (7, 0, "7")],
    )
    def test_numbers(self, value, digits, text):
        assert matrix.written(value, digits) == text

    def test_numbers_are_black_or_white_by_contrast(self, values):
        ax = plotting.matrix(values)
        for text in ax.texts:
            column, row = (int(part) for part in text.get_position())
            color = np.array(ax.collections[0].to_rgba(values[row, column])[:3])
            linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
            luminance = linear @ [0.2126, 0.7152, 0.0722]
            ratios = {"black": (luminance + 0.05) / 0.05, "white": 1.05 / (luminance + 0.05)}
            assert text.get_color() == max(ratios, key=ratios.get)
            assert max(ratios.values()) > 4.5

    def test_colours_span_the_values(self, values):
        ax = plotting.matrix(values, label="success rate")
        mesh = ax.collections[0]
        assert mesh.get_clim() == (np.nanmin(values), np.nanmax(values))
        assert mesh.get_cmap().name == style.SEQUENTIAL
        (bar,) = ax.child_axes
        assert bar.get_ylabel() == "success rate"
        assert [text.get_text() for text in bar.get_yticklabels()] == [
            panels.tick_text(tick) for tick in bar.get_yticks()
        ]

    def test_signed_colours_are_symmetric_about_zero(self, values):
        mesh = plotting.matrix(values, kind="signed").collections[0]
        limit = np.nanmax(np.abs(values))
        assert mesh.get_clim() == (-limit, limit)
        assert mesh.get_cmap().name == style.SIGNED

    @pytest.mark.parametrize(
        ("limits", "extend"),
        [((-1, 1), "neither"), ((0, 1), "min"), ((-1, 0), "max"), ((-0.1, 0.1), "both")],
    )
    def test_given_limits_and_what_lies_beyond(self, values, limits, extend, monkeypatch):
        seen = {}
        original = panels.scale_bar
        monkeypatch.setattr(
            panels, "scale_bar", lambda *a, **k: seen.update(k) or original(*a, **k)
        )
        ax = plotting.matrix(values, limits=limits)
        assert ax.collections[0].get_clim() == limits
        assert seen["extend"] == extend
        drawn(ax.figure)

    def test_one_value_only(self):
        ax = plotting.matrix(np.full((2, 2), 3.0))
        low, high = ax.collections[0].get_clim()
        assert low < 3 < high
        drawn(ax.figure)

    def test_many_classes_have_no_numbers_and_some_names(self):
        ax = plotting.matrix(np.eye(100))
        assert not ax.texts
        np.testing.assert_array_equal(ax.get_xticks(), np.arange(0, 100, 5) + 0.5)
        assert names_of(ax.yaxis) == [str(number) for number in range(0, 100, 5)]
        assert ax.figure.get_figwidth() <= style.WIDTH

    def test_long_names_are_turned_and_cut(self):
        names = ["a very long name of a class", "b"]
        ax = plotting.matrix(np.eye(2), classes=[*names, *names[:0]])
        labels = ax.get_xticklabels()
        assert {label.get_rotation() for label in labels} == {90.0}
        assert labels[0].get_text().endswith("…")
        assert {label.get_rotation() for label in ax.get_yticklabels()} == {0.0}

    def test_draws_into_a_panel(self, values):
        with style.context():
            figure = style.figure(7, 3)
            left, right = figure.subplots(1, 2)
        assert plotting.matrix(values, ax=right) is right
        assert not left.collections
        drawn(figure)

    def test_numbers_that_fit_a_given_panel_are_written(self):
        with style.context():
            axes = style.figure(7, 3.3).subplots(1, 2)
        for ax in axes:
            assert len(plotting.matrix(np.full((10, 10), 10.1), ax=ax, digits=1).texts) == 100

    def test_numbers_that_do_not_fit_a_given_panel_are_left_out(self):
        with style.context():
            ax = style.figure(2, 2).add_subplot()
        assert not plotting.matrix(np.eye(20), ax=ax).texts

    @pytest.mark.parametrize(
        ("values", "options", "match"),
        [
            (np.zeros(3), {}, r"row and a column for each class.*shape \(3,\)"),
            (np.zeros((2, 3)), {}, r"shape \(2, 3\)"),
            (np.full((2, 2), np.nan), {}, r"nothing to draw.*without any number"),
            (np.zeros((0, 0)), {}, r"nothing to draw.*shape \(0, 0\)"),
            ([[0, np.inf], [1, 0]], {}, r"infinity in 1 cells. Set these to NaN"),
            (np.eye(2), {"classes": ["a"]}, r"1 names.*at least 2 names"),
            (np.eye(2), {"kind": "diverging"}, r"Unknown kind: 'div"),
            (np.eye(2), {"limits": (1, 0)}, r"low < high.*limits=\(1, 0\)"),
            (np.eye(2), {"limits": (0, 1), "kind": "signed"}, r"'signed' \(-high, high\)"),
        ],
    )
    def test_errors_say_what_to_do(self, values, options, match):
        with pytest.raises(ValueError, match=match):
            plotting.matrix(values, **options)


class TestHardness:
    def test_panels(self):
        result = make_hardness()
        figure = drawn(plotting.hardness(result, budget=0.02))
        titles = [ax.get_title() for ax in figure.axes]
        assert titles == [
            "success rate (%)",
            "mean distortion (% of inputs)",
            "hardness",
            "adversarial distance",
        ]
        rate, distortion, hardness, distance = map(cells, figure.axes)
        np.testing.assert_array_equal(rate, 100 * result.success_rate(0.02))
        np.testing.assert_array_equal(distortion, 100 * result.mean_distortion(0.02))
        np.testing.assert_array_equal(distance, result.adversarial_distance())
        never = result.success_rate() == 0
        assert np.isnan(hardness[never]).all()
        np.testing.assert_array_equal(hardness[~never], result.hardness()[~never])
        assert figure.axes[0].collections[0].get_clim() == (0, 100)
        assert all(ax.yaxis_inverted() for ax in figure.axes)
        assert "are within 2 % of inputs; 24 attempts" in figure.get_supxlabel()

    def test_only_outer_panels_name_classes_and_axes(self):
        figure = drawn(plotting.hardness(make_hardness(), classes=CLASSES))
        upper_left, upper_right, lower_left, lower_right = figure.axes
        assert names_of(upper_left.yaxis) == names_of(lower_right.xaxis) == CLASSES
        for ax, outer in (
            (upper_left, (False, True)),
            (upper_right, (False, False)),
            (lower_left, (True, True)),
            (lower_right, (True, False)),
        ):
            assert (bool(ax.get_xlabel()), bool(ax.get_ylabel())) == outer
            shown = ax.xaxis.majorTicks[0].label1.get_visible()
            assert shown == outer[0]
            assert ax.yaxis.majorTicks[0].label1.get_visible() == outer[1]

    def test_without_distances_there_are_three(self):
        figure = plotting.hardness(make_hardness(distance=None))
        assert len(figure.axes) == 3
        tops = {round(ax.get_position().y1, 6) for ax in drawn(figure).axes}
        assert len(tops) == 1
        assert figure.get_figwidth() == style.WIDTH

    @pytest.mark.parametrize(("measure", "unit"), [("l2", "L2"), ("linf", "L\N{INFINITY}")])
    def test_distances_in_place_of_shares(self, measure, unit):
        result = make_hardness(config=made_by("hardness", measure=measure))
        figure = plotting.hardness(result)
        assert figure.axes[1].get_title() == f"mean distortion ({unit} distance)"
        np.testing.assert_array_equal(cells(figure.axes[1]), result.mean_distortion())
        assert "within a distance of 0.300" in figure.get_supxlabel()

    @pytest.mark.parametrize(
        ("low", "high", "digits"), [(0, 3, 2), (0.7, 0.8, 2), (0, 30, 1), (40, 400, 0), (98, 99, 1)]
    )
    def test_numbers_tell_cells_apart(self, low, high, digits):
        from isi_keras.plotting.matrices.hardness import _digits

        assert _digits(np.array([[low, high], [high, low]], float), 2.5) == digits

    def test_budget_without_success(self):
        with pytest.raises(ValueError, match=r"No attempt succeeded.*budget=0.001.*up to 0.3"):
            plotting.hardness(make_hardness(), budget=0.001)

    def test_budget_beyond_the_sweep(self):
        with pytest.raises(ValueError, match=r"up to a budget of 0.3. Received: 0.5"):
            plotting.hardness(make_hardness(), budget=0.5)
