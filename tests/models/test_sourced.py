"""Sources given straight to attacks and `explain`: bitwise what arrays give."""

import functools

import keras
import numpy as np
import pytest
from makers.networks import images, small_network
from skimage import io

import isi_keras as isi
from isi_keras.sources.folders import Folder, Format

SAMPLES, SIZE = 20, 2  # read 16 at a time
ATTACK = isi.Attack("relevance", "l0", max_steps=8, bounds=(-1, 1))


@pytest.fixture(scope="module")
def given():
    model, x = small_network(), images(SAMPLES)
    y = model.predict(x, verbose=0).argmax(-1)
    y[3] = (y[3] + 1) % 3  # misclassified
    return model, x, y


@pytest.fixture(scope="module")
def whole(given):
    model, x, y = given
    return ATTACK(model, x, y=y, batch_size=SIZE, trajectory=True)


def streamed(x, y, size=3):
    return lambda: ((x[k : k + size], y[k : k + size]) for k in range(0, len(x), size))


def mapped(x, folder):
    """Inputs in a file, which are read by number."""
    np.save(folder / "mapped.npy", x)
    return np.load(folder / "mapped.npy", mmap_mode="r")


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = slice(5 * index, 5 * index + 5)
        return self.x[part], self.y[part]


def check_equal(one, other):
    found, wanted = one.to_arrays(), other.to_arrays()
    assert found.keys() == wanted.keys()
    for name in found.keys() - {"seconds", "trajectory"}:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    if "trajectory" in found:  # batches shrink as samples end, at the end of each portion
        np.testing.assert_allclose(found["trajectory"], wanted["trajectory"], atol=1e-6)


def test_an_attack_of_a_stream_is_the_call(given, whole):
    model, x, y = given
    for source in (streamed(x, y), streamed(x, y)(), Batches(x, y)):
        found = ATTACK(model, source, batch_size=SIZE, trajectory=True)
        check_equal(found, whole)
        assert found.config == whole.config
    unlabelled = ATTACK(model, streamed(x, y), y=False, batch_size=SIZE)
    check_equal(unlabelled, ATTACK(model, x, batch_size=SIZE))


@pytest.mark.once
def test_files_and_mapped_arrays_are_read_some_at_a_time(tmp_path, given, whole, monkeypatch):
    from isi_keras.attacks import performing

    model, x, y = given
    asked, perform = [], performing.perform

    def watched(attack, model, x, **options):
        asked.append(len(x))
        return perform(attack, model, x, **options)

    monkeypatch.setattr(performing, "perform", watched)
    np.save(tmp_path / "x.npy", x)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        for source in (mapped(x, tmp_path), str(tmp_path / "x.npy"), file["x"]):
            asked.clear()
            found = ATTACK(model, source, y=y, batch_size=SIZE, trajectory=True)
            check_equal(found, whole)
            assert asked == [16, 4]


def test_maps_of_a_source_are_those_of_arrays(given, tmp_path):
    model, x, y = given
    target = np.arange(SAMPLES) % 3
    options = {"batch_size": 3, "target": target, "conservation": True}
    wanted = isi.explain(model, x, **options)
    source = mapped(x, tmp_path)
    check_equal(isi.explain(model, source, **options), wanted)
    with pytest.raises(ValueError, match=r"target for each sample of the source, which has 20"):
        isi.explain(model, source, target=target[:-1], batch_size=20)
    options["target"] = 1
    wanted = isi.explain(model, x, **options)
    check_equal(isi.explain(model, streamed(x, y, 7), **options), wanted)
    options["y"] = y
    check_equal(isi.explain(model, x, **options), wanted)
    check_equal(isi.explain(model, (x, y), **(options | {"y": None})), wanted)
    for wrong, text in (
        ({"x": (x, y)}, "labels twice"),
        ({"x": (x, y[:7]), "y": None}, r"a label for each of 20 samples. Received: .*\(7,\)"),
        ({"x": source, "y": y[:7]}, "a label for each sample. Received: 20 samples"),
    ):
        with pytest.raises(ValueError, match=text):
            isi.explain(model, **(options | wrong))
    with pytest.raises(ValueError, match="tokens are a vocabulary"):
        isi.explain(model, streamed(x, y), tokens=[["a"]] * SAMPLES)


@pytest.mark.once
def test_what_is_given_for_each_sample_is_cut_with_them(given, tmp_path):
    model, x, y = given
    source = mapped(x, tmp_path)
    low = np.where(np.arange(SAMPLES)[:, None, None, None] % 2, -1, x)
    attack = isi.Attack("relevance", "l0", max_steps=3, bounds=(low, np.float32(1)))
    options = {"target": (y + 1) % 3, "batch_size": SIZE}
    wanted = attack(model, x, **options)
    found = attack(model, source, y=False, **options)
    check_equal(found, wanted)
    assert found.config == wanted.config
    goal = isi.goals.Target((y + 1) % 3, margin=0.1)
    numbers = np.arange(SAMPLES) + 5
    check_equal(
        ATTACK(model, source, y=False, goal=goal, batch_size=SIZE, first_index=numbers),
        ATTACK(model, x, goal=goal, batch_size=SIZE, first_index=5),
    )
    for wrong in ({"target": y[:18]}, {"goal": isi.goals.Target(np.append(y, 0))}):
        with pytest.raises(ValueError, match="for each sample of the source"):
            attack(model, source, batch_size=SIZE, y=False, **wrong)
    many = isi.Attack("relevance", "l0", max_steps=1, bounds=(np.append(low, low, 0), 1.0))
    with pytest.raises(ValueError, match="low for each sample of the source"):
        many(model, source, batch_size=SIZE)


def test_what_is_given_for_each_sample_of_a_stream_is_refused(given):
    """It may be shuffled."""
    model, x, y = given
    low = np.minimum(x, 0)
    attack = isi.Attack("relevance", "l0", max_steps=3, bounds=(low, np.float32(1)))
    for one, options, name in (
        (attack, {}, "low"),
        (ATTACK, {"target": y}, "target"),
        (ATTACK, {"goal": isi.goals.Target(y)}, "goal"),
    ):
        with pytest.raises(ValueError, match=f"Received {name} for each sample of a stream"):
            one(model, streamed(x, y), batch_size=SIZE, **options)
    with pytest.raises(ValueError, match="Received target for each sample of a stream"):
        isi.explain(model, streamed(x, y), target=y)
    for several in (
        lambda x, y: isi.hardness(model, x, y, attack=attack),
        lambda x, y: isi.robustness(model, x, y, attacks={"one": attack}),
    ):
        with pytest.raises(ValueError, match="Bounds of each sample are cut for an attack alone"):
            several(streamed(x, y), None)


def test_batches_that_do_not_fit_together(given):
    model, x, y = given
    for batches, text in (
        ([{"a": x[:4], "b": x[:2]}], r"differ in their numbers of samples: {'a': 4, 'b': 2}"),
        ([((x[:2], x[:2]), y[:5])], "Give several inputs as a dictionary"),
        ([(x[:2], y[:2]), x[:2]], "have labels or inputs that others lack"),
    ):
        with pytest.raises(ValueError, match=text):
            ATTACK(model, lambda batches=batches: iter(batches))


@pytest.mark.once
def test_warnings_come_once_and_are_of_all_samples(given, tmp_path):
    model, x, _ = given
    with pytest.warns(UserWarning, match="No value of x is below 0") as told:
        ATTACK(model, iter([abs(x), abs(x)]), batch_size=1)
    assert sum("No value of x" in str(each.message) for each in told) == 1
    reached = model.predict(x, verbose=0).argmax(-1)
    with pytest.warns(UserWarning, match="Every sample is already predicted as its target"):
        ATTACK(model, mapped(x, tmp_path), target=reached, batch_size=SIZE)
    reached[-1] = (reached[-1] + 1) % 3
    found = ATTACK(model, mapped(x, tmp_path), target=reached, batch_size=SIZE)
    assert found.attacked.sum() == 1


@pytest.mark.once
def test_folders_tables_and_inputs_by_name(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(4):
        pixels = rng.integers(0, 256, (4, 4)).astype("uint8")
        (tmp_path / f"{k % 2}").mkdir(exist_ok=True)
        io.imsave(tmp_path / f"{k % 2}/{k}.png", pixels, check_contrast=False)
    chain = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential(chain)
    attack = isi.Attack("sensitivity", "l0", max_steps=2, bounds=(0, 1))
    found = attack(model, tmp_path, y=False)
    assert (found.x.shape, found.y) == ((4, 4, 4, 1), None)
    assert attack(model, tmp_path).y.tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"Folder\(path, Format\(shape=\(4, 4, 1\)"):
        isi.explain(model, tmp_path)
    of_pixels = keras.Sequential([chain[0], keras.layers.Rescaling(1 / 255), *chain[1:]])
    wanted = isi.explain(of_pixels, 255 * found.x)
    np.testing.assert_allclose(isi.explain(of_pixels, tmp_path).logits, wanted.logits, rtol=1e-5)
    scaled = Folder(str(tmp_path), Format((4, 4, 1), 3, (0.0, 1.0)))
    np.testing.assert_array_equal(isi.explain(model, scaled).x, found.x)
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(rng.uniform(size=(6, 3)).astype("float32"), columns=list("abc"))
    table["label"] = [0, 1] * 3
    table.to_csv(tmp_path / "t.csv", index=False)
    flat = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    wanted = attack(flat, table[list("abc")].to_numpy(), y=table["label"].to_numpy())
    check_equal(attack(flat, table, y="label"), wanted)
    assert attack(flat, str(tmp_path / "t.csv"), y="label").success.shape == (6,)
    wanted = isi.explain(flat, table[list("abc")].to_numpy())
    check_equal(isi.explain(flat, table, y="label"), wanted)
    check_equal(isi.explain(flat, tmp_path / "t.csv", y="label"), wanted)
    for method in (isi.explain, attack):
        with pytest.raises(ValueError, match=r"4 columns, the model takes 3.*y='label'"):
            method(flat, tmp_path / "t.csv")
    flat.save(tmp_path / "m.keras")
    found = table.to_numpy("float32")
    np.save(tmp_path / "t.npy", found)
    hint = r"The table has 4 columns, the model takes 3\. If one of them holds the labels, "
    named, out = hint + r"name it: y='label'\.", {"out": tmp_path / "run"}
    best = functools.partial(isi.robustness, attacks=attack)
    for method in (attack, best):
        for model in (flat, tmp_path / "m.keras"):
            for source in (table, tmp_path / "t.csv"):
                with pytest.raises(ValueError, match=named):
                    isi.run(method, model, source, **out)
    for method in (isi.explain, attack):
        with pytest.raises(ValueError, match=named):
            method(flat, table)
        for source in (found, tmp_path / "t.npy"):
            with pytest.raises(ValueError, match=hint + r"pass it apart: x\[:, :-1\] and y="):
                method(flat, source)
    with pytest.raises(FileNotFoundError, match=r"no file or folder 'gone.npy'"):
        attack(flat, "gone.npy")
    inputs = {name: keras.Input((3,), name=name) for name in "ab"}
    z = keras.layers.Dense(2)(keras.layers.Concatenate()([*inputs.values()]))
    two = isi.logits(keras.Model(inputs, z), moving="a")
    data = {name: rng.uniform(size=(9, 3)).astype("float32") for name in "ab"}
    parts = [{name: part[k : k + 2] for name, part in data.items()} for k in range(0, 9, 2)]
    check_equal(attack(two, iter(parts), batch_size=1), attack(two, data, batch_size=1))
    wanted = isi.explain(two, data, batch_size=2)
    check_equal(isi.explain(two, iter(parts), batch_size=2), wanted)
    check_equal(isi.explain(two, (data, np.arange(9)), batch_size=2), wanted)
    check_equal(isi.explain(two, tuple(data.values()), batch_size=2), wanted)


@pytest.mark.once
def test_sweeps_and_ensembles_of_a_source(given, tmp_path):
    model, x, y = given[0], given[1][:10], given[2][:10]
    best = {"attacks": ["sensitivity_l0", "sensitivity_linf"], "measure": "l2", "batch_size": 1}
    goal = isi.goals.Target((y + 1) % 3)
    wanted = isi.robustness(model, x, y, goal=goal, **best)
    found = isi.robustness(model, mapped(x, tmp_path), y, goal=goal, **best)
    check_equal(found, wanted)
    assert isi.goals.of(found[3:5]) == isi.goals.Target(((y + 1) % 3)[3:5])
    sweep = {"attack": ATTACK, "distances": False, "batch_size": 1}
    wanted = isi.hardness(model, x, y, **sweep)
    check_equal(isi.hardness(model, streamed(x, y), None, **sweep), wanted)
    with pytest.raises(TypeError, match="Expected y to be the true labels"):
        isi.hardness(model, iter([x]), None)
