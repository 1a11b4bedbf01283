import json
import runpy
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from makers.paths import ROOT

import isi_keras as isi
from isi_keras import zoo

SCRIPTS = ROOT / "scripts"

LENET = [(5, 5, 1, 10), (10,), (5, 5, 10, 25), (25,), (4, 4, 25, 100), (100,), (100, 10), (10,)]
JSMA = [(5, 5, 1, 20), (20,), (5, 5, 20, 50), (50,), (800, 500), (500,), (500, 10), (10,)]
CIFAR = [
    *[(3, 3, 3, 64), (64,), (3, 3, 64, 64), (64,), (3, 3, 64, 128), (128,), (3, 3, 128, 128)],
    *[(128,), (8192, 512), (512,), (512, 10), (10,)],
]


@pytest.fixture(scope="module")
def shipped():
    return zoo.load("lenet-mnist")


@pytest.fixture
def tiny(tmp_path):
    """A file like `keras.datasets.mnist`'s with 160 training and 20 test images."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 160), ("test", 20)):
        arrays[f"x_{split}"] = rng.integers(256, size=(count, 28, 28), dtype="uint8")
        arrays[f"y_{split}"] = rng.integers(10, size=count, dtype="uint8")
    np.savez(tmp_path / "tiny.npz", **arrays)
    return tmp_path / "tiny.npz", arrays


def kernels(model):
    return [weight for weight in model.get_weights() if weight.ndim > 1]


@pytest.fixture(scope="module", params=["lenet_isi", "lenet_jsma", "cifar_isi"])
def seeded(request):
    """A name in the zoo and what it builds from seed 3."""
    return request.param, getattr(zoo, request.param)(3)


def test_weights_have_the_published_shapes(seeded):
    name, model = seeded
    expected = {"lenet_isi": LENET, "lenet_jsma": JSMA, "cifar_isi": CIFAR}[name]
    assert [weight.shape for weight in model.get_weights()] == expected


def test_layers_are_the_published_ones(seeded):
    name, model = seeded
    expected = {
        "lenet_isi": f"ZeroPadding2D {'Conv2D MaxPooling2D ' * 3} Flatten Dense",
        "lenet_jsma": f"{'Conv2D MaxPooling2D ' * 2} Flatten Dense Dense",
        "cifar_isi": f"{'Conv2D Conv2D MaxPooling2D Dropout ' * 2} Flatten Dense Dropout Dense",
    }[name]
    assert [type(layer).__name__ for layer in model.layers] == expected.split()
    activations = [layer.activation.__name__ for layer in model.layers if layer.weights]
    hidden = "tanh" if name == "lenet_jsma" else "relu"
    assert activations == [hidden] * (len(activations) - 1) + ["softmax"]


def test_same_seed_same_weights(seeded):
    name, model = seeded
    again, other = (getattr(zoo, name)(seed) for seed in (3, 4))
    for a, b, c in zip(kernels(model), kernels(again), kernels(other), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_without_a_seed_keras_decides():
    keras.utils.set_random_seed(1)
    one, other = kernels(zoo.lenet_isi()), kernels(zoo.lenet_isi())
    keras.utils.set_random_seed(1)
    for a, b, c in zip(one, other, kernels(zoo.lenet_isi()), strict=True):
        assert not np.array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_images_are_the_mnist_test_set(shipped):
    _, (x, y) = shipped
    assert (x.shape, x.dtype, x.min(), x.max()) == ((10000, 28, 28, 1), np.float32, -1, 1)
    assert (y.shape, y.dtype) == ((10000,), np.int64)
    assert y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    pixels = np.rint((x.astype("float64") + 1) * 127.5)
    np.testing.assert_allclose(pixels.mean(), 33.791224489795916, rtol=1e-12)
    np.testing.assert_array_equal(pixels.astype("float32") / np.float32(127.5) - 1, x)


def test_shipped_model_classifies_the_test_set(shipped):
    model, (x, y) = shipped
    prediction = model.predict(x, batch_size=1000, verbose=0).argmax(axis=-1)
    assert np.mean(prediction == y) >= 0.989


@pytest.mark.large
def test_the_network_of_the_jsma_is_as_good_and_as_easy_to_attack_as_published():
    """At least 99.2 % right; 97.1 % of attempts succeed and change 4.02 % in the paper."""
    model, (x, y) = zoo.load("lenet-jsma")
    assert [weight.shape for weight in model.get_weights()] == JSMA
    assert (x.min(), x.max()) == (0, 1)
    prediction = model.predict(x, batch_size=1000, verbose=0).argmax(axis=-1)
    assert np.mean(prediction == y) >= 0.992
    label = np.repeat(y[:40], 9)
    target = (label + np.tile(np.arange(1, 10), 40)) % 10
    result = isi.JSMA(theta=1.0, gamma=0.145)(model, np.repeat(x[:40], 9, 0), target=target)
    report = isi.evaluate(result)
    assert report.success_rate >= 0.965
    assert report.measures["l0_feature"].mean_success <= 0.044 * 784


def test_shipped_model_is_bare(shipped):
    model, _ = shipped
    assert [weight.shape for weight in model.get_weights()] == LENET
    assert not model.compiled


@pytest.mark.parametrize(
    ("name", "most"),
    [("lenet-mnist", 300_000), ("lenet-jsma", 2_000_000), ("lenet-robust", 300_000)],
)
def test_shipped_file_is_small_and_portable(name, most):
    path = Path(isi.__file__).parent / "data" / f"{name}.keras"
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json").decode()
    assert not json.loads(config).get("compile_config")
    assert "input_axes" not in config  # refused by Keras before 3.15
    assert path.stat().st_size < most


@pytest.mark.parametrize("name", zoo.NAMES)
def test_load_reads_a_new_model_as_keras_does(name, shipped):
    """Also its initializers, which are not drawn from."""
    model, (x, y) = zoo.load(name)
    wanted = keras.saving.load_model(
        Path(isi.__file__).parent / f"data/{name}.keras", compile=False
    )
    assert model.get_config() == wanted.get_config()
    for one, other in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model is not shipped[0]
    assert len(x) == len(y)


def test_channels_first_changes_nothing(shipped):
    expected, (x, _) = shipped
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        model, _ = zoo.load("lenet-mnist")
        fresh = zoo.lenet_isi()
        shapes = [weight.shape for weight in zoo.cifar_isi().get_weights()]
    finally:
        keras.config.set_image_data_format(before)
    fresh.set_weights(expected.get_weights())
    probabilities = expected.predict(x[:8], verbose=0)
    for same in (model, fresh):
        np.testing.assert_allclose(same.predict(x[:8], verbose=0), probabilities, rtol=1e-5)
    assert shapes == CIFAR


def test_unknown_name():
    text = (
        r"Unknown model: 'lenet-mnits'\. Did you mean 'lenet-mnist'\? Choose one of 'lenet-mnist'"
    )
    with pytest.raises(ValueError, match=text):
        zoo.load("lenet-mnits")


@pytest.mark.once
@pytest.mark.parametrize("network", ["lenet-mnist", "lenet-jsma"])
def test_training_script(network, tiny, tmp_path, capsys):
    data, arrays = tiny
    main = runpy.run_path(str(SCRIPTS / "train_lenet.py"))["main"]
    models = []
    options = ["--network", network, "--data", str(data), "--epochs", "1", "--seed", "5"]
    for name in ("one.keras", "new/two.keras"):
        out = tmp_path / name
        main([*options, "--out", str(out)])
        models.append(keras.saving.load_model(out, safe_mode=True))
        assert [path.name for path in out.parent.glob("*.keras")] == [out.name]
        assert f"wrote {out}" in capsys.readouterr().out
    assert not models[0].compiled
    untrained = {"lenet-mnist": zoo.lenet_isi, "lenet-jsma": zoo.lenet_jsma}[network](5)
    for a, b, c in zip(*map(kernels, models), kernels(untrained), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    x, y = zoo.as_input(arrays["x_test"], zoo.BOUNDS[network]), arrays["y_test"]
    assert models[0].predict(x, verbose=0).shape == (len(y), 10)


def test_packing_script(tiny, tmp_path, monkeypatch):
    data, arrays = tiny
    monkeypatch.syspath_prepend(SCRIPTS)
    main = runpy.run_path(str(SCRIPTS / "pack_mnist_test.py"))["main"]
    main(["--data", str(data), "--out", str(tmp_path / "packed.npz")])
    with np.load(tmp_path / "packed.npz") as packed:
        assert sorted(packed.files) == ["x", "y"]
        np.testing.assert_array_equal(packed["x"], arrays["x_test"])
        np.testing.assert_array_equal(packed["y"], arrays["y_test"])
