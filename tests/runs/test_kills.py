"""What ends a run, and that the same call goes on: each time to the same results.

The method is plain NumPy, so that a process takes a moment to start, not seconds.
"""

import functools
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from makers import fake
from makers.paths import ROOT

import isi_keras as isi

pytestmark = pytest.mark.once
SCRIPT = """
import functools, sys
from makers import fake
import isi_keras as isi
{before}
def main():
    method = functools.partial(fake.turned, {options})
    isi.run(method, None, fake.samples(), out=sys.argv[1], shard_size=6, {more}, verbose={verbose})
{call}
"""
GUARDED = 'if __name__ == "__main__":\n    main()'


def run(folder, workers=2, **options):
    method = functools.partial(fake.turned, **options)
    return isi.run(
        method, None, fake.samples(), out=folder, shard_size=6, workers=workers, verbose=0
    )


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("wanted"), workers=1).digest()


def start(folder, options="", more="workers=2", before="", call=GUARDED, verbose=0):
    script = folder.parent / "script.py"
    script.write_text(
        SCRIPT.format(options=options, more=more, before=before, call=call, verbose=verbose)
    )
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def shards(folder):
    return {p.name: p.stat().st_mtime_ns for p in (folder / "shards").glob("[0-9]*.npz")}


def wait_for(condition, seconds=200):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(group):
    """Whether a process of a session is there that is no zombie."""
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    state, _, _, session = file.read().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == group and state != "Z":
                return True
    return False


def test_no_backend_starts_for_what_needs_none(tmp_path, wanted):
    process = start(
        tmp_path / "run", more="workers=1", call=f"{GUARDED}\nassert 'keras' not in sys.modules"
    )
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert isi.Run(tmp_path / "run").digest() == wanted


def test_a_killed_worker_is_replaced(tmp_path, wanted):
    found = run(tmp_path / "run", kill=str(tmp_path / "once"))
    assert (tmp_path / "once").exists()
    assert found.status().finished
    assert found.digest() == wanted


def test_a_shard_that_kills_its_workers_is_given_up_and_the_rest_goes_on(tmp_path, wanted):
    text = r"A shard failed; 3 of 4 shards are kept .* Shard 2: its worker died 3 times.*SIGKILL"
    with pytest.raises(RuntimeError, match=text):
        run(tmp_path, poison=13)
    assert "died 3 times" in isi.Run(tmp_path).status().failed[2]
    assert sorted(shards(tmp_path)) == ["000000.npz", "000001.npz", "000003.npz"]


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="processes are counted in /proc")
def test_a_killed_driver_leaves_no_process_and_nothing_half_written(tmp_path, wanted):
    folder = tmp_path / "run"
    process = start(folder, "slow=0.3")
    wait_for(lambda: (folder / "shards").exists() and shards(folder))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    wait_for(lambda: not alive(process.pid), 10)
    before = shards(folder)
    assert 0 < len(before) < 4
    found = run(folder, workers=1, slow=0.3)
    assert before.items() <= shards(folder).items()
    assert found.digest() == wanted
    assert not [p for p in folder.rglob(".*") if not p.name.startswith(".lock")]


def test_a_kill_during_the_write_leaves_no_shard(tmp_path, wanted):
    folder = tmp_path / "run"
    before = """
import os, signal
from isi_keras.results import files
moved = os.replace
def replace(old, new):
    if "000001.npz" in str(new):
        os.kill(os.getpid(), signal.SIGKILL)
    moved(old, new)
files.os.replace = replace
"""
    process = start(folder, more="workers=1", before=before)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list(shards(folder)) == ["000000.npz"]
    assert list((folder / "shards").glob(".000001.npz.*"))
    assert isi.Run(folder).status().done == 1
    assert run(folder, workers=1).digest() == wanted
    assert len(list((folder / "shards").iterdir())) == 4


def test_a_full_disk_ends_the_run(tmp_path, wanted):
    folder = tmp_path / "run"
    assert run(folder, workers=1).digest() == wanted
    for name in ("000002.npz", "000003.npz"):
        (folder / "shards" / name).unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=r"Shard 2 cannot be written: .*2 of 4 shards are kept"):
            run(folder, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list((folder / "shards").iterdir())) == 2
    assert not (folder / "failed").exists()
    assert run(folder, workers=1).digest() == wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_ends_the_run_after_the_shards_under_way(number, tmp_path, wanted):
    folder = tmp_path / "run"
    process = start(folder, "slow=0.3", verbose=1)
    wait_for(lambda: (folder / "shards").exists() and shards(folder))
    os.killpg(process.pid, number)  # as a terminal and a scheduler do: all processes get it
    said = process.communicate(timeout=200)[0]
    assert "ending after the shards under way" in said
    assert "KeyboardInterrupt: Interrupted." in said
    assert "the same call goes on" in said
    assert 0 < len(shards(folder)) <= 4
    assert run(folder, workers=1, slow=0.3).digest() == wanted


def test_a_script_without_a_guard_is_told_so(tmp_path):
    process = start(tmp_path / "run", call="main()")
    said = process.communicate(timeout=200)[0]
    assert 'Put the call under `if __name__ == "__main__":`' in said
    assert process.returncode == 1
