"""Ray and Dask, on clusters of two workers here; `make test-engines` installs them."""

import functools

import pytest
from makers import fake

import isi_keras as isi

pytestmark = pytest.mark.once
WHY = "{} is not installed: see `make test-engines`"


def run(folder, **options):
    given = {"engine": options.pop("engine", None), "workers": options.pop("workers", 1)}
    method = functools.partial(fake.turned, **options)
    return isi.run(method, None, fake.samples(), out=folder, shard_size=6, verbose=0, **given)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("wanted")).digest()


@pytest.fixture(params=["ray", "dask"])
def engine(request):
    package = {"ray": "ray", "dask": "distributed"}[request.param]
    pytest.importorskip(package, reason=WHY.format(package))
    yield request.param
    if request.param == "ray":
        import ray

        ray.shutdown()


# What these warn of is theirs.
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_what_one_process_does_also_when_a_worker_is_killed(
    engine, tmp_path, wanted
):
    found = run(tmp_path / "run", engine=engine, workers=2, kill=str(tmp_path / "once"))
    assert (tmp_path / "once").exists()
    assert found.digest() == wanted
    before = found.status()
    assert run(tmp_path / "run", kill=str(tmp_path / "once")).status().finished == before.finished


@pytest.mark.filterwarnings("ignore")
def test_a_shard_that_kills_its_workers_is_given_up(engine, tmp_path, monkeypatch):
    """Dask gives up for good a worker that is away for so long, be it about to come back."""
    monkeypatch.setenv("DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT", "0.2s")
    if engine == "dask":
        import dask  # pyright: ignore[reportMissingImports]

        dask.config.refresh()
    with pytest.raises(RuntimeError, match=r"3 of 4 shards are kept .* died again and again"):
        run(tmp_path, engine=engine, workers=2, poison=13)
    assert isi.Run(tmp_path).status().done == 3
