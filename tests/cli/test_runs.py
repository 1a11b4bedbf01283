"""Runs on the command line: into a folder, which goes on; and what else DATA may be."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import typer
from makers.commands import plain, run
from skimage import io

import isi_keras as isi
from isi_keras.cli import backend, early, goal, output
from isi_keras.results import as_path
from isi_keras.sources import tables


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name, shape in (("grey", (8, 6, 1)), ("table", (3,))):
        keras.utils.set_random_seed(3)
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
        keras.Sequential(layers, name=name).save(folder / f"{name}.keras")
        x = rng.uniform(-1, 1, (12, *shape)).astype("float32")
        np.savez(folder / f"{name}.npz", x=x, y=np.arange(12) % 3)
    return folder


def test_a_folder_is_a_run_that_goes_on(files, tmp_path):
    words = ("attack", files / "grey.keras", files / "grey.npz", "--out", "night/")
    words = (*words, "--batch-size", 4, "--shard-size", 4, "--ignore-labels")
    assert "1 of 3 shards done" in run(*words, "--part", "2/3")
    text = run(*words)
    assert "of 12 attacked samples turned" in text
    assert "run:     night" in text
    assert (tmp_path / "night/picture.png").exists()
    assert run("status", "night").startswith("3 of 3 shards done, 12 of 12 samples")
    assert "of 12 attacked samples turned" in run("evaluate", "night")
    assert "curve.png" in run("plot", "night", "--kind", "robust-accuracy", "--out", "curve.png")
    text = run(*words, "--max-steps", 5, code=1)
    assert "night' holds another run: method.component.config.max_steps is 100 there" in text
    assert "of 12 attacked" in run(*words, "--max-steps", 5, "--overwrite", "--keep", "table")
    with pytest.raises(ValueError, match="kept no adversarial"):
        isi.Run("night").result()
    text = plain(run(*words[:3], "--workers", 2, code=2))
    assert "--workers is for runs, whose results go into a folder. End --out with a slash" in text
    text = plain(run(*words, "--part", "3/3", code=2))
    assert "Expected --part I/N" in text
    assert "There is no run in 'day'" in run("status", "day", code=1)


def test_explanations_run_too(files):
    words = ("explain", files / "grey.keras", files / "grey.npz", "--out", "maps/")
    assert "12 samples" in run(*words, "--shard-size", 5)
    assert isi.Run("maps")[:2].relevance.shape == (2, 8, 6, 1)


def test_tables_have_columns_and_labels(files, tmp_path):
    x = np.random.default_rng(0).uniform(0, 9, (6, 3)).round(2)
    lines = [
        "age,height,income,kind",
        *(",".join(map(str, [*row, k % 3])) for k, row in enumerate(x)),
    ]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    words = ("attack", files / "table.keras", "d.csv", "--labels", "kind", "--domain", "data")
    assert "accuracy" in run(*words, "--out", "r.npz")
    result = isi.AttackResult.load("r.npz")
    assert result.domain.names == ("age", "height", "income")
    np.testing.assert_allclose(result.domain.high, x.max(0), rtol=1e-6)
    assert "Unknown column: 'kidn'. Did you mean 'kind'" in run(*words[:4], "kidn", code=1)
    run("explain", *words[1:5], "--out", "e.npz")
    np.testing.assert_allclose(isi.Explanation.load("e.npz").x, x, rtol=1e-6)
    assert "the labels, name it: --labels kind" in run("explain", *words[1:3], code=1)


def test_images_by_class_by_name_and_back(files, tmp_path):
    rng = np.random.default_rng(1)
    for kind in ("cat", "dog", "eel"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (8, 6)).astype("uint8")
            io.imsave(tmp_path / f"pictures/{kind}/{number}.png", pixels, check_contrast=False)
    words = ("attack", files / "grey.keras", "pictures", "--target", "dog", "--ignore-labels")
    text = run(*words, "--samples", 3, "--images", "turned", "--out", "r.npz", "--trajectory")
    result = isi.AttackResult.load("r.npz")
    assert "classes: cat = 0, dog = 1, eel = 2" in text
    assert len(result) == 3  # one of each class
    assert set(result.target) == {1}
    assert result.trajectory is not None
    written = sorted((tmp_path / "turned").iterdir())
    assert len(written) == result.success.sum() > 0
    first = int(np.flatnonzero(result.success)[0])
    back = io.imread(written[0]) / 127.5 - 1
    np.testing.assert_allclose(back, result.adversarial[first, ..., 0], atol=0.5 / 127)
    text = plain(run(*words[:4], "dgo", code=2))
    assert "Unknown class: 'dgo'. Did you mean 'dog'" in text
    run("explain", files / "grey.keras", "pictures/cat/0.png", "--out", "one.npz")
    assert len(isi.Explanation.load("one.npz")) == 1


def test_pixels_are_given_as_the_model_wants_them(files, tmp_path):
    layers = [keras.Input((8, 6, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(3, "softmax")]).save("scaled.keras")
    (tmp_path / "p").mkdir()
    pixels = np.arange(48, dtype="uint8").reshape(8, 6)
    io.imsave(tmp_path / "p/a.png", pixels, check_contrast=False)
    text = run("explain", "scaled.keras", "p", "--out", "e.npz")
    assert text.startswith("pixels: 0 to 255, as the model has Rescaling inside; --bounds LOW HIGH")
    np.testing.assert_allclose(isi.Explanation.load("e.npz").x[0, ..., 0], pixels, atol=1e-3)


def test_ctrl_c_is_130(capsys):
    with pytest.raises(backend.Exit) as error, backend.reported():
        raise KeyboardInterrupt
    assert error.value.exit_code == backend.INTERRUPTED == 130
    assert "Stopped: Nothing is kept. With --out FOLDER/" in capsys.readouterr().err


def test_a_scheduler_ends_a_command_as_ctrl_c_does(capsys):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(backend.Exit) as error, backend.reported():
        signal.raise_signal(signal.SIGTERM)
    assert error.value.exit_code == backend.INTERRUPTED
    assert capsys.readouterr().err.startswith("Stopped")
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.large
def test_ctrl_c_keeps_what_is_done(files, tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (6000, 8, 6, 1)).astype("float32")
    np.save("many.npy", x)
    words = [
        "attack",
        str(files / "grey.keras"),
        "many.npy",
        "--out",
        "night/",
        "--shard-size",
        "8",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "isi_keras.cli", *words], stderr=subprocess.PIPE, text=True,
        env=dict(os.environ), start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not list(tmp_path.glob("night/shards/0*")):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same call goes on" in said
    assert isi.Run("night").status().done > 0


GOALS = {
    "untargeted:margin=0.1": isi.goals.Untargeted(0.1),
    "target:2": isi.goals.Target(2),
    "any_of:1,2:margin=0.5": isi.goals.AnyOf([1, 2], 0.5),
    "none-of:0": isi.goals.NoneOf([0]),
    "label_on:1": isi.goals.LabelOn(1),
    "label_off:1": isi.goals.LabelOff(1),
    "label_set": isi.goals.LabelSet(),
    "label_set:1,0,-1": isi.goals.LabelSet([1, 0, -1]),
    "above:0.5:output=2": isi.goals.Above(0.5, 2),
    "below:-1e-3": isi.goals.Below(-1e-3),
}


def test_goals_are_said_in_a_word():
    for text, wanted in GOALS.items():
        assert goal.wanted(text, None, None).made(int) == wanted, text
    for text, match in (
        ("abuve:1", "Unknown goal: 'abuve'. Did you mean 'above'"),
        ("target", r"Expected target:CLASS. Received: 'target'. Known are untargeted, target:"),
        ("target:1,2", "Expected target:CLASS, one for all samples"),
        ("untargeted:3", "Expected untargeted. Received"),
        ("above:high", "Expected a number for 'high' in --goal"),
        ("above:1:margin=2", "above has the option output"),
        ("any_of:1:2", "Expected one list of values"),
        ("any_of:0,0", "Expected classes that differ. Received: 'any_of:0,0'"),
        ("none_of:1,,2", "a value before and after each comma"),
        ("label_set:1,2", r"Expected of each label 1 \(to hold\), 0"),
        ("label_set:-1,-1", "one of them not -1"),
        ("label_set:1,x", "Expected a whole number for 'x'"),
    ):
        with pytest.raises(typer.BadParameter, match=match):
            goal.wanted(text, None, None)
    with pytest.raises(typer.BadParameter, match="say the same"):
        goal.wanted("target:1", "1", None)
    with pytest.raises(typer.BadParameter, match="outputs of the model as they are"):
        goal.wanted("above:1", None, True)


def test_goals_reach_attacks_runs_and_ensembles(files):
    words = (files / "table.keras", files / "table.npz")
    run("attack", *words, "--goal", "above:0.6:output=1", "--indicator", "sensitivity")
    name = "results/table-sensitivity-l0-table-goal-above-0.6-output=1.npz"
    found = isi.AttackResult.load(name)
    assert isi.goals.of(found) == isi.goals.Above(0.6, 1)
    assert (found.logits[found.success, 1] > 0.6).all()  # of the softmax, as it is
    run(
        "attack",
        *words,
        "--goal",
        "above:0.6:output=1",
        "--indicator",
        "sensitivity",
        "--out",
        "r/",
    )
    np.testing.assert_array_equal(isi.Run("r").result().adversarial, found.adversarial)
    one = ("--attack", "sensitivity_l0", "--goal", "below:0.1:output=1", "--out")
    run("robustness", *words, *one, "r.npz")
    run("robustness", *words, *one, "s/")
    wanted = isi.RobustnessResult.load("r.npz").distance
    np.testing.assert_array_equal(isi.Run("s").result().distance, wanted)
    run("attack", *words, "--goal", "none_of:0,1", "--true-labels", "--out", "none.npz")
    result = isi.AttackResult.load("none.npz")
    assert (result.prediction[result.success] == 2).all()


def test_names_and_shapes_are_checked_before_a_backend_starts(files, monkeypatch):
    from isi_keras import attacks, indicators, norms
    from isi_keras.aims import OBJECTIVES
    from isi_keras.attacks import robustness
    from isi_keras.runs import engines

    for told, known in (
        (early.INDICATORS, indicators.NAMES),
        (early.NORMS, norms.NAMES),
        (early.OBJECTIVES, OBJECTIVES),
        (early.MEASURES, robustness.MEASURES),
        (early.ATTACKS, {**robustness.NAMES, **attacks.NAMES}),
        (early.ENGINES, engines.NAMES),
    ):
        assert sorted(told) == sorted(known)

    def start():
        raise AssertionError("a backend starts")

    for name in ("attack", "explain", "robustness"):
        monkeypatch.setattr(f"isi_keras.cli.{name}.start_backend", start)
    table, grey = files / "table.keras", files / "grey.npz"
    for words, text in (
        (("explain", table, files / "table.npz", "--indicator", "relevence"), "Did you mean 'rel"),
        (("attack", table, files / "table.npz", "--norm", "l3"), "Unknown norm: 'l3'"),
        (("attack", table, files / "table.npz", "--engine", "rey"), "Did you mean 'ray'"),
        (
            ("attack", table, files / "table.npz", "--out", "a/", "--keep", "x,relevnce"),
            "Unknown ke",
        ),
        (("robustness", table, files / "table.npz", "--attack", "jmsa"), "Did you mean 'jsma'"),
        (("robustness", table, files / "table.npz", "--measure", "l7"), "Unknown measure: 'l7'"),
        (("attack", table, grey), "expects inputs of shape ('N', 3). Received: those of"),
    ):
        assert text in run(*words, code=1)
    assert early.shape_of_data(grey) == (12, 8, 6, 1)
    assert tables.shape_of_model(files / "grey.keras") == (None, 8, 6, 1)
    np.savez("grey.npz", x=np.zeros((3, 8, 6)))
    early.check_shapes(files / "grey.keras", Path("grey.npz"))
    np.save("more.npy", np.zeros((3, 4)))
    said = r"The table has 4 columns, the model takes 3\. If one of them .* the labels, save it ap"
    with pytest.raises(ValueError, match=said):
        early.check_shapes(table, Path("more.npy"))


def test_names_of_results_tell_numbers_apart():
    words = output.words_of(None, step_size=(0.05, None), domain=("a/b.json", None), x=(True, 0))
    assert words == ["step-size-0.05", "domain-b", "x"]


def test_files_elsewhere_are_no_runs(files, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    place = "memory://commands/one.npz"
    words = ("attack", files / "grey.keras", files / "grey.npz", "--ignore-labels")
    text = run(*words, "--out", place, "--images", "memory://commands/turned")
    assert f"result:  {place}" in text
    assert "picture: memory://commands/one.png" in text
    assert "of 12 attacked samples turned" in run("evaluate", place)
    pictures = list(as_path("memory://commands/turned").iterdir())
    assert len(pictures) == int(isi.AttackResult.load(place).success.sum()) > 0
    run(*words, "--out", f"file://{tmp_path}/two.npz")
    assert (tmp_path / "two.npz").is_file()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["two.npz", "two.png"]
