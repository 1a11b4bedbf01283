"""`.keras` files from anywhere: nothing in them is run, and no more taken than they hold."""

import io
import json
import pickle
import re
import zipfile

import keras
import numpy as np
import pytest

from isi_keras.models import saved


class Armed:
    """What writes a file if it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of the file of a small model, and the model."""
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    path = tmp_path_factory.mktemp("good") / "m.keras"
    model.save(path)
    return path.read_bytes(), model


def edited(data, path, change, deflate=False):
    """A file whose configuration, and members by their names, are changed by a function."""
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        members = {name: held.read(name) for name in held.namelist()}
    config = json.loads(members["config.json"])
    config = change(config, members) or config
    members["config.json"] = json.dumps(config).encode()
    way = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", way) as held:
        for name, member in members.items():
            held.writestr(name, member)
    return path


def of_layer(name, module="keras.layers", **config):
    """Puts another layer in the place of the first."""

    def change(whole, members):
        entry = {"module": module, "class_name": name, "registered_name": None}
        whole["config"]["layers"][1] = {**entry, "config": {"name": "evil", **config}}

    return change


def of_units(units):
    def change(whole, members):
        whole["config"]["layers"][1]["config"]["units"] = units

    return change


def of_batch(whole, members):
    whole["config"]["layers"][0]["config"]["batch_shape"] = [10**9, 8]
    whole["config"]["layers"][1]["config"]["stateful"] = True


def refused(path):
    """What is said of a file that is not loaded, in one line."""
    with pytest.raises(ValueError, match=re.escape(repr(str(path)))) as found:
        saved.load(path)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 1000
    return str(found.value)


def test_a_model_is_loaded_as_it_was(good, tmp_path):
    made = keras.Variable.__init__
    model = saved.load(str(edited(good[0], tmp_path / "m.keras", lambda *given: None)))
    for one, other in zip(model.get_weights(), good[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    saved.load(edited(good[0], tmp_path / "d.keras", lambda *given: None, deflate=True))
    assert keras.Variable.__init__ is made


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            of_units(400_000_000),
            r"'kernel' of shape \(8, 400000000\) takes 12\.8 GB, the file",
        ),
        (of_layer("Embedding", input_dim=10**9, output_dim=64), r"'embeddings' .* 256\.0 GB"),
    ],
)
def test_what_does_not_fit_its_file_is_not_made(good, tmp_path, change, text):
    made = keras.Variable.__init__
    assert re.search(text, refused(edited(good[0], tmp_path / "m.keras", change)))
    assert keras.Variable.__init__ is made


@pytest.mark.parametrize(
    ("units", "what"),
    [((5, 2), r"variables of shapes \(8, 4\) and \(8, 5\)"), ((4,), "2 variables and 0")],
)
def test_weights_of_another_model_are_told_by_their_layer(good, tmp_path, units, what):
    other = keras.Sequential([keras.Input((8,)), *map(keras.layers.Dense, units)])
    other.save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as held:
        weights = held.read("model.weights.h5")

    def change(whole, members):
        members["model.weights.h5"] = weights

    text = refused(edited(good[0], tmp_path / "m.keras", change))
    assert re.search(f"not those of its layer 'dense.*': layer and weights have {what}. Save", text)


def test_the_limit_is_the_users(good, tmp_path, monkeypatch):
    path = edited(good[0], tmp_path / "m.keras", lambda *given: None)
    monkeypatch.setenv("ISI_KERAS_MAX_BYTES", "16000")
    assert len(saved.load(path).layers) == 2
    monkeypatch.setenv("ISI_KERAS_MAX_BYTES", "100")
    assert "where 100 are allowed" in refused(path)


def nested(times):
    return {"a": nested(times - 1)} if times else {"b": '"[[[[' * 100}


SECRET = "secret.txt"
OUTSIDE = "vocabulary file outside of the model archive|not that of a model|could not be|TensorFlow"
HOSTILE = {
    "custom": (of_layer("Evil", module="evil"), "Could not locate class 'Evil'.*import what def"),
    "process": (of_layer("Popen", module="subprocess", args=["touch", "x"]), "Could not locate"),
    "download": (
        of_layer("get_file", module="keras.utils", origin="file:x"),
        "not a modeling",
    ),
    "unsafe": (of_layer("enable_unsafe_deserialization", module="keras.config"), "not a modeling"),
    "strings": (of_layer("StringLookup", vocabulary=SECRET), OUTSIDE),
    "integers": (of_layer("IntegerLookup", vocabulary=SECRET), OUTSIDE),
    "url": (of_layer("StringLookup", vocabulary="http://localhost:9/x"), OUTSIDE),
    "above": (of_layer("StringLookup", vocabulary="../../" + SECRET), OUTSIDE),
    "text": (of_layer("TextVectorization", vocabulary=SECRET), "."),
    "folder": (of_layer("TFSMLayer", filepath="x"), "TFSMLayer"),
    "lambda": (
        of_layer("Lambda", function={"class_name": "__lambda__", "config": {"code": ""}}),
        "`Lambda` layer.*write what it does as a layer",
    ),
    "function": (
        lambda whole, members: whole["config"]["layers"][1]["config"].update(
            activation={"module": "os", "class_name": "function", "config": "system"}
        ),
        "Could not",
    ),
    "batch": (of_batch, "keep the states of 1000000000 samples"),
    "list": (lambda whole, members: [1], "cannot be loaded"),
    "deep": (lambda whole, members: nested(900), r"of a model: more than 300 lists and dictionar"),
    "nested": (lambda whole, members: nested(9), r"a model \(.* `KerasSaveable` \.\.\.\)"),
    "nothing": (lambda whole, members: members.pop("metadata.json") and None, "no metadata.json"),
    "path": (lambda whole, members: members.update({"../x": b"x"}), "which leads out of it"),
    "weights": (lambda whole, members: members.update({"model.weights.h5": b"x"}), "."),
}


@pytest.mark.once
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_run_or_read(good, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / SECRET).write_text("a\nb")
    change, text = HOSTILE[name]
    said = refused(edited(good[0], tmp_path / "m.keras", change))
    assert re.search(text, said), said
    assert "safe_mode" not in said
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.keras", SECRET]


@pytest.mark.once
def test_modules_of_torch_are_not_unpickled(good, tmp_path):
    data = pickle.dumps(Armed(tmp_path / "executed")).decode("latin-1")
    module = {"class_name": "__bytes__", "config": {"value": data}}
    refused(edited(good[0], tmp_path / "m.keras", of_layer("TorchModuleWrapper", module=module)))
    assert not (tmp_path / "executed").exists()


@pytest.mark.once
def test_files_that_are_none(good, tmp_path):
    path = tmp_path / "m.keras"
    for data, text in (
        (b"", "is empty"),
        (b"no model", "cannot be loaded as a Keras model: it is no zip file"),
        (good[0][:1000], "is truncated"),
        (good[0][:-30], "is truncated"),
    ):
        path.write_bytes(data)
        assert re.search(text, refused(path))
    edited(good[0], path, lambda _, m: m.update(x=b"\0" * 2**26), deflate=True)
    assert "are allowed" in refused(path)


@pytest.mark.once
def test_damaged_files(good, tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "m.keras"
    for _ in range(60):
        data = bytearray(good[0])
        for place in rng.integers(0, len(data), 3):
            data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            saved.load(path)
        except ValueError:
            continue
