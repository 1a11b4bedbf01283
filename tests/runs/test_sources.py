"""Sources: whatever holds the samples, the run is the same."""

import itertools

import numpy as np
import pytest
from makers import fake
from skimage import io

import isi_keras as isi
from isi_keras import sources
from isi_keras.sources.folders import Folder, Format

SIZE = 6


def run(folder, source, **options):
    options = {"shard_size": SIZE, "verbose": 0, "keep": ("adversarial",), **options}
    return isi.run(fake.turned, None, source, out=folder, **options)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("wanted"), fake.samples()).digest()


def batches(size=5):
    """Batches of other sizes than the shards."""
    x, y = fake.samples()
    for begin in range(0, len(x), size):
        yield x[begin : begin + size], y[begin : begin + size]


def made():
    return fake.samples()


def npz(folder):
    x, y = fake.samples()
    np.savez(folder / "data.npz", x_test=x, y_test=y)
    return folder / "data.npz"


def hdf5(folder):
    h5py = pytest.importorskip("h5py")
    x, y = fake.samples()
    with h5py.File(folder / "data.h5", "w") as file:
        file["x"], file["y"] = x, y
    return folder / "data.h5"


def zarr(folder):
    package = pytest.importorskip("zarr", reason="zarr is not installed")
    group = package.open(str(folder / "data.zarr"), mode="w")
    for name, values in zip("xy", fake.samples(), strict=True):
        group.create_array(name, data=values)
    return folder / "data.zarr"


def frame(folder):
    pandas = pytest.importorskip("pandas")
    x, y = fake.samples()
    found = pandas.DataFrame(x, columns=[f"column {k}" for k in range(x.shape[1])])
    return found.assign(label=y)


def csv(folder):
    frame(folder).to_csv(folder / "data.csv", index=False)
    return folder / "data.csv"


def parquet(folder):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame(folder).to_parquet(folder / "data.parquet")
    return folder / "data.parquet"


def py_dataset(folder):
    import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return list(batches())[index]

    return Batches()


def tf_data(folder):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(fake.samples()).batch(5)


def loader(folder):
    torch = pytest.importorskip("torch")
    x, y = map(torch.from_numpy, fake.samples())
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=5)


def tensors(folder):
    torch = pytest.importorskip("torch")
    return tuple(map(torch.from_numpy, fake.samples()))


KINDS = {
    "function of a generator": lambda folder: batches,
    "generator": lambda folder: batches(),
    "factory": lambda folder: f"{__name__}:made",
    "zarr": zarr,
    "npz": npz,
    "hdf5": hdf5,
    "frame": frame,
    "csv": csv,
    "parquet": parquet,
    "PyDataset": py_dataset,
    "DataLoader": loader,
    "tensors": tensors,
}


@pytest.mark.once
def test_every_kind_of_source_gives_the_same_digest(tmp_path, wanted, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _itself())
    for kind, make in KINDS.items():
        (tmp_path / kind).mkdir()
        try:
            source = make(tmp_path / kind)
        except pytest.skip.Exception:
            continue
        y = "label" if kind in ("frame", "csv", "parquet") else None
        found = run(tmp_path / kind / "run", source, y=y)
        assert found.digest() == wanted, kind
        assert found.status().finished, kind


def _itself():
    import types

    module = types.ModuleType(__name__)
    module.made = made
    return module


@pytest.mark.once
def test_a_dataset_of_tensorflow(tmp_path, wanted):
    assert run(tmp_path, tf_data(tmp_path)).digest() == wanted
    with pytest.raises(ValueError, match="never ends"):
        run(tmp_path / "endless", tf_data(tmp_path).repeat())


def test_maps_are_described_not_copied(tmp_path, wanted):
    x, y = fake.samples()
    np.save(tmp_path / "x.npy", x)
    found = run(tmp_path / "run", np.load(tmp_path / "x.npy", mmap_mode="r"), y=y)
    assert found.digest() == wanted
    assert found.plan["source"]["of"]["kind"] == "npy"
    assert not (tmp_path / "run/input/x.npy").exists()


def test_a_stream_goes_on_in_its_order_only(tmp_path, wanted):
    found = run(tmp_path, batches, keep=None)
    assert found.plan["samples"] is None
    assert len(found) == fake.ROWS
    np.testing.assert_array_equal(found.result().x, fake.samples()[0])  # kept, as it is a stream
    (tmp_path / "shards/000001.npz").unlink()
    assert run(tmp_path, batches, keep=None).digest() == wanted
    (tmp_path / "shards/000003.npz").unlink()
    shuffled = [list(batches())[k] for k in (1, 0, 2, 3, 4)]
    with pytest.raises(ValueError, match=r"other samples than before, in shard 0. Is it shuffled"):
        run(tmp_path, shuffled.__iter__, keep=None)
    assert not (tmp_path / "shards/000003.npz").exists()
    without = run(tmp_path / "without", batches)
    with pytest.raises(ValueError, match="did not keep them"):
        without.result()


def test_streams_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"no samples. A generator gives them once only"):
        run(tmp_path / "a", iter(()))
    with pytest.raises(ValueError, match="Labels come with the batches"):
        run(tmp_path / "b", batches, y=np.zeros(24, int))
    with pytest.raises(TypeError, match="Expected batches x"):
        run(tmp_path / "c", lambda: [(1, 2, 3, 4)])
    assert run(tmp_path / "d", batches, y=False).result is not None
    assert "y" not in run(tmp_path / "d", batches, y=False).columns()


def test_what_gives_no_batches(tmp_path):
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.zeros(3, 2))
    with pytest.raises(TypeError, match=r"one by one. Pass batches of it: torch.utils.data.Data"):
        sources.of(data)
    with pytest.raises(TypeError, match=r"the class Stream. Make one of it"):
        sources.of(sources.Stream)
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)))
    for source in (np.zeros((3, 2)), batches, str(tmp_path / "a.npz")):
        with pytest.raises(ValueError, match="y='label' would be the column of a table"):
            sources.of(source, "label")


def test_what_never_ends_is_refused_by_name():
    import keras

    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            raise AssertionError("not read")

    batch = np.zeros((3, 2))
    for source, text in (
        (Endless(), r"The Endless never ends.*num_batches"),
        (itertools.cycle([batch]), r"itertools.cycle never ends.*islice\(batches, n\)"),
        (itertools.repeat(batch), "itertools.repeat never ends"),
    ):
        with pytest.raises(ValueError, match=text):
            sources.of(source)
    ended = sources.of(itertools.repeat(batch, 2))
    assert isinstance(ended, sources.Stream)
    assert [len(x) for x, _ in ended.portions(4)] == [4, 2]


def test_tables_need_numbers(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"age": [1.0, 2], "town": ["A", "B"], "label": [0, 1]})
    with pytest.raises(ValueError, match="'town' is of the type"):
        sources.of(table, "label")
    with pytest.raises(ValueError, match=r"Unknown column: 'labels'. Did you mean 'label'"):
        sources.of(table, "labels")
    assert sources.of(table[["age", "label"]], "label").names == ("age",)


def test_tables_that_cannot_be_read(tmp_path):
    pytest.importorskip("pandas")
    for name, text, match in (
        ("empty.csv", "", r"empty.csv' cannot be read as a table \(No columns"),
        ("ragged.csv", "a,b\n1,2\n1,2,3\n", "cannot be read as a table"),
        ("head.csv", "a,b\n", "0 rows of 2 columns"),
        ("x.h5", "no", "cannot be read as HDF5"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=match):
            sources.of(tmp_path / name)


def test_a_factory_that_gives_other_samples_is_refused(tmp_path, wanted, monkeypatch):
    import sys

    module = _itself()
    monkeypatch.setitem(sys.modules, "factory_of_samples", module)
    source = "factory_of_samples:made"
    assert run(tmp_path, source).digest() == wanted
    (tmp_path / "shards/000002.npz").unlink()
    spec = isi.Run(tmp_path).plan["source"]
    module.made = lambda: fake.samples(seed=1)
    with pytest.raises(ValueError, match=r"begun with other data \(source.sha256 differs"):
        run(tmp_path, source)
    with pytest.raises(ValueError, match="gives other samples here than where the run was begun"):
        sources.of_spec(spec)
    module.made = made
    assert run(tmp_path, source).digest() == wanted


def painted(folder, names, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        io.imsave(folder / name, rng.integers(0, 256, (4, 4)).astype("uint8"), check_contrast=False)


def test_some_images_are_drawn_from_all_classes(tmp_path):
    painted(tmp_path, [f"{kind}/{k}.png" for kind in "abc" for k in range(4)])
    whole = Folder(tmp_path, Format((4, 4, 1), 3, (0.0, 1.0)))
    x, _ = whole.rows(0, len(whole))
    assert (x.shape, x.min() >= 0, x.max() <= 1) == ((12, 4, 4, 1), True, True)
    some = whole.first(5)
    np.testing.assert_array_equal(some.rows(0, 5)[1], [0, 0, 1, 1, 2])
    again = sources.of_spec(some.described())
    np.testing.assert_array_equal(again.rows(0, 5)[0], some.rows(0, 5)[0])
    np.testing.assert_array_equal(some.rows(2, 4)[0], x[4:6])
    assert whole.first(None) is whole.first(99) is whole
    before = some.described()["sha256"]
    painted(tmp_path, ["a/0.png"], seed=9)
    assert whole.first(5).described()["sha256"] != before


@pytest.mark.once
def test_which_pixels_a_model_wants_is_seen():
    import keras
    from keras import layers

    from isi_keras.sources import pixels

    def inside(*chain):
        return pixels.inside(keras.Sequential([keras.Input((4, 4, 1)), *chain]))

    assert inside(layers.Flatten()) is None
    assert inside(layers.Rescaling(1 / 255)) == ("Rescaling", (0, 255))
    assert inside(layers.Rescaling(1 / 127.5, -1)) == ("Rescaling", (0, 255))
    assert inside(layers.Rescaling(2, -1)) == ("Rescaling", (0, 1))
    wide = layers.Normalization(mean=[33.0], variance=[78.0**2])
    assert inside(wide) == ("Normalization", (0, 255))
    narrow = layers.Normalization(mean=[0.13], variance=[0.3**2])
    assert inside(keras.Sequential([narrow])) == ("Normalization", (0, 1))


def remote(name):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    return f"memory://{name}"


def test_a_run_lies_elsewhere(wanted):
    place = remote("night")
    found = run(place, fake.samples())
    assert found.digest() == wanted
    again = isi.Run(place)
    assert isi.evaluate(again).samples == fake.ROWS
    np.testing.assert_array_equal(again[3:9].x, fake.samples()[0][3:9])
    (again.path / "shards/000002.npz").unlink()
    assert run(place, fake.samples()).digest() == wanted
    with pytest.raises(ValueError, match="begun with other data"):
        run(place, fake.samples(seed=1))
    assert run(remote("streamed"), batches).digest() == wanted
    target = np.arange(fake.ROWS) % 2
    aimed = run(remote("aimed"), fake.samples(), target=target)
    np.testing.assert_array_equal(aimed.result().target, target)
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        isi.Run(remote("nowhere"))


def test_a_run_lies_at_an_address_of_a_file(tmp_path, wanted):
    found = run(f"file://{tmp_path}/night", fake.samples())
    assert found.digest() == wanted
    assert isi.Run(tmp_path / "night").digest() == wanted
    assert found.status().finished


def test_arrays_of_zarr_are_read_some_at_a_time(tmp_path):
    path = zarr(tmp_path)
    package = pytest.importorskip("zarr")
    array = package.open(str(path), mode="r")["x"]
    for source in (array, path):
        found = sources.of(source).first(7)
        assert len(found) == 7
        np.testing.assert_array_equal(found.rows(5, 7)[0], fake.samples()[0][5:7])
    assert sources.of_spec(sources.of(path).first(7).described()).rows(0, 9)[0].shape == (7, 6)
