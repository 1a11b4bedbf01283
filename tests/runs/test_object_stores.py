"""Runs, results, pictures and reports in an object store: a server of S3's protocol, here.

`make test-engines` installs what this needs.
"""

import logging
from pathlib import Path

import numpy as np
import pytest
from makers import commands, fake

import isi_keras as isi

WHY = "{} is not installed: see `make test-engines`"
moto = pytest.importorskip("moto.server", reason=WHY.format("moto"))
s3fs = pytest.importorskip("s3fs", reason=WHY.format("s3fs"))
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def bucket():
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "none")
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
    server.stop()


def run(folder, source=None, **options):
    options = {"shard_size": 6, "verbose": 0, "keep": ("adversarial",), **options}
    return isi.run(fake.turned, None, source or fake.samples(), out=folder, **options)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("wanted")).digest()


def test_a_run_is_what_it_is_in_a_folder(bucket, wanted):
    place = f"{bucket}/night"
    found = run(place)
    assert found.digest() == wanted
    again = isi.Run(place)
    np.testing.assert_array_equal(again[3:9].x, fake.samples()[0][3:9])
    assert isi.evaluate(again).samples == fake.ROWS
    (again.path / "shards/000002.npz").unlink()
    assert again.status().done == 3
    assert run(place).digest() == wanted
    with pytest.raises(ValueError, match="begun with other data"):
        run(place, fake.samples(seed=1))


@pytest.mark.parametrize("engine", ["processes", "ray", "dask"])
@pytest.mark.filterwarnings("ignore")  # what clusters warn of is theirs
def test_workers_write_there(bucket, engine, wanted):
    package = {"processes": "sys", "ray": "ray", "dask": "distributed"}[engine]
    pytest.importorskip(package, reason=WHY.format(package))
    try:
        assert run(f"{bucket}/{engine}", workers=2, engine=engine).digest() == wanted
    finally:
        if engine == "ray":
            import ray

            ray.shutdown()


def test_parts_write_there(bucket, wanted):
    for index in range(2):
        run(f"{bucket}/parts", part=(index, 2))
    assert isi.Run(f"{bucket}/parts").digest() == wanted


def test_a_bucket_is_not_made(bucket):
    with pytest.raises(FileNotFoundError, match=r"There is no bucket 'typo' .* Make it"):
        run("s3://typo/night")
    assert not s3fs.S3FileSystem().exists("typo")
    with pytest.raises(FileNotFoundError, match="There is no run in 's3://typo/night'"):
        isi.Run("s3://typo/night")


def test_files_lie_there(bucket, tmp_path):
    result = run(f"{bucket}/files").result()
    written = result.save(f"{bucket}/results/one")
    assert str(written) == f"{bucket}/results/one.npz"
    read = isi.AttackResult.load(written)
    np.testing.assert_array_equal(read.adversarial, result.adversarial)
    result.report(f"{bucket}/results/report.html")
    assert (written.parent / "report.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(ValueError, match=f"Pass text: '{bucket}/results/two.npz'"):
        result.save(Path(f"{bucket}/results/two.npz"))
    pytest.importorskip("pyarrow", reason=WHY.format("pyarrow"))
    table = isi.Run(f"{bucket}/files").to_parquet(f"{bucket}/results/table.parquet")
    assert table.stat().st_size > 100


def test_commands_go_there(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = f"{bucket}/commands/"
    words = ["attack", "lenet-mnist", "--samples", 4, "--max-steps", 3, "--out", place]
    assert f"picture: {place}picture.png" in commands.run(*words)
    assert "4 of 4 samples" in commands.run("status", place)
    assert "of 4 attacked samples" in commands.run("evaluate", place)
    commands.run("plot", place, "--out", f"{bucket}/plots/one.png")
    commands.run("report", place, "--out", f"{bucket}/plots/report.html")
    names = s3fs.S3FileSystem().ls("bucket/plots")
    assert names == ["bucket/plots/one.png", "bucket/plots/report.html"]
    commands.run(*words[:-3], 2, "--overwrite", *words[-2:])
    assert not list(tmp_path.iterdir())
