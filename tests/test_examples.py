"""The scripts of `examples/`: each runs, is silent about trouble, and writes what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(script, tmp_path):
    out = tmp_path / "pictures"
    done = subprocess.run(
        [sys.executable, str(script), "--quick", "--out", str(out)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A warning of ours points at our file, or at the line of the script that called us.
    assert not re.search(r"(isi_keras|examples)\S*:\d+: \w*Warning", done.stderr), done.stderr
    # TensorFlow names the function it finds compiled too often; all that is compiled is ours.
    assert "retracing" not in done.stderr, done.stderr
    written = {Path(line) for line in re.findall(r"^wrote (.+)$", done.stdout, re.MULTILINE)}
    assert written
    assert written == {path for path in out.rglob("*") if path.is_file()}
    for path in written:
        if path.suffix == ".json":
            json.loads(path.read_text())
        else:
            assert path.read_bytes().startswith(PNG)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_there_are_scripts():
    assert SCRIPTS
