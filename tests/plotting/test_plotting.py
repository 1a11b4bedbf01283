import dataclasses
import io
import itertools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from makers.figures import drawn, frame_color, pixels
from makers.paths import ROOT
from makers.results import (
    CLASSES,
    SHAPES,
    made_by,
    make_attack,
    make_ensemble,
    make_explanation,
    make_flipping,
    make_hardness,
    make_randomisation,
    make_result,
    make_text,
)
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from isi_keras import plotting
from isi_keras.plotting import images, panels, style
from isi_keras.plotting.attack import _film


def columns_of(figure, count):
    """The panels of `examples` as a list of columns (original, adversarial, change)."""
    axes = [ax for ax in figure.axes if ax.images]
    return [axes[column::count] for column in range(count)]


class TestImages:
    @pytest.mark.parametrize("bounds", [(-1, 1), (0, 255), (-2.5, 0.5)])
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_scales_by_the_bounds(self, rng, shape, data_format, bounds):
        low, high = bounds
        unit = rng.uniform(size=(2, *shape))
        scaled = images.as_images(unit * (high - low) + low, bounds, data_format=data_format)
        expected = np.moveaxis(unit, 1, -1) if data_format == "channels_first" else unit
        expected = expected[..., 0] if shape[-1] == 1 else expected
        np.testing.assert_allclose(scaled, expected, atol=1e-12)

    @pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
    def test_bounds_per_feature(self, rng, data_format):
        axis = -1 if data_format == "channels_last" else 0
        low, high = (np.expand_dims([a, b, c], (1, 2)) for a, b, c in ((0, -1, 2), (1, 1, 6)))
        unit = rng.uniform(size=(2, 3, 4, 5))
        x = unit * (high - low) + low
        if axis == -1:
            x, low, high = np.moveaxis(x, 1, -1), np.moveaxis(low, 0, -1), np.moveaxis(high, 0, -1)
        scaled = images.as_images(x, (low, high), data_format=data_format)
        np.testing.assert_allclose(scaled, np.moveaxis(unit, 1, -1), atol=1e-12)

    def test_grey_with_channels_first(self, rng):
        x = rng.uniform(size=(2, 1, 4, 5))
        np.testing.assert_array_equal(
            images.as_images(x, (0, 1), data_format="channels_first"), x[:, 0]
        )

    def test_integers_do_not_wrap(self):
        x = np.array([[[0, 51, 255]]], "uint8")
        np.testing.assert_allclose(images.as_images(x, (0, 255)), [[[0, 0.2, 1]]])

    def test_equal_bounds_give_zero(self):
        np.testing.assert_array_equal(images.as_images(np.ones((1, 2, 2)), (1, 1)), 0)

    def test_rounding_stays_inside(self):
        x = np.array([[[-1e-7, 1 + 1e-7]]])
        np.testing.assert_array_equal(images.as_images(x, (0, 1)), [[[0, 1]]])

    @pytest.mark.parametrize(
        ("x", "bounds", "options", "match"),
        [
            (np.zeros((2, 784)), (0, 1), {}, r"Received: shape \(2, 784\).*reshape.*heatmaps"),
            (np.zeros((2, 4, 4, 2)), (0, 1), {}, r"2 channels. Pass 'channels_first'"),
            (np.zeros((2, 3, 4, 4)), (0, 1), {}, r"4 channels. Pass 'channels_first'"),
            (np.zeros((2, 4, 4)), (0, 1), {"data_format": "NHWC"}, r"Unknown data_format: 'NHWC'"),
            (np.full((2, 4, 4), 3), (0, 1), {}, r"values from 3 to 3 with bounds from 0 to 1"),
            (np.zeros((2, 4, 4)), (1, 0), {}, r"lower bound must not exceed.*bounds=\(low, high\)"),
            (np.zeros((2, 4, 4)), (np.zeros(7), 1), {}, r"shapes \(7,\).*one value per input"),
            (np.full((2, 4, 4), np.nan), (0, 1), {}, r"NaN or infinity in 2 of the 2.*indices"),
        ],
    )
    def test_errors_say_what_to_do(self, x, bounds, options, match):
        with pytest.raises(ValueError, match=match):
            images.as_images(x, bounds, **options)

    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_maps_keep_the_total(self, rng, shape, data_format):
        relevance = rng.normal(size=(2, *shape))
        maps = images.as_maps(relevance, data_format=data_format)
        assert maps.shape == (2, 6, 5)
        np.testing.assert_allclose(maps.sum((1, 2)), relevance.reshape(2, -1).sum(1))

    def test_change_is_that_of_the_channel_that_changed_most(self):
        x = np.zeros((1, 1, 3, 3))
        adversarial = np.array([[[[0.5, -0.5, 0.0], [0.1, -0.7, 0.2], [0.0, 0.0, 0.0]]]])
        np.testing.assert_allclose(images.as_changes(x, adversarial), [[[0.5, -0.7, 0.0]]])
        np.testing.assert_allclose(
            images.as_changes(
                x.transpose(0, 3, 1, 2),
                adversarial.transpose(0, 3, 1, 2),
                data_format="channels_first",
            ),
            [[[0.5, -0.7, 0.0]]],
        )


class TestStyle:
    def test_context_leaves_the_settings_as_they_were(self):
        before = dict(matplotlib.rcParams)
        with style.context():
            assert matplotlib.rcParams["font.size"] == style.TEXT
        assert dict(matplotlib.rcParams) == before

    def test_user_settings_do_not_leak_in(self):
        with matplotlib.rc_context({"figure.facecolor": "black", "text.color": "white"}):
            figure = plotting.heatmaps(make_explanation())
        assert figure.get_facecolor() == to_rgba("white")
        assert figure.subfigs[0].texts[0].get_color() == "black"

    def test_shows_itself_in_notebooks(self):
        figure = style.figure(1, 1)
        assert figure._repr_png_().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("value", "digits", "sign", "text"),
        [
            (11.3456, 3, False, "11.3"),
            (14.04, 3, False, "14.0"),
            (-0.4, 2, True, "\N{MINUS SIGN}0.40"),
            (0.0, 2, True, "0"),
            (2.0, 2, True, "+2"),
            (39, 3, False, "39"),
            (52000.4, 3, False, "52000"),
            (999.7, 3, False, "1000"),
            (1.5e-7, 2, False, "1.5e\N{MINUS SIGN}07"),
        ],
    )
    def test_number(self, value, digits, sign, text):
        assert style.number(value, digits, sign=sign) == text

    def test_wrap_and_shorten_keep_to_the_width(self):
        text = "predicted automobile, explained automobile, logit 11.3"
        wrapped = style.wrap(text, 1.6, at=", ")
        assert wrapped == text.replace(", ", ",\n")
        assert style.text_width(wrapped) <= 1.6
        short = style.shorten(text, 1.0)
        assert short.endswith("…")
        assert style.text_width(short) <= 1.0
        assert style.shorten("cat", 1.0) == "cat"


class TestHeatmaps:
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_input_beside_its_map(self, shape, data_format):
        explanation = make_explanation(shape)
        figure = drawn(
            plotting.heatmaps(explanation, bounds=(-1, 1), data_format=data_format, columns=2)
        )
        assert len(figure.subfigs) == 4
        inputs = images.as_images(explanation.x, (-1, 1), data_format=data_format)
        maps = images.as_maps(explanation.relevance, data_format=data_format)
        for cell, image, values in zip(figure.subfigs, inputs, maps, strict=False):
            left, right = cell.axes
            np.testing.assert_array_equal(pixels(left), image)
            np.testing.assert_array_equal(pixels(right), values)
            assert left.images[0].get_clim() == (0, 1)
            limit = np.abs(values).max()
            assert right.images[0].get_clim() == (-limit, limit)
            assert right.images[0].get_cmap().name == style.SIGNED
            assert {ax.images[0].get_interpolation() for ax in (left, right)} == {"none"}
            assert not left.get_xticks().size
            assert not right.get_yticks().size

    def test_titles_name_prediction_target_and_its_logit(self):
        titles = [c.get_suptitle() for c in plotting.heatmaps(make_explanation()).subfigs]
        assert titles == [
            "predicted 3, explained 0, logit \N{MINUS SIGN}0.500",
            "predicted 3, explained 1, logit 11.3",
            "predicted 3, explained 2, logit 2",
        ]

    def test_classes_and_indices(self):
        figure = plotting.heatmaps(make_explanation(), indices=[1], columns=1, classes=CLASSES)
        (cell,) = figure.subfigs
        assert cell.get_suptitle() == "predicted cat, explained automobile, logit 11.3"

    def test_mask_selects(self):
        explanation = make_explanation()
        figure = plotting.heatmaps(explanation, indices=explanation.target == 2)
        np.testing.assert_array_equal(
            pixels(figure.subfigs[0].axes[1]), images.as_maps(explanation.relevance)[2]
        )

    def test_draws_the_first_twelve(self):
        assert len(plotting.heatmaps(make_explanation(samples=20)).subfigs) == 12

    def test_inputs_span_their_own_values_without_bounds(self):
        explanation = make_explanation(x=np.arange(90.0).reshape(3, 6, 5, 1))
        figure = plotting.heatmaps(explanation)
        np.testing.assert_allclose(
            pixels(figure.subfigs[1].axes[0]), explanation.x[1, ..., 0] / 89, atol=1e-12
        )

    def test_bounds_per_sample_follow_the_indices(self):
        explanation = make_explanation()
        low, high = np.full((3, 1, 1, 1), -1.0), np.array([1, 2, 3]).reshape(3, 1, 1, 1)
        figure = plotting.heatmaps(explanation, indices=[2], bounds=(low, high))
        np.testing.assert_allclose(
            pixels(figure.subfigs[0].axes[0]), (explanation.x[2, ..., 0] + 1) / 4, atol=1e-6
        )

    def test_states_the_colour_scale(self):
        figure = plotting.heatmaps(make_explanation())
        assert figure.get_supxlabel() == "Each map has its own colour scale, symmetric about zero."

    def test_a_map_of_zeros_is_drawn_in_the_middle(self):
        figure = drawn(plotting.heatmaps(make_explanation(relevance=np.zeros((3, 6, 5, 1)))))
        assert figure.subfigs[0].axes[1].images[0].get_clim() == (-1, 1)

    def test_maps_align_whatever_their_numbers(self):
        relevance = make_explanation().relevance * np.array([1, 1e-6, 1e4])[:, None, None, None]
        figure = drawn(plotting.heatmaps(make_explanation(relevance=relevance)))
        sizes = [cell.axes[1].get_window_extent().size for cell in figure.subfigs]
        np.testing.assert_allclose(sizes, [sizes[0]] * 3, rtol=0.02)


class TestBars:
    def test_greatest_on_top_symmetric_and_coloured_by_sign(self):
        explanation = make_explanation(
            (4,),
            x=np.array([[39.0, 0.25, -1.5, 0.0]]),
            relevance=np.array([[0.1, -2.0, 0.0, 1.0]]),
            samples=1,
        )
        figure = drawn(plotting.heatmaps(explanation, names=["age", "b", "c", "d"]))
        (ax,) = figure.subfigs[0].axes
        assert [text.get_text() for text in ax.get_yticklabels()] == [
            "b = 0.250",
            "d = 0",
            "age = 39",
            "c = \N{MINUS SIGN}1.50",
        ]
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [-2, 1, 0.1, 0])
        colors = [bar.get_facecolor() for bar in ax.patches[:2]]
        assert colors == [to_rgba(style.NEGATIVE), to_rgba(style.POSITIVE)]
        low, high = ax.get_xlim()
        assert low == -high
        assert ax.yaxis_inverted()
        assert ax.get_xlabel() == "relevance"

    def test_says_how_many_are_left_out(self):
        ax = plotting.heatmap(make_explanation((80,), config={"class_name": "JacobianSaliency"}))
        assert len(ax.patches) == 15
        assert ax.get_xlabel() == "jacobian saliency\n15 greatest of 80"

    def test_names_must_fit(self):
        with pytest.raises(ValueError, match=r"Received: 2 names for 4 features"):
            plotting.heatmaps(make_explanation((4,)), names=["a", "b"])


class TestHeatmap:
    def test_draws_on_the_given_axes(self):
        figure = Figure(layout="constrained")
        axes = figure.subplots(1, 2)
        explanation = make_explanation()
        ax = plotting.heatmap(explanation, 1, ax=axes[1])
        drawn(figure)
        assert ax is axes[1]
        assert not axes[0].images
        np.testing.assert_array_equal(pixels(ax), images.as_maps(explanation.relevance)[1])
        assert ax.get_title().replace("\n", " ") == "predicted 3, explained 1, logit 11.3"

    def test_makes_its_own_figure(self):
        ax = plotting.heatmap(make_explanation())
        drawn(ax.get_figure())
        assert isinstance(ax.get_figure(), style.ThemedFigure)

    def test_colour_bar_is_labelled(self):
        ax = plotting.heatmap(make_explanation(config={"class_name": "Sensitivity"}))
        (bar,) = ax.child_axes
        limit = ax.images[0].get_clim()[1]
        assert bar.get_ylabel() == "sensitivity"
        assert [t.get_text() for t in bar.get_yticklabels()] == panels.numbers_of(limit)
        np.testing.assert_allclose(bar.get_yticks(), [-limit, 0, limit])

    def test_index_must_exist(self):
        with pytest.raises(ValueError, match=r"index 3, but the result holds 3.*from 0 to 2"):
            plotting.heatmap(make_explanation(), 3)


class TestExamples:
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_rows_are_original_adversarial_change(self, shape, data_format):
        result = make_result(shape)
        figure = drawn(plotting.examples(result, data_format=data_format))
        originals = images.as_images(result.x, (-1, 1), data_format=data_format)
        attacked = images.as_images(result.adversarial, (-1, 1), data_format=data_format)
        changes = images.as_changes(result.x, result.adversarial, data_format=data_format)
        for index, (top, middle, bottom) in enumerate(columns_of(figure, 5)):
            np.testing.assert_array_equal(pixels(top), originals[index])
            np.testing.assert_array_equal(pixels(middle), attacked[index])
            np.testing.assert_array_equal(pixels(bottom), changes[index])
            assert bottom.images[0].get_clim() == (-2, 2)
            assert bottom.images[0].get_cmap().name == style.SIGNED
        labels = [ax.get_ylabel() for ax in columns_of(figure, 5)[0]]
        assert labels == ["original", "adversarial", "change"]

    def test_captions(self):
        figure = plotting.examples(make_result())
        columns = columns_of(figure, 5)
        titles = [column[0].get_title() for column in columns]
        assert titles == ["0 → 1", "1 → 2", "2 → 3", "3 → 0", "0 → 1"]
        counts = [column[2].get_xlabel() for column in columns]
        assert counts == [f"{n} changed" for n in (1, 2, 3, 4, 5)]

    def test_long_names_take_two_lines(self):
        figure = drawn(plotting.examples(make_result(samples=2), classes=CLASSES))
        titles = [column[0].get_title() for column in columns_of(figure, 2)]
        assert titles == ["airplane\n→ automobile", "automobile\n→ bird"]

    def test_failures_are_framed_and_named(self):
        success = np.array([True, False, True, True, True])
        stop = np.array(["success", "max_steps", "success", "success", "success"])
        figure = drawn(plotting.examples(make_result(success=success, stop_reason=stop)))
        for ok, (_, middle, bottom) in zip(success, columns_of(figure, 5), strict=True):
            assert (frame_color(middle) == to_rgba(style.FAILED)) == (not ok)
            assert ("failed" in bottom.get_xlabel()) == (not ok)
        assert columns_of(figure, 5)[1][2].get_xlabel() == "2 changed\nfailed"

    def test_skips_samples_that_were_not_attacked(self):
        stop = np.array(["misclassified", "success", "already_target", "success", "success"])
        result = make_result(stop_reason=stop, success=stop == "success")
        figure = plotting.examples(result, count=2)
        titles = [column[0].get_title() for column in columns_of(figure, 2)]
        assert titles == ["1 → 2", "3 → 0"]

    def test_indices_draw_any_sample_in_their_order(self):
        stop = np.array(["misclassified", "success", "success", "success", "success"])
        result = make_result(stop_reason=stop, success=stop == "success")
        columns = columns_of(drawn(plotting.examples(result, indices=[3, 0])), 2)
        assert [column[0].get_title() for column in columns] == ["3 → 0", "0 → 1"]
        assert columns[1][2].get_xlabel() == "1 changed\nnot attacked"
        assert frame_color(columns[1][1]) == to_rgba(style.NEUTRAL)

    def test_further_samples_follow_below(self):
        figure = drawn(plotting.examples(make_result(), columns=2))
        axes = [ax for ax in figure.axes if ax.images]
        titles = [ax.get_title() for ax in axes if ax.get_title()]
        assert titles == ["0 → 1", "1 → 2", "2 → 3", "3 → 0", "0 → 1"]
        tops = [ax.get_position().y0 for ax in axes if ax.get_title()]
        assert tops[0] == pytest.approx(tops[1])
        assert tops[1] > tops[2] > tops[4]

    def test_change_is_measured_by_the_width_of_the_bounds(self):
        result = make_result(config=made_by("Attack", bounds=(np.full((6, 5, 1), -1.0), 3.0)))
        assert columns_of(plotting.examples(result), 5)[0][2].images[0].get_clim() == (-4, 4)

    @pytest.mark.parametrize(("limit", "extend"), [(0.25, "both"), (2.0, "neither")])
    def test_limit_says_when_changes_go_beyond(self, limit, extend):
        figure = drawn(plotting.examples(make_result(), limit=limit))
        bottom = columns_of(figure, 5)[4][2]
        assert bottom.images[0].get_clim() == (-limit, limit)
        assert bottom.images[0].colorbar.extend == extend
        assert bottom.images[0].colorbar.ax.get_ylabel() == "change of x"

    def test_default_gallery_of_ten_is_one_row_as_wide_as_the_page(self):
        figure = drawn(plotting.examples(make_result((28, 28, 1), samples=12)))
        assert len([ax for ax in figure.axes if ax.images]) == 30
        assert len({round(ax.get_position().y0, 4) for ax in figure.axes}) == 3
        assert figure.get_figwidth() == pytest.approx(style.WIDTH)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"indices": [0, 5]}, r"index 5, but the result holds 5 samples. Pass .* 0 to 4"),
            ({"indices": [-1]}, r"index -1"),
            ({"indices": []}, r"at least one sample number.*Received: \[\] for 5 samples"),
            ({"indices": 2}, r"Received: 2 for 5"),
            ({"indices": [0.5]}, r"Received: \[0.5\]"),
            ({"count": 0}, r"count to be an integer, at least 1. Received: count=0"),
            ({"limit": 0}, r"limit to be a number above 0. Received: limit=0"),
            ({"classes": ["a", "b"]}, r"Received: 2 names, but a sample has class 2"),
        ],
    )
    def test_errors_say_what_to_do(self, options, match):
        with pytest.raises(ValueError, match=match):
            plotting.examples(make_result(), **options)

    def test_columns_are_counted(self):
        with pytest.raises(TypeError, match=r"columns to be an integer.* Received: columns=2.5"):
            plotting.examples(make_result(), columns=2.5)

    def test_none_attacked(self):
        result = make_result(stop_reason=np.full(5, "misclassified"), success=np.zeros(5, bool))
        with pytest.raises(ValueError, match=r"Received: 5 misclassified. Pass indices"):
            plotting.examples(result)

    def test_tabular_is_no_gallery(self):
        with pytest.raises(ValueError, match=r"\(5, 8\).*dataclasses.replace"):
            plotting.examples(make_result((8,)))


class TestTargets:
    @pytest.fixture
    def result(self):
        """Sources 1 and 3, each to 0, 1 and 3; (3, 1) failed and (1, 0) comes twice."""
        label = np.array([1, 1, 1, 1, 3, 3, 3])
        target = np.array([0, 0, 1, 3, 0, 1, 3])
        stop = np.where(label == target, "already_target", "success")
        stop[5] = "max_steps"
        success = stop == "success"
        return make_result(
            samples=7, clean_prediction=label, target=target, stop_reason=stop, success=success
        )

    def test_rows_are_sources_and_columns_targets(self, result):
        figure = drawn(plotting.targets(result))
        assert (figure.get_suptitle(), figure.get_supylabel()) == ("target class", "source class")
        grid = np.array(figure.axes).reshape(2, 3)
        assert [ax.get_title() for ax in grid[0]] == ["0", "1", "3"]
        assert [ax.get_ylabel() for ax in grid[:, 0]] == ["1", "3"]
        before = images.as_images(result.x, (-1, 1))
        after = images.as_images(result.adversarial, (-1, 1))
        expected = [[after[0], before[0], after[3]], [after[4], after[5], before[4]]]
        for row, images_of_row in zip(grid, expected, strict=True):
            for ax, image in zip(row, images_of_row, strict=True):
                np.testing.assert_array_equal(pixels(ax), image)

    def test_frames_and_their_legend(self, result):
        figure = plotting.targets(result)
        grid = np.array(figure.axes).reshape(2, 3)
        failed = np.array([[frame_color(ax) == to_rgba(style.FAILED) for ax in r] for r in grid])
        np.testing.assert_array_equal(failed, [[False, False, False], [False, True, False]])
        widths = np.array([[ax.spines["top"].get_linewidth() for ax in row] for row in grid])
        np.testing.assert_array_equal(widths > 1, [[False, True, False], [False, True, True]])
        assert [text.get_text() for text in figure.legends[0].texts] == ["original", "failed"]

    def test_legend_names_only_what_is_there(self, result):
        result = dataclasses.replace(result, success=result.stop_reason != "already_target")
        texts = plotting.targets(result).legends[0].texts
        assert [text.get_text() for text in texts] == ["original"]

    def test_missing_cells_stay_empty(self, result):
        kept = np.array([0, 1, 2, 3, 6])
        some = {
            field.name: value[kept]
            for field in dataclasses.fields(result)
            if isinstance(value := getattr(result, field.name), np.ndarray)
        }
        grid = np.array(drawn(plotting.targets(dataclasses.replace(result, **some))).axes)
        filled = np.array([bool(ax.images) for ax in grid]).reshape(2, 3)
        np.testing.assert_array_equal(filled, [[True, True, True], [False, False, True]])

    def test_misclassified_samples_are_not_drawn_as_attacks(self, result):
        stop = result.stop_reason.astype("U16")
        stop[3] = "misclassified"
        grid = plotting.targets(dataclasses.replace(result, stop_reason=stop)).axes
        assert not grid[2].images

    def test_source_shows_its_original_without_being_a_target(self):
        result = make_result(samples=2, clean_prediction=np.array([2, 2]), target=np.array([0, 1]))
        axes = drawn(plotting.targets(result)).axes
        assert [ax.get_title() for ax in axes] == ["0", "1", "2"]
        np.testing.assert_array_equal(pixels(axes[2]), images.as_images(result.x, (-1, 1))[0])

    def test_classes(self, result):
        figure = drawn(plotting.targets(result, classes=CLASSES))
        assert [ax.get_title() for ax in figure.axes[:3]] == ["airplane", "automobile", "cat"]

    def test_untargeted(self):
        with pytest.raises(ValueError, match=r"untargeted.*Draw it with plotting.examples"):
            plotting.targets(make_result())


@pytest.mark.parametrize(
    ("function", "record", "match"),
    [
        (plotting.examples, make_explanation(), r"AttackResult.*Explanation.*plotting.heatmaps"),
        (plotting.targets, make_explanation(), r"AttackResult.*Explanation.*plotting.heatmaps"),
        (plotting.heatmaps, make_result(), r"Explanation.*AttackResult.*plotting.examples"),
        (plotting.heatmap, np.zeros(3), r"Received: ndarray.*Explanation.load\(path\)"),
        (plotting.text, make_result(), r"Explanation.*AttackResult.*plotting.examples"),
        (plotting.text_html, 3, r"Received: int.*Explanation.load\(path\)"),
        (plotting.surface, make_result(), r"Explanation.*AttackResult.*plotting.examples"),
        (plotting.trajectory, make_explanation(), r"AttackResult.*plotting.heatmaps"),
        (plotting.trajectories, make_hardness(), r"AttackResult.*plotting.hardness"),
        (plotting.animation, make_hardness(), r"AttackResult.*plotting.hardness"),
        (plotting.hardness, make_result(), r"a HardnessResult.*AttackResult.*plotting.examples"),
        (plotting.hardness, 3, r"Received: int. Pass what hardness returned, or HardnessResult"),
        (plotting.distances, 3, r"Received: int. .*an Attack returned, as in distances\(\{"),
        (plotting.robust_accuracy, {"a": 3}, r"mapping from labels to AttackResult. Received: int"),
        (plotting.success, [make_hardness()], r"Received: list. .*as in success\(\{"),
        (plotting.changes, make_explanation(), r"AttackResult.*plotting.heatmaps"),
        (plotting.changes, make_randomisation(), r"AttackResult.*plotting.randomisation"),
        (plotting.attacks, make_attack(), r"mapping from labels to AttackResult.*attacks\(\{"),
        (plotting.indicators, make_explanation(), r"mapping from labels to Exp.*indicators\(\{"),
        (plotting.randomisation, 3, r"Received: int. .*parameter_randomisation returned, as in"),
    ],
)
def test_wrong_records_are_sent_to_their_function(function, record, match):
    with pytest.raises(TypeError, match=match):
        function(record)


@pytest.mark.parametrize(
    ("function", "record"),
    [
        (plotting.examples, make_result(samples=0)),
        (plotting.targets, make_result(samples=0, target=np.zeros(0, "int64"))),
        (plotting.heatmaps, make_explanation(samples=0)),
        (plotting.heatmap, make_explanation(samples=0)),
        (plotting.surface, make_explanation(samples=0)),
        (plotting.text, make_explanation(samples=0)),
        (plotting.text_html, make_explanation(samples=0)),
        (plotting.trajectory, make_attack(samples=0)),
        (plotting.trajectories, make_attack(samples=0)),
        (plotting.animation, make_attack(samples=0)),
        (plotting.distances, make_attack(samples=0)),
        (plotting.robust_accuracy, make_attack(samples=0)),
        (plotting.hardness, make_hardness(0)),
        (plotting.success, make_hardness(0)),
        (plotting.changes, make_attack(samples=0)),
        (plotting.randomisation, make_randomisation(samples=0)),
    ],
)
def test_empty_records(function, record):
    with pytest.raises(ValueError, match=r"nothing to draw. Received: an? \w+ of 0 samples"):
        function(record)


LAYERS = [f"layer_{number}" for number in range(99)]
LONG = ["a very long name of a class"] * 4
# At least one drawing of every public plot, those that are hard to fit; each returns a Figure.
CASES = {
    "animation": [
        lambda: _film.Film(make_attack(), 1, LONG).figure,
        lambda: _film.Film(make_attack((2, 9, 1)), 0).figure,
        lambda: _film.Film(make_attack((9, 2, 1), trajectory=None), 0).figure,
    ],
    "attacks": [
        lambda: plotting.attacks({"L0": make_attack((2, 40, 1))}, count=1),
        lambda: plotting.attacks({"a very long label " * 3: make_attack()}, classes=LONG),
        lambda: plotting.attacks(dict.fromkeys("abc", make_attack((40, 4, 3), samples=9))),
    ],
    "changes": [
        lambda: plotting.changes(make_attack((2, 40, 1)), classes=LONG),
        lambda: plotting.changes(make_attack((40, 4, 1)), classes=LONG),
        lambda: plotting.changes(make_attack((30,), samples=20), indices=[0, 19]),
        lambda: plotting.changes(make_attack((8,)), names=["a very long name " * 9] * 8),
    ],
    "distances": [
        lambda: plotting.distances({"a very long label of a curve " * 3: make_attack()}).figure,
        lambda: plotting.distances(dict.fromkeys("abcdefg", make_attack()), measure="l2").figure,
    ],
    "examples": [
        lambda: plotting.examples(make_result((2, 40, 1))),
        lambda: plotting.examples(make_result((40, 4, 1)), count=1),
        lambda: plotting.examples(make_result(), classes=LONG),
    ],
    "faithfulness": [lambda: plotting.faithfulness({"relevance": make_flipping()}).figure],
    "hardness": [
        lambda: plotting.hardness(make_hardness()),
        lambda: plotting.hardness(make_hardness(distance=None)),
        lambda: plotting.hardness(make_hardness(30)),
        lambda: plotting.hardness(make_hardness(classes=np.array(LONG)), budget=0.1),
    ],
    "heatmap": [
        lambda: plotting.heatmap(make_explanation()).figure,
        lambda: plotting.heatmap(make_explanation((6, 5, 3)), overlay=True).figure,
    ],
    "heatmaps": [
        lambda: plotting.heatmaps(make_explanation(), columns=9),
        lambda: plotting.heatmaps(make_explanation((40, 4, 1)), columns=1),
        lambda: plotting.heatmaps(make_explanation((3,)), names=["a very long name " * 9] * 3),
    ],
    "indicators": [
        lambda: plotting.indicators(
            dict.fromkeys(["a_very_long_name_of_an_indicator", "b"], make_explanation()),
            classes=LONG,
        ),
        lambda: plotting.indicators(dict.fromkeys("abcdefghijkl", make_explanation((2, 40)))),
        lambda: plotting.indicators({"a": make_explanation((40, 4, 1))}, overlay=True),
        lambda: plotting.indicators(
            dict.fromkeys("abcdefgh", make_explanation((30,))), names=LONG * 7 + LONG[:2]
        ),
    ],
    "matrix": [
        lambda: plotting.matrix(np.eye(4), classes=LONG, label="a very long label " * 9).figure,
        lambda: plotting.matrix(1e5 * np.eye(10) - 5e4, kind="signed", label="change").figure,
        lambda: plotting.matrix(np.eye(100), label="success rate").figure,
        lambda: plotting.matrix(np.eye(100), classes=LONG * 25).figure,
        lambda: plotting.matrix([[2.0]], limits=(-1, 1)).figure,
    ],
    "randomisation": [
        lambda: plotting.randomisation({"a very long label " * 9: make_randomisation()}).figure,
        lambda: (
            plotting.randomisation(
                make_randomisation([f"layer_{n}" for n in "0123456789" * 9])
            ).figure
        ),
        lambda: plotting.randomisation(make_randomisation(("original", *LONG))).figure,
    ],
    "robust_accuracy": [
        lambda: plotting.robust_accuracy({"a very long label " * 9: make_attack()}).figure,
        lambda: plotting.robust_accuracy(dict.fromkeys("abcdefg", make_attack())).figure,
    ],
    "robustness": [
        lambda: plotting.robustness(make_ensemble()).figure,
        lambda: plotting.robustness({"a very long label " * 9: make_ensemble()}).figure,
        lambda: plotting.robustness(dict.fromkeys("abcdefg", make_ensemble())).figure,
    ],
    "success": [
        lambda: plotting.success({"a very long label of a curve " * 3: make_hardness()}).figure,
        lambda: plotting.success(dict.fromkeys("abcdefg", make_hardness())).figure,
    ],
    "surface": [
        lambda: plotting.surface(make_explanation(), classes=LONG).figure,
        lambda: plotting.surface(make_explanation((70, 140, 3))).figure,
        lambda: plotting.surface(make_explanation((30, 4))).figure,
    ],
    "targets": [
        lambda: plotting.targets(
            make_result(samples=4, target=np.array([1, 2, 3, 0])), classes=LONG
        ),
        lambda: plotting.targets(
            make_result(samples=15, clean_prediction=np.arange(15), target=np.zeros(15, "int64"))
        ),
    ],
    "text": [
        lambda: plotting.text(make_text("film"), classes=LONG).figure,
        lambda: plotting.text(make_text("[CLS] a film aston ##ish ##ing ##ly bad ! [SEP]")).figure,
        lambda: plotting.text(make_text("the end . " * 99 + "x" * 300), limit=9.0).figure,
        lambda: plotting.text(make_text("w" * 70 + " $5 and $6 \n a\nb", "Ġthe Ġen d"), 0).figure,
        lambda: plotting.text(make_text(tokens=None), classes=LONG).figure,
        lambda: in_small_panel(make_text("the end . " * 99)),
    ],
    "trajectories": [
        lambda: plotting.trajectories(make_attack()).figure,
        lambda: plotting.trajectories(make_attack(samples=4), score="margin").figure,
    ],
    "trajectory": [
        lambda: plotting.trajectory(make_attack(), classes=LONG),
        lambda: plotting.trajectory(make_attack((2, 40, 1)), 2),
        lambda: plotting.trajectory(make_attack((40, 2, 3)), 2, score="logit"),
        lambda: plotting.trajectory(make_attack((20,)), 2, names=LONG * 5),
    ],
}


def in_small_panel(explanation):
    """The second of two panels, the figure laid out by Matplotlib."""
    figure = style.figure(5, 2)
    plotting.text(explanation, ax=figure.subplots(1, 2)[1], skip=["the"])
    figure.axes[0].set_axis_off()
    return figure


def test_every_public_plot_has_a_case_and_a_place_in_the_reference():
    assert set(CASES) == set(plotting.__all__) - {"text_html"}  # which draws no figure
    page = ROOT / "docs" / "reference" / "plotting.md"
    for name in plotting.__all__:
        assert f"::: isi_keras.plotting.{name}\n" in page.read_text(), name


def written(figure, monkeypatch):
    """The texts that are drawn and the boxes that they take, in pixels."""
    seen = {}  # a figure is drawn more than once to be saved: the last time counts

    def draw(text, renderer):
        if text.get_visible() and text.get_text().strip():
            seen[text] = text.get_text(), text.get_window_extent(renderer)
        return original(text, renderer)

    original = Text.draw
    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", draw)
        figure.savefig(io.BytesIO(), format="png", dpi=figure.dpi)
    return list(seen.values())


@pytest.mark.parametrize(
    "draw",
    [draw for cases in CASES.values() for draw in cases],
    ids=[f"{name}-{number}" for name, cases in CASES.items() for number in range(len(cases))],
)
def test_no_text_is_clipped_or_lies_on_another(draw, monkeypatch):
    figure = draw()
    texts = written(figure, monkeypatch)
    box = figure.get_tightbbox().padded(-0.02)
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()
    for (one, first), (two, second) in itertools.combinations(texts, 2):
        assert not first.padded(-1.5).overlaps(second.padded(-1.5)), (one, two)


@pytest.mark.parametrize("name", CASES)
def test_no_figure_stays_open(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    settings = dict(matplotlib.rcParams)
    CASES[name][0]()
    assert pyplot.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings


def test_a_fresh_interpreter_draws_without_keras_and_without_pyplot():
    code = (
        "import sys, isi_keras.plotting\n"
        "names = 'keras', 'tensorflow', 'jax', 'torch', 'matplotlib.pyplot'\n"
        "loaded = [name for name in names if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
