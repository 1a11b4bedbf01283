"""The backends agree with each other, installed ones only."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from makers.agreement import attack_all, fixed_network
from makers.networks import images
from makers.paths import ROOT

from isi_keras import backend

OTHERS = [
    name
    for name in ("tensorflow", "jax", "torch")
    if name != keras.config.backend() and importlib.util.find_spec(name)
]
SCRIPT = """
import sys
import numpy as np, keras
import isi_keras as isi
sys.path.insert(0, sys.argv[1])
from makers.agreement import attack_all, fixed_network
from makers.networks import images
np.savez(sys.argv[2], **attack_all(fixed_network(), images()))
"""


@pytest.mark.skipif(keras.config.backend() != "torch", reason="others never change in place")
def test_weights_that_change_during_a_pass_are_read_again():
    """As another thread's optimizer does it; what is returned is of one state of the weights."""
    weight, passes = keras.Variable(np.ones(3)), []

    def twice(values):
        first = values * 1
        if not passes:
            weight.assign_add(np.ones(3))
        passes.append(None)
        return first, values * 1

    first, second = backend.jit(twice)(weight.value)
    assert len(passes) == 2
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(first), [2, 2, 2])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(second), [2, 2, 2])


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="each pair needs one side")
@pytest.mark.parametrize("other", OTHERS)
def test_backends_agree(other, tmp_path):
    folder, path = str(ROOT / "tests"), tmp_path / "other.npz"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder, str(path)],
        env={**os.environ, "KERAS_BACKEND": other},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = attack_all(fixed_network(), images())
    with np.load(path) as theirs:
        assert set(theirs.files) == set(ours)
        for name, array in ours.items():
            np.testing.assert_allclose(array, theirs[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_vjp():
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    tensor = keras.ops.convert_to_tensor(x)
    y, pullback = backend.vjp(lambda x: x * x * x, tensor)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(y), x**3, rtol=1e-6)
    for factor in (1.0, -2.0):  # more than once
        gradient = pullback(factor * keras.ops.ones_like(tensor))
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(gradient), factor * 3 * x**2, rtol=1e-5
        )


def test_vjp_of_what_does_not_depend_on_x_is_zero():
    x = keras.ops.ones((2, 3))
    _, pullback = backend.vjp(lambda x: keras.ops.zeros((2, 5)), x)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(pullback(keras.ops.ones((2, 5)))), np.zeros((2, 3))
    )


def test_jit_computes_what_the_function_does():
    double = backend.jit(lambda tensors: {name: 2 * value for name, value in tensors.items()})
    for shape in ((2,), (3, 1)):
        found = double({"a": keras.ops.ones(shape)})["a"]
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), np.full(shape, 2.0))


@pytest.mark.skipif(keras.config.backend() != "torch", reason="others change nothing in place")
def test_weights_that_another_thread_changes_are_copied():
    import torch

    weight, runs = torch.nn.Parameter(torch.ones(3)), []

    def slope(values, x):
        runs.append(values[0] is weight)
        _, pullback = backend.vjp(lambda v: (v["x"] * values[0]).sum(), {"x": x})
        with torch.no_grad():  # as an optimizer does
            weight.add_(1)
        return pullback(torch.tensor(1.0))["x"]

    assert backend.jit(slope)([weight], torch.ones(3)).tolist() == [2, 2, 2]
    assert runs == [True, False]
    with pytest.raises(RuntimeError, match="shape"):
        backend.jit(lambda x: torch.reshape(x, (4,)))(torch.ones(3))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="others compile otherwise")
def test_any_number_of_rows_is_traced_once():
    traces = []

    def scaled(weights, x, by):
        traces.append(x["a"].shape)
        return weights[0] * x["a"] * by

    def counted(weights, x, by):
        traces.append(x["a"].shape)
        return weights[0] * x["a"] * by + float(x["a"].shape[0])

    for function, expected in ((scaled, 1), (counted, 4)):  # a trial, and one for each number
        traces.clear()
        run = backend.jit(function, any_rows=True)
        for rows in (3, 5, 1, 5):
            x = {"a": np.arange(2.0 * rows, dtype="float32").reshape(rows, 2)}
            found = run([backend.tensor(np.float32([[1, 2]]))], *map(_tensors, (x, np.float32(3))))
            added = rows if function is counted else 0
            np.testing.assert_array_equal(found, x["a"] * [[1, 2]] * 3 + added)
        assert len(traces) == expected


def _tensors(structure):
    return keras.tree.map_structure(backend.tensor, structure)
