"""Runs: a folder of shards, with a method in plain NumPy, so that no backend is started."""

import functools
import json
import os
import shutil
import sys

import numpy as np
import pytest
from makers import fake

import isi_keras as isi
from isi_keras.runs import progress, shards
from isi_keras.runs.folder import RunFolder

SIZE = 6  # four shards
FIELDS = ("x", "adversarial", "order", "success", "stop_reason", "steps", "y", "prediction")


def run(folder, source=None, method=fake.turned, **options):
    source = fake.samples() if source is None else source
    options = {"shard_size": SIZE, "batch_size": 3, "verbose": 0, **options}
    return isi.run(method, None, source, out=folder, **options)


@pytest.fixture(scope="module")
def whole():
    x, y = fake.samples()
    return fake.turned(None, x, y=y)


@pytest.fixture(scope="module")
def wanted(whole):
    return shards.packed(whole, whole.x, ("adversarial", "relevance"), 0)[1]["digest"]


def check_equal(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def written(folder):
    return {p.name: p.stat().st_mtime_ns for p in sorted((folder / "shards").iterdir())}


def test_a_run_is_the_call_in_parts(tmp_path, whole, wanted):
    found = run(tmp_path)
    assert list(written(tmp_path)) == [f"{k:06d}.npz" for k in range(4)]
    check_equal(found.result(), whole)
    assert found.digest() == wanted
    assert len(found) == fake.ROWS
    assert [len(part) for part in found] == [SIZE] * 4
    assert run(tmp_path / "other", shard_size=5).digest() == wanted
    status = found.status()
    assert status.finished
    assert str(status).startswith("4 of 4 shards done, 24 of 24 samples")
    assert repr(found) == f"Run({str(tmp_path)!r})"


def test_what_is_done_is_not_done_again(tmp_path, wanted):
    found = run(tmp_path)
    before = written(tmp_path)
    (tmp_path / "shards/000002.npz").unlink()
    (tmp_path / "shards/.000001.npz.half").write_bytes(b"PK")
    with pytest.warns(UserWarning, match="not finished: this is of 3 of 4 shards"):
        assert len(found.result()) == 18
    with pytest.raises(IndexError, match="Sample 12 is not done yet"):
        found[[3, 12]]
    assert run(tmp_path).digest() == wanted
    after = written(tmp_path)
    del before["000002.npz"], after["000002.npz"]
    assert before == after  # the half-written file of a killed writer is gone


@pytest.mark.parametrize("indices", [3, slice(4, 9), [23, 0, 7, 7], np.arange(24) % 5 == 0])
def test_samples_are_cut_from_the_shards(tmp_path, whole, indices):
    check_equal(run(tmp_path)[indices], whole[indices])


def test_evaluation_reads_the_table_alone(tmp_path, whole):
    found = run(tmp_path, keep=())
    one, other = isi.evaluate(found).to_dict(), isi.evaluate(whole).to_dict()
    assert one.pop("seconds") > other.pop("seconds") == 0
    assert one == other
    with pytest.raises(ValueError, match="kept no adversarial and no order"):
        found.result()
    with pytest.raises(ValueError, match="Leave data_format out"):
        isi.evaluate(found, data_format="channels_last")
    table = found.table()
    np.testing.assert_array_equal(table["success"], whole.success)
    np.testing.assert_array_equal(np.asarray(table.index), np.arange(fake.ROWS))
    bytes_each = sum(values.dtype.itemsize for values in found.columns().values()) - 8
    assert bytes_each <= 60  # without the number of the row


def test_plots_take_runs(tmp_path, whole):
    found = run(tmp_path)
    for _ in range(2):  # the second time it is there already
        one = isi.plotting.robust_accuracy(found).lines[0].get_xydata()
    np.testing.assert_array_equal(one, isi.plotting.robust_accuracy(whole).lines[0].get_xydata())
    assert isi.plotting.changes(found) is not None
    assert isi.plotting.distances({"a": found, "b": whole}) is not None


def test_parts_make_a_whole(tmp_path, wanted):
    run(tmp_path, part=(0, 2))
    assert list(written(tmp_path)) == ["000000.npz", "000002.npz"]
    assert run(tmp_path, part=(1, 2)).digest() == wanted


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 4}, r"call.batch_size is 3 there, and 4 here"),
        ({"batch_size": 4, "shard_size": 32}, r"call.batch_size is 3 there, and 4 here"),
        ({"source": fake.samples(20)}, "samples is 24 there, and 20 here"),
        ({"shard_size": 7}, "shard_size is 6 there, and 7 here"),
        ({"target": 1}, "call.target is None there, and 1 here"),
        ({"keep": ()}, "call.keep"),
        ({"method": functools.partial(fake.turned, slow=0.1)}, "method.options.slow is None there"),
        ({"y": False}, "source.kind"),
        ({"source": fake.samples(seed=1)}, "begun with other data"),
        ({"source": (fake.samples()[0], 1 - fake.samples()[1])}, "begun with other labels"),
    ],
)
def test_another_plan_is_refused(tmp_path, options, text):
    run(tmp_path)
    before = written(tmp_path)
    with pytest.raises(ValueError, match=text):
        run(tmp_path, **options)
    assert written(tmp_path) == before


def test_a_shard_that_raises_is_kept_as_a_failure_and_tried_again(tmp_path, wanted):
    method = functools.partial(fake.turned, fail=str(tmp_path / "once"))
    text = r"A shard failed; 3 of 4 shards are kept .* Shard 1: ValueError: x is bad"
    with pytest.raises(RuntimeError, match=text):
        run(tmp_path / "run", method=method)
    failure = json.loads((tmp_path / "run/failed/000001.json").read_text())
    assert "Traceback" in failure["traceback"]
    assert "shard 1 failed: ValueError" in str(isi.Run(tmp_path / "run").status())
    found = run(tmp_path / "run", method=method)
    assert found.digest() == wanted
    assert not found.status().failed
    broken = fake.samples()[0]
    broken[8, 2] = np.nan
    with pytest.raises(
        RuntimeError, match="Shard 1: ValueError: x holds NaN, the first at index 2"
    ):
        run(tmp_path / "other", broken)


def test_a_changed_source_is_seen_when_it_is_read(tmp_path):
    x, y = fake.samples()
    np.save(tmp_path / "x.npy", x)
    found = run(tmp_path / "run", tmp_path / "x.npy", y=y)
    np.save(tmp_path / "x.npy", 1 - x)
    assert isi.evaluate(found).samples == fake.ROWS
    with pytest.raises(ValueError, match="source has changed since shard 0 was computed"):
        found[0]


def test_damaged_shards_are_named(tmp_path):
    found = run(tmp_path)
    (tmp_path / "shards/000001.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"000001.npz' is damaged"):
        found.digest()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"part": (2, 2)}, ValueError, r"Received: part=\(2, 2\)"),
        ({"part": 1}, TypeError, "pair"),
        ({"engine": "dusk"}, ValueError, "Did you mean 'dask'"),
        ({"workers": 0}, ValueError, "workers"),
        ({"keep": ("everything",)}, ValueError, "Unknown keep"),
        ({"method": "isi"}, TypeError, "Expected a method"),
        ({"method": lambda model, x: None}, TypeError, "workers can import"),
        ({"method": functools.partial(fake.turned, sloow=1)}, TypeError, "no option"),
        ({"method": functools.partial(fake.turned, y=1)}, TypeError, "argument of run itself"),
        ({"source": "gone.npy"}, FileNotFoundError, "no file or folder 'gone.npy'"),
        ({"target": [1, 2]}, ValueError, "one for each of 24 samples"),
        ({"y": [1, 2]}, ValueError, "a label for each sample"),
        ({"source": list(fake.samples())}, TypeError, r"labels are a tuple, \(x, y\)"),
        ({"source": {"a": [1.0], "b": [1.0, 2.0]}}, ValueError, "1 in 'a', 2 in 'b'"),
        ({"source": "fake_module:samples"}, ValueError, "no module 'fake_module'"),
        ({"source": "json:samples"}, ValueError, "'json' has no function 'samples'"),
        ({"method": isi.Attack}, TypeError, r"the class Attack. Pass one that is made of it"),
        ({"method": isi.L0()}, TypeError, r"Received: L0\(.*, which is a norm"),
        ({"method": isi.pixel_flipping}, TypeError, "pixel_flipping takes an Explanation"),
        ({"method": json.loads}, TypeError, r"f\(model, x, ...\). Received: loads\(s, cls,"),
    ],
)
def test_mistakes_are_said_before_anything_is_written(tmp_path, options, error, text):
    with pytest.raises(error, match=text):
        run(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/run"):
        with pytest.raises(NotADirectoryError, match=r"file' is a file. A run is a folder"):
            run(tmp_path / place)


def test_a_method_that_returns_no_record(tmp_path):
    with pytest.raises(RuntimeError, match=r"The method returned a tuple. Expected a record"):
        run(tmp_path, method=fake.no_record)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"holds 'thesis.tex' and no run"):
        run(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no run"):
        isi.Run(tmp_path)


def test_one_process_works_on_a_folder(tmp_path):
    with RunFolder(tmp_path).held((0, 1)), pytest.raises(RuntimeError, match="Another process"):
        run(tmp_path)
    with RunFolder(tmp_path).held((1, 2)):
        assert run(tmp_path).status().finished


def test_targets_of_each_sample_are_cut_with_them(tmp_path):
    target = np.arange(fake.ROWS) % 2
    found = run(tmp_path, target=target)
    np.testing.assert_array_equal(found.result().target, target)
    with pytest.raises(ValueError, match="another target"):
        run(tmp_path, target=1 - target)


def test_progress_is_of_samples(tmp_path, capsys):
    run(tmp_path, part=(0, 4))
    run(tmp_path, verbose=1)
    assert "24 of 24 samples, 50.0% turned" in capsys.readouterr().out


def test_progress_in_a_notebook_needs_no_other_package(monkeypatch, capsys):
    counted = progress.Progress(4, 0)
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    with progress.shown(counted, 1) as show:
        counted.add({"samples": 4, "successes": 3, "attacked": 4})
        show()
    lines = capsys.readouterr().out.rstrip("\n").split("\r")
    assert lines[1].startswith("0 of 4 samples")
    assert lines[2].startswith("4 of 4 samples, 75.0% turned")


def test_a_run_folder_can_be_moved(tmp_path, wanted):
    run(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    found = isi.Run(tmp_path / "there")
    assert found.digest() == wanted
    assert len(found.result()) == fake.ROWS
    assert os.path.exists(found.path)


def test_a_shard_of_another_run_is_not_read(tmp_path):
    run(tmp_path / "one")
    run(tmp_path / "two", source=fake.samples(seed=1))
    shutil.copy(tmp_path / "two/shards/000001.npz", tmp_path / "one/shards/000001.npz")
    with pytest.raises(ValueError, match="belongs to another run or place"):
        isi.evaluate(isi.Run(tmp_path / "one"))
    with pytest.raises(ValueError, match="Remove it: the next start computes it anew"):
        run(tmp_path / "one")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "is damaged"),
        ("[1]", "lacks 'call'"),
        ('{"format": 7}', "is no run that this version"),
    ],
)
def test_a_damaged_plan_is_said_to_be_one(tmp_path, text, match):
    run(tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=match):
        len(isi.Run(tmp_path))


def test_a_mistake_does_not_use_up_the_folder(tmp_path):
    x, y = fake.samples()
    with pytest.raises(RuntimeError, match="shards failed"):
        run(tmp_path, source=(np.full_like(x, np.nan), y))
    assert run(tmp_path).status().finished


def test_a_report_of_part_of_a_run_says_so(tmp_path):
    run(tmp_path, part=(0, 2))
    with pytest.warns(UserWarning, match="not finished: this is of 2 of 4 shards"):
        page = isi.Run(tmp_path).report()
    assert page.to_dict()


def test_a_stream_that_ends_elsewhere_is_refused(tmp_path):
    x, y = fake.samples()

    def batches(rows):
        return lambda: ((x[i : i + 3], y[i : i + 3]) for i in range(0, rows, 3))

    run(tmp_path, source=batches(24))
    with pytest.raises(ValueError, match="ends after 12 samples, and not where it ended before"):
        run(tmp_path, source=batches(12))
