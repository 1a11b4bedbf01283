"""What the script of architectures measures of one model."""

import runpy

import keras
import numpy as np
import pytest
from makers.networks import images, small_network
from makers.paths import ROOT
from makers.rows import row, sentence

SCRIPT = runpy.run_path(str(ROOT / "scripts" / "architectures.py"))


@pytest.mark.parametrize("final", [None, "softmax"])
def test_a_model_that_is_right(final):
    found = row(lambda: (small_network(final=final), images(4)), rounds=1)
    assert found["inputs"] == "6 x 5 x 2"
    assert found["logits"] < 1e-5
    assert found["elsewhere"] < 1e-5
    assert found["finite"]
    assert found["ratio"] > 0


def test_a_model_that_cannot_be_built():
    found = row(lambda: 1 / 0, rounds=0)
    assert found["refused"] == "ZeroDivisionError: division by zero"
    assert found["stage"] == "model"


def test_a_model_without_relevance():
    class Odd(keras.layers.Layer):
        def call(self, x):
            return keras.ops.while_loop(lambda h: keras.ops.sum(h) < -1e9, lambda h: [-h], [x])[0]

    model = keras.Sequential([keras.Input((4,)), Odd(name="odd"), keras.layers.Dense(2)])
    found = row(lambda: (model, np.ones((2, 4), "float32")), rounds=0)
    assert found["stage"] == "relevance"
    assert "odd" in found["refused"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("No rule for 'a.b'. Register one."), "No rule for 'a.b'."),
        (TypeError("one\ntwo"), "one two"),
        (KeyError("a"), "KeyError: 'a'"),
        (ValueError(""), "It says nothing."),
        (
            ValueError(
                "Exception encountered when calling A.call().\n\n\x1b[1mIt is odd.\x1b[0m\n\nx=1"
            ),
            "It is odd.",
        ),
    ],
)
def test_the_first_sentence(error, said):
    assert sentence(error) == said


def test_the_table_says_what_is_right_refused_and_wrong():
    right = {"inputs": "4", "logits": 0.0, "elsewhere": 2e-7, "finite": True, "ratio": 1.26}
    wrong = {**right, "elsewhere": 0.5}
    refused = {"inputs": "4", "refused": "No `rule`.", "stage": "relevance"}
    part = {"rows": {"custom": {"a": right, "b": wrong, "c": refused}}, "versions": {"keras": "3"}}
    text = SCRIPT["table"](
        {"torch": part, "jax": {"rows": {"custom": {"d": refused}}, "versions": {}}}
    )
    assert "Torch: of 3 models 1 are right, 1 are refused, 1 are beyond 0.001" in text
    assert "| kind | model | input | JAX | Torch |" in text
    assert "| custom | a | 4 |  | 0e+00 · 2e-07 · 1.3 |" in text
    assert "| custom | b | 4 |  | 0e+00 · **5e-01** · 1.3 |" in text
    assert "| custom | c | 4 |  | no (1) |" in text
    assert "1. `No 'rule'.`" in text


def test_rows_are_kept_as_they_come(tmp_path):
    path = tmp_path / "numbers.json"
    for name in ("a", "b"):
        SCRIPT["keep"]({"jax": {"rows": {"custom": {name: {}}}, "versions": {}}}, path)
    assert '"a"' in path.read_text()
    assert '"b"' in path.read_text()
    SCRIPT["forget"]("jax", path)
    assert path.read_text() == "{}\n"


def test_a_process_that_dies_costs_its_row_alone(tmp_path):
    mark = SCRIPT["MARK"]
    worker = tmp_path / "worker.py"
    # Says what it begins and what it found, as the script's own process does.
    worker.write_text(
        "import json, os, sys\n"
        "for entry in sys.argv[sys.argv.index('--rows') + 1 :]:\n"
        "    kind, _, name = entry.partition('/')\n"
        "    said = {'kind': kind, 'name': name}\n"
        f"    print({mark!r} + json.dumps(said), flush=True)\n"
        "    if name == 'b':\n"
        "        os._exit(9)\n"
        f"    print({mark!r} + json.dumps(said | {{'found': {{}}}}), flush=True)\n"
    )
    SCRIPT["measured"].__globals__["__file__"] = str(worker)
    found = list(SCRIPT["measured"]([("custom", name) for name in "abc"], quick=True))
    assert [name for _, name, _ in found] == ["a", "b", "c"]
    assert [bool(numbers) for *_, numbers in found] == [False, True, False]
    assert "code 9" in found[1][2]["refused"]
