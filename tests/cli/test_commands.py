"""The command line, end to end: what it prints, writes, and says when something is wrong."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from makers import figures
from makers.commands import plain, run
from makers.networks import images, small_network
from skimage import io, util
from typer.testing import CliRunner

import isi_keras as isi
from isi_keras.cli import attack, backend, data, explain, hardness, output, reproduce
from isi_keras.cli.commands import app
from isi_keras.papers import isi as isi_paper
from isi_keras.papers import isi_report
from isi_keras.plotting.attack.examples import draw_attack
from isi_keras.sources.folders import Folder, Format


def fresh(*arguments, code=0, **environment):
    """The same in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-m", "isi_keras.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A grey, an RGB and a tabular model, each with arrays it takes."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name, shape in (("grey", (8, 6, 1)), ("rgb", (8, 6, 3)), ("table", (5,))):
        keras.utils.set_random_seed(3)
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
        keras.Sequential(layers, name=name).save(folder / f"{name}.keras")
        x = rng.uniform(-1, 1, (6, *shape)).astype("float32")
        np.savez(folder / f"{name}.npz", x=x, y=np.arange(6) % 3)
        np.save(folder / f"{name}.npy", x)
    return folder


def painted(folder, *names, shape=(8, 6), seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 256, shape).astype("uint8") for _ in names]
    for name, picture in zip(names, pictures, strict=True):
        io.imsave(folder / name, picture, check_contrast=False)
    return np.stack(pictures)


def read_folder(folder, shape, channel_axis, bounds, samples):
    source = Folder(folder, Format(shape, channel_axis, bounds)).first(samples)
    return *source.rows(0, len(source)), source.classes


# --- help ---------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_starts_nothing():
    done = fresh("--help")
    for command in ("attack", "explain", "evaluate", "hardness", "robustness", "reproduce"):
        assert command in done.stdout
        assert "--help" in run(command, "--help")
    imports = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "isi_keras.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    loaded = set(re.findall(r"\| +([\w.]+)$", imports, re.MULTILINE))
    assert "typer" in loaded
    assert not loaded & {"keras", "tensorflow", "jax", "torch", "matplotlib"}


def test_version():
    assert run("--version") == f"isi-keras {isi.__version__}\n"


# --- attack and explain -------------------------------------------------------------------------


def test_attack_on_what_is_shipped(tmp_path):
    text = run("attack", "lenet-mnist", "--samples", 4, "--max-steps", 30)
    assert "4 of 4 attacked samples turned" in text
    assert "result:  results/lenet-mnist-relevance-l0-max-steps-30-samples-4.npz" in text
    assert "picture: results/lenet-mnist-relevance-l0-max-steps-30-samples-4.png" in text
    name = "results/lenet-mnist-relevance-l0-max-steps-30-samples-4"
    result = isi.AttackResult.load(tmp_path / f"{name}.npz")
    model, (x, y) = isi.zoo.load("lenet-mnist")
    expected = isi.Attack("relevance", "l0", 30)(model, x[:4], y=y[:4])
    np.testing.assert_array_equal(result.adversarial, expected.adversarial)
    np.testing.assert_array_equal(result.y, y[:4])
    assert io.imread(tmp_path / f"{name}.png").std() > 0
    again = run("attack", "lenet-mnist", "--samples", 4, "--max-steps", 30, code=1)
    assert "is there already. Add --overwrite to replace it" in again


def test_attack_passes_every_option_on(files, tmp_path):
    options = {
        "--indicator": "sensitivity",
        "--norm": "linf",
        "--target": 2,
        "--max-steps": 7,
        "--objective": "margin",
        "--step-size": 0.2,
        "--epsilon": 0.5,
        "--samples": 5,
        "--batch-size": 2,
        "--out": "a/b",
        "--picture": "c/d.pdf",
    }
    words = [word for pair in options.items() for word in pair]
    flags = ["--bounds", -1.5, 2, "--ignore-labels", "--no-from-logits", "--absolute"]
    run("attack", files / "grey.keras", files / "grey.npz", *words, *flags)
    result = isi.AttackResult.load(tmp_path / "a/b.npz")
    assert result.config["class_name"] == "Attack"
    assert result.config["config"] == {
        "indicator": {"class_name": "Sensitivity", "config": {"times_input": False}},
        "norm": {
            "class_name": "Linf",
            "config": {"step_size": 0.2, "epsilon": 0.5, "relative": False},
        },
        "max_steps": 7,
        "bounds": [-1.5, 2.0],
        "objective": "margin",
        "stop_when": "target",
        "scale": None,
        "max_inputs": None,
    }
    assert result.y is None
    assert len(result) == 5
    assert set(result.target) == {2}
    assert (tmp_path / "c/d.pdf").read_bytes().startswith(b"%PDF")


def test_attack_passes_the_options_of_l0_on(files, tmp_path):
    words = ["--features", 2, "--unit", "pixel", "--skip-saturated", "--out", "r.npz"]
    run("attack", files / "rgb.keras", files / "rgb.npy", *words)
    config = isi.AttackResult.load(tmp_path / "r.npz").config["config"]["norm"]["config"]
    assert config == {"features": 2, "unit": "position", "skip_saturated": True}
    assert (tmp_path / "r.png").exists()


def test_labels_spare_the_misclassified(files, tmp_path):
    text = run("attack", files / "grey.keras", files / "grey.npz", "--out", "r.npz")
    result = isi.AttackResult.load(tmp_path / "r.npz")
    np.testing.assert_array_equal(
        result.stop_reason == "misclassified", result.clean_prediction != result.y
    )
    assert "clean" in text


def test_nothing_attacked_has_no_picture(files, tmp_path):
    with np.load(files / "grey.npz") as data:
        x = data["x"]
    model = keras.saving.load_model(files / "grey.keras")
    np.savez("wrong.npz", x=x, y=(model.predict(x, verbose=0).argmax(-1) + 1) % 3)
    text = run("attack", files / "grey.keras", "wrong.npz", "--out", "r.npz")
    assert "picture: none, because no sample was attacked" in text
    assert not (tmp_path / "r.png").exists()


def test_tables_are_attacked_without_a_picture(files, tmp_path):
    words = ["attack", files / "table.keras", files / "table.npz", "--out", "r.npz"]
    assert "picture: none, because the inputs are not images" in run(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["r.npz"]
    (tmp_path / "r.npz").unlink()
    text = run(*words, "--picture", "r.png", code=1)
    assert "Inputs of shape ('N', 5) cannot be drawn as images. Leave out --picture." in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", [None, 1])
@pytest.mark.parametrize("name", ["grey", "table"])
def test_explain(files, tmp_path, name, target):
    words = [] if target is None else ["--target", target]
    text = run("explain", files / f"{name}.keras", files / f"{name}.npz", *words)
    place = f"results/{name}-relevance-{name}" + ("" if target is None else f"-target-{target}")
    explanation = isi.Explanation.load(tmp_path / f"{place}.npz")
    expected = explanation.prediction if target is None else np.full(6, target)
    np.testing.assert_array_equal(explanation.target, expected)
    assert "predicted: " + " ".join(map(str, explanation.prediction)) in text
    assert "6 samples, " in text
    assert io.imread(tmp_path / f"{place}.png").std() > 0


def test_many_predictions_are_counted():
    predicted = np.repeat([3, 1, 2], [5, 20, 1])
    assert output.predictions(predicted, predicted) == (
        "26 samples, 100.00% predicted as labelled\npredicted (how often): 1 (20), 3 (5), 2 (1)"
    )
    assert output.predictions(np.arange(30), None).endswith(", 19 (1) and 10 classes more")


def test_small_changes_have_the_whole_range_of_colours(files):
    model = keras.saving.load_model(files / "grey.keras")
    result = isi.Attack("sensitivity", isi.Linf(0.1), 2)(model, np.load(files / "grey.npy"))
    greatest = np.abs(result.adversarial - result.x).max()
    figure = draw_attack(result)
    limits = [image.get_clim() for ax in figure.axes for image in ax.images]
    assert any(np.allclose(limit, (-greatest, greatest)) for limit in limits)


def test_data_0_to_1_are_noted(files, tmp_path):
    np.save("half.npy", np.random.default_rng(0).random((3, 8, 6, 1)))
    done = CliRunner().invoke(app, ["attack", str(files / "grey.keras"), "half.npy"])
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("Note: No value of x is below 0")
    assert "(Here: --bounds LOW HIGH.)" in done.stderr


# --- data ---------------------------------------------------------------------------------------


def explained(files, model, data, *words):
    run("explain", files / f"{model}.keras", data, "--out", "x.npz", "--overwrite", *words)
    return isi.Explanation.load("x.npz").x


@pytest.mark.parametrize("keys", [{"x_test", "y_test"}, {"anything"}])
def test_names_of_arrays(files, keys):
    x = np.load(files / "grey.npy")
    np.savez("d.npz", **{key: np.zeros(6, int) if key[0] == "y" else x for key in keys})
    np.testing.assert_array_equal(explained(files, "grey", "d.npz", "--samples", 4), x[:4])


def test_the_channel_axis_is_added(files):
    x = np.load(files / "grey.npy")
    np.save("d.npy", x[..., 0])
    np.testing.assert_array_equal(explained(files, "grey", "d.npy"), x)


def test_folder_of_grey_images(files):
    pictures = painted(files / "g", "b.png", "a.png")
    (files / "g/notes.txt").write_text("no image")
    x = explained(files, "grey", files / "g")
    np.testing.assert_allclose(x, pictures[::-1, ..., None] / 127.5 - 1, atol=1e-6)
    x = explained(files, "grey", files / "g", "--bounds", 0, 255, "--samples", 1)
    np.testing.assert_allclose(x, pictures[1:, ..., None], atol=1e-4)
    x = explained(files, "rgb", files / "g")
    np.testing.assert_allclose(
        x, np.repeat(pictures[::-1, ..., None] / 127.5 - 1, 3, -1), atol=1e-6
    )


def test_folder_of_colour_images(files):
    (picture,) = painted(files / "c", "a.png", shape=(8, 6, 3))
    np.testing.assert_allclose(
        explained(files, "rgb", files / "c"), picture[None] / 127.5 - 1, atol=1e-6
    )
    grey = picture @ [0.2125, 0.7154, 0.0721]
    np.testing.assert_allclose(
        explained(files, "grey", files / "c"), grey[None, ..., None] / 127.5 - 1, atol=1e-5
    )


def test_folders_are_classes(files):
    for number, name in enumerate(("dog", "cat", ".hidden")):
        painted(files / "named" / name, "1.png", "0.png", seed=number)
    text = run("attack", files / "grey.keras", files / "named", "--out", "r.npz")
    assert "classes: cat = 0, dog = 1" in text
    np.testing.assert_array_equal(isi.AttackResult.load("r.npz").y, [0, 0, 1, 1])


def test_folders_name_the_classes_of_pictures(files, monkeypatch):
    for name in ("dog", "cat"):
        painted(files / "pets" / name, "0.png")
    given = data.Given("", None, None, (0, 1), None, {"cat": 0, "dog": 1})
    assert given.names_of(np.array([0, 3]), None) == ["cat", "dog", "2", "3"]
    seen = []
    monkeypatch.setattr(isi.plotting, "heatmaps", lambda *_, classes, **__: seen.append(classes))
    monkeypatch.setattr("isi_keras.plotting.style.save_picture", lambda figure, path: path)
    run("explain", files / "grey.keras", files / "pets", "--out", "m.npz")
    assert seen[0][:2] == ["cat", "dog"]


def test_folders_named_by_numbers_are_those_classes(files):
    for name in ("10", "9"):
        painted(files / "numbers" / name, "a.png")
    x, y, classes = read_folder(files / "numbers", (8, 6, 1), 3, (0, 1), None)
    assert classes == {"10": 10, "9": 9}
    np.testing.assert_array_equal(y, [10, 9])
    assert x.shape == (2, 8, 6, 1)


def test_images_are_resized_and_their_axes_placed(files):
    painted(files / "large", "a.png", shape=(40, 30))
    grey = read_folder(files / "large", (8, 6, 1), None, (-1, 1), None)[0]
    assert grey.shape == (1, 8, 6)
    assert np.abs(grey).max() < 0.7  # noise is averaged, not picked
    first = read_folder(files / "large", (None, None, 3), 1, (-1, 1), None)[0]
    assert first.shape == (1, 3, 40, 30)


@pytest.mark.parametrize("shape", [(8, 6, 2), (8, 6, 4)])
def test_transparent_becomes_white(files, shape):
    folder = files / f"alpha{shape[-1]}"
    folder.mkdir()
    picture = np.zeros(shape, "uint8")
    picture[4:, :, -1] = 255
    if shape[-1] == 4:
        io.imsave(folder / "a.png", picture, check_contrast=False)
    else:
        from PIL import Image

        Image.fromarray(picture, "LA").save(folder / "a.png")
    x = read_folder(folder, (8, 6, 1), 3, (-1, 1), None)[0]
    np.testing.assert_allclose(x[0, :4], 1)
    np.testing.assert_allclose(x[0, 4:], -1)


def test_animations_and_16_bits(files):
    folder = files / "odd"
    folder.mkdir()
    picture = util.img_as_uint(np.linspace(0, 1, 48).reshape(8, 6))
    io.imsave(folder / "a.png", picture, check_contrast=False)
    io.imsave(folder / "b.gif", np.zeros((8, 6), "uint8"), check_contrast=False)
    x = read_folder(folder, (8, 6, 1), 3, (0, 1), None)[0]
    np.testing.assert_allclose(x[0, ..., 0].ravel(), np.linspace(0, 1, 48), atol=1e-4)
    np.testing.assert_array_equal(x[1], 0)


# --- evaluate -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """One success, one failure: medians and means over all are infinite."""
    result = isi.Attack("sensitivity", "l0", max_steps=2)(small_network(), images()[..., :2])
    assert result.success.any()
    assert not result.success.all()
    return result.save(tmp_path_factory.mktemp("saved") / "r.npz")


def test_evaluate(saved):
    assert run("evaluate", saved) == f"{isi.evaluate(isi.AttackResult.load(saved))}\n"


def test_evaluate_writes_json(saved):
    def refuse(token):
        raise AssertionError(token)

    found = json.loads(run("evaluate", saved, "--json"), parse_constant=refuse)
    report = isi.evaluate(isi.AttackResult.load(saved))
    assert found["successes"] == report.successes
    assert found["clean_accuracy"] is None
    assert found["measures"]["l0_feature"]["mean_all"] is None
    assert found["measures"]["l2"]["mean_success"] == report.measures["l2"].mean_success


def test_evaluate_takes_the_place_of_the_channels(saved):
    found = json.loads(run("evaluate", saved, "--json", "--data-format", "channels_first"))
    result = isi.AttackResult.load(saved)
    report = isi.evaluate(result, data_format="channels_first")
    assert found["measures"]["l0_position"]["mean_success"] == (
        report.measures["l0_position"].mean_success
    )


def test_evaluate_starts_no_backend(saved):
    code = (
        "import sys; from isi_keras.cli import commands\n"
        f"commands.app(['evaluate', {str(saved)!r}], standalone_mode=False)\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- reproduce ----------------------------------------------------------------------------------


def test_reproduce(tmp_path, monkeypatch):
    figures.watch(monkeypatch)
    monkeypatch.setattr(
        isi_paper, "ISI", [dataclasses.replace(r, max_steps=8) for r in isi_paper.ISI]
    )
    command = ("reproduce", "isi", "--samples", 8, "--out", "f", "--save-results")
    draw, drawn = isi_report._draw, []

    def stopped(which, result):
        drawn.append(result)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return draw(which, result)

    monkeypatch.setattr(isi_report, "_draw", stopped)
    assert "kept in 'f/unfinished'; the same command goes on" in run(*command, code=130)
    done = tmp_path / "f/unfinished/untargeted-linf/shards/000000.npz"
    before = done.stat().st_mtime_ns
    other = (*command[:2], "--samples", 9, *command[4:])
    assert "'f/unfinished/untargeted-l0' holds another run: samples is 8" in run(*other, code=1)
    other = (*command, "--batch-size", 3)
    assert "call.batch_size is 512 there, and 3 here" in run(*other, code=1)
    checked = []

    def drawing(which, result):
        if which.name == "untargeted-linf":
            checked.append(done.stat().st_mtime_ns == before)
        return draw(which, result)

    monkeypatch.setattr(isi_report, "_draw", drawing)
    text = run(*command)
    assert checked == [True]
    names = {f"{run.name}.{kind}" for run in isi_paper.ISI for kind in ("npz", "png")}
    assert {path.name for path in (tmp_path / "f").iterdir()} == {*names, "numbers.json"}
    for name in names:
        assert f"f/{name}" in text
    found = json.loads((tmp_path / "f/numbers.json").read_text())
    backend = keras.backend.backend()
    assert found["command"] == (
        f"isi-keras --backend {backend} reproduce isi --samples 8 --batch-size 512 --out f "
        "--save-results"
    )
    assert {"isi_keras", "keras", "python", backend} == set(found["versions"])
    untargeted, _, targeted, sensitivity = found["runs"]
    report = isi.evaluate(isi.AttackResult.load("f/untargeted-l0.npz"))
    assert untargeted["success_rate"] == report.success_rate
    assert untargeted["mean_distance"] == report.measures["l0_feature"].mean_success
    assert untargeted["notebook"] == {
        "success_rate": 0.987,
        "mean_distance": 11.78,
        "seconds": 4.072,
    }
    assert untargeted["seconds_again"] > 0
    assert sensitivity["notebook"]["success_rate"] is None
    result = isi.AttackResult.load("f/targeted-l0.npz")
    assert len(result) == 100
    assert targeted["attacked"] == (result.clean_prediction != result.target).sum()
    assert f"{untargeted['success_rate']:.2%}" in text
    for words in ("98.70%", "11.78", "4.07", "85.56%", "20.73", "Colab GPU", "trained separately"):
        assert words in text
    assert max(map(len, text.split("\n"))) <= 80


def test_the_targeted_images_are_one_of_each_class():
    _, (_, y) = isi.zoo.load("lenet-mnist")
    np.testing.assert_array_equal(y[list(isi_paper.TARGETED)], np.arange(isi_paper.CLASSES))


def test_images_seen_as_another_class_are_named():
    (targeted,) = (run for run in isi_paper.ISI if run.targeted)
    label = np.repeat(np.arange(10), 10)
    label[30:40] = 8
    y = np.zeros(100, int)
    y[list(isi_paper.TARGETED)] = np.arange(10)

    class Seen:
        pass

    Seen.clean_prediction = label
    (remark,) = isi_paper.remarks(targeted, Seen, y)
    assert remark.startswith("image 18 is of class 3; this network predicts 8")
    assert isi_paper.remarks(isi_paper.ISI[0], Seen, y) == []


# --- errors -------------------------------------------------------------------------------------


def test_models_that_are_none(files, tmp_path):
    data = files / "grey.npy"
    assert "There is no model file 'no.keras'." in run("attack", "no.keras", data, code=1)
    text = run("attack", "lenet-mnits", data, code=1)
    assert "Unknown model: 'lenet-mnits'. Did you mean 'lenet-mnist'?" in text
    assert "Or pass the path of a .keras file." in text
    (tmp_path / "m.h5").write_text("")
    text = run("explain", "m.h5", data, code=1)
    assert "Expected MODEL to be a .keras file. Received: 'm.h5'." in text
    (tmp_path / "m.keras").write_text("no model")
    text = run("explain", "m.keras", data, code=1)
    assert "'m.keras' cannot be loaded as a Keras model" in text
    assert not (tmp_path / "results").exists()


def test_code_in_a_model_is_not_run(files):
    layers = [keras.Input((5,)), keras.layers.Lambda(lambda x: x), keras.layers.Dense(2)]
    keras.Sequential(layers).save("lambda.keras")
    text = run("explain", "lambda.keras", files / "table.npy", code=1)
    assert "Code in files is never run: write what it does as a layer" in text


def test_a_file_without_data(files):
    text = plain(run("attack", files / "grey.keras", code=2))
    assert "A .keras file comes without data. Add DATA after it." in text


def unreadable(files):
    (files / "d.csv").write_text("1,2")
    (files / "d.txt").write_text("1,2")
    (files / "text.npy").write_text("1,2")
    (files / "text.npz").write_text("1,2")
    np.save(files / "pickled.npy", np.array([{}]), allow_pickle=True)
    np.savez(files / "pickled.npz", x=np.array([{}]))
    np.savez(files / "keys.npz", a=np.zeros(2), b=np.zeros(2))
    np.savez(files / "empty.npz")
    np.savez(files / "short.npz", x=np.zeros((6, 8, 6, 1)), y=np.zeros(5, int))
    np.save(files / "number.npy", np.zeros(()))
    (files / "nothing").mkdir(exist_ok=True)
    painted(files / "mixed", "a.png")
    painted(files / "mixed" / "class", "a.png")
    painted(files / "broken", "a.png")
    (files / "broken/b.png").write_text("no")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gone.npz", "There is no file or folder .*gone.npz' to take as DATA"),
        ("d.txt", r"Expected DATA to be a file of samples \(.npz, .npy, .csv.* Received: .*d.txt"),
        ("d.csv", "d.csv': Expected rows of at least one column .* 0 rows of 2 columns"),
        ("text.npy", "text.npy' holds no array that can be read; pickled objects are refused"),
        ("text.npz", "text.npz' holds no array that can be read"),
        ("pickled.npy", "pickled.npy' holds no array that can be read"),
        ("pickled.npz", "pickled.npz' holds no array that can be read"),
        ("keys.npz", "Expected an array named x or x_test in .*keys.npz'. It holds: a, b."),
        ("empty.npz", "It holds: nothing."),
        ("short.npz", r"one label each. .* x of shape \(6, 8, 6, 1\), y of shape \(5,\)"),
        ("number.npy", r"Expected samples along the first axis.* x of shape \(\)"),
        ("nothing", r"nothing' holds no images \(.bmp, .gif"),
        ("mixed", "mixed' holds images and subfolders of images"),
        ("broken", "b.png' cannot be read as an image"),
        ("table.npy", r"The model 'grey' expects inputs of shape \('N', 8, 6, 1\)"),
    ],
)
def test_data_that_are_none(files, tmp_path, name, text):
    unreadable(files)
    error = run("attack", files / "grey.keras", files / name, code=1)
    assert error.startswith("Error: ")
    assert re.search(text, error)
    assert list(tmp_path.iterdir()) == []


def test_images_need_a_model_of_images(files):
    painted(files / "g2", "a.png")
    text = run("explain", files / "table.keras", files / "g2", code=1)
    assert "A folder of images needs a model that takes grey or RGB images." in text
    painted(files / "sizes", "a.png")
    painted(files / "sizes", "b.png", shape=(9, 9))
    with pytest.raises(ValueError, match=r"Received: \[\(8, 6\), \(9, 9\)\]"):
        read_folder(files / "sizes", (None, None, 1), 3, (0, 1), None)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--norm", "l3"), "Unknown norm: 'l3'. Did you mean 'l"),
        (("--indicator", "relevanc"), "Unknown indicator: 'relevanc'. Did you mean 'relevance'?"),
        (("--objective", "x"), "Unknown objective: 'x'"),
        (("--target", "7"), "Expected target to be from 0 to 2, as the model has 3 classes."),
        (("--bounds", "0", "1"), r"outside the bounds 0..1.*\(Here: --bounds LOW HIGH.\)"),
        (("--bounds", "1", "0"), "low <= high.*Received"),
        (("--features", "2", "--unit", "x"), "Unknown unit: 'x'"),
    ],
)
def test_options_the_library_refuses(files, tmp_path, words, text):
    error = run("attack", files / "grey.keras", files / "grey.npy", *words, code=1)
    assert re.search(text, error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--step-size", "0.1"), "--step-size does not belong to --norm l0, whose options are"),
        (
            ("--norm", "linf", "--features", "1"),
            "--norm linf, whose options are --step-size, --eps",
        ),
        (("--norm", "linf", "--skip-saturated"), "--skip-saturated does not belong to --norm linf"),
        (("--samples", "0"), "--samples"),
        (("--picture", "a.bmp"), "Expected a picture that ends in .png, .pdf, .svg."),
        (("--out",), "--out"),
        (("--colour",), "--colour"),
    ],
)
def test_usage_errors(files, tmp_path, words, text):
    error = run("attack", files / "grey.keras", files / "grey.npy", *words, code=2)
    assert text in plain(error)
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_are_logits_or_not(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]).save("one.keras")
    np.save("d.npy", np.zeros((2, 4)))
    assert "2 samples" in run("explain", "one.keras", "d.npy")  # a value, as it is
    text = run("attack", "one.keras", "d.npy", code=1)
    assert "cannot be known whether the outputs" in text
    assert "(Here: --from-logits or --no-from-logits.)" in text
    assert "2 samples" in run("explain", "one.keras", "d.npy", "--from-logits")


@pytest.mark.parametrize("command", ["attack", "explain", "hardness", "reproduce"])
def test_folders_that_cannot_be_written(tmp_path, command, monkeypatch):
    for module in (attack, explain, hardness, reproduce):
        monkeypatch.setattr(module, "start_backend", lambda: pytest.fail("too late"))
    (tmp_path / "file").write_text("")
    subject = "isi" if command == "reproduce" else "lenet-mnist"
    text = run(command, subject, "--out", "file/x", code=1)
    assert "Error: Cannot write to the folder 'file" in text
    assert "Choose a folder that exists or can be created" in text
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_that_cannot_be_written(tmp_path):
    (tmp_path / "r.npz").mkdir()
    with pytest.raises(IsADirectoryError, match=r"r\.npz': a folder has this name"):
        output.places(tmp_path / "r.npz", None, "model")
    with pytest.raises(OSError, match="Cannot write to the folder"):
        output.check_writable(tmp_path / ("long" * 100))


def test_evaluate_of_what_is_no_result(files, tmp_path):
    assert "There is no file 'no.npz'." in run("evaluate", "no.npz", code=1)
    assert "is not a result of isi_keras" in run("evaluate", files / "grey.npz", code=1)


# --- robustness ---------------------------------------------------------------------------------


def test_robustness(files, tmp_path):
    words = ("--attack", "sensitivity_l0", "--attack", "jsma", "--bounds", -1.5, 1, "--out", "r")
    text = run("robustness", files / "table.keras", files / "table.npz", *words)
    assert "an upper bound by 2 attacks" in text
    assert "result:  r.npz" in text
    assert "picture: r.png" in text
    result = isi.RobustnessResult.load(tmp_path / "r.npz")
    assert result.names.tolist() == ["sensitivity_l0", "jsma"]
    for entry in result.config["config"]["attacks"].values():
        assert entry["config"]["bounds"] == [-1.5, 1]
    assert run("evaluate", "r.npz") == text.partition("\nresult:")[0]
    numbers = json.loads(run("evaluate", "r.npz", "--json"))
    assert numbers["attacks"].keys() == {"sensitivity_l0", "jsma", "best of all"}
    assert numbers["levels"][-1]["distance"] is None
    assert "without labels" in run("robustness", files / "grey.keras", files / "grey.npy", code=1)


# --- backends -----------------------------------------------------------------------------------


def test_the_backend_is_an_option(files):
    name = keras.backend.backend()
    done = fresh("--backend", name, "explain", files / "table.keras", files / "table.npy")
    assert "6 samples" in done.stdout
    assert done.stderr == ""


def test_backends_that_are_wrong(files):
    assert "'numpi' is not one of" in plain(run("--backend", "numpi", "evaluate", "x", code=2))
    done = fresh("attack", "lenet-mnist", code=1, KERAS_BACKEND="numpy")
    assert "Unknown backend: 'numpy'. Choose one of 'tensorflow', 'jax', 'torch'." in done.stderr
    other = "torch" if keras.backend.backend() != "torch" else "jax"
    text = run("--backend", other, "attack", "lenet-mnist", code=1)
    assert f"Keras already runs on {keras.backend.backend()!r} in this process." in text


@pytest.mark.parametrize(
    ("installed", "configured", "chosen"),
    [
        (("tensorflow", "torch"), None, "tensorflow"),
        (("jax", "torch"), None, "jax"),
        (("torch",), '{"backend": "tensorflow"}', "torch"),
        (("tensorflow", "torch"), '{"backend": "torch"}', "torch"),
        (("torch",), "no json", "torch"),
        ((), None, "tensorflow"),
    ],
)
def test_the_backend_that_is_chosen(tmp_path, monkeypatch, installed, configured, chosen):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(backend, "_installed", lambda name: name in installed)
    if configured is not None:
        (tmp_path / "keras.json").write_text(configured)
    assert backend._default_backend() == chosen


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(backend, "_installed", lambda name: name == "torch")
    with pytest.raises(ValueError, match=r"pip install 'isi-keras\[jax\]', or choose torch with"):
        backend.start_backend()


def test_what_loading_writes_is_shown_only_if_it_fails(capfd):
    with backend._quiet():
        os.write(2, b"noise")

    def fail():
        with backend._quiet():
            os.write(2, b"reason")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == "reason"


def test_warnings_of_others_are_not_shown(capsys):
    with backend.reported():
        warnings.warn_explicit("ours", UserWarning, "f.py", 1, module="isi_keras.attack")
        warnings.warn_explicit("theirs", UserWarning, "f.py", 1, module="keras.layers")
    assert capsys.readouterr().err == "Note: ours\n"


def test_a_domain_comes_from_a_file(files, tmp_path):
    """Values in steps of a half."""
    domain = tmp_path / "domain.json"
    domain.write_text(json.dumps({"low": -1, "high": 1, "step": 0.5}))
    words = ("--norm", "linf", "--domain", domain, "--out", "a.npz", "--max-steps", 4)
    run("attack", files / "grey.keras", files / "grey.npz", *words)
    result = isi.AttackResult.load("a.npz")
    assert result.domain == isi.Domain(-1, 1, step=0.5)
    assert np.isin(result.adversarial[result.changed], [-1, -0.5, 0, 0.5, 1]).all()
    error = run("attack", "lenet-mnist", "--domain", domain, "--bounds", 0, 1, code=2)
    assert "--bounds and --domain say the same" in error
    domain.write_text('{"lower": 1}')
    assert "holds no Domain" in run("attack", "lenet-mnist", "--domain", domain, code=2)
