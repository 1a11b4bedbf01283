"""What an attack changed; attacks and indicators side by side; maps of random networks."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from test_plotting import (
    CLASSES,
    SHAPES,
    drawn,
    frame_color,
    make_attack,
    make_explanation,
    make_randomisation,
    pixels,
)

from isi_keras import plotting
from isi_keras.evaluation import distances
from isi_keras.plotting import images, style


def rows_of(figure, columns):
    """The panels of a grid whose last Axes is the colour bar."""
    axes = [ax for ax in figure.axes if ax.get_xlabel() or ax.get_title() or ax.images]
    return [axes[start : start + columns] for start in range(0, len(axes), columns)]


class TestChanges:
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_the_original_and_the_change_make_the_adversarial(self, shape, data_format):
        result = make_attack(shape)
        figure = drawn(plotting.changes(result, indices=[4, 1], data_format=data_format))
        before = images.as_images(result.x, (-1, 1), data_format=data_format)
        after = images.as_images(result.adversarial, (-1, 1), data_format=data_format)
        change = images.as_changes(result.x, result.adversarial, data_format=data_format)
        limit = np.abs(change[[4, 1]]).max()
        for index, (left, middle, right) in zip((4, 1), rows_of(figure, 3), strict=False):
            np.testing.assert_array_equal(pixels(left), before[index])
            np.testing.assert_array_equal(pixels(middle), change[index])
            np.testing.assert_array_equal(pixels(right), after[index])
            assert middle.images[0].get_clim() == (-limit, limit)
            assert {ax.images[0].get_clim() for ax in (left, right)} == {(0, 1)}
        titles = [ax.get_title() for ax in rows_of(figure, 3)[0]]
        assert titles == ["original", "change", "adversarial"]

    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_an_outline_for_each_changed_pixel(self, shape, data_format):
        result = make_attack(shape)
        figure = drawn(plotting.changes(result, indices=[4], data_format=data_format))
        (outlines,) = figure.axes[1].collections
        change = images.as_changes(result.x, result.adversarial, data_format=data_format)[4]
        found = {(row, column) for column, row in outlines.get_offsets().astype(int)}
        assert found == {(int(row), int(column)) for row, column in np.argwhere(change)}
        assert len(outlines.get_offsets()) == np.count_nonzero(change)

    def test_many_changes_have_no_outlines(self):
        result = make_attack()
        result = dataclasses.replace(result, adversarial=np.clip(result.x + 0.1, -1, 1))
        assert not plotting.changes(result, indices=[0]).axes[1].collections

    def test_texts(self):
        result = make_attack((6, 5, 3))
        figure = plotting.changes(result, indices=[4], classes=CLASSES)
        far = distances(result.x[[4]], result.adversarial[[4]], data_format="channels_last")
        assert [ax.get_xlabel() for ax in figure.axes[:3]] == [
            "predicted airplane",
            f"5 inputs changed (2 pixels)\nL2 {style.number(far['l2'][0])}, "
            f"L\N{INFINITY} {style.number(far['linf'][0])}",
            "predicted automobile",
        ]

    def test_failures_are_framed_and_named(self):
        stop = np.array(["max_steps", "misclassified", "success", "success", "success"])
        result = make_attack(stop_reason=stop, success=stop == "success")
        rows = rows_of(drawn(plotting.changes(result, indices=[0, 1, 2])), 3)
        colors = [frame_color(row[2]) for row in rows[:3]]
        assert colors == [to_rgba(style.FAILED)] + [to_rgba(style.NEUTRAL)] * 2
        texts = [row[2].get_xlabel() for row in rows[:3]]
        assert texts == ["predicted 1: failed", "predicted 2: not attacked", "predicted 3"]

    def test_the_first_four_that_were_attacked(self):
        stop = np.array(["misclassified"] + ["success"] * 6)
        figure = plotting.changes(make_attack(samples=7, stop_reason=stop))
        assert len(rows_of(figure, 3)) == 4
        assert figure.axes[0].get_xlabel() == "predicted 1"

    @pytest.mark.parametrize(("limit", "extend"), [(0.01, "both"), (2, "neither"), (None, None)])
    def test_one_colour_bar(self, limit, extend):
        figure = drawn(plotting.changes(make_attack(), limit=limit))
        bar = figure.axes[1].images[0].colorbar
        assert bar.extend == (extend or "neither")
        assert bar.ax.get_ylabel() == "change of x"
        if limit:
            assert figure.axes[1].images[0].get_clim() == (-limit, limit)

    def test_tabular_features_are_bars_in_the_order_of_their_steps(self):
        result = make_attack((8,))
        result.order[3, :4] = [3, 1, 4, 2]
        result.adversarial[3, 1] = -1
        names = [f"f{number}" for number in range(8)]
        left, middle, right = drawn(plotting.changes(result, indices=[3], names=names)).axes
        assert [label.get_text() for label in left.get_yticklabels()] == ["f1", "f3", "f0", "f2"]
        order = [1, 3, 0, 2]
        for ax, values in zip(
            (left, middle, right),
            (result.x, result.adversarial - result.x, result.adversarial),
            strict=True,
        ):
            widths = [bar.get_width() for bar in ax.patches]
            np.testing.assert_allclose(widths, values[3, order], rtol=1e-6)
            assert ax.get_ylim()[0] > ax.get_ylim()[1]
        assert left.get_xlim() == right.get_xlim()
        low, high = middle.get_xlim()
        assert low == -high
        assert middle.patches[0].get_facecolor() == to_rgba(style.NEGATIVE)
        assert middle.patches[1].get_facecolor() == to_rgba(style.POSITIVE)

    def test_says_how_many_features_are_left_out(self):
        figure = drawn(plotting.changes(make_attack((30,), samples=20), indices=[19]))
        assert len(figure.axes[0].patches) == 15
        assert [text.get_text() for text in figure.axes[1].texts] == ["the first 15 of 20"]

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"limit": 0}, r"limit must be greater than 0.*Received: limit=0"),
            ({"indices": [5]}, r"index 5, but the result holds 5"),
            ({"names": ["a"]}, r"1 names for no tabular features"),
        ],
    )
    def test_errors_say_what_to_do(self, options, match):
        with pytest.raises(ValueError, match=match):
            plotting.changes(make_attack(), **options)


class TestAttacks:
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_a_row_of_originals_and_one_for_each_attack(self, shape, data_format):
        one = make_attack(shape)
        two = dataclasses.replace(one, adversarial=np.clip(one.x + 0.25, -1, 1))
        results = {"first": one, "second": two}
        figure = drawn(plotting.attacks(results, data_format=data_format))
        grid = np.array(figure.axes).reshape(3, 5)
        for row, values in zip(grid, (one.x, one.adversarial, two.adversarial), strict=True):
            expected = images.as_images(values, (-1, 1), data_format=data_format)
            for ax, image in zip(row, expected, strict=True):
                np.testing.assert_array_equal(pixels(ax), image)
        assert [ax.get_ylabel() for ax in grid[:, 0]] == ["original", "first", "second"]
        assert [ax.get_title() for ax in grid[0]] == ["0", "1", "2", "3", "0"]

    def test_each_row_is_measured_in_its_norm(self):
        one = make_attack()
        norms = {
            name: dataclasses.replace(
                one,
                config={"config": {"bounds": (-1, 1), "norm": {"class_name": name, "config": {}}}},
            )
            for name in ("L0", "L2", "Linf", "Salient")
        }
        figure = plotting.attacks(norms, indices=[2])
        far = distances(one.x[[2]], one.adversarial[[2]], data_format="channels_last")
        said = [ax.get_xlabel() for ax in figure.axes[1:]]
        l2, linf = (style.number(far[name][0], 2) for name in ("l2", "linf"))
        first, last = "3 changed\n→ 3", "3 changed\n→ 3"
        assert said == [first, f"L2 {l2}\n→ 3", f"L\N{INFINITY} {linf}\n→ 3", last]
        figure = plotting.attacks(norms, indices=[2], measure="l0_position", classes=CLASSES)
        assert {ax.get_xlabel() for ax in figure.axes[1:]} == {"3 pixels\n→ cat"}

    def test_failures_and_samples_that_were_not_attacked(self):
        stop = np.array(["max_steps", "misclassified", "success", "success", "success"])
        result = make_attack(stop_reason=stop, success=stop == "success")
        grid = np.array(drawn(plotting.attacks({"a": result}, indices=[0, 1, 2])).axes)
        grid = grid.reshape(2, 3)
        said = [ax.get_xlabel() for ax in grid[1]]
        assert said == ["1 changed\nfailed", "not attacked", "3 changed\n→ 3"]
        colors = [frame_color(ax) for ax in grid[1]]
        assert colors == [to_rgba(style.FAILED)] + [to_rgba(style.NEUTRAL)] * 2

    def test_draws_what_all_attacked(self):
        one = make_attack()
        two = dataclasses.replace(
            one, stop_reason=np.array(["already_target"] * 2 + ["success"] * 3)
        )
        figure = plotting.attacks({"one": one, "two": two}, count=2)
        assert [ax.get_title() for ax in figure.axes[:2]] == ["2", "3"]

    def test_errors_say_what_to_do(self):
        one = make_attack()
        with pytest.raises(ValueError, match=r"'b' of another x than 'a'"):
            plotting.attacks({"a": one, "b": make_attack(samples=4)})
        idle = dataclasses.replace(one, stop_reason=np.full(5, "misclassified"))
        with pytest.raises(ValueError, match=r"attacked by all of the attacks. Pass indices"):
            plotting.attacks({"a": one, "b": idle})
        with pytest.raises(ValueError, match=r"Received: measure='l1'"):
            plotting.attacks({"a": one}, measure="l1")


class TestIndicators:
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    @pytest.mark.parametrize("over", [False, True])
    def test_rows_are_samples_and_columns_indicators(self, shape, data_format, over):
        one = make_explanation(shape)
        two = dataclasses.replace(one, relevance=-3 * one.relevance[::-1])
        figure = drawn(
            plotting.indicators(
                {"one": one, "two": two},
                bounds=(-1, 1),
                indices=[2, 0],
                over=over,
                data_format=data_format,
            )
        )
        inputs = images.as_images(one.x, (-1, 1), data_format=data_format)
        maps = [images.as_maps(e.relevance, data_format=data_format) for e in (one, two)]
        grid = np.array(figure.axes[:6]).reshape(2, 3)
        for index, row in zip((2, 0), grid, strict=True):
            np.testing.assert_array_equal(pixels(row[0]), inputs[index])
            for ax, values in zip(row[1:], maps, strict=True):
                limit = np.abs(values[index]).max()
                map_of = ax.images[-1]
                np.testing.assert_array_equal(map_of.get_array(), values[index])
                assert map_of.get_clim() == (-limit, limit)
                assert ax.get_xlabel() == f"±{style.number(limit, 2)}"
                assert len(ax.images) == 1 + over
        assert [ax.get_title() for ax in grid[0]] == ["input", "one", "two"]
        assert grid[1, 0].get_ylabel() == "predicted 3\nexplained 0\nlogit \N{MINUS SIGN}0.500"
        bar = grid[0, 2].images[-1].colorbar
        assert bar.ax.get_ylabel() == "relevance"
        assert [t.get_text() for t in bar.ax.get_yticklabels()] == ["\N{MINUS SIGN}", "0", "+"]

    def test_different_quantities_are_called_maps(self):
        one = make_explanation()
        two = dataclasses.replace(one, config={"class_name": "Sensitivity"})
        figure = plotting.indicators({"one": one, "two": two})
        assert figure.axes[2].images[0].colorbar.ax.get_ylabel() == "map"

    def test_tabular_features_have_the_same_places_in_all_columns(self):
        x = np.array([[39.0, 0.25, -1.5]])
        relevance = np.array([[0.1, -2.0, 0.5]])
        one = make_explanation((3,), x=x, relevance=relevance, samples=1)
        two = dataclasses.replace(one, relevance=np.array([[4.0, 0.0, 1.0]]))
        figure = drawn(plotting.indicators({"one": one, "two": two}, names=["age", "b", "c"]))
        left, right = figure.subfigs[0].axes
        labels = [label.get_text() for label in left.get_yticklabels()]
        assert labels == ["age = 39", "b = 0.250", "c = \N{MINUS SIGN}1.50"]
        np.testing.assert_allclose([bar.get_width() for bar in left.patches], [0.1, -2, 0.5])
        np.testing.assert_allclose([bar.get_width() for bar in right.patches], [4, 0, 1])
        assert [ax.get_title() for ax in (left, right)] == ["one", "two"]
        for ax in (left, right):
            low, high = ax.get_xlim()
            assert low == -high

    @pytest.mark.parametrize(
        ("fields", "options", "match"),
        [
            ({"target": np.zeros(3, int)}, {}, r"'b' with another x or target than 'a'"),
            ({"x": np.zeros((3, 6, 5, 1))}, {}, r"'b' with another x"),
            ({}, {"names": ["a"]}, r"1 names for no tabular features"),
        ],
    )
    def test_errors_say_what_to_do(self, fields, options, match):
        one = make_explanation()
        two = dataclasses.replace(one, **fields)
        with pytest.raises(ValueError, match=match):
            plotting.indicators({"a": one, "b": two}, **options)


class TestOverTheInput:
    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_the_map_lies_over_the_pale_input(self, shape, data_format):
        explanation = make_explanation(shape)
        ax = plotting.heatmap(explanation, 1, over=True, data_format=data_format)
        drawn(ax.figure)
        x = explanation.x[[1]]
        (image,) = images.as_images(x, (x.min(), x.max()), data_format=data_format)
        values = images.as_maps(explanation.relevance, data_format=data_format)[1]
        below, over = ax.images
        np.testing.assert_allclose(below.get_array(), images.faded(image))
        np.testing.assert_array_equal(over.get_array(), values)
        limit = np.abs(values).max()
        assert over.get_clim() == (-limit, limit)
        np.testing.assert_allclose(over.get_alpha(), np.sqrt(np.abs(values) / limit))
        assert ax.child_axes[0].get_ylabel() == "relevance"

    def test_a_table_has_no_image(self):
        with pytest.raises(ValueError, match=r"have no image.*over=True. Leave over out"):
            plotting.heatmap(make_explanation((4,)), over=True)
        with pytest.raises(ValueError, match=r"have no image.*over=True"):
            plotting.indicators({"a": make_explanation((4,))}, over=True)


class TestRandomisation:
    def test_means_errors_and_layers(self):
        result = make_randomisation(samples=4)
        ax = plotting.randomisation({"relevance": result})
        (container,) = ax.containers
        line, _, (bars,) = container.lines
        mean = result.similarity.mean(0)
        error = result.similarity.std(0, ddof=1) / 2
        np.testing.assert_allclose(line.get_ydata(), mean)
        ends = np.array(bars.get_segments())[:, :, 1]
        np.testing.assert_allclose(ends, np.stack([mean - error, mean + error], 1))
        assert [t.get_text() for t in ax.get_xticklabels()] == ["original", "dense", "conv2d"]
        assert ax.get_legend().texts[0].get_text() == f"relevance: {style.number(mean[-1])}"
        assert ax.get_ylabel() == ("rank correlation of the magnitudes,\nmean of 4 samples ± SE")
        drawn(ax.figure)

    def test_what_is_not_defined_is_left_out(self):
        similarity = np.array([[1, 0.5, np.nan], [1, np.nan, np.nan], [1, 0.7, 0.1]])
        result = make_randomisation(similarity=similarity)
        line = plotting.randomisation(result).containers[0].lines[0]
        np.testing.assert_allclose(line.get_ydata(), [1, 0.6, 0.1])

    def test_without_cascade_points_are_not_joined(self):
        config = {"cascade": False, "similarity": "ssim"}
        result = make_randomisation(config={"config": config})
        ax = plotting.randomisation({"a": result, "b": result})
        assert {c.lines[0].get_linestyle() for c in ax.containers} == {"None"}
        apart = [c.lines[0].get_xdata()[0] for c in ax.containers]
        assert apart[0] < 0 < apart[1]
        mean = result.similarity[:, 1:].mean()
        assert ax.get_legend().texts[1].get_text() == f"b: {style.number(mean)}"
        assert ax.get_xlabel() == "layer made random"

    @pytest.mark.parametrize(
        "fields",
        [
            {"config": {"config": {"cascade": False, "similarity": "spearman"}}},
            {"config": {"config": {"cascade": True, "similarity": "ssim"}}},
            {"layers": np.array(["original", "dense", "other"])},
        ],
    )
    def test_curves_of_one_panel_fit_together(self, fields):
        results = {"a": make_randomisation(), "b": make_randomisation(**fields)}
        with pytest.raises(ValueError, match=r"'b' with others than 'a'"):
            plotting.randomisation(results)
