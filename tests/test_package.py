"""What holds for the whole package: its layers, its components, its public face."""

import ast
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import oracles
import pytest
import test_norms

import isi_keras as isi
from isi_keras import _component, composites, indicators, norms, rules
from isi_keras.attacks import attack, jsma
from isi_keras.rules import first, proportional

PACKAGE = Path(isi.__file__).parent
# Who may import whom; docs/architecture.md says the same in words.
MAY_IMPORT = {
    "_version": set(),
    "_component": set(),
    "backend": {"backend"},
    "results": {"results"},
    "rewrite": set(),
    "inputs": set(),
    "goals": set(),
    "zoo": {"_component"},
    "compiling": {"backend", "rewrite"},
    "linear": {"rewrite"},
    "activations": set(),
    "models": {"activations", "compiling", "inputs", "rewrite"},
    "pairs": set(),
    "norms": {"_component", "norms", "pairs"},
    "rules": {"_component", "linear", "rules"},
    "tracking": {"linear", "rules"},
    "treatments": {"activations", "tracking"},
    "linear_treatments": {"activations", "linear", "tracking", "treatments"},
    "registry": {"_component", "compiling", "linear", "linear_treatments", "treatments"},
    "composites": {"_component", "registry", "rules"},
    "propagation": {"backend", "composites", "registry", "rewrite", "tracking", "treatments"},
    "indicators": {
        "_component",
        "backend",
        "composites",
        "goals",
        "indicators",
        "inputs",
        "models",
        "propagation",
        "rules",
    },
    "slots": {"backend"},
    "recording": {"results"},
    "stepping": {"goals", "norms", "results", "slots"},
    "crafting": {"indicators", "inputs", "models", "slots", "stepping"},
    "attack": {
        "_component",
        "compiling",
        "goals",
        "indicators",
        "inputs",
        "models",
        "norms",
        "recording",
        "results",
        "slots",
        "stepping",
    },
    "distance": {"compiling", "goals", "indicators", "inputs", "models", "pairs", "slots"},
    "jsma": {
        "_component",
        "attack",
        "distance",
        "indicators",
        "inputs",
        "models",
        "norms",
        "results",
    },
    "explanation": {
        "compiling",
        "goals",
        "indicators",
        "inputs",
        "models",
        "results",
        "slots",
    },
    "evaluation": {"results"},
    "sweep": {
        "_component",
        "attack",
        "evaluation",
        "indicators",
        "inputs",
        "jsma",
        "models",
        "norms",
        "results",
    },
    "concentration": {"results"},
    "faithfulness": {"compiling", "inputs", "models", "results", "slots"},
    "randomisation": {
        "evaluation",
        "explanation",
        "indicators",
        "inputs",
        "models",
        "results",
        "rewrite",
    },
    "plotting": {"evaluation", "plotting", "results"},
    "callbacks": None,
    "training": None,
    "cli": None,
    "__init__": {"_version"},
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """The modules of ours that a file imports, by their first name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "isi_keras":
            below = node.module.split(".")[1:]
            yield from below[:1] or (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("isi_keras."))


def test_who_imports_whom():
    for path, room in modules():
        allowed = MAY_IMPORT[room]
        if allowed is not None:
            assert set(imported(path)) <= allowed, path


def test_frameworks_are_named_in_the_backend_only():
    for path, room in modules():
        names = {
            (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            and getattr(node, "module", "") is not None
            for alias in node.names
        }
        if room != "backend":
            assert not names & {"tensorflow", "jax", "torch"}, path


def test_modules_are_small_rooms():
    for path, _ in modules():
        assert len(path.read_text().splitlines()) <= 300, path


def components():
    """Every final component of the package, found by walking it."""
    for module in (indicators, norms, proportional, first, composites, attack, jsma):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if (
                issubclass(kind, _component.Component)
                and kind.__module__.startswith(module.__name__)
                and not inspect.isabstract(kind)
            ):
                yield kind


@pytest.mark.parametrize("kind", list(components()), ids=lambda kind: kind.__name__)
def test_components_survive_json(kind):
    component = kind()
    again = kind.from_config(json.loads(json.dumps(component.get_config())))
    assert again == component
    assert hash(again) == hash(component)
    assert again.get_config() == component.get_config()
    assert component != object()


@pytest.mark.parametrize("module", [indicators, norms, rules])
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
    """A rule without one fails here the moment it exists, as does a norm that none tests."""
    kinds = {kind.__name__ for kind in components() if issubclass(kind, rules.Rule)}
    assert kinds == set(oracles.RULES)
    assert {type(norm) for norm, _ in test_norms.NORMS.values()} == {
        kind for kind in components() if issubclass(kind, norms.Norm)
    }


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
