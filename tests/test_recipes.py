"""The recipes of CONTRIBUTING.md, followed literally with the examples of the how-to guides."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from makers.paths import ROOT

ROW = re.compile(r"^\| \[an? (\w+)\]\((\S+)\) \| `(\S+)` \| `(\S+)`: (.+) \|$", re.MULTILINE)
BLOCK = re.compile(r"```python\n(import dataclasses\n.*?|import numpy as np\n.*?)```", re.DOTALL)
RECIPES = {row[0]: row[1:] for row in ROW.findall((ROOT / "CONTRIBUTING.md").read_text())}
USE = """
import numpy as np
import isi_keras as isi
from isi_keras import attacks, indicators, norms, plotting, rules

model, (x, y) = isi.zoo.load("lenet-mnist")
assert type(rules.get("magnitude")).__name__ == "Magnitude"
assert (isi.explain(model, x[:2], indicator=isi.Relevance("magnitude")).relevance >= 0).all()
result = isi.Attack("random_order", "steepest", max_steps=3)(model, x[:4])
again = attacks.get(isi.AttackResult.load(result.save("one")).config)
assert again == isi.Attack("random_order", "steepest", max_steps=3)
assert attacks.get("bisection")(model, x[:4]).success.any()
assert plotting.reasons(result).get_xlabel() == "share of 4 samples (%)"
assert "reasons" in plotting.__all__
"""


def test_the_table_has_a_recipe_for_each_how_to():
    pages = {page.name for page in (ROOT / "docs" / "how-to").glob("add-a*.md")}
    assert pages == {os.path.basename(page) for page, *_ in RECIPES.values()}


@pytest.mark.once
def test_two_files_make_each_known(tmp_path):
    """All are added to one copy of the package, which then takes them by name."""
    shutil.copytree(ROOT / "isi_keras", tmp_path / "isi_keras")
    for page, file, known, how in RECIPES.values():
        code = BLOCK.search((ROOT / page).read_text())[1]  # pyright: ignore
        assert not (tmp_path / file).exists()
        (tmp_path / file).write_text(code)
        path = tmp_path / known
        text = path.read_text()
        if "`NAMES`" in how:
            module = file.removesuffix(".py").replace("/", ".")
            kind = re.findall(r"^class (\w+)\(.+\):", code, re.MULTILINE)[-1]
            name = module.rpartition(".")[2]
            text += f"\nfrom {module} import {kind}\nNAMES[{name!r}] = {kind}\n"
        else:
            entry = re.search(r"`(Plot\(.+\))`", how)[1]  # pyright: ignore
            assert text.count("    for plot in (\n") == 1
            text = text.replace("    for plot in (\n", f"    for plot in (\n        {entry},\n")
        path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
