"""Records: what is saved is what is read, files are whole or absent, and the report's numbers."""

import dataclasses
import json
import os

import numpy as np
import pytest
from makers.networks import images, small_network
from skimage import metrics

import isi_keras as isi
from isi_keras import _component, evaluation, results


@pytest.fixture
def attacked():
    x, y = images(), np.arange(12) % 3
    return isi.Attack("relevance", "l0", max_steps=8)(small_network(), x, y=y, trajectory=True)


@pytest.mark.parametrize("kind", ["targeted", "untargeted", "explanation"])
def test_a_saved_record_is_read_back(tmp_path, kind):
    model, x = small_network(), images()
    if kind == "explanation":
        record = isi.explain(model, x)
    else:
        bounds = (np.full((6, 5, 2), -1.0), 1.0)
        attack = isi.Attack("relevance", isi.L0(features=2), max_steps=3, bounds=bounds)
        record = attack(model, x, target=1 if kind == "targeted" else None)
    path = record.save(tmp_path / "folder" / "record")
    assert path == tmp_path / "folder" / "record.npz"
    for loader in (type(record), results.Result):
        again = loader.load(path)
        assert type(again) is type(record)
        for field in dataclasses.fields(record):
            one, two = getattr(record, field.name), getattr(again, field.name)
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one, two)
                assert one.dtype == two.dtype
            else:
                assert one == two
    if kind != "explanation":
        assert _component.get(again.config, isi.Attack, {}) == attack


def test_files_hold_no_pickles(attacked, tmp_path):
    with np.load(attacked.save(tmp_path / "a.npz"), allow_pickle=False) as data:
        assert all(data[name].dtype != object for name in data.files)
        assert json.loads(str(data["__header__"])) == {"record": "AttackResult", "version": 3}


def test_a_failed_write_leaves_the_old_file(attacked, tmp_path, monkeypatch):
    path = attacked.save(tmp_path / "a.npz")
    before = path.read_bytes()

    def failing(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", failing)
    with pytest.raises(OSError, match="disk full"):
        attacked.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]


def test_a_folder_that_cannot_be_written(attacked, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"Cannot write to the folder .*file.*Choose a folder"):
        attacked.save(tmp_path / "file" / "a.npz")


def test_a_name_without_suffix_is_found_again(attacked, tmp_path):
    place = attacked.save(tmp_path / "night.1")
    assert place == tmp_path / "night.1.npz"
    for name in ("night.1", "night.1.npz"):
        assert isi.AttackResult.load(tmp_path / name).steps.tolist() == attacked.steps.tolist()


@pytest.mark.parametrize("path", ["", "folder/", "/", "~", "..", "folder/."])
def test_a_folder_is_no_name_of_a_file(attacked, path):
    with pytest.raises(ValueError, match=r"names no file to write to\. Add a name"):
        attacked.save(path)


class TestLoadErrors:
    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.npz"):
            isi.AttackResult.load(tmp_path / "none.npz")

    @pytest.mark.parametrize("content", ["text", "array", "npz", "empty"])
    def test_no_record(self, tmp_path, content):
        path = tmp_path / "a.npz"
        if content == "text":
            path.write_text("hello")
        elif content == "array":
            np.save(tmp_path / "a.npy", np.zeros(3))
            path = tmp_path / "a.npy"
        elif content == "npz":
            np.savez(path, x=np.zeros(3))
        else:
            path.touch()
        text = (
            r"a\.npz' is empty" if content == "empty" else r"is not a result .* Pass a file written"
        )
        with pytest.raises(ValueError, match=text):
            isi.Result.load(path)

    def test_another_record(self, attacked, tmp_path):
        path = attacked.save(tmp_path / "a.npz")
        with pytest.raises(ValueError, match=r"holds AttackResult, not Explanation\. Try AttackR"):
            isi.Explanation.load(path)

    def test_a_newer_version(self, attacked, tmp_path, monkeypatch):
        monkeypatch.setattr(results.files, "FORMAT_VERSION", 3)
        path = attacked.save(tmp_path / "a.npz")
        monkeypatch.setattr(results.files, "FORMAT_VERSION", 2)
        with pytest.raises(ValueError, match=r"format version 3, newer than.*Upgrade"):
            isi.AttackResult.load(path)

    def test_a_record_nobody_defined(self, tmp_path):
        path = results.files.write(tmp_path / "a.npz", "Other", {})
        with pytest.raises(
            ValueError, match=r"holds Other, which is not known\. Import the module"
        ):
            isi.Result.load(path)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda arrays: arrays.pop("steps"), r"lacks 'steps', which AttackResult has"),
            (lambda arrays: arrays.update(extra=np.ones(1)), r"holds 'extra', which AttackResult"),
            (
                lambda arrays: arrays.update(data_format=np.array("last")),
                r"data_format to be one of .* Received: 'last'\.",
            ),
        ],
    )
    def test_fields_that_are_missing_unknown_or_wrong(self, attacked, tmp_path, change, text):
        record, arrays = results.files.read(attacked.save(tmp_path / "a.npz"))
        change(arrays)
        with pytest.raises(ValueError, match=text):
            isi.Result.load(results.files.write(tmp_path / "b.npz", record, arrays))


def hand_made(**fields):
    """Four RGB images of 4 x 5: a pixel turned, a feature turned, a failure, misclassified."""
    x = np.full((4, 4, 5, 3), 0.5, "float32")
    adversarial = x.copy()
    adversarial[0, 1, 2, :2] = (1.0, 0.0)
    adversarial[1, 3, 4, 0] = 0.25
    adversarial[2, 0, 0] = 1.0
    values = {
        "x": x,
        "adversarial": adversarial,
        "clean_prediction": np.array([0, 1, 1, 2]),
        "prediction": np.array([1, 0, 1, 2]),
        "target": None,
        "y": np.array([0, 1, 1, 0]),
        "success": np.array([True, True, False, False]),
        "stop_reason": np.array(["success", "success", "max_steps", "misclassified"]),
        "steps": np.array([2, 1, 6, 0]),
        "order": np.zeros(x.shape, "int32"),
        "forward": np.array([3, 2, 7, 1]),
        "backward": np.array([3, 2, 7, 1]),
        "seconds": 1.5,
        "config": {"class_name": "Attack", "config": {"bounds": [0.0, 1.0]}},
    }
    return isi.AttackResult(**{**values, **fields})


class TestEvaluate:
    def test_numbers_by_hand(self):
        report = isi.evaluate(hand_made())
        assert (report.samples, report.attacked, report.successes) == (4, 3, 2)
        np.testing.assert_allclose(report.success_rate, 2 / 3)
        assert (report.clean_accuracy, report.robust_accuracy) == (0.75, 0.25)
        assert (report.forward, report.backward, report.seconds) == (13, 13, 1.5)
        assert report.steps == 3
        assert report.stops == {"max_steps": 1, "misclassified": 1, "success": 2}
        by_hand = {
            "l0_feature": ([2, 1], 1.5, 1.5, 2),
            "l0_position": ([1, 1], 1, 1, 1),
            "l2": ([0.5**0.5, 0.25], (0.5**0.5 + 0.25) / 2, (0.5**0.5 + 0.25) / 2, 0.5**0.5),
            "linf": ([0.5, 0.25], 0.375, 0.375, 0.5),
        }
        for name, (_, mean, median, median_all) in by_hand.items():
            measure = report.measures[name]
            np.testing.assert_allclose(measure.mean_success, mean)
            np.testing.assert_allclose(measure.median_success, median)
            assert measure.mean_all == np.inf  # one failed
            np.testing.assert_allclose(measure.median_all, median_all)

    def test_similarities_are_those_of_scikit_image(self):
        result = hand_made()
        report = isi.evaluate(result)
        pairs = list(zip(result.x[:3], result.adversarial[:3], strict=True))
        ssim = [
            metrics.structural_similarity(a, b, win_size=3, channel_axis=-1, data_range=1.0)
            for a, b in pairs
        ]
        psnr = [10 * np.log10(1 / np.mean((a.astype("float64") - b) ** 2)) for a, b in pairs]
        np.testing.assert_allclose(report.measures["ssim"].mean_all, np.mean(ssim), rtol=1e-6)
        np.testing.assert_allclose(report.measures["psnr"].mean_success, np.mean(psnr[:2]))
        np.testing.assert_allclose(report.measures["psnr"].median_all, np.median(psnr))

    def test_channels_first(self):
        last = hand_made()
        first = hand_made(
            x=np.moveaxis(last.x, -1, 1), adversarial=np.moveaxis(last.adversarial, -1, 1)
        )
        one, two = isi.evaluate(last), isi.evaluate(first, data_format="channels_first")
        assert dataclasses.replace(two, data_format="channels_last") == one
        own = dataclasses.replace(first, data_format="channels_first")
        assert isi.evaluate(own) == two
        assert isi.evaluate(own).data_format == "channels_first"
        for result, options in ((last, {}), (first, {"data_format": "channels_first"}), (own, {})):
            shares = evaluation.robust_within(result, [0, 1], measure="l0_position", **options)
            np.testing.assert_array_equal(shares, [0.75, 0.25])
        with pytest.raises(ValueError, match=r"Unknown data_format: 'last'.*'channels_last'"):
            isi.evaluate(last, data_format="last")
        with pytest.raises(ValueError, match=r"Unknown data_format: 'last'"):
            hand_made(data_format="last")

    def test_rounding_is_not_farther(self):
        """Four steps of 0.06 go as far as 0.24000001 in float32."""
        far = float(np.nextafter(np.float32(0.24), np.float32(1)))
        assert far > 0.24
        result = hand_made(x=np.zeros((4, 3)), adversarial=np.full((4, 3), far))
        shares = evaluation.robust_within(result, [0.2399, 0.24], measure="linf")
        np.testing.assert_array_equal(shares, [0.75, 0.25])

    def test_what_robust_accuracy_needs(self):
        with pytest.raises(ValueError, match=r"Unknown measure: 'l0_pixel'.*'l0_position'"):
            evaluation.robust_within(hand_made(), [1], measure="l0_pixel")
        with pytest.raises(ValueError, match="no true labels"):
            evaluation.robust_within(hand_made(y=None), [1])

    def test_tabular_data_have_no_similarities(self):
        report = isi.evaluate(hand_made(x=np.zeros((4, 3)), adversarial=np.eye(4, 3)))
        assert set(report.measures) == {"l0_feature", "l0_position", "l2", "linf"}
        assert report.measures["l0_feature"] == report.measures["l0_position"]
        assert report.data_format is None
        assert "l0_position counts features (no channels)" in str(report)

    @pytest.mark.parametrize(
        ("data_format", "shape", "positions", "said"),
        [
            ("channels_last", (3, 5), 1, "time steps (channels_last)"),
            ("channels_first", (3, 5), 4, "time steps (channels_first)"),
            ("channels_last", (3, 5, 2), 4, "pixels (channels_last)"),
            ("channels_first", (3, 5, 2), 8, "pixels (channels_first)"),
            ("channels_last", (3, 5, 2, 1), 8, "voxels (channels_last)"),
        ],
    )
    def test_what_a_position_is(self, data_format, shape, positions, said):
        x = np.zeros((4, *shape))
        adversarial = x.copy()
        adversarial[:, 1, :4] = 1
        report = isi.evaluate(hand_made(x=x, adversarial=adversarial, data_format=data_format))
        assert report.measures["l0_position"].mean_success == positions
        assert f"\nl0_position counts {said}\n" in str(report)

    def test_a_result_of_no_samples(self):
        report = isi.evaluate(hand_made()[[]])
        assert (report.samples, report.attacked, report.forward) == (0, 0, 0)
        for number in (report.success_rate, report.clean_accuracy, report.robust_accuracy):
            assert np.isnan(number)

    def test_nothing_attacked(self):
        report = isi.evaluate(
            hand_made(stop_reason=np.array(["misclassified"] * 4), success=np.zeros(4, bool))
        )
        assert np.isnan(report.success_rate)
        assert np.isnan(report.measures["l2"].mean_all)
        assert "0 of 0 attacked" in str(report)

    def test_prints_and_converts(self, attacked):
        report = isi.evaluate(attacked)
        text = str(report)
        assert f"{report.successes} of {report.attacked} attacked samples turned" in text
        for word in ("l0_feature", "l0_position", "l2", "linf", "ssim", "psnr", "mean, turned"):
            assert word in text
        assert max(map(len, text.splitlines())) <= 80
        assert report.to_dict()["measures"]["l2"].keys() == {
            "mean_success", "median_success", "mean_all", "median_all",
        }  # fmt: skip

    def test_no_result(self):
        with pytest.raises(TypeError, match=r"Expected an AttackResult\. Received: int"):
            isi.evaluate(3)
