"""`isi-keras hardness` and `isi-keras reproduce jsma`: what they measure, print and write."""

import json
import re

import keras
import numpy as np
import pytest
from makers import figures
from makers.commands import plain, run

import isi_keras as isi
from isi_keras.papers import jsma, jsma_figures


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def small(seed=3):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3)], name="small"
    )


@pytest.fixture
def files(tmp_path):
    model = small()
    x = np.random.default_rng(0).uniform(-1, 1, (12, 6)).astype("float32")
    y = model.predict(x, verbose=0).argmax(1)
    y[0] = (y[0] + 1) % 3
    model.save(tmp_path / "small.keras")
    np.savez(tmp_path / "d.npz", x=x, y=y)
    return model, x, y


# --- hardness -----------------------------------------------------------------------------------


def test_hardness(files, tmp_path):
    model, x, y = files
    text = run(
        "hardness",
        "small.keras",
        "d.npz",
        "--from-logits",
        "--budget",
        0.34,
        "--out",
        "results/small-hardness",
    )
    found = isi.HardnessResult.load("results/small-hardness.npz")
    attack = isi.JSMA(bounds=(-1, 1))
    wanted = isi.hardness(isi.logits(model, True), x, y, attack=attack)
    for name in ("source", "target", "min_budget", "distortion", "distance", "distance_single"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert "22 attempts on 11 samples (1 misclassified, left out)" in text
    within = wanted.attempts.succeeds_within(0.34)
    assert f"within 34.0% of the inputs: {within.mean():.2%} succeed" in text
    assert f"at least {wanted.robustness():.2f} (the robustness)" in text
    hard = np.where(wanted.success_rate() > 0, wanted.hardness(), np.nan)
    source, target = np.unravel_index(np.nanargmax(hard), hard.shape)
    assert f"hardest: {source} to {target} ({np.nanmax(hard):.0f})" in text
    assert (tmp_path / "results/small-hardness.png").exists()


def test_hardness_passes_its_options_on(files):
    common = ("hardness", "small.keras", "d.npz", "--from-logits", "--out", "h")
    options = ("--theta", -0.5, "--variant", "wjsma", "--single", "--bounds", -2, 2)
    text = run(*common, *options, "--no-distances", "--samples", 5)
    found = isi.HardnessResult.load("h.npz")
    config = found.config["config"]["attack"]["config"]
    assert config["theta"] == -0.5
    assert config["variant"] == "wjsma"
    assert config["pairs"] is False
    assert config["bounds"] == [-2.0, 2.0]
    assert found.samples == 5
    assert found.distance is None
    assert "adversarial distance" not in text
    run(*common, "--indicator", "sensitivity", "--no-distances", "--overwrite")
    assert isi.HardnessResult.load("h.npz").config["config"]["attack"]["class_name"] == "Attack"


def test_hardness_of_what_never_turns(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)], name="flat")
    model.set_weights([np.zeros((6, 2)), np.array([1.0, 0.0])])
    model.save("flat.keras")
    np.savez("d.npz", x=np.zeros((3, 6), "float32"), y=np.zeros(3, int))
    text = run("hardness", "flat.keras", "d.npz", "--from-logits")
    assert "0.00% succeed\n" in text
    assert "never reached: 1 pairs of classes" in text
    assert "picture: none, because no attempt succeeded within the budget" in text
    assert not (tmp_path / "results/flat-hardness.png").exists()


def test_hardness_of_wrong_input(files):
    np.save("x.npy", files[1])
    common = ("hardness", "small.keras", "x.npy", "--from-logits")
    assert "cannot be said without labels. Add them to DATA" in plain(run(*common, code=1))
    text = plain(run(*common, "--budget", 0.5, code=2))
    assert "Expected --budget above 0 and up to 0.383. Received: 0.5." in text
    text = plain(run(*common, "--indicator", "relevance", "--single", code=2))
    assert "--theta, --variant and --single are of JSMA." in text
    assert "Choose one of 'jsma'" in plain(run(*common, "--variant", "jsmb", code=1))


# --- the paper ----------------------------------------------------------------------------------


def test_the_published_numbers_agree_with_each_other():
    """The mean over the cells of figure 13 is the mean distortion of figure 11's table."""
    paper = jsma.published()
    for values in paper["matrices"].values():
        assert values.shape == (10, 10)
        np.testing.assert_array_equal(np.isnan(values), np.eye(10, dtype=bool))
    distortion = np.nanmean(paper["matrices"]["mean_distortion"])
    assert distortion == pytest.approx(paper["sets"]["test"][2], abs=0.05)
    matrices = paper["matrices"]
    summed = {jsma.SUMMED: -matrices["adversarial_distance"]}
    ranks = jsma.correlations(matrices | summed)
    assert ranks["hardness"] == ranks["adversarial_distance"] == pytest.approx(1)
    assert ranks["adversarial_distance_summed"] == pytest.approx(-1)
    assert ranks["hardness_and_distance"] == pytest.approx(0.79, abs=0.01)
    assert ranks["hardness_and_distance_summed"] == -ranks["hardness_and_distance_published"]


@pytest.mark.parametrize("name", [*jsma.MATRICES, jsma.SUMMED])
def test_two_matrices_with_one_bar_fit_their_figure(name):
    paper = jsma.published()["matrices"][name.removesuffix("_summed")]
    figure = figures.drawn(jsma_figures.matrices(name, 0.9 * np.array(paper, float)))
    assert figures.inside(figure)
    titles = [ax.get_title() for ax in figure.axes[:2]]
    assert titles[0] != titles[1]
    assert "tens" not in figure.axes[2].get_ylabel()


def test_means_between_classes():
    distances, y = np.arange(30.0).reshape(3, 10), np.array([4, 2, 4])
    found = jsma.between_classes(distances, y)
    wanted = np.full((10, 10), np.nan)
    wanted[4], wanted[2] = np.arange(10) + 10, np.arange(10) + 10
    wanted[[4, 2], [4, 2]] = np.nan
    np.testing.assert_array_equal(found, wanted)


def test_rank_correlations_that_are_not_defined():
    assert jsma.rank_correlation(np.full((2, 2), 3.0), np.eye(2)) is None
    assert jsma.rank_correlation(np.full((2, 2), np.nan), np.eye(2)) is None
    assert jsma.rank_correlation(np.eye(2), -np.eye(2)) == pytest.approx(-1)


def test_the_distances_of_the_paper_are_those_of_summed_probabilities():
    """Its figure 15, with few images: by the sums more than by the equation, on logits.

    The sums are of rounding errors, so that their figure depends on the processor: 0.70 on one,
    above 0.75 on another.
    """
    model, (x, y) = isi.zoo.load("lenet-jsma")
    x, y = x[:100], y[:100]
    paper = jsma.published()["matrices"]["adversarial_distance"]
    summed = jsma.summed_distances(model, x, y, 100)
    logits = jsma.between_classes(isi.adversarial_distance(model, x), y)
    found = [jsma.rank_correlation(part, paper) for part in (summed, logits)]
    assert found[0] > 0.65
    assert found[1] < 0.6


def test_the_perceptron_learns_and():
    """It says AND nearly everywhere; its derivative is that of its output, and leads across."""
    model = jsma.train_and()
    values, slope = jsma.and_surface(model, side=41)
    axis = np.linspace(0, 1, 41)
    wanted = (axis[:, None] > 0.5) & (axis > 0.5)
    agreed = ((values > 0.5) == wanted).mean()
    assert agreed > 0.9, agreed  # two units round the corner, and their start is the backend's
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    both = [
        model.predict(np.clip(points + np.array([0, move]), 0, 1), verbose=0, batch_size=2048)
        for move in (-1e-3, 1e-3)
    ]
    inner = slice(1, -1)
    finite = ((both[1] - both[0]) / 2e-3).reshape(41, 41)
    np.testing.assert_allclose(
        slope[inner], finite[inner], atol=0.02 * np.abs(slope).max(), rtol=0.05
    )
    result = jsma.and_attack(model)
    assert result.success.all()
    np.testing.assert_array_equal(result.changed, [[False, True]])
    np.testing.assert_allclose(result.adversarial - result.x, [[0, 0.06]], atol=1e-6)
    found = jsma.and_numbers(model, result)
    assert found["output"] < 0.5 < found["output_adversarial"]


def test_sets_from_a_file(tmp_path):
    pixels = np.arange(60_000, dtype="int64")[:, None, None] % 256 * np.ones((1, 2, 2), "int64")
    labels = np.arange(60_000) % 10
    np.savez(tmp_path / "m.npz", x_train=pixels.astype("uint8"), y_train=labels)
    found = jsma.sets(tmp_path / "m.npz", 4)
    assert list(found) == ["training", "validation", "test"]
    for name, begin in (("training", 0), ("validation", 50_000)):
        x, y = found[name]
        assert x.shape == (4, 2, 2, 1)
        np.testing.assert_allclose(x[:, 0, 0, 0], (begin + np.arange(4)) % 256 / 255, rtol=1e-6)
        np.testing.assert_array_equal(y, labels[begin : begin + 4])
    assert list(jsma.sets(None, 4)) == ["test"]


def test_sets_that_cannot_be_had(tmp_path, monkeypatch):
    np.savez(tmp_path / "m.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"is not like the file of keras\.datasets\.mnist"):
        jsma.sets(tmp_path / "m.npz", 4)

    def fail(path):
        raise OSError("no way")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(OSError, match=r"cannot be downloaded \(no way\).*Leave out --mnist"):
        jsma.sets(tmp_path / "other.npz", 4)


@pytest.mark.large
def test_reproduce(tmp_path, monkeypatch):
    figures.watch(monkeypatch)
    text = run("reproduce", "jsma", "--samples", 3, "--out", "f", "--save-results")
    found = json.loads((tmp_path / "f/numbers.json").read_text())
    assert found["command"] == (
        f"isi-keras --backend {keras.config.backend()} reproduce jsma --samples 3 --batch-size 512 "
        "--out f --save-results"
    )
    pictures = {"grid-increasing", "grid-decreasing", "empty", "and", "saliency"}
    pictures |= {name.replace("_", "-") for name in (*jsma.MATRICES, jsma.SUMMED)}
    assert {path.stem for path in (tmp_path / "f").glob("*.png")} == pictures
    for path in (tmp_path / "f").iterdir():
        assert f"f/{path.name}" in text
    result = isi.HardnessResult.load("f/hardness.npz")
    result, test = result.attempts, found["sets"]["test"]
    assert test["attempts"] == len(result) == 9 * (3 - test["misclassified"])
    np.testing.assert_allclose(test["success_rate"], result.succeeds_within(0.145).mean())
    np.testing.assert_allclose(
        test["distortion"], result.distortion[result.succeeds_within(0.145)].mean()
    )
    hard = np.array(found["matrices"]["hardness"], float)
    np.testing.assert_allclose(hard, np.where(result.count() > 0, result.hardness(), np.nan), 1e-3)
    model, (x, y) = isi.zoo.load("lenet-jsma")
    summed = jsma.summed_distances(model, x[:3], y[:3], 512)
    np.testing.assert_allclose(np.array(found["matrices"][jsma.SUMMED], float), summed, atol=1e-4)
    grid = isi.AttackResult.load("f/grid-increasing.npz")
    assert len(grid) == 10 * len(np.unique(grid.clean_prediction))
    assert found["grids"]["grid-increasing"]["successes"] == grid.success.sum()
    for words in ("97.05", "4.03", "64.70", "13.78", "0.80"):
        assert words in text
    assert max(map(len, text.split("\n"))) <= 80


def test_reproductions_that_are_unknown(tmp_path):
    text = plain(run("reproduce", "lrp", code=2))
    assert re.search(r"Unknown reproduction: 'lrp'\. .*Choose one of 'isi', 'jsma'\.", text)
    text = plain(run("reproduce", "isi", "--mnist", "m.npz", code=2))
    assert "--mnist belongs to jsma" in text
    assert list(tmp_path.iterdir()) == []
