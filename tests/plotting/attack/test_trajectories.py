"""How attacks went: curves, the order of the changes, and animations."""

import dataclasses
import io
import os

import numpy as np
import pytest
from makers.figures import drawn, pixels
from makers.networks import images as random_images
from makers.networks import small_network
from makers.results import CLASSES, SHAPES, made_by, make_attack
from matplotlib.colors import to_rgba
from PIL import Image, ImageSequence

import isi_keras as isi
from isi_keras import plotting
from isi_keras.plotting import images, style
from isi_keras.plotting.attack import _film, _order, _scores, replay


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].texts]


def marks_of(ax):
    """The squares of a panel as places and colours."""
    return ax.collections[0].get_offsets().astype(int), ax.collections[0].get_array()


class TestScores:
    def test_softmax(self, rng):
        logits = rng.normal(size=(3, 4, 5))
        np.testing.assert_allclose(_scores.probabilities(logits), softmax(logits))

    def test_great_logits_do_not_overflow(self):
        np.testing.assert_allclose(_scores.probabilities(np.array([[1e4, 0.0]])), [[1, 0]])

    def test_a_single_sigmoid_unit(self, rng):
        z = rng.normal(size=6)
        found = _scores.probabilities(np.stack([-z, z], -1))
        np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-z)))

    def test_margins(self, rng):
        logits, classes = rng.normal(size=(4, 3, 5)), np.array([0, 4, 2, 2])
        for row, label in enumerate(classes):
            others = np.delete(logits[row], label, axis=-1).max(-1)
            np.testing.assert_allclose(
                _scores.margins(logits, classes)[row], logits[row, :, label] - others
            )


class TestTrajectory:
    @pytest.mark.parametrize("score", ["logit", "probability"])
    def test_curves_of_the_label_the_goal_and_the_best_other(self, score, rng):
        logits = rng.normal(size=(5, 6, 4)).astype("float32")
        result = make_attack(trajectory=logits)
        figure = drawn(plotting.trajectory(result, 2, score=score, classes=CLASSES))
        assert legend(figure) == ["bird, predicted before", "cat, reached", "best other"]
        own = logits[2, :4].astype("float64")
        own = softmax(own) if score == "probability" else own
        label, goal, other = figure.axes[0].lines
        np.testing.assert_allclose(label.get_ydata(), own[:, 2])
        np.testing.assert_allclose(goal.get_ydata(), own[:, 3])
        np.testing.assert_allclose(other.get_ydata(), own[:, :2].max(1))
        np.testing.assert_array_equal(label.get_xdata(), [0, 1, 2, 3])
        assert len({line.get_color() for line in (label, goal, other)}) == 3
        assert other.is_dashed()
        assert figure.axes[0].get_ylabel() == score
        assert figure.get_suptitle() == "bird → cat, 3 steps, the goal was reached"

    def test_the_target_counts_also_where_it_was_not_reached(self):
        target = np.full(5, 3)
        result = make_attack(
            target=target,
            success=np.zeros(5, bool),
            stop_reason=np.full(5, "max_steps"),
            prediction=[0] * 5,
        )
        figure = plotting.trajectory(result, 0)
        assert legend(figure) == ["0, predicted before", "3, target", "best other"]
        assert figure.get_suptitle() == "0 → 0, 1 step, all steps were used"

    def test_an_untargeted_failure_has_no_goal(self):
        result = make_attack(
            prediction=np.arange(5) % 4,
            success=np.zeros(5, bool),
            stop_reason=np.full(5, "max_steps"),
        )
        assert legend(plotting.trajectory(result, 1)) == ["1, predicted before", "best other"]

    def test_two_classes_have_no_other(self):
        result = make_attack(samples=1, classes=2)
        assert legend(plotting.trajectory(result)) == ["0, predicted before", "1, reached"]

    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_each_changed_pixel_has_one_mark_of_its_first_step(self, shape, data_format):
        result = make_attack(shape)
        figure = drawn(plotting.trajectory(result, 4, data_format=data_format))
        order = images.with_channels(result.order[[4]], data_format)[0]  # (H, W, C)
        expected = {}
        for row, column, channel in np.argwhere(order):
            step = order[row, column, channel]
            expected[column, row] = min(step, expected.get((column, row), step))
        places, steps = marks_of(figure.axes[1])
        assert {tuple(p): s for p, s in zip(places, steps, strict=True)} == expected
        assert len(places) == len(expected)
        texts = [text.get_text() for text in figure.axes[1].texts]
        assert sorted(texts) == sorted(map(str, expected.values()))  # the pixels are large
        said = {
            "grey": "5 pixels changed",
            "no channel": "1 time step changed (5 inputs)",
            "colour": "2 pixels changed (5 inputs)",
            "channels first": "5 pixels changed (5 inputs)",
        }[next(name for name, value in SHAPES.items() if value == (shape, data_format))]
        assert figure.axes[1].get_xlabel() == said
        (bar,) = figure.axes[1].child_axes
        assert bar.get_ylabel() == "first changed in step"

    def test_the_original_is_pale_grey_below(self):
        result = make_attack((6, 5, 3))
        shown = pixels(plotting.trajectory(result, 1).axes[1])
        original = images.as_images(result.x[[1]], (-1, 1))[0]
        np.testing.assert_allclose(shown, 0.6 + 0.4 * original @ [0.2126, 0.7152, 0.0722])

    def test_small_pixels_have_no_numbers(self):
        figure = plotting.trajectory(make_attack((40, 40, 1)), 3)
        assert not figure.axes[1].texts
        assert len(figure.axes[1].collections[0].get_offsets()) == 4

    def test_marks_cover_their_pixels(self):
        figure = drawn(plotting.trajectory(make_attack((28, 28, 1)), 3))
        ax = figure.axes[1]
        side = ax.collections[0].get_sizes()[0] ** 0.5 / 72
        pixel = ax.get_window_extent().height / figure.dpi / 28
        assert 0.8 < side / pixel < 1.2

    def test_tabular_features_have_bars_in_the_order_of_their_steps(self):
        result = make_attack((8,))
        result.order[3, :4] = [3, 1, 4, 2]
        result.adversarial[3, 1] = -1
        names = [f"f{number}" for number in range(8)]
        ax = drawn(plotting.trajectory(result, 3, names=names)).axes[1]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["f1", "f3", "f0", "f2"]
        assert [text.get_text() for text in ax.texts] == ["step 1", "step 2", "step 3", "step 4"]
        change = (result.adversarial - result.x)[3, [1, 3, 0, 2]]
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], change, rtol=1e-6)
        assert ax.patches[0].get_facecolor() == to_rgba(style.NEGATIVE)
        assert ax.patches[1].get_facecolor() == to_rgba(style.POSITIVE)
        assert ax.yaxis_inverted()
        assert ax.get_xlabel() == "change of x"

    def test_says_how_many_features_are_left_out(self):
        ax = plotting.trajectory(make_attack((30,), samples=20), 19).axes[1]
        assert len(ax.patches) == 15
        assert ax.get_xlabel() == "change of x,\nthe first 15 of 20"

    def test_nothing_changed(self):
        stuck = make_attack((8,), samples=1, steps=np.array([0]), order=np.zeros((1, 8), "int32"))
        stuck = dataclasses.replace(
            stuck, adversarial=stuck.x, stop_reason=np.array(["inadmissible"])
        )
        ax = drawn(plotting.trajectory(stuck)).axes[1]
        assert ax.get_xlabel() == "change of x: none"

    @pytest.mark.parametrize(
        ("fields", "options", "match"),
        [
            ({"trajectory": None}, {}, r"trajectory=None.*attack\(model, x, trajectory=True\)"),
            ({}, {"score": "softmax"}, r"Unknown score: 'softmax'.*'probability', 'logit'"),
            ({}, {"index": 5}, r"index 5, but the result holds 5"),
            ({}, {"names": ["a"]}, r"1 names for no tabular features"),
            ({}, {"data_format": "NHWC"}, r"Unknown data_format: 'NHWC'"),
            (
                {"stop_reason": np.array(["misclassified"] + ["success"] * 4)},
                {},
                r"Sample 0 was not attacked: the clean input was already mis.*such as 1",
            ),
            ({"trajectory": np.full((5, 6, 4), np.nan)}, {}, r"NaN or infinity for sample 0"),
        ],
    )
    def test_errors_say_what_to_do(self, fields, options, match):
        with pytest.raises(ValueError, match=match):
            plotting.trajectory(make_attack(**fields), **options)


class TestTrajectories:
    @pytest.mark.parametrize("score", ["probability", "margin"])
    @pytest.mark.parametrize("target", [None, np.array([3, 3, 0, 1, 2])])
    def test_median_and_quartiles_with_ended_samples_held(self, score, target):
        result = make_attack(target=target)
        ax = plotting.trajectories(result, score=score)
        aimed = result.clean_prediction if target is None else target
        values = np.empty((5, 6))
        for row, goal in enumerate(aimed):
            logits = result.trajectory[row].astype("float64")
            last = result.steps[row]
            logits[last + 1 :] = logits[last]
            others = np.delete(logits, goal, axis=1).max(1)
            margin = logits[:, goal] - others
            values[row] = margin if score == "margin" else softmax(logits)[:, goal]
        np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(values, axis=0))
        (band,) = ax.collections
        corners = band.get_paths()[0].vertices
        for step in range(6):
            found = corners[np.isclose(corners[:, 0], step), 1]
            low, high = np.percentile(values[:, step], (25, 75))
            np.testing.assert_allclose([found.min(), found.max()], [low, high], atol=1e-9)
        whose = "class predicted before" if target is None else "target"
        assert ax.get_ylabel().replace("\n", " ") == f"{score} of the {whose}"
        assert ax.get_legend().texts[0].get_text() == "median of 5 samples"
        drawn(ax.figure)

    def test_says_how_many_are_still_running(self):
        ax = plotting.trajectories(make_attack())
        ticks = [tick.get_text() for tick in ax.get_xticklabels()]
        assert ticks == ["0\n5", "1\n4", "2\n3", "3\n2", "4\n1", "5\n0"]
        assert ax.get_xlabel() == "step\nsamples still running"

    def test_leaves_out_what_was_not_attacked_or_is_not_finite(self):
        result = make_attack(stop_reason=np.array(["misclassified"] + ["success"] * 4))
        result.trajectory[1, 1] = np.nan
        ax = plotting.trajectories(result)
        assert ax.get_legend().texts[0].get_text() == "median of 3 samples"

    def test_draws_into_a_panel(self):
        with style.context():
            left, right = style.figure(7, 3).subplots(1, 2)
        assert plotting.trajectories(make_attack(), ax=right) is right
        assert not left.lines
        drawn(right.figure)

    @pytest.mark.parametrize(
        ("fields", "options", "match"),
        [
            ({"trajectory": None}, {}, r"trajectory=True"),
            ({}, {"score": "logit"}, r"Unknown score: 'logit'.*'probability', 'margin'"),
            (
                {"stop_reason": np.full(5, "already_target")},
                {},
                r"No sample was attacked.*already_target",
            ),
        ],
    )
    def test_errors_say_what_to_do(self, fields, options, match):
        with pytest.raises(ValueError, match=match):
            plotting.trajectories(make_attack(**fields), **options)


def frames_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return [frame.info["duration"] for frame in ImageSequence.Iterator(image)]


class TestAnimation:
    def test_a_frame_for_each_step_and_the_last_is_held(self):
        durations = frames_of(plotting.animation(make_attack(), 2, seconds=0.1))
        assert durations == [100, 100, 100, 600]

    @pytest.mark.parametrize(("shape", "data_format"), SHAPES.values(), ids=SHAPES)
    def test_frames_show_what_was_changed_so_far(self, shape, data_format):
        result = make_attack(shape)
        film = _film.Film(result, 3, data_format=data_format)
        (order,) = _order.of_pixels(result.order[[3]], data_format)
        for step in range(5):
            film.show(step)
            expected = result.x[3].copy()
            done = (result.order[3] > 0) & (result.order[3] <= step)
            expected[done] = result.adversarial[3][done]
            (image,) = images.as_images(expected[None], (-1, 1), data_format=data_format)
            ax = film.figure.axes[0]
            np.testing.assert_array_equal(pixels(ax), image)
            before, now = (len(marks.get_offsets()) for marks in ax.collections)
            assert before == ((order > 0) & (order < step)).sum()
            assert now == ((order > 0) & (order == step)).sum()
            changed = style.counted(before + now, "pixel")
            if shape == (6, 5):  # by its rank a sequence, whose rows are the time steps
                changed = style.counted(min(step, 1), "time step")
            assert ax.get_xlabel() == f"step {step} of 4: {changed} changed"
        drawn(film.figure)

    def test_bars_are_the_probabilities_after_the_step(self):
        result = make_attack(samples=1, classes=6)
        film = _film.Film(result, 0, [f"class {number}" for number in range(6)])
        film.show(1)
        bars = film.figure.axes[1]
        names = [label.get_text() for label in bars.get_yticklabels()]
        assert names == ["class 0", "class 1", "class 2"]
        expected = softmax(result.trajectory[0, 1].astype("float64"))[:3]
        np.testing.assert_allclose([bar.get_width() for bar in bars.patches], expected)
        assert [text.get_text() for text in bars.texts] == [f" {value:.2f}" for value in expected]

    def test_without_a_trajectory_there_are_no_bars(self):
        film = _film.Film(make_attack(trajectory=None), 1)
        assert len(film.figure.axes) == 1
        assert len(frames_of(plotting.animation(make_attack(trajectory=None), 1))) == 3

    def test_writes_the_file_whole(self, tmp_path):
        path = plotting.animation(make_attack(), 0, tmp_path / "new" / "attack")
        assert path == tmp_path / "new" / "attack.gif"
        assert path.read_bytes() == plotting.animation(make_attack(), 0)
        assert os.listdir(path.parent) == ["attack.gif"]

    def test_a_failure_leaves_nothing_behind(self, tmp_path, monkeypatch):
        def fail(*args):
            raise KeyboardInterrupt

        monkeypatch.setattr(_film.Film, "show", fail)
        with pytest.raises(KeyboardInterrupt):
            plotting.animation(make_attack(), 0, tmp_path / "attack.gif")
        assert not os.listdir(tmp_path)

    @pytest.mark.parametrize(
        ("fields", "options", "match"),
        [
            ({}, {"path": "attack.png"}, r"is a .gif. Received: 'attack.png'"),
            ({}, {"seconds": 0}, r"at least 0.02. Received: seconds=0"),
            ({}, {"index": 9}, r"index 9, but the result holds 5"),
            (
                {"stop_reason": np.full(5, "misclassified")},
                {},
                r"Sample 0 was not attacked.*None was",
            ),
            ({"config": made_by("Attack", bounds=(-1, 1))}, {}, r"a result of Attack, which may"),
        ],
    )
    def test_errors_say_what_to_do(self, fields, options, match):
        with pytest.raises(ValueError, match=match):
            plotting.animation(make_attack(**fields), **options)

    def test_tabular_features_are_no_images(self):
        with pytest.raises(ValueError, match=r"Received: shape"):
            plotting.animation(make_attack((8,)))


class TestReplay:
    @pytest.mark.parametrize(
        "attack",
        [
            isi.Attack("sensitivity", isi.L0(features=2), bounds=([-1], 1)),
            isi.Attack("jacobian_saliency", isi.Salient(step_size=1.0)),
            isi.Attack("jacobian_saliency", isi.Salient(step_size=0.5, once=True)),
            isi.JSMA(bounds=(-1, 1)),
            isi.JSMA(theta=-0.5, once=True, bounds=(-1, 1)),
        ],
    )
    def test_attacks_that_change_an_input_once(self, attack):
        config = made_by(type(attack).__name__, **attack.get_config())
        replay.expect_each_once(make_attack(config=config))

    @pytest.mark.parametrize(
        ("attack", "match"),
        [
            (isi.Attack(norm="l2"), r"of Attack under L2\. Draw it with plotting\.examples or"),
            (isi.Attack(norm="linf"), r"of Attack under Linf\."),
            (isi.MinimalL0(), r"MinimalL0, which may take changes back\. .*plotting\.changes"),
            (
                isi.Attack("jacobian_saliency", isi.Salient(step_size=1.9, relative=False)),
                r"step_size=1.9 an input",
            ),
            (
                isi.JSMA(theta=-0.5, bounds=(-1, 1)),
                r"step_size=0.5 .*\(JSMA: theta\), or with once",
            ),
        ],
    )
    def test_attacks_that_may_change_an_input_twice(self, attack, match):
        config = made_by(type(attack).__name__, **attack.get_config())
        with pytest.raises(ValueError, match=match):
            replay.expect_each_once(make_attack(config=config))

    def test_the_images_between_are_those_that_the_model_saw(self):
        model, x = small_network(), random_images(6)
        attack = isi.Attack("sensitivity", isi.L0(features=2), max_steps=6)
        result = attack(model, x, trajectory=True)
        for index in range(6):
            between = replay.inputs_of(result, index)
            np.testing.assert_array_equal(between[0], result.x[index])
            np.testing.assert_array_equal(between[-1], result.adversarial[index])
            logits = isi.logits(model).predict(between.astype("float32"))
            np.testing.assert_allclose(logits, _scores.of_sample(result, index), atol=1e-4)
