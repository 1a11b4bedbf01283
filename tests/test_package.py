"""What holds for the whole package: its layers, its components, its public face."""

import ast
import inspect
import json
import os
import pkgutil
import statistics
import subprocess
import sys
from pathlib import Path

import oracles
import pytest
from makers.components import components
from makers.paths import ROOT

import isi_keras as isi
from isi_keras import attacks, indicators, norms, rules

pytestmark = pytest.mark.once
PACKAGE = Path(isi.__file__).parent


def test_modules_are_small_rooms():
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert max(lengths.values()) <= 300, max(lengths, key=lambda path: lengths[path])
    assert statistics.median(lengths.values()) <= 120


@pytest.mark.parametrize("kind", list(components()), ids=lambda kind: kind.__name__)
def test_components_survive_json(kind):
    component = kind()
    again = kind.from_config(json.loads(json.dumps(component.get_config())))
    assert again == component
    assert hash(again) == hash(component)
    assert again.get_config() == component.get_config()
    assert component != object()


@pytest.mark.parametrize("module", [attacks, indicators, norms, rules])
def test_names_and_configurations_make_components(module):
    for name, make in module.NAMES.items():
        assert module.get(name.upper()) == make()
        config = {"class_name": type(make()).__name__, "config": make().get_config()}
        assert module.get(config) == make()
    with pytest.raises(ValueError, match="Unknown"):
        module.get({"class_name": "Nothing"})


def test_components_are_frozen_and_equal_by_configuration():
    assert isi.L0() == isi.L0(features=1)
    assert isi.L0() != isi.L0(features=2)
    assert isi.Relevance("z") != isi.Relevance("epsilon")
    assert isi.Attack(bounds=([0, 0], 1)) == isi.Attack(bounds=([0, 0], 1))
    assert isi.Attack(bounds=([0, 0], 1)) != isi.Attack()
    with pytest.raises(AttributeError):
        isi.L0().features = 3


def test_rules_have_oracles():
    """A rule without one fails here the moment it exists."""
    kinds = {kind.__name__ for kind in components() if issubclass(kind, rules.Rule)}
    assert kinds == set(oracles.RULES)


def test_public_names_are_documented():
    reference = "".join(p.read_text() for p in (PACKAGE.parent / "docs").rglob("*.md"))
    for name in isi.__all__:
        member = getattr(isi, name)
        assert inspect.getdoc(member), name
        assert f"::: isi_keras.{name}" in reference, name


def test_public_docstrings_say_what_they_take():
    for name in isi.__all__:
        member = getattr(isi, name)
        fields = inspect.signature(member).parameters if callable(member) else {}
        if fields and name not in ("Result", "Goal"):
            text = inspect.getdoc(member)
            assert "Args:" in text, name
            for field in fields:
                assert f"{field}:" in text, (name, field)


def fresh(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_importing_is_light():
    done = fresh(
        "import sys, isi_keras; isi_keras.__version__; isi_keras.evaluate; isi_keras.AttackResult;"
        "heavy = {'keras', 'matplotlib', 'tensorflow', 'jax', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    assert done.returncode == 0, done.stderr


def test_computing_imports_no_plotting():
    done = fresh(
        "import sys, isi_keras; isi_keras.Attack; isi_keras.explain; isi_keras.zoo.load;"
        "assert not {'isi_keras.plotting', 'seaborn'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_every_module_imports():
    for module in pkgutil.walk_packages([str(PACKAGE)], "isi_keras."):
        if not module.name.startswith("isi_keras.backend._") and not module.name.endswith(
            "__main__"
        ):
            __import__(module.name)


def test_functions_are_not_hidden_by_modules():
    """`isi.explain` stays a function after the module of the same idea was imported."""

    assert callable(isi.explain)
    assert callable(isi.evaluate)
    assert set(isi.__all__) <= set(dir(isi))


def test_a_backend_that_is_not_supported_is_named():
    pytest.importorskip("jax", reason="Keras' own NumPy backend imports it")
    done = fresh("import isi_keras.backend", KERAS_BACKEND="numpy")
    assert "isi_keras runs on the Keras backends tensorflow, jax, torch" in done.stderr


def test_what_test_files_share_stands_in_makers():
    """None imports from another, so that each can be moved, split and run alone."""
    tests = ROOT / "tests"
    files = {path.stem for path in tests.rglob("*.py") if path.name.startswith(("test_", "conf"))}
    for path in tests.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, path
                names = [node.module, *(alias.name for alias in node.names)]
            else:
                continue
            assert not files & {part for name in names for part in name.split(".")}, path
