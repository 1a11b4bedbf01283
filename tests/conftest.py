"""Fixtures that several test files use."""

import collections
import importlib.metadata
import os
import random

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # A core for each worker, before a backend starts: threads of all for all would contend.
    _cores = sorted(os.sched_getaffinity(0))
    _number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.sched_setaffinity(0, {_cores[_number % len(_cores)]})

# JAX compiles its other way of drawing numbers for seconds, anew for each shape of a kernel.
os.environ.setdefault("JAX_THREEFRY_PARTITIONABLE", "0")

# Most of what JAX does here is to compile small programs that run once, which takes half the time
# without these. As users have it, optimised, it runs in test_backends.py.
if os.environ.get("KERAS_BACKEND") == "jax":
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    if tuple(map(int, importlib.metadata.version("jax").split(".")[:2])) < (0, 11):
        # Later ones do not know it, which ends the process.
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

import keras
import numpy as np
import pytest
from makers.paths import GOLDEN, ROOT

# Pictures are drawn without a backend; commands and papers use what other tests check on each.
# Tests of pages, of scripts and of the package as a whole have the marker `once` themselves. They
# run on Torch, which starts soonest and compiles nothing, unless `on` names another backend.
ONCE = tuple(str(ROOT / "tests" / folder) for folder in ("cli", "papers", "plotting"))
# Of the cases of a grid, so many count, drawn by its name; the others are large. What has a case
# for each page or picture is run as a whole. Torch compiles nothing and runs every test; of those
# that it runs, TensorFlow and JAX, which compile for seconds in each, run a share, drawn by name.
WHOLE = ("test_plotting", "/cli/", "test_docs", "test_examples", "test_package", "test_golden")
CASES = int(
    os.environ.get("CASES", {"tensorflow": 3, "jax": 1, "torch": 3}[keras.config.backend()])
)


SHARE = float(os.environ.get("SHARE", 1.0 if keras.config.backend() == "torch" else 0.35))
UNWATCHED = ("attacks", "explanations", "indicators", "rules", "test_golden.py", "test_oracles.py")
# What computes with NumPy, or with what other files have on JAX, and would be compiled for minutes.
SPARED = ("test_faithfulness", "test_jsma", "tests/results/", "test_component", "test_zoo")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    grids = collections.defaultdict(list)
    for item in items:
        if str(item.path).startswith(ONCE):
            item.add_marker("once")
        once = item.get_closest_marker("once")
        if once and keras.config.backend() != once.kwargs.get("on", "torch"):
            item.add_marker("large")
            if "on" in once.kwargs:
                item.add_marker(pytest.mark.skip(reason=f"runs on {once.kwargs['on']}"))
        if keras.config.backend() == "jax" and any(word in item.nodeid for word in SPARED):
            item.add_marker("large")
        grids[item.nodeid.partition("[")[0]].append(item)
        whole = once or any(word in item.nodeid for word in WHOLE)
        if not whole and random.Random(item.nodeid).random() >= SHARE:
            item.add_marker("large")
    for name, cases in grids.items():
        whole = keras.config.backend() != "jax" and any(word in name for word in WHOLE)
        if len(cases) > CASES and not whole:
            chosen = random.Random(name).sample(cases, CASES)
            for item in cases:
                if item not in chosen:
                    item.add_marker("large")


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _unwatched(request, monkeypatch):
    """The check for lost relevance belongs to `graph/`; elsewhere it only takes time.

    JAX compiles it for as long as the pass itself; there one file has it.
    """
    folder, name = request.path.parent.name, request.path.name
    if keras.config.backend() == "jax":
        spared = name != "test_treatments.py"
    else:
        spared = folder in UNWATCHED or name in UNWATCHED
    if spared:
        from isi_keras.graph import conservation

        monkeypatch.setattr(conservation, "check", lambda propagation, x: True)


@pytest.fixture(scope="session")
def golden():
    """What the original code of 2020 made of 64 images; see tests/golden/README.md."""
    with np.load(GOLDEN / "isi_seed.npz", allow_pickle=False) as data:
        return dict(data)


@pytest.fixture(scope="session")
def lenet(golden):
    """The LeNet the golden values were made with."""
    from isi_keras import zoo

    model = zoo.lenet_isi()
    model.set_weights([golden[f"weight{i}"] for i in range(8)])
    return model


@pytest.fixture
def rng():
    return np.random.default_rng(0)
